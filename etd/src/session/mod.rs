//! Sessions: who exists, what is queued, what runs. One actor per session plays its rounds one after the other.
//!
//! A client that vanishes never stops a session; a daemon that dies leaves rounds that go on when the next one starts
//! ([`Engine::start`]).

mod actor;
mod keeping;
mod ledger;
mod rest;
#[cfg(test)]
mod tests;
mod undo;
mod workdirs;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proto::config::SecretRef;
use proto::event::Event;
use proto::id::{RoundId, SessionId};
use proto::message::{Queued, SecretValue, Send, SessionName, Spawn};
use proto::outcome::exit;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ledger::ChildLedger;

use crate::calls::Router;
use crate::live::LiveHub;
use crate::provider::Clients;
use crate::round::Resources;
use crate::sandbox::Children;
use crate::store::{Change, NewEvent, OpenRound, RoundSpec, SessionRow, SessionSpec, Store, StoreError};
use crate::vault::Vault;
use crate::workspace::Workspace;

/// Rounds that may be queued in one session.
const MAX_QUEUED: usize = 64;

/// Sessions in which something runs or is queued, at most: each takes memory.
const MAX_ACTIVE: usize = 4096;

/// What there is to say about what was removed.
const KEPT: &str = "its log dirs are still there; `limits` in electrictown.yaml says how much is kept";

/// Why a request about sessions fails: an exit code, what happened, what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SessionError {
    /// Exit code of the client.
    pub exit_code: u8,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        let hint = match error {
            StoreError::Unwritable(_) => Some(
                "make room on the disk of the state dir, or end what holds a lock there, then try again".to_owned(),
            ),
            StoreError::Spoiled(_) => {
                Some("`et daemon restart` looks through it and says where what is left of it is kept".to_owned())
            }
            _ => None,
        };
        Self { exit_code: exit::STATE, message: error.to_string(), hint }
    }
}

impl SessionError {
    fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit_code: exit::USAGE, message: message.into(), hint: Some(hint.into()) }
    }
}

/// Everything that lives as long as the daemon.
pub struct Engine {
    /// The database.
    pub store: Store,
    /// Running answers.
    pub live: LiveHub,
    /// Secrets.
    pub vault: Vault,
    /// Gates, pools, retries.
    pub router: Arc<Router>,
    /// HTTP clients.
    pub clients: Clients,
    /// Child processes.
    pub children: Arc<Children>,
    dirs: Arc<workdirs::WorkDirs>,
    active: Mutex<HashMap<SessionId, Active>>,
    changes: watch::Sender<u64>,
    sessions: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Rounds of one session are stored and queued in the same order. Held while one is committed, while one is removed,
    /// and while an undo makes up its mind.
    sends: tokio::sync::Mutex<()>,
    /// Told whenever a round has ended.
    round_ended: tokio::sync::Notify,
    /// Bytes of build caches, once they were measured.
    cache_bytes: Mutex<Option<u64>>,
}

/// A session in which something runs or is queued.
#[derive(Default)]
struct Active {
    queue: VecDeque<Entry>,
    /// Number and token of the round that the actor has taken from the queue.
    running: Option<(u32, CancellationToken)>,
    needs_credentials: bool,
    working: bool,
    /// Why its round waits to be played again.
    stuck: Option<String>,
}

/// A round in a queue.
struct Entry {
    round: OpenRound,
    cancel: CancellationToken,
    ticket: Option<workdirs::Ticket>,
}

