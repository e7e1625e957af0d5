//! The thread that owns the only connection that writes.
//!
//! It takes what is queued (256 requests at most), runs all of it in one transaction with a savepoint each, and answers after the
//! commit. A request that fails is rolled back alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::event::{EventLine, SCHEMA};
use proto::id::SessionId;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::{Change, NewEvent, RoundSpec, SessionSpec, StoreError, now_ms, sqlite};

/// Time between two tries of a disk that couldn't be written.
const TRY: Duration = Duration::from_secs(1);
/// Time between two looks for orders then.
const LOOK: Duration = Duration::from_millis(20);
/// Requests in one transaction at most.
const BATCH: usize = 256;
/// Version of the JSON that this build writes into `spec`, `value` and `report` columns.
pub(super) const JSON_VERSION: i64 = 1;

type Answer = Result<(), StoreError>;
/// Heads of some sessions' logs.
type Heads = HashMap<SessionId, u64>;

/// Sessions whose heads are kept in memory at most; others are looked up again.
const HEADS: usize = 4096;

struct Job {
    changes: Vec<Change>,
    answer: oneshot::Sender<Answer>,
}

/// Something that is done between two batches; it must be short, since everybody waits for it.
type Task = Box<dyn FnOnce(&mut Connection) + Send>;

enum Order {
    Commit(Job),
    Run(Task),
    Close,
}

/// Handle to the writer thread.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// `moved` is told each new head after its commit, in commit order, whoever still waits for the answer.
    pub(super) fn start(
        connection: Connection,
        trouble: Arc<Mutex<Option<String>>>,
        moved: Box<dyn Fn(SessionId, u64) + Send>,
    ) -> Result<Self, StoreError> {
        let (orders, inbox) = mpsc::channel(BATCH * 2);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || Loop { connection, heads: HashMap::new(), trouble, moved }.run(inbox))
            .map_err(|error| StoreError::Sqlite(error.to_string()))?;
        Ok(Self { orders, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn commit(&self, changes: Vec<Change>) -> Answer {
        let (answer, receiver) = oneshot::channel();
        self.orders.send(Order::Commit(Job { changes, answer })).await.map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Does something with the connection that writes, between two batches. Dropping the future doesn't undo it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, receiver) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // A caller that went away doesn't need the answer.
            let _ = answer.send(task(connection));
        });
        self.orders.send(Order::Run(task)).await.map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // A full channel drains, since the thread is alive.
        while let Err(mpsc::error::TrySendError::Full(_)) = self.orders.try_send(Order::Close) {
            std::thread::yield_now();
        }
        if thread.join().is_err() {
            tracing::error!("the store's writer panicked");
        }
    }
}

struct Loop {
    connection: Connection,
    /// Last position given in each session's log.
    heads: Heads,
    trouble: Arc<Mutex<Option<String>>>,
    moved: Box<dyn Fn(SessionId, u64) + Send>,
}

