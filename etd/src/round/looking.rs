//! Quick looks: a file that doesn't parse goes back to whoever wrote it at once, before anything is built.
//!
//! Only where a check was asked for: without one the user asked for no tool to be run. A look is a step, so that a round that is resumed
//! decides the same. It runs beside everything else, at most as many at a time as there are cores; whatever hinders it (no such tool, no
//! time) counts as nothing found. It must never cost an answer: of two that don't parse the better one is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use proto::diagnostic::Diagnostic;
use tokio::sync::Semaphore;

use super::ablation::{Part, without};
use super::board::Board;
use super::context::{RoundContext, Stop};
use super::logs::Decision;
use super::resolving::{Contents, Kept};
use super::verdict::Halt;
use crate::check::look::{self, Way};
use crate::prompt::FileView;
use crate::relpath::RelPath;
use crate::sandbox::{Command, Ended, Jail, Profile, RunError, Wish};
use crate::workspace::Hash;

/// Longest time for one tool and one file.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes kept of each stream.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Where the tools run: nothing that a model may write lies there or above it, so none finds a planted configuration.
const NEUTRAL_DIR: &str = "/";
/// Variables that would make a tool load or print something else.
const MEDDLING: &[&str] = &["NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "FORCE_COLOR"];

/// Looks of all rounds share the cores.
static ROOM: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// Files that don't parse, with what is wrong.
type Found = BTreeMap<RelPath, Vec<Diagnostic>>;

fn count(found: &Found, path: &RelPath) -> usize {
    found.get(path).map_or(0, Vec::len)
}

/// The looks at the answers to one question.
pub(super) struct Syntax<'a> {
    key: String,
    worker: &'a str,
    lent: &'a [RelPath],
    asked: Option<BTreeMap<RelPath, Version>>,
    over: bool,
    /// What is wrong with what is kept.
    left: Found,
}

/// A file as it was when it didn't parse.
struct Version {
    content: String,
    based: Option<Option<Hash>>,
    errors: Vec<Diagnostic>,
}

impl<'a> Syntax<'a> {
    /// `key` is part of the keys of its steps; `lent` are files that the worker may write besides its own.
    pub(super) fn new(key: String, worker: &'a str, lent: &'a [RelPath]) -> Self {
        Self { key, worker, lent, asked: None, over: false, left: Found::new() }
    }

    /// Looks at what a worker gave. Some: why it is to be asked again, which happens once. Of the files of both answers those with fewer
    /// errors stay in `kept`.
    pub(super) async fn judge(
        &mut self,
        cx: &RoundContext,
        board: &Board,
        attempt: u32,
        kept: &mut Kept,
    ) -> Result<Option<String>, Stop> {
        if self.over {
            return Ok(None);
        }
        let mine = writable(board, self.worker, self.lent, &kept.files);
        self.left = look(cx, &format!("{}/{attempt}", self.key), self.worker, mine).await?;
        if let Some(first) = self.asked.take() {
            self.over = true;
            for (path, version) in first {
                if count(&self.left, &path) > version.errors.len() {
                    match version.based {
                        Some(based) => kept.based.insert(path.clone(), based),
                        None => kept.based.remove(&path),
                    };
                    kept.files.insert(path.clone(), Some(version.content));
                    self.left.insert(path, version.errors);
                }
            }
            return Ok(None);
        }
        if self.left.is_empty() {
            return Ok(None);
        }
        let versions = self.left.iter().filter_map(|(path, errors)| {
            let content = kept.files.get(path)?.clone()?;
            Some((path.clone(), Version { content, based: kept.based.get(path).cloned(), errors: errors.clone() }))
        });
        self.asked = Some(versions.collect());
        Ok(Some(reason(&self.left, &kept.files)))
    }

    /// Whether every file that is kept has more errors than it had before, as `shown`; then, what is wrong.
    pub(super) async fn only_worse(
        &self,
        cx: &RoundContext,
        shown: &[FileView],
        kept: &Kept,
    ) -> Result<Option<String>, Stop> {
        if self.left.is_empty() || !kept.files.keys().all(|path| self.left.contains_key(path)) {
            return Ok(None);
        }
        let before = shown.iter().filter(|view| self.left.contains_key(&view.path));
        let before = before.map(|view| (view.path.clone(), view.text.clone())).collect();
        let was = look(cx, &format!("{}/before", self.key), self.worker, before).await?;
        let worse = self.left.iter().all(|(path, errors)| errors.len() > count(&was, path));
        Ok(worse.then(|| reason(&self.left, &kept.files)))
    }
}

fn reason(found: &Found, files: &Contents) -> String {
    let all: Vec<Diagnostic> = found.values().flatten().cloned().collect();
    let content = |file: &str| files.get(&RelPath::parse(file).ok()?)?.as_deref();
    let mut text = look::reason(&all, &content);
    if files.len() > found.len() {
        text.push_str("\nYour other files are kept as you gave them.");
    }
    text
}

