//! Worker keys, sealed: what a store writes down of them.
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452), its key derived from `LB_AUTH_KEY` by HKDF-SHA256 (RFC 5869). A sealed key is one
//! byte for the format, the ciphertext, and a tag of 16 bytes; the task's id is bound to it as associated data, so that it opens for
//! no other task. The nonce is made of the id too, and needs no room: ids do not repeat, and if one did, this cipher would give
//! away no more than whether twice the same key was sealed for the same task. So nothing here depends on chance, and the number of
//! tasks under one `LB_AUTH_KEY` needs no limit.

#[cfg(test)]
mod tests;

use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, Key, KeyInit, Nonce, Tag};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

use crate::config::{AuthSettings, Secret};
use crate::task::{TaskId, WorkerKey};

/// The format described above. Another one gets another number and another [`INFO`].
const FORMAT: u8 = 1;
/// Keeps the derived key apart from whatever else may be derived from `LB_AUTH_KEY` one day.
const INFO: &[u8] = b"andera-lb sealed worker key, format 1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Seals worker keys for a store and opens them again.
///
/// Made once: deriving keys takes longer than sealing. Shared by reference, from any thread.
pub struct Sealer {
    present: Aes256GcmSiv,
    previous: Option<Aes256GcmSiv>,
}

/// The keys that seal could not be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot derive the key that seals worker keys")]
pub struct DeriveError;

impl Sealer {
    /// A sealer that seals with `LB_AUTH_KEY` and opens what was sealed with that or `LB_AUTH_KEY_PREVIOUS`.
    pub fn new(auth: &AuthSettings) -> Result<Self, DeriveError> {
        let previous = auth.lb_auth_key_previous.as_ref().filter(|previous| **previous != auth.lb_auth_key);
        Ok(Self { present: cipher(&auth.lb_auth_key)?, previous: previous.map(cipher).transpose()? })
    }

    /// Seals the key of a task. One that is unreadable comes out as it was stored before, so that nothing is lost by storing it
    /// again.
    pub fn seal(&self, task: TaskId, key: &WorkerKey) -> Vec<u8> {
        let Some(text) = key.expose() else { return key.unopened().unwrap_or_default().to_vec() };
        let mut sealed = Vec::with_capacity(1 + text.len() + TAG_BYTES);
        sealed.push(FORMAT);
        sealed.extend_from_slice(text.as_bytes());
        let (nonce, id) = bound_to(task);
        match self.present.encrypt_inout_detached(&nonce, &id, InOutBuf::from(&mut sealed[1..])) {
            Ok(tag) => sealed.extend_from_slice(&tag),
            // Only a text of more than 64 GB is refused. It must not be stored as it is.
            Err(_) => sealed.clear(),
        }
        sealed
    }

    /// Opens the key of a task. What neither key opens is an unreadable key, not an error: the task itself is there and can be
    /// seen, listed and ended.
    pub fn open(&self, task: TaskId, sealed: &[u8]) -> WorkerKey {
        let ciphers = [Some(&self.present), self.previous.as_ref()];
        let key = ciphers.into_iter().flatten().find_map(|cipher| open_with(cipher, task, sealed));
        key.unwrap_or_else(|| WorkerKey::unreadable(sealed))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

fn open_with(cipher: &Aes256GcmSiv, task: TaskId, sealed: &[u8]) -> Option<WorkerKey> {
    let (text, tag) = sealed.strip_prefix(&[FORMAT])?.split_last_chunk::<TAG_BYTES>()?;
    let (mut text, (nonce, id)) = (text.to_vec(), bound_to(task));
    cipher.decrypt_inout_detached(&nonce, &id, InOutBuf::from(text.as_mut_slice()), &Tag::from(*tag)).ok()?;
    Some(WorkerKey::new(String::from_utf8(text).ok()?))
}

/// The nonce and the associated data of a task. The nonce leaves out what is the same for all tasks of the same minute.
fn bound_to(task: TaskId) -> (Nonce, [u8; 16]) {
    let id = task.as_u128().to_be_bytes();
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&id[id.len() - NONCE_BYTES..]);
    (nonce.into(), id)
}

fn cipher(key: &Secret) -> Result<Aes256GcmSiv, DeriveError> {
    let derived = Salt::new(HKDF_SHA256, &[]).extract(key.expose().as_bytes());
    let mut bytes = Key::<Aes256GcmSiv>::default();
    let filled = derived.expand(&[INFO], Length).and_then(|derived| derived.fill(&mut bytes));
    filled.map_err(|_| DeriveError)?;
    Ok(Aes256GcmSiv::new(&bytes))
}

/// As long as the cipher's key.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
