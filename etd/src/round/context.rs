//! What a round works with, and the one way in which it asks a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::config::{ProviderKind, RoleConfig, SecretRef, role};
use proto::event::{Event, NoteLevel};
use proto::id::SessionId;
use proto::message::Secret;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ablation::{Part, without};
use super::board::Board;
use super::journal::Journal;
use super::logs::{self, Logs};
use super::verdict::Halt;
use crate::calls::{self, Budget, CallFailure, CallResult, CallSpec, Observer, Priority, RoundCalls, Router};
use crate::live::{Live, LiveAnswer};
use crate::prompt::choice::{self, Outlined};
use crate::prompt::{FileView, Window};
use crate::provider::{Clients, OutputSchema, Prompt};
use crate::relpath::RelPath;
use crate::sandbox::Children;
use crate::store::{NewEvent, OpenRound, RoundRow, RoundSpec, StoreError};
use crate::workspace::{Hash, Workspace};

/// Why a phase doesn't go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The round ends, in good order.
    Halt(Halt),
    /// Nothing can be recorded any more: the round stays open.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// Content of the files that a model was shown; none: the file wasn't there.
pub(super) type Seen = BTreeMap<RelPath, Option<Hash>>;

/// A recorded model call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// For the accounts.
    pub role: String,
    /// What came back.
    pub result: CallResult,
    /// What the model was shown.
    pub seen: Seen,
}

/// A question to a model.
pub(super) struct Question<'a> {
    /// Key of the step.
    pub key: String,
    /// Label of the live text: subtask id, `planner` …
    pub worker: &'a str,
    /// For the accounts: the role's name.
    pub role: &'a str,
    /// Who is asked.
    pub by: &'a RoleConfig,
    /// Models that already failed at this: others are asked first.
    pub avoid: Vec<String>,
    /// What is asked, cut to the window of the model in hand.
    pub prompt: Box<dyn Fn(Window) -> Prompt + Send + Sync + 'a>,
    /// Structured output, if wanted.
    pub schema: Option<Arc<OutputSchema>>,
    /// Whether everybody waits for it.
    pub priority: Priority,
    /// Events that say that it is asked.
    pub events: Vec<NewEvent>,
    /// What the prompt shows.
    pub seen: Seen,
    /// Hears the answer while it streams.
    pub listener: Option<&'a (dyn Listener + 'a)>,
}

/// Hears an answer while it streams.
pub(super) trait Listener: Send + Sync {
    /// The text starts anew.
    fn restart(&self);
    /// More text.
    fn text(&self, piece: &str);
}

/// What a round uses of the daemon's.
pub(crate) struct Resources<'a> {
    /// Gates, pools, retries.
    pub router: &'a Arc<Router>,
    /// HTTP clients.
    pub clients: &'a Clients,
    /// Child processes.
    pub children: &'a Arc<Children>,
    /// Running answers of the session.
    pub live: Arc<Live>,
    /// Fires when the daemon goes away.
    pub stopping: CancellationToken,
}

/// What a round works with.
pub struct RoundContext {
    pub(super) session: SessionId,
    pub(super) round: u32,
    pub(super) spec: RoundSpec,
    pub(super) journal: Journal,
    pub(super) workspace: Option<Arc<Workspace>>,
    pub(super) home: Option<PathBuf>,
    pub(super) logs: Logs,
    pub(super) log_trouble: Option<String>,
    pub(super) live: Arc<Live>,
    pub(super) router: Arc<Router>,
    pub(super) calls: RoundCalls,
    pub(super) children: Arc<Children>,
    /// The whole environment of checks.
    pub(super) check_env: BTreeMap<String, String>,
    /// Proxy and CA settings.
    pub(super) network: BTreeMap<String, String>,
    /// Earlier rounds of the session, in short, oldest first.
    pub(super) earlier: Vec<String>,
    /// Files that earlier rounds changed, the newest first.
    pub(super) recent: Vec<RelPath>,
    /// Fires on cancellation; and when the context is dropped, so that no child outlives it.
    pub(super) cancel: CancellationToken,
    _children_end: DropGuard,
    /// Fires when the daemon goes away.
    stopping: CancellationToken,
    pub(super) deadline: Instant,
}

/// Earlier rounds that later ones are told of.
const EARLIER: usize = 5;
/// Characters of each one's task, and files, that are told.
const SAID: usize = 600;
const NAMED: usize = 20;
/// Earlier rounds whose files are remembered, and how many of those.
const REMEMBERED: usize = 20;
const MOST_RECENT: usize = 100;
/// Bytes of outlines of files that a worker's own files use.
const NEIGHBOURS: usize = 6_000;

