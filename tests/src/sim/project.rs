//! What a simulated model knows: a correct project, how it would split the work, and the mistakes that it may make.
//!
//! Sources stand below `tests/reference/NAME/`, each file with `.txt` added to its name, so that no tool takes them for part of this workspace.

use std::path::{Path, PathBuf};

/// A project that is known to be right.
#[derive(Clone, Debug)]
pub struct Project {
    /// Also the name of its dir below `tests/reference/`.
    pub name: &'static str,
    /// What a contract calls the language.
    pub language: &'static str,
    /// What a user asks for.
    pub task: &'static str,
    /// Programs that its check needs, as `require_tool!` names them.
    pub tools: &'static [&'static str],
    /// The check, as `sh -c` runs it in the tree; none: detection finds it.
    pub check: Option<&'static str>,
    /// Source of the types and signatures that more than one part uses: the contract's.
    pub shared: &'static str,
    /// Names, styles, dependencies: the contract's, a line each.
    pub conventions: &'static [&'static str],
    /// How the work is split. Together they own every file that is to be written or changed.
    pub parts: Vec<Part>,
    /// The finished tree: path and content, sorted by path.
    pub files: Vec<(String, String)>,
    /// What is there before; empty for a project that is built from nothing. Paths that aren't in `files` stay as they are.
    pub given: Vec<(String, String)>,
    /// Mistakes that fit this project.
    pub faults: Vec<Fault>,
}

/// A subtask in the words of the planner.
#[derive(Clone, Debug)]
pub struct Part {
    /// As in a plan.
    pub id: &'static str,
    /// A line.
    pub title: &'static str,
    /// What to write, a few sentences; unlike those of any other part.
    pub instructions: &'static str,
    /// Files that only it writes.
    pub owns: &'static [&'static str],
    /// Existing files that it must see.
    pub reads: &'static [&'static str],
    /// Ids that must be done before.
    pub after: &'static [&'static str],
    /// Exact signatures that others use.
    pub provides: &'static [&'static str],
    /// Exact signatures of others that it uses.
    pub requires: &'static [&'static str],
}

/// Kinds of mistakes that stand in the text of a file. Mistakes of an answer as a whole (cut, no code, a path that is wrong, a file left
/// out, a placeholder, an edit that doesn't apply) need no knowledge of the project and aren't listed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// It can't be parsed.
    Syntax,
    /// An import, include or use is missing.
    MissingImport,
    /// A value of the wrong type.
    WrongType,
    /// A name that nobody defines.
    UndefinedSymbol,
    /// Caller and callee differ in a signature.
    Signature,
    /// A module, package or path in an import that isn't there.
    ModulePath,
    /// The manifest lacks an entry that a source needs.
    ManifestEntry,
    /// The same symbol is defined in two files.
    Duplicate,
    /// It builds, and a test fails.
    FailingTest,
    /// It compiles, and doesn't link.
    Linker,
}

/// When a toolchain says it: a later tier is seen only once no earlier one is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The parser.
    Syntax,
    /// Imports, modules, manifests and names.
    Names,
    /// Types and signatures.
    Types,
    /// Linking.
    Link,
    /// Tests.
    Tests,
}

/// One mistake: a change to the correct file, and what must be known to undo it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it is.
    pub kind: FaultKind,
    /// When it is found.
    pub tier: Tier,
    /// The file that is wrong. Its owner is who should be asked first.
    pub file: &'static str,
    /// Whole lines of the correct file, found exactly once in it.
    pub find: &'static str,
    /// What stands there instead; it occurs nowhere in the correct file.
    pub put: &'static str,
    /// A regular expression for what the tool says because of it. It must match the output of the check of the tree with this fault alone, and
    /// not that of the correct tree. Who mends the fault must be told so.
    pub reveals: &'static str,
    /// For a mistake between two files: the other file and text of it that must be seen to know what is right.
    pub other: Option<(&'static str, &'static str)>,
}

/// The dir of a project's sources.
#[must_use]
pub fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference").join(name)
}

/// All files below `tests/reference/NAME/SUB`, by path without the `.txt`, sorted.
///
/// # Panics
/// If they can't be read.
#[must_use]
pub fn sources(name: &str, sub: &str) -> Vec<(String, String)> {
    let root = dir(name).join(sub);
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry of a dir").path();
        if path.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let name = path.strip_prefix(root).expect("a path below its root").to_string_lossy().into_owned();
        let name = name.strip_suffix(".txt").unwrap_or_else(|| panic!("{} doesn't end in .txt", path.display()));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.push((name.to_owned(), text));
    }
}
