//! Two contents of a file as a unified diff. Pure, but for the clock that bounds the work.

use std::fmt::Write as _;
use std::time::Duration;

use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, TextDiff};

/// Contents above this many bytes aren't compared.
pub const MAX_CONTENT: u64 = 2 << 20;
/// A diff is cut after this many bytes: it must fit a frame.
const MAX_DIFF: usize = 3 << 20;
/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// Time for one file; after that the diff is right, but longer than it could be.
const PATIENCE: Duration = Duration::from_secs(3);

/// A diff, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unified {
    /// With `---` and `+++` lines; none if it isn't text that can be shown. `patch -p1` takes it.
    pub diff: Option<String>,
    /// Why there is no diff, or why it isn't whole.
    pub note: Option<String>,
}

impl Unified {
    /// No diff, for this reason.
    #[must_use]
    pub fn none(note: &str) -> Self {
        Self { diff: None, note: Some(note.to_owned()) }
    }
}

/// The diff of two contents; none: there is no file.
#[must_use]
pub fn unified(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Unified {
    let (Some(old), Some(new)) = (text(before), text(after)) else { return Unified::none("binary") };
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut out = String::new();
    let side = |there: bool, letter: char| if there { format!("{letter}/{path}") } else { "/dev/null".to_owned() };
    // Writing to a string can't fail.
    let _ = writeln!(out, "--- {}\n+++ {}", side(before.is_some(), 'a'), side(after.is_some(), 'b'));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_slices(&old, &new);
    let mut note = None;
    'hunks: for ops in diff.grouped_ops(CONTEXT).iter().filter(|ops| !ops.is_empty()) {
        let _ = writeln!(out, "{}", UnifiedHunkHeader::new(ops));
        for change in ops.iter().flat_map(|op| diff.iter_changes(op)) {
            if out.len() + change.value().len() > MAX_DIFF {
                note = Some(format!("cut after {} lines", out.lines().count()));
                break 'hunks;
            }
            out.push(match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            out.push_str(change.value());
            if !change.value().ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    Unified { diff: Some(out), note }
}

/// The content as text; none if it isn't any.
fn text(content: Option<&[u8]>) -> Option<&str> {
    let bytes = content.unwrap_or_default();
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn files_are_shown_as_patch_reads_them() {
        let eight = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let table: &[(Option<&str>, Option<&str>, &str)] = &[
            (None, Some("x\n"), "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"),
            (None, Some(""), "--- /dev/null\n+++ b/f\n"),
            (Some("x\n"), None, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"),
            (
                Some(eight),
                Some("1\n2\n3\n4\nfive\n6\n7\n8\n"),
                "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
            ),
            // Line ends are part of a line; a lone carriage return ends none.
            (Some("a\r\nb\r\n"), Some("a\r\nc\r\n"), "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"),
            (Some("a\rb\n"), Some("a\rc\n"), "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\rb\n+a\rc\n"),
            (Some("a"), Some("a\n"), "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        ];
        for (before, after, expected) in table {
            let found = unified("f", before.map(str::as_bytes), after.map(str::as_bytes));
            assert_eq!(found, Unified { diff: Some((*expected).to_owned()), note: None }, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (before, after) in [(Some(&b"\xff\xfe"[..]), None), (Some(b"text\n"), Some(&b"a\0b"[..]))] {
            assert_eq!(unified("f", before, after), Unified::none("binary"));
        }
    }

    #[test]
    fn a_long_diff_is_cut_at_a_line_and_says_so() {
        let old = "old line\n".repeat(200_000);
        let new = "new line\n".repeat(200_000);
        let found = unified("f", Some(old.as_bytes()), Some(new.as_bytes()));
        let diff = found.diff.unwrap();
        assert!(diff.len() <= MAX_DIFF && diff.ends_with(" line\n"), "{}", diff.len());
        assert!(found.note.unwrap().starts_with("cut after "));
    }
}
