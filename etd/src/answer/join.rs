//! Joins an answer that the token limit cut with what the model said when asked to go on. Pure.
//!
//! Promises: all of the first part stays, but for a block that is begun anew and for what is said twice at the seam.

use super::{Expected, Problem, read};

/// Letters and digits that lines must have for their repetition to be no chance.
const TELLING: usize = 6;
/// Lines of the first part that a continuation may repeat.
const REPEATED: usize = 40;

/// One text of both.
#[must_use]
pub fn join(partial: &str, rest: &str, expected: &Expected<'_>) -> String {
    let (partial, rest) = (partial.replace("\r\n", "\n"), rest.replace("\r\n", "\n"));
    if let Some(before) = begun_anew(&partial, &rest, expected) {
        return format!("{before}{rest}");
    }
    let rest = without_fence(&partial, &rest);
    seam(&partial, &rest)
}

/// What stands before the open block, if the continuation begins that block again.
fn begun_anew<'a>(partial: &'a str, rest: &str, expected: &Expected<'_>) -> Option<&'a str> {
    let open = read(partial, &Expected { cut: true, ..expected.clone() });
    let paths: Vec<_> = open
        .problems
        .iter()
        .filter_map(|problem| match problem {
            Problem::Truncated(path) => Some(path),
            _ => None,
        })
        .collect();
    let opening: Vec<&str> = rest.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
    let path = paths.into_iter().find(|path| {
        opening.iter().any(|line| {
            line.contains(path.as_str())
                && (line.contains("===") || line.trim_start().starts_with(['#', '`', '*', '<']))
        })
    })?;
    // The line that opened it: without it and what follows, nothing is open.
    let mut at = partial.len();
    for line in partial.split_inclusive('\n').rev() {
        at -= line.len();
        if line.contains(path.as_str()) {
            let left = read(&partial[..at], &Expected { cut: false, ..expected.clone() });
            if !left.problems.contains(&Problem::Truncated(path.clone())) {
                return Some(&partial[..at]);
            }
        }
    }
    None
}

/// A continuation without the fence that the model put around it, where the first part is not in one.
fn without_fence(partial: &str, rest: &str) -> String {
    let fence = |line: &str| line.trim_start().starts_with("```");
    let first = rest.lines().position(|line| !line.trim().is_empty());
    let Some(first) = first.filter(|at| rest.lines().nth(*at).is_some_and(fence)) else { return rest.to_owned() };
    let block = partial.rfind("===FILE:").map_or("", |at| &partial[at..]);
    if block.is_empty() || block.lines().filter(|line| fence(line)).count() % 2 == 1 {
        return rest.to_owned();
    }
    let mut lines: Vec<&str> = rest.lines().skip(first + 1).collect();
    if lines.iter().filter(|line| fence(line)).count() % 2 == 1
        && let Some(last) = lines.iter().rposition(|line| line.trim() == "```")
    {
        lines.remove(last);
    }
    let mut out = lines.join("\n");
    if rest.ends_with('\n') {
        out.push('\n');
    }
    // A new line was meant, or the line that was cut is repeated.
    if partial.ends_with('\n') || out.starts_with(last_line(partial)) { out } else { format!("\n{out}") }
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or(text)
}

fn telling(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphanumeric()).count() >= TELLING
}

