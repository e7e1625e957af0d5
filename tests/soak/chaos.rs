//! What happens to them meanwhile: providers fail, clients and daemons are killed, the disk of the state dir fills up.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tests::env::Env;
use tests::model::{Fault, Model, RetryAfter};
use tests::sim::case::Dice;
use tests::torture::Process;

/// Between two things that happen.
const PACE: Duration = Duration::from_millis(250);
/// Between two deaths of the daemon, or two moments with a full disk.
const REST: Duration = Duration::from_secs(8);
/// How long the disk is full.
const FULL: Duration = Duration::from_millis(1500);

/// Clients that watch, and may be killed.
#[derive(Default)]
pub(crate) struct Clients(Mutex<Vec<Process>>);

impl Clients {
    fn lock(&self) -> MutexGuard<'_, Vec<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, pid: u32) {
        self.lock().extend(Process::of(pid));
    }

    /// Kills one of them. Whether it was still there.
    fn strike(&self, dice: &mut Dice) -> bool {
        let mut all = self.lock();
        all.retain(Process::is_alive);
        if all.is_empty() {
            return false;
        }
        let at = dice.below(all.len());
        all.swap_remove(at).kill()
    }
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    pub(crate) faults: usize,
    pub(crate) clients: usize,
    pub(crate) daemons: usize,
    pub(crate) full: usize,
}

pub(crate) struct Chaos<'a> {
    pub(crate) env: &'a Env,
    pub(crate) model: &'a Model,
    pub(crate) clients: &'a Clients,
    /// A small disk of its own, if there is one.
    pub(crate) small_disk: bool,
    /// Nobody dies and no disk fills up any more after this.
    pub(crate) calm: Instant,
    pub(crate) until: Instant,
}

impl Chaos<'_> {
    pub(crate) fn rage(&self, seed: u64) -> Happened {
        let mut dice = Dice::new(seed, "chaos");
        let mut happened = Happened::default();
        let mut rested = Instant::now() + REST;
        while Instant::now() < self.until {
            std::thread::sleep(PACE);
            let calm = Instant::now() >= self.calm;
            match dice.below(10) {
                0..=5 => {
                    self.model.fail(["work", "work", "plan", "fix"][dice.below(4)], fault(&mut dice));
                    happened.faults += 1;
                }
                6 | 7 => happened.clients += usize::from(self.clients.strike(&mut dice)),
                _ if calm || Instant::now() < rested => {}
                8 => {
                    happened.daemons += usize::from(self.kill_daemon());
                    rested = Instant::now() + REST;
                }
                _ if self.small_disk => {
                    self.fill();
                    happened.full += 1;
                    rested = Instant::now() + REST;
                }
                _ => {}
            }
        }
        happened
    }

    fn kill_daemon(&self) -> bool {
        self.env.daemon_pid().and_then(Process::of).is_some_and(|daemon| daemon.kill())
    }

    /// Takes all that is left of the disk, for a moment.
    fn fill(&self) {
        let path: PathBuf = self.env.state_dir().join("ballast");
        if let Ok(mut file) = fs::File::create(&path) {
            let block = vec![0; 1 << 20];
            while file.write_all(&block).is_ok() {}
            for byte in block.iter().take(4096) {
                if file.write_all(std::slice::from_ref(byte)).is_err() {
                    break;
                }
            }
        }
        std::thread::sleep(FULL);
        let _ = fs::remove_file(path);
    }
}

fn fault(dice: &mut Dice) -> Fault {
    match dice.below(11) {
        0 => Fault::Status(500),
        1 => Fault::Status(503),
        2 => Fault::RateLimited(RetryAfter::Seconds(1)),
        3 => Fault::RateLimited(RetryAfter::Unsaid),
        4 => Fault::HangUp,
        5 => Fault::Cut,
        6 => Fault::Malformed,
        7 => Fault::ErrorInStream,
        8 => Fault::LengthCut,
        9 => Fault::Empty,
        _ => Fault::LateHeaders(Duration::from_secs(1)),
    }
}
