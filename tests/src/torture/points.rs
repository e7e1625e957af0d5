//! Every named point at which `etd` and `et` can be made to die, and when it is passed.

/// What makes a process pass a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A daemon starts.
    Start,
    /// A client looks for a daemon.
    Client,
    /// Any round.
    Round,
    /// A round with a file in a new dir.
    Dir,
    /// A round that deletes a file.
    Delete,
    /// A round with a check.
    Check,
    /// A round in which a file is looked at before the check.
    Look,
    /// A round is taken back.
    Undo,
    /// The daemon is told to stop.
    Stop,
    /// A round is cancelled. No scenario does that: when it ends, and how, depends on the moment.
    Cancel,
}

/// All of them. A test compares this with the sources.
pub const POINTS: &[(&str, When)] = &[
    ("child.ended", When::Check),
    ("child.started", When::Check),
    ("client.connected", When::Client),
    ("client.spawn", When::Client),
    ("client.spawn_lock", When::Client),
    ("daemon.bind", When::Start),
    ("daemon.draining", When::Stop),
    ("daemon.locked", When::Start),
    ("daemon.ready", When::Start),
    ("daemon.rename", When::Start),
    ("file.deleted", When::Delete),
    ("file.dir_made", When::Dir),
    ("file.linked", When::Round),
    ("file.published", When::Round),
    ("file.temporary", When::Round),
    ("recovery.begun", When::Start),
    ("recovery.recorded", When::Start),
    ("round.answered", When::Round),
    ("round.build_recorded", When::Check),
    ("round.call_noted", When::Round),
    ("round.call_recorded", When::Round),
    ("round.check_begun", When::Check),
    ("round.check_ran", When::Check),
    ("round.ended", When::Round),
    ("round.ending", When::Round),
    ("round.file_applied", When::Round),
    ("round.look_recorded", When::Look),
    ("round.plan_recorded", When::Round),
    ("round.subtask_recorded", When::Round),
    ("round.write_intended", When::Round),
    ("round.write_recorded", When::Round),
    ("round.written", When::Round),
    ("session.cancelled", When::Cancel),
    ("session.stored", When::Round),
    ("store.commit", When::Round),
    ("store.committed", When::Round),
    ("store.migrated", When::Start),
    ("store.migrating", When::Start),
    ("undo.applied", When::Undo),
    ("undo.begun", When::Undo),
    ("undo.files_back", When::Undo),
    ("undo.recorded", When::Undo),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::POINTS;

    fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }

    #[test]
    fn every_point_in_the_sources_is_known() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        sources(&top.join("etd/src"), &mut files);
        sources(&top.join("et/src"), &mut files);
        let point = regex::Regex::new(r#"hooks::pause(?:_blocking)?\("([^"]+)"\)"#).unwrap();
        let mut found = BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            found.extend(point.captures_iter(&text).map(|name| name[1].to_owned()));
        }
        let known: BTreeSet<String> = POINTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, known);
        assert_eq!(known.len(), POINTS.len(), "one stands there twice");
    }
}
