//! The client's key to the worker.

use std::fmt;
use std::sync::Arc;

/// A worker's `AUTH_KEY`, as the client sent it in `x-wr-auth`. Never shown: its `Debug` form is a fixed word.
///
/// One that comes out of a store may be unreadable: it was sealed under a key that the balancer does not have. Such a key opens
/// nothing and equals nothing, itself included; what was sealed is kept, so that it can be stored again as it was.
#[derive(Clone)]
pub struct WorkerKey(Form);

#[derive(Clone)]
enum Form {
    Readable(Arc<str>),
    Unreadable(Arc<[u8]>),
}

impl WorkerKey {
    /// Wraps a key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(Form::Readable(key.into()))
    }

    /// A key that was stored like that and cannot be opened.
    pub fn unreadable(sealed: impl Into<Arc<[u8]>>) -> Self {
        Self(Form::Unreadable(sealed.into()))
    }

    /// The key itself, for the request to the worker, for sealing and for hashing. Nothing else may call this. `None` if it is
    /// unreadable.
    pub fn expose(&self) -> Option<&str> {
        match &self.0 {
            Form::Readable(key) => Some(key),
            Form::Unreadable(_) => None,
        }
    }

    /// What cannot be opened; `None` if the key is readable.
    pub fn unopened(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Readable(_) => None,
            Form::Unreadable(sealed) => Some(sealed),
        }
    }

    /// Whether the key is known.
    pub const fn is_readable(&self) -> bool {
        matches!(self.0, Form::Readable(_))
    }
}

impl PartialEq for WorkerKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose().is_some_and(|key| other.expose() == Some(key))
    }
}

impl fmt::Debug for WorkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_readable() { "WorkerKey(***)" } else { "WorkerKey(unreadable)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_key_exposes_nothing_and_equals_nothing() {
        let (key, unreadable) = (WorkerKey::new("hush"), WorkerKey::unreadable(*b"hush"));
        assert_eq!((key.expose(), key.unopened()), (Some("hush"), None));
        assert_eq!((unreadable.expose(), unreadable.unopened()), (None, Some(&b"hush"[..])));
        assert_eq!(key, WorkerKey::new("hush"));
        assert_ne!(key, WorkerKey::new("other"));
        assert_ne!(key, unreadable);
        assert_ne!(unreadable, unreadable.clone());
    }

    #[test]
    fn neither_form_is_shown() {
        for key in [WorkerKey::new("hush"), WorkerKey::unreadable(*b"hush")] {
            assert!(!format!("{key:?}").contains("hush"));
        }
    }
}
