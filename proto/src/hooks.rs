//! Named points at which a race or crash test makes this process wait or die.
//!
//! Without the feature `test-hooks` every function here is empty, and a release never has that feature. With it, `ET_TEST_PAUSES`
//! (`name=200ms,other=1s`) makes the process sleep at a point, and `ET_TEST_ABORT` (`name`, or `name#3` for the third time that the
//! point is passed) makes it kill itself there with SIGKILL. With `ET_TEST_ABORT_ONCE` (a dir) that happens at each such point only once,
//! whatever process passes it: a daemon that is started again goes on. `ET_TEST_PANIC` (`name=words`) makes it panic there with those
//! words, as if it had quoted what it was working on.

/// Variables that autostart hands on besides the allow-list; none without the feature.
pub const ENV: &[&str] = if cfg!(feature = "test-hooks") {
    &["ET_TEST_PAUSES", "ET_TEST_ABORT", "ET_TEST_ABORT_ONCE", "ET_TEST_PANIC", WITHOUT, SANDBOX, VERSION]
} else {
    &[]
};

/// Forces a level of confinement, and its limits: `partial`, or `full,procs=64,mem=256` (MiB).
pub const SANDBOX: &str = "ET_TEST_SANDBOX";
/// The protocol version that this process says it speaks, for tests of builds that differ.
const VERSION: &str = "ET_TEST_PROTOCOL";
/// Names parts of the harness that the daemon replaces by the simplest ones, with commas; for measuring what each is worth.
pub const WITHOUT: &str = "ET_TEST_WITHOUT";

/// [`crate::PROTOCOL_VERSION`], unless a test says otherwise.
#[must_use]
pub fn protocol_version() -> u16 {
    let told = if cfg!(feature = "test-hooks") { std::env::var(VERSION).ok() } else { None };
    told.and_then(|text| text.parse().ok()).unwrap_or(crate::PROTOCOL_VERSION)
}

/// A point in async code.
///
/// Cancel-safe: it holds nothing.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub async fn pause(_name: &str) {}

/// A point in code that may block its thread.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn pause_blocking(_name: &str) {}

/// A limit of time that a test may shorten, named in `ET_TEST_PAUSES` like a pause; none: it isn't shortened.
#[cfg(not(feature = "test-hooks"))]
#[inline]
#[must_use]
pub fn limit(_name: &str) -> Option<std::time::Duration> {
    None
}

#[cfg(feature = "test-hooks")]
pub use armed::{limit, pause, pause_blocking};

#[cfg(feature = "test-hooks")]
mod armed {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    static PASSED: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

    /// A point in async code.
    ///
    /// Cancel-safe: it holds nothing.
    pub async fn pause(name: &str) {
        if let Some(time) = pass(name) {
            tokio::time::sleep(time).await;
        }
    }

    /// A limit of time that a test may shorten; none: it isn't shortened.
    #[must_use]
    pub fn limit(name: &str) -> Option<Duration> {
        duration(&std::env::var("ET_TEST_PAUSES").unwrap_or_default(), name)
    }

    /// A point in code that may block its thread.
    pub fn pause_blocking(name: &str) {
        if let Some(time) = pass(name) {
            std::thread::sleep(time);
        }
    }

    fn pass(name: &str) -> Option<Duration> {
        let times = {
            let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
            let times = passed.get_or_insert_default().entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        let abort = std::env::var("ET_TEST_ABORT").unwrap_or_default();
        if abort.split(',').any(|point| due(point, name, times)) && first(name) {
            // No destructor runs and nothing is flushed: as if the machine's power had gone, for this process.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
        let panic = std::env::var("ET_TEST_PANIC").unwrap_or_default();
        if let Some((_, words)) = panic.split_once('=').filter(|(point, _)| due(point, name, times)) {
            std::panic::panic_any(words.to_owned());
        }
        duration(&std::env::var("ET_TEST_PAUSES").unwrap_or_default(), name)
    }

    /// Whether no process died at this point before, as far as anybody keeps count.
    fn first(name: &str) -> bool {
        let Some(dir) = std::env::var_os("ET_TEST_ABORT_ONCE") else { return true };
        std::fs::File::create_new(std::path::Path::new(&dir).join(name)).is_ok()
    }

    fn due(point: &str, name: &str, times: u32) -> bool {
        match point.trim().split_once('#') {
            Some((at, count)) => at == name && count.parse() == Ok(times),
            None => point.trim() == name,
        }
    }

    fn duration(pauses: &str, name: &str) -> Option<Duration> {
        let (_, time) =
            pauses.split(',').filter_map(|pause| pause.trim().split_once('=')).find(|(at, _)| *at == name)?;
        if let Some(milliseconds) = time.strip_suffix("ms") {
            return milliseconds.parse().ok().map(Duration::from_millis);
        }
        time.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn pauses_and_aborts_are_read() {
            assert_eq!(duration("a=200ms, b=1s", "a"), Some(Duration::from_millis(200)));
            assert_eq!(duration("a=200ms, b=1s", "b"), Some(Duration::from_secs(1)));
            assert_eq!(duration("a=200ms, b=1s", "c"), None);
            assert_eq!(duration("a=soon", "a"), None);
            assert!(due("a", "a", 1) && due("a", "a", 2));
            assert!(due("a#3", "a", 3) && !due("a#3", "a", 2) && !due("a#3", "b", 3));
        }
    }
}
