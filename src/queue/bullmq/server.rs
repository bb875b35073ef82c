//! A Redis for the tests of this process.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::{RedisSettings, Settings};

/// Ends the server when whoever started it has ended, however that was.
const UNTIL_PARENT_ENDS: &str = r#""$@" >/dev/null & server=$!; cat >/dev/null; kill -9 $server"#;

/// To this user the server is one from before functions.
const USER_WITHOUT_FUNCTIONS: &str = "old on nopass ~* &* +@all -function -fcall";

/// One Redis for all tests of this process.
fn shared() -> u16 {
    static SERVER: OnceLock<(Child, u16)> = OnceLock::new();
    let (_, port) = SERVER.get_or_init(|| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = Command::new("sh")
            .args(["-c", UNTIL_PARENT_ENDS, "sh", "redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"])
            .args(["--port", &port.to_string(), "--user"])
            .args(USER_WITHOUT_FUNCTIONS.split(' '))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "redis-server does not answer: is it installed?");
            std::thread::sleep(Duration::from_millis(5));
        }
        (child, port)
    });
    *port
}

/// Settings of a Redis that is there, with a prefix that no other test has.
pub(crate) fn settings() -> RedisSettings {
    settings_of(shared(), &new_prefix())
}

/// The same for a user who may not use functions.
pub(crate) fn settings_without_functions() -> RedisSettings {
    settings_at(&format!("redis://old:old@127.0.0.1:{}", shared()), &new_prefix())
}

fn new_prefix() -> String {
    static PREFIXES: AtomicU64 = AtomicU64::new(0);
    format!("t{}", PREFIXES.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn settings_of(port: u16, prefix: &str) -> RedisSettings {
    settings_at(&format!("redis://127.0.0.1:{port}"), prefix)
}

fn settings_at(url: &str, prefix: &str) -> RedisSettings {
    Settings::from_pairs([("LB_AUTH_KEY", "k"), ("REDIS_URL", url), ("REDIS_PREFIX", prefix)]).unwrap().redis
}
