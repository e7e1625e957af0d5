//! gcc, clang and the linker.

use proto::diagnostic::{Related, Severity};

use super::IS_THERE;
use super::log::{Log, Out, error, place};
use super::pattern::{Pattern, group, number};

static PLACED: Pattern = Pattern::with(
    &[": fatal error: ", ": error: ", ": warning: ", ": note: "],
    r"^(\S[^:]*):(\d+)(?::(\d+))?: (fatal error|error|warning|note): (.+?)(?: \[(-W[^\]]+)\])?$",
);
static INCLUDED: Pattern = Pattern::with(&[" from "], r"^(?:In file included|\s+) from (\S[^:]*):(\d+)(?::\d+)?[:,]$");
static CONTEXT: Pattern = Pattern::with(&[": In ", ": At "], r"^(\S[^:]*): (?:In |At )[^:]*.*:$");
static REQUIRED: Pattern = Pattern::with(
    &["required ", "constexpr"],
    r"^(\S[^:]*):(\d+):(?:\d+:)?\s+(required from .*|required by .*|in .*constexpr.*)$",
);
static EXCERPT: Pattern = Pattern::with(&["|", "^", "~"], r"^\s*(?:\d+ |\+\+\+ )?\|(?:$|[ +])|^\s*[~^][~^ |]*$");
static NOISE: Pattern = Pattern::with(
    &["terminated.", "collect2", " generated.", "clang: error", "treated as errors"],
    r"^(?:compilation terminated\.|collect2: error: .*|\d+ (?:errors?|warnings?)(?: and \d+ errors?)? generated\.|clang: error: linker command failed.*|cc1\w*: all warnings being treated as errors)$",
);
static IN_FUNCTION: Pattern =
    Pattern::with(&["in function "], r"^(?:/?\S*\bld(?:\.\w+)?: )?(\S+): in function [`'‘](.+?)['’]:$");
static LINKED: Pattern = Pattern::with(
    &["undefined reference", "multiple definition"],
    r"^(?:/?\S*\bld(?:\.\w+)?: )?(?:\S+?\.o:)?(\S[^:]*):(?:\([^)]*\)|(\d+)): (undefined reference to .+|multiple definition of .+)$",
);
static FIRST_DEFINED: Pattern =
    Pattern::with(&["first defined here"], r"^(.*?); (?:\S+?\.o:)?(\S+?):(?:(\d+)|\([^)]*\)): first defined here$");
static LINKER: Pattern = Pattern::with(
    &["ld"],
    r"^(?:/?\S*\bld(?:\.\w+)?): (cannot find .+|.*undefined reference.+|.*multiple definition.+)$",
);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if NOISE.matches(text) {
        return Some(at + 1);
    }
    if let Some(next) = linked(log, at, out) {
        return Some(next);
    }
    // What stands above a message: the include chain, the function, the instantiation.
    let (mut required, mut included) = (Vec::new(), Vec::new());
    let mut index = at;
    loop {
        let text = log.text(index);
        if let Some(found) = INCLUDED.captures(text) {
            included.extend(log.related(group(&found, 1), index, number(&found, 2), "included from here"));
        } else if let Some(found) = REQUIRED.captures(text) {
            required.extend(log.related(group(&found, 1), index, number(&found, 2), group(&found, 3)));
        } else if !(CONTEXT.matches(text) || index > at && EXCERPT.matches(text)) {
            break;
        }
        index += 1;
        if index > at + 200 {
            break;
        }
    }
    let Some(found) = PLACED.captures(log.text(index)) else { return (index > at).then_some(index) };
    let file = log.find(group(&found, 1), index);
    let (level, message) = (group(&found, 4), group(&found, 5));
    // clang shows the line of source as it is, and a caret below it.
    let bare = index + 1 + usize::from(EXCERPT.matches(log.text(index + 2)) && !PLACED.matches(log.text(index + 1)));
    let end = log.until(bare, 60, |text| !EXCERPT.matches(text));
    let line = number(&found, 2);
    if level == "note" {
        if let (Some(file), Some(last)) = (file, out.found.last_mut())
            && message != "each undeclared identifier is reported only once for each function it appears in"
        {
            let here = Related { file, line, message: message.to_owned() };
            // Of an error in a library's header the place is where our code asked for it, not where it is included.
            let borrowed = last.column.is_none() && message.ends_with("requested here");
            if let Some(file) = last.file.take_if(|_| borrowed) {
                let was = Related { file, line: last.line, message: "included from here".to_owned() };
                (last.file, last.line, last.column) = (Some(here.file), line, number(&found, 3));
                place(last, vec![was]);
            } else {
                place(last, vec![here]);
            }
        }
        return Some(end);
    }
    let go = group(&found, 1).ends_with(".go");
    let mut diagnostic = error(if go { "go" } else { "gcc" }, message);
    if !matches!(log.tool, "" | "sh" | "make" | "cmake") && !go {
        diagnostic.tool = log.tool.to_owned();
    }
    diagnostic.severity = if level == "warning" { Severity::Warning } else { Severity::Error };
    diagnostic.code = found.get(6).map(|code| code.as_str().to_owned());
    if let Some(file) = file {
        (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), line, number(&found, 3));
    }
    if let Some(header) = message.strip_suffix(": No such file or directory") {
        included.extend(log.related(header, index, None, IS_THERE));
    }
    required.extend(included);
    place(&mut diagnostic, required);
    if diagnostic.file.is_none() {
        diagnostic.message = format!("{}:{}: {message}", group(&found, 1), group(&found, 2));
    }
    out.push(diagnostic);
    Some(end)
}

fn linked(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if IN_FUNCTION.matches(text) {
        return Some(at + 1);
    }
    if let Some(found) = LINKED.captures(text) {
        let mut message = group(&found, 3).to_owned();
        let mut related = Vec::new();
        if let Some(first) = FIRST_DEFINED.captures(group(&found, 3)) {
            if let Some(file) = source(log, at, group(&first, 2)) {
                related.push(Related { file, line: number(&first, 3), message: "first defined here".to_owned() });
            }
            message = group(&first, 1).to_owned();
        }
        let mut diagnostic = error("ld", message);
        diagnostic.file = source(log, at, group(&found, 1));
        diagnostic.line = number(&found, 2).filter(|_| diagnostic.file.is_some());
        place(&mut diagnostic, related);
        out.push(diagnostic);
        return Some(at + 1);
    }
    let found = LINKER.captures(text)?;
    out.push(error("ld", group(&found, 1)));
    Some(at + 1)
}

/// The file that a linker means; of an object file, its source.
fn source(log: &Log<'_>, at: usize, printed: &str) -> Option<String> {
    let Some(stem) = printed.strip_suffix(".o") else { return log.find(printed, at) };
    ["", ".c", ".cc", ".cpp", ".cxx"]
        .iter()
        .find_map(|ending| log.find(&format!("{stem}{ending}"), at).filter(|file| !file.ends_with(".o")))
}
