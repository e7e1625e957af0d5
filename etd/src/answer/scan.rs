//! Cuts an answer into blocks, each with the name that stands at it. Knows markers and fences; doesn't judge what a block holds.

use crate::relpath::RelPath;

use super::block::{Block, Kind};
use super::changes;
use super::names::{Info, Name, in_comment, in_info, in_line};
use super::paths;

/// What a text consists of.
pub(super) struct Scanned {
    pub(super) blocks: Vec<Block>,
    /// The prose before each block, and last that behind the last one.
    prose: Vec<String>,
}

impl Scanned {
    /// All prose.
    pub(super) fn prose(&self) -> String {
        self.prose.join("\n")
    }

    /// The closing notes: the prose behind the last block, or all of it where there is none.
    pub(super) fn remarks(&self) -> String {
        let last = self.prose.last().map_or("", |text| text.trim());
        if last.is_empty() { self.prose().trim().to_owned() } else { last.to_owned() }
    }
}

struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    info: String,
}

impl Fence {
    fn open(line: &str) -> Option<Self> {
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = rest.trim_start_matches(mark);
        let length = rest.len() - info.len();
        if indent > 3 || length < 3 || mark == '`' && info.contains('`') {
            return None;
        }
        Some(Self { mark, length, indent, info: info.trim().to_owned() })
    }

    fn closes(&self, line: &str) -> bool {
        Self::open(line)
            .is_some_and(|other| other.info.is_empty() && other.mark == self.mark && other.length >= self.length)
    }

    fn is_markdown(&self) -> bool {
        matches!(language(&self.info).as_str(), "markdown" | "md" | "mdx")
    }
}

enum Marker {
    File(String),
    Delete(String),
    /// From, to.
    Move(String, String),
    End,
}

/// A marker line of ours. `strict` within a file: nothing before it, and three signs behind it.
fn marker(line: &str, strict: bool) -> Option<Marker> {
    let text = line.trim_end();
    let text = if strict { text } else { text.trim_start().trim_matches(['*', '`']) };
    if strict && !text.ends_with("===") {
        return None;
    }
    let inner = text.strip_prefix("===")?.trim_start_matches('=').trim_end_matches('=').trim();
    let upper = inner.to_ascii_uppercase();
    if matches!(upper.split(':').next().unwrap_or("").trim(), "ENDFILE" | "END FILE" | "END_FILE" | "END") {
        return Some(Marker::End);
    }
    let (word, path) = inner.split_once(':')?;
    match word.trim().to_ascii_uppercase().as_str() {
        "FILE" if !path.trim().is_empty() => Some(Marker::File(path.trim().to_owned())),
        "DELETE" if !path.trim().is_empty() => Some(Marker::Delete(path.trim().to_owned())),
        "MOVE" | "RENAME" => {
            let (from, to) = ["->", "=>", "→", " to "].iter().find_map(|arrow| path.split_once(arrow))?;
            let (from, to) = (from.trim(), to.trim());
            (!from.is_empty() && !to.is_empty()).then(|| Marker::Move(from.to_owned(), to.to_owned()))
        }
        _ => None,
    }
}

/// The path in `<file path="…">`, with what stands behind it in the line.
fn element(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let rest = line.strip_prefix("<file ").or_else(|| line.strip_prefix("<document "))?;
    let (attributes, rest) = rest.split_once('>')?;
    let value = ["path=", "name=", "filename=", "file_path="].iter().find_map(|key| {
        let (before, value) = attributes.split_once(key)?;
        (before.is_empty() || before.ends_with(' ')).then_some(value)
    })?;
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let path = value.get(1..)?.split(quote).next()?;
    (!path.is_empty() && !attributes.ends_with('/')).then_some((path, rest))
}

/// The name of an element that holds a file's content, if the line opens one and holds nothing else.
fn holder(line: &str) -> Option<&'static str> {
    let name = line.trim().strip_prefix('<')?.strip_suffix('>')?;
    let name = name.split(' ').next().unwrap_or(name);
    ["source", "content", "document_content", "file_content", "code"].into_iter().find(|known| *known == name)
}

fn language(info: &str) -> String {
    let info = info.trim_start_matches(['{', '.']);
    info.split(|c: char| c.is_whitespace() || ",:{}".contains(c)).next().unwrap_or("").to_lowercase()
}

