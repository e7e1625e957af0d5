//! From what a caller wants to what a child gets: probes the machine once, finds toolchains, makes the private dirs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::config::SandboxWish;
use proto::report::SandboxLevel;
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::confine::{Confinement, GUARDED, Limits, Parts, Profile, confinement};
use super::dirs::Own;
use super::places::{self, Places};
use super::probe::{self, Probe};
use super::{Children, Command, Ended, Output, RunError};

/// Longest time for a try of a level.
const TRY: Duration = Duration::from_secs(20);
/// Part of the machine's memory that what runs in one work dir may take, in quarters.
const MEMORY_QUARTERS: u64 = 3;

/// Where the daemon lives, as far as confinement needs to know.
#[derive(Debug)]
pub(super) struct Site {
    /// The program that confines: our own, also when an update has replaced the file.
    pub(super) helper: PathBuf,
    /// Where private dirs are made; never shown.
    state_dir: PathBuf,
    /// Other dirs that are never shown: that of the socket.
    secret: Vec<PathBuf>,
    /// What was found for good.
    probe: Mutex<Option<Probe>>,
    /// Whether what an earlier daemon left is gone.
    swept: OnceCell<()>,
    orders: Orders,
}

impl Site {
    pub(super) fn new(helper: PathBuf, state_dir: &Path, secret: Vec<PathBuf>) -> Self {
        let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
        let secret = secret.into_iter().map(real).collect();
        Self {
            helper,
            state_dir: real(state_dir.to_path_buf()),
            secret,
            probe: Mutex::default(),
            swept: OnceCell::new(),
            orders: Orders::from_hooks(),
        }
    }
}

/// What a test may demand.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    level: Option<SandboxLevel>,
    processes: Option<u32>,
    memory: Option<u64>,
}

impl Orders {
    /// From [`proto::hooks::SANDBOX`]: `partial`, or `full,procs=64,mem=256` (MiB). Nothing without the feature.
    fn from_hooks() -> Self {
        let mut orders = Self::default();
        let text = if cfg!(feature = "test-hooks") { std::env::var(proto::hooks::SANDBOX).ok() } else { None };
        for word in text.unwrap_or_default().split(',') {
            match word.split_once('=') {
                Some(("procs", number)) => orders.processes = number.parse().ok(),
                Some(("mem", number)) => orders.memory = number.parse::<u64>().ok().map(|mib| mib << 20),
                _ => {
                    orders.level = match word {
                        "full" => Some(SandboxLevel::Full),
                        "partial" => Some(SandboxLevel::Partial),
                        "none" => Some(SandboxLevel::None),
                        _ => orders.level,
                    }
                }
            }
        }
        orders
    }

    fn limits(self) -> Limits {
        let memory = total_memory().map_or(u64::MAX, |total| total / 4 * MEMORY_QUARTERS);
        Limits {
            processes: self.processes.unwrap_or(Limits::default().processes),
            memory: self.memory.unwrap_or(memory),
        }
    }
}

/// Bytes of memory of this machine.
fn total_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// What a caller wants confined.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What the configuration says.
    pub sandbox: SandboxWish,
    /// What for.
    pub profile: Profile,
    /// The work dir; for a [`Profile::Look`] it isn't shown.
    pub work_dir: Option<PathBuf>,
    /// The caller's variables, allow-listed.
    pub env: BTreeMap<String, String>,
    /// Dirs that must not be seen besides those of the daemon: the logs.
    pub secret: Vec<PathBuf>,
    /// Files outside the work dir that a person's command names.
    pub named: Vec<PathBuf>,
}

/// A confinement that is ready to be used, one command after the other.
#[derive(Clone, Debug)]
pub struct Jail {
    /// What each child is to get.
    pub confinement: Arc<Confinement>,
    /// Why it is less than what was wished for, if so: one sentence.
    pub note: Option<String>,
    own: Option<Own>,
    /// Guarded names that weren't there before.
    absent: Vec<PathBuf>,
}

