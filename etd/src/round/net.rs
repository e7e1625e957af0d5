//! What a round changed on the whole, from its recorded writes. Pure.
//!
//! A path counts with its content before the first change that was really made and after the last one, in the order of the record; what
//! came back to where it was is no change.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::writing::{Intent, Written};
use crate::relpath::RelPath;
use crate::store::{StepRow, StoreError};
use crate::workspace::{Change, Hash};

/// What a round changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Net {
    /// By path.
    pub(crate) files: BTreeMap<RelPath, NetFile>,
    /// Dirs that came into being with new files.
    pub(crate) dirs: BTreeSet<RelPath>,
}

/// What a round did to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetFile {
    /// Content before the round; none: it wasn't there.
    pub(crate) before: Option<Hash>,
    /// Content at its end; none: it isn't there.
    pub(crate) after: Option<Hash>,
    /// A last change whose end isn't recorded, since the round was given up: what it wanted. Only the tree tells whether it was made.
    pub(crate) perhaps: Option<Option<Hash>>,
    /// Mode bits that were lost when it was deleted.
    pub(crate) mode: Option<u32>,
}

impl NetFile {
    /// Whether it is another one than before the round, or may be.
    fn counts(&self) -> bool {
        self.before != self.after || self.perhaps.as_ref().is_some_and(|perhaps| *perhaps != self.before)
    }

    fn take(&mut self, change: &Change) {
        self.after.clone_from(&change.after);
    }
}

/// The changes that steps `write/…` (what was wanted) and `wrote/…` (what was done) tell of, oldest first.
///
/// # Errors
/// If a step isn't what this build writes.
pub(crate) fn net(steps: &[StepRow]) -> Result<Net, StoreError> {
    let ended: BTreeSet<&str> = steps.iter().filter_map(|step| step.key.strip_prefix("wrote/")).collect();
    let mut net = Net::default();
    // Of a path that only changes of unknown end are about.
    let mut unsure = BTreeSet::new();
    let mut modes = BTreeMap::new();
    for step in steps {
        if let Some(key) = step.key.strip_prefix("write/") {
            let intent: Intent = read(step)?;
            for (path, mode) in intent.modes {
                modes.entry(path).or_insert(mode);
            }
            net.dirs.extend(intent.dirs);
            if !ended.contains(key) {
                intent.changes.iter().for_each(|change| wanted(&mut net, &mut unsure, change));
            }
        } else if step.key.starts_with("wrote/") {
            let written: Written = read(step)?;
            written.done.iter().for_each(|change| done(&mut net, &mut unsure, change));
        }
    }
    net.files.retain(|_, file| file.counts());
    for (path, file) in &mut net.files {
        file.mode = modes.get(path).copied().filter(|_| file.before.is_some());
    }
    if net.files.is_empty() {
        net.dirs.clear();
    }
    Ok(net)
}

fn done(net: &mut Net, unsure: &mut BTreeSet<RelPath>, change: &Change) {
    let new = || NetFile { before: change.before.clone(), ..NetFile::default() };
    let file = net.files.entry(change.path.clone()).or_insert_with(new);
    let made = file.perhaps.take().is_some_and(|perhaps| perhaps == change.before);
    if unsure.remove(&change.path) && !made {
        // It wasn't made: what this change found is what was there before.
        file.before.clone_from(&change.before);
    }
    file.take(change);
}

fn wanted(net: &mut Net, unsure: &mut BTreeSet<RelPath>, change: &Change) {
    if change.before == change.after {
        return;
    }
    let new = || NetFile { before: change.before.clone(), after: change.before.clone(), ..NetFile::default() };
    if !net.files.contains_key(&change.path) {
        unsure.insert(change.path.clone());
    }
    net.files.entry(change.path.clone()).or_insert_with(new).perhaps = Some(change.after.clone());
}

