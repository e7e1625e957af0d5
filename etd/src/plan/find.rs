//! What is wrong with a complete plan, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::language::{self, LANGUAGES, Language};
use super::signature::{Signature, words};
use super::{Overlap, Plan, PlanForm, Subtask, Tree};
use crate::relpath::RelPath;

/// Something that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two subtasks name a file.
    Overlap {
        /// Which, by whom.
        overlap: Overlap,
        /// Whether the one that loses it owns nothing else.
        bare: bool,
    },
    /// Subtasks wait for one another.
    Cycle {
        /// Which, in the plan's order.
        ids: Vec<String>,
    },
    /// A subtask waits for what isn't in the plan.
    Unknown {
        /// Which subtask.
        id: String,
        /// What it waits for.
        other: String,
    },
    /// A subtask uses what nobody defines.
    Unprovided {
        /// Which subtask.
        id: String,
        /// What it uses.
        signature: String,
    },
    /// A subtask uses something in another form than its definition has.
    Differs {
        /// Which subtask.
        id: String,
        /// What it uses.
        requires: String,
        /// Who defines it.
        provider: String,
        /// What is defined.
        provides: String,
    },
    /// A manifest is needed, and nobody owns one.
    Manifest {
        /// Where it belongs.
        path: RelPath,
    },
    /// A program is wanted, and nobody owns its entry point.
    Entry {
        /// Where it belongs.
        path: RelPath,
    },
    /// A file of the layout that isn't there and that nobody owns.
    Unowned {
        /// Which.
        path: RelPath,
        /// Whether it goes with the files of a subtask that can still take it.
        fits: bool,
    },
}

impl Finding {
    /// Whether work would be left undone that only the planner can hand out.
    #[must_use]
    pub fn is_worth_a_question(&self) -> bool {
        match self {
            Self::Overlap { bare, .. } => *bare,
            Self::Entry { .. } => true,
            Self::Unowned { fits, .. } => !fits,
            Self::Cycle { .. }
            | Self::Unknown { .. }
            | Self::Unprovided { .. }
            | Self::Differs { .. }
            | Self::Manifest { .. } => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { overlap: Overlap { path, keeps, loses }, bare } => {
                let rest = if *bare { format!("; {loses} has no other file") } else { String::new() };
                write!(f, "{keeps} and {loses} both own {path}, only {keeps} can{rest}")
            }
            Self::Cycle { ids } => write!(f, "{} wait for one another", ids.join(", ")),
            Self::Unknown { id, other } => write!(f, "{id} waits for {other}, which isn't in the plan"),
            Self::Unprovided { id, signature } => write!(f, "{id} requires `{signature}`, which nobody provides"),
            Self::Differs { id, requires, provider, provides } => {
                write!(f, "{id} requires `{requires}`, but {provider} provides `{provides}`")
            }
            Self::Manifest { path } => write!(f, "nobody owns the manifest {path}"),
            Self::Entry { path } => write!(f, "nobody owns the entry point, such as {path}"),
            Self::Unowned { path, .. } => write!(f, "{path} is in the layout, and nobody owns it"),
        }
    }
}

/// All that is wrong with a complete plan, in the order in which it is mended. `begun`: subtasks that nothing can be given to any more;
/// `overlaps`: files that were already taken from a subtask while the plan was read.
#[must_use]
pub fn findings(plan: &Plan, task: &str, begun: &BTreeSet<String>, tree: &Tree, overlaps: &[Overlap]) -> Vec<Finding> {
    let mut found = overlapping(plan, overlaps);
    found.extend(waits(plan));
    found.extend(interfaces(plan, tree));
    if plan.form == PlanForm::Single {
        return found;
    }
    let owned: BTreeSet<String> = owned(plan).map(RelPath::folded).collect();
    for language in LANGUAGES.iter().filter(|language| language.is_of(plan)) {
        found.extend(manifest(plan, language, tree).map(|path| Finding::Manifest { path }));
    }
    let mut entries = Vec::new();
    for language in LANGUAGES.iter().filter(|language| language.is_of(plan)) {
        entries.extend(entry(plan, task, language, tree));
    }
    let manifests: Vec<RelPath> = found
        .iter()
        .filter_map(|one| if let Finding::Manifest { path } = one { Some(path.clone()) } else { None })
        .collect();
    for path in unowned(plan, &owned, tree).filter(|path| !manifests.contains(path)) {
        // Whoever is alone does it all.
        let fits = plan.subtasks.len() == 1 || fitting(plan, &path, begun).is_some();
        let is_entry = LANGUAGES.iter().any(|one| one.is_of(plan) && one.entries.contains(&path.file_name()));
        if is_entry && !entries.is_empty() {
            continue;
        }
        found.push(Finding::Unowned { path, fits });
    }
    found.extend(entries.into_iter().map(|path| {
        if plan.subtasks.len() == 1 { Finding::Unowned { path, fits: true } } else { Finding::Entry { path } }
    }));
    found
}

