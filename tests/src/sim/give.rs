//! How files are given.

use super::case::Format;
use super::lines::{Change, Hunk, hunks};
use super::read::Template;

/// A file to be given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) path: String,
    /// What is there, where an edit may build on it.
    pub(crate) old: Option<String>,
    pub(crate) new: String,
    /// Whether it is given by edits, where there is something.
    pub(crate) edit: bool,
    /// The places that change, for edits.
    pub(crate) hunks: Vec<Hunk>,
    /// Its first edit gets a line that isn't there.
    pub(crate) off: bool,
}

/// A comment in the language of a file; none where there is none.
pub(crate) fn comment(path: &str, words: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
    match ending {
        "go" | "mod" | "rs" | "ts" | "tsx" | "js" | "mjs" | "cjs" | "c" | "h" | "cc" | "cpp" | "hpp" | "java" => {
            Some(format!("// {words}"))
        }
        "py" | "toml" | "yaml" | "yml" | "sh" | "mk" | "Makefile" | "cfg" => Some(format!("# {words}")),
        _ => None,
    }
}

fn language(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "go" => "go",
        "rs" => "rust",
        "ts" => "typescript",
        "js" | "mjs" | "cjs" => "javascript",
        "py" => "python",
        "c" | "h" => "c",
        "java" => "java",
        "json" => "json",
        "toml" => "toml",
        _ => "",
    }
}

/// A fence that nothing in the text ends.
fn fence(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// All files, in a form.
pub(crate) fn render(format: Format, template: Option<&Template>, prefix: &str, files: &[Given]) -> String {
    match format {
        Format::Unified => {
            let body: String = files.iter().map(|file| unified(file, prefix)).collect();
            let fence = fence(&body);
            format!("Apply this:\n\n{fence}diff\n{body}{fence}\n")
        }
        Format::ApplyPatch => {
            let body: String = files.iter().map(|file| patch(file, prefix)).collect();
            format!("*** Begin Patch\n{body}*** End Patch\n")
        }
        _ => files.iter().map(|file| one(format, template, prefix, file) + "\n").collect(),
    }
}

fn one(format: Format, template: Option<&Template>, prefix: &str, file: &Given) -> String {
    let path = format!("{prefix}{}", file.path);
    let body = if file.edit && file.old.is_some() { search(file) } else { ended(&file.new) };
    let fence = fence(&body);
    let info = language(&file.path);
    match (format, template) {
        (Format::Asked | Format::Search, Some(Template { open, close: Some(close) })) => {
            format!("{}{path}{}\n{body}{close}\n", open.0, open.1)
        }
        (Format::Asked | Format::Search, Some(Template { open, close: None })) => {
            format!("{}{path}{}\n{fence}{info}\n{body}{fence}\n", open.0, open.1)
        }
        (Format::Bold, _) => format!("**`{path}`**\n\n{fence}{info}\n{body}{fence}\n"),
        (Format::FenceInfo, _) => {
            let info = if info.is_empty() { "text" } else { info };
            format!("{fence}{info} {path}\n{body}{fence}\n")
        }
        (Format::FirstComment, _) if comment(&file.path, "").is_some() => {
            let line = comment(&file.path, &path).unwrap_or_default();
            format!("{fence}{info}\n{line}\n{body}{fence}\n")
        }
        (Format::Xml, _) => format!("<file path=\"{path}\">\n{body}</file>\n"),
        _ => format!("### {path}\n\n{fence}{info}\n{body}{fence}\n"),
    }
}

/// A line that isn't in any file.
fn off(line: &str) -> String {
    format!("{line} and more")
}

fn search(file: &Given) -> String {
    let mut out = String::new();
    for (number, hunk) in file.hunks.iter().enumerate() {
        let mut lines: Vec<String> = hunk.old().into_iter().map(str::to_owned).collect();
        if file.off
            && number == 0
            && let Some(first) = lines.first_mut()
        {
            *first = off(first);
        }
        let block = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let new: Vec<String> = hunk.fresh().into_iter().map(str::to_owned).collect();
        out.push_str(&format!("<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n", block(&lines), block(&new)));
    }
    out
}

fn marked(hunk: &Hunk, mut wrong: bool) -> String {
    let mut out = String::new();
    for (change, line) in &hunk.lines {
        let mark = match change {
            Change::Kept => ' ',
            Change::Removed => '-',
            Change::Added => '+',
        };
        if wrong && *change != Change::Added {
            out.push_str(&format!("{mark}{}\n", off(line)));
            wrong = false;
        } else {
            out.push_str(&format!("{mark}{line}\n"));
        }
    }
    out
}

fn unified(file: &Given, prefix: &str) -> String {
    let path = &file.path;
    let (old_path, new_path) = if prefix.is_empty() {
        (format!("a/{path}"), format!("b/{path}"))
    } else {
        (format!("{prefix}{path}"), format!("{prefix}{path}"))
    };
    let (mut out, places) = match &file.old {
        Some(_) => (format!("--- {old_path}\n+++ {new_path}\n"), file.hunks.clone()),
        None => (format!("--- /dev/null\n+++ {new_path}\n"), hunks("", &file.new, 3)),
    };
    for (number, hunk) in places.iter().enumerate() {
        let (before, after) = (hunk.old().len(), hunk.fresh().len());
        // A side without lines is counted from the line before it.
        let start = |at: usize, count: usize| if count == 0 { at } else { at + 1 };
        out.push_str(&format!(
            "@@ -{},{before} +{},{after} @@\n{}",
            start(hunk.at.0, before),
            start(hunk.at.1, after),
            marked(hunk, file.off && number == 0)
        ));
    }
    out
}

fn patch(file: &Given, prefix: &str) -> String {
    let path = format!("{prefix}{}", file.path);
    if file.old.is_none() {
        let lines: String = file.new.lines().map(|line| format!("+{line}\n")).collect();
        return format!("*** Add File: {path}\n{lines}");
    }
    let mut out = format!("*** Update File: {path}\n");
    for (number, hunk) in file.hunks.iter().enumerate() {
        out.push_str(&format!("@@\n{}", marked(hunk, file.off && number == 0)));
    }
    out
}
