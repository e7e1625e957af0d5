//! Which paths may be written and read. Pure: a decision by the path and the user's task alone.
//!
//! Names are compared in the form in which the laxest file system compares them: without case, trailing dots and spaces, alternate
//! streams and invisible characters, and at any depth.

use crate::relpath::{RelPath, fold_case};
use crate::source::words;

/// Directories and files whose content makes tools run things for whoever comes by. A trailing `*` stands for any end, a trailing `/`
/// for a directory.
const GUARDED: &[&str] = &[
    ".cargo/",
    "rust-toolchain*",
    ".npmrc",
    ".yarnrc*",
    ".yarn/",
    ".pnpmfile*",
    ".envrc",
    ".vscode/",
    ".idea/",
    ".zed/",
    ".devcontainer/",
    ".devcontainer.json",
    ".husky/",
    ".pre-commit-config*",
    "lefthook.*",
    ".lefthook*",
    ".gitmodules",
    ".gitconfig",
    // A dir with HEAD, refs and objects is a repository to git, and its `config` names programs.
    "head",
    ".mise*",
    "mise.toml",
    ".mvn/",
    ".bazelrc",
    ".gdbinit",
    ".lldbinit",
    ".exrc",
    ".vimrc",
    ".nvim*",
    ".dir-locals*",
    // Hooks and tool servers of coding agents.
    ".claude/",
    ".codex/",
    ".cursor/",
    ".gemini/",
    ".mcp.json",
];

/// Allowed, but a person should look at them: they steer automation or agents.
const MARKED: &[(&str, &str)] = &[
    (".github/", "it steers automation on the server"),
    (".gitlab-ci.yml", "it steers automation on the server"),
    (".circleci/", "it steers automation on the server"),
    (".gitattributes", "it steers how git treats files"),
    ("agents.md", "coding agents follow it"),
    ("claude.md", "coding agents follow it"),
    ("gemini.md", "coding agents follow it"),
    (".cursorrules", "coding agents follow it"),
];

/// Whether a worker may write this path, given the user's task: [`Ok`] with a note if a person should look at it.
///
/// # Errors
/// The reason, a clause for people.
pub fn may_write(path: &RelPath, task: &str) -> Result<Option<String>, String> {
    never(path)?;
    if path.as_str().chars().any(invisible) {
        return Err("its name has characters that nobody sees".to_owned());
    }
    let parts = folded(path);
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if let Some(rule) = GUARDED.iter().find(|rule| fits(rule, part, last))
            && !named(task, part, rule)
            && !cargo_harmless(rule, &parts[index + 1..])
        {
            return Err(format!("`{part}` makes tools run things, and the task doesn't name it"));
        }
        if last && part.ends_with(".code-workspace") && !named(task, part, part) {
            return Err(format!("`{part}` makes tools run things, and the task doesn't name it"));
        }
    }
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if let Some((_, why)) = MARKED.iter().find(|(rule, _)| fits(rule, part, last)) {
            return Ok(Some(format!("look at {path}: {why}")));
        }
    }
    Ok(None)
}

/// Whether nothing may write this path, whatever the task says.
///
/// # Errors
/// The reason, a clause for people.
pub fn never(path: &RelPath) -> Result<(), String> {
    for part in folded(path) {
        if part == ".git" || part == "git~1" {
            return Err("it is git's own".to_owned());
        }
        if part.starts_with(".et") {
            return Err("it is et's own".to_owned());
        }
        if part == "electrictown.yaml" {
            return Err("it is et's configuration".to_owned());
        }
    }
    Ok(())
}

/// Whether a file may go into a prompt: not where secrets are usual, nor what is git's or et's own.
///
/// # Errors
/// The reason, a clause for people.
pub fn may_read(path: &RelPath) -> Result<(), String> {
    never(path)?;
    const DIRS: &[&str] = &[".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker"];
    const FILES: &[&str] =
        &[".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials", ".pgpass", ".htpasswd", ".vault-token"];
    const ENDS: &[&str] = &["pem", "key", "p12", "pfx", "jks", "keystore", "ppk", "kdbx"];
    const SSH_KEYS: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_xmss"];
    let parts = folded(path);
    let secret = parts.iter().enumerate().any(|(index, part)| {
        let last = index + 1 == parts.len();
        let extension = part.rsplit_once('.').map(|(_, extension)| extension);
        // `id_generator.go` is source, `id_work` is a key.
        let key = part.starts_with("id_") && (extension.is_none() || SSH_KEYS.iter().any(|key| part.starts_with(key)));
        part.starts_with(".env")
            || DIRS.contains(&part.as_str())
            || last && (FILES.contains(&part.as_str()) || key || extension.is_some_and(|end| ENDS.contains(&end)))
    });
    if secret { Err("files like it hold secrets".to_owned()) } else { Ok(()) }
}

/// The components as the laxest file system compares them.
fn folded(path: &RelPath) -> Vec<String> {
    path.as_str().split('/').map(fold).collect()
}

fn fold(part: &str) -> String {
    let visible: String = part.chars().filter(|c| !invisible(*c)).collect();
    let name = visible.split(':').next().unwrap_or_default();
    fold_case(name).trim_end_matches(['.', ' ']).to_owned()
}

/// Characters that nobody sees in a name, or that change the order of what is seen; HFS+ leaves most of them out when it compares names.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

fn fits(rule: &str, part: &str, last: bool) -> bool {
    if let Some(dir) = rule.strip_suffix('/') {
        // A file of that name could become the directory's stand-in; nobody needs one.
        return part == dir;
    }
    match rule.strip_suffix('*') {
        Some(start) => part.starts_with(start),
        None => last && part == rule || rule == "lefthook.*" && part.starts_with("lefthook."),
    }
}