/// Both, without what stands at the end of the one and the start of the other.
fn seam(partial: &str, rest: &str) -> String {
    let cut = last_line(partial);
    let head = &partial[..partial.len() - cut.len()];
    let body = rest.trim_start_matches('\n');
    // Whole lines are repeated, and at times the one that was cut.
    let said: Vec<&str> = head.lines().collect();
    let again: Vec<&str> = body.lines().collect();
    for count in (1..=said.len().min(again.len()).min(REPEATED)).rev() {
        let (old, new) = (&said[said.len() - count..], &again[..count]);
        if old == new && telling(&new.concat()) {
            let skipped: usize = body.split_inclusive('\n').take(count).map(str::len).sum();
            let behind = &body[skipped..];
            return if behind.starts_with(cut) { format!("{head}{behind}") } else { format!("{partial}{behind}") };
        }
    }
    // Only the line that was cut is.
    let bare = cut.trim_start();
    if telling(bare) && body.trim_start_matches([' ', '\t']).starts_with(bare) {
        let indent = &cut[..cut.len() - bare.len()];
        return format!("{head}{indent}{}", body.trim_start_matches([' ', '\t']));
    }
    format!("{partial}{rest}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;
    use crate::relpath::RelPath;

    #[test]
    fn two_parts_are_one() {
        const WHOLE: &str = "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n";
        // The first part, what the model goes on with.
        let table: &[(&str, &str, &str)] = &[
            ("exactly", "===FILE: a.go===\npackage a\n\nfunc Al", "pha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n"),
            (
                "at a line's end",
                "===FILE: a.go===\npackage a\n\n",
                "func Alpha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n",
            ),
            (
                "before a line's end",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {",
                "\n\tprintln(\"x\")\n}\n===ENDFILE===\n",
            ),
            (
                "the cut line again",
                "===FILE: a.go===\npackage a\n\nfunc Alph",
                "func Alpha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n",
            ),
            (
                "the cut line again without its indent",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n\tprintln(",
                "println(\"x\")\n}\n===ENDFILE===\n",
            ),
            (
                "the last line again",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n",
                "func Alpha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n",
            ),
            (
                "lines again and the cut one",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n\tpri",
                "package a\n\nfunc Alpha() {\n\tprintln(\"x\")\n}\n===ENDFILE===\n",
            ),
            ("the block anew", "===FILE: a.go===\npackage a\n\nfunc Al", WHOLE),
            (
                "the block anew with words",
                "===FILE: a.go===\npackage a\n\nfunc Al",
                &format!("Sure, here it is:\n\n{WHOLE}"),
            ),
            (
                "in a fence",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n",
                "```go\n\tprintln(\"x\")\n}\n```\n===ENDFILE===\n",
            ),
            (
                "in a fence around it all",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {",
                "```go\n\tprintln(\"x\")\n}\n===ENDFILE===\n```\n",
            ),
            (
                "the end alone",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n\tprintln(\"x\")\n}\n",
                "===ENDFILE===\n",
            ),
            (
                "a brace isn't repeated",
                "===FILE: a.go===\npackage a\n\nfunc Alpha() {\n\tprintln(\"x\")\n",
                "}\n===ENDFILE===\n",
            ),
        ];
        let owns = [RelPath::parse("a.go").unwrap(), RelPath::parse("b.go").unwrap()];
        let expected = Expected { owns: &owns, work_dir_name: "w", cut: false };
        let wanted = read(WHOLE, &expected).files;
        for (name, partial, rest) in table {
            let before = "===FILE: b.go===\npackage a\n\nvar Beta = 1\n===ENDFILE===\n\n";
            for before in ["", before] {
                let joined = join(&format!("{before}{partial}"), rest, &expected);
                let found = read(&joined, &expected);
                assert_eq!(found.files.last(), wanted.first(), "{name}: {joined}");
                assert_eq!(found.files.len(), if before.is_empty() { 1 } else { 2 }, "{name}: {joined}");
                assert_eq!(found.problems, [], "{name}: {joined}");
            }
        }
    }

    #[test]
    fn an_edit_goes_on() {
        let owns = [RelPath::parse("a.go").unwrap()];
        let expected = Expected { owns: &owns, work_dir_name: "w", cut: false };
        let whole = "===FILE: a.go===\n<<<<<<< SEARCH\nold line\n=======\nnew line one\nnew line two\n>>>>>>> REPLACE\n===ENDFILE===\n";
        for at in 20..whole.len() - 30 {
            let (partial, rest) = whole.split_at(at);
            assert_eq!(read(&join(partial, rest, &expected), &expected), read(whole, &expected), "{at}");
        }
    }
}
