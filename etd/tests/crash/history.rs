//! A random history of a store: what was asked for, what each request leaves, when it was acknowledged; and whether a store that was
//! opened after a crash agrees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use etd::round::Journal;
use etd::sandbox::ChildRecord;
use etd::store::{Change, NewEvent, RoundSpec, SessionSpec, Store, StoreError};
use etd::workspace::Hash;
use proto::config::{CheckConfig, Config, SandboxWish, Timeouts};
use proto::event::{Event, NoteLevel};
use proto::id::{RoundId, SessionId};
use proto::outcome::Outcome;
use proto::report::{CheckReport, CheckSource, CheckStatus, RoundReport, SandboxLevel, Usage};
use proto::settings::Flags;

use crate::disk;

/// A mark that a request leaves in the database, and that no other one leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trace {
    Session(SessionId),
    Round(RoundId),
    Begun(RoundId),
    Ended(RoundId),
    Undo(RoundId),
    Undone(RoundId),
    Event(SessionId, u32, String),
    Step(RoundId, String, String),
    Blob(String),
    Key(String),
    Sent(RoundId, String, u32),
    Child(u32),
}

/// A request.
#[derive(Debug)]
struct Job {
    traces: Vec<Trace>,
    /// Length of the disk's record when it was made.
    begun: usize,
    /// And when it was acknowledged.
    acked: Option<usize>,
    /// It can't be done: nothing of it may be there.
    refused: bool,
}

struct Session {
    id: SessionId,
    rounds: Vec<RoundId>,
}

/// Everything that was ever asked for.
#[derive(Default)]
pub(crate) struct World {
    sessions: Vec<Session>,
    jobs: Vec<Job>,
    sent: HashMap<(RoundId, String), u32>,
    contents: HashMap<String, Vec<u8>>,
    /// What may be asked for once.
    once: BTreeSet<Trace>,
    number: u32,
}

enum Action {
    Commit(Vec<Change>),
    Record(RoundId, String, String, Vec<NewEvent>, Vec<(String, Vec<u8>)>),
    Sending(RoundId, String, Vec<NewEvent>),
    Emit(RoundId, Vec<NewEvent>),
    Begin(RoundId, NewEvent),
    End(RoundId, Vec<NewEvent>),
}

/// An open store with the journals of its rounds.
struct Open {
    store: Store,
    journals: HashMap<RoundId, Arc<Journal>>,
}

impl Open {
    async fn new(dir: &Path, world: &World) -> Result<Self, StoreError> {
        let at = dir.to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&at)).await.unwrap()?;
        let mut journals = HashMap::new();
        for session in &world.sessions {
            for (index, id) in session.rounds.iter().enumerate() {
                let journal = Journal::load(&store, session.id, index as u32 + 1, *id, 0).await?;
                journals.insert(*id, Arc::new(journal));
            }
        }
        Ok(Self { store, journals })
    }

    async fn close(&self) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();
    }
}

fn note(key: &str) -> NewEvent {
    NewEvent::new(key, Event::Note { level: NoteLevel::Warning, text: key.to_owned() })
}

fn config() -> Config {
    Config {
        source: "test".to_owned(),
        providers: BTreeMap::new(),
        models: BTreeMap::new(),
        roles: BTreeMap::new(),
        specialists: BTreeMap::new(),
        check: CheckConfig::default(),
        sandbox: SandboxWish::Prefer,
        timeouts: Timeouts::default(),
        log_dir: "/nowhere".to_owned(),
        network: BTreeMap::new(),
        keep: None,
    }
}

fn spec(task: &str) -> RoundSpec {
    RoundSpec {
        task: task.to_owned(),
        work_dir: None,
        settings: Flags::default().resolve(),
        config: config(),
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
    }
}

