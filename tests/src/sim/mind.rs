//! The simulated programmer itself: from a request to an answer with the mistakes of its case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use regex::Regex;

use super::case::{Case, Dice, Format, Whole, spoil};
use super::give::{Given, comment, render};
use super::lines::edits;
use super::project::Fault;
use super::shown::{Version, has_lines, lf};
use super::{planner, read, shown};
use crate::model::{Asked, Kind, Mind, Said};

/// What a request lacked for a mistake that it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The current content of the file that is wrong.
    Content,
    /// The other side.
    Other,
}

/// What was made of one request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: SystemTime,
    /// What for.
    pub kind: Kind,
    /// Ids of the parts that it is about.
    pub parts: Vec<&'static str>,
    /// Mistakes that it speaks of.
    pub told: Vec<usize>,
    /// Mistakes that its answer undoes.
    pub mended: Vec<usize>,
    /// Mistakes whose file isn't this part's.
    pub passed: Vec<usize>,
    /// What it lacked.
    pub lacked: Vec<(usize, Lack)>,
}

#[derive(Default)]
struct State {
    /// How often each part was asked for files.
    asked: BTreeMap<String, u32>,
    /// The last answer of each part, uncut.
    full: BTreeMap<String, String>,
    /// Contents that files may have.
    known: BTreeMap<String, Vec<Version>>,
    written: BTreeSet<String>,
    mended: BTreeSet<usize>,
    /// Whether a fix brought a file of another part along.
    meddled: bool,
    /// Parts that gave their edit that doesn't apply.
    off: BTreeSet<String>,
    log: Vec<Entry>,
}

/// A programmer with a case.
pub struct Sim {
    case: Case,
    reveals: Vec<(usize, Regex)>,
    /// The part that makes the mistakes of whole answers.
    victim: usize,
    state: Mutex<State>,
}

/// A request for files, understood.
struct Wish<'a> {
    asked: &'a Asked,
    text: &'a str,
    said: &'a str,
    kind: Kind,
    parts: &'a [usize],
    key: &'a str,
    shown: BTreeMap<String, Version>,
    told: Vec<usize>,
}

const MANIFESTS: [&str; 7] =
    ["go.mod", "Cargo.toml", "package.json", "pyproject.toml", "pom.xml", "Makefile", "CMakeLists.txt"];

fn is_manifest(path: &str) -> bool {
    MANIFESTS.contains(&path.rsplit('/').next().unwrap_or(path))
}

impl Sim {
    /// For a case.
    ///
    /// # Panics
    /// If a pattern of its project is none.
    #[must_use]
    pub fn new(case: Case) -> Self {
        let pattern = |text: &str| Regex::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let reveals = case.mistakes().map(|(index, fault)| (index, pattern(fault.reveals))).collect();
        let project = &case.project;
        let fits = |index: &usize| {
            let owns = project.parts[*index].owns;
            // Leaving one out leaves another.
            if case.whole.contains(&Whole::FileMissing) { owns.len() > 1 } else { true }
        };
        let able: Vec<usize> = (0..project.parts.len()).filter(fits).collect();
        let victim = able.get(Dice::new(case.seed, "victim").below(able.len())).copied().unwrap_or(0);
        let paths = project.files.iter().chain(&project.given).map(|(path, _)| path.clone());
        let owned: BTreeSet<&str> = project.parts.iter().flat_map(|part| part.owns).copied().collect();
        let known = paths
            .filter(|path| owned.contains(path.as_str()))
            .map(|path| (path.clone(), shown::versions(&case, &path)))
            .collect();
        let state = State { known, ..State::default() };
        Self { reveals, victim, state: Mutex::new(state), case }
    }

