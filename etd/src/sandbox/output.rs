//! The head and the tail of a stream, whatever its length. Pure.

use std::collections::VecDeque;

/// Keeps at most `limit` bytes: the first half of them from the start of the stream, the rest from its end.
pub(super) struct Bounded {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    dropped: u64,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        let head_limit = limit / 2;
        Self { head: Vec::new(), tail: VecDeque::new(), head_limit, tail_limit: limit - head_limit, dropped: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        let (first, rest) = bytes.split_at(to_head);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The text, lossy UTF-8. Where the middle is missing, a line says how much, and no half line stands beside it (half a
    /// diagnostic would be read as another one).
    pub(super) fn finish(self) -> String {
        let (mut head, mut tail) = (self.head, Vec::from(self.tail));
        if self.dropped == 0 {
            head.append(&mut tail);
            return String::from_utf8_lossy(&head).into_owned();
        }
        let mut dropped = self.dropped;
        if let Some(end) = head.iter().rposition(|byte| *byte == b'\n') {
            dropped += (head.len() - end - 1) as u64;
            head.truncate(end + 1);
        }
        if let Some(end) = tail.iter().position(|byte| *byte == b'\n') {
            dropped += (end + 1) as u64;
            tail.drain(..=end);
        }
        let mut text = String::from_utf8_lossy(&head).into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("[... {dropped} bytes left out ...]\n"));
        text.push_str(&String::from_utf8_lossy(&tail));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(limit: usize, pieces: &[&str]) -> String {
        let mut kept = Bounded::new(limit);
        for piece in pieces {
            kept.push(piece.as_bytes());
        }
        kept.finish()
    }

    #[test]
    fn head_and_tail_are_kept_and_the_gap_is_counted() {
        let table: &[(usize, &[&str], &str)] = &[
            (10, &[], ""),
            (10, &["0123456789"], "0123456789"),
            (10, &["01234", "56789"], "0123456789"),
            (10, &["0123456789abc"], "01234\n[... 3 bytes left out ...]\n89abc"),
            (10, &["0123456", "789a", "bc"], "01234\n[... 3 bytes left out ...]\n89abc"),
            (16, &["one\ntwo\nthree\nfour\nfive\n"], "one\ntwo\n[... 11 bytes left out ...]\nfive\n"),
            (0, &["abc"], "[... 3 bytes left out ...]\n"),
        ];
        for (limit, pieces, expected) in table {
            assert_eq!(bounded(*limit, pieces), *expected, "{limit} {pieces:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        let mut kept = Bounded::new(100);
        kept.push(b"a\xffb");
        assert_eq!(kept.finish(), "a\u{fffd}b");
    }
}
