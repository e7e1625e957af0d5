//! Signatures as planners write them: which symbol one is about, and whether two say the same. Lenient: what isn't understood is no
//! signature, and differs from nothing.

use std::collections::BTreeSet;

/// Words that stand before a definition and say nothing of its shape.
const MODIFIERS: &[&str] = &[
    "pub",
    "pub(crate)",
    "pub(super)",
    "export",
    "default",
    "async",
    "unsafe",
    "static",
    "public",
    "private",
    "protected",
    "final",
    "abstract",
    "override",
    "extern",
    "inline",
    "declare",
    "virtual",
    "constexpr",
];

/// Words that begin a definition.
const KEYWORDS: &[&str] = &[
    "func",
    "fn",
    "def",
    "function",
    "class",
    "struct",
    "enum",
    "trait",
    "interface",
    "type",
    "record",
    "const",
    "let",
    "var",
    "val",
    "union",
    "typedef",
    "namespace",
    "macro_rules!",
];

/// A signature, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// What it defines.
    pub(super) symbol: String,
    /// The type that a method belongs to, or the module before the name.
    pub(super) holder: Option<String>,
    /// Its text in a form that can be compared.
    text: String,
    /// Whether it says more than a name.
    detailed: bool,
    /// Whether it can be called.
    callable: bool,
    /// Whether it begins with the word for a definition.
    keyword: bool,
}

fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(|first| first.is_alphabetic() || "_$".contains(first))
        && word.chars().all(|c| c.is_alphanumeric() || "_$".contains(c))
}

/// The name that a text begins with.
fn leading(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_$".contains(c))).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The name that a text ends with, and what stands before it, if that is a holder.
fn trailing(text: &str) -> (&str, Option<&str>) {
    let start = text
        .rfind(|c: char| !(c.is_alphanumeric() || "_$".contains(c)))
        .map_or(0, |at| at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let name = text.get(start..).unwrap_or_default();
    let before = text.get(..start).unwrap_or_default();
    let before = before.strip_suffix('.').or_else(|| before.strip_suffix("::")).or_else(|| before.strip_suffix('#'));
    (name, before.map(|before| trailing(before).0).filter(|holder| !holder.is_empty()))
}

impl Signature {
    /// Reads one; none if it isn't understood as code.
    pub(super) fn read(text: &str) -> Option<Self> {
        let line = text.trim().trim_matches('`').lines().next()?.trim();
        let line = line.split(" // ").next().unwrap_or(line);
        let head = line.split('{').next().unwrap_or(line).trim().trim_end_matches([';', ':', ',']);
        let mut rest = head;
        while let Some((_, after)) = rest.split_once(' ').filter(|(word, _)| MODIFIERS.contains(word)) {
            rest = after.trim_start();
        }
        let keyword = rest.split(' ').next().filter(|word| KEYWORDS.contains(word));
        let compared = rest;
        let mut holder = None;
        let symbol = if let Some(keyword) = keyword {
            rest = rest.get(keyword.len()..).unwrap_or_default().trim_start();
            if let Some((receiver, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                // A method in Go: its receiver stands before the name.
                let of = receiver.split('[').next().unwrap_or(receiver);
                holder = Some(trailing(of.trim()).0.to_owned());
                rest = after.trim_start();
            }
            let name = leading(rest);
            match rest.get(name.len()..).and_then(|after| after.strip_prefix('.').or_else(|| after.strip_prefix("::")))
            {
                Some(after) => {
                    holder = Some(name.to_owned());
                    leading(after)
                }
                None => name,
            }
        } else if let Some((before, _)) = rest.split_once('(') {
            let before = before.split('<').next().unwrap_or(before);
            let (name, of) = trailing(before);
            holder = of.map(str::to_owned);
            name
        } else if rest.split_whitespace().count() == 1 {
            let (name, of) = trailing(rest);
            holder = of.map(str::to_owned);
            name
        } else {
            // `MAX: int`
            rest.split_once([':', '=']).map(|(name, _)| name.trim()).filter(|name| is_name(name))?
        };
        if !is_name(symbol) || head.contains('/') && keyword.is_none() {
            return None;
        }
        // From the name on; before it stand a keyword and a holder, or a type, which counts.
        let typed = keyword.is_none() && holder.is_none();
        let shape = compared.find(symbol).filter(|_| !typed).and_then(|at| compared.get(at..)).unwrap_or(compared);
        Some(Self {
            symbol: symbol.to_owned(),
            holder: holder.filter(|holder| is_name(holder)),
            text: squeezed(shape),
            detailed: keyword.is_some() || compared.contains('('),
            callable: compared.contains('('),
            keyword: keyword.is_some(),
        })
    }

    /// Whether it is about the same thing as another.
    pub(super) fn same_symbol(&self, other: &Self) -> bool {
        self.symbol == other.symbol
            && match (&self.holder, &other.holder) {
                (Some(one), Some(two)) => one == two,
                _ => true,
            }
    }

    /// Whether two of the same symbol can't both be right. Only what can be called is compared, letter by letter but for white space.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.callable && other.callable && self.text != other.text && !self.abridges(other) && !other.abridges(self)
    }

    /// Whether it is written like another with its end or its beginning left out.
    fn abridges(&self, other: &Self) -> bool {
        other.text.starts_with(&self.text) || other.text.ends_with(&self.text)
    }

    /// Whether it is meant as something that somebody in the project defines: a bare name may come from a library.
    pub(super) fn is_ours(&self) -> bool {
        self.detailed && self.holder.as_ref().is_none_or(|holder| holder.starts_with(char::is_uppercase))
    }
}

/// A text without white space, but for one space between words.
fn squeezed(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    let part = |c: char| c.is_alphanumeric() || c == '_';
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && part(c) && out.chars().next_back().is_some_and(part) {
            out.push(' ');
        }
        gap = false;
        out.push(c);
    }
    out
}

/// The symbol that a signature is about, if it is one and not a bare name that may come from a library.
pub(crate) fn symbol(signature: &str) -> Option<String> {
    Signature::read(signature).filter(Signature::is_ours).map(|signature| signature.symbol)
}

/// All names in a text.
pub(super) fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect()
}

/// Whether a source defines a symbol. None if that can't be told, as its language has no word for it.
pub(crate) fn defines(path: &str, source: &str, symbol: &str) -> Option<bool> {
    let told = ["go", "rs", "py", "ts", "tsx", "js", "jsx", "mjs", "cjs"];
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !told.contains(&extension) {
        return None;
    }
    let line_defines = |line: &str| {
        words(line).contains(symbol)
            && (Signature::read(line).is_some_and(|one| one.keyword && one.symbol == symbol)
                || line.trim_start().starts_with("export {")
                // Methods of a class, members of an interface or of a Go `type (` group.
                || leading(line.trim_start().trim_start_matches("async ")) == symbol)
    };
    Some(source.lines().any(line_defines))
}
