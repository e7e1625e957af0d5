//! The live block as lines, for a terminal of a given size. Pure.

use proto::report::CheckStatus;

use super::line::{Line, Tone, column, fit, fit_path, width};
use super::model::{Model, Phase, State, Worker};
use crate::text::{cost, count, duration, plural};

/// Most workers that are listed.
const LISTED: usize = 8;
/// Below this many columns a worker's model isn't shown.
const WIDE: usize = 64;
const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠹"];

/// The block: at most `rows` lines of at most `columns` columns; none where there is nothing to show.
pub(super) fn render(model: &Model, now: i64, columns: usize, rows: usize) -> Vec<Line> {
    if model.phase == Phase::Idle || rows == 0 || columns == 0 {
        return Vec::new();
    }
    let spinner = SPINNER[usize::try_from(now / 200).unwrap_or(0) % SPINNER.len()];
    let mut lines = vec![header(model, now, columns, spinner)];
    let all: Vec<&Worker> = model.workers.iter().chain(listed_helpers(model)).collect();
    let room = LISTED.min(rows - 1);
    let (shown, left) = if all.len() <= room {
        (all, Vec::new())
    } else {
        // A line is for those that don't fit.
        choose(all, if room == LISTED && rows > LISTED + 1 { LISTED } else { room.saturating_sub(1) })
    };
    let label = label_width(&shown, columns);
    lines.extend(shown.iter().map(|worker| row(model, worker, now, columns, label, spinner)));
    if !left.is_empty() && lines.len() < rows {
        lines.push(Line::new(Tone::Dim, &rest(&left)).cut(columns));
    }
    lines
}

/// Those who help; the planner's progress is in the header while the plan isn't ready.
fn listed_helpers(model: &Model) -> impl Iterator<Item = &Worker> {
    model.helpers.iter().filter(|helper| helper.id != "planner" || model.phase != Phase::Planning)
}

/// The most interesting `room` workers, in the order of the plan, and the others.
fn choose(all: Vec<&Worker>, room: usize) -> (Vec<&Worker>, Vec<&Worker>) {
    let interest = |worker: &Worker| match worker.state {
        State::Writing | State::Thinking(_) => 0,
        State::Again(_) => 1,
        State::Failed(_) => 2,
        State::Waiting => 3,
        State::Done => 4,
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| interest(all[*index]));
    let mut keep = vec![false; all.len()];
    order.iter().take(room).for_each(|index| keep[*index] = true);
    let (shown, left): (Vec<_>, Vec<_>) = all.into_iter().zip(keep).partition(|(_, keep)| *keep);
    let bare = |list: Vec<(_, bool)>| list.into_iter().map(|(worker, _)| worker).collect();
    (bare(shown), bare(left))
}

fn rest(left: &[&Worker]) -> String {
    let of = |wanted: fn(&Worker) -> bool| left.iter().filter(|worker| wanted(worker)).count();
    let kinds = [
        (of(Worker::busy), "at work"),
        (of(|worker| matches!(worker.state, State::Again(_))), "asked again"),
        (of(|worker| matches!(worker.state, State::Failed(_))), "failed"),
        (of(|worker| worker.state == State::Waiting), "waiting"),
        (of(|worker| worker.state == State::Done), "done"),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(number, _)| *number > 0).map(|(number, kind)| format!("{number} {kind}")).collect();
    format!("  … and {} more ({})", left.len(), kinds.join(", "))
}

fn header(model: &Model, now: i64, columns: usize, spinner: &str) -> Line {
    let mut line = Line::new(Tone::Place, spinner).with(Tone::Plain, " ").with(Tone::Strong, &phase(model));
    // What doesn't fit is left out, the least important first.
    let mut parts: Vec<_> = model.elapsed(now).map(|ms| (Tone::Plain, clock(ms))).into_iter().collect();
    if model.recorded {
        parts.push((Tone::Odd, "recorded".to_owned()));
    }
    if let Some(usd) = model.cost_usd.filter(|usd| *usd > 0.0) {
        parts.push((Tone::Dim, cost(Some(usd))));
    }
    let out = model.tokens_out();
    if out > 0 || model.tokens_in > 0 {
        parts.push((Tone::Dim, format!("{} tokens out", count(out))));
    }
    if model.tokens_in > 0 {
        parts.push((Tone::Dim, format!("{} in", count(model.tokens_in))));
    }
    match &model.phase {
        Phase::Planning => {
            if let Some(planner) = model.helpers.iter().find(|helper| helper.id == "planner") {
                parts.extend(planner.pace.per_second(now).map(|pace| (Tone::Dim, format!("{pace}/s"))));
                parts.push((Tone::Dim, short_model(&planner.model).to_owned()));
            }
        }
        Phase::Building { command, .. } => parts.push((Tone::Dim, command.clone())),
        _ => {}
    }
    for (tone, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        let longer = line.clone().with(Tone::Dim, " · ").with(tone, &part);
        if longer.width() <= columns {
            line = longer;
        }
    }
    line.cut(columns)
}

