//! From a path as a tool prints it to a file of the tree.

use std::collections::{HashMap, HashSet};

use crate::relpath::RelPath;

/// The files of the tree, ready to be looked up by whatever a tool prints.
#[derive(Clone, Debug)]
pub struct Paths {
    root: String,
    files: HashSet<String>,
    by_name: HashMap<String, Vec<String>>,
}

impl Paths {
    /// `root` is the absolute path of the work dir; `files` are the files below it.
    #[must_use]
    pub fn new(root: &str, files: Vec<RelPath>) -> Self {
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for file in &files {
            by_name.entry(file.file_name().to_owned()).or_default().push(file.as_str().to_owned());
        }
        let files = files.into_iter().map(String::from).collect();
        Self { root: root.trim_end_matches('/').to_owned(), files, by_name }
    }

    /// The file of the tree that a tool means which ran in `dir` (absolute, or relative to the work dir; empty: the work dir).
    /// None if there is no such file, or if more than one could be meant.
    #[must_use]
    pub fn resolve(&self, printed: &str, dir: &str) -> Option<RelPath> {
        let found = self.find(printed, dir)?;
        RelPath::parse(&found).ok()
    }

    pub(crate) fn find(&self, printed: &str, dir: &str) -> Option<String> {
        let printed = printed.trim().trim_matches(['"', '\'', '`', '<', '>']);
        let printed = printed.strip_prefix("file://").unwrap_or(printed).replace('\\', "/");
        if printed.is_empty() || printed.len() > 2048 {
            return None;
        }
        if printed.starts_with('/') {
            let inside = printed.strip_prefix(&self.root)?.strip_prefix('/')?;
            return self.exact(&normal("", inside)?);
        }
        // A tool may print from the dir it ran in, or from one above it (cargo prints from the workspace's).
        let mut dir = self.below(dir).unwrap_or_default();
        loop {
            if let Some(found) = normal(&dir, &printed).and_then(|path| self.exact(&path)) {
                return Some(found);
            }
            if dir.is_empty() {
                break;
            }
            dir = dir.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned());
        }
        let tail = printed.trim_start_matches("./").trim_start_matches("../");
        let ending = format!("/{tail}");
        let name = tail.rsplit('/').next().unwrap_or(tail);
        let mut matching = self.by_name.get(name)?.iter().filter(|file| file.ends_with(&ending));
        let first = matching.next()?;
        matching.next().is_none().then(|| first.clone())
    }

    /// The tree's file at this path below the work dir.
    pub(crate) fn exact(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    /// A dir as a path below the work dir; none if it is elsewhere.
    pub(crate) fn below(&self, dir: &str) -> Option<String> {
        let inside = match dir.strip_prefix('/') {
            None => dir,
            Some(_) => dir.trim_end_matches('/').strip_prefix(&self.root)?,
        };
        normal("", inside)
    }

    /// The dir of the tree that a package path such as `example.com/app/internal/store` ends with; the longest wins.
    pub(crate) fn package_dir(&self, package: &str) -> Option<String> {
        let mut rest = package;
        loop {
            let start = format!("{rest}/");
            if self.files.iter().any(|file| file.starts_with(&start)) {
                return Some(rest.to_owned());
            }
            rest = rest.split_once('/')?.1;
        }
    }

    /// The first file, by name, right in this dir with this ending.
    pub(crate) fn first_in(&self, dir: &str, ending: &str) -> Option<String> {
        let start = format!("{dir}/");
        let inside = |file: &&String| {
            file.strip_prefix(&start).is_some_and(|name| !name.contains('/') && name.ends_with(ending))
        };
        self.files.iter().filter(inside).min().cloned()
    }

    /// The file that `import` means when `from` (a path of the tree) imports it: `./b.js` may be `b.ts`.
    pub(crate) fn module(&self, import: &str, from: &str) -> Option<String> {
        if !import.starts_with('.') {
            return None;
        }
        let dir = from.rsplit_once('/').map_or("", |(parent, _)| parent);
        let base = normal(dir, import)?;
        let stem = [".js", ".mjs", ".cjs", ".jsx"].iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(&base);
        let endings =
            [".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".cjs", ".d.ts", "/index.ts", "/index.tsx", "/index.js"];
        self.exact(&base).or_else(|| endings.iter().find_map(|ending| self.exact(&format!("{stem}{ending}"))))
    }
}

/// `path` seen from `dir`, without `.` and `..`; none if it leaves the work dir.
fn normal(dir: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn printed_paths_become_files_of_the_tree() {
        let files = ["main.go", "a/x.go", "b/x.go", "b/only.go", "a/b/deep.c", "Cargo.toml", "a/Cargo.toml"];
        let paths = Paths::new("/w/proj/", files.iter().map(|file| RelPath::parse(file).unwrap()).collect());
        let table = [
            ("./main.go", "", Some("main.go")),
            ("/w/proj/main.go", "a", Some("main.go")),
            ("file:///w/proj/a/x.go", "", Some("a/x.go")),
            ("/w/project/main.go", "", None),
            ("/usr/lib/go/main.go", "", None),
            ("x.go", "", None),
            ("x.go", "b", Some("b/x.go")),
            ("x.go", "/w/proj/b", Some("b/x.go")),
            ("../a/x.go", "b", Some("a/x.go")),
            ("only.go", "", Some("b/only.go")),
            ("b/deep.c", "", Some("a/b/deep.c")),
            ("main.go", "a/b", Some("main.go")),
            ("Cargo.toml", "a", Some("a/Cargo.toml")),
            ("../../../etc/passwd", "", None),
            ("", "", None),
            ("\"main.go\"", "", Some("main.go")),
        ];
        for (printed, dir, expected) in table {
            let found = paths.resolve(printed, dir);
            assert_eq!(found.as_ref().map(RelPath::as_str), expected, "{printed} in {dir}");
        }
        assert_eq!(paths.package_dir("example.com/app/a/b").as_deref(), Some("a/b"));
        assert_eq!(paths.package_dir("example.com/app"), None);
    }
}
