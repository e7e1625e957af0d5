//! Where binaries and compilers are.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The binary under test: in `ET_BIN_DIR`, else beside the test binary's dir.
///
/// # Panics
/// If it isn't there.
pub(super) fn binary(name: &str) -> PathBuf {
    let dir = match std::env::var_os("ET_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            // target/PROFILE/deps/e2e-…, or target/PROFILE/bench for what is no test.
            let exe = std::env::current_exe().expect("the path of the test binary");
            let dir = exe.parent().expect("its dir");
            if dir.ends_with("deps") { dir.parent().expect("the profile's dir").to_owned() } else { dir.to_owned() }
        }
    };
    let path = dir.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make test`, or `cargo build --bins` before, or set ET_BIN_DIR",
        path.display()
    );
    path.canonicalize().expect("its real path")
}

/// PATH for children: that of the test, with the dir of Go first if `ET_TEST_GO_BIN` names one.
pub(super) fn path() -> String {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    match std::env::var("ET_TEST_GO_BIN") {
        Ok(dir) if !dir.is_empty() => format!("{dir}:{path}"),
        _ => path,
    }
}

/// What compilers need to find themselves, and to work without a network.
pub(super) fn toolchain_vars() -> Vec<(String, String)> {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let real = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{default}"));
    // One build cache for all tests: each of them compiles the same standard library.
    let uid = nix::unistd::getuid();
    let cache = std::env::temp_dir().join(format!("et-tests-go-{uid}"));
    let below = |dir: &str| cache.join(dir).to_string_lossy().into_owned();
    [
        ("RUSTUP_HOME", real("RUSTUP_HOME", ".rustup")),
        ("CARGO_HOME", real("CARGO_HOME", ".cargo")),
        ("GOPROXY", "off".to_owned()),
        ("GOTOOLCHAIN", "local".to_owned()),
        ("GOFLAGS", "-mod=mod".to_owned()),
        ("GOCACHE", below("build")),
        ("GOPATH", below("path")),
        ("GOMODCACHE", below("mod")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The path of a tool, if it is there.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    path().split(':').map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}

/// Compiles Go's standard library once. A check can't write to the cache that all tests share, only read it, so each would do that alone.
fn warm_go() {
    static WARM: OnceLock<()> = OnceLock::new();
    WARM.get_or_init(|| {
        let mut command = std::process::Command::new("go");
        command.args(["build", "std"]).env("PATH", path()).envs(toolchain_vars());
        let output = command.output().expect("go");
        assert!(output.status.success(), "go build std: {}", String::from_utf8_lossy(&output.stderr));
    });
}

/// Whether a tool is there. If not, the test says so and is to return; in CI (`CI` is set) it fails.
///
/// # Panics
/// In CI, if the tool is missing.
#[must_use]
pub fn require_tool(name: &str) -> bool {
    if tool(name).is_some() {
        if name == "go" {
            warm_go();
        }
        return true;
    }
    let ci = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
    assert!(!ci, "{name} is missing, and in CI it must be there");
    eprintln!("NOT RUN: {name} is missing");
    false
}

/// Returns from the test if a tool is missing (in CI it fails instead).
#[macro_export]
macro_rules! require_tool {
    ($name:expr) => {
        if !$crate::env::require_tool($name) {
            return;
        }
    };
}
