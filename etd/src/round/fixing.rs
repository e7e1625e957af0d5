//! One fix: asked, read, written, and told: who, why, what was in the prompt, what it changed.

use proto::config::{ModelConfig, RoleConfig, role};
use proto::diagnostic::{Diagnostic, Severity};
use proto::event::{Event, FixStep, NoteLevel};
use proto::report::Refusal;
use serde::{Deserialize, Serialize};

use super::ablation::{Part, without};
use super::board::{Board, Told};
use super::context::{Question, RoundContext, Seen, Stop};
use super::continuing;
use super::handing;
use super::landing;
use super::logs::Decision;
use super::looking::Syntax;
use super::resolving::{self, Contents, Kept};
use super::writing::{self, Shrink, Wanted, Written};
use crate::answer::{Answer, Problem, Resolved};
use crate::blame::{Assignment, INTEGRATOR};
use crate::calls::{CallRecord, Priority};
use crate::check::{self, CheckRun};
use crate::diff;
use crate::plan::{Contract, Subtask};
use crate::prompt::{self, FileView, FixBrief, FixShown, Retry};
use crate::relpath::RelPath;
use crate::store::NewEvent;

/// Characters of a log that a fix without any place is shown.
const LOG_TAIL: usize = 4_000;
/// Times that one fix is asked: an answer that can't be used, or not all of it, is asked once more.
const ATTEMPTS: u32 = 2;
/// Earlier fixes that a prompt names, and bytes of each.
const TRIED: usize = 8;
const TRIED_BYTES: usize = 300;

/// What is to be fixed.
pub(super) struct Fix<'a> {
    /// The build that found it, from 1.
    pub iteration: u32,
    /// From 1: where fixes after a build changed nothing there are further ones.
    pub round: u32,
    /// Part of its keys that stands for both.
    pub name: String,
    /// Who and what.
    pub assignment: &'a Assignment,
    /// What was run in that build, and how it went.
    pub command: &'a str,
    pub run: &'a CheckRun,
}

/// What came of one fix.
pub(super) struct Fixed {
    /// Files that changed.
    pub files: Vec<String>,
    /// Whether a model answered.
    pub served: bool,
}

/// What a prompt is made of.
struct Material<'a> {
    fix: &'a Fix<'a>,
    subtask: Option<&'a Subtask>,
    contract: Contract,
    files: Vec<FileView>,
    show: Vec<FileView>,
    seen: Seen,
    tried: Vec<String>,
    log_tail: Option<String>,
}

impl Material<'_> {
    fn brief<'b>(&'b self, cx: &'b RoundContext, retry: Option<Retry<'b>>) -> FixBrief<'b> {
        FixBrief {
            task: &cx.spec.task,
            contract: &self.contract,
            subtask: self.subtask,
            files: &self.files,
            show: &self.show,
            diagnostics: &self.fix.assignment.diagnostics,
            tried: &self.tried,
            log_tail: self.log_tail.as_deref(),
            command: self.fix.command,
            wide: self.fix.round > 1 || self.fix.assignment.step >= FixStep::StrongerModel,
            retry,
        }
    }
}

/// What the answers to a fix came to.
#[derive(Default)]
struct Gained {
    kept: Kept,
    model: Option<String>,
    tokens: (u64, u64),
    /// What couldn't be used of the last answer.
    lacking: Option<String>,
    /// Why no model answered.
    failure: Option<String>,
    remarks: String,
    fresh: bool,
}

