//! Whether a config that was found in the current directory may have what it asks for.
//!
//! Such a file may have come with a cloned repository. It may name providers and models, but a variable of the user's goes
//! only where that variable belongs.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::discover::{self, config_dir};
use super::file::File;
use super::prices::{data, host, is_loopback};
use super::secrets;
use crate::caller::Lookup;
use crate::exit::Problem;

/// Which variables the user's own config sends where: scheme and host, so that what goes encrypted there goes nowhere else in clear.
pub(crate) type Pairs = BTreeSet<(String, String)>;

/// Whether `et trust` was said about exactly this content at this path.
pub(crate) fn is_trusted(path: &Path, content: &str, var: Lookup<'_>) -> bool {
    let Some(list) = config_dir(var).map(|dir| dir.join("trusted")) else { return false };
    let wanted = entry(path, content);
    std::fs::read_to_string(list).is_ok_and(|text| text.lines().any(|line| line == wanted))
}

/// Remembers a file's content and path.
///
/// # Errors
/// If the list can't be written.
pub(crate) fn trust(path: &Path, content: &str, var: Lookup<'_>) -> Result<(), Problem> {
    let Some(dir) = config_dir(var) else {
        return Err(Problem::state("neither HOME nor XDG_CONFIG_HOME is set, so there is no place to remember trust"));
    };
    let list = dir.join("trusted");
    let write = || -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        if is_trusted(path, content, var) {
            return Ok(());
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&list)?;
        writeln!(file, "{}", entry(path, content))
    };
    write().map_err(|error| Problem::state(format!("writing {}: {error}", list.display())))
}

fn entry(path: &Path, content: &str) -> String {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let hash: String = Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    // A path of several lines would be several entries.
    format!("{hash}  {}", real.display().to_string().replace('\n', "\u{fffd}"))
}

/// The pairs of the user's own configs; those that can't be read have none.
pub(crate) fn own_pairs(var: Lookup<'_>) -> Pairs {
    let mut pairs = Pairs::new();
    for path in discover::user_files(var) {
        let Ok(text) = super::read(&path) else { continue };
        let Ok(file) = serde_saphyr::from_str::<File>(&text) else { continue };
        for provider in file.providers.unwrap_or_default().into_values().map(|spanned| spanned.value) {
            let url =
                provider.base_url.as_ref().and_then(|url| secrets::expand(&url.value, var).ok()).map(|url| url.text);
            let url = url.or_else(|| super::prices::default_url(&provider.r#type.value).map(str::to_owned));
            let Some(origin) = url.as_deref().and_then(origin) else { continue };
            let named = [&provider.api_key, &provider.base_url, &provider.org].into_iter().flatten();
            pairs.extend(named.flat_map(|text| secrets::variables(&text.value)).map(|name| (name, origin.clone())));
        }
    }
    pairs
}

/// Whether an untrusted config may send a variable to a URL.
pub(crate) fn may_send(variable: &str, url: &str, pairs: &Pairs) -> bool {
    if is_loopback(url) {
        return true;
    }
    let (Some(host), Some(origin)) = (host(url), origin(url)) else { return false };
    origin.starts_with("https://") && data().pairs(variable, &host) || pairs.contains(&(variable.to_owned(), origin))
}

/// Scheme and host of a URL, lower case.
fn origin(url: &str) -> Option<String> {
    let scheme = url::Url::parse(url).ok()?.scheme().to_owned();
    Some(format!("{scheme}://{}", host(url)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_variable_goes_where_it_belongs() {
        let pairs = Pairs::from([("MY_KEY".to_owned(), "https://llm.corp.example".to_owned())]);
        for (variable, url, may) in [
            ("OPENAI_API_KEY", "https://api.openai.com/v1", true),
            ("OPENAI_API_KEY", "https://API.openai.com/v1", true),
            ("OPENAI_API_KEY", "http://api.openai.com/v1", false),
            ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1", false),
            ("OPENAI_API_KEY", "https://evil.example/api.openai.com", false),
            ("OPENAI_API_KEY", "https://api.anthropic.com", false),
            ("ANTHROPIC_API_KEY", "https://api.anthropic.com", true),
            ("GEMINI_API_KEY", "https://generativelanguage.googleapis.com", true),
            ("OPENAI_API_KEY", "http://localhost:8080/v1", true),
            ("OPENAI_API_KEY", "http://127.0.0.1.evil.example/", false),
            ("OPENAI_API_KEY", "http://localhost.evil.example/", false),
            ("HOME", "http://[::1]/", true),
            ("MY_KEY", "https://llm.corp.example/v1", true),
            ("MY_KEY", "HTTPS://LLM.corp.example:8443/v1", true),
            ("MY_KEY", "http://llm.corp.example/v1", false),
            ("OTHER", "https://llm.corp.example/v1", false),
            ("OPENAI_API_KEY", "not a url", false),
        ] {
            assert_eq!(may_send(variable, url, &pairs), may, "{variable} {url}");
        }
    }

    #[test]
    fn trust_ends_when_the_file_changes() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap().to_owned();
        let var = |name: &str| (name == "HOME").then(|| home.clone());
        let (a, b) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"));
        assert!(!is_trusted(&a, "x", &var));
        trust(&a, "x", &var).unwrap();
        trust(&a, "x", &var).unwrap();
        assert!(is_trusted(&a, "x", &var));
        assert!(!is_trusted(&a, "y", &var));
        assert!(!is_trusted(&b, "x", &var));
        let list = dir.path().join(".config/electrictown/trusted");
        assert_eq!(std::fs::read_to_string(&list).unwrap().lines().count(), 1);
        assert_eq!(std::fs::metadata(list).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
