//! Build, attribute, fix, again: until green, a limit, or no way of fixing is left.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use proto::config::SandboxWish;
use proto::diagnostic::Severity;
use proto::event::Event;
use proto::report::{CheckReport, CheckSource, CheckStatus, SandboxLevel, UsageShare};
use serde::{Deserialize, Serialize};

use super::ablation::{self, Part, without};
use super::board::{Board, Built};
use super::context::{RoundContext, Stop};
use super::fixing::{self, Fix};
use super::handing;
use super::logs::Decision;
use super::verdict::Halt;
use super::writing::{self, Shrink, Wanted};
use crate::blame::{self, Assignment, History, INTEGRATOR, Verdict};
use crate::check::diagnostics::{self, Paths, ToolOutput};
use crate::check::{self, CheckPlan, CheckRun, DetectOptions, StepReading};
use crate::plan::Subtask;
use crate::relpath::RelPath;
use crate::sandbox::{Ended, Profile, Wish};
use crate::store::NewEvent;

/// Bytes of each stream of a step that are kept in the record; the whole is in the log dir.
const KEPT: usize = 64 * 1024;
/// Diagnostics in an event and in the result.
const SHOWN: usize = 200;
/// Files that are looked through for what an error may come from, and bytes of each.
const LOOKED_AT: usize = 800;
const READ: u64 = 128 * 1024;
/// Bytes of all of them.
const READ_ALL: u64 = 4 << 20;

/// A recorded build.
#[derive(Serialize, Deserialize)]
struct Recorded {
    command: String,
    source: CheckSource,
    #[serde(default = "unconfined")]
    sandbox: SandboxLevel,
    run: CheckRun,
}

/// What a record from before there was a sandbox means.
fn unconfined() -> SandboxLevel {
    SandboxLevel::None
}

/// Checks and mends. Returns when the tree is green, when nothing more is allowed, or when no way of fixing is left.
pub(super) async fn check(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let settings = &cx.spec.settings;
    let asked = settings.iterate || settings.check.is_some();
    board.lock().check_asked = asked;
    if !asked || cx.workspace.is_none() {
        return Ok(());
    }
    add_manifests(cx, board).await?;
    let mut history = History::new();
    for iteration in 1..=settings.max_iterations {
        let Some(recorded) = build(cx, board, iteration).await? else {
            let text = match in_place(cx).await? {
                true => "a check was asked for, and nothing that could be built was found in the work dir",
                false => "the work dir was removed or replaced in the meantime, so no check tells anything about it",
            };
            return cx.note("nothing-to-build", text.to_owned()).await;
        };
        if recorded.run.status != CheckStatus::Red || !settings.iterate || iteration == settings.max_iterations {
            return Ok(());
        }
        if came_back(board) {
            board.lock().exhausted = true;
            return Ok(());
        }
        match mend(cx, board, iteration, &recorded, &mut history).await? {
            Mended::Changed => {}
            Mended::Exhausted => {
                board.lock().exhausted = true;
                return Ok(());
            }
            Mended::Unserved => return Ok(()),
        }
    }
    Ok(())
}

/// Writes the manifests that the tree lacks and its toolchain would create.
async fn add_manifests(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let settings = &cx.spec.settings;
    if settings.check.is_some() || cx.spec.config.check.command.is_some() {
        return Ok(());
    }
    let found = cx.on_workspace(|workspace| {
        let tree = workspace.list().files;
        check::missing_manifests(&tree, &|path| text(workspace, path), workspace.name())
    });
    let missing = found.await?.unwrap_or_default();
    if missing.is_empty() && cx.journal.recorded::<serde_json::Value>("write/manifests")?.is_none() {
        return Ok(());
    }
    let wanted = missing
        .into_iter()
        .map(|(path, content)| Wanted { path, content: Some(content), shrink: Shrink::Refuse, moved_to: None })
        .collect();
    let seen = super::context::Seen::new();
    writing::write(cx, board, "manifests", INTEGRATOR, wanted, &seen, Vec::new()).await?;
    Ok(())
}

fn text(workspace: &crate::workspace::Workspace, path: &RelPath) -> Option<String> {
    workspace.image(path).ok().flatten().and_then(|content| String::from_utf8(content.bytes).ok())
}

/// What is to be run. None: nothing that could be built was found.
async fn command(cx: &RoundContext, board: &Board) -> Result<Option<CheckPlan>, Stop> {
    let settings = &cx.spec.settings;
    if let Some(command) = &settings.check {
        return Ok(Some(check::command_plan(command, CheckSource::Flag)));
    }
    if let Some(command) = &cx.spec.config.check.command {
        return Ok(Some(check::command_plan(command, CheckSource::Config)));
    }
    let (tests, hint) = (settings.tests, board.lock().hint.clone());
    let detected = cx.on_workspace(move |workspace| {
        let tree = workspace.list().files;
        check::detect(&tree, &|path| text(workspace, path), &DetectOptions { tests, hint: &hint })
    });
    Ok(detected.await?.flatten())
}