/// Those of the files that a worker may write; `lent` are not its own.
fn writable(board: &Board, worker: &str, lent: &[RelPath], files: &Contents) -> Vec<(RelPath, String)> {
    let known = board.lock();
    let mine = |path: &RelPath| lent.contains(path) || known.owners.owner_of(path).is_none_or(|owner| owner == worker);
    let contents = files.iter().filter_map(|(path, content)| Some((path, content.as_ref()?)));
    contents.filter(|(path, _)| mine(path)).map(|(path, content)| (path.clone(), content.clone())).collect()
}

/// Looks at files, once and for all: what is recorded under `key` isn't looked at again.
///
/// Cancellation: a look that is dropped leaves nothing running and is done again when the round is resumed.
async fn look(cx: &RoundContext, key: &str, agent: &str, files: Vec<(RelPath, String)>) -> Result<Found, Stop> {
    let settings = &cx.spec.settings;
    let asked = settings.iterate || settings.check.is_some();
    let Some(workspace) = cx.workspace.as_ref().filter(|_| asked && !without(Part::QuickLooks)) else {
        return Ok(Found::new());
    };
    let ways: Vec<(RelPath, String, Way)> = files
        .into_iter()
        .filter_map(|(path, content)| look::way(&path, &content).map(|way| (path, content, way)))
        .collect();
    if ways.is_empty() {
        return Ok(Found::new());
    }
    let key = format!("look/{key}");
    if let Some(found) = cx.journal.recorded::<Found>(&key)? {
        return Ok(found);
    }
    let began = Instant::now();
    let looked = ways.len();
    let mut env = cx.spec.env.clone();
    env.retain(|name, _| !MEDDLING.contains(&name.as_str()));
    env.insert("NO_COLOR".to_owned(), "1".to_owned());
    let root = workspace.root().to_path_buf();
    let wish = Wish {
        sandbox: cx.spec.config.sandbox,
        profile: Profile::Look,
        work_dir: Some(root.clone()),
        env,
        secret: cx.hidden_dirs(),
        named: Vec::new(),
    };
    let jail = match cx.children.jail(wish).await {
        Ok(jail) => jail,
        Err(error) => {
            tracing::debug!(%key, %error, "no quick look");
            // Recorded as any other: what follows was bought without one.
            let none = Found::new();
            cx.journal.record(&key, None, &none, Vec::new(), Vec::new()).await?;
            return Ok(none);
        }
    };
    let place = Place { cx, root, jail };
    let place = &place;
    let looks = ways.into_iter().map(|(path, content, way)| async move {
        let errors = place.errors(&path, content, way).await?;
        Ok::<_, Stop>((path, errors))
    });
    let found = try_join_all(looks).await?;
    let found: Found = found.into_iter().filter(|(_, errors)| !errors.is_empty()).collect();
    cx.journal.record(&key, None, &found, Vec::new(), Vec::new()).await?;
    let first = found.values().flatten().next().map(Diagnostic::headline);
    cx.logs.decide(Decision {
        timestamp: String::new(),
        phase: "look",
        agent,
        intent: &key,
        action: format!("looked at {looked} file(s) in {} ms", began.elapsed().as_millis()),
        outcome: if found.is_empty() { "nothing found" } else { "syntax errors" },
        detail: first.unwrap_or_default(),
        token_cost: 0,
    });
    proto::hooks::pause("round.look_recorded").await;
    Ok(found)
}

/// Where looks happen.
struct Place<'a> {
    cx: &'a RoundContext,
    root: PathBuf,
    jail: Jail,
}

impl Place<'_> {
    async fn errors(&self, path: &RelPath, content: String, way: Way) -> Result<Vec<Diagnostic>, Stop> {
        let attempts = match way {
            Way::Json => return Ok(look::json(path, &content).into_iter().collect()),
            Way::Tools(attempts) => attempts,
        };
        let mut first = Vec::new();
        for attempt in attempts {
            // Never closed.
            let _room = ROOM.acquire().await;
            let command = Command {
                argv: attempt.argv.clone(),
                dir: PathBuf::from(NEUTRAL_DIR),
                root: self.root.clone(),
                env: self.jail.env().clone(),
                timeout: PATIENCE,
                output_limit: OUTPUT_LIMIT,
                input: content.clone().into_bytes(),
                confinement: Some(Arc::clone(&self.jail.confinement)),
            };
            let output = match self.cx.children.run(command, &self.cx.cancel).await {
                Ok(output) => output,
                Err(RunError::Cancelled) => return Err(Halt::Cancelled.into()),
                Err(error) => {
                    tracing::debug!(%path, %error, "no quick look");
                    return Ok(Vec::new());
                }
            };
            let found = match output.ended {
                Ended::Code(code) => look::read(&attempt, path, &output.stderr, code == 0),
                ended => {
                    tracing::debug!(%path, ?ended, "no quick look");
                    Vec::new()
                }
            };
            if found.is_empty() {
                return Ok(Vec::new());
            }
            if first.is_empty() {
                first = found;
            }
        }
        Ok(first)
    }
}
