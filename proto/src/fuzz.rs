//! Drives the fuzz targets of every crate here; only in tests (feature `fuzz`).
//!
//! A target is a closure that panics when something doesn't hold. It gets one input after the other for `FUZZ_SECONDS` (a moment where that
//! isn't set, so that every test run holds the targets themselves). An input that breaks it is saved in `FUZZ_DIR` (the temporary dir where
//! that isn't set), and `FUZZ_REPLAY=file` runs it again.
#![allow(clippy::unwrap_used, reason = "a harness for tests fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use fastrand::Rng;

/// Where no time is set.
const MOMENT: Duration = Duration::from_millis(500);
/// Time that one input may take. An honest one takes milliseconds; the rest is for a build without optimisation.
const SLOW: Duration = Duration::from_secs(10);
/// Changes to a seed until it is an input, at most.
const CHANGES: usize = 8;

/// Where a target is found again.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The path of its test within the crate.
    pub name: &'a str,
    /// The command that runs that crate's tests.
    pub command: &'a str,
}

impl Target<'_> {
    /// Hands `hold` what `make` makes, until the time is over. What isn't UTF-8 is no business of a target that reads text: see [`Texts`].
    ///
    /// # Panics
    ///
    /// At the first input that `hold` panics at, or that takes it ten seconds twice in a row (once may be the machine); the message names the
    /// file with the input.
    pub fn run(self, mut make: impl FnMut(&mut Rng) -> Vec<u8>, hold: impl Fn(&[u8])) {
        if let Some(file) = std::env::var_os("FUZZ_REPLAY") {
            return self.once(&std::fs::read(file).unwrap(), &hold);
        }
        let time =
            std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).map_or(MOMENT, Duration::from_secs);
        let seed = fastrand::u64(..);
        let mut random = Rng::with_seed(seed);
        let start = Instant::now();
        let mut count = 0_u64;
        while start.elapsed() < time {
            self.once(&make(&mut random), &hold);
            count += 1;
        }
        println!("{}: {count} inputs in {:?}, seed {seed}, no finding", self.name, start.elapsed());
    }

    fn once(self, input: &[u8], hold: &impl Fn(&[u8])) {
        let Some(why) = broken(|| hold(input)) else { return };
        let dir = std::env::var_os("FUZZ_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let file = dir.join(format!("{}-{}", self.name.replace("::", "-"), std::process::id()));
        std::fs::write(&file, input).unwrap();
        panic!("{why}\nreplay: FUZZ_REPLAY={} {} {}", file.display(), self.command, self.name);
    }
}

/// What is wrong with `run`: it panics, or it is slow.
pub fn broken(run: impl Fn()) -> Option<String> {
    let timed = || {
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(&run));
        result.map(|()| start.elapsed()).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        })
    };
    match timed() {
        Ok(took) if took < SLOW => None,
        // A machine that has much else to do makes anything slow, once.
        Ok(_) => timed().map_or_else(Some, |took| (took >= SLOW).then(|| format!("it takes {took:?}"))),
        Err(panic) => Some(panic),
    }
}

/// Makes texts from seeds by cutting, doubling, swapping and splicing.
#[derive(Clone, Debug)]
pub struct Texts {
    /// True texts of the format. There is at least one.
    pub seeds: Vec<String>,
    /// What the format is made of.
    pub tokens: &'static [&'static str],
    /// Longest text that is made, in bytes.
    pub longest: usize,
}

impl Texts {
    /// The next text.
    ///
    /// # Panics
    ///
    /// Where there are no seeds or no tokens.
    pub fn next(&self, random: &mut Rng) -> String {
        let mut text = self.seeds[random.usize(0..self.seeds.len())].clone();
        for _ in 0..random.usize(1..=CHANGES) {
            let (from, to) = range(&text, random);
            let at = place(&text, random);
            let token = self.tokens[random.usize(0..self.tokens.len())];
            match random.u8(0..8) {
                0 => text.replace_range(from..to, ""),
                1 => text.truncate(at),
                2 => {
                    let piece = text[from..to].to_owned();
                    text.insert_str(at, &piece);
                }
                3 => {
                    let to = to.min(text.floor_char_boundary(from + 200));
                    let piece = text[from..to].repeat(random.usize(2..=20));
                    text.insert_str(at, &piece);
                }
                4 => {
                    let other = &self.seeds[random.usize(0..self.seeds.len())];
                    let (from, to) = range(other, random);
                    text.insert_str(at, &other[from..to]);
                }
                5 => text.insert_str(at, token),
                6 => text.insert(at, char::from(random.u8(0..128))),
                _ => text.replace_range(from..to, token),
            }
        }
        text.truncate(text.floor_char_boundary(self.longest));
        text
    }
}

fn place(text: &str, random: &mut Rng) -> usize {
    text.floor_char_boundary(random.usize(0..=text.len()))
}

fn range(text: &str, random: &mut Rng) -> (usize, usize) {
    let (a, b) = (place(text, random), place(text, random));
    (a.min(b), a.max(b).min(text.floor_char_boundary(a.min(b) + 2_000)))
}
