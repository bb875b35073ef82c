//! The threads that serve connections.
//!
//! Each has a runtime of its own, and a connection stays where it was given to: with what it asks for, the connection to the worker
//! and the timers. Nothing of a task is handed from thread to thread, and a thread with nothing to do is not woken to look for work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Connections on their way to a thread.
const UNDER_WAY: usize = 1_024;

/// The threads that serve connections. They end when [`Crew::finished`] says so, or this is dropped.
pub(super) struct Crew {
    members: Vec<Member>,
    /// Set when nothing runs on the threads any more.
    over: CancellationToken,
}

struct Member {
    inbox: mpsc::Sender<Newcomer>,
    /// How many connections it has.
    connections: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A connection, for the thread that is to serve it.
struct Newcomer {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    serve: Serve,
    seat: Seat,
}

/// Begins to serve a connection, in the runtime it is called in.
type Serve = Box<dyn FnOnce(TcpStream, SocketAddr, Seat) + Send>;

/// Counts a connection among those of its thread until it is dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Crew {
    /// Starts so many threads.
    pub(super) fn start(threads: usize) -> anyhow::Result<Self> {
        let over = CancellationToken::new();
        let members = (0..threads.max(1)).map(|n| Member::start(n, over.clone()));
        Ok(Self { members: members.collect::<anyhow::Result<_>>()?, over })
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) async fn take(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        serve: impl FnOnce(TcpStream, SocketAddr, Seat) + Send + 'static,
    ) {
        // A connection that fails here is closed by being dropped.
        let Ok(stream) = stream.into_std() else { return };
        let Some(member) = self.members.iter().min_by_key(|member| member.connections.load(Ordering::Relaxed)) else {
            return;
        };
        member.connections.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(&member.connections));
        let newcomer = Newcomer { stream, peer, serve: Box::new(serve), seat };
        if member.inbox.send(newcomer).await.is_err() {
            tracing::error!("a thread that serves connections has ended");
        }
    }

    /// Ends the threads, on which nothing runs any more.
    pub(super) async fn finished(mut self) {
        self.over.cancel();
        let threads: Vec<_> = self.members.iter_mut().filter_map(|member| member.thread.take()).collect();
        let joined = tokio::task::spawn_blocking(|| threads.into_iter().all(|thread| thread.join().is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread that serves connections broke down");
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl Member {
    fn start(n: usize, over: CancellationToken) -> anyhow::Result<Self> {
        let (inbox, newcomers) = mpsc::channel(UNDER_WAY);
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
        let work = move || {
            runtime.block_on(over.run_until_cancelled(welcome(newcomers)));
        };
        let thread = thread::Builder::new().name(format!("andera-serve-{n}"));
        let thread = thread.spawn(work).context("cannot start a thread")?;
        Ok(Self { inbox, connections: Arc::default(), thread: Some(thread) })
    }
}

/// Begins to serve each newcomer, and does not end by itself: what was begun goes on.
async fn welcome(mut newcomers: mpsc::Receiver<Newcomer>) {
    while let Some(Newcomer { stream, peer, serve, seat }) = newcomers.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(stream, peer, seat),
            Err(error) => tracing::warn!(%error, "cannot serve a connection"),
        }
    }
    std::future::pending::<()>().await;
}
