//! A block of an answer: what opened it, the name that stands at it, what it holds, and what it could be.

use crate::relpath::RelPath;

use super::names::Name;
use super::{changes, judge, paths};

/// What opened a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `===FILE: path===`.
    File,
    /// A fence.
    Fence,
    /// `===DELETE: path===`.
    Delete,
    /// `===MOVE: old -> new===`; the body is the new path.
    Move,
    /// A change without anything around it. Its end may not be marked.
    Bare,
}

/// A block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) name: Name,
    /// The info string's first word, in lower case.
    pub(super) language: String,
    pub(super) body: String,
    pub(super) closed: bool,
}

impl Block {
    /// A block without a language.
    pub(super) fn new(kind: Kind, name: Name, body: String, closed: bool) -> Self {
        Self { kind, name, language: String::new(), body, closed }
    }

    /// The changes that it holds in place of a file, if so.
    pub(super) fn changes(&self) -> Option<Vec<changes::Named>> {
        let path = match &self.name {
            Name::Strong(raw) | Name::Weak(raw) => paths::bare(raw),
            Name::None => "",
        };
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let whole = matches!(self.kind, Kind::Delete | Kind::Move) || matches!(extension, "diff" | "patch");
        if whole { None } else { changes::parse(&self.body, &self.language, judge::is_text(extension)) }
    }

    fn is_shell(&self) -> bool {
        let language = self.language.as_str();
        matches!(
            language,
            "sh" | "bash"
                | "shell"
                | "zsh"
                | "fish"
                | "console"
                | "terminal"
                | "shell-session"
                | "powershell"
                | "cmd"
                | "bat"
        )
    }

    /// Whether a fence without a name could be a file at all.
    pub(super) fn is_code(&self) -> bool {
        let other = ["mermaid", "text", "plaintext", "txt", "output", "log", "excerpt"];
        !self.is_shell() && !other.contains(&self.language.as_str()) && !self.body.trim().is_empty()
    }

    /// Whether a named fence can hold that file: no commands under the name of a source file, no diff.
    pub(super) fn may_be(&self, path: &RelPath, owns: &[RelPath]) -> bool {
        let shell = matches!(path.extension(), "sh" | "bash" | "zsh" | "fish" | "ps1" | "bat" | "cmd" | "env" | "");
        match self.language.as_str() {
            "mermaid" | "excerpt" => matches!(path.extension(), "mmd" | "md" | "mermaid"),
            "diff" | "patch" => matches!(path.extension(), "diff" | "patch") || !self.body.trim().is_empty(),
            _ if self.is_shell() => shell || owns.contains(path) && languages(path.extension()).is_empty(),
            _ => true,
        }
    }

    /// Whether it holds a change to that file in place of the file.
    pub(super) fn is_change(&self, path: &RelPath) -> bool {
        matches!(self.language.as_str(), "diff" | "patch") && !matches!(path.extension(), "diff" | "patch" | "md")
    }

    /// Whether a fence without a name may be that file, as far as its language tells.
    pub(super) fn fits(&self, path: &RelPath) -> bool {
        let known = languages(path.extension());
        let strange = SPOKEN.iter().any(|(_, names)| names.contains(&self.language.as_str()));
        !self.is_change(path) && (known.is_empty() || !strange || known.contains(&self.language.as_str()))
    }
}

/// Info strings by ending.
const SPOKEN: &[(&str, &[&str])] = &[
    ("go", &["go", "golang"]),
    ("rs", &["rust", "rs"]),
    ("py", &["python", "py", "python3"]),
    ("ts", &["typescript", "ts", "javascript", "js"]),
    ("tsx", &["tsx", "typescript", "jsx", "ts", "javascript"]),
    ("js", &["javascript", "js", "jsx", "typescript"]),
    ("jsx", &["jsx", "javascript", "js", "tsx"]),
    ("java", &["java"]),
    ("c", &["c", "cpp", "c++"]),
    ("h", &["c", "cpp", "c++", "h"]),
    ("cpp", &["cpp", "c++", "cc"]),
    ("json", &["json", "jsonc"]),
    ("yaml", &["yaml", "yml"]),
    ("yml", &["yaml", "yml"]),
    ("toml", &["toml"]),
    ("html", &["html"]),
    ("css", &["css", "scss"]),
    ("sql", &["sql"]),
    ("md", &["markdown", "md"]),
];

fn languages(extension: &str) -> &'static [&'static str] {
    SPOKEN.iter().find(|(known, _)| *known == extension).map_or(&[], |(_, names)| names)
}
