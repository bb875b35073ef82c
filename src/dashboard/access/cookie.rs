//! The cookie that holds a session.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::session::LIFETIME;

const NAME: &str = "andera_session";

/// The token of the session that a request belongs to.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, token)| token)
}

/// The cookie of a new session.
pub(super) fn of_session(token: &str, secure: bool) -> Option<HeaderValue> {
    value(token, LIFETIME.as_secs(), secure)
}

/// The cookie that takes the place of one whose session has ended.
pub(super) fn of_none(secure: bool) -> Option<HeaderValue> {
    value("", 0, secure)
}

fn value(token: &str, max_age: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{NAME}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")).ok()
}

/// Whether the browser speaks https, by the word of the proxy in front: here it is never more than http.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    scheme.and_then(|schemes| schemes.split(',').next()).is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=b; c".parse().unwrap());
        assert_eq!(session(&headers), None);
        headers.append(COOKIE, "xandera_session=no; andera_session=t0k-en_; z=1".parse().unwrap());
        assert_eq!(session(&headers), Some("t0k-en_"));
    }
}