fn report() -> RoundReport {
    RoundReport {
        outcome: Outcome::Completed,
        exit_code: 0,
        iterations: 0,
        best_iteration: None,
        log_dir: None,
        next: String::new(),
        duration_ms: 1,
        subtasks: Vec::new(),
        files: Vec::new(),
        check: CheckReport {
            command: None,
            source: CheckSource::None,
            sandbox: SandboxLevel::None,
            status: CheckStatus::None,
            diagnostics: Vec::new(),
        },
        refused: Vec::new(),
        usage: Usage::default(),
    }
}

impl World {
    fn next(&mut self, what: &str) -> String {
        self.number += 1;
        format!("{what}/{}", self.number)
    }

    /// A round of some session.
    fn pick(&self, rng: &mut fastrand::Rng) -> (SessionId, u32, RoundId) {
        let session = &self.sessions[rng.usize(..self.sessions.len())];
        let index = rng.usize(..session.rounds.len());
        (session.id, index as u32 + 1, session.rounds[index])
    }

    fn events(&mut self, count: usize, session: SessionId, round: u32, traces: &mut Vec<Trace>) -> Vec<NewEvent> {
        let keys: Vec<String> = (0..count).map(|_| self.next("event")).collect();
        traces.extend(keys.iter().map(|key| Trace::Event(session, round, key.clone())));
        keys.iter().map(|key| note(key)).collect()
    }

    fn blobs(&mut self, large: bool, rng: &mut fastrand::Rng, traces: &mut Vec<Trace>) -> Vec<(String, Vec<u8>)> {
        let make = |number: usize| {
            let longest = if large { 400_000 } else { 9_000 };
            let mut bytes = self.next("content").into_bytes();
            bytes.resize(bytes.len() + rng.usize(..longest), number as u8);
            (Hash::of(&bytes).0, bytes)
        };
        let blobs: Vec<_> = (0..if large { 2 } else { 1 }).map(make).collect();
        self.contents.extend(blobs.iter().cloned());
        traces.extend(blobs.iter().map(|(hash, _)| Trace::Blob(hash.clone())));
        blobs
    }

    fn new_round(&mut self, session: SessionId, round: u32, traces: &mut Vec<Trace>) -> (RoundId, Vec<Change>) {
        let id = RoundId::random();
        let key = self.next("key");
        traces.extend([Trace::Round(id), Trace::Key(key.clone())]);
        let queued = self.events(1, session, round, traces).remove(0);
        let changes = vec![
            Change::NewRound { session, round, id, spec: Box::new(spec(&key)) },
            Change::Idempotency { key, session, round },
            Change::Event { session, round, event: Box::new(queued) },
        ];
        (id, changes)
    }

