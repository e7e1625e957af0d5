//! The integrator after the workers: what no subtask owns. Where one worker gave such a file and nothing is in its place, it is taken as
//! it is, without a call. A call is made for files that several gave differently or that are there already, and for what the plan needs
//! and nobody could be given any more.
//!
//! What is to be done is a step, since it is seen from a tree that changes with it.

use std::collections::{BTreeMap, BTreeSet};

use proto::event::Event;
use proto::report::Refusal;
use serde::{Deserialize, Serialize};

use super::board::{Board, Progress};
use super::context::{Question, RoundContext, Seen, Stop};
use super::landing;
use super::logs::Decision;
use super::resolving::{self, Contents};
use super::settling;
use super::verdict::Halt;
use super::writing::{self, Shrink, Wanted};
use crate::answer::Answer;
use crate::blame::INTEGRATOR;
use crate::calls::Priority;
use crate::check;
use crate::plan::{self, Finding, Plan, PlanForm, Subtask};
use crate::prompt::{self, FileView, IntegratorBrief};
use crate::relpath::RelPath;
use crate::store::NewEvent;
use crate::workspace::policy;

/// Times that it is asked: once more if the first answer has nothing that can be used.
const ATTEMPTS: u32 = 2;
/// Files of others that it is shown.
const SHOWN: usize = 12;
/// Step with what is to be done.
const NEEDS: &str = "integrate/needs";

/// What is to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Needs {
    /// Offers that are taken as they are.
    take: Vec<RelPath>,
    /// Files to write.
    files: Vec<RelPath>,
    /// What to do, a clause each.
    why: Vec<String>,
}

/// Contents by path, each with the worker that gave it, in the plan's order.
type Offers = BTreeMap<RelPath, Vec<(String, String)>>;

/// Takes over, or has done, what no subtask owns.
pub(super) async fn integrate(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    if cx.workspace.is_none() {
        return Ok(());
    }
    let (offers, refused) = offers(cx, board);
    let needs = match cx.journal.recorded::<Needs>(NEEDS)? {
        Some(needs) => needs,
        None => {
            let needs = needs(cx, board, &offers).await?;
            cx.journal.record(NEEDS, None, &needs, Vec::new(), Vec::new()).await?;
            needs
        }
    };
    let wanted: Vec<Wanted> = needs
        .take
        .iter()
        .filter_map(|path| {
            let (_, content) = offers.get(path)?.first()?;
            Some(Wanted { path: path.clone(), content: Some(content.clone()), shrink: Shrink::Refuse, moved_to: None })
        })
        .collect();
    if !wanted.is_empty() || !refused.is_empty() {
        writing::write(cx, board, "takeover", INTEGRATOR, wanted, &Seen::new(), refused).await?;
    }
    if needs.why.is_empty() {
        return Ok(());
    }
    let done = ask(cx, board, &needs, &offers).await?;
    // Whoever gave what wasn't taken is told, not the integrator.
    let reason = "no subtask owns it, and the integrator gave nothing for it";
    let left = offers.iter().filter(|(path, _)| needs.files.contains(path) && !done.contains(*path));
    let refused: Vec<Refusal> = left
        .flat_map(|(path, given)| given.iter().map(move |(worker, _)| (path.to_string(), worker.clone())))
        .map(|(path, worker)| Refusal { path, reason: reason.to_owned(), worker })
        .collect();
    if !refused.is_empty() {
        writing::write(cx, board, "integrate/refused", INTEGRATOR, Vec::new(), &Seen::new(), refused).await?;
    }
    Ok(())
}

