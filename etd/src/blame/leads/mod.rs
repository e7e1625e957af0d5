//! Files that an error may come from though it stands elsewhere: who defines what doesn't fit, and the manifest that forgets something. Pure.
//!
//! Looked up when the build is recorded, because the fixes that follow change the text; each becomes one more place of its diagnostic, so
//! that whoever is asked sees it as well.

mod manifest;
#[cfg(test)]
mod tests;
mod tree;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::diagnostic::{Diagnostic, Related, Severity};

pub use self::tree::REACHED;
use self::tree::Tree;
pub(super) use self::tree::{LIKELY, PERHAPS};
use super::shape::Found;
use super::signature::disagreement;
use super::suspects::{self, Accused};
use super::{Class, Owners, class};
use crate::check::diagnostics::pattern::Pattern;
use crate::plan::{Contract, Subtask};
use crate::relpath::RelPath;
use crate::source::imports::is_test;
use crate::source::words::mentions;

/// Places that one diagnostic gets at most, besides what a failing test reaches.
const MOST: usize = 3;
/// Functions that a failing test reaches and that are shown.
const SUSPECTS: usize = 5;

/// Calls that don't fit a definition that nothing is agreed about, from which on it is the definition that doesn't fit.
const MANY: usize = 3;

/// Words of tools that something doesn't fit what is called.
static MISFIT: Pattern = Pattern::new(
    r"(?x)cannot\ use\ | assignment\ mismatch | arguments?\ in\ call | mismatched\ types | \bexpected\ .*found | incompatible | not\ assignable | Expected\ \d
    | TypeError | arguments\ to\ (?:this|function|method) | takes\ \d | conflicting\ types | wrong\ type\ for\ method | does\ not\ override | makes\ (?:pointer|integer)
    | cannot\ be\ (?:converted|applied) | is\ not\ callable | used\ as\ value | cannot\ range\ over | unpack | is\ private | private\ access",
);
static UNSEEN: Pattern = Pattern::new(
    r"^package (?P<name>[A-Z]\w*) does not exist|^cannot find symbol\n(?:.*\n)*?symbol: +(?:class|variable) (?P<symbol>[A-Z]\w*)|^class (?:\w+\.)*\w+ is in|^cannot access (?:\w+\.)*(?P<other>\w+)",
);
static VALUE: Pattern = Pattern::new(
    r"(?:TypeError|AttributeError): .*?(?:'(?P<a>\w+)' object|instances of '(?P<b>\w+)'|of type '(?P<c>\w+)')",
);
/// Words of tools that show themselves what is called.
static SHOWN: Pattern = Pattern::new(r"(?:defined|declared) here|^candidate ");
static NAMED: [Pattern; 7] = [
    Pattern::new(r"`(?P<symbol>\w+)` of \w+ `(?:\w+::)*(?P<holder>\w+)` is private"),
    Pattern::new(r"(?P<symbol>\w+)(?:\([^()]*\))? has private access in (?:\w+\.)*(?P<holder>\w+)"),
    Pattern::new(r"wrong type for method (?P<symbol>\w+)"),
    Pattern::new(r"conflicting types for [`'‘](?P<symbol>\w+)"),
    Pattern::new(r"passing argument \d+ of [`'‘](?P<symbol>\w+)"),
    Pattern::new(r"(?:(?P<holder>\w+)\.)?(?P<symbol>\w+)\(\) (?:takes|missing|got an unexpected|got multiple)"),
    Pattern::new(r"in (?:call|argument) to (?:(?P<holder>\w+)\.)?(?P<symbol>\w+)"),
];

/// Adds to each error the places that it may come from. `texts`: the files as they are.
pub fn add_leads(
    diagnostics: &mut [Diagnostic],
    owners: &Owners,
    subtasks: &[Subtask],
    contract: &Contract,
    texts: &BTreeMap<RelPath, String>,
) {
    // By what the tools say, before anything is added to it.
    let accused = accused(diagnostics, owners, texts);
    let all = Tree { owners, subtasks, contract, texts };
    let misfits = Misfits::new(&all, diagnostics);
    let found: Vec<Vec<Related>> = diagnostics.iter().map(|one| all.leads(one, diagnostics, &misfits)).collect();
    for (diagnostic, leads) in diagnostics.iter_mut().zip(found) {
        for lead in leads.into_iter().take(MOST) {
            let known = diagnostic.related.iter_mut().find(|place| place.file == lead.file && place.line == lead.line);
            match known {
                Some(known) if lead.message.starts_with(LIKELY) => known.message = lead.message,
                Some(_) => {}
                None => diagnostic.related.push(lead),
            }
        }
    }
    add_suspects(diagnostics, accused, owners);
}

