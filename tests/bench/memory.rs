//! Memory of the daemon: idle, and with many sessions that stream.

use std::time::{Duration, Instant};

use tests::env::{Env, poll};
use tests::model::Model;

use crate::beyond::eight;
use crate::table::Table;
use crate::ticker::Ticker;

/// Sessions at once, of eight workers each.
const SESSIONS: usize = 50;
/// Providers that share them: each takes a limited number of calls at once.
const PROVIDERS: usize = 10;
/// Between two chunks of a worker.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long they stream before memory is looked at.
const LENGTH: Duration = Duration::from_secs(5);

pub(crate) fn measure(table: &mut Table) {
    let env = Env::new();
    let model = Model::start(eight());
    let ticker = Ticker::start(Instant::now(), INTERVAL);
    ticker.config(&env, &model, PROVIDERS);
    env.et(["session", "list"]).run().assert_ok();
    table.row("memory of the daemon, idle", resident(&env), "< 20 MB");
    for number in 1..=SESSIONS {
        let dir = format!("s{number}");
        env.et(["session", "spawn", "--no-synthesize", "--output-dir", &dir, "eight parts"]).run().assert_ok();
    }
    let all = SESSIONS * 8;
    let streaming = poll(Duration::from_secs(30), || ticker.open() == all);
    assert!(streaming, "{} workers of {all} stream", ticker.open());
    std::thread::sleep(LENGTH);
    table.row("memory of the daemon, 50 sessions of 8 streaming workers", resident(&env), "< 150 MB");
    ticker.finish();
    env.et(["daemon", "stop"]).run().assert_ok();
}

/// Resident memory of the daemon, and its share of it.
fn resident(env: &Env) -> String {
    let pid = env.daemon_pid().expect("a daemon runs");
    // The daemon keeps its memory private: where that shuts out even its own user, there is the number that everybody may read.
    let megabytes = |text: &str, field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        let kilobytes: f64 = line.trim_start_matches(':').trim().split(' ').next()?.parse().ok()?;
        Some(kilobytes * 1024.0 / 1e6)
    };
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let rollup = read("smaps_rollup");
    match (megabytes(&rollup, "Rss"), megabytes(&rollup, "Pss")) {
        (Some(rss), Some(pss)) => format!("{rss:.1} MB (own share {pss:.1} MB)"),
        _ => format!("{:.1} MB", megabytes(&read("status"), "VmRSS").expect("the memory of a running process")),
    }
}