/// What workers gave beyond their own, and what of it may not be written at all.
fn offers(cx: &RoundContext, board: &Board) -> (Offers, Vec<Refusal>) {
    let mut known = board.lock();
    let order: Vec<String> = known.pieces.iter().map(|piece| piece.subtask.id.clone()).collect();
    let mut all = std::mem::take(&mut known.offers);
    // In the plan's order, whoever was quicker.
    all.sort_by_key(|(worker, ..)| order.iter().position(|id| id == worker));
    let mut offers = Offers::new();
    let mut refused = Vec::new();
    for (worker, path, content) in all {
        if known.owners.owner_of(&path).is_some() {
            continue;
        }
        match policy::may_write(&path, &cx.spec.task) {
            Ok(_) => {
                let given = offers.entry(path).or_default();
                // The last answer of a worker counts.
                given.retain(|(one, _)| *one != worker);
                given.push((worker, content));
            }
            Err(reason) => refused.push(Refusal { path: path.to_string(), reason, worker }),
        }
    }
    (offers, refused)
}

async fn needs(cx: &RoundContext, board: &Board, offers: &Offers) -> Result<Needs, Stop> {
    let mut needs = Needs::default();
    let (views, seen) = cx.views(offers.keys().cloned().collect()).await?;
    for (path, given) in offers {
        let contents: BTreeSet<&str> = given.iter().map(|(_, content)| content.as_str()).collect();
        let workers: Vec<&str> = given.iter().map(|(worker, _)| worker.as_str()).collect();
        if !seen.get(path).is_some_and(Option::is_none) {
            let same = |view: &FileView| {
                view.path == *path && contents.iter().all(|content| view.text.trim_end() == content.trim_end())
            };
            if !views.iter().any(same) {
                needs.why.push(format!(
                    "{path} is there already, and {} wants it changed: bring both together",
                    workers.join(", ")
                ));
                needs.files.push(path.clone());
            }
        } else if contents.len() > 1 {
            needs.why.push(format!("{path} was given by {}: make one of them", workers.join(", ")));
            needs.files.push(path.clone());
        } else {
            needs.take.push(path.clone());
        }
    }
    let served = {
        let known = board.lock();
        known.planned && known.pieces.iter().any(|piece| piece.progress == Progress::Usable)
    };
    // Where no model serves the workers, nobody would serve the integrator.
    if served {
        left_out(cx, board, offers, &mut needs).await?;
    }
    Ok(needs)
}

/// Bytes of one file, and of all of them together, that are looked through for what nobody defines.
const READ: u64 = 256 * 1024;
const READ_ALL: u64 = 32 << 20;

