//! One round at a time in a work dir, and in a dir above or below it.
//!
//! The daemon is the only one for its state dir, so a table in memory is the lock: rounds stand in line in the order in which they
//! were queued, and one may run when nobody before it overlaps.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use proto::id::SessionId;
use tokio::sync::watch;

/// The line.
pub(super) struct WorkDirs {
    entries: Mutex<Vec<Entry>>,
    next: Mutex<u64>,
    version: watch::Sender<u64>,
}

struct Entry {
    number: u64,
    session: SessionId,
    path: PathBuf,
    /// None: it isn't there.
    identity: Option<(u64, u64)>,
}

/// A place in the line; it is given up on drop.
pub(super) struct Ticket {
    dirs: Arc<WorkDirs>,
    number: u64,
}

impl Default for WorkDirs {
    fn default() -> Self {
        Self { entries: Mutex::default(), next: Mutex::new(0), version: watch::channel(0).0 }
    }
}

impl WorkDirs {
    /// Takes a place at the end of the line. `path` is canonical, `identity` is device and inode, none if it isn't there.
    pub(super) fn ticket(self: &Arc<Self>, session: SessionId, path: PathBuf, identity: Option<(u64, u64)>) -> Ticket {
        let number = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        let entry = Entry { number, session, path, identity };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ticket { dirs: Arc::clone(self), number }
    }

    /// Does something, which must be quick, unless a dir is in the line; none can come into it meanwhile.
    pub(super) fn unless_in_line<T>(&self, is_it: impl Fn(&Path) -> bool, work: impl FnOnce() -> T) -> Option<T> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        (!entries.iter().any(|entry| is_it(&entry.path))).then(work)
    }

    /// The session before a ticket that it must wait for.
    fn holder(&self, number: u64) -> Option<SessionId> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let own = entries.iter().find(|entry| entry.number == number)?;
        entries
            .iter()
            .filter(|entry| entry.number < number)
            .find(|entry| (own.identity.is_some() && entry.identity == own.identity) || overlap(&entry.path, &own.path))
            .map(|entry| entry.session)
    }
}

impl Ticket {
    /// The session that holds the dir, or none if it is this ticket's turn.
    pub(super) fn waits_for(&self) -> Option<SessionId> {
        self.dirs.holder(self.number)
    }

    /// Waits for this ticket's turn. Cancel-safe; the place in the line is kept.
    pub(super) async fn turn(&self) {
        let mut version = self.dirs.version.subscribe();
        while self.waits_for().is_some() {
            // The sender lives as long as the table.
            if version.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.dirs.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|entry| entry.number != self.number);
        self.dirs.version.send_modify(|version| *version += 1);
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_first_come_first_served_where_dirs_overlap() {
        let dirs = Arc::new(WorkDirs::default());
        let ids: Vec<SessionId> = (0..4).map(|_| SessionId::random()).collect();
        let a = dirs.ticket(ids[0], "/p/a".into(), Some((1, 1)));
        let below = dirs.ticket(ids[1], "/p/a/b".into(), Some((1, 2)));
        let beside = dirs.ticket(ids[2], "/p/ab".into(), Some((1, 3)));
        let above = dirs.ticket(ids[3], "/p".into(), Some((1, 4)));
        assert_eq!(a.waits_for(), None);
        assert_eq!(below.waits_for(), Some(ids[0]));
        assert_eq!(beside.waits_for(), None);
        assert_eq!(above.waits_for(), Some(ids[0]));
        drop(a);
        assert_eq!(below.waits_for(), None);
        assert_eq!(above.waits_for(), Some(ids[1]));
        drop(below);
        drop(beside);
        assert_eq!(above.waits_for(), None);
        // The same dir by another name; dirs that are gone aren't the same because of that.
        let linked = dirs.ticket(ids[0], "/q".into(), Some((1, 4)));
        let gone = dirs.ticket(ids[1], "/gone".into(), None);
        let gone_too = dirs.ticket(ids[2], "/gone-too".into(), None);
        assert_eq!(linked.waits_for(), Some(ids[3]));
        assert_eq!(dirs.unless_in_line(|path| path == Path::new("/gone"), || ()), None);
        assert_eq!(dirs.unless_in_line(|path| path == Path::new("/elsewhere"), || ()), Some(()));
        assert_eq!((gone.waits_for(), gone_too.waits_for()), (None, None));
    }

    #[tokio::test]
    async fn a_turn_comes_when_the_holder_goes() {
        let dirs = Arc::new(WorkDirs::default());
        let first = dirs.ticket(SessionId::random(), "/p".into(), Some((1, 1)));
        let second = dirs.ticket(SessionId::random(), "/p".into(), Some((1, 1)));
        let waiting = tokio::spawn(async move {
            second.turn().await;
        });
        drop(first);
        waiting.await.ok();
    }
}
