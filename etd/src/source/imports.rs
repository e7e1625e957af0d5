//! Which files of the tree a file takes from, by the words of its imports. Pure.
//!
//! Names are matched with paths by their ends, so that a source root or a module name needs not be known. What can't be told is left out.

use std::collections::{BTreeMap, BTreeSet};

/// Lines of a file that are looked at for imports.
const LINES: usize = 400;
/// Files that one import may mean; one that means more says nothing.
const MEANT: usize = 40;

/// The paths of a tree, found by what imports call them.
pub(crate) struct Paths<'a> {
    /// By the last part without its extension.
    by_stem: BTreeMap<&'a str, Vec<usize>>,
    /// By dir.
    by_dir: BTreeMap<&'a str, Vec<usize>>,
    all: Vec<&'a str>,
}

/// `a/b.py` → `a/b`.
fn without_extension(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    path[name..].rfind('.').filter(|at| *at > 0).map_or(path, |at| &path[..name + at])
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl<'a> Paths<'a> {
    /// Of these paths; results name them by their place.
    pub(crate) fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<&str> = paths.into_iter().collect();
        let mut by_stem: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut by_dir: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, path) in all.iter().enumerate() {
            let (dir, _) = split(path);
            by_dir.entry(dir).or_default().push(at);
            let stem = split(without_extension(path)).1;
            by_stem.entry(stem).or_default().push(at);
            // A package is called by its dir.
            if matches!(stem, "__init__" | "mod" | "index") && !dir.is_empty() {
                by_stem.entry(split(dir).1).or_default().push(at);
            }
        }
        Self { by_stem, by_dir, all }
    }

    /// The files that `wanted` (parts with slashes, no extension) means: those whose path ends with it, of the same kind as `like`.
    fn ending(&self, wanted: &str, like: &str, found: &mut BTreeSet<usize>) {
        let wanted = wanted.trim_matches('/');
        let Some(places) = self.by_stem.get(split(wanted).1) else { return };
        let fits = |at: &&usize| {
            let path = without_extension(self.all[**at]);
            let package = ["/__init__", "/mod", "/index"].iter().find_map(|end| path.strip_suffix(end));
            let ends = |path: &str| path == wanted || path.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('/'));
            same_kind(self.all[**at], like) && (ends(path) || package.is_some_and(ends))
        };
        let fitting: Vec<usize> = places.iter().filter(fits).copied().collect();
        if fitting.len() <= MEANT {
            found.extend(fitting);
        }
    }

    /// The source files of a dir, tests left out.
    fn within(&self, dir: &str, like: &str, found: &mut BTreeSet<usize>) {
        let Some(places) = self.by_dir.get(dir) else { return };
        let fits = |at: &&usize| same_kind(self.all[**at], like) && !is_test(self.all[**at]);
        let fitting: Vec<usize> = places.iter().filter(fits).copied().collect();
        if fitting.len() <= MEANT {
            found.extend(fitting);
        }
    }
}

/// What a path's extension is about: files of different ones don't import each other.
fn family(path: &str) -> &'static str {
    match split(path).1.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "go" => "go",
        "rs" => "rust",
        "py" | "pyi" => "python",
        "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" => "js",
        "java" | "kt" | "scala" => "java",
        "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" => "c",
        _ => "",
    }
}

fn same_kind(a: &str, b: &str) -> bool {
    family(a) == family(b)
}

/// Whether a path is that of a test, by the customs of its language.
pub(crate) fn is_test(path: &str) -> bool {
    let (dir, name) = split(path);
    let stem = without_extension(name);
    let dirs = dir.split('/').any(|part| matches!(part, "tests" | "test" | "__tests__" | "spec"));
    dirs || name == "conftest.py"
        || stem.starts_with("test_")
        || [".test", ".spec", "_test", "_spec", "Test", "Tests"].iter().any(|end| stem.ends_with(end))
}