/// What the plan needs and nobody was given: it shows when all have ended.
async fn left_out(cx: &RoundContext, board: &Board, offers: &Offers, needs: &mut Needs) -> Result<(), Stop> {
    let (plan, begun) = {
        let known = board.lock();
        let subtasks: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        let form = if known.form == "single" { PlanForm::Single } else { PlanForm::Json };
        let begun = subtasks.iter().map(|one| one.id.clone()).collect();
        (
            Plan {
                contract: known.contract.clone(),
                subtasks,
                check: plan::CheckHint::default(),
                form,
                notes: Vec::new(),
            },
            begun,
        )
    };
    let before = settling::tree(cx, board).await?;
    let findings = plan::findings(&plan, &cx.spec.task, &begun, &before, &[]);
    let matters = |one: &Finding| {
        matches!(
            one,
            Finding::Manifest { .. } | Finding::Entry { .. } | Finding::Unowned { .. } | Finding::Unprovided { .. }
        )
    };
    if !findings.iter().any(matters) {
        return Ok(());
    }
    let taken: BTreeMap<RelPath, String> =
        needs.take.iter().filter_map(|path| Some((path.clone(), offers.get(path)?.first()?.1.clone()))).collect();
    let read = cx.on_workspace(move |workspace| {
        let tree = workspace.list().files;
        let mut room = READ_ALL;
        let short: BTreeSet<RelPath> = tree
            .iter()
            .filter(|file| {
                let fits = file.bytes <= READ.min(room);
                room -= if fits { file.bytes } else { 0 };
                fits
            })
            .map(|file| file.path.clone())
            .collect();
        let text = |path: &RelPath| {
            let image = short.contains(path).then(|| workspace.image(path).ok().flatten()).flatten();
            image.and_then(|one| String::from_utf8(one.bytes).ok())
        };
        let made: Vec<RelPath> =
            check::missing_manifests(&tree, &text, workspace.name()).into_iter().map(|(path, _)| path).collect();
        let seen = |path: &RelPath| short.contains(path).then(|| text(path).unwrap_or_default());
        let mut texts: BTreeMap<RelPath, Option<String>> =
            tree.iter().map(|file| (file.path.clone(), seen(&file.path))).collect();
        texts.extend(taken.into_iter().map(|(path, text)| (path, Some(text))));
        (texts, made)
    });
    let (texts, made) = read.await?.unwrap_or_default();
    let folded: BTreeSet<String> = texts.keys().map(RelPath::folded).collect();
    let there = |path: &RelPath| folded.contains(&path.folded());
    // The toolchain's own form of a manifest costs no call.
    let absent = |path: &RelPath| !there(path) && !made.contains(path) && !needs.files.contains(path);
    let defined = |symbol: &str| {
        let told = texts.iter().map(|(path, text)| match text {
            Some(text) => plan::defines(path.as_str(), text, symbol),
            // A source that wasn't looked through may well define it.
            None => plan::defines(path.as_str(), "", symbol).map(|_| true),
        });
        let told = told.collect::<Vec<_>>();
        told.contains(&Some(true)) || told.iter().all(Option::is_none)
    };
    let mut files = Vec::new();
    let mut why = Vec::new();
    for finding in findings.iter().filter(|one| matters(one)) {
        match finding {
            Finding::Unowned { path, .. } | Finding::Manifest { path } if absent(path) => {
                why.push(format!("nobody wrote {path}: write it"));
                files.push(path.clone());
            }
            // A program may begin in a file of any name.
            Finding::Entry { path } if absent(path) && (path.file_name() == "lib.rs" || !defined("main")) => {
                why.push(format!("nobody wrote the entry point: write {path}, from what the others define"));
                files.push(path.clone());
            }
            Finding::Unprovided { id, signature }
                if plan::symbol(signature).is_some_and(|symbol| !defined(&symbol)) =>
            {
                why.push(format!(
                    "{id} uses `{signature}`, which nobody defines: define it in a new file, if that can be"
                ));
            }
            _ => {}
        }
    }
    needs.files.extend(files);
    needs.why.extend(why);
    Ok(())
}

