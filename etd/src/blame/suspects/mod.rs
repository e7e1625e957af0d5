//! Which functions a failing test may fail because of. Pure.
//!
//! A static stand-in for what coverage tells of failing and passing tests: the functions that a test reaches by the names in it. What failing
//! tests reach and others don't is suspect (Ochiai's coefficient: A. Zoeteweij et al., "On the Accuracy of Spectrum-based Fault
//! Localization", 2007), the nearer to the failing line the more. Names stand for functions, so it is a guess: it decides who is asked first and
//! what is shown, never what is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::diagnostic::Diagnostic;

use super::{INTEGRATOR, Owners};
use crate::check::diagnostics::pattern::Pattern;
use crate::relpath::RelPath;
use crate::source::imports::{Paths, imports, is_test};
use crate::source::outline::bodies;

/// Suspects of one failure at most.
const MOST: usize = 12;
/// Declarations that one name may mean; one that means more says nothing.
const MEANT: usize = 6;
/// Steps that are followed; twice that of hops from function to function.
const FAR: usize = 14;
/// What a declaration without a body, or a helper of tests, counts beside a function.
const DATA: f64 = 0.3;
/// What a helper of tests counts where a test fails though it got what it wanted: what compares them may be wrong.
const JUDGE: f64 = 3.0;
/// What counts a function that nobody writes in this round, beside one that somebody does: it did its work before.
const OLD: f64 = 0.5;
/// Functions that run before each test of their file.
const BEFORE: [&str; 8] =
    ["setUp", "setUpClass", "setup", "setup_method", "setup_class", "setup_module", "setUpModule", "TestMain"];
/// Methods that are called without their name being said, where their type is.
const IMPLICIT: [&str; 24] = [
    "fmt",
    "eq",
    "cmp",
    "partial_cmp",
    "from_str",
    "add",
    "sub",
    "neg",
    "mul",
    "sum",
    "drop",
    "next",
    "deref",
    "from",
    "__init__",
    "__str__",
    "__repr__",
    "__eq__",
    "__lt__",
    "__post_init__",
    "toString",
    "equals",
    "compareTo",
    "String",
];

/// A function, or the lines of a file outside of any, that may be wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suspect {
    /// Where.
    pub(super) file: RelPath,
    /// Its first line, from 1.
    pub(super) line: u32,
    /// What it is called; a file for what stands in none of its functions.
    pub(super) name: String,
    /// How suspect; only comparable within one failure.
    pub(super) score: f64,
}

/// Who may be to blame for one failure, as far as suspects tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Accused {
    /// Owners, the most likely first; those that are much less likely are left out.
    pub(super) owners: Vec<String>,
    /// Functions, the most suspect first.
    pub(super) suspects: Vec<Suspect>,
}

/// Owners of one failure at most.
const ACCUSED: usize = 3;
/// The share of the best one's score below which nobody is accused.
const CLOSE: f64 = 0.4;

/// Who is to blame for each failure. Who explains several of them comes first: one mistake breaks many tests.
pub(super) fn accused(failures: &[&Diagnostic], texts: &BTreeMap<RelPath, String>, owners: &Owners) -> Vec<Accused> {
    let found = suspects(failures, texts, owners);
    let by_owner: Vec<Vec<(String, f64)>> = found
        .iter()
        .map(|suspects| {
            let mut best: Vec<(String, f64)> = Vec::new();
            for one in suspects {
                let owner = owners.of_file(one.file.as_str());
                if owner != INTEGRATOR && best.iter().all(|(known, _)| known != owner) {
                    best.push((owner.to_owned(), one.score));
                }
            }
            best
        })
        .collect();
    let mut explains: BTreeMap<&str, f64> = BTreeMap::new();
    for best in &by_owner {
        let most = best.first().map_or(1.0, |(_, score)| *score);
        for (owner, score) in best {
            *explains.entry(owner).or_default() += score / most;
        }
    }
    let owners: Vec<Vec<String>> = by_owner
        .iter()
        .map(|best| {
            let most = best.first().map_or(0.0, |(_, score)| *score);
            let mut close: Vec<&str> =
                best.iter().filter(|(_, score)| *score >= most * CLOSE).map(|(owner, _)| owner.as_str()).collect();
            close.sort_by(|one, two| explains[two].total_cmp(&explains[one]));
            close.into_iter().take(ACCUSED).map(str::to_owned).collect()
        })
        .collect();
    owners.into_iter().zip(found).map(|(owners, suspects)| Accused { owners, suspects }).collect()
}