/// One fix to its end.
pub(super) async fn fix(cx: &RoundContext, board: &Board, fix: Fix<'_>) -> Result<Fixed, Stop> {
    let assignment = fix.assignment;
    let owner = assignment.owner.as_str();
    let name = format!("{}/{owner}", fix.name);
    let (subtask, contract) = {
        let known = board.lock();
        (known.piece(owner).map(|piece| piece.subtask.clone()), known.agreed())
    };
    let (by, role) = fixer(cx, owner, subtask.as_ref(), assignment.step)?;
    let (files, mut seen) = cx.views(assignment.files.clone()).await?;
    let (show, show_seen) = cx.views(assignment.show.clone()).await?;
    seen.extend(show_seen);
    let placeless = assignment.diagnostics.iter().all(|diagnostic| diagnostic.file.is_none());
    let mut tried = tried(board, fix.iteration, fix.round);
    tried.extend(handing::words_for(board, owner));
    let material = Material {
        fix: &fix,
        subtask: subtask.as_ref(),
        contract,
        files,
        show,
        seen,
        tried,
        log_tail: placeless.then(|| log_tail(fix.run)),
    };
    let (gained, halted) = answers(cx, board, &material, &name, &by, role).await?;
    let mut written = Written::default();
    if gained.model.is_some() {
        let Kept { files, moves, based, refused: unshown } = &gained.kept;
        let (wanted, mut refused) = sort_out(board, owner, assignment, files, moves);
        refused.extend(unshown.iter().cloned());
        let mut seen = material.seen.clone();
        seen.extend(based.clone());
        written = writing::write(cx, board, &format!("fix/{name}"), owner, wanted, &seen, refused).await?;
        handing::note(board, owner, assignment, &gained.remarks, &written);
    }
    let fixed = tell(cx, board, &material, &name, &gained, &written).await?;
    match halted {
        Some(stop) => Err(stop),
        None => Ok(fixed),
    }
}

/// Asks until an answer can be used. A limit that is met on the way ends it, with what was gained so far.
async fn answers(
    cx: &RoundContext,
    board: &Board,
    material: &Material<'_>,
    name: &str,
    by: &RoleConfig,
    role: &str,
) -> Result<(Gained, Option<Stop>), Stop> {
    let assignment = material.fix.assignment;
    let owner = assignment.owner.as_str();
    let mut gained = Gained::default();
    let mut retry: Option<(String, String)> = None;
    let mut syntax = Syntax::new(format!("fix/{name}"), owner, &assignment.files);
    let mut halted = None;
    for attempt in 1..=ATTEMPTS {
        let key = if attempt == 1 { format!("fix/{name}") } else { format!("fix/{name}/again") };
        let whole = cx.asked_for_whole(board);
        let again = retry.as_ref().map(|(answer, reason)| Retry { answer, reason });
        let question = Question {
            key: key.clone(),
            worker: owner,
            role,
            by,
            avoid: Vec::new(),
            prompt: Box::new(|window| prompt::fix(&material.brief(cx, again), window)),
            schema: None,
            priority: Priority::Critical,
            events: if attempt == 1 { vec![assigned(cx, material, name, by, &whole)] } else { Vec::new() },
            seen: material.seen.clone(),
            listener: None,
        };
        let (asked, fresh) = match continuing::ask(cx, board, question, &assignment.files).await {
            Ok(asked) => asked,
            Err(stop @ Stop::Halt(_)) if attempt > 1 => {
                halted = Some(stop);
                break;
            }
            Err(stop) => return Err(stop),
        };
        gained.fresh |= fresh;
        let record = match asked.result {
            Ok(record) => record,
            Err(failure) => {
                gained.failure = Some(failure.to_string());
                break;
            }
        };
        if let Some(number) = board.lock().number(owner) {
            cx.logs.answer(number, &record.text);
        }
        let answer = resolving::read(cx, &record, &assignment.files);
        let mut resolved = resolving::resolve(cx, &key, &answer, &asked.seen, &gained.kept.still(&asked.seen)).await?;
        resolving::note(&mut board.lock(), &record.model, &resolved);
        gained.kept.refused.extend(landing::unsafe_paths(owner, &answer));
        gained.kept.refused.extend(resolving::not_mine(&board.lock(), owner, &assignment.files, &mut resolved));
        let judged = judged(cx, material, &key, &record, &answer, &resolved, &whole).await?;
        resolved.files.retain(|path, _| !judged.unseen.contains(path));
        gained.kept.take(resolved.files, &answer.moves, &asked.seen);
        gained.model = Some(record.model.clone());
        gained.tokens.0 += record.usage.input;
        gained.tokens.1 += record.usage.output;
        gained.remarks.clone_from(&answer.remarks);
        let broken = syntax.judge(cx, board, attempt, &mut gained.kept).await?.filter(|_| attempt < ATTEMPTS);
        if let Some(reason) = &broken {
            let first = reason.lines().next().unwrap_or_default();
            let text = format!("the fix of {owner} is asked for again, {first}");
            cx.journal.say(format!("note/look/{key}"), Event::Note { level: NoteLevel::Info, text }).await?;
        }
        let reasons: Vec<String> = judged.lacking.filter(|_| !answer.no_change).into_iter().chain(broken).collect();
        gained.lacking = (!reasons.is_empty()).then(|| reasons.join("\n"));
        match &gained.lacking {
            Some(reason) => retry = Some((record.text, reason.clone())),
            None => break,
        }
    }
    // A build of what only makes files worse would say what is known.
    if let Some(reason) = syntax.only_worse(cx, &material.files, &gained.kept).await? {
        gained.kept.files.clear();
        gained.kept.moves.clear();
        gained.lacking = Some(reason);
    }
    Ok((gained, halted))
}

