//! Whether a project is what it claims to be.
//!
//! [`declared`] looks at the declarations alone. [`verify`] also runs the project's check with the real tools: on the correct tree, which
//! must be green, and on the tree with each fault alone, which must be red and say what the fault promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use crate::sim::project::{Fault, FaultKind, Part, Project, Tier};

/// Complaints about the project, with the real tools; empty if there is none. Takes about a second per fault, or several.
///
/// # Panics
/// If a tree can't be written to a temp dir, or `sh` can't be started.
#[must_use]
pub fn verify(project: &Project) -> Vec<String> {
    let mut complaints = declared(project);
    let stages = Stages::of(project);
    let room = tempfile::tempdir().expect("a temp dir");
    let correct = stages.run(room.path(), project, None);
    if let Some(red) = correct.red {
        complaints.push(format!("the correct tree is red at {red}:\n{}", correct.said));
        return complaints;
    }
    for fault in &project.faults {
        let Ok(reveals) = Regex::new(fault.reveals) else { continue };
        let name = label(fault);
        if reveals.is_match(&correct.said) {
            complaints.push(format!("{name}: `reveals` matches the output of the correct tree"));
        }
        let faulty = stages.run(room.path(), project, Some(fault));
        let Some(red) = faulty.red else {
            complaints.push(format!("{name}: the tree with it is green"));
            continue;
        };
        if !reveals.is_match(&faulty.said) {
            complaints.push(format!("{name}: `reveals` ({}) isn't in the output:\n{}", fault.reveals, faulty.said));
        }
        if let Some(wrong) = stages.wrong_tier(fault.tier, red, &faulty.said) {
            complaints.push(format!("{name}: {wrong}:\n{}", faulty.said));
        }
    }
    complaints
}

/// Complaints that need no tool.
#[must_use]
pub fn declared(project: &Project) -> Vec<String> {
    let mut complaints = Vec::new();
    let files: BTreeMap<&str, &str> = texts(&project.files);
    if files.len() != project.files.len() || !project.files.is_sorted() {
        complaints.push("`files` aren't sorted, or a path is there twice".to_owned());
    }
    owned(project, &files, &mut complaints);
    for part in &project.parts {
        planned(project, part, &mut complaints);
    }
    for fault in &project.faults {
        fits(fault, &files, &mut complaints);
    }
    combine(project, &files, &mut complaints);
    complaints
}

fn texts(files: &[(String, String)]) -> BTreeMap<&str, &str> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

fn label(fault: &Fault) -> String {
    format!("{:?} in {} (put {:?})", fault.kind, fault.file, fault.put)
}

/// Parts own every file that must be written, each once, and nothing else.
fn owned(project: &Project, files: &BTreeMap<&str, &str>, complaints: &mut Vec<String>) {
    let given = texts(&project.given);
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in &project.parts {
        for path in part.owns {
            owners.entry(path).or_default().push(part.id);
        }
    }
    for (path, parts) in &owners {
        if parts.len() > 1 {
            complaints.push(format!("{path} is owned by {}", parts.join(" and ")));
        }
        if !files.contains_key(path) {
            complaints.push(format!("{path}, owned by {}, isn't in the finished tree", parts.join(" and ")));
        }
    }
    for (path, text) in files {
        if given.get(path) != Some(text) && !owners.contains_key(path) {
            complaints.push(format!("nobody owns {path}"));
        }
    }
}

fn planned(project: &Project, part: &Part, complaints: &mut Vec<String>) {
    let id = part.id;
    let others = || project.parts.iter().filter(|other| other.id != id);
    if project.parts.iter().filter(|other| other.id == id).count() > 1 {
        complaints.push(format!("the id {id} is there twice"));
    }
    if others().any(|other| other.instructions == part.instructions) {
        complaints.push(format!("{id}: another part has the same instructions"));
    }
    for before in part.after {
        if !others().any(|other| other.id == *before) {
            complaints.push(format!("{id} is after {before}, which isn't there"));
        }
    }
    for path in part.reads {
        if !project.given.iter().any(|(given, _)| given == path) {
            complaints.push(format!("{id} reads {path}, which isn't there before"));
        }
    }
    for signature in part.requires {
        let provided = others().any(|other| other.provides.contains(signature));
        // What is there already has no part.
        if !provided && !project.given.iter().any(|(_, text)| text.contains(signature)) {
            complaints.push(format!("{id} requires {signature:?}, which nobody provides"));
        }
    }
}

/// The fault's texts are where it says.
fn fits(fault: &Fault, files: &BTreeMap<&str, &str>, complaints: &mut Vec<String>) {
    let name = label(fault);
    if let Err(error) = Regex::new(fault.reveals) {
        complaints.push(format!("{name}: `reveals`: {error}"));
    }
    match files.get(fault.file) {
        None => complaints.push(format!("{name}: the file isn't in the tree")),
        Some(text) => {
            let times = text.matches(fault.find).count();
            if times != 1 {
                complaints.push(format!("{name}: `find` is there {times} times: {:?}", fault.find));
            } else if !whole_lines(text, fault.find) {
                complaints.push(format!("{name}: `find` isn't whole lines: {:?}", fault.find));
            }
            if text.contains(fault.put) {
                complaints.push(format!("{name}: `put` is in the correct file, or empty"));
            }
        }
    }
    if let Some((path, seen)) = fault.other {
        if path == fault.file {
            complaints.push(format!("{name}: `other` is the file itself"));
        }
        if !files.get(path).is_some_and(|text| text.contains(seen)) {
            complaints.push(format!("{name}: `other` isn't in {path}: {seen:?}"));
        }
    } else if matches!(fault.kind, FaultKind::Signature | FaultKind::Duplicate) {
        complaints.push(format!("{name}: a mistake between two files needs `other`"));
    }
}

