//! The one policy that lives in a module, for the code that [`export_policy!`](crate::export_policy) writes.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::Policy;
use crate::setup::Directory;

/// Empty until the balancer has handed over the configuration.
pub struct Instance<P>(RefCell<Option<P>>);

impl<P: Policy> Instance<P> {
    /// Empty.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Makes the policy of its configuration.
    pub fn configure(&self, json: &str) -> Result<(), String> {
        report_panics();
        *self.0.borrow_mut() = Some(P::new(parse(json)?)?);
        Ok(())
    }

    /// Hands on what there is.
    pub fn topology(&self, directory: &Directory) {
        self.with(|policy| policy.topology(directory));
    }

    /// Calls the policy.
    #[expect(
        clippy::expect_used,
        reason = "the balancer configures before it asks; a trap is what it should see otherwise"
    )]
    pub fn with<T>(&self, call: impl FnOnce(&mut P) -> T) -> T {
        call(self.0.borrow_mut().as_mut().expect("asked before `configure`"))
    }
}

impl<P: Policy> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, String> {
    serde_json::from_str(json).map_err(|error| format!("config: {error}"))
}

/// A trap says only where; the message has to be told beforehand.
fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::error!("{panic}")));
}

#[cfg(test)]
mod tests {
    use super::Instance;
    use crate::{NoConfig, Policy};

    struct Plain;

    impl Policy for Plain {
        type Config = NoConfig;

        fn new(_: NoConfig) -> Result<Self, String> {
            Ok(Self)
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_configuration() {
        let instance = Instance::<Plain>::new();
        assert_eq!(instance.configure("{}"), Ok(()));
        let error = instance.configure(r#"{"wieght": 2}"#).unwrap_err();
        assert!(error.starts_with("config: unknown field `wieght`"), "{error}");
    }
}