/// Whether a model is asked for edits.
fn edits(model: &ModelConfig, whole: &[String]) -> bool {
    let name = format!("{}/{}", model.provider, model.model);
    model.edits.unwrap_or(true) && !whole.contains(&name)
}

/// The event that says what goes out, as the first of its models is shown it.
fn assigned(cx: &RoundContext, material: &Material<'_>, name: &str, by: &RoleConfig, whole: &[String]) -> NewEvent {
    let assignment = material.fix.assignment;
    let first = by.pool.first().and_then(|alias| cx.spec.config.models.get(alias));
    let edits = first.is_none_or(|model| edits(model, whole));
    let FixShown { whole, part, other } = prompt::fix_shown(&material.brief(cx, None), edits);
    let event = Event::FixAssigned {
        iteration: material.fix.iteration,
        owner: assignment.owner.clone(),
        files: assignment.files.iter().map(ToString::to_string).collect(),
        diagnostics: u32::try_from(assignment.diagnostics.len()).unwrap_or(u32::MAX),
        first: assignment.diagnostics.first().map(Diagnostic::headline).unwrap_or_default(),
        step: assignment.step,
        why: assignment.why.clone(),
        whole,
        part,
        other_side: other,
    };
    NewEvent::new(format!("fix.assigned/{name}"), event)
}

/// Whether an answer can be used, as recorded: what the model was shown changes when its files land.
#[derive(Default, Serialize, Deserialize)]
struct Judged {
    /// What couldn't be used, in words for the model.
    lacking: Option<String>,
    /// Files that were given whole though only a part of them was shown: they can't be right.
    unseen: Vec<RelPath>,
}

async fn judged(
    cx: &RoundContext,
    material: &Material<'_>,
    key: &str,
    record: &CallRecord,
    answer: &Answer,
    resolved: &Resolved,
    whole: &[String],
) -> Result<Judged, Stop> {
    let key = format!("read/{key}");
    if let Some(judged) = cx.journal.recorded::<Judged>(&key)? {
        return Ok(judged);
    }
    let edits = cx.spec.config.models.get(&record.alias).is_none_or(|model| edits(model, whole));
    let part = prompt::fix_shown(&material.brief(cx, None), edits).part;
    let given = answer.files.iter().map(|file| &file.path);
    let unseen: Vec<RelPath> = given.filter(|path| part.iter().any(|one| one == path.as_str())).cloned().collect();
    let mut reasons: Vec<String> = resolved.failed.iter().map(|failed| failed.reason.clone()).collect();
    for path in &unseen {
        reasons.push(format!("{path} was given whole, but you were shown only a part of it; change it by edits"));
    }
    for problem in &answer.problems {
        match problem {
            Problem::Truncated(path) => reasons.push(format!("{path} was cut off")),
            Problem::Placeholder(path) => reasons.push(format!("{path} leaves code out")),
            // Beside files it may be a quotation.
            Problem::NoPath if resolved.files.is_empty() => reasons.push("a block has no path".to_owned()),
            Problem::NoPath | Problem::UnsafePath(..) => {}
        }
    }
    let nothing = resolved.files.is_empty() && answer.problems.is_empty() && resolved.unseen.is_empty();
    if reasons.is_empty() && nothing && !answer.no_change {
        reasons.push("the answer has no file in it".to_owned());
    }
    let judged = Judged { lacking: (!reasons.is_empty()).then(|| reasons.join("\n")), unseen };
    cx.journal.record(&key, None, &judged, Vec::new(), Vec::new()).await?;
    Ok(judged)
}

