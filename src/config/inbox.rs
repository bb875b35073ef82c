//! The inbox of `QUEUE=redis`.

use std::collections::BTreeMap;

use super::Secret;
use super::kind::{Kind, OptionalSecret};
use super::section::section;

section! {
    /// The inbox of `QUEUE=redis`: jobs that others put into the queue `tasks`.
    pub struct InboxSettings {
        /// The workers' `AUTH_KEY`, for those jobs: they bring none. Without one for its group a job fails.
        pub worker_auth_key: Option<Secret> = WORKER_AUTH_KEY, OptionalSecret, "";
        /// The same by group, as a JSON object: `{"default":"key"}`. Goes before the one above.
        pub worker_auth_keys: BTreeMap<String, Secret> = WORKER_AUTH_KEYS, KeysByGroup, "";
    }
}

impl InboxSettings {
    /// The key of the workers of a group.
    pub fn key_of(&self, group: &str) -> Option<&Secret> {
        self.worker_auth_keys.get(group).or(self.worker_auth_key.as_ref())
    }
}

/// A JSON object of secrets, or nothing.
struct KeysByGroup;

impl Kind<BTreeMap<String, Secret>> for KeysByGroup {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<BTreeMap<String, Secret>> {
        if text.is_empty() {
            return Some(BTreeMap::new());
        }
        let keys: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        Some(keys.into_iter().map(|(group, key)| (group, Secret::new(key))).collect())
    }

    fn accepted(&self) -> String {
        "a JSON object with a key for each group, like {\"default\":\"key\"}".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    fn read(keys: &str) -> Result<Settings, Vec<crate::config::Problem>> {
        Settings::from_pairs([("LB_AUTH_KEY", "k"), ("WORKER_AUTH_KEY", "any"), ("WORKER_AUTH_KEYS", keys)])
    }

    #[test]
    fn the_key_of_a_group_goes_before_the_key_of_all() {
        let inbox = read(r#"{"gpu":"its own"}"#).unwrap().inbox;
        assert_eq!(inbox.key_of("gpu").unwrap().expose(), "its own");
        assert_eq!(inbox.key_of("other").unwrap().expose(), "any");
        assert!(Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().inbox.key_of("gpu").is_none());
    }

    #[test]
    fn keys_that_are_no_json_are_refused_and_not_shown() {
        for keys in ["hush", r#"["hush"]"#, r#"{"gpu":["hush"]}"#] {
            let problems = read(keys).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert!(!problems[0].to_string().contains("hush"), "{}", problems[0]);
        }
        assert!(!format!("{:?}", read(r#"{"gpu":"hush"}"#).unwrap()).contains("hush"));
    }
}
