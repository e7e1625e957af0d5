//! Lines of a terminal: pieces of harmless text with a tone each, measured in columns.
//!
//! No text gets in without being cleaned, so nothing that a model, a tool or a file name says can steer the terminal.

use crate::text::sanitize;

/// How a piece looks. Without colour all look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Odd,
    Place,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Odd => Some("33"),
            Self::Place => Some("36"),
        }
    }
}

/// One line, without a newline in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pieces: Vec<(Tone, String)>,
}

impl Line {
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self::default().with(tone, text)
    }

    /// The line with another piece, cleaned and on one line.
    pub(super) fn with(self, tone: Tone, text: &str) -> Self {
        self.push(tone, flat(text))
    }

    /// Columns that it takes.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| width(text)).sum()
    }

    /// Cut to `max` columns.
    pub(super) fn cut(mut self, max: usize) -> Self {
        let mut left = max;
        for index in 0..self.pieces.len() {
            let more = self.pieces.len() > index + 1;
            let (_, text) = &mut self.pieces[index];
            let takes = width(text);
            // What follows needs a column for its mark, unless nothing follows.
            if takes > left || (takes == left && more) {
                *text = if takes > left { fit(text, left) } else { fit(&format!("{text}…"), left) };
                self.pieces.truncate(index + 1);
                break;
            }
            left -= takes;
        }
        self
    }

    /// Wrapped between words to lines of at most `max` columns, all but the first indented. A word that is longer stays whole: a
    /// path that the terminal itself wraps can still be copied.
    pub(super) fn wrap(&self, max: usize) -> Vec<Self> {
        const INDENT: &str = "    ";
        let mut lines = Vec::new();
        let mut line = Self::default();
        let mut taken = 0;
        for (tone, text) in &self.pieces {
            let mut kept = String::new();
            for word in text.split_inclusive(' ') {
                let takes = width(word.trim_end());
                if takes > 0 && taken + takes > max && taken > if lines.is_empty() { 0 } else { INDENT.len() } {
                    lines.push(std::mem::take(&mut line).push(*tone, std::mem::take(&mut kept)).trimmed());
                    line = Self::default().push(Tone::Plain, INDENT.to_owned());
                    taken = INDENT.len();
                }
                kept.push_str(word);
                taken += width(word);
            }
            line = line.push(*tone, kept);
        }
        lines.push(line);
        lines
    }

    fn push(mut self, tone: Tone, text: String) -> Self {
        if !text.is_empty() {
            self.pieces.push((tone, text));
        }
        self
    }

    fn trimmed(mut self) -> Self {
        if let Some((_, text)) = self.pieces.last_mut() {
            text.truncate(text.trim_end().len());
        }
        self
    }

    /// With the sequences for its tones, if colour is wanted.
    pub(super) fn paint(&self, colour: bool) -> String {
        let mut painted = String::new();
        for (tone, text) in &self.pieces {
            match tone.code().filter(|_| colour) {
                Some(code) => painted.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
                None => painted.push_str(text),
            }
        }
        painted
    }
}

/// Cleaned, on one line, and without piles of marks that take no column.
fn flat(text: &str) -> String {
    let mut piled = 0;
    sanitize(text)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| {
            piled = if char_width(*c) == 0 { piled + 1 } else { 0 };
            piled <= 2
        })
        .collect()
}

fn char_width(c: char) -> usize {
    if c.is_ascii() { 1 } else { console::measure_text_width(c.encode_utf8(&mut [0; 4])) }
}

/// Columns that a clean text takes, its characters counted one by one, so that a terminal that joins some shows less, never more.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text in at most `max` columns; an ellipsis stands for what was cut off.
pub(super) fn fit(text: &str, max: usize) -> String {
    let text = flat(text);
    if width(&text) <= max {
        return text;
    }
    let mut short = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += char_width(c);
        if taken > max {
            break;
        }
        short.push(c);
    }
    if max > 0 {
        short.push('…');
    }
    short
}

/// The text in exactly `columns` columns.
pub(super) fn column(text: &str, columns: usize) -> String {
    let mut text = fit(text, columns);
    text.push_str(&" ".repeat(columns.saturating_sub(width(&text))));
    text
}

/// A path in at most `max` columns; its end is what tells it apart.
pub(super) fn fit_path(path: &str, max: usize) -> String {
    let path = flat(path);
    if width(&path) <= max {
        return path;
    }
    let mut tail: Vec<char> = Vec::new();
    let mut taken = 1;
    for c in path.chars().rev() {
        taken += char_width(c);
        if taken > max {
            break;
        }
        tail.push(c);
    }
    if max > 0 {
        tail.push('…');
    }
    tail.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        for (text, max, fitted) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("文字列です", 5, "文字…"),
            ("文字列です", 4, "文…"),
            ("x", 0, ""),
            ("a\nb\u{1b}[2J", 20, "a b␛[2J"),
            ("e\u{301}\u{301}\u{301}\u{301}", 5, "e\u{301}\u{301}"),
        ] {
            assert_eq!(fit(text, max), fitted, "{text}");
        }
        assert_eq!(fit_path("src/deep/report.rs", 10), "…report.rs");
        assert_eq!(column("文字", 6), "文字  ");
    }

    #[test]
    fn lines_are_cut_at_their_width() {
        let line = || Line::new(Tone::Good, "✓ ").with(Tone::Plain, "one").with(Tone::Dim, " two");
        for (max, text) in [(9, "✓ one two"), (8, "✓ one t…"), (5, "✓ on…"), (1, "…"), (0, "")] {
            let cut = line().cut(max);
            assert_eq!(cut.paint(false), text, "{max}");
            assert!(cut.width() <= max);
        }
        assert_eq!(line().paint(true), "\u{1b}[32m✓ \u{1b}[0mone\u{1b}[2m two\u{1b}[0m");
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        let line = Line::new(Tone::Bad, "✗ ").with(Tone::Strong, "one two").with(Tone::Dim, " three /a/very/long/path");
        let wrapped = |max| line.wrap(max).iter().map(|line| line.paint(false)).collect::<Vec<_>>();
        assert_eq!(wrapped(80), ["✗ one two three /a/very/long/path"]);
        assert_eq!(wrapped(12), ["✗ one two", "    three", "    /a/very/long/path"]);
        assert_eq!(wrapped(1), ["✗", "    one", "    two", "    three", "    /a/very/long/path"]);
        assert_eq!(Line::default().wrap(10), [Line::default()]);
    }
}