/// Lines that a change adds and removes.
async fn lines(cx: &RoundContext, written: &Written) -> Result<Vec<(String, u64, u64)>, Stop> {
    let mut out = Vec::new();
    for change in written.done.iter().filter(|change| change.before != change.after) {
        let mut sides = [None, None];
        for (side, hash) in sides.iter_mut().zip([&change.before, &change.after]) {
            if let Some(hash) = hash {
                *side = Some(cx.journal.blob(&hash.0).await?);
            }
        }
        let [before, after] = sides;
        let path = change.path.to_string();
        let diff = diff::unified(&path, before.as_deref(), after.as_deref()).diff.unwrap_or_default();
        let count = |sign: char| diff.lines().skip(2).filter(|line| line.starts_with(sign)).count() as u64;
        out.push((path, count('+'), count('-')));
    }
    Ok(out)
}

/// Says what came of a fix: to the readers of the log, to the fixes that follow, and in the decisions.
async fn tell(
    cx: &RoundContext,
    board: &Board,
    material: &Material<'_>,
    name: &str,
    gained: &Gained,
    written: &Written,
) -> Result<Fixed, Stop> {
    let Fix { iteration, round, assignment, .. } = material.fix;
    let owner = assignment.owner.as_str();
    let lines = lines(cx, written).await?;
    let changed: Vec<String> = lines.iter().map(|(path, ..)| path.clone()).collect();
    let mut not_applied: Vec<String> = gained.lacking.iter().chain(&gained.failure).cloned().collect();
    not_applied.extend(written.refused.iter().map(|one| format!("{} is refused: {}", one.path, one.reason)));
    not_applied.extend(written.conflicts.iter().map(|path| format!("{path} changed meanwhile")));
    let not_applied = (!not_applied.is_empty()).then(|| not_applied.join("\n"));
    let failed = match (&not_applied, changed.is_empty()) {
        (_, false) => None,
        (Some(reasons), true) => Some(reasons.clone()),
        (None, true) => Some("the answer changes nothing".to_owned()),
    };
    let event = Event::FixFinished {
        iteration: *iteration,
        owner: owner.to_owned(),
        model: gained.model.clone(),
        files: changed.clone(),
        failed: failed.clone(),
        not_applied: not_applied.clone().filter(|_| failed.is_none()),
        lines_added: lines.iter().map(|(_, added, _)| added).sum(),
        lines_removed: lines.iter().map(|(.., removed)| removed).sum(),
        tokens_in: gained.tokens.0,
        tokens_out: gained.tokens.1,
        spent: board.lock().spent(),
    };
    cx.journal.say(format!("fix.finished/{name}"), event).await?;
    let changes: Vec<String> =
        lines.iter().map(|(path, added, removed)| format!("{path} (+{added} -{removed} lines)")).collect();
    let mut line = match changes.as_slice() {
        [] => format!("{owner} changed nothing"),
        changes => format!("{owner} changed {}", changes.join(", ")),
    };
    if let Some(reasons) = &not_applied {
        line.push_str(&format!("; not applied: {}", reasons.lines().next().unwrap_or_default()));
    } else if changes.is_empty() && !gained.remarks.is_empty() {
        line.push_str(&format!(" and said: {}", gained.remarks.replace('\n', " ")));
    }
    let mut known = board.lock();
    if not_applied.is_none() {
        known.made_good(owner, &written.done);
    }
    known.fixes.push(Told { iteration: *iteration, round: *round, owner: owner.to_owned(), line: line.clone() });
    drop(known);
    if gained.fresh {
        let first = assignment.diagnostics.first().map(Diagnostic::headline).unwrap_or_default();
        cx.logs.decide(decision(cx, material, gained, &first, &line, changed.is_empty()));
    }
    Ok(Fixed { files: changed, served: gained.model.is_some() })
}

/// The line of a fix in the log of decisions.
fn decision<'a>(
    cx: &RoundContext,
    material: &'a Material<'_>,
    gained: &Gained,
    intent: &'a str,
    line: &str,
    nothing: bool,
) -> Decision<'a> {
    let assignment = material.fix.assignment;
    let alias =
        |model: &String| cx.spec.config.models.values().find(|one| format!("{}/{}", one.provider, one.model) == *model);
    let edits = gained.model.as_ref().and_then(alias).is_none_or(|model| edits(model, &[]));
    let FixShown { whole, part, other } = prompt::fix_shown(&material.brief(cx, None), edits);
    let list = |paths: &[String]| if paths.is_empty() { "none".to_owned() } else { paths.join(", ") };
    Decision {
        timestamp: String::new(),
        phase: "fix",
        agent: &assignment.owner,
        intent,
        action: format!("{:?}: {}", assignment.step, assignment.why),
        outcome: if nothing { "nothing changed" } else { "changed" },
        detail: format!(
            "asked {} with {} diagnostic(s), whole: {}; in part: {}; other side: {}; {} prompt and {} answer tokens. {line}",
            gained.model.as_deref().unwrap_or("no model"),
            assignment.diagnostics.len(),
            list(&whole),
            list(&part),
            list(&other),
            gained.tokens.0,
            gained.tokens.1,
        ),
        token_cost: gained.tokens.0 + gained.tokens.1,
    }
}

