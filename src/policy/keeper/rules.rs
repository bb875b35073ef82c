//! `policies.json`: which policy is for which lanes, and how policies are set up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::PolicyChoice;
use crate::policy::{PolicyLimits, Scope, native};
use crate::task::{Contract, LaneKey};

/// Share of decisions that a shadow is asked about, if the file does not say.
const SAMPLE: f64 = 0.1;
/// As for the settings.
const DEADLINE_MS: std::ops::RangeInclusive<u64> = 1..=1_000;
const LOAD_DEADLINE_MS: std::ops::RangeInclusive<u64> = 1..=600_000;
const MEMORY_MB: std::ops::RangeInclusive<usize> = 1..=4_096;

/// Why a `policies.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RulesError {
    #[error("policies.json is no JSON of the right form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("policies.json: {place}: {problem}")]
    Value { place: String, problem: String },
}

/// What `policies.json` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    tunings: BTreeMap<String, Tuning>,
    rules: BTreeMap<Scope, Rule>,
}

/// The policy of some lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// `None`: the one that is used where there is no rule.
    pub(super) choice: Option<PolicyChoice>,
    tuning: Tuning,
    pub(super) shadow: Option<ShadowRule>,
}

/// A policy to be asked beside the one in force.
#[derive(Clone, Debug)]
pub(super) struct ShadowRule {
    pub(super) choice: PolicyChoice,
    tuning: Tuning,
    /// 0 to 1.
    pub(super) sample: f64,
}

/// How a policy is set up where this differs from what else is said.
#[derive(Clone, Debug, Default)]
struct Tuning {
    config: Option<String>,
    limits: LimitsEntry,
}

/// With what a policy is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    /// A JSON object.
    pub(super) config: String,
    pub(super) limits: PolicyLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    #[serde(default)]
    policies: BTreeMap<String, TuningEntry>,
    #[serde(default)]
    rules: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TuningEntry {
    config: Option<Box<RawValue>>,
    #[serde(default)]
    limits: LimitsEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    group: Option<String>,
    contract: Option<Contract>,
    policy: Option<String>,
    config: Option<Box<RawValue>>,
    #[serde(default)]
    limits: LimitsEntry,
    shadow: Option<ShadowEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShadowEntry {
    policy: String,
    sample: Option<f64>,
    config: Option<Box<RawValue>>,
    #[serde(default)]
    limits: LimitsEntry,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LimitsEntry {
    deadline_ms: Option<u64>,
    load_deadline_ms: Option<u64>,
    memory_mb: Option<usize>,
}

impl Rules {
    /// Reads the file's text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, RulesError> {
        // An array would pass for the fields in their order.
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err(wrong("the file", "must be a JSON object"));
        }
        let file: FileEntry = serde_json::from_slice(text)?;
        let mut read = Self::default();
        for (name, entry) in file.policies {
            let place = format!("policies.{name}");
            if !PolicyChoice::is_name(&name) {
                return Err(wrong(&place, "the name of a policy is that of its file, without .wasm"));
            }
            read.tunings.insert(name, Tuning::read(entry.config, entry.limits, &place)?);
        }
        for (at, entry) in file.rules.into_iter().enumerate() {
            let place = format!("rules[{at}]");
            let scope = scope(entry.group, entry.contract).map_err(|problem| wrong(&place, problem))?;
            let rule = Rule {
                choice: entry.policy.map(|text| choice(&text, &format!("{place}.policy"))).transpose()?,
                tuning: Tuning::read(entry.config, entry.limits, &place)?,
                shadow: entry.shadow.map(|shadow| ShadowRule::read(shadow, &format!("{place}.shadow"))).transpose()?,
            };
            if read.rules.insert(scope.clone(), rule).is_some() {
                return Err(wrong(&place, format!("there is a rule for {scope} already")));
            }
        }
        Ok(read)
    }

    /// The rules, the default's first if there is one.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Scope, &Rule)> {
        self.rules.iter()
    }

    /// How a policy is set up wherever it is used, unless a rule says otherwise.
    pub(super) fn terms(&self, policy: &PolicyChoice, limits: PolicyLimits) -> Terms {
        let terms = Terms { config: "{}".to_owned(), limits };
        let PolicyChoice::Wasm(name) = policy else { return terms };
        self.tunings.get(name).map_or(terms.clone(), |tuning| tuning.over(terms))
    }
}

impl Rule {
    /// How the policy is set up for these lanes.
    pub(super) fn terms(&self, general: Terms) -> Terms {
        self.tuning.over(general)
    }
}

impl ShadowRule {
    pub(super) fn terms(&self, general: Terms) -> Terms {
        self.tuning.over(general)
    }

    fn read(entry: ShadowEntry, place: &str) -> Result<Self, RulesError> {
        let sample = entry.sample.unwrap_or(SAMPLE);
        if !(0.0..=1.0).contains(&sample) {
            return Err(wrong(&format!("{place}.sample"), "must be a share between 0 and 1"));
        }
        let choice = choice(&entry.policy, &format!("{place}.policy"))?;
        Ok(Self { choice, tuning: Tuning::read(entry.config, entry.limits, place)?, sample })
    }
}