/// The files that `path` imports, by their places, without itself.
pub(crate) fn imports(path: &str, text: &str, paths: &Paths<'_>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let (dir, _) = split(path);
    let kind = family(path);
    for line in text.lines().take(LINES) {
        let line = line.trim_start();
        match kind {
            "python" => python(line, dir, path, paths, &mut found),
            "js" if ["from", "import", "require"].iter().any(|word| line.contains(word)) => {
                for wanted in quoted(line) {
                    js(wanted, dir, path, paths, &mut found);
                }
            }
            "go" => {
                for wanted in quoted(line).filter(|_| !line.starts_with("//")) {
                    // The module's own name is no dir: the longest end that is one counts.
                    let ends = wanted.match_indices('/').map(|(at, _)| &wanted[at + 1..]);
                    if let Some(dir) = ends.into_iter().find(|end| paths.by_dir.contains_key(end)) {
                        paths.within(dir, path, &mut found);
                    }
                }
            }
            "rust" => rust(line, path, paths, &mut found),
            "java" => {
                let import = line.strip_prefix("import ").map(|rest| rest.trim_start_matches("static ").trim());
                if let Some(name) = import.map(|name| name.trim_end_matches(';')) {
                    paths.ending(&name.replace('.', "/"), path, &mut found);
                }
            }
            "c" if line.starts_with("#include") => {
                for wanted in quoted(line) {
                    paths.ending(without_extension(wanted.trim_start_matches("../")), path, &mut found);
                }
            }
            _ => {}
        }
    }
    if matches!(kind, "go" | "java") {
        // One package: no import needed.
        paths.within(dir, path, &mut found);
    }
    found.retain(|at| paths.all[*at] != path);
    found
}

fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split(['"', '\'', '`']).skip(1).step_by(2)
}

fn python(line: &str, dir: &str, path: &str, paths: &Paths<'_>, found: &mut BTreeSet<usize>) {
    let mut one = |module: &str| {
        let dots = module.bytes().take_while(|byte| *byte == b'.').count();
        let rest = module[dots..].replace('.', "/");
        let mut base = dir;
        for _ in 1..dots {
            base = split(base).0;
        }
        let wanted = if dots > 0 { format!("{base}/{rest}") } else { rest };
        if !wanted.trim_matches('/').is_empty() {
            paths.ending(&wanted, path, found);
        }
    };
    if let Some(rest) = line.strip_prefix("from ") {
        let Some((module, names)) = rest.split_once(" import ") else { return };
        let module = module.trim();
        one(module);
        for name in names.split([',', '(', ')']).filter_map(|name| name.split_whitespace().next()) {
            let dot = if module.ends_with('.') { "" } else { "." };
            one(&format!("{module}{dot}{name}"));
        }
    } else if let Some(rest) = line.strip_prefix("import ") {
        rest.split(',').filter_map(|name| name.split_whitespace().next()).for_each(&mut one);
    }
}

fn js(wanted: &str, dir: &str, path: &str, paths: &Paths<'_>, found: &mut BTreeSet<usize>) {
    let known = |name: &str| family(name) == "js";
    let wanted = if known(wanted) { without_extension(wanted) } else { wanted };
    if !wanted.starts_with('.') {
        if let Some(rest) = wanted.strip_prefix("@/").or_else(|| wanted.strip_prefix("~/")) {
            paths.ending(rest, path, found);
        }
        return;
    }
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in wanted.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let whole = parts.join("/");
    let before = found.len();
    paths.ending(&whole, path, found);
    if found.len() == before {
        paths.ending(&format!("{whole}/index"), path, found);
    }
}