fn whole_lines(text: &str, find: &str) -> bool {
    let Some(at) = text.find(find) else { return false };
    let (before, after) = (&text[..at], &text[at + find.len()..]);
    let starts = before.is_empty() || before.ends_with('\n');
    let ends = after.is_empty() || after.starts_with('\n') || find.ends_with('\n');
    starts && ends
}

/// Any two faults of a file can be there together.
fn combine(project: &Project, files: &BTreeMap<&str, &str>, complaints: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for fault in &project.faults {
        if !seen.insert((fault.file, fault.put)) {
            complaints.push(format!("{}: there twice", label(fault)));
        }
        let Some(text) = files.get(fault.file) else { continue };
        let changed = text.replacen(fault.find, fault.put, 1);
        for other in project.faults.iter().filter(|other| other.file == fault.file && other.find != fault.find) {
            if changed.matches(other.find).count() != 1 || changed.contains(other.put) {
                complaints.push(format!("{} and {} can't be combined", label(fault), label(other)));
            }
        }
        let same = project.faults.iter().filter(|other| other.file == fault.file && other.find == fault.find);
        if same.count() > 1 {
            complaints.push(format!("{}: another fault has the same `find`", label(fault)));
        }
    }
}

/// A stage of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Build,
    Tests,
    /// A check that can't be told apart.
    Whole,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Build => "the build",
            Self::Tests => "the tests",
            Self::Whole => "the check",
        })
    }
}

/// What a check said, and where it ended.
struct Outcome {
    said: String,
    red: Option<Stage>,
}

/// A check in stages: each runs once those before are green.
struct Stages {
    commands: Vec<(Stage, String)>,
    /// The build stage finds whatever isn't found by running tests.
    build_finds_all: bool,
}

impl Stages {
    fn of(project: &Project) -> Self {
        let has = |path: &str| project.files.iter().any(|(file, _)| file == path);
        let two = |build: &str, tests: &str, build_finds_all| Self {
            commands: vec![(Stage::Build, build.to_owned()), (Stage::Tests, tests.to_owned())],
            build_finds_all,
        };
        match project.check {
            Some(check) => Self { commands: vec![(Stage::Whole, check.to_owned())], build_finds_all: false },
            None if has("go.mod") => two("go build ./... && go vet ./...", "go test ./...", true),
            None if has("Cargo.toml") => {
                two("cargo build --offline && cargo test --offline --no-run", "cargo test --offline", true)
            }
            None if has("tsconfig.json") => two("tsc --noEmit --pretty false -p .", "npm run test", true),
            None if has("Makefile") => two("make", "make test", false),
            // Without a compiler only the parser speaks before the tests run.
            None if project.files.iter().any(|(file, _)| file.ends_with(".py")) => {
                two("python3 -m compileall -q .", "python3 -m unittest discover -s tests", false)
            }
            None => two("javac -d \"$(mktemp -d)\" $(find . -name '*.java')", "true", true),
        }
    }

    fn run(&self, room: &Path, project: &Project, fault: Option<&Fault>) -> Outcome {
        // Always the same dir: caches of tools go by path.
        let tree = room.join("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree).expect("the last tree goes away");
        }
        for (path, text) in project.given.iter().chain(&project.files) {
            let to = tree.join(path);
            fs::create_dir_all(to.parent().expect("a file has a dir")).expect("a dir of the tree");
            let text = match fault {
                Some(fault) if fault.file == path => text.replacen(fault.find, fault.put, 1),
                _ => text.clone(),
            };
            fs::write(&to, text).expect("a file of the tree");
        }
        let mut said = String::new();
        for (stage, command) in &self.commands {
            let (green, text) = shell(room, &tree, command);
            said.push_str(&text);
            if !green {
                return Outcome { said, red: Some(*stage) };
            }
        }
        Outcome { said, red: None }
    }

    /// What contradicts the tier, as far as it can be seen.
    fn wrong_tier(&self, tier: Tier, red: Stage, said: &str) -> Option<&'static str> {
        let unlinked = said.contains("undefined reference to") || said.contains("multiple definition of");
        match (tier, red) {
            (Tier::Tests, Stage::Build) => Some("the build is red, so its tier isn't that of tests"),
            (Tier::Syntax | Tier::Names | Tier::Types | Tier::Link, Stage::Tests) if self.build_finds_all => {
                Some("only the tests are red, so its tier is that of tests")
            }
            (Tier::Link, _) if !unlinked => Some("the linker says nothing"),
            (Tier::Syntax | Tier::Names | Tier::Types | Tier::Tests, _) if unlinked => {
                Some("the linker fails, so its tier is that of linking")
            }
            _ => None,
        }
    }
}

/// Runs a command in the tree: whether it is green, and all that it says.
fn shell(room: &Path, tree: &Path, command: &str) -> (bool, String) {
    let mut path = std::env::var("PATH").unwrap_or_default();
    if let Ok(go) = std::env::var("ET_TEST_GO_BIN") {
        path = format!("{go}:{path}");
    }
    let output = Command::new("timeout")
        .args(["300", "sh", "-c", &format!("({command}\n) 2>&1")])
        .current_dir(tree)
        .env("PATH", path)
        .envs([("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod"), ("GOWORK", "off")])
        .env("CARGO_TARGET_DIR", room.join("target"))
        .env("CARGO_TERM_COLOR", "never")
        .env("LC_ALL", "C.UTF-8")
        // What cargo tells the tests of this workspace isn't meant for another one.
        .env_remove("CARGO_MANIFEST_DIR")
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