/// Asks the integrator; returns the files that it wrote.
async fn ask(cx: &RoundContext, board: &Board, needs: &Needs, offers: &Offers) -> Result<BTreeSet<RelPath>, Stop> {
    let (by, role) = cx.worker_role(None)?;
    let (contract, plan, others) = {
        let known = board.lock();
        let plan: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        let others: Vec<RelPath> = known
            .files
            .iter()
            .filter(|(path, file)| file.current.is_some() && !needs.files.contains(path))
            .map(|(path, _)| path.clone())
            .take(SHOWN)
            .collect();
        (known.agreed(), plan, others)
    };
    let offered: Vec<(String, FileView)> = needs
        .files
        .iter()
        .flat_map(|path| offers.get(path).into_iter().flatten().map(move |given| (path, given)))
        .map(|(path, (worker, text))| (worker.clone(), FileView { path: path.clone(), text: text.clone() }))
        .collect();
    let mut again: Option<String> = None;
    for attempt in 1..=ATTEMPTS {
        let (files, mut seen) = cx.views(needs.files.clone()).await?;
        let (show, show_seen) = cx.views(others.clone()).await?;
        seen.extend(show_seen);
        let title = "what no subtask owns".to_owned();
        let event = Event::WorkerStarted { worker: INTEGRATOR.to_owned(), title, attempt };
        let question = Question {
            key: format!("integrate/{attempt}"),
            worker: INTEGRATOR,
            role,
            by,
            avoid: Vec::new(),
            prompt: Box::new(|window| {
                let brief = IntegratorBrief {
                    task: &cx.spec.task,
                    contract: &contract,
                    plan: &plan,
                    needs: &needs.why,
                    files: &files,
                    offers: &offered,
                    show: &show,
                    again: again.as_deref(),
                };
                prompt::integrator(&brief, window)
            }),
            schema: None,
            priority: Priority::Critical,
            events: vec![NewEvent::new(format!("worker.started/{INTEGRATOR}/{attempt}"), event)],
            seen,
            listener: None,
        };
        let asked = match cx.ask(board, question).await {
            Ok((asked, fresh)) => {
                if fresh {
                    cx.logs.decide(Decision::asked("work", INTEGRATOR, &needs.why.join("; "), &asked.result));
                }
                asked
            }
            // What is there can be checked all the same.
            Err(Stop::Halt(Halt::Budget(limit, _))) => {
                cx.note("integrator", format!("what no subtask owns wasn't written: the {limit} limit is met")).await?;
                break;
            }
            Err(stop) => return Err(stop),
        };
        let record = match asked.result {
            Ok(record) => record,
            Err(failure) => {
                let event = Event::WorkerFailed {
                    worker: INTEGRATOR.to_owned(),
                    attempt,
                    reason: failure.to_string(),
                    again: false,
                };
                cx.journal.say(format!("worker.failed/{INTEGRATOR}/{attempt}"), event).await?;
                break;
            }
        };
        let answer = resolving::read(cx, &record, &needs.files);
        let key = format!("integrate/{attempt}");
        let mut resolved = resolving::resolve(cx, &key, &answer, &asked.seen, &Contents::new()).await?;
        let event = Event::WorkerFinished {
            worker: INTEGRATOR.to_owned(),
            attempt,
            model: record.model.clone(),
            tokens_in: record.usage.input,
            tokens_out: record.usage.output,
            duration_ms: record.duration_ms,
            files: resolved.files.keys().map(ToString::to_string).collect(),
            spent: board.lock().spent(),
        };
        cx.journal.say(format!("worker.finished/{INTEGRATOR}/{attempt}"), event).await?;
        if resolved.files.is_empty() && !answer.no_change && attempt < ATTEMPTS {
            let reasons = resolving::reasons(&resolved.failed);
            let reason = if reasons.is_empty() { "it has no whole file in it".to_owned() } else { reasons };
            let event =
                Event::WorkerFailed { worker: INTEGRATOR.to_owned(), attempt, reason: reason.clone(), again: true };
            cx.journal.say(format!("worker.failed/{INTEGRATOR}/{attempt}"), event).await?;
            again = Some(reason);
            continue;
        }
        let (wanted, mut refused) = sort_out(board, &resolved.files, &answer);
        refused.extend(landing::unsafe_paths(INTEGRATOR, &answer));
        refused.extend(resolving::not_mine(&board.lock(), INTEGRATOR, &[], &mut resolved));
        let written = writing::write(cx, board, &key, INTEGRATOR, wanted, &asked.seen, refused).await?;
        if !answer.remarks.is_empty() {
            board.lock().notes.push((INTEGRATOR.to_owned(), answer.remarks));
        }
        return Ok(written.done.into_iter().map(|change| change.path).collect());
    }
    Ok(BTreeSet::new())
}

/// What of the integrator's answer may be written: what nobody owns.
fn sort_out(board: &Board, files: &Contents, answer: &Answer) -> (Vec<Wanted>, Vec<Refusal>) {
    let known = board.lock();
    let free = |path: &RelPath| known.owners.owner_of(path).is_none();
    let (files, mut refused) = resolving::without_foreign_moves(files, &answer.moves, INTEGRATOR, &free);
    let mut wanted = Vec::new();
    for (path, content) in &files {
        match known.owners.owner_of(path) {
            None => {
                let moved_to = resolving::moved_to(path, &files, &answer.moves);
                wanted.push(Wanted { path: path.clone(), content: content.clone(), shrink: Shrink::Refuse, moved_to });
            }
            Some(owner) => refused.push(Refusal {
                path: path.to_string(),
                reason: format!("it belongs to {owner}"),
                worker: INTEGRATOR.to_owned(),
            }),
        }
    }
    (wanted, refused)
}