/// Whether the work dir still is where a check would look for it: that goes by its path, what was written didn't.
async fn in_place(cx: &RoundContext) -> Result<bool, Stop> {
    Ok(cx.on_workspace(crate::workspace::Workspace::is_in_place).await?.unwrap_or(true))
}

/// One build, recorded. None: there is nothing to build, or the work dir isn't there any more.
async fn build(cx: &RoundContext, board: &Board, iteration: u32) -> Result<Option<Recorded>, Stop> {
    let key = format!("build/{iteration}");
    let mut recorded = match cx.journal.recorded::<Recorded>(&key)? {
        Some(recorded) => recorded,
        None => {
            if !in_place(cx).await? {
                return Ok(None);
            }
            let Some(plan) = command(cx, board).await? else { return Ok(None) };
            match run(cx, board, &key, iteration, plan).await? {
                Some(recorded) => recorded,
                None => return Ok(None),
            }
        }
    };
    blame::set_owners(&mut recorded.run.diagnostics, &board.lock().owners);
    let run = &recorded.run;
    let (errors, warnings) = (count(run, Severity::Error), count(run, Severity::Warning));
    let mut known = board.lock();
    let green = run.status == CheckStatus::Green;
    let built = Built {
        iteration,
        rank: blame::rank::Rank::of(
            run.builds,
            run.parses,
            run.tests_passed.unwrap_or(0),
            if green { 0 } else { errors.max(1) },
            warnings,
        ),
        tree: known.tree(),
        check: CheckReport {
            command: Some(recorded.command.clone()),
            source: recorded.source,
            sandbox: recorded.sandbox,
            status: run.status,
            diagnostics: run.diagnostics.clone(),
        },
    };
    known.builds.push(built);
    drop(known);
    Ok(Some(recorded))
}

