//! Secrets: from a reference to its value. A value goes to the daemon over the socket and nowhere else.

use std::path::Path;

use proto::config::SecretRef;
use proto::message::{Secret, SecretValue};

use crate::caller::Lookup;

/// The reference to an environment variable.
pub(crate) fn env_ref(name: &str) -> SecretRef {
    SecretRef(format!("env:{name}"))
}

/// The reference to the key of a provider in a config file.
pub(crate) fn file_ref(path: &Path, provider: &str) -> SecretRef {
    SecretRef(format!("file:{}#providers.{provider}.api_key", path.display()))
}

/// A secret with its name.
pub(crate) fn value(name: SecretRef, value: String) -> SecretValue {
    SecretValue { name, value: Secret::new(value) }
}

/// A text whose variables were replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The text.
    pub(crate) text: String,
    /// The variables that it named.
    pub(crate) variables: Vec<String>,
}

/// The variables that `$NAME` and `${NAME}` in a text name.
pub(crate) fn variables(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    // Every lookup succeeds, so this can't fail.
    let _ = walk(text, &mut |name| {
        names.push(name.to_owned());
        Some(String::new())
    });
    names
}

/// Replaces `$NAME` and `${NAME}`; `$$` is a dollar sign, and so is one that no name follows.
///
/// # Errors
/// The name of a variable that isn't set.
pub(crate) fn expand(text: &str, var: Lookup<'_>) -> Result<Expanded, String> {
    let expanded = walk(text, &mut |name| var(name).filter(|value| !value.is_empty()))?;
    Ok(Expanded { text: expanded, variables: variables(text) })
}

/// The variable, if a text is nothing but one.
pub(crate) fn sole_variable(text: &str) -> Option<String> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    is_name(name).then(|| name.to_owned())
}

fn walk(text: &str, lookup: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((name, after)) => (name, after),
            None => rest.split_at(rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())),
        };
        if is_name(name) {
            out.push_str(&lookup(name).ok_or_else(|| name.to_owned())?);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn var(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "B_2" => Some("two".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected) in [
            ("$A", Ok("one")),
            ("${A}", Ok("one")),
            ("x-$A:$B_2/", Ok("x-one:two/")),
            ("${A}B", Ok("oneB")),
            ("pa$$word", Ok("pa$word")),
            ("5$", Ok("5$")),
            ("$1", Ok("$1")),
            ("$NONE", Err("NONE")),
            ("${NONE}x", Err("NONE")),
        ] {
            assert_eq!(
                expand(text, &var).map(|e| e.text),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        }
        assert_eq!(sole_variable("${A}"), Some("A".into()));
        assert_eq!(sole_variable("$A:$B"), None);
        assert_eq!(sole_variable("A"), None);
        assert_eq!(variables("$A:${B}"), ["A", "B"]);
    }
}
