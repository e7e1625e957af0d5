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
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lacking = waiting.iter().flat_map(|(session, names)| self.missing(*session, names.iter()));
        let mut names: Vec<SecretRef> = lacking.collect();
        names.sort();
        names.dedup();
        names
    }

    /// Names that one session waits for.
    #[must_use]
    pub fn needs_of(&self, session: SessionId) -> Vec<SecretRef> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned();
        waiting.map_or_else(Vec::new, |names| self.missing(session, names.iter()))
    }

    /// Says which secrets the rounds of a session are going to need, before any of them waits: whoever comes first may hand them over.
    pub fn expect(&self, session: SessionId, names: impl Iterator<Item = SecretRef>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(session).or_default().extend(names);
    }

    /// Says that a session waits for names, until what is returned is dropped.
    #[must_use]
    pub fn waiting(&self, session: SessionId, names: Vec<SecretRef>) -> Waiting<'_> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(session, names.clone());
        Waiting { vault: self, session, names }
    }

    /// Forgets the secrets of a session.
    pub fn forget(&self, session: SessionId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
    }
}

/// A session that waits for secrets, visible through [`Vault::needs`].
pub struct Waiting<'a> {
    vault: &'a Vault,
    session: SessionId,
    names: Vec<SecretRef>,
}

impl Waiting<'_> {
    /// Returns once the session has all of the names. Cancel-safe.
    pub async fn over(&self) {
        let mut version = self.vault.version.subscribe();
        loop {
            let missing = self.vault.missing(self.session, self.names.iter());
            if missing.is_empty() {
                return;
            }
            self.vault.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(self.session, missing);
            // The sender lives as long as the vault.
            if version.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.vault.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> SecretValue {
        SecretValue { name: SecretRef(name.to_owned()), value: Secret::new("value".to_owned()) }
    }

    #[test]
    fn what_is_expected_may_come_before_anybody_waits() {
        let vault = Vault::default();
        let session = SessionId::random();
        vault.expect(session, [SecretRef("env:A".to_owned())].into_iter());
        assert_eq!(vault.needs(), [SecretRef("env:A".to_owned())]);
        vault.provide(&[secret("env:A"), secret("env:B")]);
        assert!(vault.needs().is_empty() && vault.needs_of(session).is_empty());
        assert!(vault.get(session, &SecretRef("env:A".to_owned())).is_some());
        vault.forget(session);
        assert!(vault.needs().is_empty());
    }

    #[tokio::test]
    async fn only_who_waits_is_given_what_another_client_has() {
        let vault = Vault::default();
        let (waits, other) = (SessionId::random(), SessionId::random());
        let names = vec![SecretRef("env:A".to_owned()), SecretRef("env:B".to_owned())];
        let waiting = vault.waiting(waits, names.clone());
        assert_eq!(vault.needs(), names);
        vault.provide(&[secret("env:A"), secret("env:C")]);
        {
            let over = waiting.over();
            tokio::pin!(over);
            assert!(futures_util::poll!(over.as_mut()).is_pending());
            assert_eq!(vault.needs_of(waits), names[1..]);
            vault.provide(&[secret("env:B")]);
            over.await;
        }
        drop(waiting);
        assert!(vault.needs().is_empty());
        assert!(vault.get(waits, &names[0]).is_some());
        assert!(vault.get(waits, &SecretRef("env:C".to_owned())).is_none());
        assert!(vault.get(other, &names[0]).is_none());
        vault.forget(waits);
        assert!(vault.get(waits, &names[0]).is_none());
    }
}