/// Whether a test failed.
fn fails(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error && class::class(diagnostic) == Class::Tests
}

/// Failing tests at most whose causes are looked for.
const FAILURES: usize = 200;

/// Who may be to blame for each failing test.
fn accused(diagnostics: &[Diagnostic], owners: &Owners, texts: &BTreeMap<RelPath, String>) -> Vec<Accused> {
    let failures: Vec<&Diagnostic> = diagnostics.iter().filter(|one| fails(one)).take(FAILURES).collect();
    if failures.is_empty() { Vec::new() } else { suspects::accused(&failures, texts, owners) }
}

/// Adds to each failing test the functions that it may fail because of.
fn add_suspects(diagnostics: &mut [Diagnostic], accused: Vec<Accused>, owners: &Owners) {
    // What the contract says is better known.
    let known = |one: &Diagnostic| one.related.iter().any(|place| place.message.starts_with(LIKELY));
    let asked: BTreeSet<String> = {
        let failures = diagnostics.iter().filter(|one| fails(one)).zip(&accused);
        failures.filter(|(one, _)| !known(one)).flat_map(|(_, accused)| accused.owners.iter().cloned()).collect()
    };
    for (diagnostic, mut accused) in diagnostics.iter_mut().filter(|one| fails(one)).zip(accused) {
        let known = known(diagnostic);
        // Who is asked anyway is told of all that it may have caused: that costs lines, and no call.
        accused.owners.extend(accused.weaker.drain(..).filter(|owner| asked.contains(owner)));
        let mut places: Vec<(usize, Related)> = Vec::new();
        for suspect in &accused.suspects {
            let owner = owners.of_file(suspect.file.as_str());
            let rank = accused.owners.iter().position(|one| one == owner).filter(|_| !known);
            let first = rank.filter(|rank| places.iter().all(|(other, _)| other != rank));
            if first.is_none() && places.len() >= SUSPECTS {
                continue;
            }
            let prefix = match first {
                Some(0) => LIKELY,
                Some(_) => PERHAPS,
                None => "",
            };
            let message = format!("{prefix}`{}` {REACHED}", suspect.name);
            let place = Related { file: suspect.file.to_string(), line: Some(suspect.line), message };
            places.push((first.unwrap_or(usize::MAX), place));
        }
        places.sort_by_key(|(rank, _)| *rank);
        // In front of the frames, whose owners are asked after them.
        diagnostic.related.splice(0..0, places.into_iter().map(|(_, place)| place));
    }
}

/// Errors of something that doesn't fit what is called, each with its place and what is called there.
struct Misfits<'a> {
    errors: Vec<(&'a Diagnostic, (&'a str, u32), Vec<&'a str>)>,
    /// What was found out, by symbol and definition.
    known: RefCell<HashMap<(String, RelPath, u32), bool>>,
}

impl<'a> Misfits<'a> {
    fn new(tree: &'a Tree<'_>, all: &'a [Diagnostic]) -> Self {
        let errors =
            all.iter().filter(|one| one.severity == Severity::Error && MISFIT.matches(&one.message) && !fails(one));
        let placed = errors.filter_map(|one| Some((one, (one.file.as_deref()?, one.line?))));
        let called =
            |(file, line): (&str, u32)| called(tree.line(file, line)).into_iter().map(|(_, name)| name).collect();
        let errors = placed.map(|(one, place)| (one, place, called(place))).collect();
        Self { errors, known: RefCell::default() }
    }

    /// Whether most calls of a definition don't fit it, and they are many.
    fn fits_nobody(&self, tree: &Tree<'_>, symbol: &str, path: &RelPath, found: &Found) -> bool {
        let key = (symbol.to_owned(), path.clone(), found.line);
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let of_it = self.errors.iter().filter(|(_, _, names)| names.contains(&symbol));
        let places = of_it.filter(|(one, ..)| shown(one, path, found) != Some(false)).map(|(_, place, _)| *place);
        let misfits = places.collect::<BTreeSet<(&str, u32)>>().len();
        let calls = |text: &String| {
            let lines = text.lines().filter(|line| line.contains(symbol));
            lines.filter(|line| called(line).iter().any(|(_, name)| *name == symbol)).count()
        };
        // One of them is the definition itself.
        let most = || 2 * misfits > tree.texts.values().map(calls).sum::<usize>().saturating_sub(1);
        let fits_nobody = misfits >= MANY && most();
        self.known.borrow_mut().insert(key, fits_nobody);
        fits_nobody
    }
}

