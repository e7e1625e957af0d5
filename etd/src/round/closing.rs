//! The end of a round: the mayor's words, the best tree, the outcome, the report.

use proto::config::role;
use proto::event::Event;
use proto::id::SessionId;
use proto::outcome::Outcome;
use proto::report::{
    CheckReport, CheckSource, CheckStatus, FileAction, FileReport, RoundReport, SandboxLevel, SubtaskReport,
    SubtaskState, Usage,
};

use super::board::{Board, Piece, Progress};
use super::context::{Question, RoundContext, Seen, Stop};
use super::journal::Journal;
use super::logs::{Decision, Logs};
use super::verdict::{self, Facts, Halt};
use super::writing;
use crate::calls::{self, Priority};
use crate::plan::Subtask;
use crate::prompt::{self, SynthesisBrief};
use crate::relpath::RelPath;
use crate::store::{NewEvent, StoreError};
use crate::workspace::Change;

/// Diagnostics in the result.
const SHOWN: usize = 200;

/// Asks the mayor what was built and how to use it. It says nothing of the outcome: that is ours.
pub(super) async fn synthesise(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    if cx.spec.settings.skip.synthesize {
        return Ok(());
    }
    let Some(by) = cx.role(&cx.spec.settings.role) else { return Ok(()) };
    let (plan, files, notes) = {
        let known = board.lock();
        let plan: Vec<_> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        let files: Vec<RelPath> = known.files.keys().cloned().collect();
        (plan, files, known.notes.clone())
    };
    let served = board.lock().pieces.iter().any(|piece| piece.progress == Progress::Usable);
    if !served {
        return Ok(());
    }
    let question = Question {
        key: "synthesis".to_owned(),
        worker: "synthesis",
        role: role::PLANNER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            let brief = SynthesisBrief { task: &cx.spec.task, plan: &plan, files: &files, notes: &notes };
            prompt::synthesis(&brief, window)
        }),
        schema: None,
        priority: Priority::Normal,
        events: Vec::new(),
        seen: Seen::new(),
        listener: None,
    };
    let (asked, fresh) = cx.ask(board, question).await?;
    if fresh {
        cx.logs.decide(Decision::asked("synthesis", "planner", "say what was built", &asked.result));
    }
    match asked.result {
        Ok(record) => {
            board.lock().synthesis = Some(record.text.clone());
            Ok(())
        }
        Err(failure) => cx.note("synthesis", format!("no synthesis: {failure}")).await,
    }
}

/// Ends the round: puts the best tree back, decides the outcome, writes the report and records it.
pub(super) async fn close(cx: &RoundContext, board: &Board, halt: Option<Halt>) -> Result<(), Stop> {
    if let Some(Halt::Budget(limit, spent)) = &halt {
        let event = Event::Budget { limit: limit.clone(), spent: spent.clone() };
        cx.journal.say("budget", event).await?;
    }
    if let Some(Halt::Provider(why)) = &halt {
        cx.note("provider", why.clone()).await?;
    }
    restore_best(cx, board).await?;
    let report = report(cx, board, halt).await?;
    let words = board.lock().synthesis.clone();
    log(&cx.logs, &cx.spec.task, &report, words.as_deref());
    if let Some(why) = cx.logs.lost() {
        cx.note("logs", format!("the logs aren't complete: {why}")).await?;
    }
    // One wait for the disk instead of two, when nothing else is left to wait for.
    let said = words.map(|text| NewEvent::new("synthesis", Event::Synthesis { text }));
    proto::hooks::pause("round.ending").await;
    cx.journal.ended(said.into_iter().collect(), report).await?;
    proto::hooks::pause("round.ended").await;
    Ok(())
}

/// Puts the tree of the best build back, where the tree is another one now.
async fn restore_best(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let (iteration, changes) = {
        let known = board.lock();
        let Some(best) = known.best() else { return Ok(()) };
        let mut changes = Vec::new();
        for (path, touched) in &known.files {
            // A file that the best build didn't know is as it was before the round.
            let wanted = best.tree.get(path).unwrap_or(&touched.original);
            if *wanted != touched.current {
                let change = Change { path: path.clone(), before: touched.current.clone(), after: wanted.clone() };
                changes.push((change, touched.worker.clone()));
            }
        }
        (best.iteration, changes)
    };
    if changes.is_empty() && cx.journal.recorded::<serde_json::Value>("write/restore")?.is_none() {
        return Ok(());
    }
    let written = writing::restore(cx, board, "restore", changes).await?;
    if !written.conflicts.is_empty() || !written.refused.is_empty() {
        let left = written.conflicts.iter().map(ToString::to_string);
        let left: Vec<String> = left.chain(written.refused.iter().map(|one| one.path.clone())).collect();
        board.lock().unrestored = true;
        cx.note("restore", format!("not put back, since it changed meanwhile: {}", left.join(", "))).await?;
    }
    let files = written.done.iter().map(|change| change.path.to_string()).collect();
    cx.journal.say("tree.restored", Event::TreeRestored { iteration, files }).await?;
    Ok(())
}

