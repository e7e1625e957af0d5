//! `et session diff`: what a round changed, as a patch.

use std::io::{IsTerminal, Write};

use proto::message::{Diff, Diffed, FileDiff, Reply, Request};

use super::{Ended, answers, note, print_json};
use crate::args::IdRound;
use crate::context::Context;
use crate::exit::Problem;
use crate::request;
use crate::text::{plural, sanitize};

pub(super) async fn run(context: &Context, args: &IdRound) -> Ended {
    let session = request::session(&args.id)?;
    let request = Request::Diff(Diff { session, round: args.round });
    let (items, diffed) = answers(context, request).await?;
    let Reply::Diffed(Diffed { session, round }) = diffed else { return Err(Problem::unexpected(&diffed)) };
    let files: Vec<FileDiff> = items
        .into_iter()
        .map(|item| match item {
            Reply::FileDiff(file) => Ok(file),
            other => Err(Problem::unexpected(&other)),
        })
        .collect::<Result<_, _>>()?;
    if context.json {
        print_json(&serde_json::json!({ "session": session, "round": round, "files": files }));
        return Ok(0);
    }
    note(context, &format!("round {round} of {} changed {}", session.short(), plural(files.len(), "file")));
    let out = std::io::stdout();
    let colour = out.is_terminal()
        && Context::var("NO_COLOR").is_none()
        && Context::var("TERM").is_none_or(|terminal| terminal != "dumb");
    let mut out = out.lock();
    for file in &files {
        // A reader that went away is no error.
        if out.write_all(text(file, colour).as_bytes()).is_err() {
            return Ok(0);
        }
    }
    let _ = out.flush();
    Ok(0)
}

/// One file as it is printed.
fn text(file: &FileDiff, colour: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str, code: Option<&str>| {
        // A carriage return at the end of a line is a part of the line that steers nothing.
        let (text, end) = text.strip_suffix('\r').map_or((text, ""), |text| (text, "\r"));
        let clean = sanitize(text);
        match code.filter(|_| colour) {
            Some(code) => out.push_str(&format!("\u{1b}[{code}m{clean}\u{1b}[0m{end}\n")),
            None => out.push_str(&format!("{clean}{end}\n")),
        }
    };
    match &file.diff {
        Some(diff) => {
            // The first two lines are the names.
            for (at, text) in diff.split_terminator('\n').enumerate() {
                let code = match text.as_bytes().first() {
                    _ if at < 2 => Some("1"),
                    Some(b'+') => Some("32"),
                    Some(b'-') => Some("31"),
                    Some(b'@') => Some("36"),
                    _ => None,
                };
                line(text, code);
            }
        }
        None => {
            let before = file.before_sha256.as_ref().map_or("/dev/null".to_owned(), |_| format!("a/{}", file.path));
            let after = file.after_sha256.as_ref().map_or("/dev/null".to_owned(), |_| format!("b/{}", file.path));
            line(&format!("Files {before} and {after} differ"), Some("1"));
        }
    }
    if let Some(note) = &file.note {
        // No line of a patch: `patch` skips it.
        line(&format!("({note})"), None);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use proto::message::DiffAction;

    use super::*;

    fn file(diff: Option<&str>, note: Option<&str>) -> FileDiff {
        FileDiff {
            path: "f".to_owned(),
            action: DiffAction::Created,
            before_sha256: None,
            after_sha256: Some("ab".to_owned()),
            diff: diff.map(str::to_owned),
            note: note.map(str::to_owned),
        }
    }

    #[test]
    fn a_patch_is_printed_harmlessly() {
        let diff = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n same\r\n-\u{1b}[31mold\n+--new\r\n";
        let table = [
            (file(Some(diff), None), "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n same\r\n-␛[31mold\n+--new\r\n"),
            (file(None, Some("binary")), "Files /dev/null and b/f differ\n(binary)\n"),
            (file(Some("--- a/f\n+++ b/f\n"), Some("cut")), "--- a/f\n+++ b/f\n(cut)\n"),
        ];
        for (file, expected) in table {
            assert_eq!(text(&file, false), expected);
        }
    }

    #[test]
    fn colours_follow_the_marks() {
        let diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n--- was\n+now\n";
        assert_eq!(
            text(&file(Some(diff), None), true),
            "\u{1b}[1m--- a/f\u{1b}[0m\n\u{1b}[1m+++ b/f\u{1b}[0m\n\u{1b}[36m@@ -1 +1 @@\u{1b}[0m\n\u{1b}[31m--- was\u{1b}[0m\n\
             \u{1b}[32m+now\u{1b}[0m\n"
        );
    }
}
