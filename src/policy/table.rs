//! Which policy is in force for which lanes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::assigned::Assigned;
use crate::task::LaneKey;

/// The lanes that a choice of policy is made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Those for which no other choice is made.
    Default,
    /// Those of a group for which no choice of their own is made.
    Group(Arc<str>),
    /// One.
    Lane(LaneKey),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Group(group) => write!(f, "{group}/*"),
            Self::Lane(lane) => lane.fmt(f),
        }
    }
}

/// Which policy is in force for which lanes: the narrowest choice counts.
pub(super) struct Table {
    default: Arc<Assigned>,
    groups: HashMap<Arc<str>, Arc<Assigned>>,
    lanes: HashMap<LaneKey, Arc<Assigned>>,
}

impl Table {
    /// One policy for all lanes.
    pub(super) fn new(default: Arc<Assigned>) -> Self {
        Self { default, groups: HashMap::new(), lanes: HashMap::new() }
    }

    /// Puts a policy in force for these lanes.
    pub(super) fn set(&mut self, scope: Scope, policy: Arc<Assigned>) {
        match scope {
            Scope::Default => self.default = policy,
            Scope::Group(group) => drop(self.groups.insert(group, policy)),
            Scope::Lane(lane) => drop(self.lanes.insert(lane, policy)),
        }
    }

    /// The policy of a lane.
    pub(super) fn of(&self, lane: &LaneKey) -> &Arc<Assigned> {
        // Nobody pays for what is not used.
        let own = if self.lanes.is_empty() { None } else { self.lanes.get(lane) };
        let of_group = || if self.groups.is_empty() { None } else { self.groups.get(&lane.group) };
        own.or_else(of_group).unwrap_or(&self.default)
    }

    pub(super) fn default(&self) -> &Arc<Assigned> {
        &self.default
    }

    /// All of it, the default first.
    pub(super) fn each(&self) -> Vec<(Scope, &Arc<Assigned>)> {
        let groups = self.groups.iter().map(|(group, policy)| (Scope::Group(Arc::clone(group)), policy));
        let lanes = self.lanes.iter().map(|(lane, policy)| (Scope::Lane(lane.clone()), policy));
        let mut all: Vec<_> = groups.chain(lanes).chain([(Scope::Default, &self.default)]).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = &Arc<Assigned>> {
        self.groups.values().chain(self.lanes.values()).chain([&self.default])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::native;
    use crate::task::Contract;

    #[test]
    fn the_narrowest_choice_counts() {
        let named = |name| Arc::new(Assigned::native(native(name).unwrap()));
        let lane = |group: &str, contract| LaneKey::new(group, Contract::new(contract).unwrap());
        let mut table = Table::new(named("least-loaded"));
        table.set(Scope::Group("video".into()), named("round-robin"));
        table.set(Scope::Lane(lane("video", 2.0)), named("peak-ewma"));
        let of = |group, contract| table.of(&lane(group, contract)).choice().to_string();
        assert_eq!(of("audio", 2.0), "native:least-loaded");
        assert_eq!(of("video", 1.0), "native:round-robin");
        assert_eq!(of("video", 2.0), "native:peak-ewma");
        let scopes: Vec<String> = table.each().iter().map(|(scope, _)| scope.to_string()).collect();
        assert_eq!(scopes, ["default", "video/*", "video/2"]);
    }
}
