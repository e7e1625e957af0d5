//! Which declaration names which, in the sources of a tree. Pure. Names stand for what is meant: a guess.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::slice::Layout;
use crate::blame::Owners;
use crate::relpath::RelPath;
use crate::source::imports::{Paths, imports, is_test};
use crate::source::outline::Body;

/// Things that one name may mean; one that means more says nothing.
const MEANT: usize = 6;
/// Declarations of one name that are looked at; one that has more says nothing.
const WIDE: usize = 200;
/// Functions that run before each test of their file.
const BEFORE: [&str; 8] =
    ["setUp", "setUpClass", "setup", "setup_method", "setup_class", "setup_module", "setUpModule", "TestMain"];
/// Methods that are called without their name being said, where their type is.
const IMPLICIT: [&str; 25] = [
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
    "constructor",
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

pub(super) struct Node<'a> {
    pub(super) file: usize,
    pub(super) name: &'a str,
    pub(super) within: Option<&'a str>,
    pub(super) lines: (usize, usize),
    /// Of a whole file, what stands in none of its declarations.
    pub(super) top: bool,
    /// It says what there is, and does nothing.
    pub(super) data: bool,
}

pub(super) struct File<'a> {
    pub(super) path: &'a RelPath,
    pub(super) text: Vec<&'a str>,
    pub(super) code: &'a [String],
    pub(super) test: bool,
    /// A subtask writes it in this round.
    pub(super) owned: bool,
    pub(super) imports: BTreeSet<usize>,
    /// Of a file of tests, how its lines stand to each other.
    pub(super) layout: Layout,
    /// The lines of its tests that are handed over.
    pub(super) handed: Vec<(usize, usize)>,
    /// Whether a line is one of those.
    pub(super) aside: Vec<bool>,
    /// Of a file of tests, what each line names.
    pub(super) line_names: Vec<Vec<usize>>,
    /// The node of what stands in none of its declarations.
    pub(super) top: usize,
    /// The innermost node of each line.
    pub(super) of_line: Vec<usize>,
}

