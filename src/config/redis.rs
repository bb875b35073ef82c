//! The Redis of `QUEUE=redis`.

use std::time::Duration;

use url::Url;

use super::Secret;
use super::kind::{Kind, MINUTE, Time, Whole};
use super::section::section;

section! {
    /// The Redis of `QUEUE=redis`.
    pub struct RedisSettings {
        /// Its address, `redis://` or `rediss://` (TLS), with user, password and database if need be. Goes before the three below.
        /// Chooses `QUEUE=redis`, unless `QUEUE` says otherwise.
        pub url: Option<Secret> = REDIS_URL, RedisUrl, "";
        /// Its host, without `REDIS_URL`. Set, it chooses `QUEUE=redis` as well.
        pub host: String = REDIS_HOST, Word, "localhost";
        /// Its port, without `REDIS_URL`.
        pub port: u16 = REDIS_PORT, Whole(1..=65_535), "6379";
        /// Its password, without `REDIS_URL`.
        pub password: Option<Secret> = REDIS_PASSWORD, OptionalSecret, "";
        /// What all keys begin with. In a Redis Cluster it must have a part in braces, so that all of them are in one slot: `{bull}`.
        pub prefix: String = REDIS_PREFIX, Prefix, "bull";
        /// How long a new task waits for a Redis that is away before it is refused.
        pub wait: Duration = REDIS_WAIT, Time(Duration::ZERO..=MINUTE), "5s";
    }
}

impl RedisSettings {
    /// The address, in the form of `REDIS_URL`.
    pub fn address(&self) -> Secret {
        if let Some(url) = &self.url {
            return url.clone();
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let plain = format!("redis://{host}:{}", self.port);
        let Some(password) = &self.password else { return Secret::new(plain) };
        let mut url = Url::parse(&plain).ok();
        let set = url.as_mut().is_some_and(|url| url.set_password(Some(password.expose())).is_ok());
        Secret::new(url.filter(|_| set).map_or(plain, String::from))
    }
}

/// The address of a Redis, or nothing. It may hold a password.
struct RedisUrl;

impl Kind<Option<Secret>> for RedisUrl {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<Option<Secret>> {
        if text.is_empty() {
            return Some(None);
        }
        let url = Url::parse(text).ok()?;
        let known = matches!(url.scheme(), "redis" | "rediss") && url.has_host();
        known.then(|| Some(Secret::new(text)))
    }

    fn accepted(&self) -> String {
        "an address like redis://user:password@host:6379/0 or rediss://host".to_owned()
    }
}

/// A secret text, or nothing.
struct OptionalSecret;

impl Kind<Option<Secret>> for OptionalSecret {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<Option<Secret>> {
        Some((!text.is_empty()).then(|| Secret::new(text)))
    }

    fn accepted(&self) -> String {
        "a text".to_owned()
    }
}

/// A host.
struct Word;

impl Kind<String> for Word {
    fn parse(&self, text: &str) -> Option<String> {
        let fits = !text.contains(|c: char| c.is_whitespace() || "/@?#[]".contains(c));
        fits.then(|| text.to_owned())
    }

    fn accepted(&self) -> String {
        "a host name or an IP address".to_owned()
    }
}

/// The beginning of keys.
struct Prefix;

impl Kind<String> for Prefix {
    fn parse(&self, text: &str) -> Option<String> {
        (!text.contains(|c: char| c.is_whitespace() || c.is_control())).then(|| text.to_owned())
    }

    fn accepted(&self) -> String {
        "a text without spaces".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    fn address(pairs: &[(&str, &str)]) -> String {
        let all = [("LB_AUTH_KEY", "k")].into_iter().chain(pairs.iter().copied());
        Settings::from_pairs(all).unwrap().redis.address().expose().to_owned()
    }

    #[test]
    fn the_address_comes_from_one_variable_or_from_three() {
        assert_eq!(address(&[]), "redis://localhost:6379");
        assert_eq!(address(&[("REDIS_HOST", "r"), ("REDIS_PORT", "7")]), "redis://r:7");
        assert_eq!(address(&[("REDIS_HOST", "::1"), ("REDIS_PASSWORD", "p@s:s/")]), "redis://:p%40s%3As%2F@[::1]:6379");
        assert_eq!(address(&[("REDIS_HOST", "r"), ("REDIS_URL", "rediss://u:p@h:1/2")]), "rediss://u:p@h:1/2");
    }

    #[test]
    fn what_is_no_redis_is_refused_and_not_shown() {
        let pairs = [("LB_AUTH_KEY", "k"), ("REDIS_URL", "http://hush@host")];
        let problems = Settings::from_pairs(pairs).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].to_string().contains("hush"), "{}", problems[0]);
    }
}
