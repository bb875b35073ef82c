//! What the suite does not ask for.
