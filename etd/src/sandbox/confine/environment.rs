//! The environment of a confined child. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::report::SandboxLevel;

use super::Parts;

/// What a confinement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Builds and tests in the work dir, without a network.
    Check,
    /// Downloads of what manifests ask for, with a network and without the work dir.
    Fetch,
    /// A look at one text, without the work dir and any dir of its own.
    Look,
}

/// Variables that a fetch gets of the caller's: by name, and proxies besides. No token that a check may see travels with a network.
const FETCH: &[&str] = &["USER", "LANG", "TERM", "TZ", "GOROOT", "NVM_DIR", "VIRTUAL_ENV"];

/// Those of them that are about the network.
const NETWORK: &[&str] = &[
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The whole environment. What is set here has the last word over the caller's: a cache or a home of the user's isn't to be had.
pub(super) fn environment(parts: &Parts) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = match parts.profile {
        Profile::Check => parts.env.clone(),
        Profile::Fetch | Profile::Look => {
            let network = |name: &String| parts.profile == Profile::Fetch && NETWORK.contains(&name.as_str());
            let named = |name: &String| FETCH.contains(&name.as_str()) || network(name);
            parts
                .env
                .iter()
                .filter(|(name, _)| named(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        }
    };
    let mut set = |name: &str, value: String| {
        env.insert(name.to_owned(), value);
    };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let found = &parts.places;
    set("PATH", found.path.clone());
    if let Some(rustup) = &found.rustup {
        set("RUSTUP_HOME", text(rustup.clone()));
        // Nothing is installed because a file of the tree says so.
        set("RUSTUP_AUTO_INSTALL", "0".to_owned());
    }
    if let Some(pyenv) = &found.pyenv {
        set("PYENV_ROOT", text(pyenv.clone()));
    }
    if let Some(toolchain) = &parts.toolchain {
        set("RUSTUP_TOOLCHAIN", toolchain.clone());
    }
    // The caller's `go env -w` isn't to be seen, and a version that a file of the tree names isn't downloaded.
    set("GOENV", "off".to_owned());
    set("GOTOOLCHAIN", "local".to_owned());
    let full = parts.level == SandboxLevel::Full;
    let Some(own) = parts.own.as_ref().filter(|_| parts.profile != Profile::Look) else {
        set("HOME", "/nonexistent".to_owned());
        set("TMPDIR", "/tmp".to_owned());
        env.remove("CARGO_HOME");
        return env;
    };
    set("HOME", text(own.home()));
    set("TMPDIR", if full { "/tmp".to_owned() } else { text(own.tmp()) });
    set("XDG_CACHE_HOME", text(own.cache("xdg")));
    set("GOPATH", text(own.cache("go")));
    set("GOCACHE", text(own.cache("go-build")));
    set("GOMODCACHE", text(own.cache("go-mod")));
    let cargo = if parts.profile == Profile::Fetch { own.cache("cargo") } else { own.cargo_home() };
    set("CARGO_HOME", text(cargo));
    set("NPM_CONFIG_CACHE", text(own.cache("npm")));
    set("NPM_CONFIG_STORE_DIR", text(own.cache("npm").join("pnpm")));
    set("YARN_CACHE_FOLDER", text(own.cache("npm").join("yarn")));
    set("BUN_INSTALL_CACHE_DIR", text(own.cache("npm").join("bun")));
    set("PIP_CACHE_DIR", text(own.cache("pip")));
    set("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned());
    set("NPM_CONFIG_UPDATE_NOTIFIER", "false".to_owned());
    set("GRADLE_USER_HOME", text(own.cache("gradle")));
    if let Some(caches) = &found.gradle {
        set("GRADLE_RO_DEP_CACHE", text(caches.clone()));
    }
    if let Some(user) = &found.python_user {
        set("PYTHONUSERBASE", text(user.clone()));
    }
    // The user's module cache serves as a proxy: what is in it is copied to the private one, and nothing is ever written to it.
    // So does the private one, for versions that nothing pins.
    let fetched = file_url(&own.cache("go-mod").join("cache/download"));
    let user = found.go_mod.as_deref().map(|user| format!(",{}", file_url(user)));
    let near = format!("{fetched}{}", user.unwrap_or_default());
    match parts.profile {
        Profile::Fetch => {
            let far = parts.env.get("GOPROXY").cloned().unwrap_or_else(|| "https://proxy.golang.org,direct".to_owned());
            set("GOPROXY", format!("{near},{far}"));
        }
        Profile::Check | Profile::Look => {
            set("GOPROXY", near);
            set("GOSUMDB", "off".to_owned());
            set("CARGO_NET_OFFLINE", "true".to_owned());
            set("NPM_CONFIG_OFFLINE", "true".to_owned());
            set("PIP_NO_INDEX", "1".to_owned());
            set("YARN_ENABLE_NETWORK", "0".to_owned());
            let local = text(own.cache("m2"));
            let tail = found.maven.as_ref().map(|user| format!(" -Dmaven.repo.local.tail={}", user.display()));
            set("MAVEN_ARGS", format!("-o -Dmaven.repo.local={local}{}", tail.unwrap_or_default()));
        }
    }
    env
}

fn file_url(path: &Path) -> String {
    format!("file://{}", path.display())
}
