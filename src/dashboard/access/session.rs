//! Sessions: signed tokens, nothing kept but those that were ended early.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::DeriveError;
use crate::config::Secret;
use crate::task::{Clock, Timestamp};

/// How long a session lasts.
pub(super) const LIFETIME: Duration = Duration::from_hours(12);
/// Keeps the derived key apart from whatever else is derived from `LB_AUTH_KEY`.
const INFO: &[u8] = b"andera-lb dashboard session, format 1";
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 16;
const PAYLOAD_BYTES: usize = 2 + 8 + NONCE_BYTES;
const TAG_BYTES: usize = 32;
/// Sessions ended early that are remembered until they would have ended by themselves. Only who has a key can make one.
const MAX_ENDED: usize = 4_096;

type Nonce = [u8; NONCE_BYTES];

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Role {
    /// Everything.
    Full,
    /// See everything.
    ReadOnly,
}

/// A session as its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) role: Role,
    pub(super) expires_at: Timestamp,
    nonce: Nonce,
}

/// Begins sessions and knows them again. A change of `LB_AUTH_KEY` or `DASHBOARD_KEY` ends all of them, a restart none.
pub(super) struct Sessions {
    key: hmac::Key,
    random: SystemRandom,
    ended: Mutex<VecDeque<(Timestamp, Nonce)>>,
    clock: Clock,
}

impl Sessions {
    pub(super) fn new(lb_key: &Secret, read_only_key: Option<&Secret>, clock: Clock) -> Result<Self, DeriveError> {
        let derived = Salt::new(HKDF_SHA256, &[]).extract(lb_key.expose().as_bytes());
        let read_only_key = read_only_key.map_or("", Secret::expose);
        let mut bytes = [0; TAG_BYTES];
        let info = [INFO, read_only_key.as_bytes()];
        let filled = derived.expand(&info, Length).and_then(|derived| derived.fill(&mut bytes));
        filled.map_err(|_| DeriveError)?;
        let key = hmac::Key::new(HMAC_SHA256, &bytes);
        Ok(Self { key, random: SystemRandom::new(), ended: Mutex::default(), clock })
    }

    /// The token of a new session; `None` if the machine has no randomness.
    pub(super) fn begin(&self, role: Role) -> Option<String> {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[0] = FORMAT;
        payload[1] = u8::from(role == Role::Full);
        payload[2..10].copy_from_slice(&self.clock.now().after(LIFETIME).as_millis().to_be_bytes());
        self.random.fill(&mut payload[10..]).ok()?;
        let mut token = payload.to_vec();
        token.extend_from_slice(hmac::sign(&self.key, &payload).as_ref());
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// The session of a token, if it is one of ours and has not ended.
    pub(super) fn check(&self, token: &str) -> Option<Session> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        hmac::verify(&self.key, payload, tag).ok()?;
        let (head, nonce) = payload.split_first_chunk::<10>()?;
        let [FORMAT, role, millis @ ..] = *head else { return None };
        let expires_at = Timestamp::from_millis(i64::from_be_bytes(millis));
        let role = if role == 1 { Role::Full } else { Role::ReadOnly };
        let session = Session { role, expires_at, nonce: nonce.try_into().ok()? };
        let over = expires_at <= self.clock.now() || self.ended.lock().iter().any(|(_, nonce)| *nonce == session.nonce);
        (!over).then_some(session)
    }

    /// Ends a session before its time.
    pub(super) fn end(&self, token: &str) {
        let Some(session) = self.check(token) else { return };
        let now = self.clock.now();
        let mut ended = self.ended.lock();
        ended.retain(|(expires_at, _)| *expires_at > now);
        if ended.len() == MAX_ENDED {
            ended.pop_front();
        }
        ended.push_back((session.expires_at, session.nonce));
    }

    /// What the actions of that session's pages carry; no other site can read it.
    pub(super) fn csrf(&self, token: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"csrf ");
        context.update(token.as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

/// Whether two texts are the same, in constant time.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// The length of the derived key.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        TAG_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(lb_key: &str, read_only: Option<&str>) -> Sessions {
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        Sessions::new(&Secret::new(lb_key), read_only.map(Secret::new).as_ref(), clock).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_known_until_it_expires() {
        let sessions = sessions("k", None);
        let token = sessions.begin(Role::ReadOnly).unwrap();
        assert_eq!(sessions.check(&token).map(|session| session.role), Some(Role::ReadOnly));
        tokio::time::advance(LIFETIME).await;
        assert_eq!(sessions.check(&token), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_token_is_a_session() {
        let sessions = sessions("k", None);
        let token = sessions.begin(Role::ReadOnly).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(sessions.check(&URL_SAFE_NO_PAD.encode(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
        for other in ["", "x", &token[1..], &sessions.csrf(&token)] {
            assert_eq!(sessions.check(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_either_key_ends_all_sessions_and_a_restart_none() {
        let token = sessions("k", Some("r")).begin(Role::Full).unwrap();
        assert!(sessions("k", Some("r")).check(&token).is_some());
        assert!(sessions("other", Some("r")).check(&token).is_none());
        assert!(sessions("k", Some("other")).check(&token).is_none());
        assert!(sessions("k", None).check(&token).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_logs_out_leaves_the_other_sessions() {
        let sessions = sessions("k", None);
        let (mine, theirs) = (sessions.begin(Role::Full).unwrap(), sessions.begin(Role::Full).unwrap());
        assert_ne!(sessions.csrf(&mine), sessions.csrf(&theirs));
        sessions.end(&mine);
        assert!(sessions.check(&mine).is_none() && sessions.check(&theirs).is_some());
    }
}
