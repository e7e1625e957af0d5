//! `make converge`: cases with a simulated programmer, played with the real `et`, with a naive client, and with parts of the daemon left out.
//!
//! Every case is drawn by a seed, which is printed. It ends with exit code 1 if a case that can be mended isn't green, if one that can't is, or
//! if a total misses its goal.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

mod args;
mod baseline;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use args::{Args, Only};
use table::{Played, Totals};
use tests::env::tool;
use tests::sim::case::{Case, Whole, draw};
use tests::sim::projects;
use tests::sim::run::{Measured, Options, with_et};

/// Parts of the daemon that can be left out.
const PARTS: [&str; 5] = ["ownership", "attribution", "keep-best", "edits", "quick-looks"];
/// Cases that are played at the same time.
const AT_ONCE: usize = 2;
/// Every how many cases one is played without each part.
const ABLATED: usize = 4;

fn main() -> ExitCode {
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let cases = cases(&args);
    println!("seed {}, {} cases", args.seed, cases.len());
    if cases.is_empty() {
        eprintln!("no such case");
        return ExitCode::from(2);
    }
    println!("{}", Played::head());
    let baseline = args.only != Only::Et && args.only != Only::Ablations;
    let et = args.only != Only::Baseline;
    let dump = args.case.is_some().then(|| std::env::temp_dir().join(format!("converge-{}", args.seed)));
    let played = play(&cases, |case| {
        let options = Options { without: args.without.as_deref(), dump: dump.as_deref() };
        let played = Played {
            case: case.clone(),
            et: et.then(|| safely(|| with_et(case, options))),
            baseline: baseline.then(|| {
                let dir = dump.as_ref().map(|dir| dir.join("baseline"));
                safely(|| baseline::play(case, dir.as_deref()))
            }),
        };
        println!("{played}");
        played
    });
    if let Some(dir) = dump {
        println!("all requests are in {}", dir.display());
    }
    let totals = Totals::of(&played);
    print!("{totals}");
    if args.only == Only::Ablations || (args.only == Only::All && args.case.is_none() && !args.slice) {
        ablations(&args, &played);
    }
    let missed = totals.missed();
    for miss in &missed {
        println!("MISSED: {miss}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The cases that are asked for, on the projects whose tools are there.
fn cases(args: &Args) -> Vec<Case> {
    let mut cases = Vec::new();
    for project in projects::all() {
        if args.project.as_deref().is_some_and(|name| name != project.name) {
            continue;
        }
        if let Some(missing) = project.tools.iter().find(|name| tool(name).is_none()) {
            println!("NOT RUN: {} needs {missing}", project.name);
            continue;
        }
        let project = Arc::new(project);
        let mut drawn = draw(&project, args.cases, args.seed);
        if args.slice {
            drawn.truncate(3);
        }
        cases.extend(drawn);
    }
    if let Some(name) = &args.case {
        cases.retain(|case| case.name == *name || case.name.contains(name.as_str()));
        cases.truncate(1);
    }
    cases
}

/// Plays cases, some at the same time; the results stand in the order of the cases.
fn play<T: Send>(cases: &[Case], how: impl Fn(&Case) -> T + Sync) -> Vec<T> {
    let next = Mutex::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        *next += 1;
                        *next - 1
                    };
                    let Some(case) = cases.get(index) else { return };
                    let result = how(case);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A case that fails by panicking is a red one.
fn safely(play: impl FnOnce() -> Measured) -> Measured {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|why| {
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().to_owned();
        Measured { outcome: format!("panicked: {first}"), ..Measured::default() }
    })
}

/// The same cases with one part left out at a time, some of them only.
fn ablations(args: &Args, played: &[Played]) {
    // Some of them, and all in which a model meddles or makes it worse: who keeps what is good shows there.
    let telling = |case: &Case| case.whole.contains(&Whole::Meddling) || !case.fixable();
    let (all, rest): (Vec<&Played>, Vec<&Played>) =
        played.iter().filter(|one| one.et.is_some()).partition(|one| telling(&one.case));
    let some: Vec<&Played> = rest.into_iter().step_by(ABLATED).chain(all).collect();
    let cases: Vec<Case> = some.iter().map(|one| one.case.clone()).collect();
    let whole: Vec<Measured> = some.iter().filter_map(|one| one.et.clone()).collect();
    println!("\nWithout single parts, on {} of the cases:\n{}", cases.len(), table::ablation_head());
    println!("{}", table::ablation("nothing", &cases, &whole));
    for part in PARTS {
        if args.without.as_deref().is_some_and(|only| only != part) {
            continue;
        }
        let options = Options { without: Some(part), dump: None };
        let without = play(&cases, |case| {
            let measured = safely(|| with_et(case, options));
            eprint!(".");
            measured
        });
        eprintln!();
        println!("{}", table::ablation(part, &cases, &without));
    }
}