fn phase(model: &Model) -> String {
    if let Some(why) = &model.stuck {
        return why.clone();
    }
    if model.needs_credentials {
        return "waiting for credentials".to_owned();
    }
    let of = model.max_builds.map(|max| format!(" of {max}")).unwrap_or_default();
    match &model.phase {
        Phase::Idle => String::new(),
        Phase::Queued(None) => "queued".to_owned(),
        Phase::Queued(Some(session)) => format!("queued behind {session}"),
        Phase::Planning if model.workers.is_empty() => "planning".to_owned(),
        Phase::Planning => format!("planning, {} so far", plural(model.workers.len(), "subtask")),
        Phase::Working if model.workers.is_empty() => "working".to_owned(),
        Phase::Working => {
            let done = model.workers.iter().filter(|worker| worker.state == State::Done).count();
            format!("working, {done} of {} done", model.workers.len())
        }
        Phase::Building { iteration, .. } => format!("building {iteration}{of}"),
        Phase::Mending { iteration } => match model.last_build {
            Some((CheckStatus::Red, errors, _)) if errors > 0 => {
                format!("mending {} of build {iteration}", plural(errors as usize, "error"))
            }
            _ => format!("mending build {iteration}"),
        },
        Phase::Finishing => "finishing".to_owned(),
    }
}

/// Whole seconds: a tenth that flickers tells nothing.
fn clock(ms: u64) -> String {
    if ms < 60_000 { format!("{}s", ms / 1_000) } else { duration(ms) }
}

/// `provider/model` without the provider.
fn short_model(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

fn label(worker: &Worker) -> String {
    if worker.title.is_empty() || worker.title == worker.id {
        worker.id.clone()
    } else {
        format!("{} {}", worker.id, worker.title)
    }
}

fn label_width(shown: &[&Worker], columns: usize) -> usize {
    let longest = shown.iter().map(|worker| width(&label(worker))).max().unwrap_or(0);
    longest.min(columns * 3 / 10)
}

fn row(model: &Model, worker: &Worker, now: i64, columns: usize, label_width: usize, spinner: &str) -> Line {
    let (tone, glyph) = match &worker.state {
        State::Waiting => (Tone::Dim, "·"),
        State::Thinking(_) | State::Writing => (Tone::Place, spinner),
        State::Done => (Tone::Good, "✓"),
        State::Failed(_) => (Tone::Bad, "✗"),
        State::Again(_) => (Tone::Odd, "↻"),
    };
    let quiet = matches!(worker.state, State::Waiting | State::Done);
    let text = if quiet { Tone::Dim } else { Tone::Plain };
    let line = Line::new(tone, glyph)
        .with(Tone::Plain, " ")
        .with(text, &column(&label(worker), label_width))
        .with(Tone::Plain, "  ");
    let pace = worker.pace.per_second(now).filter(|_| worker.busy()).map(|pace| format!("{}/s", count(pace)));
    let name = short_model(&worker.model);
    let wide = columns >= WIDE;
    let (pace_width, name_width) = (8, if wide { width(name).min(columns / 4) } else { 0 });
    let mut right = 0;
    if pace.is_some() {
        right += pace_width + 1;
    }
    if name_width > 0 {
        right += name_width + 2;
    }
    let left = columns.saturating_sub(line.width());
    let room = left.saturating_sub(right);
    let (verb, place) = doing(model, worker, now);
    let mut line = line;
    let mut used = 0;
    // The glyph tells half of what the verb does, so a path that fits only without it comes first.
    let squeezed = place.as_ref().is_some_and(|place| width(place) <= room && width(&verb) + 1 + width(place) > room);
    if !squeezed {
        let verb = fit(&verb, room);
        used = width(&verb);
        line = line.with(if matches!(worker.state, State::Failed(_)) { Tone::Bad } else { text }, &verb);
    }
    if let Some(place) = place {
        let gap = usize::from(used > 0);
        let space = room.saturating_sub(used + gap);
        // A path of a few letters says nothing.
        if space >= 6.min(width(&place)) {
            let place = fit_path(&place, space);
            used += width(&place) + gap;
            line = line.with(Tone::Plain, &" ".repeat(gap)).with(if quiet { Tone::Dim } else { Tone::Place }, &place);
        }
    }
    if right > 0 {
        line = line.with(Tone::Plain, &" ".repeat(left.saturating_sub(right).saturating_sub(used)));
        if let Some(pace) = pace {
            let pad = pace_width - width(&pace).min(pace_width);
            line = line.with(Tone::Plain, &" ".repeat(pad + 1)).with(Tone::Plain, &pace);
        }
        if name_width > 0 {
            line = line.with(Tone::Plain, "  ").with(Tone::Dim, &fit(name, name_width));
        }
    }
    line.cut(columns)
}

/// What a worker does, and at which file.
fn doing(model: &Model, worker: &Worker, now: i64) -> (String, Option<String>) {
    let file = || {
        worker.file.clone().or_else(|| match worker.owns.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            [first, more @ ..] => Some(format!("{first} +{}", more.len())),
        })
    };
    let again =
        if worker.attempt > 1 && worker.mends == 0 { format!(", attempt {}", worker.attempt) } else { String::new() };
    match &worker.state {
        State::Waiting => match model.lacks(worker).as_slice() {
            [] => ("waiting".to_owned(), None),
            ids => (format!("waiting for {}", ids.join(", ")), None),
        },
        State::Thinking(since) => {
            let verb = if worker.mends > 0 { format!("mending {}", worker.mends) } else { "thinking".to_owned() };
            let waited = u64::try_from(now - since).unwrap_or(0);
            (format!("{verb} {}{again}", clock(waited)), None)
        }
        State::Writing if worker.id == "reviewer" => ("reviewing".to_owned(), None),
        State::Writing if worker.mends > 0 => (format!("mending {}", worker.mends), file()),
        State::Writing => (format!("writing{again}"), file()),
        State::Done => ("done".to_owned(), file()),
        State::Failed(reason) => (format!("failed: {reason}"), None),
        State::Again(reason) => (format!("asked again: {reason}"), None),
    }
}
