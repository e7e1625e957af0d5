//! Queries, on connections that can't write.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use proto::id::{RoundId, SessionId};
use proto::message::StoredEvent;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::{RoundSpec, SessionSpec, StoreError, sqlite};

/// Connections kept open between queries.
const IDLE: usize = 8;

/// A session as stored.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When something last happened.
    pub updated_ms: i64,
    /// Where it works.
    pub work_dir: Option<String>,
    /// Task of its newest round.
    pub task: String,
    /// How many rounds it has.
    pub rounds: u32,
    /// Outcome of the newest round that ended.
    pub outcome: Option<String>,
    /// State of its newest round.
    pub state: String,
}

/// A round as stored.
#[derive(Clone, Debug)]
pub struct RoundRow {
    /// Its number.
    pub round: u32,
    /// Its id.
    pub id: RoundId,
    /// `queued`, `running` or `ended`.
    pub state: String,
    /// Its task.
    pub task: String,
    /// Where its logs are.
    pub log_dir: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Its report as JSON.
    pub report: Option<String>,
    /// When somebody began to take it back.
    pub undo_ms: Option<i64>,
    /// When all its files were as before it.
    pub undone_ms: Option<i64>,
}

impl RoundRow {
    /// Its state for people: `undoing` and `undone` besides those that are stored.
    #[must_use]
    pub fn shown_state(&self) -> &str {
        match (self.undo_ms, self.undone_ms) {
            (_, Some(_)) => "undone",
            (Some(_), None) => "undoing",
            (None, None) => &self.state,
        }
    }
}

/// A round that hasn't ended.
#[derive(Clone, Debug)]
pub struct OpenRound {
    /// Its session.
    pub session: SessionId,
    /// Its number.
    pub round: u32,
    /// Its id.
    pub id: RoundId,
    /// Whether it had begun.
    pub started: bool,
    /// Whether somebody asked for its end.
    pub cancelled: bool,
    /// Where its logs are, if it had begun.
    pub log_dir: Option<String>,
    /// Time at work so far in milliseconds.
    pub active_ms: u64,
    /// Unclean stops in a row without a step in between.
    pub unclean: u32,
    /// Steps at the last of them.
    pub steps_seen: i64,
    /// Steps now.
    pub steps: i64,
    /// What it needs.
    pub spec: RoundSpec,
}

/// A round that hasn't ended and whose record this build can't read.
#[derive(Clone, Debug)]
pub struct BrokenRound {
    /// Its session.
    pub session: SessionId,
    /// Its number.
    pub round: u32,
    /// Its id.
    pub id: RoundId,
    /// Where its logs are.
    pub log_dir: Option<String>,
    /// What is wrong.
    pub why: StoreError,
}

/// A recorded step.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// Its key.
    pub key: String,
    /// Its result as JSON.
    pub value: String,
}

/// Connections for reading.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    pub(super) fn with<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(|error| sqlite(&error))?,
        };
        let result = query(&Reader { connection: &connection });
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        result
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -1024)?;
        Ok(connection)
    }
}

/// One connection, for one query.
pub struct Reader<'a> {
    pub(super) connection: &'a Connection,
}