pub(super) struct Sources<'a> {
    pub(super) files: Vec<File<'a>>,
    pub(super) nodes: Vec<Node<'a>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    /// By type, methods that are called without their name being said.
    implicit: HashMap<&'a str, Vec<usize>>,
    /// Nodes that each node names.
    pub(super) named: Vec<BTreeSet<usize>>,
    /// Where the program begins.
    pub(super) entries: Vec<usize>,
    /// Functions that look like tests.
    pub(super) tests: BTreeSet<usize>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(
        texts: &'a BTreeMap<RelPath, String>,
        read: &'a [(Vec<Body>, Vec<String>)],
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
            let test = is_test(path.as_str());
            let layout = if test { Layout::new(code) } else { Layout::default() };
            let (handed, line_names) = (layout.handed_over(), Vec::new());
            let mut aside = vec![false; lines.len()];
            for line in handed.iter().flat_map(|(from, to)| *from..=*to) {
                if let Some(aside) = aside.get_mut(line) {
                    *aside = true;
                }
            }
            files.push(File {
                path,
                text: lines,
                code,
                test,
                owned,
                imports,
                layout,
                handed,
                aside,
                line_names,
                top,
                of_line,
            });
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
                    let known = by_name.entry(name).or_default();
                    // Names that are given again and again stand for one place.
                    if known.last() != Some(&of) {
                        known.push(of);
                    }
                }
            }
        }
        let mut implicit: HashMap<&str, Vec<usize>> = HashMap::new();
        for node in IMPLICIT.iter().filter_map(|name| by_name.get(name)).flatten() {
            if let Some(within) = nodes[*node].within {
                implicit.entry(within).or_default().push(*node);
            }
        }
        let tests = tests(&files, &nodes);
        let mut sources = Self { files, nodes, by_name, implicit, named: Vec::new(), entries, tests };
        for file in 0..sources.files.len() {
            if sources.files[file].test {
                let names = (0..sources.files[file].of_line.len()).map(|line| sources.line_names(file, line)).collect();
                sources.files[file].line_names = names;
            }
        }
        sources.named = (0..sources.nodes.len()).map(|node| sources.names(node)).collect();
        sources
    }

    pub(super) fn is_test(&self, node: usize) -> bool {
        self.files[self.nodes[node].file].test
    }

    /// The lines of a node that are no inner one's.
    pub(super) fn lines(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let one = &self.nodes[node];
        (one.lines.0..=one.lines.1).filter(move |line| self.files[one.file].of_line.get(*line) == Some(&node))
    }

    fn names(&self, node: usize) -> BTreeSet<usize> {
        let file = self.nodes[node].file;
        let here = &self.files[file];
        // Who hands tests over runs none of them for what fails in another.
        let runs = |line: &usize| self.tests.contains(&node) || here.aside.get(*line) != Some(&true);
        let lines = self.lines(node).filter(runs);
        let mut named: BTreeSet<usize> = if here.test {
            lines.filter_map(|line| here.line_names.get(line)).flatten().copied().collect()
        } else {
            lines.flat_map(|line| self.line_names(file, line)).collect()
        };
        let implied: Vec<usize> = named.iter().flat_map(|type_| self.implied(*type_)).copied().collect();
        named.extend(implied);
        named.extend(self.before(node));
        named.remove(&node);
        named
    }

    /// What runs before a function of a file of tests.
    pub(super) fn before(&self, node: usize) -> Vec<usize> {
        let one = &self.nodes[node];
        if one.top || !self.files[one.file].test || !one.name.to_lowercase().starts_with("test") {
            return Vec::new();
        }
        let all = BEFORE.iter().filter_map(|name| self.by_name.get(name)).flatten().copied();
        all.filter(|before| self.nodes[*before].file == one.file).collect()
    }

    /// Methods of a type that are called where the type is used.
    pub(super) fn implied(&self, node: usize) -> &[usize] {
        self.implicit.get(self.nodes[node].name).map_or(&[], Vec::as_slice)
    }

    /// What a line names.
    fn line_names(&self, file: usize, line: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let one = &self.files[file];
        let own = one.of_line.get(line).map(|node| &self.nodes[*node]).filter(|node| !node.top);
        for (qualifier, word) in one.code.get(line).map(|code| words(code)).unwrap_or_default() {
            // What it is called itself calls nothing.
            if qualifier.is_some() || own.is_none_or(|own| own.name != word) {
                found.extend(self.meant(qualifier, word, file));
            }
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
        found.sort_unstable();
        found.dedup();
        found
    }

    fn meant(&self, qualifier: Option<&str>, word: &str, from: usize) -> Vec<usize> {
        let Some(all) = self.by_name.get(word).filter(|all| all.len() <= WIDE) else { return Vec::new() };
        // What an interface of the tests stands for is in the tests themselves.
        let of_tests = |node: &&usize| {
            let one = &self.nodes[**node];
            let like = |text: &str| qualifier.is_some_and(|qualifier| text.eq_ignore_ascii_case(qualifier));
            one.data && self.is_test(**node) && one.within.is_some_and(like)
        };
        if let Some(own) = all.iter().find(of_tests).filter(|_| self.files[from].test) {
            return vec![*own];
        }
        // Another package of Go gives only what begins with a capital, and by its own name.
        let seen = |node: &usize| {
            let beside = self.files[self.nodes[*node].file].path.parent() == self.files[from].path.parent();
            beside || qualifier.is_some() && word.starts_with(char::is_uppercase)
        };
        let of_go: Vec<usize>;
        let all = if self.files[from].path.extension() == "go" {
            of_go = all.iter().copied().filter(seen).collect();
            &of_go
        } else {
            all
        };
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
            if !found.is_empty() && self.clear(&found) {
                return found;
            }
            let found = pick(&|node| node.within.is_some() && (here.imports.contains(&node.file) || node.file == from));
            if !found.is_empty() && self.clear(&found) {
                return found;
            }
            // `text.parse()` calls no function of that name, where the language has methods for it.
            let methods = pick(&|node| node.within.is_some());
            let strict = matches!(here.path.extension(), "rs" | "java" | "c" | "h");
            if strict || !methods.is_empty() {
                return self.few(methods);
            }
        } else {
            let of_class = matches!(here.path.extension(), "java" | "kt" | "cs" | "cpp" | "cc" | "cxx" | "hpp");
            let found = pick(&|node| node.file == from && (of_class || node.within.is_none()));
            if !found.is_empty() {
                return found;
            }
        }
        let near = |node: &Node<'_>| {
            here.imports.contains(&node.file) || self.files[node.file].path.parent() == here.path.parent()
        };
        // A field is nothing that is called so without what has it.
        let field = |node: &Node<'_>| {
            qualifier.is_none() && node.data && node.within.is_some() && word.starts_with(char::is_lowercase)
        };
        let all = pick(&|node| !field(node));
        let found: Vec<usize> = all.iter().copied().filter(|node| near(&self.nodes[*node])).collect();
        self.few(if found.is_empty() { all } else { found })
    }

    /// A name that means too much says nothing, but for what is written in this round.
    fn few(&self, mut found: Vec<usize>) -> Vec<usize> {
        if !self.clear(&found) {
            found.retain(|node| self.files[self.nodes[*node].file].owned);
        }
        if self.clear(&found) { found } else { Vec::new() }
    }

    /// Whether a name means few things. A type and what is implemented for it are one.
    fn clear(&self, found: &[usize]) -> bool {
        let meant: BTreeSet<_> = found.iter().map(|node| (self.nodes[*node].file, self.nodes[*node].within)).collect();
        meant.len() <= MEANT
    }
}

/// Functions that look like tests.
fn tests(files: &[File<'_>], nodes: &[Node<'_>]) -> BTreeSet<usize> {
    let is_one = |(_, node): &(usize, &Node<'_>)| {
        let file = &files[node.file];
        let above = node.lines.0.checked_sub(1).and_then(|line| file.text.get(line)).copied().unwrap_or_default();
        let marked = above.trim_start().starts_with("#[") && above.contains("test") || above.contains("@Test");
        // What is only called `test` takes one.
        let named = node.name.to_lowercase().strip_prefix("test").is_some_and(|rest| !rest.is_empty());
        !node.top && file.test && (named || marked)
    };
    nodes.iter().enumerate().filter(is_one).map(|(index, _)| index).collect()
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
mod tests {
    use super::words;

    #[test]
    fn words_have_what_stands_before_them() {
        type Words<'a> = &'a [(Option<&'a str>, &'a str)];
        let table: &[(&str, Words<'_>)] = &[
            ("store.New(now)", &[(None, "store"), (Some("store"), "New"), (None, "now")]),
            ("Money::parse(text)?", &[(None, "Money"), (Some("Money"), "parse"), (None, "text")]),
            ("f().go(p->next)", &[(Some(""), "go"), (Some("p"), "next")]),
            ("12 + x1", &[(None, "x1")]),
        ];
        for (code, expected) in table {
            assert_eq!(words(code), *expected, "{code}");
        }
    }
}