impl Tree<'_> {
    fn leads(&self, diagnostic: &Diagnostic, all: &[Diagnostic], misfits: &Misfits<'_>) -> Vec<Related> {
        if diagnostic.severity != Severity::Error || class::is_syntax(diagnostic) {
            return Vec::new();
        }
        let mut out = manifest::leads(self, diagnostic, all);
        out.extend(self.moved_class(diagnostic));
        out.extend(self.caller(diagnostic));
        out.extend(self.definers(diagnostic, misfits));
        out.extend(self.stray(diagnostic));
        // What is likely comes first, where only some are taken.
        out.sort_by_key(|lead| !lead.message.starts_with(LIKELY));
        out
    }

    /// Who defines what a call doesn't fit.
    fn definers(&self, diagnostic: &Diagnostic, misfits: &Misfits<'_>) -> Vec<Related> {
        if !MISFIT.matches(&diagnostic.message) && disagreement(diagnostic).is_none() {
            return Vec::new();
        }
        let mut out: Vec<Related> = Vec::new();
        for (holder, symbol) in self.symbols(diagnostic) {
            let mut definitions = self.definitions(&symbol, &holder);
            // A tool knows what is meant; otherwise it is all that has the name.
            definitions.retain(|(path, found)| shown(diagnostic, path, found) != Some(false));
            // What nobody writes in this round fitted its callers before.
            if definitions.iter().any(|(path, _)| self.owners.owner_of(path).is_some()) {
                definitions.retain(|(path, _)| self.owners.owner_of(path).is_some());
            }
            for (path, found) in definitions.iter().take(MOST) {
                if diagnostic.file.as_deref() == Some(path.as_str()) && diagnostic.line == Some(found.line) {
                    continue;
                }
                let agreed = self.agreed(&symbol, path, found);
                let fits = agreed.is_empty() || agreed.iter().any(|one| !one.differs(&found.shape));
                let message = if !fits {
                    format!("{LIKELY}`{symbol}` is defined otherwise than the contract says")
                } else if agreed.is_empty() && misfits.fits_nobody(self, &symbol, path, found) {
                    format!("{LIKELY}`{symbol}` is defined otherwise than everybody calls it")
                } else {
                    format!("`{symbol}` is defined here")
                };
                out.push(Related { file: path.to_string(), line: Some(found.line), message });
            }
        }
        out
    }

    /// What is defined twice, in the file that has less to do with it; where the plan says whose it is, that is known.
    fn stray(&self, diagnostic: &Diagnostic) -> Option<Related> {
        let symbol = class::duplicate(diagnostic)?;
        let here = diagnostic.file.as_deref()?;
        let agreed = |one: &Subtask| one.provides.iter().any(|signature| mentions(signature, &symbol));
        if self.subtasks.iter().any(agreed) {
            return None;
        }
        let other = diagnostic.related.iter().find(|place| place.line.is_some() && place.file != here)?;
        let belongs = |path: &str| {
            let stem = path.split('.').next().unwrap_or(path);
            let declared = |header: &RelPath, text: &String| {
                header.as_str().strip_suffix(".h").is_some_and(|header| header == stem) && mentions(text, &symbol)
            };
            let name = stem.rsplit('/').next().unwrap_or(stem).to_lowercase();
            let entry = is_test(path) || matches!(name.as_str(), "main" | "index" | "app" | "cli");
            let named = !entry && symbol.to_lowercase().starts_with(&name);
            // The more, the more it has to do with it.
            (self.texts.iter().any(|(path, text)| declared(path, text)), named, !entry)
        };
        let message = format!("{LIKELY}`{symbol}` stands here too, and belongs to {here}");
        (belongs(&other.file) < belongs(here)).then(|| Related { message, ..other.clone() })
    }

    /// A class that is there, in a file that says that it belongs to another package than its neighbours.
    fn moved_class(&self, diagnostic: &Diagnostic) -> Option<Related> {
        let found = UNSEEN.captures(&diagnostic.message)?;
        let name = found.name("name").or_else(|| found.name("symbol"))?.as_str();
        let here = diagnostic.file.as_deref().and_then(|file| RelPath::parse(file).ok())?;
        let package = |path: &RelPath| {
            let text = self.texts.get(path)?;
            text.lines()
                .find(|line| line.starts_with("package "))
                .map(|line| line.trim_end_matches([';', ' ']).to_owned())
        };
        let (path, _) = self.texts.iter().find(|(path, _)| path.file_name() == format!("{name}.java"))?;
        let (said, dir) = (package(path)?, path.parent().replace('/', "."));
        let name = said.trim_start_matches("package ").trim();
        let beside = path.parent() == here.parent() && package(&here).is_some_and(|other| other != said);
        if !beside && (dir == name || dir.ends_with(&format!(".{name}"))) {
            return None;
        }
        let others = package(&here).filter(|_| beside).map(|other| format!("; {here} beside it says `{other}`"));
        let message = format!("{LIKELY}it says `{said}`, which isn't where it stands{}", others.unwrap_or_default());
        Some(Related { file: path.to_string(), line: None, message })
    }

    /// Whoever passes a value that isn't what a parameter says, where that shows only when it is used.
    fn caller(&self, diagnostic: &Diagnostic) -> Option<Related> {
        let found = VALUE.captures(&diagnostic.message)?;
        let kind = ["a", "b", "c"].iter().find_map(|name| found.name(name))?.as_str();
        let (file, line) = (diagnostic.file.as_deref()?, diagnostic.line?);
        let text = self.texts.get(&RelPath::parse(file).ok()?).filter(|_| file.ends_with(".py"))?;
        let lines: Vec<&str> = text.lines().take(line as usize).collect();
        let at = lines.iter().rposition(|line| line.trim_start().starts_with("def "))?;
        let head = lines[at..].join(" ");
        let params = head.split_once('(')?.1.split("):").next()?.split(") ->").next()?;
        let used = lines.last()?;
        // What has no such attribute stands before it; of anything else in the line any may be meant, so none may fit.
        let attribute =
            diagnostic.message.rsplit_once("has no attribute '").map(|(_, name)| name.trim_end_matches('\''));
        let is_used = |name: &str| match attribute {
            Some(attribute) => mentions(used, &format!("{name}.{attribute}")),
            None => mentions(used, name),
        };
        let told: Vec<&str> = params
            .split(',')
            .filter_map(|param| param.split_once(':'))
            .filter(|(name, _)| is_used(name.trim()))
            .map(|(_, told)| told)
            .collect();
        let wrong =
            !told.is_empty() && !told.iter().any(|told| [kind, "Any", "object"].iter().any(|one| mentions(told, one)));
        let frame = diagnostic.related.iter().find(|place| place.line.is_some()).filter(|_| wrong)?;
        let message = format!("{LIKELY}it passes a value of type {kind} that the parameter isn't declared for");
        (frame.file != file).then(|| Related { file: frame.file.clone(), line: frame.line, message })
    }

    /// The symbols that a message may be about, with what stands before their dot.
    fn symbols(&self, diagnostic: &Diagnostic) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        let mut add = |holder: &str, symbol: &str| {
            let new = (holder.to_owned(), symbol.to_owned());
            if symbol.len() > 1 && !out.contains(&new) {
                out.push(new);
            }
        };
        for pattern in &NAMED {
            if let Some(found) = pattern.captures(&diagnostic.message) {
                add(
                    found.name("holder").map_or("", |one| one.as_str()),
                    found.name("symbol").map_or("", |one| one.as_str()),
                );
            }
        }
        if let Some(symbol) = disagreement(diagnostic) {
            add("", &symbol);
        }
        let own = diagnostic.file.as_deref().zip(diagnostic.line);
        let frames = diagnostic.related.iter().filter_map(|place| Some((place.file.as_str(), place.line?)));
        for (file, line) in own.into_iter().chain(frames) {
            for (holder, symbol) in called(self.line(file, line)) {
                add(holder, symbol);
            }
        }
        out
    }
}

/// Whether a tool shows what is called, and that this is it; none if it shows nothing.
fn shown(diagnostic: &Diagnostic, path: &RelPath, found: &Found) -> Option<bool> {
    let mut shown = diagnostic.related.iter().filter(|place| SHOWN.matches(&place.message)).peekable();
    shown.peek()?;
    Some(shown.any(|place| place.file == path.as_str() && place.line == Some(found.line)))
}

/// The names that a line calls, each with what stands before its dot.
pub(super) fn called(line: &str) -> Vec<(&str, &str)> {
    let word = |text: &str| {
        let from = text.rfind(|c: char| !(c.is_alphanumeric() || c == '_'));
        from.map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
    };
    let mut names = Vec::new();
    for (at, _) in line.match_indices('(') {
        let before = &line[..at];
        let start = word(before);
        if start == at {
            continue;
        }
        let holder = before[..start].trim_end_matches(['.', ':']);
        let holder = if holder.len() < start { &holder[word(holder)..] } else { "" };
        names.push((holder, &before[start..]));
    }
    names
}