impl Engine {
    /// Takes up what an earlier daemon left: leftover children are ended, open rounds go on. Returns once that is arranged.
    ///
    /// # Errors
    /// If the database can't be read or written.
    pub async fn start(store: Store, children: Arc<Children>) -> Result<Arc<Self>, StoreError> {
        let (clean, leftovers, (mut open, broken), sessions) = store
            .read(|reader| {
                Ok((reader.stopped_cleanly()?, reader.children()?, reader.open_rounds()?, reader.holdings()?.sessions))
            })
            .await?;
        for child in &leftovers {
            if crate::sandbox::kill_leftover(child) {
                tracing::warn!(pid = child.pid, "a child of the last daemon was still there and was ended");
            }
        }
        let mut changes: Vec<Change> = leftovers.into_iter().map(Change::ChildEnded).collect();
        changes.push(Change::CleanStop(false));
        // It is stored when the round goes on: one that only waits dies of nothing.
        for round in open.iter_mut().filter(|round| round.started) {
            (round.unclean, round.steps_seen) = match (clean, round.steps == round.steps_seen) {
                (true, _) => (0, -1),
                (false, true) => (round.unclean + 1, round.steps),
                (false, false) => (1, round.steps),
            };
        }
        proto::hooks::pause("recovery.begun").await;
        store.commit(changes).await?;
        proto::hooks::pause("recovery.recorded").await;
        let engine = Arc::new(Self {
            store,
            live: LiveHub::default(),
            vault: Vault::default(),
            router: Arc::new(Router::default()),
            clients: Clients::default(),
            children,
            dirs: Arc::default(),
            active: Mutex::default(),
            changes: watch::channel(0).0,
            sessions: AtomicU64::new(sessions),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sends: tokio::sync::Mutex::new(()),
            round_ended: tokio::sync::Notify::new(),
            cache_bytes: Mutex::default(),
        });
        for round in broken {
            tracing::error!(session = %round.session, round = round.round, error = %round.why, "a round can't be read");
            actor::give_up(&engine.store, round.session, round.round, round.id, round.log_dir, &round.why.to_string())
                .await?;
        }
        // Those that had begun held their work dirs.
        open.sort_by_key(|round| !round.started);
        // All of them before the first client is let in.
        for round in &open {
            engine.vault.expect(round.session, secrets(&round.spec).cloned());
        }
        for round in open {
            engine.enqueue(round);
        }
        if !clean && sessions > 0 {
            // What checks that died with the last daemon left in their private dirs goes before the first one here begins. It takes a
            // while, and not every round that goes on comes to a check.
            let sweeping = Arc::clone(&engine);
            engine.tasks.spawn(async move {
                tokio::select! {
                    () = sweeping.stop.cancelled() => {}
                    _ = sweeping.children.probe() => {}
                }
            });
        }
        Ok(engine)
    }

