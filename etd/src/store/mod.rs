//! What must survive: sessions, rounds, events, steps, file contents. The only module that knows SQL.
//!
//! One thread owns the only connection that writes (`writer`); it commits what is queued in one transaction and answers after the
//! commit, so that whatever was acknowledged survives `kill -9`. Readers use connections of their own and short transactions.
//! A reader of events learns of new ones through a `watch` channel that carries the head of the session's log; what it then
//! reads comes from the database, so nothing is ever skipped or shown before it is durable.

pub mod filesystem;
mod read;
pub mod retention;
mod schema;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use proto::event::Event;
use proto::id::{RoundId, SessionId};
use proto::message::StoredEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

pub use read::{BrokenRound, OpenRound, Reader, RoundRow, SessionRow, StepRow};

/// Why the store can't do what is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or can't be written: nothing was acknowledged, and trying again may help.
    #[error("the database can't be written: {0}")]
    Unwritable(String),
    /// A newer version wrote the database.
    #[error("the database has version {found}, this build knows versions up to {known}")]
    Newer {
        /// Version in the file.
        found: usize,
        /// Newest version known.
        known: usize,
    },
    /// The database isn't sound; it was set aside.
    #[error(
        "the database {path} is damaged ({why}); it was kept as {kept}, and the next start begins with an empty one"
    )]
    Damaged {
        /// Where it was.
        path: String,
        /// What the check says.
        why: String,
        /// Where it is now.
        kept: String,
    },
    /// A page of the database was found damaged while it was in use.
    #[error("the database is damaged ({0}); it is looked through when the daemon starts next")]
    Spoiled(String),
    /// The state dir is where no database can be kept safely.
    #[error(
        "the state dir {path} is on a file system of the network ({kind}), where the database could lose what it keeps"
    )]
    Network {
        /// The state dir.
        path: String,
        /// The file system.
        kind: String,
    },
    /// Anything else that SQLite says.
    #[error("database: {0}")]
    Sqlite(String),
    /// What is stored isn't what this build writes.
    #[error("stored {what} can't be read: {why}")]
    Content {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What a session keeps for its next rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    /// Flags of its spawn.
    pub flags: proto::settings::Flags,
    /// Configuration of its spawn.
    pub config: proto::config::Config,
}

/// What a round needs to run, without a single secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundSpec {
    /// What to do.
    pub task: String,
    /// Where; absolute.
    pub work_dir: Option<String>,
    /// How.
    pub settings: proto::settings::Settings,
    /// With whom.
    pub config: proto::config::Config,
    /// Variables that checks may see.
    pub env: std::collections::BTreeMap<String, String>,
    /// Variables that checks may see and whose values aren't stored.
    pub secret_env: std::collections::BTreeMap<String, proto::config::SecretRef>,
}

/// A new event with the key that makes it the same one when the round is resumed.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Unique in the round.
    pub key: String,
    /// What happened.
    pub event: Event,
}

impl NewEvent {
    /// Pairs a key with an event.
    pub fn new(key: impl Into<String>, event: Event) -> Self {
        Self { key: key.into(), event }
    }
}

