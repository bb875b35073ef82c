//! What looks like a mistake but stops nothing.

use super::effective::EXAMPLE_VALUE;
use super::{DashboardSettings, QueueBackend, Setting, Source};

/// The warnings about a configuration that is otherwise fine, one line each.
pub(super) fn about(source: &Source, settings: &[Setting]) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_redis = |setting: &Setting| setting.name == "QUEUE" && setting.value == QueueBackend::Redis.word();
    if source.get("QUEUE").is_none() && !settings.iter().any(is_redis) {
        let unused = ["REDIS_PORT", "REDIS_PASSWORD"].into_iter().filter(|name| source.get(name).is_some());
        warnings.extend(unused.map(|name| format!("{name}: ignored without REDIS_HOST, REDIS_URL or QUEUE=redis")));
    }
    let required = settings.iter().filter(|setting| setting.required);
    let unchanged =
        required.filter(|setting| source.get(setting.name).is_some_and(|(value, _)| value == EXAMPLE_VALUE));
    warnings.extend(unchanged.map(|setting| format!("{}: still the value of .env.example", setting.name)));
    if let Some((previous, _)) = source.get("LB_AUTH_KEY_PREVIOUS")
        && source.get("LB_AUTH_KEY").is_some_and(|(present, _)| present == previous)
    {
        warnings.push("LB_AUTH_KEY_PREVIOUS: the same as LB_AUTH_KEY: it is meant to be the key before".to_owned());
    }
    if let Some((key, _)) = source.get("DASHBOARD_KEY")
        && source.get("LB_AUTH_KEY").is_some_and(|(lb_key, _)| lb_key == key)
    {
        warnings.push("DASHBOARD_KEY: the same as LB_AUTH_KEY: whoever has it may do everything".to_owned());
    }
    let is_known = |name: &str| settings.iter().any(|setting| setting.name == name);
    let unknown = source.dot_env_names().filter(|name| !is_known(name));
    warnings.extend(unknown.map(|name| {
        let suggestion = nearest(name, settings).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        format!("{name}: unknown variable in .env{suggestion}")
    }));
    warnings
}

/// Pages that ask for no key.
pub(super) fn of_open_pages(dashboard: &DashboardSettings) -> Option<String> {
    let open = dashboard.enabled && !dashboard.auth;
    open.then(|| "DASHBOARD_AUTH: off: the dashboard and its actions are open to whoever reaches this port".to_owned())
}

/// The variable that `name` is most likely a misspelling of.
fn nearest(name: &str, settings: &[Setting]) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    // A third of a short name is another word, three letters of a long one are a slip.
    let tolerated = (upper.len() / 4).min(3);
    let distances = settings.iter().map(|setting| (strsim::damerau_levenshtein(&upper, setting.name), setting.name));
    distances.min().filter(|(distance, _)| *distance <= tolerated).map(|(_, name)| name)
}