    /// Sessions in all, and those in which something runs or is queued.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.sessions.load(Ordering::Relaxed), active as u64)
    }

    /// A channel that changes whenever the state of a session does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What a round of a session uses of the daemon's.
    pub(crate) fn resources(&self, session: SessionId) -> Resources<'_> {
        Resources {
            router: &self.router,
            clients: &self.clients,
            children: &self.children,
            live: self.live.of(session),
            stopping: self.stop.clone(),
        }
    }

    /// Fires when the daemon goes away.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// State of a session in a word, see [`proto::message::SessionSummary::state`].
    #[must_use]
    pub fn state(&self, session: SessionId) -> String {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(active) = active.get(&session) else { return "ended".to_owned() };
        if let Some(why) = self.store.trouble().or_else(|| active.stuck.clone()) {
            return format!("stuck: {why}");
        }
        let state = match active {
            Active { needs_credentials: true, .. } => "needs_credentials",
            Active { working: true, .. } => "running",
            _ => "queued",
        };
        state.to_owned()
    }

    /// Whether nothing runs or is queued in a session.
    #[must_use]
    pub fn is_idle(&self, session: SessionId) -> bool {
        !self.active.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    /// Finds the session that a name means.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub async fn resolve(&self, name: &SessionName) -> Result<SessionRow, SessionError> {
        let hint = "`et session list` shows the sessions";
        match name {
            SessionName::Last => self.store.read(|reader| reader.newest_session()).await?.ok_or_else(|| {
                SessionError::usage("there is no session yet", "`et run` or `et session spawn` starts one")
            }),
            SessionName::Prefix(prefix) => {
                let valid = prefix.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
                    && prefix.chars().any(|c| c.is_ascii_hexdigit());
                if !valid {
                    return Err(SessionError::usage(format!("`{prefix}` isn't a session id"), hint));
                }
                let wanted = prefix.clone();
                let mut found = self.store.read(move |reader| reader.sessions_by_prefix(&wanted)).await?;
                if found.is_empty() {
                    self.not_removed(prefix).await?;
                }
                match (found.pop(), found.pop()) {
                    (Some(session), None) => Ok(session),
                    (Some(_), Some(_)) => {
                        Err(SessionError::usage(format!("more than one session starts with `{prefix}`"), hint))
                    }
                    (None, _) => Err(SessionError::usage(format!("no session starts with `{prefix}`"), hint)),
                }
            }
        }
    }

    /// Fails, and says so, if sessions with this prefix were removed.
    async fn not_removed(&self, prefix: &str) -> Result<(), SessionError> {
        let wanted = prefix.to_owned();
        let mut removed = self.store.read(move |reader| reader.removed_by_prefix(&wanted)).await?;
        let message = match (removed.pop(), removed.pop()) {
            (None, _) => return Ok(()),
            (Some(one), None) => format!("session {} was {}", one.session, one.when()),
            (Some(_), Some(_)) => format!("the sessions that start with `{prefix}` were removed by retention"),
        };
        Err(SessionError::usage(message, KEPT))
    }

    /// Starts a session with its first round.
    ///
    /// # Errors
    /// If the work dir can't be used or the session can't be stored.
    pub async fn spawn(self: &Arc<Self>, request: Spawn) -> Result<Queued, SessionError> {
        if let Some(known) = self.queued_before(&request.idempotency_key).await? {
            return Ok(known);
        }
        if self.counts().1 >= MAX_ACTIVE as u64 {
            return Err(SessionError {
                exit_code: exit::TRY_AGAIN,
                message: format!("something runs or is queued in {MAX_ACTIVE} sessions"),
                hint: Some("wait for some of them to end".to_owned()),
            });
        }
        let session = SessionId::random();
        let spec = RoundSpec {
            task: request.task,
            work_dir: self.work_dir(request.work_dir, &request.env).await?,
            settings: request.flags.resolve(),
            config: request.config.clone(),
            env: request.env,
            secret_env: request.secret_env,
        };
        let limits = request.config.keep;
        let keep = SessionSpec { flags: request.flags, config: request.config };
        let work_dir = spec.work_dir.clone();
        let engine = Arc::clone(self);
        self.surely(async move {
            let mut new = vec![Change::NewSession { id: session, work_dir, spec: Box::new(keep) }];
            new.extend(limits.map(Change::Keep));
            let queued = engine.queue(session, 1, &spec, &request.idempotency_key, new, &request.secrets).await?;
            if queued.session == session {
                engine.sessions.fetch_add(1, Ordering::Relaxed);
            }
            Ok(queued)
        })
        .await
    }

    /// Does something to its end even if the client that asked for it goes away meanwhile: what is stored is also done.
    async fn surely<T: std::marker::Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SessionError>> + std::marker::Send + 'static,
    ) -> Result<T, SessionError> {
        match self.tasks.spawn(work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Closed.into()),
        }
    }

    /// Queues another round in a session.
    ///
    /// # Errors
    /// If there is no such session, its queue is full, or the round can't be stored.
    pub async fn send(self: &Arc<Self>, request: Send) -> Result<Queued, SessionError> {
        if let Some(known) = self.queued_before(&request.idempotency_key).await? {
            return Ok(known);
        }
        let row = self.resolve(&request.session).await?;
        let full = {
            let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            active.get(&row.id).is_some_and(|active| active.queue.len() >= MAX_QUEUED)
        };
        if full {
            return Err(SessionError {
                exit_code: exit::TRY_AGAIN,
                message: format!("{MAX_QUEUED} rounds are queued in session {}", row.id.short()),
                hint: Some("wait for some of them to end".to_owned()),
            });
        }
        let session = row.id;
        let kept = self.store.read(move |reader| reader.session_spec(session)).await?;
        let Some(kept) = kept else {
            return Err(SessionError::usage(
                format!("session {session} is gone"),
                "start a new one with `et session spawn`",
            ));
        };
        let limits = request.config.as_ref().and_then(|config| config.keep);
        let keep =
            SessionSpec { flags: request.flags.over(&kept.flags), config: request.config.unwrap_or(kept.config) };
        let spec = RoundSpec {
            task: request.message,
            work_dir: self.work_dir(row.work_dir, &request.env).await?,
            settings: keep.flags.resolve(),
            config: keep.config.clone(),
            env: request.env,
            secret_env: request.secret_env,
        };
        let engine = Arc::clone(self);
        self.surely(async move {
            // A client retries with the same key: it is stored once.
            let _order = engine.sends.lock().await;
            let read =
                engine.store.read(move |reader| Ok((reader.newest_round(session)?, reader.unfinished_undo(session)?)));
            let (newest, unfinished) = read.await?;
            if newest.is_none() {
                engine.not_removed(&session.to_string()).await?;
            }
            if let Some(round) = unfinished {
                // A round on top of half of another one: neither could be undone any more.
                return Err(SessionError::usage(
                    format!(
                        "the undo of round {round} of session {} isn't finished: nothing was queued",
                        session.short()
                    ),
                    format!(
                        "`et session undo {} {round}` finishes it, or gives it up; then send again",
                        session.short()
                    ),
                ));
            }
            let next = newest.map_or(1, |round| round + 1);
            let mut before = vec![Change::SessionSpec { id: session, spec: Box::new(keep) }];
            before.extend(limits.map(Change::Keep));
            engine.queue(session, next, &spec, &request.idempotency_key, before, &request.secrets).await
        })
        .await
    }

    async fn queued_before(&self, key: &str) -> Result<Option<Queued>, SessionError> {
        let key = key.to_owned();
        let known = self.store.read(move |reader| reader.idempotent(&key)).await?;
        Ok(known.map(|(session, round, round_id)| Queued {
            session,
            round,
            round_id,
            needs: self.vault.needs_of(session),
        }))
    }

    /// Makes sure of the work dir and returns its canonical path.
    async fn work_dir(
        &self,
        path: Option<String>,
        env: &std::collections::BTreeMap<String, String>,
    ) -> Result<Option<String>, SessionError> {
        let Some(path) = path else { return Ok(None) };
        let home = env.get("HOME").map(std::path::PathBuf::from);
        let opened = tokio::task::spawn_blocking(move || Workspace::open(Path::new(&path), home.as_deref())).await;
        match opened {
            Ok(Ok(workspace)) => Ok(Some(workspace.root().display().to_string())),
            Ok(Err(error)) => Err(SessionError::usage(error.to_string(), error.hint())),
            Err(_) => Err(StoreError::Closed.into()),
        }
    }

    /// Stores a round and queues it. The key may have been used meanwhile: then what it made is the answer.
    async fn queue(
        self: &Arc<Self>,
        session: SessionId,
        round: u32,
        spec: &RoundSpec,
        key: &str,
        before: Vec<Change>,
        secrets_at_hand: &[SecretValue],
    ) -> Result<Queued, SessionError> {
        let id = RoundId::random();
        let open = OpenRound {
            session,
            round,
            id,
            started: false,
            cancelled: false,
            log_dir: None,
            active_ms: 0,
            unclean: 0,
            steps_seen: -1,
            steps: 0,
            spec: spec.clone(),
        };
        let ticket = self.ticket(&open);
        let event = Event::RoundQueued {
            task: open.spec.task.clone(),
            work_dir: open.spec.work_dir.clone(),
            waits_for: ticket.as_ref().and_then(workdirs::Ticket::waits_for),
        };
        let mut changes = before;
        changes.push(Change::NewRound { session, round, id, spec: Box::new(open.spec.clone()) });
        changes.push(Change::Idempotency { key: key.to_owned(), session, round });
        changes.push(Change::Event { session, round, event: Box::new(NewEvent::new("round.queued", event)) });
        if let Err(error) = self.store.commit(changes).await {
            return match self.queued_before(key).await {
                Ok(Some(known)) => Ok(known),
                _ => Err(error.into()),
            };
        }
        proto::hooks::pause("session.stored").await;
        self.enqueue_with(open, ticket, secrets_at_hand.to_vec());
        let needs = self.vault.missing(session, secrets(spec));
        Ok(Queued { session, round, round_id: id, needs })
    }

    fn ticket(&self, round: &OpenRound) -> Option<workdirs::Ticket> {
        Some(self.ticket_for(round.session, round.spec.work_dir.as_ref()?))
    }

    fn ticket_for(&self, session: SessionId, work_dir: &str) -> workdirs::Ticket {
        let path = std::path::PathBuf::from(work_dir);
        // A dir that is gone is made anew when the round begins.
        let identity = std::fs::metadata(&path).ok().map(|meta| {
            use std::os::unix::fs::MetadataExt;
            (meta.dev(), meta.ino())
        });
        self.dirs.ticket(session, path, identity)
    }

    fn enqueue(self: &Arc<Self>, round: OpenRound) {
        let ticket = self.ticket(&round);
        self.enqueue_with(round, ticket, Vec::new());
    }

    fn enqueue_with(
        self: &Arc<Self>,
        round: OpenRound,
        ticket: Option<workdirs::Ticket>,
        secrets_at_hand: Vec<SecretValue>,
    ) {
        let session = round.session;
        let cancel = CancellationToken::new();
        if round.cancelled {
            cancel.cancel();
        }
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: the actor forgets them when its queue is empty.
        self.vault.keep(session, secrets_at_hand);
        // Whoever queued it may hand over the rest at once, however long it stands in line.
        let lacking = self.vault.missing(session, secrets(&round.spec));
        if !lacking.is_empty() {
            self.vault.expect(session, lacking.into_iter());
        }
        let is_new = !active.contains_key(&session);
        active.entry(session).or_default().queue.push_back(Entry { round, cancel, ticket });
        drop(active);
        if is_new {
            self.tasks.spawn(actor::run(Arc::clone(self), session));
        }
        self.changed();
    }

    /// Cancels the running round and all queued ones of a session, or one of them. Returns once that is durable.
    ///
    /// # Errors
    /// If it can't be stored.
    pub async fn kill(&self, session: SessionId, only: Option<u32>) -> Result<Vec<u32>, SessionError> {
        let mut found: Vec<(u32, CancellationToken)> = {
            let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(active) = active.get(&session) else { return Ok(Vec::new()) };
            let queued = active.queue.iter().map(|entry| (entry.round.round, entry.cancel.clone()));
            active.running.clone().into_iter().chain(queued).collect()
        };
        found.retain(|(round, _)| only.is_none_or(|only| only == *round));
        let rounds: Vec<u32> = found.iter().map(|(round, _)| *round).collect();
        let wanted = rounds.clone();
        let ids: Vec<RoundId> = self
            .store
            .read(move |reader| reader.rounds(session))
            .await?
            .into_iter()
            .filter(|row| wanted.contains(&row.round))
            .map(|row| row.id)
            .collect();
        let store = self.store.clone();
        self.surely(async move {
            store.commit(ids.into_iter().map(|id| Change::RoundCancelled { id }).collect()).await?;
            proto::hooks::pause("session.cancelled").await;
            for (_, cancel) in found {
                cancel.cancel();
            }
            Ok(rounds)
        })
        .await
    }

    /// Stops everything in good order: rounds stay open and go on with the next daemon. Returns once all actors have gone and the
    /// database is closed.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.changed();
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.store.commit(vec![Change::CleanStop(true)]).await {
            tracing::error!(%error, "the stop isn't marked as clean");
        }
        let store = self.store.clone();
        if tokio::task::spawn_blocking(move || store.close()).await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

/// Every secret that a round needs.
fn secrets(spec: &RoundSpec) -> impl Iterator<Item = &SecretRef> {
    spec.config.secrets().chain(spec.secret_env.values())
}
