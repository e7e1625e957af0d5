//! `make torture`: kills of real processes, at named points and at random, until there were enough of them.
//!
//! Scenarios and kills are drawn by a seed, which is printed. Each scenario is played once undisturbed and several times with kills. It
//! ends with exit code 1 if anything that was promised didn't hold; every failure says how to play it again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness for tests fails by panicking")]

mod args;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use args::Args;
use tests::sim::case::Dice;
use tests::torture::{Fault, Kills, POINTS, Played, SLOW_CHECK, Scenario, When, play};

/// Plays with kills of each scenario.
const PLAYS: usize = 3;
/// Every how many scenarios a build is killed.
const BUILDS: usize = 3;
/// Kills between two lines.
const LINE: usize = 50;

/// What came of all plays.
#[derive(Default)]
struct Totals {
    next: usize,
    scenarios: usize,
    plays: usize,
    points: BTreeMap<String, usize>,
    strikes: [usize; 3],
    repeated: usize,
    given_up: usize,
    faults: BTreeMap<Fault, usize>,
    said: usize,
}

impl Totals {
    fn kills(&self) -> usize {
        self.points.values().sum::<usize>() + self.strikes.iter().sum::<usize>()
    }

    fn add(&mut self, played: &Played) {
        self.plays += 1;
        self.repeated += played.repeated;
        self.given_up += played.given_up;
        for point in &played.points {
            *self.points.entry(point.clone()).or_default() += 1;
        }
        for (sum, more) in self.strikes.iter_mut().zip(played.strikes) {
            *sum += more;
        }
        for finding in &played.findings {
            *self.faults.entry(finding.fault).or_default() += 1;
        }
    }
}

fn main() -> ExitCode {
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}", args.seed);
    let began = Instant::now();
    let totals = Mutex::new(Totals::default());
    let lock = || totals.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..if args.scenario.is_some() { 1 } else { args.at_once } {
            scope.spawn(|| {
                loop {
                    let number = {
                        let mut totals = lock();
                        let enough = match args.scenario {
                            Some(_) => totals.next > 0,
                            None => totals.kills() >= args.kills,
                        };
                        if enough {
                            return;
                        }
                        totals.next += 1;
                        args.scenario.unwrap_or(totals.next)
                    };
                    one(&args, number, |played| {
                        let mut totals = lock();
                        totals.add(played);
                        if totals.kills() / LINE > totals.said {
                            totals.said = totals.kills() / LINE;
                            let found: usize = totals.faults.values().sum();
                            println!(
                                "{:>5} kills in {} plays, {} s, {found} findings",
                                totals.kills(),
                                totals.plays,
                                began.elapsed().as_secs()
                            );
                        }
                    });
                    lock().scenarios += 1;
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(&totals, began);
    if totals.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One scenario: undisturbed, then with kills.
fn one(args: &Args, number: usize, mut then: impl FnMut(&Played)) {
    let scenario = Scenario::draw(args.seed, number);
    if args.scenario.is_some() {
        println!("{scenario:#?}");
    }
    let expected = play(&scenario, &Kills::default(), None);
    say(args, &scenario, "undisturbed", &expected);
    then(&expected);
    if !expected.findings.is_empty() {
        return;
    }
    let mut dice = Dice::new(args.seed, &format!("kills {number}"));
    for _ in 0..PLAYS {
        let kills = Kills::draw(&scenario, &mut dice, expected.shown);
        let played = play(&scenario, &kills, Some(&expected));
        say(args, &scenario, &kills.to_string(), &played);
        then(&played);
    }
    if scenario.has(When::Check) && dice.below(BUILDS) == 0 {
        // It may end otherwise then, and says so truly.
        let slow = Scenario { command: SLOW_CHECK, ..scenario };
        let kills = Kills::build(&mut dice);
        let played = play(&slow, &kills, None);
        say(args, &slow, &kills.to_string(), &played);
        then(&played);
    }
}

fn say(args: &Args, scenario: &Scenario, how: &str, played: &Played) {
    if args.scenario.is_some() {
        println!(
            "{how}: {} kills, {} calls again, {} ms; hit {:?}",
            played.kills(),
            played.repeated,
            played.took.as_millis(),
            played.points
        );
    }
    for finding in &played.findings {
        println!("{:?}: {}\n  {}; with {how}", finding.fault, finding.text, scenario.name);
    }
    if !played.findings.is_empty() {
        let path = std::env::temp_dir().join(format!("torture{}.log", scenario.name.replace(' ', "")));
        match std::fs::write(&path, &played.told) {
            Ok(()) => println!("  the daemon's log and the calls are in {}", path.display()),
            Err(error) => println!("{}: {error}\n{}", path.display(), played.told),
        }
    }
}

fn tell(totals: &Totals, began: Instant) {
    let [daemons, clients, builds] = totals.strikes;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "\n{} kills ({} at named points, {daemons} of daemons, {clients} of clients, {builds} of builds whenever) in {} plays of {} scenarios, {seconds:.0} s, {:.2} s each",
        totals.kills(),
        totals.points.values().sum::<usize>(),
        totals.plays,
        totals.scenarios,
        seconds / totals.kills().max(1) as f64
    );
    let hit = POINTS.iter().filter(|(name, _)| totals.points.contains_key(*name)).count();
    println!("points hit: {hit} of {}", POINTS.len());
    for (name, _) in POINTS {
        println!("  {:>5} {name}", totals.points.get(*name).copied().unwrap_or(0));
    }
    println!("calls in flight that were sent again: {}", totals.repeated);
    println!("rounds given up after three deaths without a step: {}", totals.given_up);
    for (fault, words) in [
        (Fault::Lost, "lost acknowledgements"),
        (Fault::Repeated, "repeated purchases"),
        (Fault::Orphan, "orphans"),
        (Fault::Temporary, "temporary files"),
        (Fault::Tree, "unequal trees"),
        (Fault::Log, "broken logs"),
        (Fault::End, "other ends"),
    ] {
        println!("{words}: {}", totals.faults.get(&fault).copied().unwrap_or(0));
    }
}