    /// Something to ask for: what it leaves, whether it can't be done, and it.
    fn draw(&mut self, rng: &mut fastrand::Rng) -> (Vec<Trace>, bool, Action) {
        let mut traces = Vec::new();
        let (session, round, id) = self.pick(rng);
        let event = |event: NewEvent| Change::Event { session, round, event: Box::new(event) };
        let mut refused = false;
        let action = match rng.u8(0..16) {
            0..5 => {
                let (key, large) = (self.next("step"), rng.u8(0..6) == 0);
                let value = format!("result of {key}{}", "+".repeat(rng.usize(..3000)));
                traces.push(Trace::Step(id, key.clone(), value.clone()));
                let events = self.events(rng.usize(..3), session, round, &mut traces);
                let blobs = self.blobs(large, rng, &mut traces);
                Action::Record(id, key, value, events, blobs)
            }
            5..7 => {
                // Sometimes one that was sent before, as after a death.
                let known: Vec<String> =
                    self.sent.keys().filter(|(round, _)| *round == id).map(|(_, key)| key.clone()).collect();
                let key = if known.is_empty() || rng.bool() { self.next("call") } else { rng.choice(known).unwrap() };
                let times = self.sent.entry((id, key.clone())).or_insert(0);
                *times += 1;
                traces.push(Trace::Sent(id, key.clone(), *times));
                Action::Sending(id, key, self.events(1, session, round, &mut traces))
            }
            7..9 => Action::Emit(id, self.events(rng.usize(1..4), session, round, &mut traces)),
            9 if self.once.insert(Trace::Begun(id)) => {
                traces.push(Trace::Begun(id));
                Action::Begin(id, self.events(1, session, round, &mut traces).remove(0))
            }
            10 if self.asked(&Trace::Begun(id)) && self.once.insert(Trace::Ended(id)) => {
                traces.extend([Trace::Ended(id), Trace::Event(session, round, "result".to_owned())]);
                Action::End(id, self.events(1, session, round, &mut traces))
            }
            11 if self.once.insert(Trace::Undo(id)) => {
                traces.push(Trace::Undo(id));
                Action::Commit(vec![Change::UndoBegun { id }])
            }
            12 if self.asked(&Trace::Undo(id)) && self.once.insert(Trace::Undone(id)) => {
                traces.push(Trace::Undone(id));
                Action::Commit(vec![Change::RoundUndone { id }])
            }
            13 => {
                // Its last change fails: what came before goes with it.
                refused = true;
                let (key, events) = (self.next("step"), self.events(2, session, round, &mut traces));
                traces.push(Trace::Step(id, key.clone(), "{}".to_owned()));
                let mut changes: Vec<Change> = events.into_iter().map(event).collect();
                changes.extend(self.blobs(false, rng, &mut traces).into_iter().map(|(hash, bytes)| Change::Blob {
                    round: id,
                    hash,
                    bytes,
                }));
                changes.push(Change::Step { round: id, key, request_hash: None, value: "{}".to_owned() });
                changes.push(Change::NewSession { id: session, work_dir: None, spec: Box::new(kept()) });
                Action::Commit(changes)
            }
            14 => {
                self.number += 1;
                let pid = self.number;
                traces.push(Trace::Child(pid));
                let child = ChildRecord { pid, start_time: 1, boot_id: "b".to_owned(), mark: "m".to_owned() };
                Action::Commit(vec![Change::ChildStarted(child), Change::CleanStop(false)])
            }
            _ => {
                let events = self.events(rng.usize(1..30), session, round, &mut traces);
                Action::Commit(events.into_iter().map(event).collect())
            }
        };
        (traces, refused, action)
    }

    /// Whether this was asked for and acknowledged by now.
    fn asked(&self, trace: &Trace) -> bool {
        self.jobs.iter().any(|job| job.traces.contains(trace))
    }

    /// Asks for things, one group after the other, each group at once, until the machine loses its power.
    pub(crate) async fn live(&mut self, dir: &Path, rng: &mut fastrand::Rng) -> Result<(), StoreError> {
        let mut open = Open::new(dir, self).await?;
        for _ in 0..rng.usize(3..12) {
            if self.sessions.is_empty() || rng.u8(0..5) == 0 {
                self.found(&mut open, rng).await?;
            }
            let drawn: Vec<_> = (0..rng.usize(1..8)).map(|_| self.draw(rng)).collect();
            let begun = disk::position();
            let (mut made, mut work) = (Vec::new(), Vec::new());
            for (traces, refused, action) in drawn {
                made.push(Job { traces, begun, acked: None, refused });
                work.push(perform(&open, action));
            }
            let reading = open.store.read(|reader| reader.sessions());
            let (answers, sessions) = futures_util::future::join(futures_util::future::join_all(work), reading).await;
            sessions?;
            for (mut job, (answer, at)) in made.into_iter().zip(answers) {
                match answer {
                    Ok(()) => job.acked = Some(at),
                    Err(StoreError::Sqlite(_)) if job.refused => {}
                    Err(error) => return Err(error),
                }
                assert_eq!(job.refused, job.acked.is_none(), "{job:?}");
                self.jobs.push(job);
            }
            if rng.u8(0..8) == 0 {
                open.close().await;
                open = Open::new(dir, self).await?;
            }
        }
        Ok(())
    }