impl RoundContext {
    /// Puts together what a round needs. `earlier` are the earlier rounds of the session, oldest first.
    pub(crate) fn new(
        resources: Resources<'_>,
        round: &OpenRound,
        journal: Journal,
        earlier: Vec<Earlier>,
        secret: &dyn Fn(&SecretRef) -> Option<Secret>,
        log_dir: Option<PathBuf>,
        cancel: CancellationToken,
    ) -> Self {
        let spec = round.spec.clone();
        let network: BTreeMap<String, String> = spec
            .config
            .network
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), secret(value)?.expose().to_owned())))
            .collect();
        let providers = spec
            .config
            .providers
            .iter()
            .map(|(name, config)| {
                (name.clone(), resources.clients.open(name, config, &spec.config.timeouts, &network, secret))
            })
            .collect();
        let left = Duration::from_millis(spec.settings.timeout_ms.saturating_sub(round.active_ms));
        let deadline = Instant::now() + left;
        let cancel = cancel.child_token();
        let before = calls_before(&journal);
        let (tokens, micros) = calls::spent(&before);
        let budget = Budget::new(spec.settings.max_tokens, spec.settings.max_cost_micros).with_spent(tokens, micros);
        let (logs, log_trouble) = Logs::create(log_dir.unwrap_or_else(|| logs::path(&spec.config.log_dir, round.id)));
        let mut check_env = spec.env.clone();
        for (name, value) in &spec.secret_env {
            if let Some(value) = secret(value) {
                check_env.insert(name.clone(), value.expose().to_owned());
            }
        }
        Self {
            session: round.session,
            round: round.round,
            journal,
            workspace: None,
            home: spec.env.get("HOME").map(PathBuf::from),
            logs,
            log_trouble,
            live: resources.live,
            router: Arc::clone(resources.router),
            calls: RoundCalls {
                config: Arc::new(spec.config.clone()),
                providers,
                budget: Arc::new(budget),
                cancel: cancel.clone(),
                deadline,
                read: Arc::new(calls::Read::of(&before)),
            },
            children: Arc::clone(resources.children),
            check_env,
            network,
            recent: recent(&earlier),
            earlier: in_short(&earlier),
            _children_end: cancel.clone().drop_guard(),
            cancel,
            stopping: resources.stopping,
            deadline,
            spec,
        }
    }

    /// Dirs that nothing which runs for the round may see: its logs and those of others.
    pub(super) fn hidden_dirs(&self) -> Vec<PathBuf> {
        [Some(self.spec.config.log_dir.clone()), self.logs.dir()].into_iter().flatten().map(PathBuf::from).collect()
    }

    /// Opens the work dir, making it if it isn't there.
    pub(super) async fn open_workspace(&mut self) -> Result<(), String> {
        let Some(path) = self.spec.work_dir.clone() else { return Ok(()) };
        let home = self.home.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let workspace = Workspace::open(Path::new(&path), home.as_deref())?;
            workspace.sweep();
            Ok::<_, crate::workspace::WorkspaceError>(workspace)
        });
        match opened.await {
            Ok(Ok(workspace)) => self.workspace = Some(Arc::new(workspace)),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    /// Whether the answers are recordings (`et demo`).
    pub(super) fn recorded(&self) -> bool {
        self.spec.config.providers.values().any(|provider| provider.kind == ProviderKind::Recorded)
    }

    /// Last part of the work dir's path.
    pub(super) fn work_dir_name(&self) -> &str {
        self.workspace.as_ref().map_or("", |workspace| workspace.name())
    }

    /// A configured role that isn't switched off.
    pub(super) fn role(&self, name: &str) -> Option<&RoleConfig> {
        let skip = self.spec.settings.skip;
        let off = match name {
            role::REVIEWER => skip.reviewer,
            role::TESTER => skip.tester,
            _ => false,
        };
        self.spec.config.roles.get(name).filter(|_| !off)
    }

    /// Who does a subtask: its specialist, where there is one and it isn't switched off, else the workers.
    pub(super) fn worker_role(&self, specialist: Option<&str>) -> Result<(&RoleConfig, &str), Stop> {
        if let Some(name) = specialist.filter(|_| !self.spec.settings.skip.specialists)
            && let Some((name, specialist)) = self.spec.config.specialists.get_key_value(name)
        {
            return Ok((&specialist.role, name));
        }
        self.role(role::WORKER)
            .map(|config| (config, role::WORKER))
            .ok_or_else(|| Halt::Provider("no model is configured for the workers".to_owned()).into())
    }

    /// Why the round can't go on, if so.
    pub(super) fn halted(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Halt::Cancelled.into());
        }
        if Instant::now() >= self.deadline {
            return Err(Halt::Deadline.into());
        }
        Ok(())
    }

    /// Goes on unless the daemon goes away: what begins now wouldn't reach its end. What is at work is dropped soon after.
    pub(super) async fn not_stopping(&self) {
        if self.stopping.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Models (`provider/model`) that aren't asked for edits in this round, whatever their configuration says.
    pub(super) fn asked_for_whole(&self, board: &Board) -> Vec<String> {
        if without(Part::Edits) {
            let models = self.spec.config.models.values();
            return models.map(|model| format!("{}/{}", model.provider, model.model)).collect();
        }
        board.lock().asked_for_whole()
    }

    /// Asks a model, once and for all: an answer that is recorded isn't bought again. The flag tells whether it was asked now.
    ///
    /// Not cancel-safe in that a dropped call is lost; it is sent again when the round is resumed, and counted as repeated.
    pub(super) async fn ask(&self, board: &Board, question: Question<'_>) -> Result<(Asked, bool), Stop> {
        if let Some(asked) = self.journal.recorded::<Asked>(&question.key)? {
            board.lock().calls.push((asked.role.clone(), asked.result.clone()));
            self.note_cuts(&asked.result).await?;
            return Ok((asked, false));
        }
        self.halted()?;
        self.not_stopping().await;
        self.journal.sending(&question.key, question.events).await?;
        proto::hooks::pause("round.call_noted").await;
        let observer = Ear {
            answer: LiveAnswer::new(Arc::clone(&self.live), question.worker.to_owned(), self.round),
            listener: question.listener,
        };
        let whole = self.asked_for_whole(board);
        let spec = CallSpec {
            step: question.key.clone(),
            role: question.role,
            pool: &question.by.pool,
            fallbacks: &question.by.fallbacks,
            avoid: &question.avoid,
            whole: &whole,
            prompt: &*question.prompt,
            schema: question.schema,
            max_output: question.by.max_tokens,
            temperature_milli: question.by.temperature_milli,
            priority: question.priority,
        };
        let result = self.router.call(&self.calls, &spec, &observer).await;
        board.lock().calls.push((question.role.to_owned(), result.clone()));
        match &result {
            Err(CallFailure::Cancelled { .. }) => return Err(Halt::Cancelled.into()),
            Err(CallFailure::Deadline { .. }) => return Err(Halt::Deadline.into()),
            Err(CallFailure::Budget { limit, .. }) => {
                let (tokens, micros) = self.calls.budget.spent();
                let spent = format!("{tokens} tokens, ${:.4}", micros as f64 / 1e6);
                return Err(Halt::Budget(limit.name().to_owned(), spent).into());
            }
            Ok(_) | Err(_) => {}
        }
        proto::hooks::pause("round.answered").await;
        let hash = result.as_ref().ok().map(|record| record.request_hash.clone());
        let asked = Asked { role: question.role.to_owned(), result, seen: question.seen };
        self.journal.record(&question.key, hash, &asked, Vec::new(), Vec::new()).await?;
        proto::hooks::pause("round.call_recorded").await;
        self.note_cuts(&asked.result).await?;
        // The answer stays visible until it is recorded.
        drop(observer);
        Ok((asked, true))
    }

    /// Says which models read less of a prompt than they were sent, and what to do about it; once each.
    async fn note_cuts(&self, result: &CallResult) -> Result<(), Stop> {
        for (model, tokens) in calls::cut_by(result) {
            let text = format!(
                "{model} read only {tokens} tokens of a longer prompt: its server's window is that small, and it dropped the rest. It was \
                 asked again with less, and what it is shown is cut to that for the rest of the round. Give the server a larger window \
                 (Ollama: num_ctx), and set `context` of the model to it"
            );
            self.note(&format!("window/{model}"), text).await?;
        }
        Ok(())
    }

    /// The current content of files, as far as they may be shown, and what was seen of them.
    pub(super) async fn views(&self, paths: Vec<RelPath>) -> Result<(Vec<FileView>, Seen), Stop> {
        let read = self.on_workspace(move |workspace| {
            let mut views = Vec::new();
            let mut seen = Seen::new();
            for path in paths {
                match workspace.read(&path) {
                    Ok(Some(content)) => {
                        seen.insert(path.clone(), Some(content.hash));
                        if let Ok(text) = String::from_utf8(content.bytes) {
                            views.push(FileView { path, text });
                        }
                    }
                    Ok(None) => {
                        seen.insert(path, None);
                    }
                    // Refused: nothing of it is shown.
                    Err(_) => {}
                }
            }
            (views, seen)
        });
        Ok(read.await?.unwrap_or_default())
    }

    /// Outlines of the files that `own` imports and that `said` names, without those that are `shown`.
    pub(super) async fn neighbours(
        &self,
        own: &[FileView],
        shown: Vec<RelPath>,
        said: String,
    ) -> Result<Vec<Outlined>, Stop> {
        let own = own.to_vec();
        let found = self.on_workspace(move |workspace| {
            let tree = workspace.list().files;
            let read = |path: &RelPath| String::from_utf8(workspace.read(path).ok()??.bytes).ok();
            choice::neighbours(&own, &shown, &said, &tree, NEIGHBOURS, &read)
        });
        Ok(found.await?.unwrap_or_default())
    }

    /// Tells the readers of the log something that they should act on, once per `key`.
    pub(super) async fn note(&self, key: &str, text: String) -> Result<(), Stop> {
        self.journal.say(format!("note/{key}"), Event::Note { level: NoteLevel::Warning, text }).await?;
        Ok(())
    }

    /// Runs something that blocks on the work dir.
    /// None without a work dir. A fault is never taken for an empty tree: nothing is known of it then, and the round must not go on as if
    /// nothing were there.
    pub(super) async fn on_workspace<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Workspace) -> T + Send + 'static,
    ) -> Result<Option<T>, Stop> {
        let Some(workspace) = self.workspace.as_ref().map(Arc::clone) else { return Ok(None) };
        let done = tokio::task::spawn_blocking(move || work(&workspace)).await;
        let fault = |error: tokio::task::JoinError| StoreError::Content {
            what: "the work dir".to_owned(),
            why: format!("{error}, see the daemon's log"),
        };
        Ok(Some(done.map_err(fault)?))
    }
}