async fn report(cx: &RoundContext, board: &Board, halt: Option<Halt>) -> Result<RoundReport, Stop> {
    let owned: Vec<RelPath> = {
        let known = board.lock();
        known.pieces.iter().flat_map(|piece| piece.subtask.owns.iter().cloned()).collect()
    };
    let present = cx.on_workspace(move |workspace| {
        owned.into_iter().filter(|path| workspace.hash(path).is_ok_and(|hash| hash.is_some())).collect::<Vec<_>>()
    });
    let present = present.await?.unwrap_or_default();
    let exists = |path: &RelPath| cx.workspace.is_none() || present.contains(path);
    let known = board.lock();
    let reported = |piece: &Piece, subtask: &Subtask| SubtaskReport {
        id: subtask.id.clone(),
        title: subtask.title.clone(),
        state: match piece.progress {
            Progress::Waiting | Progress::Running => SubtaskState::Pending,
            _ if known.delivered(piece, subtask, &exists) => SubtaskState::Delivered,
            _ => SubtaskState::Failed,
        },
        files: subtask.owns.iter().map(ToString::to_string).collect(),
    };
    // Those that one worker did in one call are told one by one, as they were planned.
    let subtasks: Vec<SubtaskReport> = known
        .pieces
        .iter()
        .flat_map(|piece| piece.planned().iter().map(move |subtask| reported(piece, subtask)))
        .collect();
    let best = known.best();
    let mut check = best.map_or_else(no_check, |best| best.check.clone());
    if known.unrestored && check.status == CheckStatus::Green {
        // That isn't the tree that was checked.
        check.status = CheckStatus::Red;
    }
    let unserved = !known.pieces.is_empty() && known.pieces.iter().all(|piece| piece.progress == Progress::Unserved);
    let dry = cx.spec.settings.dry_run;
    let facts = Facts {
        halt,
        check_asked: known.check_asked && !dry,
        check: check.status,
        delivered: dry
            || known.planned
                && !known.unfinished
                && !subtasks.is_empty()
                && subtasks.iter().all(|subtask| subtask.state == SubtaskState::Delivered),
        unserved: unserved && !dry,
        exhausted: known.exhausted,
    };
    let outcome = verdict::outcome(&facts);
    let errors = check.diagnostics.iter().filter(|one| one.severity == proto::diagnostic::Severity::Error).count();
    let calls = known.calls.iter().map(|(role, result)| (role.as_str(), result));
    Ok(RoundReport {
        outcome,
        exit_code: outcome.exit_code(),
        iterations: u32::try_from(known.builds.len()).unwrap_or(u32::MAX),
        best_iteration: best.map(|best| best.iteration),
        log_dir: cx.logs.dir(),
        next: if cx.recorded() && !outcome.is_success() {
            "This was a demo: `et demo` starts another one.".to_owned()
        } else if cx.recorded() {
            "Set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or start Ollama, and give it a task of your own: \
             `et run --output-dir ./build --iterate \"…\"`."
                .to_owned()
        } else if dry && outcome.is_success() {
            "That was the plan, nothing was written: leave out --dry-run to have it done.".to_owned()
        } else if outcome == Outcome::Partial && facts.delivered {
            verdict::next_unchecked(check.command.is_some())
        } else {
            verdict::next(outcome, &cx.session.short(), errors)
        },
        duration_ms: cx.journal.active_ms(),
        subtasks,
        files: files(&known),
        check: CheckReport { diagnostics: check.diagnostics.into_iter().take(SHOWN).collect(), ..check },
        refused: known.refused.clone(),
        usage: calls::usage(calls, cx.journal.repeated_calls()),
    })
}