impl Reader<'_> {
    /// Position of the last event of a session, 0 without one.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn head(&self, session: SessionId) -> Result<u64, StoreError> {
        self.one("SELECT coalesce(max(seq), 0) FROM event WHERE session = ?1", [session.to_string()], |row| row.get(0))
            .map(Option::unwrap_or_default)
    }

    /// Position of the first event of a round; none if it has none.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn first_event(&self, session: SessionId, round: u32) -> Result<Option<u64>, StoreError> {
        self.one("SELECT min(seq) FROM event WHERE session = ?1 AND round = ?2", (session.to_string(), round), |row| {
            row.get::<_, Option<u64>>(0)
        })
        .map(Option::flatten)
    }

    /// Events after a position, in order, about `max_bytes` at most (one at least). Those of rounds that were removed are gone, all at
    /// once.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn events_after(&self, session: SessionId, seq: u64, max_bytes: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let query = || -> rusqlite::Result<Vec<StoredEvent>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT seq, json FROM event WHERE session = ?1 AND seq > ?2
                 AND round >= coalesce((SELECT min(round) FROM round WHERE session = ?1), 0) ORDER BY seq LIMIT 4096",
            )?;
            let mut rows = statement.query((session.to_string(), seq))?;
            let mut events: Vec<StoredEvent> = Vec::new();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let event = StoredEvent { seq: row.get(0)?, json: row.get(1)? };
                bytes += event.json.len();
                if bytes > max_bytes && !events.is_empty() {
                    break;
                }
                events.push(event);
            }
            Ok(events)
        };
        query().map_err(|error| sqlite(&error))
    }

    /// All sessions, newest first: row ids only grow, whatever the clock says.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.session_rows("ORDER BY s.rowid DESC", [])
    }

    /// The newest session.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn newest_session(&self) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.session_rows("ORDER BY s.rowid DESC LIMIT 1", [])?.pop())
    }

    /// Sessions whose id starts with a prefix (hyphens don't count), two at most.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn sessions_by_prefix(&self, prefix: &str) -> Result<Vec<SessionRow>, StoreError> {
        let prefix: String = prefix.to_lowercase().chars().filter(char::is_ascii_hexdigit).collect();
        self.session_rows("WHERE substr(replace(s.id, '-', ''), 1, length(?1)) = ?1 LIMIT 2", [prefix])
    }

    fn session_rows(&self, tail: &str, values: impl rusqlite::Params) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT s.id, s.created_ms, s.updated_ms, s.work_dir, r.task, r.round, r.state,
                    (SELECT outcome FROM round e WHERE e.session = s.id AND e.outcome IS NOT NULL
                     ORDER BY e.round DESC LIMIT 1)
             FROM session s JOIN round r
               ON r.session = s.id AND r.round = (SELECT max(round) FROM round m WHERE m.session = s.id) {tail}"
        );
        self.all(&sql, values, |row| {
            Ok(SessionRow {
                id: parsed(row, 0)?,
                created_ms: row.get(1)?,
                updated_ms: row.get(2)?,
                work_dir: row.get(3)?,
                task: row.get(4)?,
                rounds: row.get(5)?,
                state: row.get(6)?,
                outcome: row.get(7)?,
            })
        })
    }

    /// What a session keeps for its next rounds.
    ///
    /// # Errors
    /// If the database can't be read or holds something else.
    pub fn session_spec(&self, session: SessionId) -> Result<Option<SessionSpec>, StoreError> {
        let json: Option<String> =
            self.one("SELECT spec FROM session WHERE id = ?1", [session.to_string()], |row| row.get(0))?;
        json.map(|json| content("session", &json)).transpose()
    }

    /// Rounds of a session, oldest first.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn rounds(&self, session: SessionId) -> Result<Vec<RoundRow>, StoreError> {
        self.all(
            "SELECT round, id, state, task, log_dir, started_ms, ended_ms, report, undo_ms, undone_ms
             FROM round WHERE session = ?1 ORDER BY round",
            [session.to_string()],
            |row| {
                Ok(RoundRow {
                    round: row.get(0)?,
                    id: parsed(row, 1)?,
                    state: row.get(2)?,
                    task: row.get(3)?,
                    log_dir: row.get(4)?,
                    started_ms: row.get(5)?,
                    ended_ms: row.get(6)?,
                    report: row.get(7)?,
                    undo_ms: row.get(8)?,
                    undone_ms: row.get(9)?,
                })
            },
        )
    }

    /// Number of the newest round of a session; none if there is no such session.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn newest_round(&self, session: SessionId) -> Result<Option<u32>, StoreError> {
        self.one("SELECT max(round) FROM round WHERE session = ?1", [session.to_string()], |row| {
            row.get::<_, Option<u32>>(0)
        })
        .map(Option::flatten)
    }

    /// The first round of a session whose undo was begun and isn't finished.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn unfinished_undo(&self, session: SessionId) -> Result<Option<u32>, StoreError> {
        self.one(
            "SELECT min(round) FROM round WHERE session = ?1 AND undo_ms IS NOT NULL AND undone_ms IS NULL",
            [session.to_string()],
            |row| row.get::<_, Option<u32>>(0),
        )
        .map(Option::flatten)
    }

    /// Whether a round has ended; none if there is no such round.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn has_ended(&self, session: SessionId, round: u32) -> Result<Option<bool>, StoreError> {
        self.one(
            "SELECT state = 'ended' FROM round WHERE session = ?1 AND round = ?2",
            (session.to_string(), round),
            |row| row.get(0),
        )
    }

    /// Version of the schema.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn version(&self) -> Result<u64, StoreError> {
        let version = self.one("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?;
        Ok(version.map_or(0, u64::from))
    }

    /// Rounds that haven't ended, in the order in which they were queued, and those of them whose record can't be read.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn open_rounds(&self) -> Result<(Vec<OpenRound>, Vec<BrokenRound>), StoreError> {
        let rows = self.all(
            "SELECT session, round, id, state = 'running', cancelled, log_dir, active_ms, unclean, steps_seen,
                    (SELECT count(*) FROM step WHERE step.round = round.id), spec
             FROM round WHERE state <> 'ended' ORDER BY rowid",
            [],
            |row| {
                Ok((
                    parsed::<SessionId>(row, 0)?,
                    row.get::<_, u32>(1)?,
                    parsed::<RoundId>(row, 2)?,
                    (row.get::<_, bool>(3)?, row.get::<_, bool>(4)?, row.get::<_, Option<String>>(5)?),
                    (row.get::<_, u64>(6)?, row.get::<_, u32>(7)?, row.get::<_, i64>(8)?, row.get::<_, i64>(9)?),
                    row.get::<_, String>(10)?,
                ))
            },
        )?;
        let mut open = Vec::new();
        let mut broken = Vec::new();
        for (session, round, id, (started, cancelled, log_dir), (active_ms, unclean, steps_seen, steps), spec) in rows {
            match content("round", &spec) {
                Ok(spec) => open.push(OpenRound {
                    session,
                    round,
                    id,
                    started,
                    cancelled,
                    log_dir,
                    active_ms,
                    unclean,
                    steps_seen,
                    steps,
                    spec,
                }),
                Err(why) => broken.push(BrokenRound { session, round, id, log_dir, why }),
            }
        }
        Ok((open, broken))
    }

    /// What changes while a round is played: whether it has begun, where its logs are, its time at work in milliseconds. None if it isn't
    /// open any more.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn progress(&self, round: RoundId) -> Result<Option<(bool, Option<String>, u64)>, StoreError> {
        self.one(
            "SELECT state = 'running', log_dir, active_ms FROM round WHERE id = ?1 AND state <> 'ended'",
            [round.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
    }

    /// Recorded steps of a round, in the order in which they were recorded.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn steps(&self, round: RoundId) -> Result<Vec<StepRow>, StoreError> {
        self.all("SELECT key, value FROM step WHERE round = ?1 ORDER BY position", [round.to_string()], |row| {
            Ok(StepRow { key: row.get(0)?, value: row.get(1)? })
        })
    }

    /// Recorded steps of a round that are about writes (`write/…`, `wrote/…`), in the order in which they were recorded.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn write_steps(&self, round: RoundId) -> Result<Vec<StepRow>, StoreError> {
        self.all(
            "SELECT key, value FROM step WHERE round = ?1 AND substr(key, 1, 6) IN ('write/', 'wrote/') ORDER BY position",
            [round.to_string()],
            |row| Ok(StepRow { key: row.get(0)?, value: row.get(1)? }),
        )
    }

    /// Keys of the events that a round has.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn event_keys(&self, session: SessionId, round: u32) -> Result<Vec<String>, StoreError> {
        self.all("SELECT key FROM event WHERE session = ?1 AND round = ?2", (session.to_string(), round), |row| {
            row.get(0)
        })
    }

    /// Model calls of a round that were sent: key of the step, and how often.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn calls_sent(&self, round: RoundId) -> Result<Vec<(String, u32)>, StoreError> {
        self.all("SELECT key, sent FROM call WHERE round = ?1", [round.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// The content with a hash.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn blob(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT bytes FROM blob WHERE hash = ?1", [hash], |row| row.get(0))
    }

    /// Size in bytes of the content with a hash; none if it isn't kept.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn blob_size(&self, hash: &str) -> Result<Option<u64>, StoreError> {
        self.one("SELECT length(bytes) FROM blob WHERE hash = ?1", [hash], |row| row.get(0))
    }

    /// Child processes that were alive at the last commit about them.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn children(&self) -> Result<Vec<crate::sandbox::ChildRecord>, StoreError> {
        self.all("SELECT pid, start_time, boot_id, mark FROM child", [], |row| {
            Ok(crate::sandbox::ChildRecord {
                pid: row.get(0)?,
                start_time: row.get(1)?,
                boot_id: row.get(2)?,
                mark: row.get(3)?,
            })
        })
    }

    /// What a key queued before.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn idempotent(&self, key: &str) -> Result<Option<(SessionId, u32, RoundId)>, StoreError> {
        self.one(
            "SELECT i.session, i.round, r.id FROM idempotency i JOIN round r ON r.session = i.session AND r.round = i.round
             WHERE i.key = ?1",
            [key],
            |row| Ok((parsed(row, 0)?, row.get(1)?, parsed(row, 2)?)),
        )
    }

    /// Whether the last daemon stopped in good order (or there was none).
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn stopped_cleanly(&self) -> Result<bool, StoreError> {
        let value: Option<String> =
            self.one("SELECT value FROM mark WHERE key = 'clean_stop'", [], |row| row.get(0))?;
        Ok(value.is_none_or(|value| value == "true"))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, map).optional())
            .map_err(|error| sqlite(&error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(values, map)?.collect())
            .map_err(|error| sqlite(&error))
    }
}

pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn content<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Content { what: what.to_owned(), why: error.to_string() })
}