impl Jail {
    /// No confinement; for what needs none, and where there is none.
    #[must_use]
    pub fn open(env: BTreeMap<String, String>) -> Self {
        let confinement = Arc::new(Confinement::none(env));
        Self { confinement, note: None, own: None, absent: Vec::new() }
    }

    /// How it is enforced.
    #[must_use]
    pub fn level(&self) -> SandboxLevel {
        self.confinement.level
    }

    /// What commands with it should be given as their environment.
    #[must_use]
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.confinement.env
    }

    /// Where fetched Python packages are.
    #[must_use]
    pub fn python_packages(&self) -> Option<PathBuf> {
        self.own
            .as_ref()
            .map(|own| own.cache("pydeps"))
            .filter(|dir| std::fs::read_dir(dir).is_ok_and(|mut dir| dir.next().is_some()))
    }

    pub(crate) fn own(&self) -> Option<&Own> {
        self.own.as_ref()
    }

    /// Empties the private dirs, and sets aside what was made at a guarded name of the work dir. Returns a sentence for each of those.
    /// Blocks.
    #[must_use]
    pub fn close(&self) -> Vec<String> {
        if let Some(own) = &self.own {
            own.clean();
        }
        self.absent.iter().filter_map(|path| set_aside(path)).collect()
    }
}

/// Whoever runs `git` or `et` there next would run or believe what the check wrote. Renamed and not removed: a person may have made it
/// in the meantime.
fn set_aside(path: &Path) -> Option<String> {
    path.symlink_metadata().ok()?;
    let mut name = path.file_name()?.to_os_string();
    name.push(".from-check");
    let mut aside = path.with_file_name(&name);
    for number in 2.. {
        if aside.symlink_metadata().is_err() {
            break;
        }
        let mut numbered = name.clone();
        numbered.push(format!(".{number}"));
        aside = path.with_file_name(numbered);
    }
    let shown = path.file_name()?.to_string_lossy().into_owned();
    let to = aside.file_name()?.to_string_lossy().into_owned();
    std::fs::rename(path, &aside).ok()?;
    Some(format!(
        "`{shown}` came to be while the check ran and was renamed to `{to}`: what it says would be run or believed."
    ))
}

/// What came of the try of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trial {
    Works,
    /// This machine doesn't have it.
    Refused(String),
    /// It may work the next time.
    Failed(String),
}

/// Words of the kernel for what passes.
const PASSING: &[&str] =
    &["temporarily unavailable", "Cannot allocate memory", "Too many open files", "No space left", "Interrupted"];

impl Trial {
    /// A machine that is busy, or short of processes or memory, isn't one without a sandbox.
    fn of(result: Result<Output, RunError>) -> Self {
        let told = |output: &Output| format!("a first try ended with {:?} {}", output.ended, output.stderr.trim());
        let why = match result {
            Ok(output) if output.ended == Ended::Code(0) => return Self::Works,
            Ok(output) if matches!(output.ended, Ended::TimedOut | Ended::Signal(_)) => {
                return Self::Failed(told(&output));
            }
            Ok(output) => told(&output),
            Err(error @ RunError::Spawn { .. }) => return Self::Failed(error.to_string()),
            Err(error) => error.to_string(),
        };
        if PASSING.iter().any(|word| why.contains(word)) { Self::Failed(why) } else { Self::Refused(why) }
    }
}

impl Children {
    /// The best level that this machine has, found by trying it; after the first time at once, unless a try failed for a reason that may
    /// pass: then the next call tries again.
    ///
    /// Cancel-safe. Needs a tokio runtime with I/O and time.
    pub async fn probe(&self) -> Probe {
        let Some(site) = &self.site else {
            return Probe::none("this program wasn't told how to confine what it starts");
        };
        let mut known = site.probe.lock().await;
        if let Some(probe) = &*known {
            return probe.clone();
        }
        let (probe, last) = Box::pin(self.try_levels(site)).await;
        if last {
            *known = Some(probe.clone());
        } else {
            tracing::warn!(why = probe.why(), "the sandbox is tried again before the next use");
        }
        probe
    }

