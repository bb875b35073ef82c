//! A page that is open: it listens to the live stream, as a browser does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use http_body_util::BodyExt;
use tokio::task::AbortHandle;

use crate::first_byte::get;

/// An open page, closed when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenPage {
    reader: AbortHandle,
    bytes: Arc<AtomicU64>,
}

impl OpenPage {
    /// Opens one that listens to that topic, and reads until it is dropped.
    pub(crate) async fn open(address: SocketAddr, topic: &str) -> Result<Self> {
        let mut stream = get(address, &format!("/dashboard/api/live?of={topic}")).await?;
        ensure!(stream.status().is_success(), "the live stream answered {}", stream.status());
        let bytes = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&bytes);
        // The reader: it ends with this page, or with the stream.
        let reader = tokio::spawn(async move {
            while let Some(Ok(frame)) = stream.frame().await {
                read.fetch_add(frame.data_ref().map_or(0, |data| data.len() as u64), Ordering::Relaxed);
            }
        });
        Ok(Self { reader: reader.abort_handle(), bytes })
    }

    /// What it has read so far, on the wire.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