    /// What was asked so far.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).log.clone()
    }

    /// A file with these mistakes.
    fn content(&self, path: &str, faults: &BTreeSet<usize>) -> Option<String> {
        // Mistakes are put into the text as it is on disk; some are of its line ends.
        let (_, right) = self.case.project.files.iter().find(|(file, _)| file == path)?;
        let spoiled = spoil(right, faults.iter().map(|index| &self.case.project.faults[*index]));
        Some(lf(spoiled.as_ref().unwrap_or(right)))
    }

    /// Whether this file is changed by edits where it is there.
    fn edits(&self, wish: &Wish<'_>, path: &str) -> bool {
        // Who likes to give whole files does as it is asked where it doesn't see the whole.
        let asked = || self.case.format == Format::Asked || !wish.shown.contains_key(path);
        self.case.format.edits() || (asked() && read::wants_edits(wish.asked, path))
    }

    fn owns(&self, parts: &[usize], path: &str) -> bool {
        parts.iter().any(|part| self.case.project.parts[*part].owns.contains(&path))
    }

    /// Which of the mistakes that are spoken of can be undone, and what lacks for the others.
    fn judge(&self, state: &State, wish: &Wish<'_>, entry: &mut Entry) -> Vec<String> {
        let mut words = Vec::new();
        let unnumbered = read::unnumbered(wish.text);
        for index in &wish.told {
            let fault = &self.case.project.faults[*index];
            let present = wish.shown.get(fault.file).filter(|version| !version.given);
            let present = present.map(|version| version.faults.contains(index));
            if present == Some(false) || (present.is_none() && state.mended.contains(index)) {
                continue;
            }
            let lines = || has_lines(wish.text, fault.put) || has_lines(&unnumbered, fault.put);
            let seen =
                present.is_some() || (self.edits(wish, fault.file) && read::names(wish.text, fault.file) && lines());
            let quoted =
                |(_, text): &(&str, &str)| agreed(wish.text, fault) || read::plain(wish.text).contains(&bare(text));
            if !seen {
                entry.lacked.push((*index, Lack::Content));
            } else if !fault.other.as_ref().is_none_or(quoted) {
                entry.lacked.push((*index, Lack::Other));
            } else if self.case.unfixable == Some(*index) {
                // It doesn't see how.
            } else if wish.parts.is_empty() || self.owns(wish.parts, fault.file) {
                entry.mended.push(*index);
            } else {
                entry.passed.push(*index);
                words.push(format!("The cause is in {}, which isn't mine: that file must change.", fault.file));
            }
        }
        words
    }

    /// The files of an answer.
    fn files(&self, state: &mut State, wish: &Wish<'_>, entry: &mut Entry) -> Vec<Given> {
        let mended = entry.mended.clone();
        let project = &self.case.project;
        let paths: Vec<String> = if wish.parts.is_empty() {
            let named = |path: &&String| {
                wish.shown.contains_key(*path) || (!state.written.contains(*path) && read::names(wish.said, path))
            };
            state.known.keys().filter(named).cloned().collect()
        } else {
            wish.parts.iter().flat_map(|part| project.parts[*part].owns).map(|path| (*path).to_owned()).collect()
        };
        let again = wish.asked.turns.iter().any(|(speaker, _)| speaker == "assistant");
        let mut out = Vec::new();
        for path in paths {
            let initial: BTreeSet<usize> = self
                .case
                .mistakes()
                .filter(|(index, fault)| fault.file == path && !state.mended.contains(index))
                .map(|(index, _)| index)
                .collect();
            let version = wish.shown.get(&path).cloned();
            let now = version.as_ref().filter(|version| !version.given).map_or(&initial, |version| &version.faults);
            let left: BTreeSet<usize> = now.iter().copied().filter(|index| !mended.contains(index)).collect();
            let Some(mut new) = self.content(&path, &left) else { continue };
            let changes = left.len() < now.len();
            let wanted = match (&wish.kind, &version) {
                (Kind::Fix, Some(version)) => changes || version.damaged || version.given,
                (Kind::Fix, None) => changes || (!state.written.contains(&path) && read::names(wish.text, &path)),
                (_, Some(version)) => (again && !version.given) || version.text.trim_end() != new.trim_end(),
                (_, None) => true,
            };
            if !wanted {
                continue;
            }
            let given = project.given.iter().find(|(given, _)| *given == path).map(|(_, text)| lf(text));
            let mut old = version.as_ref().map(|version| version.text.clone());
            let edit = self.edits(wish, &path);
            let mut hunks =
                old.as_ref().filter(|_| edit).and_then(|old| edits(old, &new, |_| true)).unwrap_or_default();
            if old.is_none() && (given.is_some() || state.written.contains(&path)) {
                // Only some lines of it are in sight.
                let guess = match &given {
                    Some(given) if !state.written.contains(&path) => Some(given.clone()),
                    _ => self.content(&path, now),
                };
                let seen = |lines: &str| has_lines(wish.text, lines);
                let found = guess.filter(|_| edit).and_then(|guess| Some((edits(&guess, &new, seen)?, guess)));
                match (found, given) {
                    (Some((found, guess)), _) => (hunks, old) = (found, Some(guess)),
                    (None, Some(given)) => {
                        // It writes the file anew and can't keep what it doesn't see.
                        let lost: BTreeSet<&str> =
                            given.lines().filter(|line| !wish.text.contains(line.trim())).collect();
                        let kept: Vec<&str> = new.lines().filter(|line| !lost.contains(line)).collect();
                        new = kept.join("\n") + "\n";
                        remember(state, &path, &new, left.clone(), true);
                    }
                    // It can't write an edit for lines that it doesn't see.
                    (None, None) if changes => {
                        let unseen = now.iter().filter(|index| mended.contains(index));
                        entry.lacked.extend(unseen.map(|index| (*index, Lack::Content)));
                        entry.mended.retain(|index| !now.contains(index));
                        continue;
                    }
                    (None, None) => {}
                }
            }
            // What it gives again as it is has no edits: then the file comes whole.
            let old = old.filter(|_| !edit || !hunks.is_empty());
            out.push(Given { path, old, new, edit, hunks, off: false });
        }
        out
    }

    /// A file that comes back as it is, or with a harmless remark.
    fn helpless(&self, state: &mut State, wish: &Wish<'_>, count: u32) -> Option<Given> {
        let mine = |path: &str| wish.parts.is_empty() || self.owns(wish.parts, path);
        let (path, version) = wish.shown.iter().find(|(path, version)| mine(path) && !version.given)?;
        let edit = self.edits(wish, path);
        let mut dice = Dice::new(self.case.seed, &format!("helpless {} {count}", wish.key));
        let mut new = version.text.clone();
        let worse = self.case.whole.contains(&Whole::Worsening).then(|| self.worse(path, version)).flatten();
        if let Some((text, faults)) = worse.filter(|_| count.is_multiple_of(2)) {
            new = text;
            remember(state, path, &new, faults, false);
        } else if dice.below(2) == 0 {
            let line = comment(path, &format!("Looked at again, {count}."))?;
            new = format!("{}\n{line}\n", new.trim_end_matches('\n'));
            remember(state, path, &new, version.faults.clone(), version.damaged);
        } else if edit {
            return None;
        }
        let hunks = edits(&version.text, &new, |_| true).unwrap_or_default();
        Some(Given { path: path.clone(), old: Some(version.text.clone()), new, edit, hunks, off: false })
    }

    /// A file with one more mistake of its project.
    fn worse(&self, path: &str, version: &Version) -> Option<(String, BTreeSet<usize>)> {
        let project = &self.case.project;
        let (_, right) = project.files.iter().find(|(file, _)| file == path)?;
        let more = (0..project.faults.len()).filter(|index| project.faults[*index].file == path);
        more.filter(|index| !version.faults.contains(index)).find_map(|index| {
            let faults: BTreeSet<usize> = version.faults.iter().copied().chain([index]).collect();
            let text = spoil(right, faults.iter().map(|index| &project.faults[*index]))?;
            Some((lf(&text), faults))
        })
    }

    /// A file that isn't theirs, with a mistake that it hadn't.
    fn meddled(&self, state: &mut State, wish: &Wish<'_>) -> Option<Given> {
        let project = &self.case.project;
        let mut dice = Dice::new(self.case.seed, &format!("meddling {}", wish.key));
        let mine = |path: &str| wish.parts.is_empty() || self.owns(wish.parts, path);
        let case: BTreeSet<&str> = self.case.mistakes().map(|(_, fault)| fault.file).collect();
        let able: Vec<usize> = (0..project.faults.len())
            .filter(|index| !mine(project.faults[*index].file) && !case.contains(project.faults[*index].file))
            .collect();
        let fault = &project.faults[*able.get(dice.below(able.len().max(1)))?];
        let (_, right) = project.files.iter().find(|(path, _)| path == fault.file)?;
        let new = lf(&spoil(right, [fault])?);
        remember(state, fault.file, &new, BTreeSet::new(), true);
        Some(Given { path: fault.file.to_owned(), old: None, new, edit: false, hunks: Vec::new(), off: false })
    }

    /// Mistakes of the answer as a whole. Returns whether it is prose only.
    fn spoil_answer(&self, state: &mut State, wish: &Wish<'_>, count: u32, files: &mut Vec<Given>) -> bool {
        let first = count == 0 && wish.parts.contains(&self.victim);
        for whole in &self.case.whole {
            match whole {
                Whole::NoCode if first => return true,
                Whole::NoCodeRate(rate) => {
                    let mut dice = Dice::new(self.case.seed, &format!("no code {} {count}", wish.key));
                    if dice.below(*rate as usize) == 0 {
                        return true;
                    }
                }
                Whole::FileMissing if first => {
                    let last = files.iter().rposition(|file| !is_manifest(&file.path));
                    if let Some(last) = last.filter(|_| files.len() > 1) {
                        files.remove(last);
                    }
                }
                Whole::MissingManifest if count == 0 => files.retain(|file| !is_manifest(&file.path)),
                Whole::Placeholder if first => {
                    let able = files.iter_mut().filter(|file| comment(&file.path, "").is_some());
                    if let Some(file) = able.max_by_key(|file| file.new.len()) {
                        let short = shortened(&file.path, &file.new);
                        remember(state, &file.path, &short, BTreeSet::new(), true);
                        file.new = short;
                    }
                }
                Whole::EditDoesNotApply if !state.off.contains(wish.key) => {
                    if let Some(file) = files.iter_mut().find(|file| file.edit && !file.hunks.is_empty()) {
                        file.off = true;
                        state.off.insert(wish.key.to_owned());
                    }
                }
                Whole::Meddling if first || (wish.kind == Kind::Fix && !state.meddled) => {
                    state.meddled |= wish.kind == Kind::Fix;
                    files.extend(self.meddled(state, wish));
                }
                _ => {}
            }
        }
        false
    }

    fn give(&self, state: &mut State, wish: &Wish<'_>, entry: &mut Entry) -> (String, bool) {
        let asked = state.asked.entry(wish.key.to_owned()).or_default();
        let count = *asked;
        *asked += 1;
        let words = self.judge(state, wish, entry);
        let mut files = self.files(state, wish, entry);
        let nothing = read::nothing(wish.text);
        if files.is_empty() && wish.kind == Kind::Fix && entry.passed.is_empty() {
            files.extend(self.helpless(state, wish, count));
        }
        if files.is_empty() {
            let words =
                if words.is_empty() { "I see nothing to change in my files.".to_owned() } else { words.join(" ") };
            return (format!("{nothing}\n\n{words}"), false);
        }
        let prose = self.spoil_answer(state, wish, count, &mut files);
        if prose || files.is_empty() {
            entry.mended.clear();
            return (
                "I would write this part with care for errors, and then test it. Shall I begin?".to_owned(),
                false,
            );
        }
        let prefix = if self.case.whole.contains(&Whole::WrongPath) { "/app/" } else { "" };
        let template = read::template(wish.asked);
        let mut text = render(self.case.format, template.as_ref(), prefix, &files);
        text.push_str(if words.is_empty() { "\nThat is my part." } else { "\n" });
        text.push_str(&words.join(" "));
        text.push('\n');
        state.full.insert(wish.key.to_owned(), text.clone());
        let first = count == 0 && wish.parts.contains(&self.victim);
        if first && self.case.whole.contains(&Whole::Truncated) {
            entry.mended.clear();
            text.truncate(text.floor_char_boundary(text.len() * 3 / 5));
            return (text, true);
        }
        if files.iter().all(|file| !file.off) {
            state.mended.extend(&entry.mended);
        } else {
            entry.mended.clear();
        }
        let own = |path: &str| wish.parts.is_empty() || self.owns(wish.parts, path);
        state.written.extend(files.into_iter().map(|file| file.path).filter(|path| own(path)));
        (text, false)
    }

    fn agreement(&self) -> String {
        let project = &self.case.project;
        let lines: String = project.conventions.iter().map(|line| format!("- {line}\n")).collect();
        format!("Language: {}\n{lines}\n```\n{}\n```\n", project.language, project.shared.trim_end())
    }
}