    /// A new session, or a new round of one.
    async fn found(&mut self, open: &mut Open, rng: &mut fastrand::Rng) -> Result<(), StoreError> {
        let (mut traces, mut changes) = (Vec::new(), Vec::new());
        let index = match self.sessions.len() {
            count if count == 0 || rng.bool() => {
                let id = SessionId::random();
                traces.push(Trace::Session(id));
                changes.push(Change::NewSession { id, work_dir: None, spec: Box::new(kept()) });
                self.sessions.push(Session { id, rounds: Vec::new() });
                count
            }
            count => rng.usize(..count),
        };
        let (session, number) = (self.sessions[index].id, self.sessions[index].rounds.len() as u32 + 1);
        let (id, more) = self.new_round(session, number, &mut traces);
        changes.extend(more);
        let begun = disk::position();
        open.store.commit(changes).await?;
        self.jobs.push(Job { traces, begun, acked: Some(disk::position()), refused: false });
        self.sessions[index].rounds.push(id);
        let journal = Journal::load(&open.store, session, number, id, 0).await?;
        open.journals.insert(id, Arc::new(journal));
        Ok(())
    }

    /// Opens what a crash behind `position` left, and compares. Returns what is wrong.
    pub(crate) async fn check(&self, dir: &Path, position: usize) -> Result<(), String> {
        let none = World::default();
        let open = Open::new(dir, &none).await.map_err(|error| format!("it doesn't open: {error}"))?;
        let found = Found::read(&open.store, self).await.map_err(|error| format!("it can't be read: {error}"))?;
        let sound = rusqlite::Connection::open(dir.join(proto::endpoint::DATABASE_FILE))
            .and_then(|db| found.whole(&db, self, position))
            .map_err(|error| format!("it can't be looked at: {error}"));
        let wrong = [sound?, self.compare(&found, position)].concat();
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        // It goes on where it was.
        for (session, lines) in &found.events {
            let event = Change::Event { session: *session, round: 1, event: Box::new(note("afterwards")) };
            open.store.commit(vec![event]).await.map_err(|error| format!("it doesn't go on: {error}"))?;
            let head = *open.store.head(*session).await.map_err(|error| error.to_string())?.borrow();
            if head != lines.len() as u64 + 1 {
                return Err(format!("it goes on at {head} behind {} events", lines.len()));
            }
        }
        open.close().await;
        Ok(())
    }

    fn compare(&self, found: &Found, position: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut known = BTreeSet::new();
        for job in &self.jobs {
            let there = job.traces.iter().filter(|trace| found.has(trace)).count();
            let acked = job.acked.is_some_and(|at| at <= position);
            match (job.refused, there) {
                (true, 0) => {}
                (true, _) => wrong.push(format!("it was refused and is there: {job:?}")),
                (false, 0) if !acked => {}
                (false, 0) => wrong.push(format!("acknowledged and lost: {job:?}")),
                (false, there) if there < job.traces.len() => {
                    let lost: Vec<_> = job.traces.iter().filter(|trace| !found.has(trace)).collect();
                    wrong.push(format!("half of it is there (acknowledged: {acked}): {job:?}\nlost: {lost:?}"));
                }
                (false, _) => known.extend(&job.traces),
            }
        }
        for trace in found.lines().into_iter().flatten() {
            if !known.contains(&trace) {
                wrong.push(format!("nobody asked for {trace:?}"));
            }
        }
        // What was asked for after another thing was acknowledged stands behind it.
        let asked: BTreeMap<&Trace, &Job> =
            self.jobs.iter().flat_map(|job| job.traces.iter().map(move |trace| (trace, job))).collect();
        for line in found.lines() {
            let mut begun = 0;
            for job in line.iter().filter_map(|trace| asked.get(trace)) {
                if job.acked.is_some_and(|acked| acked < begun) {
                    wrong.push(format!("it stands behind what was asked for later: {job:?}"));
                }
                begun = begun.max(job.begun);
            }
        }
        wrong
    }