struct Node<'a> {
    file: usize,
    name: &'a str,
    within: Option<&'a str>,
    lines: (usize, usize),
    /// Of a whole file, what stands in none of its declarations.
    top: bool,
    /// It says what there is, and does nothing.
    data: bool,
}

struct File<'a> {
    path: &'a RelPath,
    text: Vec<&'a str>,
    code: &'a [String],
    test: bool,
    /// A subtask writes it in this round.
    owned: bool,
    imports: BTreeSet<usize>,
    /// The innermost node of each line.
    of_line: Vec<usize>,
}

struct Sources<'a> {
    files: Vec<File<'a>>,
    nodes: Vec<Node<'a>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Nodes that each node names.
    named: Vec<BTreeSet<usize>>,
    entries: Vec<usize>,
}

/// The suspects of each failure, the most suspect first; none where no test of the tree is found in it. `texts`: the sources of the tree.
fn suspects(failures: &[&Diagnostic], texts: &BTreeMap<RelPath, String>, owners: &Owners) -> Vec<Vec<Suspect>> {
    let read: Vec<_> = texts.iter().map(|(path, text)| bodies(path.as_str(), text)).collect();
    let sources = Sources::new(texts, &read, owners);
    let places: Vec<Vec<(usize, usize)>> = failures.iter().map(|one| sources.places(one)).collect();
    let failing: BTreeSet<usize> =
        places.iter().flatten().map(|(file, line)| sources.files[*file].of_line[*line]).collect();
    let tests = sources.tests(&failing);
    let reach: HashMap<usize, HashMap<usize, usize>> =
        tests.iter().map(|test| (*test, sources.reach(*test, None))).collect();
    failures
        .iter()
        .zip(&places)
        .map(|(failure, places)| {
            let mut costs: HashMap<usize, usize> = HashMap::new();
            for (file, line) in places {
                let test = sources.files[*file].of_line[*line];
                for (node, cost) in sources.reach(test, Some(*line)) {
                    let known = costs.entry(node).or_insert(cost);
                    *known = (*known).min(cost);
                }
            }
            let frames = sources.frames(failure);
            for (at, frame) in frames.iter().enumerate() {
                let known = costs.entry(*frame).or_insert(FAR);
                *known = (*known).min(2 + 2 * at);
            }
            let words = telling(&failure.message);
            let judged_wrong = got_what_it_wanted(&failure.message);
            let mut found: Vec<(f64, usize)> = costs
                .into_iter()
                .filter(|(node, _)| !(tests.contains(node) || sources.nodes[*node].top && sources.is_test(*node)))
                .map(|(node, cost)| {
                    let of = |wanted: bool| {
                        let those = tests.iter().filter(|test| failing.contains(test) == wanted);
                        those.filter(|test| reach.get(test).is_some_and(|reached| reached.contains_key(&node))).count()
                            as f64
                    };
                    let (failed, passed) = (of(true).max(1.0), of(false));
                    let ochiai = failed / ((failing.len().max(1) as f64) * (failed + passed)).sqrt();
                    let near = 1.0 / (1.0 + 0.15 * cost as f64);
                    let said = sources.says(node, &words);
                    let frame =
                        frames.iter().position(|frame| *frame == node).map_or(1.0, |at| 3.0 / (1.0 + at as f64) + 1.0);
                    let kind = match (sources.nodes[node].data, sources.is_test(node)) {
                        (_, true) if judged_wrong => JUDGE,
                        (false, false) => 1.0,
                        _ => DATA,
                    };
                    let old = if sources.files[sources.nodes[node].file].owned { 1.0 } else { OLD };
                    (ochiai * near * said * frame * kind * old, node)
                })
                .collect();
            found.sort_by(|one, two| two.0.total_cmp(&one.0).then(one.1.cmp(&two.1)));
            found.truncate(MOST);
            found.into_iter().map(|(score, node)| sources.suspect(node, score)).collect()
        })
        .collect()
}

