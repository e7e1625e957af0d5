//! What a run takes beyond its model calls and checks, and how well eight workers run side by side.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::event::Event;
use tests::env::{Env, Output};
use tests::model::{Kind, Model, Record, Story, Sub};

use crate::table::{Table, millis};

/// Runs of which the middle one counts.
const RUNS: usize = 5;
/// Workers of each run.
const WORKERS: usize = 8;

pub(crate) fn measure(table: &mut Table) {
    let mut spent: Vec<Spent> = (0..RUNS).map(|_| one_run()).collect();
    spent.sort_by_key(Spent::total);
    let middle = &spent[RUNS / 2];
    let parts = [middle.before, middle.between, middle.after].map(|part| format!("{:.0}", part.as_secs_f64() * 1000.0));
    table.row(
        "a run beyond its model calls and checks, 8 workers",
        format!("{} ({} before, between, after)", millis(middle.total()), parts.join(" + ")),
        "< 50 ms",
    );
    let mut ratios = [side_by_side(), side_by_side(), side_by_side()];
    ratios.sort_by(f64::total_cmp);
    table.row("worker phase / slowest of 8 workers that stream 2 s", format!("{:.3}", ratios[1]), "<= 1.25");
}

/// Eight subtasks with a file each.
pub(crate) fn eight() -> Story {
    let id = |number: usize| format!("part{number}");
    let subs = (1..=WORKERS).map(|number| {
        Sub::new(&id(number), &format!("Write part {number}")).owns([format!("part{number}.txt").as_str()])
    });
    let story = Story::new().plan(subs.collect::<Vec<_>>()).contract("text", "", []);
    (1..=WORKERS).fold(story, |story, number| {
        let content = format!("The content of part {number}.\n").repeat(40);
        story.file(&id(number), &format!("part{number}.txt"), &content)
    })
}

/// Time in which neither a model nor a check was at work.
struct Spent {
    before: Duration,
    between: Duration,
    after: Duration,
}

impl Spent {
    fn total(&self) -> Duration {
        self.before + self.between + self.after
    }
}

fn one_run() -> Spent {
    let mut story = eight().takes("plan", Duration::from_millis(500)).takes("synthesis", Duration::from_millis(300));
    for number in 1..=WORKERS {
        story = story.takes(&format!("work/part{number}"), Duration::from_millis(600 + 100 * number as u64));
    }
    let env = Env::new();
    let epoch = since_1970();
    let model = Model::start(story);
    env.config(&model);
    env.et(["daemon", "start"]).run().assert_ok();
    let begun = since_1970();
    let clock = Instant::now();
    let output = env.et(["run", "--json", "--iterate", "--check", "true", "--output-dir", ".", "eight parts"]).run();
    let wall = clock.elapsed();
    output.assert_ok();
    let mut busy: Vec<(Duration, Duration)> =
        model.records().iter().filter_map(|record| Some((epoch + record.at, epoch + record.ended?))).collect();
    busy.extend(checks(&output));
    gaps(begun, begun + wall, busy)
}

/// When checks ran.
fn checks(output: &Output) -> Vec<(Duration, Duration)> {
    let mut checks = Vec::new();
    for line in output.events() {
        if let Event::CheckFinished { duration_ms, .. } = line.event {
            let at = line.at.parse::<Stamp>().expect("a time").0;
            checks.push((at.saturating_sub(Duration::from_millis(duration_ms)), at));
        }
    }
    assert!(!checks.is_empty(), "no check ran\n{output}");
    checks
}

/// A point in time of today, as time since 1970.
struct Stamp(Duration);

impl std::str::FromStr for Stamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no time: {text}");
        let (_, time) = text.trim_end_matches('Z').split_once('T').ok_or_else(wrong)?;
        let parts: Vec<f64> = time.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [hours, minutes, seconds] = parts[..] else { return Err(wrong()) };
        // The day is today, or yesterday just after midnight.
        let now = since_1970();
        let day = Duration::from_secs(now.as_secs() / 86_400 * 86_400);
        let at = day + Duration::from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds);
        Ok(Self(if at > now + Duration::from_secs(3600) { at.saturating_sub(Duration::from_secs(86_400)) } else { at }))
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970")
}

/// The time between `begin` and `end` that no interval covers.
fn gaps(begin: Duration, end: Duration, mut busy: Vec<(Duration, Duration)>) -> Spent {
    busy.sort_unstable();
    let first = busy.first().expect("a model was asked").0;
    let mut spent = Spent { before: first.saturating_sub(begin), between: Duration::ZERO, after: Duration::ZERO };
    let mut covered = first;
    for (from, to) in busy {
        spent.between += from.saturating_sub(covered);
        covered = covered.max(to);
    }
    spent.after = end.saturating_sub(covered);
    spent
}

fn side_by_side() -> f64 {
    let env = Env::new();
    let model = Model::start(eight().takes("work", Duration::from_secs(2)));
    env.config(&model);
    env.et(["run", "--json", "--no-synthesize", "--output-dir", ".", "eight parts"]).run().assert_ok();
    let work: Vec<Record> = model.records().into_iter().filter(|record| record.kind == Kind::Work).collect();
    assert_eq!(work.len(), WORKERS, "workers were asked\n{}", model.summary());
    let ended = |record: &Record| record.ended.expect("an answer that ended");
    let slowest = work.iter().map(|record| ended(record) - record.at).max().expect("a worker");
    let begin = work.iter().map(|record| record.at).min().expect("a worker");
    let end = work.iter().map(ended).max().expect("a worker");
    (end - begin).as_secs_f64() / slowest.as_secs_f64()
}