/// Who answers a fix: the owner's own models, or for a stronger one those that stand behind them.
fn fixer<'a>(
    cx: &'a RoundContext,
    owner: &str,
    subtask: Option<&'a Subtask>,
    step: FixStep,
) -> Result<(RoleConfig, &'a str), Stop> {
    if owner == super::testing::TESTER
        && let Some(by) = cx.role(role::TESTER)
    {
        return Ok((by.clone(), role::TESTER));
    }
    let (by, name) = cx.worker_role(subtask.and_then(|subtask| subtask.specialist.as_deref()))?;
    let mut by = by.clone();
    if matches!(step, FixStep::StrongerModel | FixStep::Integrator) && !by.fallbacks.is_empty() {
        std::mem::swap(&mut by.pool, &mut by.fallbacks);
    }
    Ok((by, name))
}

/// What of a fix may be written: the files that it was given, and new ones that nobody owns.
fn sort_out(
    board: &Board,
    owner: &str,
    assignment: &Assignment,
    files: &Contents,
    moves: &[(RelPath, RelPath)],
) -> (Vec<Wanted>, Vec<Refusal>) {
    let mut wanted = Vec::new();
    let mut known = board.lock();
    let may_write = |path: &RelPath| {
        assignment.files.contains(path)
            || without(Part::Ownership)
            || known.owners.owner_of(path).is_none_or(|holder| holder == owner)
    };
    let (files, mut refused) = resolving::without_foreign_moves(files, moves, owner, &may_write);
    for (path, content) in &files {
        // What nobody owns is the integrator's already; as its property it could never be given to it again.
        let free = match owner {
            INTEGRATOR => known.owners.owner_of(path).is_none(),
            owner => known.owners.claim(path.clone(), owner),
        };
        if free || assignment.files.contains(path) || without(Part::Ownership) {
            let moved_to = resolving::moved_to(path, &files, moves);
            wanted.push(Wanted { path: path.clone(), content: content.clone(), shrink: Shrink::Refuse, moved_to });
        } else {
            let holder = known.owners.owner_of(path).unwrap_or(INTEGRATOR).to_owned();
            refused.push(Refusal {
                path: path.to_string(),
                reason: format!("it belongs to {holder}"),
                worker: owner.to_owned(),
            });
        }
    }
    (wanted, refused)
}

/// What was tried before, a line each: what earlier builds had, and what was done about it.
fn tried(board: &Board, iteration: u32, round: u32) -> Vec<String> {
    let known = board.lock();
    let mut told: Vec<&Told> =
        known.fixes.iter().filter(|one| (one.iteration, one.round) < (iteration, round)).collect();
    // Fixes run beside one another: their order is by name, whoever was quicker.
    told.sort();
    let skipped = told.len().saturating_sub(TRIED);
    let told = &told[skipped..];
    let short = |line: &str| line[..line.floor_char_boundary(TRIED_BYTES)].to_owned();
    let mut out = Vec::new();
    for built in known.builds.iter().filter(|built| built.iteration <= iteration) {
        if built.iteration < iteration {
            let errors = built.check.diagnostics.iter().filter(|one| one.severity == Severity::Error);
            let lines: Vec<String> = errors.take(3).map(|one| short(&one.headline())).collect();
            out.push(format!("build {} failed with: {}", built.iteration, lines.join("; ")));
        }
        let after = told.iter().filter(|one| one.iteration == built.iteration);
        out.extend(after.map(|one| format!("after build {}: {}", one.iteration, short(&one.line))));
    }
    out
}

fn log_tail(run: &CheckRun) -> String {
    let log = check::log(&run.steps);
    log[log.ceil_char_boundary(log.len().saturating_sub(LOG_TAIL))..].to_owned()
}
