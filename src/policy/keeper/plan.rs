//! Which policy each lane should have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::library::Files;
use super::rules::{Rule, Rules, Terms};
use crate::config::PolicyChoice;
use crate::policy::{NATIVE_NAMES, PolicyLimits, Scope};

/// The policy used if nobody asks for another one and there is its file.
const DEFAULT_NAME: &str = "default";

/// A policy as it is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) choice: PolicyChoice,
    pub(super) terms: Terms,
    /// SHA-256 of its file; `None` for a native one, and if there is no file.
    pub(super) sha256: Option<Arc<str>>,
}

/// A policy to be asked beside another one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WantedShadow {
    pub(super) policy: Wanted,
    /// 0 to 1.
    pub(super) sample: f64,
}

/// What some lanes should have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) policy: Wanted,
    pub(super) shadow: Option<WantedShadow>,
}

/// What says which policy each lane should have.
pub(super) struct Sources<'a> {
    /// As somebody has activated it, in the form of `POLICY`.
    pub(super) activated: Option<&'a str>,
    pub(super) rules: &'a Rules,
    /// As the settings have it.
    pub(super) setting: &'a PolicyChoice,
    pub(super) limits: PolicyLimits,
    pub(super) files: &'a Files,
}

impl Sources<'_> {
    /// What all lanes should have.
    pub(super) fn plans(&self) -> BTreeMap<Scope, Plan> {
        let default = self.default_choice();
        let mut plans = BTreeMap::new();
        plans.insert(Scope::Default, Plan { policy: self.wanted(default.clone()), shadow: None });
        for (scope, rule) in self.rules.each() {
            plans.insert(scope.clone(), self.plan(scope, rule, &default));
        }
        plans
    }

    /// A policy as it is loaded where no rule says otherwise.
    pub(super) fn wanted(&self, choice: PolicyChoice) -> Wanted {
        let terms = self.general(&choice);
        self.wanted_with(choice, terms)
    }

    fn plan(&self, scope: &Scope, rule: &Rule, default: &PolicyChoice) -> Plan {
        let own = rule.choice.as_ref();
        let choice = if *scope == Scope::Default { default } else { own.unwrap_or(default) };
        // What a rule says of one policy does not go for another that was activated in its place.
        let fits = own.is_none_or(|own| own == choice);
        let terms = if fits { rule.terms(self.general(choice)) } else { self.general(choice) };
        let shadow = rule.shadow.as_ref().map(|shadow| {
            let terms = shadow.terms(self.general(&shadow.choice));
            WantedShadow { policy: self.wanted_with(shadow.choice.clone(), terms), sample: shadow.sample }
        });
        Plan { policy: self.wanted_with(choice.clone(), terms), shadow }
    }

    /// The policy where no narrower rule chooses one: as activated, or by the rules, or by the settings.
    fn default_choice(&self) -> PolicyChoice {
        let activated = self.activated.and_then(|choice| choice.parse().ok());
        let by_rule = || {
            let mut rules = self.rules.each().filter(|(scope, _)| **scope == Scope::Default);
            rules.next().and_then(|(_, rule)| rule.choice.clone())
        };
        match activated.or_else(by_rule).unwrap_or_else(|| self.setting.clone()) {
            PolicyChoice::Unset if self.files.by_name.contains_key(DEFAULT_NAME) => {
                PolicyChoice::Wasm(DEFAULT_NAME.to_owned())
            }
            PolicyChoice::Unset => PolicyChoice::Native(NATIVE_NAMES[0].to_owned()),
            choice => choice,
        }
    }

    fn general(&self, choice: &PolicyChoice) -> Terms {
        self.rules.terms(choice, self.limits)
    }

    fn wanted_with(&self, choice: PolicyChoice, terms: Terms) -> Wanted {
        let sha256 = match &choice {
            PolicyChoice::Wasm(name) => self.files.by_name.get(name).map(|file| Arc::clone(&file.sha256)),
            PolicyChoice::Native(_) | PolicyChoice::Unset => None,
        };
        Wanted { choice, terms, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::library::PolicyFile;
    use super::*;

    const LIMITS: PolicyLimits =
        PolicyLimits { deadline: Duration::from_millis(10), load_deadline: Duration::from_secs(10), memory: 64 << 20 };

    fn files(names: &[&str]) -> Files {
        let file = |name: &&str| {
            let file = PolicyFile {
                path: format!("{name}.wasm").into(),
                is_uploaded: false,
                sha256: Arc::from(*name),
                bytes: 1,
                hides_another: false,
            };
            ((*name).to_owned(), file)
        };
        Files { by_name: names.iter().map(file).collect(), unsettled: false }
    }

    /// Scope, policy, configuration.
    fn planned(activated: Option<&str>, rules: &str, setting: &str, names: &[&str]) -> Vec<[String; 3]> {
        let sources = Sources {
            activated,
            rules: &Rules::parse(rules.as_bytes()).unwrap(),
            setting: &setting.parse().unwrap(),
            limits: LIMITS,
            files: &files(names),
        };
        let row = |(scope, plan): (Scope, Plan)| {
            [scope.to_string(), plan.policy.choice.to_string(), plan.policy.terms.config]
        };
        sources.plans().into_iter().map(row).collect()
    }

    #[test]
    fn what_was_activated_goes_before_the_rule_for_all_and_that_before_the_settings_and_the_default_file() {
        let default = |activated, rules, setting, names: &[&str]| {
            planned(activated, rules, setting, names).swap_remove(0)[1].clone()
        };
        let rule = r#"{"rules":[{"policy":"wasm:ruled"}]}"#;
        assert_eq!(default(Some("wasm:a"), rule, "wasm:set", &["default"]), "wasm:a");
        assert_eq!(default(None, rule, "wasm:set", &["default"]), "wasm:ruled");
        assert_eq!(default(None, "{}", "wasm:set", &["default"]), "wasm:set");
        assert_eq!(default(None, "{}", "", &["default"]), "wasm:default");
        assert_eq!(default(None, "{}", "", &[]), "native:least-loaded");
    }

    #[test]
    fn a_rule_without_a_policy_tunes_the_default_and_one_of_another_policy_is_not_handed_to_the_activated_one() {
        let rules = r#"{"policies":{"a":{"config":{"a":1}}},
                        "rules":[{"policy":"wasm:b","config":{"b":1}},{"group":"video","config":{"v":1}}]}"#;
        let row = |row: [&str; 3]| row.map(str::to_owned);
        let expected = [row(["default", "wasm:a", r#"{"a":1}"#]), row(["video/*", "wasm:a", r#"{"v":1}"#])];
        assert_eq!(planned(Some("wasm:a"), rules, "", &[]), expected);
        let expected = [row(["default", "wasm:b", r#"{"b":1}"#]), row(["video/*", "wasm:b", r#"{"v":1}"#])];
        assert_eq!(planned(None, rules, "", &[]), expected);
    }
}