    /// What the crash spared is all that there ever was: the next life goes on from here.
    pub(crate) async fn settle(&mut self, dir: &Path) -> Result<(), StoreError> {
        let none = World::default();
        let open = Open::new(dir, &none).await?;
        let found = Found::read(&open.store, self).await?;
        self.jobs.retain(|job| !job.refused && job.traces.iter().all(|trace| found.has(trace)));
        for job in &mut self.jobs {
            (job.begun, job.acked) = (0, Some(0));
        }
        for session in &mut self.sessions {
            session.rounds.retain(|id| found.rounds.contains_key(id));
        }
        self.sessions.retain(|session| found.sessions.contains(&session.id));
        self.sent = found.sent.clone();
        self.once = self.jobs.iter().flat_map(|job| job.traces.iter().cloned()).collect();
        open.close().await;
        Ok(())
    }
}

fn kept() -> SessionSpec {
    SessionSpec { flags: Flags::default(), config: config() }
}

/// Does it; with the answer, how much the disk had recorded then.
async fn perform(open: &Open, action: Action) -> (Result<(), StoreError>, usize) {
    let journal = |id: RoundId| Arc::clone(&open.journals[&id]);
    let answer = match action {
        Action::Commit(changes) => open.store.commit(changes).await,
        Action::Record(id, key, value, events, blobs) => {
            let journal = journal(id);
            let answer = journal.record(&key, Some("hash".to_owned()), &value, events, blobs).await;
            assert!(answer.is_err() || journal.recorded::<String>(&key).unwrap() == Some(value));
            answer
        }
        Action::Sending(id, key, events) => journal(id).sending(&key, events).await,
        Action::Emit(id, events) => journal(id).emit(events).await,
        Action::Begin(id, event) => journal(id).started(None, event).await,
        Action::End(id, events) => journal(id).ended(events, report()).await,
    };
    (answer, disk::position())
}

/// What is in a database.
#[derive(Default)]
struct Found {
    sessions: BTreeSet<SessionId>,
    rounds: BTreeMap<RoundId, (String, bool, bool)>,
    events: BTreeMap<SessionId, Vec<(u32, String)>>,
    /// Keys in their order, values.
    steps: BTreeMap<RoundId, Vec<(String, String)>>,
    sent: HashMap<(RoundId, String), u32>,
    blobs: BTreeSet<String>,
    keys: BTreeSet<String>,
    children: BTreeSet<u32>,
    /// Events and steps.
    written: BTreeSet<Trace>,
}

