//! A worker's address.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

/// The base URL of a worker, as listed in the workers file, without a trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WorkerAddress {
    url: Arc<str>,
    task_uri: Uri,
}

/// The text is not the base URL of a worker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAddress {
    /// Not a URL at all.
    #[error("not a URL")]
    Malformed,
    /// A scheme other than http and https.
    #[error("the scheme must be http or https")]
    Scheme,
    /// Something after the path.
    #[error("a query or fragment does not belong into a worker's address")]
    Query,
    /// Name and password, which belong nowhere near a log.
    #[error("credentials do not belong into a worker's address")]
    Credentials,
}

impl WorkerAddress {
    /// Reads a base URL, with or without trailing slashes.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let url = text.trim().trim_end_matches('/');
        let parsed: Uri = url.parse().map_err(|_| InvalidAddress::Malformed)?;
        match parsed.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err(InvalidAddress::Scheme),
            None => return Err(InvalidAddress::Malformed),
        }
        if parsed.query().is_some() || url.contains('#') {
            return Err(InvalidAddress::Query);
        }
        if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(InvalidAddress::Credentials);
        }
        let task_uri = format!("{url}/task").parse().map_err(|_| InvalidAddress::Malformed)?;
        Ok(Self { url: url.into(), task_uri })
    }

    /// The base URL without a trailing slash.
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// Where tasks are posted.
    pub fn task_uri(&self) -> &Uri {
        &self.task_uri
    }

    /// Whether the worker is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        // The scheme of a parsed address is lower case, however it was listed.
        self.task_uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host, without the port; IPv6 addresses keep their brackets.
    pub fn host(&self) -> &str {
        self.task_uri.host().unwrap_or_default()
    }
}

impl fmt::Display for WorkerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for WorkerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_makes_no_difference() {
        let address = WorkerAddress::parse("http://worker:3000/").unwrap();
        assert_eq!(address, WorkerAddress::parse("http://worker:3000").unwrap());
        assert_eq!(address.task_uri().to_string(), "http://worker:3000/task");
        assert_eq!(WorkerAddress::parse("https://h/base/").unwrap().task_uri().path(), "/base/task");
    }

    #[test]
    fn the_scheme_counts_in_any_case() {
        assert!(WorkerAddress::parse("HTTPS://worker").unwrap().is_tls());
        assert!(!WorkerAddress::parse("Http://worker").unwrap().is_tls());
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        assert_eq!(WorkerAddress::parse("worker:3000").unwrap_err(), InvalidAddress::Malformed);
        assert_eq!(WorkerAddress::parse("ftp://worker").unwrap_err(), InvalidAddress::Scheme);
        assert_eq!(WorkerAddress::parse("http://w/?a=1").unwrap_err(), InvalidAddress::Query);
        assert_eq!(WorkerAddress::parse("http://u:p@w/").unwrap_err(), InvalidAddress::Credentials);
    }
}
