//! What in a text is a path, and which path it is.

use crate::relpath::{PathError, RelPath};

use super::Expected;

/// Endings by which a word without a slash is taken for a file.
const EXTENSIONS: &[&str] = &[
    "go",
    "mod",
    "sum",
    "rs",
    "toml",
    "lock",
    "py",
    "pyi",
    "js",
    "jsx",
    "mjs",
    "cjs",
    "ts",
    "tsx",
    "mts",
    "cts",
    "json",
    "jsonc",
    "json5",
    "yaml",
    "yml",
    "md",
    "mdx",
    "txt",
    "rst",
    "adoc",
    "c",
    "h",
    "cc",
    "cpp",
    "cxx",
    "hpp",
    "hh",
    "hxx",
    "java",
    "kt",
    "kts",
    "scala",
    "groovy",
    "gradle",
    "xml",
    "html",
    "htm",
    "css",
    "scss",
    "sass",
    "less",
    "vue",
    "svelte",
    "sql",
    "proto",
    "graphql",
    "sh",
    "bash",
    "zsh",
    "fish",
    "ps1",
    "bat",
    "cmd",
    "mk",
    "cmake",
    "ini",
    "cfg",
    "conf",
    "env",
    "properties",
    "rb",
    "php",
    "pl",
    "lua",
    "swift",
    "m",
    "mm",
    "cs",
    "fs",
    "fsx",
    "vb",
    "ex",
    "exs",
    "erl",
    "hrl",
    "clj",
    "hs",
    "ml",
    "mli",
    "dart",
    "zig",
    "nim",
    "r",
    "jl",
    "tf",
    "hcl",
    "csv",
    "tsv",
    "svg",
    "tmpl",
    "tpl",
    "j2",
    "template",
    "gohtml",
    "in",
    "dockerfile",
    "service",
    "example",
    "gitignore",
    "typed",
];

/// Files whose name has no ending.
const NAMES: &[&str] = &[
    "makefile",
    "gnumakefile",
    "dockerfile",
    "containerfile",
    "license",
    "readme",
    "gemfile",
    "rakefile",
    "procfile",
    "vagrantfile",
    "jenkinsfile",
    "justfile",
    "pipfile",
    "brewfile",
    "codeowners",
    "changelog",
    "notice",
];

/// Whether a word is meant as a file's path, be it a safe one or not.
pub(crate) fn looks_like(word: &str, owns: &[RelPath]) -> bool {
    if word.is_empty() || word.len() > 300 || word.contains("://") || word.contains("...") {
        return false;
    }
    if !word.chars().all(|c| c.is_alphanumeric() || "._-/\\@+~$()[]:".contains(c)) {
        return false;
    }
    if word.contains('(') != word.contains(')') || word.ends_with(['/', '\\', '.']) || word.ends_with("()") {
        return false;
    }
    let slashed = word.replace('\\', "/");
    if owns.iter().any(|path| path.as_str() == slashed) {
        return true;
    }
    let name = slashed.rsplit('/').next().unwrap_or(&slashed);
    match name.rsplit_once('.') {
        // `.gitignore` and its like: a dot, then a name.
        Some(("", hidden)) => hidden.chars().any(char::is_alphabetic),
        Some((_, extension)) => {
            let known = EXTENSIONS.contains(&extension) || EXTENSIONS.contains(&extension.to_lowercase().as_str());
            let plausible = slashed.contains('/')
                && (1..=10).contains(&extension.len())
                && extension.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                && extension.starts_with(|c: char| c.is_ascii_lowercase());
            known || plausible
        }
        None => {
            NAMES.contains(&name.to_lowercase().as_str())
                && (slashed.contains('/') || !word.starts_with(char::is_lowercase))
        }
    }
}

/// Takes quotes, backticks, stars and a trailing colon from around a path.
pub(crate) fn bare(raw: &str) -> &str {
    let mut text = raw.trim();
    loop {
        let before = text;
        text = text.trim_end_matches(':').trim();
        for mark in ['`', '"', '\'', '*'] {
            if text.len() > 1 && text.starts_with(mark) && text.ends_with(mark) {
                text = text.get(1..text.len() - 1).unwrap_or(text).trim();
            }
        }
        if text.len() > 1 && text.starts_with('<') && text.ends_with('>') {
            text = text.get(1..text.len() - 1).unwrap_or(text).trim();
        }
        if text == before {
            return text;
        }
    }
}

/// The path that a model means.
///
/// # Errors
/// If it isn't one below the work dir. A leading `/app/` or name of the work dir goes only if exactly an owned path remains.
pub(super) fn clean(raw: &str, expected: &Expected<'_>) -> Result<RelPath, PathError> {
    let text = bare(raw).replace('\\', "/");
    let owned = |rest: &str| expected.owns.iter().find(|path| path.as_str() == rest.trim_start_matches("./")).cloned();
    if let Some(path) = text.strip_prefix("/app/").and_then(owned) {
        return Ok(path);
    }
    let name = expected.work_dir_name;
    if !name.is_empty() && owned(&text).is_none() {
        let rest = text.trim_start_matches("./");
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if let Some(path) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')).and_then(owned) {
            return Ok(path);
        }
    }
    RelPath::parse(&text)
}

/// A refused path for people: as written, but short and without control characters.
pub(super) fn shown(raw: &str) -> String {
    raw.trim().chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