    /// The best level, and whether another try would find the same.
    async fn try_levels(&self, site: &Site) -> (Probe, bool) {
        let forced = site.orders.level;
        let state_dir = site.state_dir.clone();
        // Nothing is confined before the first try.
        let sweep = || async { drop(tokio::task::spawn_blocking(move || super::dirs::sweep(&state_dir)).await) };
        site.swept.get_or_init(sweep).await;
        if !cfg!(target_os = "linux") {
            return (Probe::none("there is a sandbox for Linux only"), true);
        }
        let mut last = true;
        let mut found = Probe { level: SandboxLevel::None, why_not_full: None, why_not_partial: None };
        for level in [SandboxLevel::Full, SandboxLevel::Partial] {
            let why = match forced {
                Some(forced) if forced != level => Some("a test says so".to_owned()),
                _ => match self.try_level(site, level).await {
                    Trial::Works => None,
                    Trial::Refused(why) => Some(why),
                    Trial::Failed(why) => {
                        last = false;
                        Some(why)
                    }
                },
            };
            match (level, why) {
                (SandboxLevel::Full, Some(why)) => found.why_not_full = Some(why),
                (_, Some(why)) => found.why_not_partial = Some(why),
                (level, None) => return (Probe { level, ..found }, last),
            }
        }
        (found, last)
    }

    async fn try_level(&self, site: &Site, level: SandboxLevel) -> Trial {
        if level == SandboxLevel::Full && probe::bwrap().is_none() {
            return Trial::Refused("bubblewrap isn't installed (package `bubblewrap`)".to_owned());
        }
        let parts = Parts {
            level,
            profile: Profile::Look,
            work_dir: None,
            names: Vec::new(),
            own: None,
            toolchain: None,
            places: Places { path: "/usr/bin:/bin".to_owned(), ..Places::default() },
            env: BTreeMap::new(),
            secret: vec![site.state_dir.clone()],
            limits: Limits::default(),
        };
        let Some(confinement) = confinement(&parts) else {
            return Trial::Refused("the state dir lies where programs are".to_owned());
        };
        // The dirs of the system are there, the state dir isn't to be read.
        let script = "test -r /bin/sh && ! ls \"$1\" >/dev/null 2>&1";
        let argv = ["sh", "-c", script, "sh", &site.state_dir.to_string_lossy()].map(str::to_owned).to_vec();
        let command = Command {
            argv,
            dir: "/".into(),
            root: site.state_dir.clone(),
            env: confinement.env.clone(),
            timeout: TRY,
            output_limit: 4096,
            input: Vec::new(),
            confinement: Some(Arc::new(confinement)),
        };
        Trial::of(self.run(command, &CancellationToken::new()).await)
    }

    /// Prepares a confinement: the best level that there is, unless none is wanted. Its private dirs are made, and are those of
    /// its work dir: one at a time.
    ///
    /// # Errors
    /// If the private dirs can't be made.
    pub async fn jail(&self, wish: Wish) -> io::Result<Jail> {
        let Some(site) = self.site.as_ref().filter(|_| wish.sandbox != SandboxWish::Off) else {
            return Ok(Jail::open(wish.env));
        };
        let probe = self.probe().await;
        let open = |note: Option<String>| Jail { note, ..Jail::open(wish.env.clone()) };
        if probe.level == SandboxLevel::None {
            let why = probe.why().unwrap_or_default();
            return Ok(open(Some(format!("What runs in the work dir isn't confined: {why}."))));
        }
        let secret: Vec<PathBuf> =
            [site.state_dir.clone()].into_iter().chain(site.secret.clone()).chain(wish.secret.clone()).collect();
        let (state_dir, env, limits) = (site.state_dir.clone(), wish.env.clone(), site.orders.limits());
        let making =
            tokio::task::spawn_blocking(move || make(Wish { secret, ..wish }, &state_dir, probe.level, limits));
        let made = making.await.map_err(io::Error::other)??;
        let note = "What runs in the work dir isn't confined: what must stay hidden lies in the work dir, and only the full \
                    sandbox can hide it there.";
        Ok(made.unwrap_or_else(|| Jail { note: Some(note.to_owned()), ..Jail::open(env) }))
    }
}