fn read<T: DeserializeOwned>(step: &StepRow) -> Result<T, StoreError> {
    serde_json::from_str(&step.value)
        .map_err(|error| StoreError::Content { what: format!("step {}", step.key), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    /// `path:before>after`, where `-` is no file.
    fn change(text: &str) -> serde_json::Value {
        let (path, change) = text.split_once(':').unwrap();
        let (before, after) = change.split_once('>').unwrap();
        let hash = |text: &str| (text != "-").then(|| text.to_owned());
        serde_json::json!({ "path": path, "before": hash(before), "after": hash(after) })
    }

    /// `write KEY changes…` or `wrote KEY changes…`.
    fn step(text: &str) -> StepRow {
        let mut words = text.split(' ');
        let (kind, key) = (words.next().unwrap(), words.next().unwrap());
        let changes: Vec<_> = words.map(change).collect();
        let value = match kind {
            "write" => {
                serde_json::json!({ "changes": changes, "refused": [], "attention": {}, "conflicts": [] })
            }
            _ => serde_json::json!({ "done": changes, "refused": [], "conflicts": [] }),
        };
        StepRow { key: format!("{kind}/{key}"), value: value.to_string() }
    }

    fn shown(net: &Net) -> Vec<String> {
        let text = |hash: &Option<Hash>| hash.as_ref().map_or("-".to_owned(), |hash| hash.0.clone());
        let show = |(path, file): (&RelPath, &NetFile)| {
            let perhaps = file.perhaps.as_ref().map(|hash| format!("?{}", text(hash))).unwrap_or_default();
            format!("{path}:{}>{}{perhaps}", text(&file.before), text(&file.after))
        };
        net.files.iter().map(show).collect()
    }

    #[test]
    fn the_first_before_and_the_last_after_count() {
        let table: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["write w a:->1 b:x>2", "wrote w a:->1 b:x>2"], &["a:->1", "b:x>2"]),
            // Only what was really done.
            (&["write w a:->1 b:x>2", "wrote w a:->1"], &["a:->1"]),
            (&["write w a:x>1", "wrote w a:x>1", "write f a:1>2", "wrote f a:1>2"], &["a:x>2"]),
            // A person changed it in between.
            (&["write w a:x>1", "wrote w a:x>1", "write f a:p>2", "wrote f a:p>2"], &["a:x>2"]),
            // The order is that of what was done.
            (&["write w a:x>1", "write f a:1>2", "wrote w a:x>1", "wrote f a:1>2"], &["a:x>2"]),
            // Back where it was, and what never changed.
            (&["write w a:x>1", "wrote w a:x>1", "write restore a:1>x", "wrote restore a:1>x"], &[]),
            (&["write w a:->1", "wrote w a:->1", "write f a:1>-", "wrote f a:1>-"], &[]),
            (&["write w a:x>x", "wrote w a:x>x"], &[]),
            (&["write w a:x>-", "wrote w a:x>-"], &["a:x>-"]),
            // The daemon died for good before the end was recorded.
            (&["write w a:->1"], &["a:->-?1"]),
            (&["write w a:x>x"], &[]),
            (&["write w a:x>1", "wrote w a:x>1", "write f a:1>2"], &["a:x>1?2"]),
            (&["write w a:x>1", "wrote w a:x>1", "write f a:1>x"], &["a:x>1?x"]),
            // A later change shows whether an earlier one was made.
            (&["write w a:x>1", "write f a:1>2", "wrote f a:1>2"], &["a:x>2"]),
            (&["write w a:x>1", "write f a:p>2", "wrote f a:p>2"], &["a:p>2"]),
        ];
        for (steps, expected) in table {
            let steps: Vec<StepRow> = steps.iter().map(|text| step(text)).collect();
            assert_eq!(shown(&net(&steps).unwrap()), *expected, "{steps:?}");
        }
    }

    #[test]
    fn modes_and_dirs_are_those_of_the_first_time() {
        let with = |key: &str, change_text: &str, mode: Option<u32>, dirs: &[&str]| {
            let modes: BTreeMap<&str, u32> = mode.map(|mode| ("a", mode)).into_iter().collect();
            let value = serde_json::json!({
                "changes": [change(change_text)], "refused": [], "attention": {}, "conflicts": [], "modes": modes, "dirs": dirs,
            });
            StepRow { key: format!("write/{key}"), value: value.to_string() }
        };
        let steps = [
            with("1", "a:x>-", Some(0o755), &[]),
            step("wrote 1 a:x>-"),
            with("2", "a:->1", None, &["d", "d/e"]),
            step("wrote 2 a:->1"),
            with("3", "a:1>-", Some(0o644), &["d"]),
            step("wrote 3 a:1>-"),
        ];
        let found = net(&steps).unwrap();
        assert_eq!(found.files[&RelPath::parse("a").unwrap()].mode, Some(0o755));
        assert_eq!(found.dirs.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["d", "d/e"]);
        let broken = StepRow { key: "wrote/x".to_owned(), value: "{}".to_owned() };
        assert!(matches!(net(&[broken]), Err(StoreError::Content { .. })));
    }
}