fn rust(line: &str, path: &str, paths: &Paths<'_>, found: &mut BTreeSet<usize>) {
    let (dir, name) = split(path);
    // Where the modules below this file stand.
    let stem = without_extension(name);
    let home = if matches!(stem, "mod" | "lib" | "main") { dir.to_owned() } else { without_extension(path).to_owned() };
    let bare = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    if let Some(module) = bare.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
        paths.ending(&format!("{home}/{module}"), path, found);
        return;
    }
    for (root, base) in [("crate::", "src".to_owned()), ("super::", split(&home).0.to_owned()), ("self::", home)] {
        for (at, _) in line.match_indices(root) {
            let rest = &line[at + root.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')).unwrap_or(rest.len());
            let parts: Vec<&str> = rest[..end].split("::").filter(|part| !part.is_empty()).collect();
            // The last parts may be names in the module.
            for length in (1..=parts.len()).rev() {
                let before = found.len();
                paths.ending(&format!("{base}/{}", parts[..length].join("/")), path, found);
                if found.len() > before {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_a_file_imports() {
        let tree = [
            "app/__init__.py",
            "app/models/user.py",
            "app/models/__init__.py",
            "app/db.py",
            "tests/test_user.py",
            "src/db/index.ts",
            "src/users.ts",
            "src/lib/util.js",
            "internal/store/store.go",
            "internal/store/memory.go",
            "internal/store/store_test.go",
            "main.go",
            "src/lib.rs",
            "src/plan/mod.rs",
            "src/plan/json.rs",
            "src/answer.rs",
            "src/main/java/a/b/User.java",
            "src/main/java/a/b/Repo.java",
            "src/main/java/a/c/Web.java",
            "include/list.h",
            "src/list.c",
        ];
        let paths = Paths::new(tree);
        let table: &[(&str, &str, &[&str])] = &[
            ("tests/test_user.py", "from app.models.user import User, Role as R\nimport os\n", &["app/models/user.py"]),
            ("app/models/user.py", "from ..db import get\nfrom . import x\n", &["app/db.py", "app/models/__init__.py"]),
            (
                "main.py",
                "import app.db, sys\n    from app.models import user",
                &["app/db.py", "app/models/__init__.py", "app/models/user.py"],
            ),
            ("src/users.ts", "import { Db } from './db';\nimport x from 'express';", &["src/db/index.ts"]),
            (
                "src/db/index.ts",
                "const u = require('../users.js')\nimport('@/lib/util')",
                &["src/lib/util.js", "src/users.ts"],
            ),
            (
                "main.go",
                "import (\n\t\"fmt\"\n\ts \"example.com/x/internal/store\"\n)",
                &["internal/store/memory.go", "internal/store/store.go"],
            ),
            ("internal/store/store.go", "package store", &["internal/store/memory.go"]),
            ("src/lib.rs", "mod plan;\nuse crate::answer::{self, read};\n", &["src/answer.rs", "src/plan/mod.rs"]),
            (
                "src/plan/mod.rs",
                "pub(crate) mod json;\nuse super::answer::Answer;",
                &["src/answer.rs", "src/plan/json.rs"],
            ),
            ("src/plan/json.rs", "use super::Plan;\nlet x = crate::plan::json::f();", &[]),
            (
                "src/main/java/a/c/Web.java",
                "import a.b.User;\nimport java.util.List;",
                &["src/main/java/a/b/User.java"],
            ),
            ("src/main/java/a/b/Repo.java", "", &["src/main/java/a/b/User.java"]),
            ("src/list.c", "#include \"../include/list.h\"\n#include <stdio.h>", &["include/list.h"]),
            ("README.md", "import app.db", &[]),
        ];
        for (path, text, expected) in table {
            let found: Vec<&str> = imports(path, text, &paths).into_iter().map(|at| tree[at]).collect();
            let mut expected = expected.to_vec();
            expected.sort_by_key(|path| tree.iter().position(|one| one == path));
            assert_eq!(found, expected, "{path}: {text}");
        }
    }

    #[test]
    fn tests_are_known_by_their_names() {
        for (path, test) in [
            ("tests/a.py", true),
            ("app/test_a.py", true),
            ("a_test.go", true),
            ("a.spec.ts", true),
            ("src/test/java/ATest.java", true),
            ("src/latest.py", false),
            ("contest.go", false),
        ] {
            assert_eq!(is_test(path), test, "{path}");
        }
    }
}
