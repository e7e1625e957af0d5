//! JSON as models write it: found in a stream while it grows, and read leniently.

use serde_json::{Map, Value};

/// Deepest nesting that is read.
const DEPTH: usize = 64;

/// Which part of a plan a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Contract,
    Subtask,
    Check,
}

#[derive(Debug)]
struct Level {
    array: bool,
    /// The key under which this value stands, in lower case.
    name: String,
    /// The last key that was read in it.
    key: String,
}

/// Walks over one JSON value, byte by byte, and tells where the parts of a plan lie in it.
#[derive(Debug, Default)]
pub(super) struct Scan {
    levels: Vec<Level>,
    /// Start of the string that is being read.
    string: Option<usize>,
    escaped: bool,
    /// The last string, until a colon makes it a key.
    last: String,
    /// The part that is being read: where it starts and the depth at which it ends.
    part: Option<(Part, usize, usize)>,
    /// Whether any part was found.
    pub(super) found: bool,
}

/// What a byte brought.
pub(super) enum Step {
    Nothing,
    /// A part is complete, from this offset to the current one, which is included.
    Complete(Part, usize),
    /// The whole value is complete.
    End(Option<(Part, usize)>),
}

impl Scan {
    /// Where the part begins that isn't complete.
    pub(super) fn open(&self) -> Option<(Part, usize)> {
        self.part.map(|(part, start, _)| (part, start))
    }

    /// Takes the byte at an offset of a text.
    pub(super) fn step(&mut self, text: &str, at: usize) -> Step {
        let Some(&byte) = text.as_bytes().get(at) else {
            return Step::Nothing;
        };
        if let Some(start) = self.string {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.string = None;
                if self.part.is_none() {
                    text.get(start + 1..at).unwrap_or("").to_lowercase().clone_into(&mut self.last);
                }
            }
            return Step::Nothing;
        }
        match byte {
            b'"' => self.string = Some(at),
            b':' => {
                if let Some(level) = self.levels.last_mut() {
                    level.key = std::mem::take(&mut self.last);
                }
            }
            b',' => {
                if let Some(level) = self.levels.last_mut().filter(|level| !level.array) {
                    level.key.clear();
                }
            }
            b'{' | b'[' => {
                if self.part.is_none() && byte == b'{' {
                    self.part = self.kind().map(|part| (part, at, self.levels.len()));
                    self.found |= self.part.is_some();
                }
                let name = self
                    .levels
                    .last()
                    .map_or(String::new(), |level| if level.array { level.name.clone() } else { level.key.clone() });
                self.levels.push(Level { array: byte == b'[', name, key: String::new() });
            }
            b'}' | b']' => {
                self.levels.pop();
                let complete =
                    self.part.filter(|(_, _, depth)| self.levels.len() <= *depth).map(|(part, start, _)| (part, start));
                if complete.is_some() {
                    self.part = None;
                }
                if self.levels.is_empty() {
                    return Step::End(complete);
                }
                if let Some((part, start)) = complete {
                    return Step::Complete(part, start);
                }
            }
            _ => {}
        }
        Step::Nothing
    }

    /// Which part an object is that begins here.
    fn kind(&self) -> Option<Part> {
        let level = self.levels.last()?;
        if level.array {
            let listed =
                matches!(level.name.as_str(), "subtasks" | "tasks" | "plan" | "steps") || self.levels.len() == 1;
            return listed.then_some(Part::Subtask);
        }
        match level.key.as_str() {
            "contract" => Some(Part::Contract),
            "check" => Some(Part::Check),
            _ => None,
        }
    }
}

/// Reads a JSON value, forgiving trailing commas, raw line ends in strings and a missing end.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut parser = Lenient { text, at: 0 };
    parser.value(0)
}

struct Lenient<'a> {
    text: &'a str,
    at: usize,
}

impl Lenient<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip(&mut self) {
        while self.peek().is_some_and(|c| c.is_whitespace() || c == ',') {
            self.next();
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        self.skip();
        match self.peek()? {
            '{' => {
                self.next();
                let mut map = Map::new();
                loop {
                    self.skip();
                    match self.peek() {
                        None => break,
                        Some('}') => {
                            self.next();
                            break;
                        }
                        Some('"') => {}
                        Some(_) => return None,
                    }
                    let key = self.string();
                    self.skip();
                    match self.next() {
                        Some(':') => {}
                        None => break,
                        Some(_) => return None,
                    }
                    self.skip();
                    if self.peek().is_none() {
                        break;
                    }
                    map.insert(key, self.value(depth + 1)?);
                }
                Some(Value::Object(map))
            }
            '[' => {
                self.next();
                let mut list = Vec::new();
                loop {
                    self.skip();
                    match self.peek() {
                        None => break,
                        Some(']') => {
                            self.next();
                            break;
                        }
                        Some(_) => list.push(self.value(depth + 1)?),
                    }
                }
                Some(Value::Array(list))
            }
            '"' => Some(Value::String(self.string())),
            _ => {
                let start = self.at;
                while self.peek().is_some_and(|c| !c.is_whitespace() && !",]}:{[\"".contains(c)) {
                    self.next();
                }
                let word = self.text.get(start..self.at).filter(|word| !word.is_empty())?;
                Some(serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned())))
            }
        }
    }

    /// A string whose opening quote is next.
    fn string(&mut self) -> String {
        self.next();
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('b' | 'f') | None => {}
                    Some('u') => text.push(self.unicode()),
                    Some(c @ ('"' | '\\' | '/')) => text.push(c),
                    Some(c) => {
                        text.push('\\');
                        text.push(c);
                    }
                },
                c => text.push(c),
            }
        }
        text
    }

    fn unicode(&mut self) -> char {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(high) = digits else {
            return char::REPLACEMENT_CHARACTER;
        };
        self.at += 4;
        if (0xd800..0xdc00).contains(&high) {
            let rest =
                self.text.get(self.at..).and_then(|rest| rest.strip_prefix("\\u")).and_then(|rest| rest.get(..4));
            if let Some(low) = rest
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .filter(|low| (0xdc00..0xe000).contains(low))
            {
                self.at += 6;
                return char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                    .unwrap_or(char::REPLACEMENT_CHARACTER);
            }
        }
        char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}
