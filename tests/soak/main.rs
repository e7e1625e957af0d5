//! `make soak`: a hundred sessions of eight workers each, for ten minutes, while providers fail, clients and daemons are killed and the disk of
//! the state dir fills up now and then.
//!
//! What happens is drawn by a seed, which is printed. It ends with exit code 1 if a round ended otherwise than is said, if a log has gaps, if a
//! process or a temporary file is left, or if memory or descriptors of the daemon don't come back to where they began.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness for tests fails by panicking")]

mod args;
mod chaos;
mod crew;
mod driver;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use args::Args;
use chaos::{Chaos, Clients};
use crew::Crew;
use driver::{Driver, Tally};
use tests::env::{Config, Env, poll};
use tests::model::{Model, Wire};
use tests::torture::audit;

/// Providers that share the load: each takes a limited number of calls at once.
const PROVIDERS: usize = 20;
/// The size of the disk of the state dir.
const DISK: &str = "512m";
/// Set in the process that has mounts of its own.
const INSIDE: &str = "ET_SOAK_INSIDE";
/// The share of the time in which nobody dies, at its end.
const CALM: f64 = 0.3;
/// How long a daemon may take until it is at rest.
const RESTING: Duration = Duration::from_secs(200);
/// Descriptors that may be open beside those of a new daemon. SQLite keeps those of connections that were closed as long as the process has
/// another one to that file, for the next that is opened: one for each query that may run at once.
const SPARE: usize = 16;
/// What memory may have grown to, beside that of a daemon that has just begun: pages of which a part is free are no leak.
const KEPT_BYTES: u64 = 32 << 20;

fn main() -> ExitCode {
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os(INSIDE).is_none() {
        own_mounts();
    }
    println!("seed {}", args.seed);
    let env = Env::new();
    let small_disk = mount(&env);
    if !small_disk {
        println!("NOT RUN: moments with a full disk, since nothing can be mounted here");
    }
    let model = Model::start_with(Arc::new(Crew));
    configure(&env, &model);
    env.et(["daemon", "start"]).run().assert_ok();
    let begun = env.daemon_pid().map_or((0, 0), usage);
    let (clients, tally) = (Clients::default(), Mutex::new(Tally::default()));
    let began = Instant::now();
    let until = began + args.length;
    let happened = std::thread::scope(|scope| {
        for number in 1..=args.sessions {
            let driver = Driver { env: &env, clients: &clients, tally: &tally, until };
            scope.spawn(move || driver.drive(args.seed, number, args.sessions));
        }
        scope.spawn(|| watch(&env, &tally, began, until));
        let calm = began + args.length.mul_f64(1.0 - CALM);
        let chaos = Chaos { env: &env, model: &model, clients: &clients, small_disk, calm, until };
        scope.spawn(move || chaos.rage(args.seed)).join().expect("what happens")
    });
    let end = rest(&env, begun.1);
    env.et(["daemon", "restart"]).run().assert_ok();
    let fresh = rest(&env, begun.1);
    env.et(["daemon", "stop"]).run().assert_ok();
    let findings = audit(&env);
    unmount(&env);
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{} s, {happened:?}", began.elapsed().as_secs());
    println!("rounds by outcome: {:?}", tally.outcomes);
    println!("calls: {}; commands that were repeated, by exit code: {:?}", model.count("*"), tally.again);
    println!("not true: {}", tally.lies.len());
    for finding in &findings {
        println!("{:?}: {}", finding.fault, finding.text);
    }
    println!(
        "memory of the daemon that lived through the end: {} MiB; of a new one: {} MiB",
        end.0 >> 20,
        fresh.0 >> 20
    );
    println!("descriptors of the daemon that lived through the end: {}; of a new one: {}", end.1, fresh.1);
    let grown = end.0 > fresh.0 + KEPT_BYTES || end.1 > begun.1.max(fresh.1) + SPARE;
    if tally.lies.is_empty() && findings.is_empty() && !grown { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Starts this program again with mounts that nobody else sees. Goes on if that isn't to be had.
fn own_mounts() {
    let Ok(program) = std::env::current_exe() else { return };
    let flags = if nix::unistd::getuid().is_root() { "-m" } else { "-rm" };
    let works = Command::new("unshare").args([flags, "true"]).output().is_ok_and(|out| out.status.success());
    if works {
        let error =
            Command::new("unshare").arg(flags).arg(program).args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
        println!("no mounts of its own: {error}");
    }
}

/// Gives the state dir a small disk of its own.
fn mount(env: &Env) -> bool {
    if std::env::var_os(INSIDE).is_none() {
        return false;
    }
    let options = format!("size={DISK},mode=700");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(env.state_dir()).output();
    mounted.is_ok_and(|out| out.status.success())
}

fn unmount(env: &Env) {
    // Its mounts end with this process anyway.
    let _ = Command::new("umount").arg(env.state_dir()).output();
}

fn configure(env: &Env, model: &Model) {
    let names: Vec<String> = (0..PROVIDERS).map(|number| format!("p{number}")).collect();
    let mut config = Config::one(model, Wire::OpenAi);
    for name in &names {
        config = config.provider(name, Wire::OpenAi, &model.base_url(Wire::OpenAi)).model(name, name, "crew");
    }
    let all = || names.iter().map(String::as_str);
    env.write_config(&config.role("mayor", all(), []).role("polecat", all(), []));
}

/// Says now and then how it goes.
fn watch(env: &Env, tally: &Mutex<Tally>, began: Instant, until: Instant) {
    while Instant::now() < until {
        std::thread::sleep(Duration::from_secs(15).min(until.saturating_duration_since(Instant::now())));
        let (memory, open) = env.daemon_pid().map_or((0, 0), usage);
        let outcomes: BTreeMap<String, usize> = tally.lock().unwrap_or_else(PoisonError::into_inner).outcomes.clone();
        println!(
            "{:>4} s: {} rounds, daemon {} MiB, {open} descriptors",
            began.elapsed().as_secs(),
            outcomes.values().sum::<usize>(),
            memory >> 20
        );
    }
}

/// Bytes of a process's own memory (what it reads from files isn't counted: that is its program, more of it after more work) and its open
/// descriptors.
fn usage(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0);
    (kilobytes << 10, fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count))
}

/// Memory and descriptors of the daemon when nothing is under way any more. Connections to providers are kept for a while in case that they
/// are wanted again: it is waited until no more than `open` descriptors are left.
fn rest(env: &Env, open: usize) -> (u64, usize) {
    let now = || env.daemon_pid().map_or((0, 0), usage);
    let _ = poll(RESTING, || now().1 <= open + SPARE);
    now()
}