/// One change of the database. Several in one [`Store::commit`] happen together or not at all.
#[derive(Debug)]
pub enum Change {
    /// A new session.
    NewSession {
        /// Its id.
        id: SessionId,
        /// Where it works.
        work_dir: Option<String>,
        /// What it keeps.
        spec: Box<SessionSpec>,
    },
    /// What a session keeps is replaced.
    SessionSpec {
        /// Its id.
        id: SessionId,
        /// What it keeps now.
        spec: Box<SessionSpec>,
    },
    /// A new round at the end of its session.
    NewRound {
        /// Its session.
        session: SessionId,
        /// Its number.
        round: u32,
        /// Its id.
        id: RoundId,
        /// What it needs.
        spec: Box<RoundSpec>,
    },
    /// A key that must not queue twice.
    Idempotency {
        /// The key.
        key: String,
        /// What it made.
        session: SessionId,
        /// Its round.
        round: u32,
    },
    /// A round begins.
    RoundStarted {
        /// Its id.
        id: RoundId,
        /// Where its logs are.
        log_dir: Option<String>,
    },
    /// Somebody asked for the end of a round.
    RoundCancelled {
        /// Its id.
        id: RoundId,
    },
    /// A round ended.
    RoundEnded {
        /// Its id.
        id: RoundId,
        /// How.
        report: Box<proto::report::RoundReport>,
    },
    /// The files of a round are about to be put back to what they were before it.
    UndoBegun {
        /// Its id.
        id: RoundId,
    },
    /// That isn't done to its end: the round counts as one that nobody took back.
    UndoGivenUp {
        /// Its id.
        id: RoundId,
    },
    /// They are.
    RoundUndone {
        /// Its id.
        id: RoundId,
    },
    /// Time at work of a round so far.
    Active {
        /// Its id.
        id: RoundId,
        /// Milliseconds.
        ms: u64,
    },
    /// An event of a round; its position is given at commit.
    Event {
        /// The session.
        session: SessionId,
        /// The round.
        round: u32,
        /// What, with its key.
        event: Box<NewEvent>,
    },
    /// A finished step.
    Step {
        /// The round.
        round: RoundId,
        /// Its key.
        key: String,
        /// Hash of what was asked.
        request_hash: Option<String>,
        /// Its result as JSON.
        value: String,
    },
    /// A model call is about to be sent.
    CallSent {
        /// The round.
        round: RoundId,
        /// Key of its step.
        key: String,
    },
    /// The content of a file. It is kept as long as a round is that recorded it.
    Blob {
        /// The round.
        round: RoundId,
        /// Its SHA-256.
        hash: String,
        /// It.
        bytes: Vec<u8>,
    },
    /// A child process lives.
    ChildStarted(crate::sandbox::ChildRecord),
    /// It is gone.
    ChildEnded(crate::sandbox::ChildRecord),
    /// Unclean stops of a round.
    Unclean {
        /// The round.
        id: RoundId,
        /// How many in a row.
        count: u32,
        /// Steps at the last one.
        steps: i64,
    },
    /// The daemon stops in good order, or starts.
    CleanStop(bool),
    /// What is kept from now on.
    Keep(proto::config::Keep),
}

/// Handle to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Heads of the logs that somebody reads.
type Watched = HashMap<SessionId, watch::Sender<u64>>;

/// Queries at once: each has a connection, a thread and some descriptors of its own. Others wait for their turn, which is soon.
const READS: usize = 16;

struct Inner {
    dir: PathBuf,
    reads: Arc<Semaphore>,
    writer: writer::Writer,
    readers: read::Readers,
    heads: Arc<Mutex<Watched>>,
    trouble: Arc<Mutex<Option<String>>>,
    /// What SQLite said when it first met a damaged page.
    damage: OnceLock<String>,
    path: PathBuf,
}