fn files(known: &super::board::Known) -> Vec<FileReport> {
    let changed = known.files.iter().filter(|(_, touched)| touched.original != touched.current);
    changed
        .map(|(path, touched)| FileReport {
            path: path.to_string(),
            action: if touched.current.is_some() { FileAction::Written } else { FileAction::Deleted },
            worker: touched.worker.clone(),
            sha256: touched.current.as_ref().map(|hash| hash.0.clone()),
        })
        .collect()
}

fn no_check() -> CheckReport {
    CheckReport {
        command: None,
        source: CheckSource::None,
        sandbox: SandboxLevel::None,
        status: CheckStatus::None,
        diagnostics: Vec::new(),
    }
}

/// Writes what the log dir has of the end.
fn log(logs: &Logs, task: &str, report: &RoundReport, words: Option<&str>) {
    logs.file("_synthesis.md", &synthesis_file(task, report, words));
    if let Ok(text) = serde_json::to_string_pretty(report) {
        logs.file("_result.json", &text);
    }
}

/// Ends a round that was never played: cancelled while it was queued, or given up after crashes.
///
/// # Errors
/// If it can't be recorded.
pub(crate) async fn end_unplayed(
    journal: &Journal,
    session: SessionId,
    task: &str,
    log_dir: Option<String>,
    outcome: Outcome,
) -> Result<(), StoreError> {
    let report = RoundReport {
        outcome,
        exit_code: outcome.exit_code(),
        iterations: 0,
        best_iteration: None,
        log_dir,
        next: verdict::next(outcome, &session.short(), 0),
        duration_ms: journal.active_ms(),
        subtasks: Vec::new(),
        files: Vec::new(),
        check: no_check(),
        refused: Vec::new(),
        // One that is cancelled here never began and cost nothing; what others cost isn't known here.
        usage: Usage { cost_usd: (outcome == Outcome::Cancelled).then_some(0.0), ..Usage::default() },
    };
    if let Some(dir) = &report.log_dir {
        // One that had begun has its log dir.
        let dir = std::path::PathBuf::from(dir);
        let (task, report) = (task.to_owned(), report.clone());
        let logged = tokio::task::spawn_blocking(move || log(&Logs::create(dir).0, &task, &report, None));
        // A log is never needed to go on.
        let _ = logged.await;
    }
    journal.ended(Vec::new(), report).await
}

/// `_synthesis.md`: first what et knows, then what the mayor says.
fn synthesis_file(task: &str, report: &RoundReport, words: Option<&str>) -> String {
    let mut text = format!("# {}\n\n", task.lines().next().unwrap_or_default());
    let check = match report.check.status {
        CheckStatus::Green => "green",
        CheckStatus::Red => "red",
        CheckStatus::None => "not run",
    };
    text.push_str(&format!(
        "- Outcome: {} (exit code {})\n- Check: {check}{}\n- Builds: {}{}\n- Tokens: {} in, {} out, {} calls\n",
        report.outcome.as_str(),
        report.exit_code,
        report.check.command.as_ref().map(|command| format!(": `{command}`")).unwrap_or_default(),
        report.iterations,
        report
            .best_iteration
            .map(|best| format!(", the tree is that of build {best}, the best one"))
            .unwrap_or_default(),
        report.usage.tokens_in,
        report.usage.tokens_out,
        report.usage.calls,
    ));
    text.push_str(&format!("- Next: {}\n\n## Files\n\n", report.next));
    for file in &report.files {
        let action = if file.action == FileAction::Deleted { "deleted" } else { "written" };
        text.push_str(&format!("- `{}` {action} by {}\n", file.path, file.worker));
    }
    for refusal in &report.refused {
        text.push_str(&format!("- refused: `{}` ({}): {}\n", refusal.path, refusal.worker, refusal.reason));
    }
    let failed: Vec<_> = report.subtasks.iter().filter(|one| one.state != SubtaskState::Delivered).collect();
    if !failed.is_empty() {
        text.push_str("\n## Not delivered\n\n");
        for subtask in failed {
            text.push_str(&format!("- {}: {}\n", subtask.id, subtask.title));
        }
    }
    if report.check.status == CheckStatus::Red {
        text.push_str("\n## Remaining errors\n\n");
        for diagnostic in &report.check.diagnostics {
            text.push_str(&format!("- {}\n", diagnostic.headline()));
        }
    }
    if let Some(words) = words {
        text.push_str("\n## What was built\n\n");
        text.push_str(words.trim_end());
        text.push('\n');
    }
    text
}