/// Drops what a reasoning model thinks aloud: from the start of the text or of a line, or all before a lone closing tag.
fn without_thoughts(text: &str) -> &str {
    let start = text.trim_start();
    let opened = start.starts_with("<think>") || start.starts_with("<thinking>");
    for close in ["</think>", "</thinking>"] {
        if let Some((before, after)) = text.split_once(close) {
            let lone = !before.contains("<think")
                && before.lines().all(|line| marker(line, false).is_none())
                && (before.is_empty() || before.ends_with('\n'));
            if opened || lone {
                return without_thoughts(after);
            }
        }
    }
    if opened { "" } else { text }
}

/// Cuts a text into blocks.
pub(super) fn scan(text: &str, owns: &[RelPath]) -> Scanned {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let lines: Vec<&str> = without_thoughts(&text).lines().collect();
    let mut scanner = Scanner { lines: &lines, owns, blocks: Vec::new(), prose: vec![Vec::new()], wrapper: None };
    let mut at = 0;
    while at < lines.len() {
        at = scanner.step(at);
    }
    let prose = scanner.prose.iter().map(|lines| lines.join("\n")).collect();
    Scanned { blocks: scanner.blocks, prose }
}

struct Scanner<'a> {
    lines: &'a [&'a str],
    owns: &'a [RelPath],
    blocks: Vec<Block>,
    prose: Vec<Vec<&'a str>>,
    /// A fence around our own markers.
    wrapper: Option<Fence>,
}

