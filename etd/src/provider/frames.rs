//! From bytes as they come to whole events. Pure; knows server-sent events, lines of JSON and JSON arrays, not what is in them.
//!
//! Where a chunk ends means nothing: any split of the same bytes gives the same events.

/// Longest single event in bytes.
pub(crate) const MAX_EVENT: usize = 16 * 1024 * 1024;

/// How a stream is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events; a body that starts with `{` or `[` is read as JSON values instead, since some servers ignore that a
    /// stream was asked for.
    Sse,
    /// A JSON object a line.
    Lines,
}

/// Why bytes aren't events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// Not UTF-8.
    #[error("the stream isn't UTF-8")]
    Utf8,
    /// Longer than [`MAX_EVENT`].
    #[error("an event of the stream is larger than any answer")]
    TooLong,
}

enum Mode {
    Unknown,
    Sse,
    Lines,
    Values { depth: usize, string: bool, escaped: bool },
}

/// Cuts a stream into the data of its events.
pub(crate) struct Frames {
    mode: Mode,
    /// Bytes of the line or value that isn't complete.
    rest: Vec<u8>,
    /// The `data:` lines of the event that isn't complete.
    data: Option<String>,
    /// The last byte was a CR, so that an LF that follows belongs to it.
    after_cr: bool,
}

impl Frames {
    /// Starts at the first byte of a body.
    pub(crate) fn new(framing: Framing) -> Self {
        let mode = match framing {
            Framing::Sse => Mode::Unknown,
            Framing::Lines => Mode::Lines,
        };
        Self { mode, rest: Vec::new(), data: None, after_cr: false }
    }

    /// Takes more bytes; the events that are complete with them are appended to `out`.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<String>) -> Result<(), FrameError> {
        let mut left = bytes;
        while let Some((&byte, behind)) = left.split_first() {
            if let Mode::Unknown = self.mode {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        left = behind;
                        continue;
                    }
                    b'{' | b'[' => self.mode = Mode::Values { depth: 0, string: false, escaped: false },
                    _ => self.mode = Mode::Sse,
                }
            }
            if let Mode::Values { .. } = self.mode {
                left = behind;
                self.value_byte(byte, out)?;
            } else {
                // Up to the end of the line at once.
                let run = left.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(left.len());
                self.rest.extend_from_slice(&left[..run.min(MAX_EVENT + 1)]);
                self.after_cr &= run == 0;
                left = &left[run..];
                if let Some((&end, behind)) = left.split_first().filter(|_| self.rest.len() <= MAX_EVENT) {
                    left = behind;
                    self.line_end(end, out)?;
                }
            }
            if self.rest.len() > MAX_EVENT {
                return Err(FrameError::TooLong);
            }
        }
        Ok(())
    }

    /// The event that the end of the body left without its terminator, if any. It may be cut short.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let mut out = Vec::new();
        if matches!(self.mode, Mode::Sse | Mode::Lines) {
            self.line(&mut out).ok()?;
            if let Some(data) = self.data.take() {
                out.push(data);
            }
        }
        out.pop()
    }

    fn line_end(&mut self, end: u8, out: &mut Vec<String>) -> Result<(), FrameError> {
        let after_cr = std::mem::replace(&mut self.after_cr, end == b'\r');
        if end == b'\n' && after_cr { Ok(()) } else { self.line(out) }
    }

    /// Takes the line in `rest`.
    fn line(&mut self, out: &mut Vec<String>) -> Result<(), FrameError> {
        let bytes = std::mem::take(&mut self.rest);
        let line = std::str::from_utf8(&bytes).map_err(|_| FrameError::Utf8)?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if let Mode::Lines = self.mode {
            if !line.trim().is_empty() {
                out.push(line.trim().to_owned());
            }
            return Ok(());
        }
        if line.is_empty() {
            out.extend(self.data.take());
            return Ok(());
        }
        // Comments start with a colon; `event`, `id` and `retry` say nothing that the data doesn't.
        let Some(value) = line.strip_prefix("data") else { return Ok(()) };
        let value = match value.strip_prefix(':') {
            Some(value) => value.strip_prefix(' ').unwrap_or(value),
            None if value.is_empty() => "",
            None => return Ok(()),
        };
        match &mut self.data {
            Some(data) if data.len() + value.len() > MAX_EVENT => return Err(FrameError::TooLong),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
        Ok(())
    }

    /// A byte of a JSON array of events, or of one event after the other.
    fn value_byte(&mut self, byte: u8, out: &mut Vec<String>) -> Result<(), FrameError> {
        let Mode::Values { depth, string, escaped } = &mut self.mode else { return Ok(()) };
        if *depth == 0 {
            // Between events: the array's brackets and commas.
            if byte == b'{' {
                *depth = 1;
                self.rest.push(byte);
            }
            return Ok(());
        }
        self.rest.push(byte);
        if *string {
            match byte {
                _ if *escaped => *escaped = false,
                b'\\' => *escaped = true,
                b'"' => *string = false,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => *string = true,
            b'{' | b'[' => *depth += 1,
            b'}' | b']' => *depth -= 1,
            _ => {}
        }
        if *depth == 0 {
            let bytes = std::mem::take(&mut self.rest);
            out.push(String::from_utf8(bytes).map_err(|_| FrameError::Utf8)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn events(framing: Framing, body: &[u8], split: usize) -> Vec<String> {
        let mut frames = Frames::new(framing);
        let mut out = Vec::new();
        frames.feed(&body[..split], &mut out).unwrap();
        frames.feed(&body[split..], &mut out).unwrap();
        out.extend(frames.finish());
        out
    }

    #[test]
    fn any_split_gives_the_same_events() {
        let table: &[(Framing, &str, &[&str])] = &[
            (Framing::Sse, "data: {\"a\":1}\n\ndata: [DONE]\n\n", &["{\"a\":1}", "[DONE]"]),
            (Framing::Sse, "\u{feff}: hello\r\n\r\nevent: x\r\ndata: ä\r\ndata:b\r\n\r\n", &["ä\nb"]),
            (Framing::Sse, "data: a\rdata: b\r\rid: 3\nretry: 9\ndata\n\n", &["a\nb", ""]),
            (Framing::Sse, "database: no\n\ndata: tail", &["tail"]),
            (Framing::Sse, " [{\"a\":\"}]\\\"\"},\r\n{\"b\":[{}]}\n]", &["{\"a\":\"}]\\\"\"}", "{\"b\":[{}]}"]),
            (Framing::Sse, "{\"whole\":true}", &["{\"whole\":true}"]),
            (Framing::Lines, "{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}", &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]),
        ];
        for (framing, body, expected) in table {
            for split in 0..=body.len() {
                assert_eq!(&events(*framing, body.as_bytes(), split), expected, "{body:?} split at {split}");
            }
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        for (framing, body) in
            [(Framing::Sse, &b"data: \xff\n\n"[..]), (Framing::Lines, b"\xff\n"), (Framing::Sse, b"{\"\xff\"}")]
        {
            assert_eq!(Frames::new(framing).feed(body, &mut Vec::new()), Err(FrameError::Utf8));
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let chunk = vec![b'x'; 1024 * 1024];
        let mut frames = Frames::new(Framing::Sse);
        let mut results = (0..20).map(|_| frames.feed(&chunk, &mut Vec::new()));
        assert!(results.any(|result| result == Err(FrameError::TooLong)));
    }
}