/// What came of the calls that are recorded.
fn calls_before(journal: &Journal) -> Vec<CallResult> {
    let asked = journal.recorded_before().iter().filter(|key| {
        // Steps that are no calls, some of them large.
        !["write/", "wrote/", "build/", "plan/subtask/", "edits/", "read/", "look/"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
    });
    asked.filter_map(|key| journal.recorded::<Asked>(key).ok().flatten()).map(|asked| asked.result).collect()
}

/// An earlier round of the session.
pub(crate) struct Earlier {
    /// Its task or message.
    pub(crate) task: String,
    /// Its report as JSON, if it ended.
    pub(crate) report: Option<String>,
    /// Whether its changes were taken back.
    pub(crate) undone: bool,
}

impl From<RoundRow> for Earlier {
    fn from(row: RoundRow) -> Self {
        Self { undone: row.undone_ms.is_some(), task: row.task, report: row.report }
    }
}

impl Earlier {
    fn report(&self) -> Option<proto::report::RoundReport> {
        serde_json::from_str(self.report.as_deref()?).ok()
    }
}

/// What later rounds are told of the earlier ones, oldest first: the last few, and how many there were before.
fn in_short(earlier: &[Earlier]) -> Vec<String> {
    let before = earlier.len().saturating_sub(EARLIER);
    let mut out = Vec::new();
    if before > 0 {
        out.push(format!("{before} older rounds, left out here"));
    }
    out.extend(earlier[before..].iter().map(one_in_short));
    out
}

fn one_in_short(earlier: &Earlier) -> String {
    let mut task: String = earlier.task.chars().take(SAID).collect();
    if task.len() < earlier.task.len() {
        task.push_str(" […]");
    }
    let Some(report) = earlier.report() else { return task };
    let mut files: Vec<String> = report.files.iter().take(NAMED).map(|file| file.path.clone()).collect();
    if report.files.len() > NAMED {
        files.push(format!("{} more", report.files.len() - NAMED));
    }
    let undone = if earlier.undone { "; undone: these files are as they were before it" } else { "" };
    format!("{task}\n→ {}; files: {}{undone}", report.outcome.as_str(), files.join(", "))
}

/// What earlier rounds changed and nobody took back, the newest first.
fn recent(earlier: &[Earlier]) -> Vec<RelPath> {
    let mut out: Vec<RelPath> = Vec::new();
    for report in earlier.iter().rev().take(REMEMBERED).filter(|one| !one.undone).filter_map(Earlier::report) {
        for path in report.files.iter().filter_map(|file| RelPath::parse(&file.path).ok()) {
            if out.len() < MOST_RECENT && !out.contains(&path) {
                out.push(path);
            }
        }
    }
    out
}

struct Ear<'a> {
    answer: LiveAnswer,
    listener: Option<&'a dyn Listener>,
}

impl Observer for Ear<'_> {
    fn attempt(&self, model: &str) {
        self.answer.restart(model);
        if let Some(listener) = self.listener {
            listener.restart();
        }
    }

    fn text(&self, piece: &str) {
        self.answer.push(piece);
        if let Some(listener) = self.listener {
            listener.text(piece);
        }
    }

    fn thinking(&self) {
        self.answer.thinking();
    }
}
