//! What a language's projects are made of: manifests, entry points, files that only go with others.

use std::collections::BTreeSet;

use super::Plan;
use crate::relpath::RelPath;

/// A language whose projects have a manifest or an entry point.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) manifest: &'static str,
    /// Words by which a planner calls it.
    words: &'static [&'static str],
    pub(super) extensions: &'static [&'static str],
    /// Names of files that a program starts with.
    pub(super) entries: &'static [&'static str],
    /// Whether files alone tell that a manifest is needed, where the planner named no language.
    certain: bool,
    /// The entry point of a new program, where the language leaves no choice.
    pub(super) entry: Option<&'static str>,
    /// Whether a library needs an entry point, too.
    pub(super) always: bool,
}

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        manifest: "go.mod",
        words: &["go", "golang"],
        extensions: &["go"],
        entries: &["main.go"],
        certain: true,
        entry: Some("main.go"),
        always: false,
    },
    Language {
        manifest: "Cargo.toml",
        words: &["rust"],
        extensions: &["rs"],
        entries: &["main.rs", "lib.rs"],
        certain: true,
        entry: Some("src/main.rs"),
        always: true,
    },
    Language {
        manifest: "package.json",
        words: &["typescript", "javascript", "node", "nodejs", "js", "ts"],
        extensions: &["ts", "tsx", "js", "jsx", "mjs", "cjs"],
        entries: &[
            "index.ts",
            "main.ts",
            "server.ts",
            "app.ts",
            "cli.ts",
            "index.js",
            "main.js",
            "server.js",
            "app.js",
            "cli.js",
        ],
        certain: false,
        entry: None,
        always: false,
    },
];

impl Language {
    /// Whether the plan is written in it.
    pub(super) fn is_of(&self, plan: &Plan) -> bool {
        let named = plan.contract.language.to_lowercase();
        let words: BTreeSet<&str> =
            named.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        self.words.iter().any(|word| words.contains(word)) || words.is_empty() && self.certain
    }

    pub(super) fn has(&self, path: &RelPath) -> bool {
        self.extensions.contains(&path.extension())
    }
}

/// Whether a task asks for something that runs, and not for a library.
pub(super) fn wants_program(task: &str) -> bool {
    let task = task.to_lowercase();
    let words: BTreeSet<&str> = task.split(|c: char| !c.is_alphanumeric()).collect();
    let program =
        ["program", "server", "service", "cli", "binary", "daemon", "app", "application", "api", "tool", "bot"];
    let library = ["library", "lib", "package", "crate", "module"];
    program.iter().any(|word| words.contains(word)) && !library.iter().any(|word| words.contains(word))
}

/// Whether a file of the layout is no work of its own: docs, licences, and what tools write themselves.
pub(super) fn is_by_the_way(path: &RelPath) -> bool {
    let name = path.file_name().to_lowercase();
    let made = [
        "go.sum",
        "cargo.lock",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "poetry.lock",
        "uv.lock",
        ".gitkeep",
        ".gitignore",
        ".dockerignore",
        ".editorconfig",
    ];
    made.contains(&name.as_str())
        || ["readme", "license", "licence", "changelog", "contributing", "copying"]
            .iter()
            .any(|stem| name.starts_with(stem))
        || path.extension().eq_ignore_ascii_case("md")
}

/// Whether a file only joins the others of its dir.
pub(super) fn is_glue(path: &RelPath) -> bool {
    matches!(
        path.file_name(),
        "__init__.py" | "mod.rs" | "index.ts" | "index.js" | "package-info.java" | "doc.go" | "py.typed"
    )
}

/// A file's name without its endings and the marks of a test: what it has in common with the code that it goes with.
pub(super) fn stem(path: &RelPath) -> String {
    let name = path.file_name().split('.').next().unwrap_or_default();
    let name = name
        .strip_prefix("test_")
        .or_else(|| name.strip_suffix("_test"))
        .or_else(|| name.strip_suffix("Test"))
        .unwrap_or(name);
    name.to_lowercase()
}

/// The places of a manifest in the directories around a file.
pub(super) fn above<'a>(path: &'a RelPath, manifest: &'a str) -> impl Iterator<Item = RelPath> + 'a {
    let up = |parent: &&'a str| (!parent.is_empty()).then(|| parent.rsplit_once('/').map_or("", |(above, _)| above));
    let parents = std::iter::successors(Some(path.parent()), up);
    parents.filter_map(move |parent| RelPath::parse(&format!("./{parent}/{manifest}")).ok())
}
