//! All that is known of the tree when leads are looked for, and how what they say begins.

use std::collections::BTreeMap;

use crate::blame::Owners;
use crate::blame::shape::{self, Found, Shape};
use crate::plan::{Contract, Subtask};
use crate::relpath::RelPath;

/// How the message of a place begins that is likely to be wrong: its owner is asked first.
pub(in crate::blame) const LIKELY: &str = "likely the cause: ";
/// The same of one that is nearly as likely: its owner is asked at the same time.
pub(in crate::blame) const PERHAPS: &str = "perhaps the cause: ";
/// What is said of a function that a failing test reaches, whoever is to blame.
pub const REACHED: &str = "is what the failing test reaches";
/// All that is known of the tree.
pub(super) struct Tree<'a> {
    pub(super) owners: &'a Owners,
    pub(super) subtasks: &'a [Subtask],
    pub(super) contract: &'a Contract,
    pub(super) texts: &'a BTreeMap<RelPath, String>,
}

impl Tree<'_> {
    pub(super) fn line(&self, file: &str, line: u32) -> &str {
        let text = RelPath::parse(file).ok().and_then(|path| self.texts.get(&path));
        text.and_then(|text| text.lines().nth((line as usize).checked_sub(1)?)).unwrap_or_default()
    }

    /// Where a symbol is defined; where `holder` tells some of them from others, those.
    pub(super) fn definitions(&self, symbol: &str, holder: &str) -> Vec<(&RelPath, Found)> {
        let mut all: Vec<(&RelPath, Found)> = Vec::new();
        for (path, text) in self.texts.iter().filter(|(_, text)| text.contains(symbol)) {
            all.extend(shape::find(path.as_str(), text, symbol, false).into_iter().map(|found| (path, found)));
        }
        let meant = |(path, found): &&(&RelPath, Found)| {
            let (dir, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
            let stem = name.split('.').next().unwrap_or(name);
            [stem, dir.rsplit('/').next().unwrap_or(dir), found.holder.as_str()]
                .iter()
                .any(|one| !one.is_empty() && one.eq_ignore_ascii_case(holder))
        };
        if !holder.is_empty() {
            let told: Vec<_> = all.iter().filter(meant).cloned().collect();
            if !told.is_empty() {
                return told;
            }
        }
        all
    }

    /// How the contract says that a definition is called: by its owner's part, or else by what all share.
    pub(super) fn agreed(&self, symbol: &str, path: &RelPath, found: &Found) -> Vec<Shape> {
        let owner = self.owners.owner_of(path);
        let of = |text: &str| shape::find(path.as_str(), text, symbol, true);
        let part = self.subtasks.iter().filter(|one| Some(one.id.as_str()) == owner).flat_map(|one| &one.provides);
        let provided: Vec<Found> = part.flat_map(|signature| of(signature)).collect();
        let shared = of(&self.contract.shared);
        let same = |one: &&Found| one.holder == found.holder;
        for list in [&provided, &shared] {
            let exact: Vec<Shape> = list.iter().filter(same).map(|one| one.shape.clone()).collect();
            if !exact.is_empty() {
                return exact;
            }
        }
        provided.into_iter().chain(shared).map(|one| one.shape).collect()
    }
}
