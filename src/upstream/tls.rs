//! TLS to workers that are listed with https.

use std::sync::Once;

/// Chooses ring as the process's cryptography. Everything that speaks TLS needs it done once; more often does no harm.
pub fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another part of the process may have chosen already: theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
