//! Who owns which file.

use std::collections::BTreeMap;

use proto::diagnostic::Diagnostic;

use super::INTEGRATOR;
use crate::plan::Subtask;
use crate::relpath::RelPath;

/// Path → owner. Paths that a case-insensitive file system takes for one are one.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    files: BTreeMap<String, (RelPath, String)>,
}

impl Owners {
    /// What the plan says; where two subtasks name a file, the earlier one has it.
    #[must_use]
    pub fn new(subtasks: &[Subtask]) -> Self {
        let mut owners = Self::default();
        for subtask in subtasks {
            for path in &subtask.owns {
                owners.claim(path.clone(), &subtask.id);
            }
        }
        owners
    }

    /// Gives a file to `owner` unless it has one; returns whether it is theirs now.
    pub fn claim(&mut self, path: RelPath, owner: &str) -> bool {
        let entry = self.files.entry(path.folded()).or_insert_with(|| (path, owner.to_owned()));
        entry.1 == owner
    }

    /// Takes a file from its owner, if that is this one.
    pub fn release(&mut self, path: &RelPath, owner: &str) {
        if self.owner_of(path) == Some(owner) {
            self.files.remove(&path.folded());
        }
    }

    /// The owner of a file; none if no subtask owns it.
    #[must_use]
    pub fn owner_of(&self, path: &RelPath) -> Option<&str> {
        self.files.get(&path.folded()).map(|(_, owner)| owner.as_str())
    }

    /// The files of an owner, sorted.
    #[must_use]
    pub fn files_of(&self, owner: &str) -> Vec<RelPath> {
        self.iter().filter(|(_, other)| *other == owner).map(|(path, _)| path.clone()).collect()
    }

    /// All paths that have an owner, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.files.values().map(|(path, _)| path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RelPath, &str)> {
        self.files.values().map(|(path, owner)| (path, owner.as_str()))
    }

    /// The owner of a file as a diagnostic names it, the integrator if no subtask owns it.
    pub(super) fn of_file(&self, file: &str) -> &str {
        self.files.get(&file.to_lowercase()).map_or(INTEGRATOR, |(_, owner)| owner.as_str())
    }
}

/// Fills in the owner of each diagnostic: that of its file, or the integrator.
pub fn set_owners(diagnostics: &mut [Diagnostic], owners: &Owners) {
    for diagnostic in diagnostics {
        diagnostic.owner = Some(diagnostic.file.as_deref().map_or(INTEGRATOR, |file| owners.of_file(file)).to_owned());
    }
}