impl Loop {
    fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let mut open = true;
        while open {
            let mut jobs = Vec::new();
            let mut task = None;
            match self.next(&mut inbox) {
                Some(Order::Commit(job)) => jobs.push(job),
                Some(Order::Run(wanted)) => task = Some(wanted),
                Some(Order::Close) | None => break,
            }
            while task.is_none() && jobs.len() < BATCH {
                match inbox.try_recv() {
                    Ok(Order::Commit(job)) => jobs.push(job),
                    Ok(Order::Run(wanted)) => task = Some(wanted),
                    Ok(Order::Close) => {
                        open = false;
                        break;
                    }
                    Err(_) => break,
                }
            }
            if !jobs.is_empty() {
                self.batch(jobs);
            }
            if let Some(task) = task {
                task(&mut self.connection);
            }
        }
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "truncate") {
            tracing::warn!(%error, "no checkpoint at the end");
        }
    }

    /// Waits for the next order. While nothing can be written the disk is tried meanwhile, so that it shows when that has passed.
    fn next(&mut self, inbox: &mut mpsc::Receiver<Order>) -> Option<Order> {
        let mut tried = Instant::now();
        loop {
            if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                return inbox.blocking_recv();
            }
            match inbox.try_recv() {
                Ok(order) => return Some(order),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => std::thread::sleep(LOOK),
            }
            if tried.elapsed() >= TRY {
                let try_it = "INSERT INTO mark (key, value) VALUES ('tried', ?1) ON CONFLICT DO UPDATE SET value = ?1";
                let done = run(&self.connection, try_it, params![now_ms().to_string()]);
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                    done.err().map(|error| error.to_string());
                tried = Instant::now();
            }
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        let committed = self.transaction(&jobs);
        let trouble = committed.as_ref().err().map(ToString::to_string);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        match committed {
            Ok((results, heads)) => {
                if self.heads.len() > HEADS {
                    self.heads.clear();
                }
                for (session, head) in heads {
                    self.heads.insert(session, head);
                    (self.moved)(session, head);
                }
                for (job, result) in jobs.into_iter().zip(results) {
                    // A caller that went away doesn't need the answer.
                    let _ = job.answer.send(result);
                }
            }
            Err(error) => {
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Does all jobs in one transaction: the answer to each, and the heads that moved.
    fn transaction(&mut self, jobs: &[Job]) -> Result<(Vec<Answer>, Heads), StoreError> {
        let Self { connection, heads: known, .. } = self;
        let mut results = Vec::with_capacity(jobs.len());
        let mut moved = Heads::new();
        let mut transaction = connection.transaction().map_err(|error| sqlite(&error))?;
        for job in jobs {
            let savepoint = transaction.savepoint().map_err(|error| sqlite(&error))?;
            let mut positions = Positions { known, batch: &moved, job: Heads::new() };
            match job.changes.iter().try_for_each(|change| apply(&savepoint, &mut positions, change)) {
                Ok(()) => {
                    let job = positions.job;
                    savepoint.commit().map_err(|error| sqlite(&error))?;
                    moved.extend(job);
                    results.push(Ok(()));
                }
                // A full disk concerns them all, and so does a damaged database.
                Err(error @ (StoreError::Unwritable(_) | StoreError::Spoiled(_))) => return Err(error),
                Err(error) => {
                    drop(savepoint);
                    results.push(Err(error));
                }
            }
        }
        proto::hooks::pause_blocking("store.commit");
        transaction.commit().map_err(|error| sqlite(&error))?;
        proto::hooks::pause_blocking("store.committed");
        Ok((results, moved))
    }
}

/// Positions that were given: committed ones, those of this transaction, those of this job. Only what succeeds moves outwards.
struct Positions<'a> {
    known: &'a Heads,
    batch: &'a Heads,
    job: Heads,
}

impl Positions<'_> {
    fn head(&self, session: SessionId) -> Option<u64> {
        self.job.get(&session).or_else(|| self.batch.get(&session)).or_else(|| self.known.get(&session)).copied()
    }
}

fn json<T: serde::Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Content { what: what.to_owned(), why: error.to_string() })
}