impl<'a> Scanner<'a> {
    fn line(&self, at: usize) -> &'a str {
        self.lines.get(at).copied().unwrap_or("")
    }

    fn push(&mut self, block: Block) {
        self.blocks.push(block);
        self.prose.push(Vec::new());
    }

    /// Reads what begins at a line; returns the line behind it.
    fn step(&mut self, at: usize) -> usize {
        let line = self.line(at);
        match marker(line, false) {
            Some(Marker::File(path)) => return self.file(at + 1, path),
            Some(Marker::Delete(path)) => {
                self.push(Block::new(Kind::Delete, Name::Strong(path), String::new(), true));
                return at + 1;
            }
            Some(Marker::Move(from, to)) => {
                self.push(Block::new(Kind::Move, Name::Strong(from), to, true));
                return at + 1;
            }
            Some(Marker::End) => return at + 1,
            None => {}
        }
        if let Some(behind) = self.bare(at).or_else(|| self.element(at)) {
            return behind;
        }
        if self.wrapper.as_ref().is_some_and(|fence| fence.closes(line)) {
            self.wrapper = None;
            return at + 1;
        }
        if let Some(fence) = Fence::open(line) {
            let first = (at + 1..self.lines.len()).map(|next| self.line(next)).find(|line| !line.trim().is_empty());
            let ours = |line: &str| !matches!(marker(line, false), None | Some(Marker::End)) || element(line).is_some();
            if first.is_some_and(ours) {
                self.wrapper = Some(fence);
                return at + 1;
            }
            return self.fence(at + 1, &fence);
        }
        let trimmed = line.trim_start();
        if trimmed.starts_with("<think>") || trimmed.starts_with("<thinking>") {
            let end = (at..self.lines.len()).find(|&next| self.line(next).contains("</think"));
            return end.map_or(self.lines.len(), |end| end + 1);
        }
        if let Some(prose) = self.prose.last_mut() {
            prose.push(line);
        }
        at + 1
    }

    fn file(&mut self, from: usize, path: String) -> usize {
        let mut body = Vec::new();
        let mut at = from;
        let mut closed = false;
        while at < self.lines.len() {
            let line = self.line(at);
            match marker(line, true) {
                Some(Marker::End) => {
                    closed = true;
                    at += 1;
                    break;
                }
                Some(Marker::File(_) | Marker::Delete(_) | Marker::Move(..)) => {
                    closed = true;
                    break;
                }
                None => {}
            }
            let end = line.trim();
            if matches!(end, "===ENDFILE===" | "=== ENDFILE ===" | "===ENDFILE" | "===END FILE===") {
                closed = true;
                at += 1;
                break;
            }
            if let Some(last) = line.trim_end().strip_suffix("===ENDFILE===") {
                body.push(last);
                closed = true;
                at += 1;
                break;
            }
            body.push(line);
            at += 1;
        }
        self.push_file(path, &body, closed);
        at
    }

    fn push_file(&mut self, path: String, body: &[&str], closed: bool) {
        let text = paths::bare(&path).to_lowercase();
        let markdown =
            [".md", ".mdx", ".markdown", ".txt", ".rst", ".adoc"].iter().any(|ending| text.ends_with(ending));
        let body = join(unwrapped(body, markdown).iter().copied());
        self.push(Block::new(Kind::File, Name::Strong(path), body, closed));
    }

    /// A change that stands in the text as it is.
    fn bare(&mut self, at: usize) -> Option<usize> {
        let (end, closed) = if changes::opens_search(self.line(at)) {
            changes::search_end(self.lines, at)
        } else if changes::opens_patch(self.line(at)) {
            changes::patch_end(self.lines, at)
        } else if changes::opens_diff(self.lines, at) {
            let end = changes::diff_end(self.lines, at);
            (end, end < self.lines.len())
        } else {
            return None;
        };
        let name = self.name_before();
        self.push(Block::new(Kind::Bare, name, join((at..end).map(|at| self.line(at))), closed));
        Some(end.max(at + 1))
    }

    /// `<file path="…">`, or `<source>` and its like behind a name.
    fn element(&mut self, at: usize) -> Option<usize> {
        let (close, file) = match element(self.line(at)) {
            Some((path, rest)) => {
                let tag = if self.line(at).trim_start().starts_with("<file ") { "</file>" } else { "</document>" };
                if let Some(body) = rest.trim_end().strip_suffix(tag) {
                    let body: Vec<&str> = if body.is_empty() { Vec::new() } else { vec![body] };
                    self.push_file(path.to_owned(), &body, true);
                    return Some(at + 1);
                }
                (tag.to_owned(), Some((path.to_owned(), rest)))
            }
            None => (format!("</{}>", holder(self.line(at))?), None),
        };
        let name = self.name_before();
        if file.is_none() && name == Name::None {
            return None;
        }
        // One that opens before this one closes: this one was never closed.
        let edge = |&end: &usize| self.line(end).trim() == close || element(self.line(end)).is_some();
        let end = (at + 1..self.lines.len()).find(edge).filter(|&end| self.line(end).trim() == close);
        let stop = end
            .or_else(|| (at + 1..self.lines.len()).find(|&end| element(self.line(end)).is_some()))
            .unwrap_or(self.lines.len());
        let mut body: Vec<&str> = (at + 1..stop).map(|at| self.line(at)).collect();
        match file {
            Some((path, rest)) => {
                if !rest.trim().is_empty() {
                    body.insert(0, rest);
                }
                self.push_file(path, inner(&body), end.is_some());
            }
            None => self.push(Block::new(Kind::Fence, name, join(inner(&body).iter().copied()), end.is_some())),
        }
        Some(end.map_or(stop, |end| end + 1))
    }

    /// The line that closes a fence; none within a SEARCH/REPLACE block does, where that is complete.
    fn closer(&self, from: usize, fence: &Fence) -> Option<usize> {
        let mut at = from;
        while at < self.lines.len() {
            if changes::opens_search(self.line(at)) {
                let (end, complete) = changes::search_end(self.lines, at);
                if complete {
                    at = end;
                    continue;
                }
            }
            if fence.closes(self.line(at)) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn fence(&mut self, from: usize, fence: &Fence) -> usize {
        let before = self.name_before();
        let plain = self.closer(from, fence);
        let nested = if fence.is_markdown()
            || fence.info.is_empty() && matches!(&before, Name::Strong(path) if path.ends_with(".md"))
        {
            self.nested_end(from, fence)
        } else {
            None
        };
        let end = nested.or(plain);
        // A stray fence must not swallow our own markers.
        let stray = end.is_none() || before == Name::None && matches!(in_info(&fence.info, self.owns), Info::Nothing);
        let inner = (from..end.unwrap_or(self.lines.len()))
            .find(|&at| matches!(marker(self.line(at), true), Some(Marker::File(_))));
        if let Some(inner) = inner.filter(|_| stray) {
            if end.is_none()
                && let Name::Strong(_) = &before
            {
                let body = join((from..inner).map(|at| self.line(at)));
                self.push(Block {
                    kind: Kind::Fence,
                    name: before,
                    language: language(&fence.info),
                    body,
                    closed: false,
                });
            }
            return inner;
        }
        let stop = end.unwrap_or(self.lines.len());
        let body: Vec<&str> = (from..stop)
            .map(|at| self.line(at))
            .map(|line| line.get(indent(line, fence.indent)..).unwrap_or(line))
            .collect();
        let mut language = language(&fence.info);
        let mut name = match in_info(&fence.info, self.owns) {
            Info::Path(path) => Name::Strong(path),
            Info::Excerpt => {
                language = "excerpt".to_owned();
                Name::None
            }
            Info::Nothing => before,
        };
        let mut skip = 0;
        let remark = (0..body.len().min(2))
            .find_map(|at| body.get(at).and_then(|line| in_comment(line, self.owns)).map(|path| (at, path)));
        if let Some((at, path)) = remark
            && language != "excerpt"
        {
            let better = match &name {
                Name::None | Name::Weak(_) => true,
                // The comment may give the longer form of the same path.
                Name::Strong(other) => {
                    path.ends_with(&format!("/{}", paths::bare(other)))
                        && !self.owns.iter().any(|own| own.as_str() == paths::bare(other))
                }
            };
            // JSON knows no comments.
            if at == 0 && path.ends_with(".json") {
                skip = 1;
            }
            if better {
                name = Name::Strong(path);
            }
        }
        if end.is_none() && body.iter().all(|line| line.trim().is_empty()) {
            // A stray fence at the end: nothing was begun.
            return self.lines.len();
        }
        let body = join(body.into_iter().skip(skip));
        self.push(Block { kind: Kind::Fence, name, language, body, closed: end.is_some() });
        end.map_or(self.lines.len(), |end| end + 1)
    }

    /// The end of a fence around markdown, in which fences stand of the same length.
    fn nested_end(&self, from: usize, fence: &Fence) -> Option<usize> {
        let mut inside: Option<Fence> = None;
        for at in from..self.lines.len() {
            let line = self.line(at);
            match &inside {
                Some(inner) if inner.closes(line) => inside = None,
                Some(_) => {}
                None if fence.closes(line) => return Some(at),
                None => inside = Fence::open(line).filter(|inner| !inner.info.is_empty()),
            }
        }
        None
    }

    /// The name in the lines before a fence.
    fn name_before(&self) -> Name {
        let Some(prose) = self.prose.last() else {
            return Name::None;
        };
        let mut seen = 0;
        for line in prose.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty()) {
            seen += 1;
            let heading = line.starts_with('#');
            if seen == 1 || heading {
                match in_line(line, self.owns) {
                    Name::None => {}
                    name => return name,
                }
            }
            // A heading's name reaches over a short paragraph, not over a list or another heading.
            if heading
                || seen > 3
                || line.starts_with(['-', '*', '+', '|'])
                || line.starts_with(|c: char| c.is_ascii_digit())
            {
                break;
            }
        }
        Name::None
    }
}

