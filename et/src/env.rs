//! What a check may see of the caller's environment: chosen by name, and apart whatever may carry a secret.

use std::collections::BTreeMap;

use proto::config::SecretRef;
use proto::endpoint::CHECK_ENV;
use proto::message::{Secret, SecretValue};

use crate::caller::Lookup;

/// Variables that often hold a password in a URL, so their values are never stored.
const SECRET: &[&str] = &["GOPROXY"];

/// The environment of checks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckEnv {
    /// Plain values.
    pub(crate) plain: BTreeMap<String, String>,
    /// Names whose values travel as secrets.
    pub(crate) secret: BTreeMap<String, SecretRef>,
    /// Their values.
    pub(crate) values: Vec<SecretValue>,
}

/// Picks what checks may see: the standard names, `LC_*` among `names`, and `extra` (`check.env` of the config).
pub(crate) fn check_env(var: Lookup<'_>, names: &[String], extra: &[String]) -> CheckEnv {
    let mut env = CheckEnv::default();
    let locale = names.iter().map(String::as_str).filter(|name| name.starts_with("LC_"));
    for name in CHECK_ENV.iter().copied().chain(locale) {
        if let Some(value) = var(name) {
            if SECRET.contains(&name) || extra.iter().any(|e| e == name) {
                env.add_secret(name, value);
            } else {
                env.plain.insert(name.to_owned(), value);
            }
        }
    }
    for name in extra {
        if let Some(value) = var(name).filter(|_| !env.secret.contains_key(name)) {
            env.add_secret(name, value);
        }
    }
    env
}

impl CheckEnv {
    fn add_secret(&mut self, name: &str, value: String) {
        let reference = SecretRef(format!("env:{name}"));
        self.secret.insert(name.to_owned(), reference.clone());
        self.values.push(SecretValue { name: reference, value: Secret::new(value) });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn only_what_is_named_is_seen() {
        let var = |name: &str| {
            let value = match name {
                "PATH" => "/bin",
                "GOPROXY" => "https://user:pw@proxy",
                "LC_ALL" => "C",
                "OPENAI_API_KEY" => "sk-x",
                "GOFLAGS" => "-mod=mod",
                "MY_TOKEN" => "t",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let names: Vec<String> = ["PATH", "LC_ALL", "OPENAI_API_KEY", "MY_TOKEN"].map(String::from).into();
        let env = check_env(&var, &names, &["MY_TOKEN".to_owned(), "GOFLAGS".to_owned(), "UNSET".to_owned()]);
        assert_eq!(env.plain.keys().map(String::as_str).collect::<Vec<_>>(), ["LC_ALL", "PATH"]);
        assert_eq!(env.secret.keys().map(String::as_str).collect::<Vec<_>>(), ["GOFLAGS", "GOPROXY", "MY_TOKEN"]);
        assert_eq!(env.values.len(), 3);
        assert!(env.values.iter().any(|v| v.name.0 == "env:MY_TOKEN" && v.value.expose() == "t"));
    }
}
