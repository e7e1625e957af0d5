//! Secrets found again by their references, when a daemon lacks them.

use std::path::Path;

use proto::config::SecretRef;
use proto::message::SecretValue;

use super::file::File;
use super::secrets::{expand, value, variables};
use super::{discover, trust};
use crate::caller::Lookup;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;
    use crate::config::secrets::{env_ref, file_ref};

    fn var(name: &str) -> Option<String> {
        (name == "A").then(|| "one".to_owned())
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
