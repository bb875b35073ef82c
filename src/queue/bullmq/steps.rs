//! Calls of the script.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, Value};

use crate::queue::{ClaimRequest, Lease};
use crate::task::lane_name;
use crate::task::{LaneKey, TaskId};

/// The steps of every task's way. Most calls have no others.
const FREQUENT: [&str; 6] = ["enqueue", "claim", "claim_task", "renew", "settle", "release"];
const CALL_OF_SCRIPT: &str = "return take_steps(KEYS, ARGV)";

/// What takes steps on the server, put together of parts in the order in which they stand on each other: a library of functions (from
/// Redis 7 on), which is set up once, or else scripts. The server sets up every function of a script at each call, so there is a short
/// one for the frequent steps.
pub(super) struct Scripts {
    frequent: Script,
    all: Script,
    library: String,
    /// Name of the library and of its function. It tells versions apart, so that several may share a server.
    name: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let tasks = [
            include_str!("scripts/base.lua"),
            include_str!("scripts/place.lua"),
            include_str!("scripts/ending.lua"),
            include_str!("scripts/claim.lua"),
            include_str!("scripts/steps.lua"),
        ];
        let others = [
            include_str!("scripts/change.lua"),
            include_str!("scripts/look.lua"),
            include_str!("scripts/upkeep.lua"),
            include_str!("scripts/inbox.lua"),
        ];
        let (tasks, others, run) = (tasks.concat(), others.concat(), include_str!("scripts/run.lua"));
        let all = Script::new(&[tasks.as_str(), others.as_str(), run, CALL_OF_SCRIPT].concat());
        let name = format!("andera_{}", all.get_hash());
        let head = format!("#!lua name={name}\n");
        let register = format!("redis.register_function('{name}', take_steps)");
        let library = [head.as_str(), tasks.as_str(), others.as_str(), run, register.as_str()].concat();
        Self { frequent: Script::new(&[tasks.as_str(), run, CALL_OF_SCRIPT].concat()), all, library, name }
    }

    /// Gives the server the library; `false` if it does not take it.
    pub(super) async fn load(&self, connection: &mut MultiplexedConnection) -> RedisResult<bool> {
        let loaded = redis::cmd("FUNCTION").arg("LOAD").arg(&self.library).query_async::<()>(connection).await;
        match loaded {
            Ok(()) => Ok(true),
            Err(error) if error.is_io_error() || error.is_connection_dropped() => Err(error),
            // There already, or older than functions, or nobody may load any.
            Err(error) => Ok(error.to_string().contains("already exists")),
        }
    }

    /// Takes steps on a server that has the library, or has not.
    pub(super) async fn take(
        &self,
        connection: &mut MultiplexedConnection,
        has_library: bool,
        call: &Call<'_>,
    ) -> RedisResult<Vec<Value>> {
        if !has_library {
            let frequent = call.steps.iter().all(|step| FREQUENT.contains(&step.name));
            let script = if frequent { &self.frequent } else { &self.all };
            let mut invocation = script.prepare_invoke();
            invocation.key(call.key.as_ref());
            call.each_argument(|argument| {
                invocation.arg(argument);
            });
            return invocation.invoke_async(connection).await;
        }
        let mut command = redis::cmd("FCALL");
        command.arg(&self.name).arg(1).arg(call.key.as_ref());
        call.each_argument(|argument| {
            command.arg(argument);
        });
        match command.query_async(connection).await {
            // Somebody has emptied the server, or another server has taken its place.
            Err(error) if error.to_string().contains("Function not found") => {
                self.load(connection).await?;
                command.query_async(connection).await
            }
            answers => answers,
        }
    }
}

/// Steps to take, with what each call begins with.
pub(super) struct Call<'a> {
    /// Some key of ours, for a cluster to know the node by.
    pub(super) key: Bytes,
    /// See `base.lua`.
    pub(super) head: [Bytes; 9],
    pub(super) steps: &'a [Step],
}

impl Call<'_> {
    fn each_argument(&self, mut put: impl FnMut(&[u8])) {
        for argument in &self.head {
            put(argument);
        }
        for step in self.steps {
            put(step.name.as_bytes());
            put(step.arguments.len().to_string().as_bytes());
            for argument in &step.arguments {
                put(argument);
            }
        }
    }
}

/// One step of a call: its name in the script, and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Step {
    name: &'static str,
    arguments: Vec<Bytes>,
}

impl Step {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, arguments: Vec::new() }
    }

    /// Adds a text.
    pub(super) fn text(mut self, text: impl Into<Bytes>) -> Self {
        self.arguments.push(text.into());
        self
    }

    /// Adds a number, an id or whatever else has a form for people.
    pub(super) fn of(self, value: impl ToString + Copy) -> Self {
        self.text(value.to_string())
    }

    /// Adds a value that may be missing.
    pub(super) fn maybe(self, value: Option<impl ToString>) -> Self {
        self.text(value.map_or_else(String::new, |value| value.to_string()))
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.text(Bytes::from_static(if flag { b"1" } else { b"0" }))
    }

    pub(super) fn lane(self, lane: &LaneKey) -> Self {
        self.text(lane_name::of(lane))
    }

    /// Adds a claim's request, and what it passes over.
    pub(super) fn request(self, request: &ClaimRequest) -> Self {
        let step = self.claim_of_one(request);
        request.skip.iter().fold(step, Self::of)
    }

    /// Adds the request of a claim that passes nothing over.
    pub(super) fn claim_of_one(self, request: &ClaimRequest) -> Self {
        self.of(request.id.0).flag(request.repeat).of(request.lease.as_millis())
    }

    pub(super) fn lease(self, lease: &Lease) -> Self {
        self.lane(&lease.lane).of(lease.task).of(lease.token)
    }

    pub(super) fn look(id: TaskId) -> Self {
        Self::new("look").of(id).flag(false)
    }
}
