//! A plan that came as a list in prose.

use super::normal::Draft;
use crate::answer::{bare, looks_like_path};

/// Reads lines and tells the items that are complete.
#[derive(Debug, Default)]
pub(super) struct Prose {
    /// Lines of the item that is being read, and how far its marker is indented.
    item: Option<(usize, Vec<String>)>,
    /// Items so far, those that were no subtasks left out.
    count: usize,
    /// Indent of the list's items, as its first one has it.
    level: Option<usize>,
    fenced: bool,
}

/// The indent of a list item and what stands behind its marker.
fn marked(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    // Behind a bullet stands a space: `*User` is a type.
    let bullet = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")).or_else(|| text.strip_prefix("+ "));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = (1..=3).contains(&digits).then(|| text.get(digits..)).flatten();
    let number = number.and_then(|rest| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") ")));
    bullet.or(number).map(|rest| (indent, rest.trim()))
}

impl Prose {
    /// Takes a line; gives the item before it, if that is complete now and is a subtask.
    pub(super) fn line(&mut self, line: &str) -> Option<Draft> {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        if fence {
            self.fenced = !self.fenced;
        }
        if !fence && !self.fenced {
            if let Some((indent, rest)) = marked(line)
                && self.item.as_ref().map(|(base, _)| *base).or(self.level).is_none_or(|base| indent <= base + 1)
            {
                let before = self.end();
                self.item = Some((indent, vec![rest.to_owned()]));
                return before;
            }
            // A heading, or a paragraph that isn't indented behind an empty line, ends the item.
            let outside = line.starts_with('#')
                || !line.trim().is_empty()
                    && !line.starts_with([' ', '\t'])
                    && self
                        .item
                        .as_ref()
                        .is_some_and(|(_, lines)| lines.last().is_some_and(|last| last.trim().is_empty()));
            if outside {
                return self.end();
            }
        }
        if let Some((_, lines)) = &mut self.item {
            lines.push(line.to_owned());
        }
        None
    }

    /// Ends the item that is being read.
    pub(super) fn end(&mut self) -> Option<Draft> {
        let (indent, lines) = self.item.take()?;
        let draft = draft(&lines)?;
        self.level.get_or_insert(indent);
        self.count += 1;
        Some(Draft { id: self.count.to_string(), ..draft })
    }
}

/// The value of `[name: value]` in a text.
fn note<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    text.split('[').skip(1).find_map(|part| {
        let (key, value) = part.split_once(']')?.0.split_once(':')?;
        names.contains(&key.trim().to_lowercase().as_str()).then(|| value.trim())
    })
}

/// A subtask, if the item names a file or carries a note of ours; other lists are talk.
fn draft(lines: &[String]) -> Option<Draft> {
    let text = lines.join("\n").trim().to_owned();
    let prose: Vec<&str> = {
        let mut fenced = false;
        let outside = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fence && !fenced
        };
        text.lines().filter(outside).collect()
    };
    let prose = prose.join("\n");
    let mut owns: Vec<String> = Vec::new();
    let spans = prose.split('`').skip(1).step_by(2).chain(prose.split("**").skip(1).step_by(2));
    for span in spans.flat_map(|span| span.split(',')) {
        let path = bare(span.trim());
        let escapes = path.starts_with("../") || path.starts_with('/') && path.contains('.');
        if (looks_like_path(path) || escapes && !path.contains(' ')) && !owns.iter().any(|own| own == path) {
            owns.push(path.to_owned());
        }
    }
    // In the order in which they are named, be it in backticks or bold.
    owns.sort_by_key(|path| prose.find(path.as_str()));
    let depends = note(&prose, &["depends", "depends on", "after"]);
    let specialist = note(&prose, &["specialist"]);
    if owns.is_empty() && depends.is_none() && specialist.is_none() {
        return None;
    }
    let after = depends.unwrap_or("").split([',', ' ']).map(|id| id.trim().trim_start_matches('#').to_owned());
    let after = after.filter(|id| !id.is_empty() && id != "none").collect();
    let title =
        lines.first().map_or("", |line| line.split('[').next().unwrap_or(line)).replace(['`'], "").replace("**", "");
    let specialist = specialist.filter(|name| !name.is_empty() && *name != "none").map(str::to_owned);
    Some(Draft { title: title.trim().to_owned(), instructions: text, owns, after, specialist, ..Draft::default() })
}
