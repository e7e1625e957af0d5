//! The table, and numbers for it.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Rows of measure, result, goal.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// Adds a row.
    pub(crate) fn row(&mut self, measure: &str, result: impl Into<String>, goal: &str) {
        self.rows.push([measure.to_owned(), result.into(), goal.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["measure", "result", "goal"].map(str::to_owned);
        let width = |column: usize| {
            let cells = std::iter::once(&head).chain(&self.rows).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2)];
        let line = |row: &[String; 3]| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        writeln!(f, "{}", line(&head))?;
        writeln!(f, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

/// The machine in one line.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let (os, flush) = (std::env::consts::OS, millis(flush()));
    format!("{cores} cores ({}), {os} {}, load {load}, disk flush {flush}", cpu.trim(), kernel.trim())
}

/// What it takes until a little more of a file is on disk. A run waits for that several times.
fn flush() -> Duration {
    let mut file = tempfile::tempfile_in("/tmp").expect("a file in /tmp");
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let clock = Instant::now();
            file.write_all(&[0; 8192]).and_then(|()| file.sync_data()).expect("a write");
            clock.elapsed()
        })
        .collect();
    median(&mut times)
}

/// In milliseconds, with a digit behind the point.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The value below which so many of 100 are. The values get sorted.
pub(crate) fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_unstable();
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// The value in the middle.
pub(crate) fn median(values: &mut [Duration]) -> Duration {
    percentile(values, 50)
}