impl Tuning {
    fn read(config: Option<Box<RawValue>>, limits: LimitsEntry, place: &str) -> Result<Self, RulesError> {
        if config.as_ref().is_some_and(|config| !config.get().starts_with('{')) {
            return Err(wrong(&format!("{place}.config"), "must be an object"));
        }
        let within = |fits: bool, name: &str, range: &str| {
            if fits { Ok(()) } else { Err(wrong(&format!("{place}.limits.{name}"), format!("must be {range}"))) }
        };
        let fits = limits.deadline_ms.is_none_or(|millis| DEADLINE_MS.contains(&millis));
        within(fits, "deadlineMs", "1 to 1000")?;
        let fits = limits.load_deadline_ms.is_none_or(|millis| LOAD_DEADLINE_MS.contains(&millis));
        within(fits, "loadDeadlineMs", "1 to 600000")?;
        let fits = limits.memory_mb.is_none_or(|megabytes| MEMORY_MB.contains(&megabytes));
        within(fits, "memoryMb", "1 to 4096")?;
        Ok(Self { config: config.map(|config| config.get().to_owned()), limits })
    }

    fn over(&self, terms: Terms) -> Terms {
        let Terms { config, limits } = terms;
        Terms {
            config: self.config.clone().unwrap_or(config),
            limits: PolicyLimits {
                deadline: self.limits.deadline_ms.map_or(limits.deadline, Duration::from_millis),
                load_deadline: self.limits.load_deadline_ms.map_or(limits.load_deadline, Duration::from_millis),
                memory: self.limits.memory_mb.map_or(limits.memory, |megabytes| megabytes << 20),
            },
        }
    }
}

fn scope(group: Option<String>, contract: Option<Contract>) -> Result<Scope, &'static str> {
    match (group, contract) {
        (None, None) => Ok(Scope::Default),
        (Some(group), None) => Ok(Scope::Group(Arc::from(group))),
        (Some(group), Some(contract)) => Ok(Scope::Lane(LaneKey::new(group, contract))),
        (None, Some(_)) => Err("a contract needs a group"),
    }
}

fn choice(text: &str, place: &str) -> Result<PolicyChoice, RulesError> {
    let choice: PolicyChoice = text.parse().map_err(|accepted| wrong(place, format!("must be {accepted}")))?;
    match &choice {
        PolicyChoice::Unset => Err(wrong(place, "must name a policy")),
        PolicyChoice::Native(name) => {
            native(name).map(drop).map_err(|error| wrong(place, error.to_string())).map(|()| choice)
        }
        PolicyChoice::Wasm(_) => Ok(choice),
    }
}

fn wrong(place: &str, problem: impl Into<String>) -> RulesError {
    RulesError::Value { place: place.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PolicyLimits =
        PolicyLimits { deadline: Duration::from_millis(10), load_deadline: Duration::from_secs(10), memory: 64 << 20 };

    #[test]
    fn what_a_rule_says_goes_before_what_is_said_of_the_policy_and_that_before_the_settings() {
        let rules = Rules::parse(
            br#"{"policies": {"sticky": {"config": {"a": 1}, "limits": {"memoryMb": 32, "deadlineMs": 5}}},
                 "rules": [{"group": "video", "contract": 2, "policy": "wasm:sticky", "limits": {"deadlineMs": 2}},
                           {"policy": "wasm:sticky", "config": {"a": 2}}]}"#,
        )
        .unwrap();
        let sticky = PolicyChoice::Wasm("sticky".to_owned());
        let terms: Vec<_> = rules
            .each()
            .map(|(scope, rule)| {
                let terms = rule.terms(rules.terms(&sticky, LIMITS));
                (scope.to_string(), terms.config, terms.limits.deadline.as_millis(), terms.limits.memory >> 20)
            })
            .collect();
        let row = |scope: &str, config: &str, deadline| (scope.to_owned(), config.to_owned(), deadline, 32);
        assert_eq!(terms, [row("default", r#"{"a": 2}"#, 5), row("video/2", r#"{"a": 1}"#, 2)]);
        assert_eq!(rules.terms(&PolicyChoice::Wasm("other".to_owned()), LIMITS).limits, LIMITS);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (text, expected) in [
            ("[]", "the file: must be a JSON object"),
            ("{", "no JSON of the right form"),
            (r#"{"rule": []}"#, "unknown field `rule`"),
            (r#"{"rules": [{"contract": 1, "policy": "wasm:a"}]}"#, "rules[0]: a contract needs a group"),
            (r#"{"rules": [{"policy": "sticky"}]}"#, "rules[0].policy: must be native:<name> or wasm:<name>"),
            (r#"{"rules": [{"policy": "native:best"}]}"#, "no native policy is named \"best\""),
            (r#"{"rules": [{"policy": "wasm:a", "config": 1}]}"#, "rules[0].config: must be an object"),
            (r#"{"rules": [{"policy": "wasm:a"}, {"policy": "wasm:b"}]}"#, "rules[1]: there is a rule for default"),
            (r#"{"rules": [{"limits": {"memoryMb": 0}}]}"#, "rules[0].limits.memoryMb: must be 1 to 4096"),
            (r#"{"rules": [{"shadow": {"policy": "wasm:a", "sample": 2}}]}"#, "rules[0].shadow.sample"),
            (r#"{"policies": {"../a": {}}}"#, "policies.../a: the name of a policy"),
        ] {
            let error = Rules::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