/// In `.cargo/`, only the configuration runs things.
fn cargo_harmless(rule: &str, below: &[String]) -> bool {
    rule == ".cargo/" && below.first().is_some_and(|name| !name.starts_with("config"))
}

/// Whether the task names this component, or the start that its rule has in common.
fn named(task: &str, part: &str, rule: &str) -> bool {
    // `HEAD` in a task is hardly ever a file.
    if rule == "head" {
        return false;
    }
    let task = task.to_lowercase();
    mentions(&task, part) || mentions(&task, rule.trim_end_matches(['/', '*', '.']))
}

/// Whether `name` stands in `task` as a word of its own.
fn mentions(task: &str, name: &str) -> bool {
    words::has(task, name, |c| words::in_file_name(c) || c == '.', words::in_file_name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn paths_that_run_things_are_refused_unless_the_task_names_them() {
        // Path, task, whether it may be written.
        let table = [
            ("main.go", "", true),
            (".gitignore", "", true),
            ("sub/.gitkeep", "", true),
            ("src/git/mod.rs", "", true),
            ("src/config.toml", "", true),
            (".git/hooks/x", "write .git/hooks/x", false),
            ("sub/.git/x", "", false),
            (".GIT/config", "", false),
            (".git./config", "", false),
            (".git /config", "", false),
            (".git::$INDEX_ALLOCATION/config", "", false),
            ("git~1/config", "", false),
            (".g\u{200c}it/config", "", false),
            (".git", "", false),
            (".g\u{131}t/config", "", false),
            (".GIT\u{feff}/hooks/pre-commit", "", false),
            (".git\u{e0041}/x", "", false),
            (".git:x", "", false),
            (".git:x:$DATA/config", "", false),
            ("GIT~1/hooks/x", "", false),
            ("electrictown.yaml::$DATA", "", false),
            ("electr\u{131}ctown.yaml", "", false),
            ("electrictown.yaml. .", "", false),
            ("E\u{200b}lectrictown.yaml", "", false),
            (".v\u{17f}code/tasks.json", "", false),
            (".vscode./tasks.json", "", false),
            (".vscode:x/tasks.json", "", false),
            (".vs\u{200d}code/tasks.json", "set up .vscode please", false),
            (".ENVRC.", "", false),
            (".envrc ", "", false),
            ("\u{202e}og.niam", "", false),
            ("main\u{200b}.go", "", false),
            ("a\u{ad}b.txt", "", false),
            ("a/b\u{2066}c/d.txt", "", false),
            ("nul", "", true),
            ("src/con.rs", "", true),
            ("ma\u{f1}ana.txt", "", true),
            ("man\u{303}ana.txt", "", true),
            (".et-tmp-1", "", false),
            (".et/x", "touch .et/x", false),
            ("electrictown.yaml", "edit electrictown.yaml", false),
            ("sub/ElectricTown.YAML", "", false),
            (".cargo/config.toml", "", false),
            (".cargo/config", "", false),
            (".cargo/config.toml", "use clang via .cargo/config.toml", true),
            (".cargo/config.toml", "write config.toml", false),
            (".cargo/audit.toml", "", true),
            ("rust-toolchain", "", false),
            ("rust-toolchain.toml", "pin rust-toolchain to 1.90", true),
            (".npmrc", "", false),
            (".npmrc", "Add an .npmrc.", true),
            (".npmrc", "see my.npmrc-file", false),
            (".yarnrc.yml", "", false),
            (".envrc", "", false),
            (".vscode/settings.json", "write settings.json", false),
            (".vscode/settings.json", "set up .vscode please", true),
            ("a/.VSCode/tasks.json", "", false),
            (".idea/x", "", false),
            (".husky/pre-commit", "", false),
            (".gitmodules", "", false),
            (".pre-commit-config.yaml", "", false),
            ("lefthook.yml", "", false),
            ("x.code-workspace", "", false),
            (".claude/settings.json", "", false),
            (".mcp.json", "", false),
            ("HEAD", "fix HEAD requests", false),
            ("src/head/mod.rs", "", true),
            ("head.go", "", true),
        ];
        for (text, task, expected) in table {
            let found = may_write(&path(text), task);
            assert_eq!(found.is_ok(), expected, "{text} with {task:?}: {found:?}");
        }
    }

    #[test]
    fn what_steers_others_is_marked() {
        for text in [".github/workflows/ci.yml", "AGENTS.md", "docs/CLAUDE.md", ".gitattributes"] {
            let note = may_write(&path(text), "").unwrap();
            assert!(note.is_some_and(|note| note.contains(text)), "{text}");
        }
        assert_eq!(may_write(&path("README.md"), ""), Ok(None));
    }

    #[test]
    fn secrets_are_not_read() {
        let refused = [
            ".env",
            ".env.local",
            "sub/.ENV",
            ".envrc",
            "deploy/server.pem",
            "tls.key",
            "id_rsa",
            "id_ed25519.pub",
            "id_work",
            ".ssh/config",
            ".netrc",
            ".npmrc",
            ".git/config",
            "electrictown.yaml",
            ".aws/credentials",
        ];
        for text in refused {
            assert!(may_read(&path(text)).is_err(), "{text}");
        }
        for text in ["main.go", "id_generator.go", "environment.rs", "keys.rs", "pem/mod.rs", ".github/x.yml"] {
            assert_eq!(may_read(&path(text)), Ok(()), "{text}");
        }
    }
}
