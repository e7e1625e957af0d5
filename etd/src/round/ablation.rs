//! Parts of the harness that a measurement replaces by the simplest reasonable ones, to see what each is worth.
//!
//! Only with the feature `test-hooks`: `ET_TEST_WITHOUT` in the daemon's environment names them. Without the feature every part is there.
//! It is read once, so a round that is resumed by a daemon with the same environment sees the same.

use std::collections::{BTreeMap, BTreeSet};

use proto::diagnostic::{Diagnostic, Severity};
use proto::event::FixStep;

use crate::blame::{Assignment, INTEGRATOR, Owners, Verdict};
use crate::relpath::RelPath;

/// A part that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Each file has one writer. Without: any worker may write any file that it names, and a later answer overwrites an earlier one.
    Ownership,
    /// Errors are told apart, and climb a ladder. Without: each goes to the owner of the file in which the tool reported it, always.
    Attribution,
    /// A round ends on the best tree. Without: on the last one that was built.
    KeepBest,
    /// Large files are changed by edits. Without: whole files are asked for, always.
    Edits,
    /// A single file is looked at as soon as it is there. Without: the check finds everything.
    QuickLooks,
}

/// Whether a part is left out.
#[cfg(not(feature = "test-hooks"))]
pub(super) const fn without(_part: Part) -> bool {
    false
}

/// Whether a part is left out.
#[cfg(feature = "test-hooks")]
pub(super) fn without(part: Part) -> bool {
    static NAMED: std::sync::LazyLock<Vec<Part>> =
        std::sync::LazyLock::new(|| parse(&std::env::var(proto::hooks::WITHOUT).unwrap_or_default()));
    NAMED.contains(&part)
}

/// The parts that a list names.
///
/// # Panics
/// If it names another one: a measurement of nothing would look like a result.
#[cfg(feature = "test-hooks")]
fn parse(list: &str) -> Vec<Part> {
    let part = |name: &str| match name {
        "ownership" => Part::Ownership,
        "attribution" => Part::Attribution,
        "keep-best" => Part::KeepBest,
        "edits" => Part::Edits,
        "quick-looks" => Part::QuickLooks,
        other => panic!("{}: there is no part {other:?}", proto::hooks::WITHOUT),
    };
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(part).collect()
}

/// The simplest attribution: every error goes to the owner of its file, those without one to the integrator. Pure.
pub(super) fn plain(diagnostics: &[Diagnostic], owners: &Owners) -> Verdict {
    let mut parts: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        let place = diagnostic.file.as_deref().and_then(|file| RelPath::parse(file).ok());
        let owner = place.and_then(|path| owners.owner_of(&path).map(str::to_owned));
        let owner = owner.unwrap_or_else(|| INTEGRATOR.to_owned());
        let diagnostic = Diagnostic { owner: Some(owner.clone()), ..diagnostic.clone() };
        parts.entry(owner).or_default().push(diagnostic);
    }
    let assignment = |(owner, diagnostics): (String, Vec<Diagnostic>)| {
        let mut files: BTreeSet<RelPath> = owners.files_of(&owner).into_iter().collect();
        if owner == INTEGRATOR {
            files.extend(diagnostics.iter().filter_map(|one| RelPath::parse(one.file.as_deref()?).ok()));
        }
        Assignment {
            step: FixStep::Owner,
            files: files.into_iter().collect(),
            show: Vec::new(),
            steps: vec![FixStep::Owner; diagnostics.len()],
            why: "owns the file of the error".to_owned(),
            owner,
            diagnostics,
        }
    };
    let assignments: Vec<Assignment> = parts.into_iter().map(assignment).collect();
    if assignments.is_empty() { Verdict::Exhausted } else { Verdict::Fix(assignments) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn error(file: Option<&str>, message: &str) -> Diagnostic {
        Diagnostic {
            tool: "go".to_owned(),
            file: file.map(str::to_owned),
            line: Some(1),
            column: None,
            severity: Severity::Error,
            code: None,
            message: message.to_owned(),
            related: Vec::new(),
            owner: None,
        }
    }

    #[test]
    fn plainly_everything_goes_where_it_was_reported() {
        let mut owners = Owners::default();
        for (path, owner) in [("a.go", "one"), ("b.go", "two"), ("c.go", "two")] {
            owners.claim(RelPath::parse(path).unwrap(), owner);
        }
        let mut warning = error(Some("a.go"), "unused");
        warning.severity = Severity::Warning;
        let found = [
            error(Some("b.go"), "undefined: Open"),
            error(Some("a.go"), "syntax error: x"),
            error(Some("go.mod"), "y"),
            error(None, "z"),
            warning,
        ];
        let Verdict::Fix(assignments) = plain(&found, &owners) else { panic!("nothing is assigned") };
        let short: Vec<_> = assignments
            .iter()
            .map(|one| (one.owner.as_str(), one.files.iter().map(RelPath::as_str).collect(), one.diagnostics.len()))
            .collect();
        let expected: [(&str, Vec<&str>, usize); 3] =
            [(INTEGRATOR, vec!["go.mod"], 2), ("one", vec!["a.go"], 1), ("two", vec!["b.go", "c.go"], 1)];
        assert_eq!(short, expected);
        assert_eq!(plain(&[], &owners), Verdict::Exhausted);
    }

    #[cfg(feature = "test-hooks")]
    #[test]
    fn parts_are_named_with_commas() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("keep-best, ownership"), [Part::KeepBest, Part::Ownership]);
    }
}
