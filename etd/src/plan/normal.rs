//! From what a planner wrote for a subtask to one that keeps the plan's rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{CheckHint, Contract, Known, Overlap, Subtask};
use crate::answer::bare;
use crate::relpath::RelPath;

/// A subtask as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) instructions: String,
    pub(super) owns: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) provides: Vec<String>,
    pub(super) requires: Vec<String>,
    pub(super) specialist: Option<String>,
}

fn field<'a>(map: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| map.get(*name)).or_else(|| {
        map.iter().find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
    })
}

/// A value as text: numbers too, a list line by line.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Array(list)) => list.iter().map(|value| text(Some(value))).collect::<Vec<_>>().join("\n"),
        Some(Value::Object(map)) => text(field(map, &["path", "file", "id", "signature", "name", "text"])),
        Some(Value::Null) | None => String::new(),
    }
}

/// A value as a list; one text is cut at the given separators.
fn list(value: Option<&Value>, separators: &[char]) -> Vec<String> {
    let all: Vec<String> = match value {
        Some(Value::Array(list)) => list.iter().map(|value| text(Some(value))).collect(),
        value => text(value).split(separators).map(|item| item.trim().to_owned()).collect(),
    };
    all.into_iter().filter(|item| !item.is_empty()).collect()
}

impl Draft {
    /// From an object of the plan.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let get = |names: &[&str]| field(map, names);
        let specialist = text(get(&["specialist"]));
        Some(Self {
            id: text(get(&["id"])),
            title: text(get(&["title", "name"])),
            instructions: text(get(&["instructions", "description", "task", "prompt"])),
            owns: list(get(&["owns", "files"]), &[',', '\n']),
            reads: list(get(&["reads"]), &[',', '\n']),
            after: list(get(&["after", "depends_on", "depends", "dependencies"]), &[',', '\n', ' ']),
            provides: list(get(&["provides"]), &['\n']),
            requires: list(get(&["requires"]), &['\n']),
            specialist: Some(specialist)
                .filter(|name| !name.is_empty() && !matches!(name.as_str(), "null" | "none" | "None")),
        })
    }
}

/// From the plan's `contract`.
pub(super) fn contract(value: &Value) -> Option<Contract> {
    let map = value.as_object()?;
    Some(Contract {
        language: text(field(map, &["language"])),
        layout: list(field(map, &["layout"]), &[',', '\n']),
        shared: text(field(map, &["shared"])),
        conventions: list(field(map, &["conventions"]), &['\n']),
    })
}

/// From the plan's `check`.
pub(super) fn check(value: &Value) -> CheckHint {
    let get = |name| value.as_object().map(|map| list(field(map, &[name]), &[' ', '\n'])).unwrap_or_default();
    CheckHint { build: get("build"), test: get("test") }
}

/// Workers that are no subtasks: no subtask is called so, whatever the planner calls it.
const RESERVED: [&str; 5] = ["integrator", "tester", "planner", "reviewer", "synthesis"];

/// Ids as they are used in step keys.
pub(super) fn sanitised(id: &str) -> String {
    let id: String =
        id.trim().chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let id: String = id.trim_matches('-').chars().take(64).collect();
    if RESERVED.contains(&id.as_str()) { format!("{id}-part") } else { id }
}

/// What has come out so far, against which the next is held.
#[derive(Debug, Default)]
pub(super) struct Normaliser {
    known: Known,
    ids: BTreeSet<String>,
    /// Who owns a path, by its folded form; none: it was known before.
    owners: BTreeMap<String, Option<String>>,
    count: usize,
    pub(super) notes: Vec<String>,
    pub(super) overlaps: Vec<Overlap>,
}

impl Normaliser {
    pub(super) fn new(known: Known) -> Self {
        let ids = known.subtasks.iter().map(|subtask| subtask.id.clone()).collect();
        let owners =
            known.subtasks.iter().flat_map(|subtask| &subtask.owns).map(|path| (path.folded(), None)).collect();
        Self { count: known.subtasks.len(), known, ids, owners, ..Self::default() }
    }