fn indent(line: &str, most: usize) -> usize {
    line.bytes().take(most).take_while(|byte| *byte == b' ').count()
}

/// A body without the element or CDATA around all of it.
fn inner<'a, 'b>(body: &'b [&'a str]) -> &'b [&'a str] {
    let full = |line: &&str| !line.trim().is_empty();
    let (Some(first), Some(last)) = (body.iter().position(full), body.iter().rposition(full)) else {
        return body;
    };
    let at = |at: usize| body.get(at).map_or("", |line| line.trim());
    let wrapped = at(first) == "<![CDATA[" && at(last) == "]]>"
        || holder(at(first)).is_some_and(|name| at(last) == format!("</{name}>"));
    if wrapped && first < last { inner(body.get(first + 1..last).unwrap_or(&[])) } else { body }
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// A file's body without the one fence around all of it.
fn unwrapped<'a, 'b>(body: &'b [&'a str], markdown: bool) -> &'b [&'a str] {
    let full = |line: &&str| !line.trim().is_empty();
    let (Some(first), Some(last)) = (body.iter().position(full), body.iter().rposition(full)) else {
        return body;
    };
    let Some(fence) = body.get(first).and_then(|line| Fence::open(line)) else {
        return body;
    };
    let inner = body.get(first + 1..last).unwrap_or(&[]);
    let wraps = last > first && body.get(last).is_some_and(|line| fence.closes(line));
    let inner_closes = inner.iter().any(|line| fence.closes(line));
    match (markdown, wraps) {
        (true, true) if fence.is_markdown() || fence.info.is_empty() && !inner_closes => inner,
        (true, _) => body,
        (false, true) => inner,
        // Code doesn't begin with a fence: the closer was forgotten, or prose stands behind it.
        (false, false) => match body.iter().skip(first + 1).position(|line| fence.closes(line)) {
            Some(closer) => body.get(first + 1..first + 1 + closer).unwrap_or(body),
            None => body.get(first + 1..).unwrap_or(body),
        },
    }
}