impl Store {
    /// Opens or creates the database in a state dir and brings it up to date. Blocks.
    ///
    /// # Errors
    /// If it can't be written, is newer than this build, or is damaged (then it was set aside).
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let path = state_dir.join(proto::endpoint::DATABASE_FILE);
        let connection = schema::open(&path)?;
        let trouble = Arc::new(Mutex::new(None));
        let heads: Arc<Mutex<Watched>> = Arc::default();
        let watched = Arc::clone(&heads);
        let moved = move |session, head| raise(&watched, session, head);
        Ok(Self {
            inner: Arc::new(Inner {
                dir: state_dir.to_path_buf(),
                reads: Arc::new(Semaphore::new(READS)),
                writer: writer::Writer::start(connection, Arc::clone(&trouble), Box::new(moved))?,
                readers: read::Readers::new(path.clone()),
                heads,
                trouble,
                damage: OnceLock::new(),
                path,
            }),
        })
    }

    /// The state dir.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Makes changes together and returns once they are on disk.
    ///
    /// Dropping the future doesn't undo them: they may or may not happen.
    ///
    /// # Errors
    /// If nothing was changed; [`StoreError::Unwritable`] may pass.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if let Some(why) = self.inner.damage.get() {
            // Writing on could only spoil more.
            return Err(StoreError::Spoiled(why.clone()));
        }
        self.inner.noticing(self.inner.writer.commit(changes).await)
    }

    /// Like [`Store::commit`], but waits for a full disk to have room again.
    ///
    /// # Errors
    /// If trying again can't help.
    pub async fn commit_patiently(&self, make: impl Fn() -> Vec<Change>) -> Result<(), StoreError> {
        let mut pause = std::time::Duration::from_millis(100);
        loop {
            match self.commit(make()).await {
                Err(StoreError::Unwritable(why)) => {
                    tracing::warn!(why, "waiting for the disk");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(std::time::Duration::from_secs(2));
                }
                other => return other,
            }
        }
    }

    /// Why nothing can be written at the moment.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = self.inner.damage.get() {
            return Some(StoreError::Spoiled(why.clone()).to_string());
        }
        self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A channel that carries the head of a session's log: the position of its last event, 0 if there is none.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn head(&self, session: SessionId) -> Result<watch::Receiver<u64>, StoreError> {
        // Watched before it is looked up, so that a commit in between isn't missed.
        let receiver = {
            let mut heads = self.inner.heads.lock().unwrap_or_else(PoisonError::into_inner);
            heads.retain(|id, sender| *id == session || sender.receiver_count() > 0);
            heads.entry(session).or_insert_with(|| watch::channel(0).0).subscribe()
        };
        let head = self.read(move |reader| reader.head(session)).await?;
        raise(&self.inner.heads, session, head);
        Ok(receiver)
    }

    /// Runs a query on a thread for blocking work.
    ///
    /// # Errors
    /// What the query says.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: std::marker::Send + 'static,
        F: FnOnce(&read::Reader<'_>) -> Result<T, StoreError> + std::marker::Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let turn = Arc::clone(&inner.reads).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let work = move || {
            // Given back when the query is over, whoever waits for it.
            let _turn = turn;
            inner.noticing(inner.readers.with(query))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
    }

    /// Connections for reading that nobody uses now.
    #[cfg(test)]
    pub(crate) fn idle_readers(&self) -> usize {
        self.inner.readers.idle()
    }

    /// Closes the connections for reading that nobody uses now; the next query opens one.
    pub fn close_readers(&self) {
        self.inner.readers.close_idle();
    }

    /// Events after a position, in order, about `max_bytes` at most (one at least).
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn events_after(
        &self,
        session: SessionId,
        seq: u64,
        max_bytes: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(move |reader| reader.events_after(session, seq, max_bytes)).await
    }

    /// Writes everything to the database file and stops the writer. Blocks until that is done.
    pub fn close(&self) {
        self.inner.writer.close();
    }
}

impl Inner {
    /// Remembers that a page is damaged, for the next start as well.
    fn noticing<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Spoiled(why)) = &result
            && self.damage.set(why.clone()).is_ok()
        {
            tracing::error!(why, "the database is damaged: nothing is written any more");
            schema::suspect(&self.path);
        }
        result
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Tells whoever reads a log how long it is now. A log that nobody reads isn't kept.
fn raise(watched: &Mutex<Watched>, session: SessionId, head: u64) {
    if let Some(sender) = watched.lock().unwrap_or_else(PoisonError::into_inner).get(&session) {
        sender.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }
}

fn sqlite(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            StoreError::Unwritable(error.to_string())
        }
        // Somebody looks at the database with a tool of their own, which passes.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unwritable(format!("another program holds a lock on it: {error}"))
        }
        _ if is_damage(error) => StoreError::Spoiled(error.to_string()),
        _ => StoreError::Sqlite(error.to_string()),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