impl<'a> Sources<'a> {
    fn new(
        texts: &'a BTreeMap<RelPath, String>,
        read: &'a [(Vec<crate::source::outline::Body>, Vec<String>)],
        owners: &Owners,
    ) -> Self {
        let paths = Paths::new(texts.keys().map(RelPath::as_str));
        let mut files = Vec::new();
        let mut nodes: Vec<Node<'a>> = Vec::new();
        for (index, ((path, text), (bodies, code))) in texts.iter().zip(read).enumerate() {
            let lines: Vec<&str> = text.lines().collect();
            let top = nodes.len();
            let name = path.file_name();
            nodes.push(Node {
                file: index,
                name,
                within: None,
                lines: (0, lines.len().saturating_sub(1)),
                top: true,
                data: true,
            });
            let mut of_line = vec![top; lines.len()];
            for body in bodies {
                let (start, end) = (*body.lines.start(), *body.lines.end());
                for slot in of_line.iter_mut().take(end + 1).skip(start) {
                    *slot = nodes.len();
                }
                let within = body.within.as_deref();
                nodes.push(Node {
                    file: index,
                    name: &body.name,
                    within,
                    lines: (start, end),
                    top: false,
                    data: !body.does,
                });
            }
            let imports = imports(path.as_str(), text, &paths);
            let owned = owners.owner_of(path).is_some();
            files.push(File { path, text: lines, code, test: is_test(path.as_str()), owned, imports, of_line });
        }
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut entries = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            by_name.entry(node.name).or_default().push(index);
            if node.name == "main" && !files[node.file].test {
                entries.push(index);
            }
        }
        for (index, file) in files.iter().enumerate() {
            for (line, code) in file.code.iter().enumerate() {
                let of = file.of_line.get(line).copied().unwrap_or(0);
                if nodes.get(of).is_some_and(|node| node.top && node.file == index)
                    && let Some(name) = value(code)
                {
                    by_name.entry(name).or_default().push(of);
                }
            }
        }
        let mut sources = Self { files, nodes, by_name, named: Vec::new(), entries };
        sources.named = (0..sources.nodes.len()).map(|node| sources.names(node)).collect();
        sources
    }

    fn is_test(&self, node: usize) -> bool {
        self.files[self.nodes[node].file].test
    }

    /// The lines of a node that are no inner one's.
    fn lines(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let one = &self.nodes[node];
        (one.lines.0..=one.lines.1).filter(move |line| self.files[one.file].of_line.get(*line) == Some(&node))
    }

    fn names(&self, node: usize) -> BTreeSet<usize> {
        let mut named: BTreeSet<usize> =
            self.lines(node).flat_map(|line| self.line_names(self.nodes[node].file, line)).collect();
        let implied: Vec<usize> = named.iter().flat_map(|type_| self.implied(*type_)).collect();
        named.extend(implied);
        named.extend(self.before(node));
        named.remove(&node);
        named
    }

    /// What runs before a function of a file of tests.
    fn before(&self, node: usize) -> Vec<usize> {
        let one = &self.nodes[node];
        if one.top || !self.files[one.file].test || !one.name.to_lowercase().starts_with("test") {
            return Vec::new();
        }
        let all = BEFORE.iter().filter_map(|name| self.by_name.get(name)).flatten().copied();
        all.filter(|before| self.nodes[*before].file == one.file).collect()
    }

    /// Methods of a type that are called where the type is used.
    fn implied(&self, node: usize) -> Vec<usize> {
        let name = self.nodes[node].name;
        let methods = IMPLICIT.iter().filter_map(|method| self.by_name.get(method)).flatten().copied();
        methods.filter(|method| self.nodes[*method].within == Some(name)).collect()
    }

    /// What a line names.
    fn line_names(&self, file: usize, line: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let one = &self.files[file];
        for (qualifier, word) in one.code.get(line).map(|code| words(code)).unwrap_or_default() {
            found.extend(self.meant(qualifier, word, file));
        }
        // A file of the tree that stands in a string.
        let text = one.text.get(line).copied().unwrap_or_default();
        if one.test && text.contains('.') && text.contains(['"', '\'']) {
            for node in self.nodes.iter().enumerate().filter(|(_, node)| node.top && node.name.contains('.')) {
                if node.1.file != file && text.contains(node.1.name) {
                    found.push(node.0);
                }
            }
        }
        found
    }

    fn meant(&self, qualifier: Option<&str>, word: &str, from: usize) -> Vec<usize> {
        let Some(all) = self.by_name.get(word) else { return Vec::new() };
        // An interface says what there is; what is run stands elsewhere.
        let does = |node: &usize| !self.nodes[*node].data;
        let run: Vec<usize> = all.iter().copied().filter(does).collect();
        let all = if run.is_empty() { all } else { &run };
        let pick = |fits: &dyn Fn(&Node<'_>) -> bool| -> Vec<usize> {
            all.iter().copied().filter(|node| fits(&self.nodes[*node])).collect()
        };
        let here = &self.files[from];
        if let Some(qualifier) = qualifier {
            let like = |text: &str| text.eq_ignore_ascii_case(qualifier);
            let found = pick(&|node| {
                let path = self.files[node.file].path;
                let stem = path.file_name().split('.').next().unwrap_or_default();
                node.within.is_some_and(like) || like(stem) || path.parent().rsplit('/').next().is_some_and(like)
            });
            if !found.is_empty() && found.len() <= MEANT {
                return found;
            }
            let found = pick(&|node| node.within.is_some() && (here.imports.contains(&node.file) || node.file == from));
            if !found.is_empty() && found.len() <= MEANT {
                return found;
            }
            // `text.parse()` calls no function of that name, where the language has methods for it.
            let methods = pick(&|node| node.within.is_some());
            let strict = matches!(here.path.extension(), "rs" | "java" | "c" | "h");
            if strict || !methods.is_empty() {
                return self.few(methods);
            }
        } else {
            let found = pick(&|node| node.file == from && node.within.is_none());
            if !found.is_empty() {
                return found;
            }
        }
        let near = |node: &Node<'_>| {
            here.imports.contains(&node.file) || self.files[node.file].path.parent() == here.path.parent()
        };
        let found = pick(&near);
        self.few(if found.is_empty() { all.clone() } else { found })
    }

    /// A name that means too much says nothing, but for what is written in this round.
    fn few(&self, mut found: Vec<usize>) -> Vec<usize> {
        if found.len() > MEANT {
            found.retain(|node| self.files[self.nodes[*node].file].owned);
        }
        if found.len() <= MEANT { found } else { Vec::new() }
    }

    /// Where a failure stands in tests: file and line, from 0.
    fn places(&self, failure: &Diagnostic) -> Vec<(usize, usize)> {
        let own = failure.file.as_deref().zip(failure.line);
        let related = failure.related.iter().filter_map(|place| Some((place.file.as_str(), place.line?)));
        let find = |(path, line): (&str, u32)| {
            let file = self.files.iter().position(|file| file.test && file.path.as_str() == path)?;
            let line = (line as usize).checked_sub(1)?;
            (line < self.files[file].of_line.len()).then_some((file, line))
        };
        own.into_iter().chain(related).filter_map(find).collect()
    }

    /// The functions that a failure went through, the innermost first.
    fn frames(&self, failure: &Diagnostic) -> Vec<usize> {
        let own = failure.file.as_deref().zip(failure.line);
        let related = failure.related.iter().filter_map(|place| Some((place.file.as_str(), place.line?)));
        let find = |(path, line): (&str, u32)| {
            let file = self.files.iter().find(|file| !file.test && file.path.as_str() == path)?;
            file.of_line.get((line as usize).checked_sub(1)?).copied()
        };
        own.into_iter().chain(related).filter_map(find).collect()
    }

    /// Tests of the tree: what is failing, and what looks like one.
    fn tests(&self, failing: &BTreeSet<usize>) -> BTreeSet<usize> {
        let is_one = |(index, node): &(usize, &Node<'_>)| {
            let file = &self.files[node.file];
            let above = node.lines.0.checked_sub(1).and_then(|line| file.text.get(line)).copied().unwrap_or_default();
            let marked = above.trim_start().starts_with("#[") && above.contains("test") || above.contains("@Test");
            !node.top && file.test && (node.name.to_lowercase().starts_with("test") || marked)
                || failing.contains(index)
        };
        self.nodes.iter().enumerate().filter(is_one).map(|(index, _)| index).collect()
    }

    /// What can be reached from a test, with the cost of the way; `line`: where it fails.
    fn reach(&self, test: usize, line: Option<usize>) -> HashMap<usize, usize> {
        let mut costs: HashMap<usize, usize> = HashMap::new();
        let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
        let focus: BTreeSet<usize> =
            line.map(|line| self.line_names(self.nodes[test].file, line).into_iter().collect()).unwrap_or_default();
        let mut begin: Vec<usize> = self.named[test].iter().copied().chain(focus.iter().copied()).collect();
        let mut reached_code = false;
        for pass in 0..2 {
            for node in begin.drain(..) {
                let helper = self.files[self.nodes[node].file].test;
                open.insert((if focus.contains(&node) { 1 } else { 2 } + usize::from(!helper), node));
            }
            while let Some((cost, node)) = open.pop_first() {
                if cost > FAR || node == test || costs.get(&node).is_some_and(|known| *known <= cost) {
                    continue;
                }
                costs.insert(node, cost);
                let one = &self.nodes[node];
                reached_code |= !self.files[one.file].test;
                for next in &self.named[node] {
                    let helper = self.files[self.nodes[*next].file].test;
                    open.insert((cost + if helper { 1 } else { 2 }, *next));
                }
                // What a file says at its top counts as far away as its functions.
                let top = self.files[one.file].of_line.iter().copied().find(|top| self.nodes[*top].top);
                if let Some(top) = top.filter(|top| *top != node && !self.files[one.file].test) {
                    open.insert((cost + 3, top));
                }
            }
            if pass == 0 && !reached_code {
                // It may run the program.
                begin.extend(&self.entries);
            }
        }
        costs
    }

    /// How much of what a message says stands in a node.
    fn says(&self, node: usize, words: &[&str]) -> f64 {
        let file = &self.files[self.nodes[node].file];
        let lines: Vec<usize> = self.lines(node).collect();
        let told = words
            .iter()
            .filter(|word| lines.iter().any(|line| file.text.get(*line).is_some_and(|text| text.contains(**word))));
        1.0 + 0.25 * (told.count().min(4) as f64)
    }

    fn suspect(&self, node: usize, score: f64) -> Suspect {
        let one = &self.nodes[node];
        let line = u32::try_from(one.lines.0 + 1).unwrap_or(u32::MAX);
        Suspect { file: self.files[one.file].path.clone(), line, name: one.name.to_owned(), score }
    }
}

