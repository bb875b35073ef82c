//! Paths as the original takes them.

use http::Uri;
use http::uri::PathAndQuery;

/// The original's endpoints: Express finds them in any case, and with a slash at the end.
const ORIGINAL: [&str; 7] =
    ["/health", "/logs", "/task", "/dashboard", "/bull", "/favicon.svg", "/dashboard/api/workers"];

/// Rewrites another spelling of one of the original's endpoints to the usual one; other paths stay as they are.
pub fn normalize_path(uri: &mut Uri) {
    let path = uri.path();
    if ORIGINAL.contains(&path) {
        return;
    }
    let plain = path.strip_suffix('/').unwrap_or(path);
    let Some(usual) = ORIGINAL.iter().find(|original| original.eq_ignore_ascii_case(plain)) else { return };
    let rewritten = match uri.query() {
        Some(query) => format!("{usual}?{query}").parse::<PathAndQuery>(),
        None => usual.parse(),
    };
    let mut parts = std::mem::take(uri).into_parts();
    if let Ok(rewritten) = rewritten {
        parts.path_and_query = Some(rewritten);
    }
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(path: &str) -> String {
        let mut uri = path.parse().unwrap();
        normalize_path(&mut uri);
        uri.to_string()
    }

    #[test]
    fn the_originals_endpoints_are_found_in_any_case_and_with_a_slash() {
        assert_eq!(normalized("/health/"), "/health");
        assert_eq!(normalized("/HEALTH"), "/health");
        assert_eq!(normalized("/Task/?a=1"), "/task?a=1");
    }

    #[test]
    fn other_paths_stay_as_they_are() {
        assert_eq!(normalized("/Tasks/ABC"), "/Tasks/ABC");
        assert_eq!(normalized("/health//"), "/health//");
        assert_eq!(normalized("/"), "/");
    }
}
