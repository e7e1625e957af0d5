//! Manifests that a tree lacks and that its toolchain would create without a network: `go mod init`, `cargo init`.

use std::collections::BTreeMap;

use super::{Survey, nearest};
use crate::relpath::RelPath;
use crate::workspace::TreeFile;

/// The oldest language version with what models usually write; an older tool only warns about it.
const GO_VERSION: &str = "1.21";

/// Files to add, with their content, so that the tree can be built. `name` is that of the work dir.
///
/// Nothing is proposed for a file that is there.
#[must_use]
pub fn missing_manifests(
    tree: &[TreeFile],
    read: &dyn Fn(&RelPath) -> Option<String>,
    name: &str,
) -> Vec<(RelPath, String)> {
    let survey = Survey::new(tree, read, false);
    let found = [("go.mod", go(&survey, name)), ("Cargo.toml", cargo(&survey, name))];
    found
        .into_iter()
        .filter_map(|(path, content)| Some((RelPath::parse(path).ok()?, content?)))
        .filter(|(path, _)| !tree.iter().any(|file| file.path.folded() == path.folded()))
        .collect()
}

fn go(survey: &Survey<'_>, name: &str) -> Option<String> {
    let modules = survey.dirs_with(&["go.mod"]);
    let own: Vec<_> = survey
        .files
        .iter()
        .copied()
        .filter(|path| path.extension() == "go" && nearest(&modules, path.parent()).is_none())
        .collect();
    if own.is_empty() {
        return None;
    }
    let dirs: Vec<&str> = own.iter().map(|path| path.parent()).filter(|dir| !dir.is_empty()).collect();
    // An import that ends in a dir of the tree means that dir; what stands before it is the module's name.
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for path in &own {
        for import in imports(&survey.text(path)) {
            let module = dirs
                .iter()
                .filter_map(|dir| Some((dir.len(), import.strip_suffix(dir)?.strip_suffix('/')?)))
                .filter(|(_, module)| !module.is_empty() && !module.starts_with('.'))
                .max_by_key(|(length, _)| *length);
            if let Some((_, module)) = module {
                *votes.entry(module.to_owned()).or_default() += 1;
            }
        }
    }
    let module =
        votes.into_iter().max_by_key(|(_, count)| *count).map_or_else(|| identifier(name), |(module, _)| module);
    Some(format!("module {module}\n\ngo {GO_VERSION}\n"))
}

/// Paths that a Go file imports, `import "a"` and `import ( b "c" )` alike.
pub(in crate::check) fn imports(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("import (") {
            in_block = true;
        } else if in_block && line.starts_with(')') {
            in_block = false;
        }
        if (in_block || line.starts_with("import ")) && !line.starts_with("//") {
            found.extend(line.split('"').nth(1));
        }
        // Nothing is imported behind the first declaration.
        if ["func ", "type ", "var ", "const "].iter().any(|word| line.starts_with(word)) {
            break;
        }
    }
    found
}

fn cargo(survey: &Survey<'_>, name: &str) -> Option<String> {
    let root = survey.has("src", "main.rs") || survey.has("src", "lib.rs");
    if !root || !survey.dirs_with(&["Cargo.toml"]).is_empty() {
        return None;
    }
    let name = identifier(name);
    Some(format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n"))
}

/// A name that both tools accept: small letters, digits and `-`, a letter first, none that the language or its library has.
fn identifier(name: &str) -> String {
    let mapped: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let trimmed = mapped.trim_matches(|c: char| !c.is_ascii_alphabetic());
    match trimmed {
        "" => "app".to_owned(),
        "build" | "test" | "main" | "std" | "core" | "src" | "deps" | "examples" | "cmd" => format!("{trimmed}-app"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];
    type Found = Vec<(String, String)>;

    fn missing(name: &str, files: Files<'_>) -> Found {
        let texts: BTreeMap<RelPath, String> =
            files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
        let tree: Vec<TreeFile> = texts.keys().map(|path| TreeFile { path: path.clone(), bytes: 1 }).collect();
        let found = missing_manifests(&tree, &|path| texts.get(path).cloned(), name);
        found.into_iter().map(|(path, text)| (path.to_string(), text.lines().take(2).collect())).collect()
    }

    #[test]
    fn a_manifest_is_named_after_what_the_sources_import() {
        let api = "package main\nimport (\n\t\"fmt\"\n\tx \"example.com/shop/internal/api\"\n)\nfunc main() { \"a/internal/api\" }";
        let go = |module: &str| vec![("go.mod".to_owned(), format!("module {module}"))];
        let table: &[(&str, Files<'_>, Found)] = &[
            ("build", &[("main.go", api), ("internal/api/a.go", ""), ("api/b.go", "")], go("example.com/shop")),
            ("build", &[("main.go", "import \"shop/api\""), ("api/a.go", "")], go("shop")),
            ("build", &[("main.go", "import \"fmt\"\nimport \"net/http\"")], go("build-app")),
            ("My Shop 2", &[("main.go", "")], go("my-shop")),
            ("42", &[("cmd/x/main.go", "")], go("app")),
            ("x", &[("go.mod", ""), ("main.go", "")], vec![]),
            ("x", &[("vendor/a/a.go", "")], vec![]),
            ("x", &[("README.md", "")], vec![]),
            ("x", &[("src/main.rs", "")], vec![("Cargo.toml".to_owned(), "[package]name = \"x\"".to_owned())]),
            ("x", &[("src/main.rs", ""), ("Cargo.toml", "")], vec![]),
        ];
        for (name, files, expected) in table {
            assert_eq!(missing(name, files), *expected, "{name} {files:?}");
        }
    }
}