static COMPARED: [Pattern; 4] = [
    Pattern::new(r"\bgot:? (?P<one>.+?)[,;]? (?:but )?(?:want(?:ed)?|expected):? (?P<two>.+)$"),
    Pattern::new(r"(?i)\bexpected:? (?P<one>.+?)[,;]? (?:but )?(?:was|got|found|actual):? (?P<two>.+)$"),
    Pattern::new(r"(?P<one>\S+) != (?P<two>\S+)$"),
    Pattern::new(r"left: (?P<one>.+)\n\s*right: (?P<two>.+)$"),
];

/// Whether a test says that it failed, and shows twice the same value.
fn got_what_it_wanted(message: &str) -> bool {
    let shown = COMPARED.iter().find_map(|pattern| pattern.captures(message.trim_end()));
    shown.is_some_and(|shown| {
        let value = |name: &str| shown.name(name).map_or("", |value| value.as_str().trim());
        value("one") == value("two")
    })
}

/// Words of a message that code would have in strings.
fn telling(message: &str) -> Vec<&str> {
    let mut words: Vec<&str> = message
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 4 && !word.bytes().all(|byte| byte.is_ascii_digit()))
        .take(60)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The name that a line at the top of a file gives to a value.
fn value(code: &str) -> Option<&str> {
    if code.starts_with([' ', '}', ')']) && !code.starts_with("  ") {
        return None;
    }
    let rest = code.trim_start().strip_prefix("#define ").map(|rest| (rest, true));
    let (text, define) = rest.unwrap_or((code, false));
    let until = if define { text.len() } else { text.find(['=', ':'])? };
    let name = text[..until].split(|c: char| !(c.is_alphanumeric() || c == '_')).rfind(|word| !word.is_empty());
    let name = if define {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).find(|word| !word.is_empty())
    } else {
        name
    };
    name.filter(|name| name.len() > 1 && !name.starts_with(|c: char| c.is_ascii_digit()))
}

/// The words of a line of code, each with what stands before it and a dot or its like.
fn words(code: &str) -> Vec<(Option<&str>, &str)> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let bytes = code.as_bytes();
    let mut found: Vec<(Option<&str>, &str)> = Vec::new();
    let mut before: Option<(usize, &str)> = None;
    let mut at = 0;
    while at < bytes.len() {
        if !part(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && part(bytes[at]) {
            at += 1;
        }
        let word = &code[start..at];
        let joint = before.map(|(end, _)| &code[end..start]);
        let qualifier = before.filter(|_| matches!(joint, Some("." | "::" | "->"))).map(|(_, word)| word);
        if word.len() > 1 && !bytes[start].is_ascii_digit() {
            let called = joint.is_some_and(|joint| joint.ends_with(['.', ':', '>'])) && qualifier.is_none();
            found.push((qualifier.or(called.then_some("")), word));
        }
        before = Some((at, word));
    }
    found
}

#[cfg(test)]
mod tests;
