//! From a type to the exports of a module.

/// Exports a [`Policy`](crate::Policy) with the interfaces that are named: `ranking`, `priority`, `feedback`.
///
/// To be used once in a crate with `crate-type = ["cdylib", "rlib"]`. The policy introduces itself with the crate's name and version. On other
/// targets than `wasm32` nothing is exported, and only checked that the type implements what is named.
///
/// ```
/// # use andera_policy::*;
/// # struct Mine;
/// # impl Policy for Mine { type Config = NoConfig; fn new(_: NoConfig) -> Result<Self, String> { Ok(Self) } }
/// # impl Priority for Mine { fn prioritize(&mut self, task: &priority::Task) -> priority::Verdict { priority::Verdict::Accept(task.priority) } }
/// # impl Feedback for Mine { fn observe(&mut self, _: &[feedback::Outcome]) {} }
/// export_policy!(Mine, priority, feedback);
/// ```
#[macro_export]
macro_rules! export_policy {
    ($policy:ty $(, $interface:ident)+ $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static POLICY: $crate::instance::Instance<$policy> = const { $crate::instance::Instance::new() };
            }

            struct Exported;

            $crate::__export_interface!(setup $policy);
            $($crate::__export_interface!($interface $policy);)+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    (setup $policy:ty) => {
        impl $crate::bindings::setup::exports::andera::routing::setup::Guest for Exported {
            fn describe() -> $crate::bindings::setup::exports::andera::routing::setup::Info {
                $crate::bindings::setup::exports::andera::routing::setup::Info {
                    name: ::std::env!("CARGO_PKG_NAME").into(),
                    version: ::std::env!("CARGO_PKG_VERSION").into(),
                    stateful: <$policy as $crate::Policy>::STATEFUL,
                }
            }

            fn configure(json: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                POLICY.with(|policy| policy.configure(&json))
            }

            fn topology(directory: $crate::setup::Directory) {
                POLICY.with(|policy| policy.topology(&directory));
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::setup::export!(Exported with_types_in $crate::bindings::setup);
    };
    (ranking $policy:ty) => {
        impl $crate::bindings::ranking::exports::andera::routing::ranking::Guest for Exported {
            fn rank(
                context: $crate::ranking::Context,
                candidates: $crate::ranking::Candidates,
            ) -> ::std::vec::Vec<u32> {
                POLICY.with(|policy| policy.with(|policy| $crate::Ranking::rank(policy, &context, &candidates)))
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::ranking::export!(Exported with_types_in $crate::bindings::ranking);
    };
    (priority $policy:ty) => {
        impl $crate::bindings::priority::exports::andera::routing::priority::Guest for Exported {
            fn prioritize(task: $crate::priority::Task) -> $crate::priority::Verdict {
                POLICY.with(|policy| policy.with(|policy| $crate::Priority::prioritize(policy, &task)))
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::priority::export!(Exported with_types_in $crate::bindings::priority);
    };
    (feedback $policy:ty) => {
        impl $crate::bindings::feedback::exports::andera::routing::feedback::Guest for Exported {
            fn observe(outcomes: ::std::vec::Vec<$crate::feedback::Outcome>) {
                POLICY.with(|policy| policy.with(|policy| $crate::Feedback::observe(policy, &outcomes)));
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::feedback::export!(Exported with_types_in $crate::bindings::feedback);
    };
    ($unknown:ident $policy:ty) => {
        ::std::compile_error!("the interfaces are `ranking`, `priority` and `feedback`");
    };
}