fn apply(db: &Connection, positions: &mut Positions<'_>, change: &Change) -> Result<(), StoreError> {
    let now = now_ms();
    match change {
        Change::NewSession { id, work_dir, spec } => run(
            db,
            "INSERT INTO session (id, created_ms, updated_ms, work_dir, spec, spec_version) VALUES (?1, ?2, ?2, ?3, ?4, ?5)",
            params![id.to_string(), now, work_dir, json::<SessionSpec>("session", spec)?, JSON_VERSION],
        ),
        Change::SessionSpec { id, spec } => run(
            db,
            "UPDATE session SET spec = ?2, spec_version = ?3 WHERE id = ?1",
            params![id.to_string(), json::<SessionSpec>("session", spec)?, JSON_VERSION],
        ),
        Change::NewRound { session, round, id, spec } => run(
            db,
            "INSERT INTO round (session, round, id, state, task, spec, spec_version, queued_ms)
             VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7)",
            params![
                session.to_string(),
                round,
                id.to_string(),
                spec.task,
                json::<RoundSpec>("round", spec)?,
                JSON_VERSION,
                now
            ],
        ),
        Change::Idempotency { key, session, round } => run(
            db,
            "INSERT INTO idempotency (key, session, round) VALUES (?1, ?2, ?3)",
            params![key, session.to_string(), round],
        ),
        Change::RoundStarted { id, log_dir } => run(
            db,
            "UPDATE round SET state = 'running', log_dir = ?2, started_ms = coalesce(started_ms, ?3) WHERE id = ?1",
            params![id.to_string(), log_dir, now],
        ),
        Change::RoundCancelled { id } => {
            run(db, "UPDATE round SET cancelled = 1 WHERE id = ?1", params![id.to_string()])
        }
        Change::RoundEnded { id, report } => run(
            db,
            "UPDATE round SET state = 'ended', ended_ms = ?2, outcome = ?3, report = ?4 WHERE id = ?1",
            params![id.to_string(), now, report.outcome.as_str(), json("report", report)?],
        ),
        Change::UndoBegun { id } => {
            let begin = "UPDATE round SET undo_ms = coalesce(undo_ms, ?2) WHERE id = ?1";
            run_on_round(db, begin, params![id.to_string(), now])
        }
        Change::UndoGivenUp { id } => {
            run(db, "UPDATE round SET undo_ms = NULL WHERE id = ?1 AND undone_ms IS NULL", params![id.to_string()])
        }
        Change::RoundUndone { id } => {
            run_on_round(db, "UPDATE round SET undone_ms = ?2 WHERE id = ?1", params![id.to_string(), now])
        }
        Change::Active { id, ms } => run(
            db,
            "UPDATE round SET active_ms = max(active_ms, ?2) WHERE id = ?1",
            params![id.to_string(), i64::try_from(*ms).unwrap_or(i64::MAX)],
        ),
        Change::Event { session, round, event } => event_row(db, positions, *session, *round, event, now),
        Change::Step { round, key, request_hash, value } => run(
            db,
            "INSERT INTO step (round, key, position, request_hash, value, version, at_ms)
             SELECT ?1, ?2, count(*) + 1, ?3, ?4, ?5, ?6 FROM step WHERE round = ?1",
            params![round.to_string(), key, request_hash, value, JSON_VERSION, now],
        ),
        Change::CallSent { round, key } => run(
            db,
            "INSERT INTO call (round, key, sent) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET sent = sent + 1",
            params![round.to_string(), key],
        ),
        Change::Blob { round, hash, bytes } => {
            run(db, "INSERT OR IGNORE INTO blob (hash, bytes) VALUES (?1, ?2)", params![hash, bytes])?;
            run(db, "INSERT OR IGNORE INTO blob_use (round, hash) VALUES (?1, ?2)", params![round.to_string(), hash])
        }
        Change::ChildStarted(child) => run(
            db,
            "INSERT OR REPLACE INTO child (pid, start_time, boot_id, mark) VALUES (?1, ?2, ?3, ?4)",
            params![child.pid, child.start_time, child.boot_id, child.mark],
        ),
        Change::ChildEnded(child) => {
            run(db, "DELETE FROM child WHERE pid = ?1 AND start_time = ?2", params![child.pid, child.start_time])
        }
        Change::Unclean { id, count, steps } => run(
            db,
            "UPDATE round SET unclean = ?2, steps_seen = ?3 WHERE id = ?1",
            params![id.to_string(), count, steps],
        ),
        Change::CleanStop(clean) => run(
            db,
            "INSERT INTO mark (key, value) VALUES ('clean_stop', ?1) ON CONFLICT DO UPDATE SET value = ?1",
            params![clean.to_string()],
        ),
        Change::Keep(keep) => run(
            db,
            "INSERT INTO mark (key, value) VALUES ('keep', ?1) ON CONFLICT DO UPDATE SET value = ?1",
            params![json("limits", keep)?],
        ),
    }
}

fn event_row(
    db: &Connection,
    positions: &mut Positions<'_>,
    session: SessionId,
    round: u32,
    new: &NewEvent,
    now: i64,
) -> Result<(), StoreError> {
    let head = match positions.head(session) {
        Some(head) => head,
        None => db
            .prepare_cached("SELECT max(seq) FROM event WHERE session = ?1")
            .and_then(|mut statement| statement.query_row([session.to_string()], |row| row.get::<_, Option<u64>>(0)))
            .optional()
            .map_err(|error| sqlite(&error))?
            .flatten()
            .unwrap_or(0),
    };
    let seq = head + 1;
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    let line = EventLine {
        schema: SCHEMA.to_owned(),
        session,
        round,
        seq: Some(seq),
        at: format!("{at:.3}"),
        event: new.event.clone(),
    };
    run(
        db,
        "INSERT INTO event (session, seq, round, key, json) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![session.to_string(), seq, round, new.key, json("event", &line)?],
    )?;
    run(db, "UPDATE session SET updated_ms = ?2 WHERE id = ?1", params![session.to_string(), now])?;
    positions.job.insert(session, seq);
    Ok(())
}

fn run(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
    count(db, sql, values).map(|_| ())
}

/// Like [`run`], but a round that isn't there is an error: nothing may be done for it then.
fn run_on_round(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
    match count(db, sql, values)? {
        0 => Err(StoreError::Content { what: "round".to_owned(), why: "it was removed".to_owned() }),
        _ => Ok(()),
    }
}

/// Runs a statement; how many rows it changed.
fn count(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(|error| sqlite(&error))
}