fn owned(plan: &Plan) -> impl Iterator<Item = &RelPath> {
    plan.subtasks.iter().flat_map(|subtask| &subtask.owns)
}

fn overlapping(plan: &Plan, overlaps: &[Overlap]) -> Vec<Finding> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut all = overlaps.to_vec();
    for subtask in &plan.subtasks {
        for path in &subtask.owns {
            match owners.get(&path.folded()) {
                Some(keeps) if *keeps != subtask.id => {
                    all.push(Overlap { path: path.clone(), keeps: (*keeps).to_owned(), loses: subtask.id.clone() });
                }
                Some(_) => {}
                None => {
                    owners.insert(path.folded(), &subtask.id);
                }
            }
        }
    }
    let kept = |subtask: &Subtask| {
        subtask.owns.iter().any(|path| owners.get(&path.folded()).is_some_and(|owner| *owner == subtask.id))
    };
    all.into_iter()
        .filter_map(|overlap| {
            let loses = plan.subtasks.iter().find(|subtask| subtask.id == overlap.loses)?;
            let bare = !kept(loses);
            Some(Finding::Overlap { overlap, bare })
        })
        .collect()
}

fn waits(plan: &Plan) -> Vec<Finding> {
    let place: BTreeMap<&str, usize> =
        plan.subtasks.iter().enumerate().map(|(place, subtask)| (subtask.id.as_str(), place)).collect();
    let mut found = Vec::new();
    let mut edges: Vec<BTreeSet<usize>> = Vec::new();
    for subtask in &plan.subtasks {
        let mut to = BTreeSet::new();
        for other in &subtask.after {
            match place.get(other.as_str()) {
                Some(place) => {
                    to.insert(*place);
                }
                None => found.push(Finding::Unknown { id: subtask.id.clone(), other: other.clone() }),
            }
        }
        edges.push(to);
    }
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for from in 0..edges.len() {
        if told.contains(&from) {
            continue;
        }
        let circle = |at: usize| {
            at == from && edges.get(from).is_some_and(|to| to.iter().any(|to| reaches(&edges, *to, from)))
                || at != from && reaches(&edges, from, at) && reaches(&edges, at, from)
        };
        let members: Vec<usize> = (from..edges.len()).filter(|at| circle(*at)).collect();
        if !members.is_empty() {
            let ids =
                members.iter().filter_map(|at| plan.subtasks.get(*at)).map(|subtask| subtask.id.clone()).collect();
            found.push(Finding::Cycle { ids });
            told.extend(members);
        }
    }
    found
}

/// What is used in a form that nobody defines.
fn interfaces(plan: &Plan, tree: &Tree) -> Vec<Finding> {
    let provided: Vec<(&Subtask, &String, Signature)> = plan
        .subtasks
        .iter()
        .flat_map(|subtask| {
            subtask.provides.iter().filter_map(move |text| Some((subtask, text, Signature::read(text)?)))
        })
        .collect();
    let shared = words(&plan.contract.shared);
    let mut found = Vec::new();
    for subtask in &plan.subtasks {
        for text in &subtask.requires {
            let Some(wanted) = Signature::read(text) else { continue };
            let same: Vec<_> = provided.iter().filter(|(.., one)| one.same_symbol(&wanted)).collect();
            if let Some((provider, provides, _)) = same.first() {
                let agreed = same.iter().any(|(.., one)| !one.differs(&wanted));
                if !agreed && provider.id != subtask.id {
                    found.push(Finding::Differs {
                        id: subtask.id.clone(),
                        requires: text.clone(),
                        provider: provider.id.clone(),
                        provides: (*provides).clone(),
                    });
                }
                continue;
            }
            // A list of names in one text, or a name in another's signature.
            let named = plan
                .subtasks
                .iter()
                .any(|one| one.provides.iter().any(|text| words(text).contains(wanted.symbol.as_str())));
            let known = named || shared.contains(wanted.symbol.as_str()) || tree.knows(&wanted.symbol);
            if wanted.is_ours() && !known {
                found.push(Finding::Unprovided { id: subtask.id.clone(), signature: text.clone() });
            }
        }
    }
    found
}

