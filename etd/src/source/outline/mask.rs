//! Text with what stands in strings and comments blanked, byte for byte as long as before.

/// How strings and comments look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// `//`, `/* */`, `"`, and `'` as a character.
    C,
    /// The same, with raw strings, nested comments and lifetimes.
    Rust,
    /// The same, with `` ` `` and `'` as strings, and regular expressions.
    Js,
    /// `//`, `/* */`, `"`, `'` and `` ` `` as a raw string.
    Go,
    /// `#`, `"`, `'` and their triples.
    Hash,
    /// `--`, `/* */`, `'` and `"`.
    Sql,
}

/// The lines of `text` with blanks in place of what strings and comments hold; the quotes stay.
pub(super) fn mask(text: &str, marks: Marks) -> Vec<String> {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    // The last byte of code that was no blank: tells a regular expression from a division.
    let mut last = b'\n';
    while at < out.len() {
        let (end, keep) = token(text.as_bytes(), at, marks, last);
        if end > at {
            blank(&mut out[at + keep..end - keep]);
            last = if keep > 0 { b'"' } else { last };
            at = end;
        } else {
            if !out[at].is_ascii_whitespace() {
                last = out[at];
            }
            at += 1;
        }
    }
    // Only whole characters were blanked: every delimiter is ASCII.
    String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n' && **byte != b'\r') {
        *byte = b' ';
    }
}

/// The end of the string or comment that begins here, and how many bytes of quote stay on each side. `at` where none begins.
fn token(text: &[u8], at: usize, marks: Marks, last: u8) -> (usize, usize) {
    let rest = &text[at..];
    let line_end = || at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let slashes = !matches!(marks, Marks::Hash | Marks::Sql);
    if slashes && rest.starts_with(b"//")
        || marks == Marks::Hash && rest[0] == b'#'
        || marks == Marks::Sql && rest.starts_with(b"--")
    {
        return (line_end(), 0);
    }
    if marks != Marks::Hash && rest.starts_with(b"/*") {
        return (comment_end(text, at, marks == Marks::Rust), 0);
    }
    match (rest[0], marks) {
        (b'"' | b'\'', Marks::Hash) => {
            let triple = [rest[0]; 3];
            if rest.starts_with(&triple) {
                return find(text, at + 3, &triple).map_or((text.len(), 0), |end| (end + 3, 3));
            }
            quoted(text, at, true)
        }
        (b'r', Marks::Rust) if !last_is_word(text, at) => raw(text, at),
        (b'"', Marks::Rust) => quoted(text, at, false),
        (b'\'', Marks::Rust) => match (rest.get(1), rest.get(2)) {
            (Some(b'\\'), _) | (Some(_), Some(b'\'')) => quoted(text, at, true),
            _ => (at, 0),
        },
        (b'"', _) => quoted(text, at, marks != Marks::Sql),
        (b'\'', _) => quoted(text, at, marks != Marks::Sql),
        (b'`', Marks::Js) => quoted(text, at, false),
        (b'`', Marks::Go) => find(text, at + 1, b"`").map_or((text.len(), 0), |end| (end + 1, 1)),
        (b'/', Marks::Js) if b"(,=:[!&|?{};\n>".contains(&last) => regular(text, at),
        _ => (at, 0),
    }
}

/// A string from its quote on. One that may not span lines ends with its line.
fn quoted(text: &[u8], at: usize, one_line: bool) -> (usize, usize) {
    let mut end = at + 1;
    while end < text.len() {
        match text[end] {
            b'\\' => end += 1,
            b'\n' if one_line => return (end, 0),
            byte if byte == text[at] => return (end + 1, 1),
            _ => {}
        }
        end += 1;
    }
    (text.len(), 0)
}

/// `r"…"`, `r#"…"#`.
fn raw(text: &[u8], at: usize) -> (usize, usize) {
    let hashes = text[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if text.get(at + 1 + hashes) != Some(&b'"') {
        return (at, 0);
    }
    let closer = format!("\"{}", "#".repeat(hashes));
    let end = find(text, at + hashes + 2, closer.as_bytes()).map_or(text.len(), |end| end + closer.len());
    (end, 0)
}

/// A regular expression, which ends on its line; else it is none.
fn regular(text: &[u8], at: usize) -> (usize, usize) {
    let mut class = false;
    let mut end = at + 1;
    while end < text.len() {
        match text[end] {
            b'\\' => end += 1,
            b'\n' => return (at, 0),
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return (end + 1, 1),
            _ => {}
        }
        end += 1;
    }
    (at, 0)
}

fn comment_end(text: &[u8], at: usize, nested: bool) -> usize {
    let mut depth = 1;
    let mut end = at + 2;
    while end < text.len() {
        if text[end..].starts_with(b"*/") {
            depth -= 1;
            end += 2;
            if depth == 0 || !nested {
                return end;
            }
        } else if nested && text[end..].starts_with(b"/*") {
            depth += 1;
            end += 2;
        } else {
            end += 1;
        }
    }
    text.len()
}

fn last_is_word(text: &[u8], at: usize) -> bool {
    at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_')
}

fn find(text: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