fn make(wish: Wish, state_dir: &Path, level: SandboxLevel, limits: Limits) -> io::Result<Option<Jail>> {
    let Wish { profile, work_dir, env, secret, named, .. } = wish;
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let (work_dir, secret) = (work_dir.map(real), secret.into_iter().map(real).collect::<Vec<_>>());
    let home = env.get("HOME").map(PathBuf::from);
    let places = places::places(&env, home.as_deref(), work_dir.as_deref(), &secret, &named);
    let own = work_dir.as_deref().filter(|_| profile != Profile::Look).map(|dir| Own::of(state_dir, dir));
    if let Some(own) = &own {
        own.prepare()?;
        own.adopt(&places)?;
    }
    let shown = work_dir.clone().filter(|_| profile == Profile::Check);
    let names = match &shown {
        Some(dir) => std::fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
        None => Vec::new(),
    };
    let absent = shown.iter().flat_map(|dir| GUARDED.iter().map(|name| dir.join(name)));
    let absent = absent.filter(|path| path.symlink_metadata().is_err()).collect();
    let toolchain =
        places.rustup.as_deref().and_then(|rustup| super::toolchain::choose(rustup, &env, work_dir.as_deref()));
    let parts =
        Parts { level, profile, work_dir: shown, names, own: own.clone(), toolchain, places, env, secret, limits };
    Ok(confinement(&parts).map(|made| Jail { confinement: Arc::new(made), note: None, own, absent }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_passes_is_no_word_on_the_machine() {
        let output = |ended, stderr: &str| {
            let stderr = stderr.to_owned();
            Ok(Output { ended, stdout: String::new(), stderr, duration: Duration::ZERO })
        };
        let unconfined = |why: &str| Err(RunError::Unconfined { program: "sh".to_owned(), why: why.to_owned() });
        let spawn = Err(RunError::Spawn { program: "sh".to_owned(), source: io::ErrorKind::PermissionDenied.into() });
        let table = [
            (output(Ended::Code(0), ""), "works"),
            (output(Ended::Code(1), ""), "refused"),
            (output(Ended::Code(1), "sh: Cannot fork: Resource temporarily unavailable"), "failed"),
            (output(Ended::TimedOut, ""), "failed"),
            (output(Ended::Signal(9), ""), "failed"),
            (spawn, "failed"),
            (unconfined("bwrap: No permissions to create new namespace"), "refused"),
            (unconfined("Landlock: not enforced"), "refused"),
            (unconfined("bwrap: Creating new namespace failed: Resource temporarily unavailable"), "failed"),
            (unconfined("Cannot allocate memory (os error 12)"), "failed"),
        ];
        for (result, expected) in table {
            let trial = Trial::of(result);
            let name = match trial {
                Trial::Works => "works",
                Trial::Refused(_) => "refused",
                Trial::Failed(_) => "failed",
            };
            assert_eq!(name, expected, "{trial:?}");
        }
    }

    /// A helper that is killed the first time says nothing about the machine; one that says no is believed.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_try_that_fails_in_passing_is_made_again() {
        for (answer, tries) in [("kill -9 $$", 2), ("printf '{\"failed\":\"no\"}' >/proc/self/fd/$told", 1)] {
            let room = tempfile::tempdir().unwrap();
            let (helper, log) = (room.path().join("helper"), room.path().join("log"));
            let told = "told=$(head -c 100000 | tr -d '\\0' | sed -n 's/.*\"report\":\\([0-9]*\\).*/\\1/p')";
            let script = format!("#!/bin/sh\n{told}\necho tried >>{}\n{answer}\n", log.display());
            std::fs::write(&helper, script).unwrap();
            std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let state = room.path().join("state");
            std::fs::create_dir(&state).unwrap();
            let children = Children::confining(std::sync::Arc::new(()), helper, &state, Vec::new()).unwrap();
            assert_eq!(children.probe().await.level, SandboxLevel::None);
            let once = std::fs::read_to_string(&log).unwrap().lines().count();
            assert_eq!(children.probe().await.level, SandboxLevel::None);
            assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), once * tries, "{answer}");
        }
    }
}