/// The manifest that the plan's files need and that nobody owns.
fn manifest(plan: &Plan, language: &Language, tree: &Tree) -> Option<RelPath> {
    let files: Vec<&RelPath> = owned(plan).filter(|path| language.has(path)).collect();
    if files.is_empty() || owned(plan).any(|path| path.file_name() == language.manifest) {
        return None;
    }
    // Where the planner wants it, else at the top.
    let laid = plan.contract.layout.iter().filter_map(|path| RelPath::parse(path).ok());
    let laid = laid.filter(|path| path.file_name() == language.manifest).min_by_key(|path| path.as_str().len());
    let manifest = laid.or_else(|| RelPath::parse(language.manifest).ok())?;
    let covered = files.iter().any(|path| language::above(path, language.manifest).any(|path| tree.has(&path)));
    (!tree.has(&manifest) && !covered).then_some(manifest)
}

/// The entry point of a program that is wanted, in a tree that has no code of the language yet, and that nobody owns.
fn entry(plan: &Plan, task: &str, language: &Language, tree: &Tree) -> Option<RelPath> {
    let files: Vec<&RelPath> = owned(plan).filter(|path| language.has(path)).collect();
    if files.is_empty() || tree.has_language(language.extensions) {
        return None;
    }
    let is_entry = |path: &RelPath| language.entries.contains(&path.file_name());
    let has_own = |path: &&RelPath| is_entry(path) || path.as_str().contains("bin/");
    // What the planner says of it counts, whatever the file is called.
    let told = plan
        .subtasks
        .iter()
        .any(|one| one.instructions.contains("func main") || one.instructions.contains("package main"));
    if files.iter().any(has_own) || told && !plan.contract.layout.iter().any(|path| path.ends_with("main.go")) {
        return None;
    }
    let laid = plan.contract.layout.iter().filter_map(|path| RelPath::parse(path).ok());
    if let Some(path) = laid.filter(|path| is_entry(path)).min_by_key(|path| path.as_str().len()) {
        return Some(path);
    }
    let program = language::wants_program(task);
    match language.entry {
        Some(entry) if program => RelPath::parse(entry).ok(),
        // A library of this kind begins in a file as well.
        Some(_) if language.always => RelPath::parse("src/lib.rs").ok(),
        _ => None,
    }
}

/// Files of the layout that are work of their own, that aren't there and that nobody owns.
fn unowned<'a>(plan: &'a Plan, owned: &'a BTreeSet<String>, tree: &'a Tree) -> impl Iterator<Item = RelPath> + 'a {
    // A subtask that owns nothing may take what is left.
    let free = plan.subtasks.iter().any(|subtask| subtask.owns.is_empty());
    let file = |text: &String| {
        let text = text.split_whitespace().next().unwrap_or_default();
        RelPath::parse(text.trim_matches(['`', '*', '"'])).ok()
    };
    let mut told = BTreeSet::new();
    plan.contract
        .layout
        .iter()
        .filter(move |_| !free)
        .filter_map(file)
        .filter(|path| !path.as_str().contains('*') && (!path.extension().is_empty() || is_named(path)))
        .filter(|path| !language::is_by_the_way(path))
        .filter(move |path| !owned.contains(&path.folded()) && !tree.has(path) && told.insert(path.folded()))
}

/// Files that have no ending.
fn is_named(path: &RelPath) -> bool {
    matches!(path.file_name(), "Makefile" | "makefile" | "GNUmakefile" | "Dockerfile")
}

/// The subtask that a file goes with and that can still take it: code for its test, the dir for what only joins its files.
pub(super) fn fitting(plan: &Plan, path: &RelPath, begun: &BTreeSet<String>) -> Option<String> {
    let stem = language::stem(path);
    let near = |own: &RelPath| {
        let dir = own.parent() == path.parent() || own.parent().starts_with(&format!("{}/", path.parent()));
        if language::is_glue(path) { dir } else { language::stem(own) == stem }
    };
    let open = plan.subtasks.iter().filter(|one| !begun.contains(&one.id));
    open.filter(|one| one.owns.iter().any(near)).map(|one| one.id.clone()).next()
}

/// Whether one may be come to from another, by steps along `edges`.
pub(super) fn reaches(edges: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(edges.get(at).into_iter().flatten());
        }
    }
    false
}