impl Found {
    async fn read(store: &Store, world: &World) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for row in store.read(|reader| reader.sessions()).await? {
            let session = row.id;
            found.sessions.insert(session);
            let lines = store.events_after(session, 0, usize::MAX).await?;
            let mut events = Vec::new();
            for (index, line) in lines.iter().enumerate() {
                let json: serde_json::Value = serde_json::from_str(&line.json).unwrap();
                assert_eq!((line.seq, json["seq"].as_u64()), (index as u64 + 1, Some(line.seq)), "{session} has gaps");
                let key = json["text"].as_str().unwrap_or(json["type"].as_str().unwrap());
                events.push((json["round"].as_u64().unwrap() as u32, key.to_owned()));
            }
            found.events.insert(session, events);
            for row in store.read(move |reader| reader.rounds(session)).await? {
                let journal = Journal::load(store, session, row.round, row.id, 0).await?;
                let mut steps = Vec::new();
                for key in journal.recorded_before() {
                    steps.push((key.clone(), journal.recorded::<String>(key)?.unwrap()));
                }
                found.steps.insert(row.id, steps);
                let (id, mut again) = (row.id, 0);
                for (key, times) in store.read(move |reader| reader.calls_sent(id)).await? {
                    again += u64::from(times - 1);
                    found.sent.insert((id, key), times);
                }
                assert_eq!(journal.repeated_calls(), again);
                found.rounds.insert(row.id, (row.state, row.undo_ms.is_some(), row.undone_ms.is_some()));
            }
        }
        store.read(|reader| reader.open_rounds()).await?;
        found.children = store.read(|reader| reader.children()).await?.iter().map(|child| child.pid).collect();
        found.written = found.lines().into_iter().flatten().collect();
        for trace in world.jobs.iter().flat_map(|job| &job.traces) {
            match trace.clone() {
                Trace::Blob(hash) => {
                    let wanted = hash.clone();
                    if let Some(bytes) = store.read(move |reader| reader.blob(&wanted)).await? {
                        assert!(bytes == world.contents[&hash], "another content");
                        found.blobs.insert(hash);
                    }
                }
                Trace::Key(key) => {
                    let wanted = key.clone();
                    if store.read(move |reader| reader.idempotent(&wanted)).await?.is_some() {
                        found.keys.insert(key);
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn has(&self, trace: &Trace) -> bool {
        let round = |id: &RoundId| self.rounds.get(id);
        match trace {
            Trace::Session(id) => self.sessions.contains(id),
            Trace::Round(id) => round(id).is_some(),
            Trace::Begun(id) => round(id).is_some_and(|(state, ..)| state != "queued"),
            Trace::Ended(id) => round(id).is_some_and(|(state, ..)| state == "ended"),
            Trace::Undo(id) => round(id).is_some_and(|(_, undo, _)| *undo),
            Trace::Undone(id) => round(id).is_some_and(|(_, _, undone)| *undone),
            Trace::Step(..) | Trace::Event(..) => self.written.contains(trace),
            Trace::Blob(hash) => self.blobs.contains(hash),
            Trace::Key(key) => self.keys.contains(key),
            Trace::Sent(id, key, times) => self.sent.get(&(*id, key.clone())).is_some_and(|found| found >= times),
            Trace::Child(pid) => self.children.contains(pid),
        }
    }

    /// Events and steps that are there: those of each session and round in their order.
    fn lines(&self) -> Vec<Vec<Trace>> {
        let events = self.events.iter().map(|(session, events)| {
            events.iter().map(|(round, key)| Trace::Event(*session, *round, key.clone())).collect()
        });
        let steps = self
            .steps
            .iter()
            .map(|(id, steps)| steps.iter().map(|(key, value)| Trace::Step(*id, key.clone(), value.clone())).collect());
        events.chain(steps).collect()
    }

    /// What SQLite itself says, and what is there that nobody sees.
    fn whole(&self, db: &rusqlite::Connection, world: &World, position: usize) -> rusqlite::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let mut lines = db.prepare("PRAGMA integrity_check")?;
        for line in lines.query_map([], |row| row.get::<_, String>(0))? {
            let line = line?;
            if line != "ok" {
                wrong.push(line);
            }
        }
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        if count("SELECT count(*) FROM pragma_foreign_key_check")? != 0 {
            wrong.push("a row points nowhere".to_owned());
        }
        if count("SELECT count(*) FROM (SELECT 1 FROM step GROUP BY round HAVING max(position) <> count(*))")? != 0 {
            wrong.push("positions of steps have gaps".to_owned());
        }
        for (table, seen) in [
            ("blob", self.blobs.len()),
            ("idempotency", self.keys.len()),
            ("call", self.sent.len()),
            ("event", self.events.values().map(Vec::len).sum()),
            ("step", self.steps.values().map(Vec::len).sum()),
            ("round", self.rounds.len()),
        ] {
            let there = count(&format!("SELECT count(*) FROM {table}"))?;
            if there != seen as i64 {
                wrong.push(format!(
                    "{there} rows of {table}, {seen} are known ({} jobs, at {position})",
                    world.jobs.len()
                ));
            }
        }
        Ok(wrong)
    }
}
