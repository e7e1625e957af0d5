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
    if mostly_crlf(existing) {
        text = text.replace('\n', "\r\n");
    }
    if existing.starts_with(BOM.as_bytes()) {
        text.insert_str(0, BOM);
    }
    text.into_bytes()
}

fn mostly_crlf(bytes: &[u8]) -> bool {
    let all = bytes.iter().filter(|byte| **byte == b'\n').count();
    let crlf = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    crlf * 2 > all
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
