//! `et` as a whole process: with a warm daemon, and with none.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::env::Env;

use crate::table::{Table, median, millis};

/// Pairs of a warm `et` and `/bin/true`.
const WARM: usize = 300;
/// Cold starts.
const COLD: usize = 20;

pub(crate) fn measure(table: &mut Table) {
    let env = Env::new();
    let list = || timed(&env, env.et_path(), &["session", "list"]);
    list();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..WARM {
        theirs.push(timed(&env, Path::new("/bin/true"), &[]));
        ours.push(list());
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    table.row(
        "`et session list`, warm daemon, against `/bin/true`",
        format!("{} / {} = {:.1}", millis(ours), millis(theirs), ours.as_secs_f64() / theirs.as_secs_f64()),
        "<= 3",
    );
    let mut cold: Vec<Duration> = (0..COLD)
        .map(|_| {
            env.et(["daemon", "stop"]).run().assert_ok();
            list()
        })
        .collect();
    table.row("`et session list`, no daemon yet", millis(median(&mut cold)), "< 150 ms");
}

/// How long a whole process takes.
pub(crate) fn timed(env: &Env, program: &Path, args: &[&str]) -> Duration {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.vars()).current_dir(env.work());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let clock = Instant::now();
    let status = command.status().expect("a process");
    let time = clock.elapsed();
    assert!(status.success(), "{} {args:?} ended with {status}", program.display());
    time
}
