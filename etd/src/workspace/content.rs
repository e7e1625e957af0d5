//! How new text takes over the form of the file that it replaces. Pure.

const BOM: &str = "\u{feff}";

/// The bytes to write: `new` with the line ends, byte order mark and missing final newline of the existing file.
#[must_use]
pub fn adapt(new: &str, existing: Option<&[u8]>) -> Vec<u8> {
    let Some(existing) = existing.filter(|existing| !existing.is_empty()) else {
        return new.as_bytes().to_vec();
    };
    let mut text = new.strip_prefix(BOM).unwrap_or(new).replace("\r\n", "\n");
    if !existing.ends_with(b"\n") && text.ends_with('\n') {
        text.pop();
    }
    let crlf = existing.windows(2).filter(|pair| pair == b"\r\n").count();
    let all = existing.iter().filter(|byte| **byte == b'\n').count();
    let usual = if crlf * 2 > all { "\r\n" } else { "\n" };
    if crlf > 0 && crlf < all {
        text = with_ends_of(&text, &String::from_utf8_lossy(existing), usual);
    } else if crlf > 0 {
        text = text.replace('\n', "\r\n");
    }
    if existing.starts_with(BOM.as_bytes()) {
        text.insert_str(0, BOM);
    }
    text.into_bytes()
}

/// `text` with the line ends of the same lines in a file whose ends are mixed; a new line ends as the one above it, the first as is `usual`.
fn with_ends_of(text: &str, existing: &str, usual: &str) -> String {
    let existing = existing.strip_prefix(BOM).unwrap_or(existing);
    let bare = |line: &str| line.trim_end_matches('\n').trim_end_matches('\r').to_owned();
    let old: Vec<&str> = existing.split_inclusive('\n').collect();
    let old_bare: Vec<String> = old.iter().map(|line| bare(line)).collect();
    let new: Vec<String> = text.split_inclusive('\n').map(bare).collect();
    let mut ends: Vec<Option<&str>> = vec![None; new.len()];
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &old_bare, &new) {
        if let similar::DiffOp::Equal { old_index, new_index, len } = op {
            for step in 0..len {
                let line = old[old_index + step];
                if line.ends_with('\n') {
                    ends[new_index + step] = Some(if line.ends_with("\r\n") { "\r\n" } else { "\n" });
                }
            }
        }
    }
    let mut out = String::new();
    let mut above = usual;
    for (line, end) in new.iter().zip(ends) {
        above = end.unwrap_or(above);
        out.push_str(line);
        out.push_str(above);
    }
    if !text.ends_with('\n') {
        let end = if out.ends_with("\r\n") { 2 } else { 1 };
        out.truncate(out.len().saturating_sub(end));
    }
    out
}

/// Lines below which a file may shrink at will.
const SMALL: usize = 30;

/// Starts of words by which a task asks for less.
const LESS: &[&str] = &[
    "remov",
    "delet",
    "rewrit",
    "simplif",
    "shorten",
    "shrink",
    "reduc",
    "refactor",
    "split",
    "extract",
    "from scratch",
];

/// Whether `new` has less than half the lines of an existing file of more than 30, though the task doesn't ask for less: a sign that
/// the model left out what it didn't want to repeat.
#[must_use]
pub fn shrunk(new: &str, existing: &[u8], task: &str) -> bool {
    let before = existing.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    let after = new.lines().filter(|line| !line.trim().is_empty()).count();
    before > SMALL && after * 2 < before && !asks_for_less(task)
}

fn asks_for_less(task: &str) -> bool {
    let task = task.to_lowercase();
    LESS.iter().any(|word| {
        task.match_indices(word).any(|(at, _)| !task[..at].chars().next_back().is_some_and(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_existing_file_is_kept() {
        let table: &[(&str, Option<&str>, &str)] = &[
            ("a\nb\n", None, "a\nb\n"),
            ("a\r\nb\r\n", None, "a\r\nb\r\n"),
            ("a\nb\n", Some(""), "a\nb\n"),
            ("a\nb\n", Some("x\n"), "a\nb\n"),
            ("a\nb\n", Some("x"), "a\nb"),
            ("a\nb\n", Some("x\r\ny\r\n"), "a\r\nb\r\n"),
            ("a\r\nb\n", Some("x\r\ny"), "a\r\nb"),
            ("a\r\nb\r\n", Some("x\ny\n"), "a\nb\n"),
            ("a\n", Some("\u{feff}x\n"), "\u{feff}a\n"),
            ("\u{feff}a\n", Some("\u{feff}x\n"), "\u{feff}a\n"),
            ("\u{feff}a\n", Some("x\n"), "a\n"),
            ("a\nb\n", Some("x\r\ny\nz\n"), "a\nb\n"),
            ("x\nB\nz\n", Some("x\r\ny\nz\n"), "x\r\nB\r\nz\n"),
            ("x\ny\nnew\nz\n", Some("x\r\ny\nz\r\n"), "x\r\ny\nnew\nz\r\n"),
            ("x\nz\n", Some("x\r\ny\nz"), "x\r\nz"),
            ("new\nx\ny\n", Some("x\ny\r\nz\r\n"), "new\r\nx\ny\r\n"),
            ("", Some("x"), ""),
        ];
        for (new, existing, expected) in table {
            let found = adapt(new, existing.map(str::as_bytes));
            assert_eq!(String::from_utf8_lossy(&found), *expected, "{new:?} over {existing:?}");
        }
    }

    #[test]
    fn adapting_twice_changes_nothing() {
        let existing = b"\xef\xbb\xbfx\r\ny".as_slice();
        let once = adapt("a\nb\n", Some(existing));
        assert_eq!(adapt(&String::from_utf8_lossy(&once), Some(existing)), once);
    }

    #[test]
    fn a_file_that_lost_its_half_is_noticed() {
        let lines = |n: usize| "x\n".repeat(n);
        let table = [
            (100, 49, "add a field", true),
            (100, 50, "add a field", false),
            (100, 10, "Remove the old endpoints", false),
            (100, 10, "rewrite it from scratch", false),
            (100, 10, "simplify the parser", false),
            (100, 10, "an unsplit thing", true),
            (30, 1, "add a field", false),
            (31, 1, "add a field", true),
        ];
        for (before, after, task, expected) in table {
            assert_eq!(shrunk(&lines(after), lines(before).as_bytes(), task), expected, "{before} to {after}: {task}");
        }
    }
}