/// How many of a severity a build found.
fn count(run: &CheckRun, severity: Severity) -> u32 {
    let count = run.diagnostics.iter().filter(|one| one.severity == severity).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Events that say how a build ended; the owners of its diagnostics are known.
fn finished(iteration: u32, run: &CheckRun, spent: UsageShare) -> Vec<NewEvent> {
    let event = Event::CheckFinished {
        iteration,
        status: run.status,
        exit_code: run.exit_code,
        duration_ms: run.duration_ms,
        errors: count(run, Severity::Error),
        warnings: count(run, Severity::Warning),
        tests_passed: run.tests_passed,
        tests_failed: run.tests_failed,
        diagnostics: run.diagnostics.iter().take(SHOWN).cloned().collect(),
        spent,
    };
    let note = |(index, text): (usize, &String)| {
        let event = Event::Note { level: proto::event::NoteLevel::Warning, text: text.clone() };
        NewEvent::new(format!("note/check/{iteration}/{index}"), event)
    };
    let first = NewEvent::new(format!("check.finished/{iteration}"), event);
    std::iter::once(first).chain(run.notes.iter().enumerate().map(note)).collect()
}

/// Runs the check and records it, together with the events that say how it ended. None: by its end the work dir was another one.
async fn run(
    cx: &RoundContext,
    board: &Board,
    key: &str,
    iteration: u32,
    plan: CheckPlan,
) -> Result<Option<Recorded>, Stop> {
    cx.halted()?;
    cx.not_stopping().await;
    let command = plan.display();
    let event = Event::CheckStarted { iteration, command: command.clone(), source: plan.source };
    cx.journal.say(format!("check.started/{iteration}"), event).await?;
    proto::hooks::pause("round.check_begun").await;
    let left = cx.deadline.saturating_duration_since(tokio::time::Instant::now());
    let own = cx.spec.config.check.timeout_ms.map(std::time::Duration::from_millis);
    let timeout = own.map_or(left, |own| own.min(left));
    let Some(workspace) = &cx.workspace else { return Err(Halt::Cancelled.into()) };
    let root = workspace.root().to_path_buf();
    let secret = cx.hidden_dirs();
    if !cx.spec.config.check.no_fetch {
        let wanted = cx.on_workspace(|workspace| {
            let tree = workspace.list().files;
            check::fetch::fetches(&tree, &|path| text(workspace, path))
        });
        let site = check::fetch::FetchSite {
            work_dir: root.clone(),
            sandbox: cx.spec.config.sandbox,
            env: cx.check_env.clone(),
            network: cx.network.clone(),
            secret: secret.clone(),
            timeout,
        };
        let fetched = check::fetch::fetch(&cx.children, wanted.await?.unwrap_or_default(), &site, &cx.cancel).await;
        for (index, text) in fetched.map_err(|check::Cancelled| Halt::Cancelled)?.into_iter().enumerate() {
            cx.note(&format!("fetch/{iteration}/{index}"), text).await?;
        }
    }
    let wish = Wish {
        sandbox: cx.spec.config.sandbox,
        profile: Profile::Check,
        work_dir: Some(root.clone()),
        env: cx.check_env.clone(),
        secret,
        named: plan.named_files(&root),
    };
    // A disk that is full makes a check impossible, and says so.
    let jail = match cx.children.jail(wish).await {
        Ok(jail) => jail,
        Err(error) => {
            cx.note("sandbox", format!("the check can't be run, there is no private dir for it: {error}")).await?;
            if cx.spec.config.sandbox == SandboxWish::Require {
                return Err(Halt::Unsafe.into());
            }
            let run = CheckRun::conclude(Vec::new(), |_| StepReading::default());
            let events = finished(iteration, &run, board.lock().spent());
            let recorded = Recorded { command, source: plan.source, sandbox: SandboxLevel::None, run };
            cx.journal.record(key, None, &recorded, events, Vec::new()).await?;
            return Ok(Some(recorded));
        }
    };
    if let Some(why) = &jail.note {
        cx.note("sandbox", why.clone()).await?;
    }
    let ran = check::run(&cx.children, &plan, &root, &jail, timeout, &cx.cancel).await;
    proto::hooks::pause("round.check_ran").await;
    let sandbox = jail.level();
    let aside = cx.on_workspace(move |_| jail.close()).await?.unwrap_or_default();
    for (index, text) in aside.into_iter().enumerate() {
        cx.note(&format!("set-aside/{iteration}/{index}"), text).await?;
    }
    let steps = ran.map_err(|check::Cancelled| Halt::Cancelled)?;
    if !in_place(cx).await? {
        return Ok(None);
    }
    // What came to its end counts, even if the time is over now.
    if steps.iter().any(|step| step.ended == Some(Ended::TimedOut)) || cx.cancel.is_cancelled() {
        cx.halted()?;
    }
    cx.logs.build(iteration, &check::log(&steps));
    let files = cx.on_workspace(|workspace| workspace.list().files).await?.unwrap_or_default();
    let paths = Paths::new(&root.to_string_lossy(), files.into_iter().map(|file| file.path).collect());
    let mut run = CheckRun::conclude(steps, |step| {
        let reading = diagnostics::read(
            &ToolOutput {
                tool: &step.step.tool,
                stdout: &step.stdout,
                stderr: &step.stderr,
                dir: &step.step.dir,
                success: step.success(),
            },
            &paths,
        );
        StepReading {
            diagnostics: reading.diagnostics,
            tests_passed: reading.tests_passed,
            tests_failed: reading.tests_failed,
        }
    });
    for step in &mut run.steps {
        keep_tail(&mut step.stdout);
        keep_tail(&mut step.stderr);
    }
    blame::set_owners(&mut run.diagnostics, &board.lock().owners);
    add_leads(cx, board, &mut run).await?;
    let events = finished(iteration, &run, board.lock().spent());
    let recorded = Recorded { command, source: plan.source, sandbox, run };
    cx.journal.record(key, None, &recorded, events, Vec::new()).await?;
    proto::hooks::pause("round.build_recorded").await;
    cx.logs.decide(Decision {
        timestamp: String::new(),
        phase: "check",
        agent: "et",
        intent: "build and test",
        action: recorded.command.clone(),
        outcome: if recorded.run.status == CheckStatus::Green { "green" } else { "red" },
        detail: format!("{} diagnostics in {} ms", recorded.run.diagnostics.len(), recorded.run.duration_ms),
        token_cost: 0,
    });
    Ok(Some(recorded))
}

/// Adds to each error the places that it may come from, by the files as they are now.
async fn add_leads(cx: &RoundContext, board: &Board, run: &mut CheckRun) -> Result<(), Stop> {
    if run.diagnostics.is_empty() || without(Part::Attribution) {
        return Ok(());
    }
    let (subtasks, contract, owners) = {
        let known = board.lock();
        let subtasks: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        (subtasks, known.contract.clone(), known.owners.clone())
    };
    let mut paths: BTreeSet<RelPath> = owners.paths().cloned().collect();
    let places = run.diagnostics.iter().filter_map(|one| one.file.as_deref());
    paths.extend(places.filter_map(|file| RelPath::parse(file).ok()));
    let listed = cx.on_workspace(|workspace| workspace.list().files).await?.unwrap_or_default();
    let mut room = READ_ALL;
    let short = listed.into_iter().filter(|file| file.bytes <= READ).take(LOOKED_AT);
    let short = short.take_while(|file| {
        let fits = file.bytes <= room;
        room = room.saturating_sub(file.bytes);
        fits
    });
    paths.extend(short.map(|file| file.path));
    let (views, _) = cx.views(paths.into_iter().collect()).await?;
    let texts = views.into_iter().map(|view| (view.path, view.text)).collect();
    let mut diagnostics = run.diagnostics.clone();
    // A large tree takes a while: not on the runtime's threads.
    let looking = tokio::task::spawn_blocking(move || {
        blame::add_leads(&mut diagnostics, &owners, &subtasks, &contract, &texts);
        diagnostics
    });
    // Without leads the errors are as good as their tool made them.
    if let Ok(diagnostics) = looking.await {
        run.diagnostics = diagnostics;
    }
    Ok(())
}

fn keep_tail(text: &mut String) {
    if text.len() > KEPT {
        let cut = text.ceil_char_boundary(text.len() - KEPT);
        text.drain(..cut);
    }
}

/// Whether the newest build has the tree and the errors of an earlier one.
fn came_back(board: &Board) -> bool {
    let known = board.lock();
    let Some((newest, earlier)) = known.builds.split_last() else { return false };
    let prints = |built: &Built| -> BTreeSet<String> {
        let errors = built.check.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.map(blame::fingerprint).collect()
    };
    earlier.iter().any(|one| one.tree == newest.tree && prints(one) == prints(newest))
}

/// What came of the fixes after a build.
enum Mended {
    /// Another build is worth it.
    Changed,
    /// Every way was tried.
    Exhausted,
    /// Nothing changed, and a way that no model would serve can't be said to be tried.
    Unserved,
}

/// Sends errors to those whose files caused them until something changes or there is no way left.
async fn mend(
    cx: &RoundContext,
    board: &Board,
    iteration: u32,
    recorded: &Recorded,
    history: &mut History,
) -> Result<Mended, Stop> {
    let (worker, _) = cx.worker_role(None)?;
    let stronger = !worker.fallbacks.is_empty();
    let last = iteration + 1 == cx.spec.settings.max_iterations;
    let mut served = true;
    let mut changed = false;
    let mut asked = BTreeSet::new();
    let mut handed: Vec<Assignment> = Vec::new();
    for round in 1.. {
        let (subtasks, owners) = {
            let known = board.lock();
            let subtasks: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
            (subtasks, known.owners.clone())
        };
        let found = &recorded.run.diagnostics;
        let assignments = if handed.is_empty() {
            let verdict = match without(Part::Attribution) {
                // Nothing changed: it would be the same again.
                true if round > 1 => Verdict::Exhausted,
                true => ablation::plain(found, &owners),
                false => blame::assign(found, &owners, &subtasks, history, stronger, last),
            };
            let Verdict::Fix(assignments) = verdict else { break };
            assignments
        } else {
            std::mem::take(&mut handed)
        };
        history.record(&assignments);
        // New files that fixes claimed before the daemon died stay theirs.
        for key in cx.journal.recorded_before() {
            if let Some(owner) = key.strip_prefix(&format!("write/fix/{}/", fix_name(iteration, round)))
                && owner != INTEGRATOR
            {
                writing::claims(cx, board, key, owner)?;
            }
        }
        let fixes = assignments.iter().map(|assignment| {
            let (command, run) = (recorded.command.as_str(), &recorded.run);
            fixing::fix(cx, board, Fix { iteration, round, name: fix_name(iteration, round), assignment, command, run })
        });
        let mut busy = BTreeSet::new();
        let mut halted = None;
        for (result, assignment) in join_all(fixes).await.into_iter().zip(&assignments) {
            match result {
                Ok(fixed) => {
                    if !fixed.files.is_empty() {
                        changed = true;
                        busy.insert(assignment.owner.clone());
                    }
                    served &= fixed.served;
                }
                Err(Stop::Halt(halt)) => halted = Some(halt),
                Err(stop) => return Err(stop),
            }
        }
        if let Some(halt) = halted {
            return Err(halt.into());
        }
        // One that says whose file is to blame counts at once; the next rung waits.
        handed = handing::handed_on(board, &assignments, &mut asked, &busy);
        if changed && handed.is_empty() {
            return Ok(Mended::Changed);
        }
    }
    Ok(if served { Mended::Exhausted } else { Mended::Unserved })
}

/// Part of the keys of the fixes after a build.
fn fix_name(iteration: u32, round: u32) -> String {
    if round == 1 { iteration.to_string() } else { format!("{iteration}.{round}") }
}