/// A text with a remark in place of its middle third.
fn shortened(path: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (from, to) = (lines.len() / 3, lines.len() * 2 / 3);
    let remark = comment(path, "... rest of the code unchanged").unwrap_or_default();
    [&lines[..from], &[remark.as_str()], &lines[to..]].concat().join("\n") + "\n"
}

/// A content that a file may have from now on.
fn remember(state: &mut State, path: &str, text: &str, faults: BTreeSet<usize>, damaged: bool) {
    let versions = state.known.entry(path.to_owned()).or_default();
    if versions.iter().all(|version| version.text != text) {
        versions.push(Version { text: text.to_owned(), faults, given: false, damaged });
    }
}

impl Mind for Sim {
    fn answer(&self, asked: &Asked) -> Said {
        let project = &self.case.project;
        let text = lf(&asked.text());
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let parts = read::parts(project, &text);
        let ids: Vec<&'static str> = parts.iter().map(|part| project.parts[*part].id).collect();
        let key = if ids.is_empty() { "integrator".to_owned() } else { ids.join("+") };
        let said = read::without_quotes(project, &shown::without(&text, &state.known));
        let shown = shown::whole(&text, &state.known);
        let told: Vec<usize> =
            self.reveals.iter().filter(|(_, pattern)| pattern.is_match(&said)).map(|(index, _)| *index).collect();
        let there = |index: &usize| {
            shown.get(project.faults[*index].file).is_some_and(|version| version.faults.contains(index))
        };
        let kind = read::kind(project, asked, &said, told.iter().any(there));
        let mut entry = Entry {
            at: SystemTime::now(),
            kind,
            parts: ids,
            told: told.clone(),
            mended: Vec::new(),
            passed: Vec::new(),
            lacked: Vec::new(),
        };
        let (answer, cut) = match kind {
            Kind::Plan if self.case.prose => (planner::prose(project), false),
            Kind::Plan => (planner::json(project), false),
            Kind::Review => (read::review(asked), false),
            Kind::Coordinate => (self.agreement(), false),
            Kind::Synthesis => {
                ("All parts are written. Build it with the usual command of its language.".to_owned(), false)
            }
            Kind::Work | Kind::Fix => {
                let before = read::to_continue(asked).map(lf);
                let rest = before.and_then(|before| rest(state.full.get(&key)?, &before).map(str::to_owned));
                if let Some(rest) = rest {
                    state
                        .written
                        .extend(parts.iter().flat_map(|part| project.parts[*part].owns).map(|path| (*path).to_owned()));
                    (rest, false)
                } else {
                    let wish = Wish { asked, text: &text, said: &said, kind, parts: &parts, key: &key, shown, told };
                    self.give(state, &wish, &mut entry)
                }
            }
            _ => (read::nothing(&text), false),
        };
        let subtask = matches!(kind, Kind::Work | Kind::Fix | Kind::Review).then_some(key);
        state.log.push(entry);
        Said { kind, subtask, text: answer, cut, mark: Some(state.log.len() - 1) }
    }
}

/// Code without what opens a body or ends a line: a signature is quoted without it.
fn bare(code: &str) -> String {
    read::plain(code.trim_end().trim_end_matches(['{', ':', ';', ',', ' ']))
}

/// Whether a text says how the right lines look, apart from the file itself: a contract does that as well as the other side.
fn agreed(text: &str, fault: &Fault) -> bool {
    let text = read::plain(text);
    let wrong: BTreeSet<String> = fault.put.lines().map(bare).collect();
    let mut right = fault.find.lines().map(bare).filter(|line| line.len() > 11 && !wrong.contains(line));
    right.next().is_some_and(|line| text.contains(&line))
}

/// What follows in `full` behind the last words of what was said before.
fn rest<'a>(full: &'a str, before: &str) -> Option<&'a str> {
    if let Some(rest) = full.strip_prefix(before) {
        return Some(rest);
    }
    let tail = &before[before.ceil_char_boundary(before.len().saturating_sub(120))..];
    full.rfind(tail).map(|at| &full[at + tail.len()..])
}