    fn paths(&mut self, id: &str, verb: &str, raw: &[String]) -> Vec<RelPath> {
        let mut paths: Vec<RelPath> = Vec::new();
        for raw in raw {
            let text = bare(raw);
            // `main.go (entry point)`, `main.go - the entry point`
            let text = match text.split_once(' ') {
                Some((path, rest)) if rest.trim_start().starts_with(['(', '-', '–', '—', '#', ':']) => bare(path),
                _ => text,
            };
            let shown: String = text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            match RelPath::parse(text) {
                Ok(path) if path.as_str().contains('*') => {
                    self.notes.push(format!("{id} {verb} `{shown}`, which is a pattern and no file: left out."));
                }
                Ok(path) if paths.iter().any(|other| other.folded() == path.folded()) => {}
                Ok(path) => paths.push(path),
                Err(reason) => self.notes.push(format!("{id} {verb} `{shown}`: left out, since {reason}.")),
            }
        }
        paths
    }

    /// A subtask that keeps the rules, or none if nothing is left of it. `numbered`: its id is only its place in a list.
    pub(super) fn take(&mut self, draft: Draft, numbered: bool) -> Option<Subtask> {
        if draft.id.is_empty() && draft.instructions.is_empty() && draft.title.is_empty() && draft.owns.is_empty() {
            return None;
        }
        let wanted = sanitised(&draft.id);
        let noted = self.notes.len();
        let name = if wanted.is_empty() { (self.count + 1).to_string() } else { wanted.clone() };
        let owned = self.paths(&name, "owns", &draft.owns);
        let known = owned.iter().filter(|path| self.owners.get(&path.folded()) == Some(&None)).count();
        let same_id = self.known.subtasks.iter().find(|subtask| !wanted.is_empty() && subtask.id == wanted);
        // A number says little: a model that goes on may begin to count anew.
        let number = numbered || wanted.bytes().all(|byte| byte.is_ascii_digit());
        let same =
            same_id.is_some_and(|subtask| !number || owned.is_empty() || known > 0 || subtask.title == draft.title);
        let repeated = same || !owned.is_empty() && known == owned.len();
        if repeated {
            self.notes.truncate(noted);
            return None;
        }
        if draft.instructions.is_empty() && owned.is_empty() {
            self.notes.push(format!("{name} says nothing of what to do and owns no file: left out."));
            return None;
        }
        self.count += 1;
        let stem = if wanted.is_empty() { self.count.to_string() } else { wanted };
        let id = (1..)
            .map(|number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
            .find(|id| !self.ids.contains(id))
            .unwrap_or_else(|| stem.clone());
        self.ids.insert(id.clone());
        let mut owns = Vec::new();
        for path in owned {
            match self.owners.get(&path.folded()) {
                Some(None) => {}
                Some(Some(owner)) => {
                    self.notes.push(format!("{path} stays with {owner}, which came before {id}."));
                    self.overlaps.push(Overlap { path, keeps: owner.clone(), loses: id.clone() });
                }
                None => {
                    self.owners.insert(path.folded(), Some(id.clone()));
                    owns.push(path);
                }
            }
        }
        let mut reads = self.paths(&id, "reads", &draft.reads);
        reads.retain(|path| !owns.iter().any(|own| own.folded() == path.folded()));
        let mut after: Vec<String> = Vec::new();
        for other in draft.after.iter().map(|other| sanitised(other)) {
            if !other.is_empty() && other != id && !after.contains(&other) {
                after.push(other);
            }
        }
        let title = if draft.title.is_empty() { titled(&draft.instructions, &id) } else { titled(&draft.title, &id) };
        let instructions = if draft.instructions.is_empty() { title.clone() } else { draft.instructions };
        let Draft { provides, requires, specialist, .. } = draft;
        Some(Subtask { id, title, instructions, owns, reads, after, provides, requires, specialist })
    }
}

/// A line for people.
fn titled(text: &str, id: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(id);
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line).trim_end()),
        None => line,
    }
}
