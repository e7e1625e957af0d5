//! Dependencies, fetched in a step of their own before a build that has no network.
//!
//! What is fetched is decided by manifests, and manifests are all that a fetch sees: they are copied to a dir of its own, sources without
//! their bodies, and the work dir isn't shown. So whatever else stands in the tree (`.npmrc`, `.cargo/config.toml`, `setup.py`) has no say
//! while there is a network, and there is nothing to carry off. Install scripts don't run. Maven's and Gradle's manifests are programs:
//! for them nothing is fetched, and they see what the user has.
//!
//! What to fetch is pure ([`fetches`]). A fetch that fails is no red check: the build says what is missing.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::relpath::RelPath;
use crate::workspace::TreeFile;

mod run;
#[cfg(test)]
mod tests;

pub use run::{FetchSite, fetch};

/// A download for one kind of manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The program.
    pub tool: &'static str,
    /// Files that it sees: path and text.
    pub files: BTreeMap<String, String>,
    /// Where it runs, relative to where those are.
    pub dir: String,
    /// Tells by exit code 0 that there is nothing to fetch; without a network.
    pub satisfied: Vec<String>,
    /// Fetches.
    pub argv: Vec<String>,
}

impl Fetch {
    /// Names what is asked for: the same again needs no second fetch.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use std::fmt::Write as _;
        let digest = Sha256::digest(format!("{self:?}"));
        digest.iter().take(10).fold(String::new(), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Where what isn't the project's own lies.
const FOREIGN: &[&str] = &["node_modules", "vendor", "target", "venv", ".venv", "site-packages", ".git", "testdata"];

/// What a tree's manifests ask for. Empty where none has dependencies on something from elsewhere.
#[must_use]
pub fn fetches(tree: &[TreeFile], read: &dyn Fn(&RelPath) -> Option<String>) -> Vec<Fetch> {
    let own = |path: &&RelPath| !path.parent().split('/').any(|part| FOREIGN.contains(&part));
    let files: Vec<&RelPath> = tree.iter().map(|file| &file.path).filter(own).collect();
    [go(&files, read), cargo(&files, read), npm(tree, &files, read), pip(&files, read)].into_iter().flatten().collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

type Read<'a> = &'a dyn Fn(&RelPath) -> Option<String>;

/// Copies of files with these names.
fn copies(files: &[&RelPath], read: Read<'_>, names: &[&str]) -> BTreeMap<String, String> {
    let wanted = files.iter().filter(|path| names.contains(&path.file_name()));
    wanted.filter_map(|path| Some((path.to_string(), read(path)?))).collect()
}

/// Modules. Sources are shown as their imports, since `go.mod` often lacks what they need.
fn go(files: &[&RelPath], read: Read<'_>) -> Option<Fetch> {
    let mut staged = copies(files, read, &["go.mod", "go.sum", "go.work", "go.work.sum"]);
    let module_lines = staged.iter().filter(|(path, _)| path.ends_with("go.mod"));
    let own: Vec<String> = module_lines
        .filter_map(|(_, text)| {
            text.lines().find_map(|line| line.strip_prefix("module ")).map(|name| name.trim().to_owned())
        })
        .collect();
    let (mut foreign, mut any) = (staged.values().any(|text| text.contains("require")), false);
    for path in files.iter().filter(|path| path.extension() == "go") {
        let Some(text) = read(path) else { continue };
        let package = text
            .lines()
            .find_map(|line| line.strip_prefix("package "))
            .and_then(|name| name.split_whitespace().next().map(str::to_owned));
        let (Some(package), imports) = (package, super::detect::go_imports(&text)) else { continue };
        any = true;
        foreign |= imports.iter().any(|import| {
            let mine = own.iter().any(|module| *import == module || import.starts_with(&format!("{module}/")));
            !mine && import.split('/').next().is_some_and(|host| host.contains('.'))
        });
        let lines: String = imports.iter().map(|import| format!("\t_ \"{import}\"\n")).collect();
        staged.insert(path.to_string(), format!("package {package}\n\nimport (\n{lines})\n"));
    }
    let dir = staged.keys().filter(|path| path.ends_with("go.mod")).min_by_key(|path| path.len())?;
    let dir = dir.trim_end_matches("go.mod").trim_end_matches('/').to_owned();
    let list = ["go", "list", "-mod=mod", "-deps", "-test", "./..."];
    (foreign && any).then(|| Fetch { tool: "go", dir, files: staged, satisfied: Vec::new(), argv: words(&list) })
}

/// Crates. Sources are there by name only, since cargo wants to see that there is something to build.
fn cargo(files: &[&RelPath], read: Read<'_>) -> Option<Fetch> {
    let mut staged = copies(files, read, &["Cargo.toml", "Cargo.lock"]);
    let manifests = || staged.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    if !manifests().any(|(_, text)| has_crates(text)) {
        return None;
    }
    let dir = manifests().map(|(path, _)| path).min_by_key(|path| path.len())?;
    let dir = dir.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned();
    staged.extend(files.iter().filter(|path| path.extension() == "rs").map(|path| (path.to_string(), String::new())));
    let (offline, fetch) = (["cargo", "fetch", "--offline"], ["cargo", "fetch"]);
    Some(Fetch { tool: "cargo", dir, files: staged, satisfied: words(&offline), argv: words(&fetch) })
}

/// Whether a `Cargo.toml` names a dependency that is no dir of the tree.
fn has_crates(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[dependencies.serde]` is a dependency itself.
            if header.contains("dependencies.") {
                return true;
            }
            inside = header.ends_with("dependencies");
        } else if inside
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains("path")
            && !line.contains("workspace")
        {
            return true;
        }
    }
    false
}

/// Lock file → package manager.
const LOCKS: &[(&str, &str)] =
    &[("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("package-lock.json", "npm")];

/// Packages of JavaScript, unless they are all in place.
fn npm(tree: &[TreeFile], files: &[&RelPath], read: Read<'_>) -> Option<Fetch> {
    let names: Vec<&str> = LOCKS.iter().map(|(lock, _)| *lock).chain(["package.json", "pnpm-workspace.yaml"]).collect();
    let staged = copies(files, read, &names);
    let top = staged.keys().filter(|path| path.ends_with("package.json")).min_by_key(|path| path.len())?.clone();
    let dir = top.trim_end_matches("package.json").trim_end_matches('/').to_owned();
    let below = |name: &str| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    let manifest: serde_json::Value = serde_json::from_str(&staged[&top]).ok()?;
    let lists = ["dependencies", "devDependencies"].map(|key| manifest[key].as_object().cloned().unwrap_or_default());
    let wanted: Vec<String> = lists.into_iter().flatten().map(|(name, _)| name).collect();
    let there = |name: &String| {
        let at = below(&format!("node_modules/{name}/"));
        tree.iter().any(|file| file.path.as_str().starts_with(&at))
    };
    if wanted.is_empty() || wanted.iter().all(there) {
        return None;
    }
    let locked = LOCKS.iter().find(|(lock, _)| staged.contains_key(&below(lock)));
    let argv: &[&str] = match locked.map(|(_, manager)| *manager) {
        Some("npm") => &["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        Some("pnpm") => &["pnpm", "install", "--ignore-scripts"],
        Some("yarn") => &["yarn", "install", "--ignore-scripts"],
        Some("bun") => &["bun", "install", "--ignore-scripts"],
        _ => &["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"],
    };
    Some(Fetch { tool: "npm", dir, files: staged, satisfied: Vec::new(), argv: words(argv) })
}

/// Python packages: wheels only, since everything else is built by its own code.
fn pip(files: &[&RelPath], read: Read<'_>) -> Option<Fetch> {
    let mut wanted = Vec::new();
    for path in files.iter().filter(|path| path.parent().is_empty()) {
        let name = path.file_name();
        if name.starts_with("requirements") && name.ends_with(".txt") {
            wanted.extend(read(path)?.lines().filter_map(requirement));
        } else if name == "pyproject.toml" {
            wanted.extend(project_dependencies(&read(path)?).iter().filter_map(|line| requirement(line)));
        }
    }
    wanted.sort();
    wanted.dedup();
    if wanted.is_empty() {
        return None;
    }
    let common = ["python3", "-m", "pip", "install", "--quiet", "--only-binary", ":all:"];
    let with = |more: &[&str]| [words(&common), words(more), wanted.clone()].concat();
    let (satisfied, argv) = (with(&["--dry-run", "--no-index"]), with(&["--upgrade", "--target", TARGET]));
    Some(Fetch { tool: "python3", dir: String::new(), files: BTreeMap::new(), satisfied, argv })
}

/// Stands for the dir where Python packages go.
const TARGET: &str = "{pydeps}";

/// A line that names a package and its versions. Not an option, a path or an address: those lead elsewhere, or run something.
fn requirement(line: &str) -> Option<String> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.[]<>=!~,;*'\"() ".contains(c);
    let named = line.starts_with(|c: char| c.is_ascii_alphanumeric()) && line.chars().all(plain);
    named.then(|| line.to_owned())
}

/// Strings of the list `dependencies` in the section `[project]`.
fn project_dependencies(text: &str) -> Vec<String> {
    let project = text.split_once("[project]").map_or("", |(_, rest)| rest);
    let section = project.split("\n[").next().unwrap_or_default();
    let list = section.lines().position(|line| line.trim_start().starts_with("dependencies")).map(|from| {
        let rest: Vec<&str> = section.lines().skip(from).collect();
        rest.join("\n")
    });
    let list = list.unwrap_or_default();
    let inside = list.split_once('[').map_or("", |(_, rest)| rest);
    // A package's extras have brackets of their own, in quotes: the list ends at a bracket outside of them.
    let (mut found, mut quote, mut word) = (Vec::new(), None, String::new());
    for c in inside.chars() {
        match quote {
            Some(open) if c == open => {
                found.push(std::mem::take(&mut word));
                quote = None;
            }
            Some(_) => word.push(c),
            None if c == ']' => break,
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    found
}
