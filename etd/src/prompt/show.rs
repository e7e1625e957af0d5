//! How files, lists and diagnostics look in a prompt.

use proto::diagnostic::{Diagnostic, Severity};

use super::FileView;
use crate::plan::{Contract, Subtask};

/// Longest line and longest message that is shown of a diagnostic, in bytes.
const LONG_LINE: usize = 300;
const LONG_MESSAGE: usize = 2_000;

/// `text` in at most `limit` bytes: its head and tail, and how much went.
pub(super) fn middle_out(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    // Room for the marker with its number.
    let room = limit.saturating_sub(40);
    let head = floor(text, room * 2 / 3);
    let tail = ceil(text, text.len() - (room - room * 2 / 3));
    let out = format!("{}\n[… {} bytes left out …]\n{}", &text[..head], tail - head, &text[tail..]);
    if out.len() <= limit { out } else { text[..floor(text, limit)].to_owned() }
}

/// As many of the first lines as fit, and how many went.
pub(super) fn first_lines(lines: &[String], limit: usize) -> String {
    let whole = lines.join("\n");
    if whole.len() <= limit {
        return whole;
    }
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if out.len() + line.len() + 1 + 40 > limit {
            if index == 0 {
                // The first is worth most: some of it is better than none.
                out.push_str(&middle_out(line, limit.saturating_sub(41)));
                out.push_str(&format!("\n[… {} more left out …]", lines.len() - 1));
                break;
            }
            out.push_str(&format!("[… {} more left out …]", lines.len() - index));
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A fenced file in at most `limit` bytes; the fence is longer than any in the text, so that nothing in it can end it.
pub(super) fn file(path: &str, text: &str, around: &[u32], limit: usize) -> String {
    let fence = fence(text);
    let frame = path.len() + 2 * fence.len() + 12;
    let body = excerpt(text, around, limit.saturating_sub(frame));
    format!("`{path}`:\n{fence}\n{}\n{fence}", body.trim_end_matches('\n'))
}

/// A fenced file in part.
pub(super) fn part(path: &str, shown: &str) -> String {
    let fence = fence(shown);
    format!("`{path}`, in part:\n{fence}\n{}\n{fence}", shown.trim_end_matches('\n'))
}

fn fence(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

/// The lines of a file that fit, with the places of interest kept.
fn excerpt(text: &str, around: &[u32], limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    // The largest reach on each side of the places that fits.
    let (mut low, mut high) = (0, lines.len());
    let mut best = None;
    while low <= high {
        let reach = low + (high - low) / 2;
        let shown = pick(&lines, around, reach);
        if shown.len() <= limit {
            // Nothing but a marker: a few huge lines, which are cut as text.
            best = (reach > 0 || !around.is_empty()).then_some(shown);
            low = reach + 1;
        } else if reach == 0 {
            break;
        } else {
            high = reach - 1;
        }
    }
    best.unwrap_or_else(|| middle_out(text, limit))
}

/// The lines within `reach` of each place, and markers for the rest. A file without a place is shown from its head and, less, its end.
fn pick(lines: &[&str], around: &[u32], reach: usize) -> String {
    let mut keep = vec![false; lines.len()];
    let mut mark = |from: usize, to: usize| {
        for slot in keep.iter_mut().take(to).skip(from) {
            *slot = true;
        }
    };
    if around.is_empty() {
        mark(0, reach);
        mark(lines.len().saturating_sub(reach / 3), lines.len());
    } else {
        for line in around {
            let at = (*line as usize).saturating_sub(1).min(lines.len().saturating_sub(1));
            mark(at.saturating_sub(reach), at + reach + 1);
        }
        // The head has the imports.
        mark(0, reach.min(20));
    }
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let end = (at..lines.len()).find(|index| keep[*index] != keep[at]).unwrap_or(lines.len());
        if keep[at] {
            for line in &lines[at..end] {
                out.push_str(line);
                out.push('\n');
            }
        } else {
            out.push_str(&format!("[… lines {}-{end} of {} left out …]\n", at + 1, lines.len()));
        }
        at = end;
    }
    out
}

/// The contract in at most `limit` bytes; what was cut is said in it.
pub(super) fn contract(contract: &Contract, limit: usize) -> String {
    let mut out = String::new();
    if !contract.language.is_empty() {
        out.push_str(&format!("Language: {}\n", contract.language));
    }
    if !contract.layout.is_empty() {
        out.push_str(&format!("Files: {}\n", contract.layout.join(", ")));
    }
    for line in &contract.conventions {
        out.push_str(&format!("- {line}\n"));
    }
    if !contract.shared.is_empty() {
        let fence = fence(&contract.shared);
        let room = limit.saturating_sub(out.len() + 2 * fence.len() + 40);
        out.push_str(&format!(
            "Shared types and signatures:\n{fence}\n{}\n{fence}\n",
            middle_out(&contract.shared, room)
        ));
    }
    middle_out(out.trim_end(), limit)
}

/// One line on who owns what.
pub(super) fn plan_line(subtask: &Subtask) -> String {
    let owns: Vec<&str> = subtask.owns.iter().map(|path| path.as_str()).collect();
    let mut line = format!("- {} {}", subtask.id, one_line(&subtask.title));
    if !owns.is_empty() {
        line.push_str(&format!(": {}", owns.join(", ")));
    }
    if !subtask.provides.is_empty() {
        line.push_str(&format!(" | provides {}", subtask.provides.join("; ")));
    }
    line
}

/// What a worker is to do, as its instructions say it.
pub(super) fn subtask(subtask: &Subtask) -> String {
    let mut out = format!("Your subtask {}: {}\n{}\n", subtask.id, subtask.title, subtask.instructions);
    let owns: Vec<&str> = subtask.owns.iter().map(|path| path.as_str()).collect();
    if owns.is_empty() {
        out.push_str("You own no file yet: you may write any file that no other subtask owns.\n");
    } else {
        out.push_str(&format!("Your files, write only these: {}\n", owns.join(", ")));
    }
    for (label, list) in [("You define", &subtask.provides), ("You use", &subtask.requires)] {
        if !list.is_empty() {
            out.push_str(&format!("{label}: {}\n", list.join("; ")));
        }
    }
    out.trim_end().to_owned()
}

/// `file:line:col: severity[code]: message`, the line with its number where the file is shown, and the related places.
pub(super) fn diagnostic(diagnostic: &Diagnostic, files: &[&FileView]) -> String {
    let mut out = String::new();
    match &diagnostic.file {
        Some(file) => {
            out.push_str(file);
            for number in [diagnostic.line, diagnostic.line.and(diagnostic.column)].into_iter().flatten() {
                out.push_str(&format!(":{number}"));
            }
        }
        None => out.push_str(&diagnostic.tool),
    }
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    out.push_str(&format!(": {severity}"));
    if let Some(code) = &diagnostic.code {
        out.push_str(&format!("[{code}]"));
    }
    out.push_str(&format!(": {}", middle_out(diagnostic.message.trim(), LONG_MESSAGE)));
    its_line(&mut out, diagnostic.file.as_deref(), diagnostic.line, files);
    for related in &diagnostic.related {
        let line = related.line.map(|line| format!(":{line}")).unwrap_or_default();
        out.push_str(&format!("\n  see {}{line}: {}", related.file, middle_out(related.message.trim(), LONG_MESSAGE)));
        its_line(&mut out, Some(&related.file), related.line, files);
    }
    out
}

fn its_line(out: &mut String, file: Option<&str>, line: Option<u32>, files: &[&FileView]) {
    let (Some(file), Some(line)) = (file, line) else { return };
    let Some(view) = files.iter().find(|view| view.path.as_str() == file) else { return };
    let number = line as usize;
    let Some(text) = view.text.lines().nth(number.saturating_sub(1)) else { return };
    let end = floor(text, LONG_LINE);
    let more = if end < text.len() { " …" } else { "" };
    out.push_str(&format!("\n  >{number:>5} | {}{more}", &text[..end]));
}

/// The first line of a text.
pub(super) fn one_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

fn ceil(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at)
}
