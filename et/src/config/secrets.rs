//! Secrets: from a reference to its value. A value goes to the daemon over the socket and nowhere else.

use std::path::Path;

use proto::config::SecretRef;
use proto::message::{Secret, SecretValue};

use super::file::File;
use super::{discover, trust};
use crate::context::Lookup;

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

/// The values of those references that can be had now: variables from the environment, keys from their files, read again.
pub(crate) fn find(names: &[SecretRef], var: Lookup<'_>) -> Vec<SecretValue> {
    names.iter().filter_map(|name| find_one(&name.0, var).map(|found| value(name.clone(), found))).collect()
}

fn find_one(name: &str, var: Lookup<'_>) -> Option<String> {
    if let Some(variable) = name.strip_prefix("env:") {
        return var(variable).filter(|value| !value.is_empty());
    }
    let (path, place) = name.strip_prefix("file:")?.rsplit_once("#providers.")?;
    let provider = place.strip_suffix(".api_key")?;
    let path = Path::new(path);
    let text = super::read(path).ok()?;
    let file: File = serde_saphyr::from_str(&text).ok()?;
    let key = file.providers?.remove(provider)?.value.api_key?;
    // The file may be another one by now, and where its key goes was decided before: a file that came with a repository may then
    // tell its own secrets, not name ours.
    if !variables(&key.value).is_empty() && !may_name_variables(path, &text, var) {
        return None;
    }
    expand(&key.value, var).ok().map(|expanded| expanded.text).filter(|key| !key.is_empty())
}

/// Whether a file that is read again may name variables: not one that is found because it lies in the current directory.
fn may_name_variables(path: &Path, text: &str, var: Lookup<'_>) -> bool {
    path.file_name().is_none_or(|name| name != discover::NAME)
        || discover::user_files(var).iter().any(|own| own == path)
        || trust::is_trusted(path, text, var)
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

    #[test]
    fn references_lead_to_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a #b.yaml");
        std::fs::write(&path, "providers:\n  o.x: { type: openai, api_key: 'lit-$A' }\n  e: { type: openai }\n")
            .unwrap();
        let names = [
            env_ref("A"),
            env_ref("NONE"),
            file_ref(&path, "o.x"),
            file_ref(&path, "e"),
            file_ref(Path::new("/no"), "x"),
        ];
        let found: Vec<(String, String)> =
            find(&names, &var).into_iter().map(|s| (s.name.0, s.value.expose().to_owned())).collect();
        assert_eq!(found, [("env:A".into(), "one".into()), (names[2].0.clone(), "lit-one".to_owned())]);
    }

    #[test]
    fn a_file_of_a_repository_names_no_variable_when_it_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().to_str().unwrap().to_owned();
        let var = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "A" => Some("one".to_owned()),
            _ => None,
        };
        let value = |path: &Path, key: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("providers: {{ p: {{ type: openai, api_key: '{key}' }} }}")).unwrap();
            find(&[file_ref(path, "p")], &var).into_iter().next().map(|found| found.value.expose().to_owned())
        };
        let here = root.path().join("clone/electrictown.yaml");
        assert_eq!(value(&here, "literal"), Some("literal".into()));
        assert_eq!(value(&here, "x$A"), None);
        assert_eq!(value(&root.path().join(".config/electrictown/electrictown.yaml"), "x$A"), Some("xone".into()));
        assert_eq!(value(&root.path().join("clone/named.yaml"), "x$A"), Some("xone".into()));
        assert_eq!(value(&here, "literal"), Some("literal".into()));
        trust::trust(&here, &std::fs::read_to_string(&here).unwrap(), &var).unwrap();
        assert_eq!(value(&here, "x$A"), None, "other text than the trusted one");
        trust::trust(&here, &std::fs::read_to_string(&here).unwrap(), &var).unwrap();
        assert_eq!(value(&here, "x$A"), Some("xone".into()));
    }
}
