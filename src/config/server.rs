//! Where the balancer listens and what it accepts.

use std::net::IpAddr;
use std::time::Duration;

use super::kind::{Address, DAY, GB, Size, Time, Whole};
use super::section::section;

section! {
    /// Where the balancer listens and what it accepts.
    pub struct ServerSettings {
        /// Address to listen on.
        pub host: IpAddr = HOST, Address, "0.0.0.0";
        /// Port to listen on; 0 takes any free one.
        pub port: u16 = PORT, Whole(0..=65_535), "4000";
        /// Largest request body, counted after decoding.
        pub request_body_limit: usize = REQUEST_BODY_LIMIT, Size(1..=GB), "10mb";
        /// How long a shutdown waits for running tasks.
        pub shutdown_timeout: Duration = SHUTDOWN_TIMEOUT, Time(Duration::ZERO..=DAY), "30000";
        /// Client connections open at once; further ones wait to be accepted.
        pub max_connections: usize = MAX_CONNECTIONS, Whole(1..=1_000_000), "16384";
    }
}
