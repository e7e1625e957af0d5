//! A slice of `make converge`: a simulated programmer with mistakes, played with real `et` and real tools.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tests::env::require_tool;
use tests::require_tool;
use tests::sim::case::{Case, Format, Whole, draw};
use tests::sim::project::Project;
use tests::sim::projects;
use tests::sim::run::{Measured, Options, with_et};

/// Draws the cases that are always the same.
const SEED: u64 = 20_260_101;

fn project(name: &str) -> Arc<Project> {
    let found = projects::all().into_iter().find(|project| project.name == name);
    Arc::new(found.unwrap_or_else(|| panic!("no project {name}")))
}

#[track_caller]
fn green(case: &Case) -> Measured {
    let measured = with_et(case, Options::default());
    assert!(measured.green, "{} (seed {}): {}\n{}", case.name, case.seed, measured.outcome, measured.lacked.join("\n"));
    assert!(measured.honest, "{} (seed {}): the check isn't green", case.name, case.seed);
    assert_eq!(measured.unknown, 0, "{} (seed {}): requests that weren't understood", case.name, case.seed);
    measured
}

/// A case with one mistake of whole answers.
fn with(whole: Whole, format: Format) -> Case {
    let mut case = Case::new(project("python_pkg"), format, SEED);
    case.whole.push(whole);
    case.name.push_str(&format!("/{}", case.kinds()));
    case
}

/// The first cases of each project whose tools are there.
fn slice(seed: u64, each: usize) {
    for project in projects::all() {
        if !project.tools.iter().all(|name| require_tool(name)) {
            continue;
        }
        for case in draw(&Arc::new(project), each, seed).iter().take(each) {
            green(case);
        }
    }
}

#[test]
fn mistakes_are_mended() {
    slice(SEED, 1);
}

#[test]
fn mistakes_of_a_new_seed_are_mended() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    eprintln!("seed {seed}");
    require_tool!("python3");
    for case in draw(&project("python_pkg"), 1, seed).iter().take(1) {
        green(case);
    }
}

#[test]
fn an_answer_that_is_cut() {
    require_tool!("python3");
    let measured = green(&with(Whole::Truncated, Format::Asked));
    assert_eq!(measured.builds, 1, "it costs a call, not a build");
}

#[test]
fn no_code_in_one_answer_of_eight() {
    require_tool!("python3");
    green(&with(Whole::NoCodeRate(8), Format::Asked));
}

#[test]
fn app_before_every_path() {
    require_tool!("python3");
    let measured = green(&with(Whole::WrongPath, Format::FenceInfo));
    assert_eq!(measured.builds, 1, "no build is lost to it");
}

#[test]
fn what_cant_be_mended_isnt_green() {
    require_tool!("python3");
    let mut case = Case::new(project("python_pkg"), Format::Asked, SEED);
    case.faults.push(0);
    case.unfixable = Some(0);
    let measured = with_et(&case, Options::default());
    assert!(!measured.green, "{measured:?}");
    assert!(["no_progress", "check_failed"].contains(&measured.outcome.as_str()), "{measured:?}");
}
