//! Secrets, in memory only: never on disk, in a log, an event or an error text.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::config::SecretRef;
use proto::id::SessionId;
use proto::message::{Secret, SecretValue};
use tokio::sync::watch;

/// The secrets of each session. Values that one client handed over for its session are not used for another's, unless a
/// client provides them for whoever waits.
pub struct Vault {
    sessions: Mutex<HashMap<SessionId, HashMap<SecretRef, Secret>>>,
    waiting: Mutex<HashMap<SessionId, Vec<SecretRef>>>,
    version: watch::Sender<u64>,
}

impl Default for Vault {
    fn default() -> Self {
        Self { sessions: Mutex::default(), waiting: Mutex::default(), version: watch::channel(0).0 }
    }
}

impl Vault {
    /// Keeps the secrets of a session; newer values replace older ones.
    pub fn keep(&self, session: SessionId, secrets: Vec<SecretValue>) {
        {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let known = sessions.entry(session).or_default();
            known.extend(secrets.into_iter().map(|secret| (secret.name, secret.value)));
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// Gives secrets to every session that waits for them.
    pub fn provide(&self, secrets: &[SecretValue]) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (session, names) in waiting {
            let wanted: Vec<_> = secrets.iter().filter(|secret| names.contains(&secret.name)).cloned().collect();
            if !wanted.is_empty() {
                self.keep(session, wanted);
            }
        }
    }

    /// The value of a secret of a session.
    #[must_use]
    pub fn get(&self, session: SessionId, name: &SecretRef) -> Option<Secret> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&session)?.get(name).cloned()
    }

    /// Those of the names that a session lacks.
    #[must_use]
    pub fn missing<'a>(&self, session: SessionId, names: impl Iterator<Item = &'a SecretRef>) -> Vec<SecretRef> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.get(&session);
        let mut missing: Vec<SecretRef> =
            names.filter(|name| known.is_none_or(|known| !known.contains_key(name))).cloned().collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// Names that sessions wait for.
    #[must_use]
    pub fn needs(&self) -> Vec<SecretRef> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<SecretRef> = waiting.values().flatten().cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Names that one session waits for.
    #[must_use]
    pub fn needs_of(&self, session: SessionId) -> Vec<SecretRef> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned().unwrap_or_default()
    }

    /// Waits until a session has all of the names. Cancel-safe; the wait is visible through [`Vault::needs`].
    pub async fn wait_for(&self, session: SessionId, names: &[SecretRef]) {
        let mut version = self.version.subscribe();
        let waiting = Waiting { vault: self, session };
        loop {
            let missing = self.missing(session, names.iter());
            if missing.is_empty() {
                break;
            }
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(session, missing);
            // The sender lives as long as the vault.
            if version.changed().await.is_err() {
                break;
            }
        }
        drop(waiting);
    }
}

/// Ends the wait whatever happens to the future.
struct Waiting<'a> {
    vault: &'a Vault,
    session: SessionId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.vault.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.session);
    }
}
