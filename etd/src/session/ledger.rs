//! Which children live, on record: what a dead daemon left behind is found by the next one.

use crate::store::{Change, Store};

/// Keeps the children of the daemon in the store, so that leftovers are found after a crash.
pub struct ChildLedger {
    changes: tokio::sync::mpsc::Sender<Change>,
}

/// Changes of the list of children that may wait to be stored.
const LEDGER: usize = 1024;

impl ChildLedger {
    /// Writes through a store, in order. Must be called within a runtime: a task of it writes, and ends with the ledger.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let (changes, mut inbox) = tokio::sync::mpsc::channel(LEDGER);
        tokio::spawn(async move {
            while let Some(change) = inbox.recv().await {
                if let Err(error) = store.commit(vec![change]).await {
                    tracing::warn!(%error, "a child isn't on record");
                }
            }
        });
        Self { changes }
    }

    fn write(&self, change: Change) {
        if self.changes.try_send(change).is_err() {
            tracing::warn!("a child isn't on record");
        }
    }
}

impl crate::sandbox::Ledger for ChildLedger {
    fn on_start(&self, record: &crate::sandbox::ChildRecord) {
        self.write(Change::ChildStarted(record.clone()));
    }

    fn on_end(&self, record: &crate::sandbox::ChildRecord) {
        self.write(Change::ChildEnded(record.clone()));
    }
}
