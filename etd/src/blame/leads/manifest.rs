//! Errors that a manifest may have caused: what tools say when it forgets a file, a library, a version or an option. Pure.

use proto::diagnostic::{Diagnostic, Related};

use super::tree::{LIKELY, Tree};
use crate::blame::class;
use crate::check::diagnostics::IS_THERE;
use crate::check::diagnostics::pattern::{Pattern, group};
use crate::relpath::RelPath;
use crate::source::words::{self, mentions};

/// Names of manifests, with the endings of the sources that they are about.
const MANIFESTS: [(&[&str], &[&str]); 7] = [
    (&["go.mod"], &[".go"]),
    (&["Cargo.toml"], &[".rs"]),
    (&["tsconfig.json"], &[".ts", ".tsx", ".mts"]),
    (&["package.json"], &[".ts", ".tsx", ".mts", ".js", ".mjs", ".cjs", ".jsx"]),
    (&["pyproject.toml", "setup.cfg", "setup.py"], &[".py"]),
    (&["Makefile", "makefile", "GNUmakefile", "CMakeLists.txt"], &[".c", ".h", ".cc", ".cpp", ".hpp", ".cxx"]),
    (&["pom.xml", "build.gradle", "build.gradle.kts"], &[".java", ".kt"]),
];

/// Each with the manifest that it means.
static TELLING: [(&str, Pattern); 16] = [
    ("go.mod", Pattern::new(r"requires go ?1\.\d+ or later|go: updates to go\.mod needed|requires newer Go version")),
    ("Cargo.toml", Pattern::new(r"environment variable `CARGO_BIN_EXE_|can't find crate for `")),
    (
        "Cargo.toml",
        Pattern::new(r"gated behind the `[^`]+` feature|item is gated|was configured out|is configured out"),
    ),
    ("Cargo.toml", Pattern::new(r"only allowed in Rust 20\d\d|use of undeclared crate|edition 20\d\d")),
    (
        "tsconfig.json",
        Pattern::new(
            r"'(?:lib|target|module|moduleResolution|jsx|types|esModuleInterop|downlevelIteration|allow\w+|resolve\w+)' compiler option",
        ),
    ),
    (
        "tsconfig.json",
        Pattern::new(
            r"change your target library|--(?:target|lib|downlevelIteration|jsx|esModuleInterop|module)\b.*(?:flag|option|set)|the '--\w+' (?:flag|option)|or when targeting",
        ),
    ),
    (
        "tsconfig.json",
        Pattern::new(
            r"types? field in your tsconfig|Cannot find type definition file|No inputs were found in config file",
        ),
    ),
    (
        "package.json",
        Pattern::new(
            r"Cannot use import statement outside a module|ES module scope|To load an ES module|Unexpected token 'export'",
        ),
    ),
    (
        "package.json",
        Pattern::new(
            r"Missing script|ERR_PACKAGE_PATH_NOT_EXPORTED|is not defined by \x22exports\x22|npm i --save-dev|try `npm i",
        ),
    ),
    ("pyproject.toml", Pattern::new(r"pyproject\.toml")),
    ("Makefile", Pattern::new(r"DSO missing from command line")),
    (
        "Makefile",
        Pattern::new(
            r"undefined reference to [`'‘](?:a?(?:sin|cos|tan)h?f?|atan2f?|powf?|sqrtf?|cbrtf?|floorf?|ceilf?|roundf?|truncf?|fmodf?|fminf?|fmaxf?|expf?|exp2f?|log(?:2|10|1p)?f?|hypotf?|lroundf?|nearbyintf?|rintf?|modff?|fabsf?)['’]",
        ),
    ),
    ("Makefile", Pattern::new(r"undefined reference to [`'‘](?:pthread_|sem_|dlopen|dlsym|clock_gettime|shm_open)")),
    ("Makefile", Pattern::new(r"No rule to make target")),
    (
        "pom.xml",
        Pattern::new(r"package \S+ does not exist|release version \d+ not supported|are not supported in -source"),
    ),
    ("Cargo.toml", Pattern::new(r"no matching package|failed to parse manifest|can't find (?:bin|lib|test|example)")),
];

static LINKED: Pattern = Pattern::new(r"undefined reference to [`'‘](\w+)|undefined symbol: (\w+)");
static CRATE: Pattern =
    Pattern::new(r"(?:unresolved import|module or crate|could not find `\w+` in) `(\w+)(?:::(\w+))?");
static UNLINKED: Pattern = Pattern::new(r"unlinked crate `(\w+)`");
/// Modules of Rust's standard library: a file that names one as a crate forgot to import it.
const STD: [&str; 36] = [
    "any",
    "array",
    "borrow",
    "boxed",
    "cell",
    "char",
    "cmp",
    "collections",
    "convert",
    "env",
    "error",
    "ffi",
    "fmt",
    "fs",
    "future",
    "hash",
    "io",
    "iter",
    "marker",
    "mem",
    "net",
    "num",
    "ops",
    "path",
    "pin",
    "process",
    "ptr",
    "rc",
    "slice",
    "str",
    "string",
    "sync",
    "task",
    "thread",
    "time",
    "vec",
];
static GO_PACKAGE: Pattern = Pattern::new(r"(?:providing|provides) package ([^\s;:]+)|package (\S+) is not in std");
static JS_PACKAGE: Pattern = Pattern::new(r"Cannot find (?:module|package) '([^'./][^']*)'");
static QUOTED: Pattern = Pattern::new(r#"['"]([^'"\s]{3,80})['"]"#);

/// The manifests that an error may come from.
pub(super) fn leads(tree: &Tree<'_>, diagnostic: &Diagnostic, all: &[Diagnostic]) -> Vec<Related> {
    let mut out = Vec::new();
    let mut add = |path: Option<&RelPath>, why: &str| {
        if let Some(path) = path.filter(|path| diagnostic.file.as_deref() != Some(path.as_str())) {
            out.push(Related { file: path.to_string(), line: None, message: why.to_owned() });
        }
    };
    let likely = |why: &str| format!("{LIKELY}{why}");
    let file = diagnostic.file.as_deref();
    let words = diagnostic.related.iter().map(|place| place.message.as_str());
    let said: String = std::iter::once(diagnostic.message.as_str()).chain(words).collect::<Vec<_>>().join("\n");
    for (name, pattern) in &TELLING {
        // `-lm` helps only where no file of the tree was to define it.
        if pattern.matches(&said) {
            let path = nearest(tree, file, |one| one == *name || *name == "Makefile" && one == "CMakeLists.txt");
            add(path, &likely("the message is about what stands in it"));
        }
    }
    let of_std = |found: &str| STD.contains(&found);
    if let Some(found) = UNLINKED.captures(&said).filter(|found| !of_std(group(found, 1))) {
        let path = nearest(tree, file, |one| one == "Cargo.toml");
        add(path, &likely(&format!("no crate `{}` is said there", group(&found, 1))));
    }
    if let Some(found) = LINKED.captures(&diagnostic.message) {
        let symbol = [group(&found, 1), group(&found, 2)].concat();
        link(tree, diagnostic, &symbol, &mut out);
    } else if let Some(found) = CRATE.captures(&diagnostic.message) {
        let path = nearest(tree, file, |one| one == "Cargo.toml");
        let modules = |name: &str| {
            tree.texts.keys().any(|path| {
                path.as_str().ends_with(&format!("{name}.rs")) || path.as_str().ends_with(&format!("{name}/mod.rs"))
            })
        };
        let own = path.and_then(|path| tree.texts.get(path)).is_some_and(|text| {
            mentions(&text.replace('-', "_"), group(&found, 1))
                && !matches!(group(&found, 1), "crate" | "self" | "super")
        });
        if matches!(group(&found, 1), "crate" | "self" | "super")
            || of_std(group(&found, 1))
            || modules(group(&found, 1)) && group(&found, 2).is_empty()
        {
            // A path within the crate.
        } else if group(&found, 2).is_empty() || own && gated(tree, group(&found, 2)) {
            push(&mut out, path, &likely("names, features and dependencies of crates are said here"));
        }
    } else if let Some(found) = GO_PACKAGE.captures(&diagnostic.message) {
        let package = [group(&found, 1), group(&found, 2)].concat();
        let path = nearest(tree, file, |one| one == "go.mod");
        if path.is_some() && renamed(tree, &package, path) {
            push(&mut out, path, &likely("the module is called otherwise than its packages are imported"));
        }
    } else if let Some(found) = JS_PACKAGE.captures(&diagnostic.message) {
        let name = group(&found, 1);
        let path = nearest(tree, file, |one| one == "package.json");
        let own = path.and_then(|path| tree.texts.get(path)).is_some_and(|text| text.contains(&format!("\"{name}\"")));
        let words =
            if own { likely("it says what the package offers and needs") } else { "the package's manifest".to_owned() };
        push(&mut out, path, &words);
    }
    if let Some(header) = diagnostic.message.strip_suffix(": No such file or directory").filter(|_| {
        // A header that is there, by just its name, and isn't found: it is the search path that lacks.
        diagnostic.related.iter().any(|place| place.message.contains(IS_THERE))
    }) && !header.contains('/')
    {
        let path = nearest(tree, file, |one| matches!(one, "Makefile" | "CMakeLists.txt" | "GNUmakefile" | "makefile"));
        push(&mut out, path, &likely("it says where headers are looked for"));
    }
    if out.iter().any(|one| one.message.starts_with(LIKELY)) {
        // What the symbol was taken from tells which library it is in.
        out.extend(headers(tree, diagnostic));
    }
    tested(tree, diagnostic, &mut out);
    // What isn't found at all, and what names no place, may be the manifest's.
    let lost = class::class(diagnostic) == class::Class::Imports || file.is_none();
    if lost && out.is_empty() && all.len() <= 40 {
        let path = nearest(tree, file, |_| true);
        push(&mut out, path, "the manifest");
    }
    out.retain(|lead| Some(lead.file.as_str()) != file || lead.line.is_some());
    out
}

fn push(out: &mut Vec<Related>, path: Option<&RelPath>, why: &str) {
    if let Some(path) = path
        && out.iter().all(|one| one.file != path.as_str())
    {
        out.push(Related { file: path.to_string(), line: None, message: why.to_owned() });
    }
}

/// The manifest nearest above a file; for none, that of the tree if there is one.
fn nearest<'a>(tree: &Tree<'a>, file: Option<&str>, named: impl Fn(&str) -> bool) -> Option<&'a RelPath> {
    let about = |path: &RelPath| {
        MANIFESTS.iter().any(|(names, ends)| {
            names.contains(&path.file_name()) && file.is_none_or(|file| ends.iter().any(|end| file.ends_with(end)))
        })
    };
    let above = |path: &RelPath| {
        let dir = path.parent();
        dir.is_empty() || file.is_none_or(|file| file.starts_with(&format!("{dir}/")))
    };
    tree.texts
        .keys()
        .filter(|path| named(path.file_name()) && about(path) && above(path))
        .max_by_key(|path| path.parent().len())
}

/// Whether a Makefile or its like compiles a source: names it, or all that are there.
fn compiles(text: &str, stem: &str) -> bool {
    let named = words::has(text, &format!("{stem}."), words::in_file_name, |_| false);
    named || text.lines().any(|line| ["wildcard", "GLOB"].iter().any(|word| line.contains(word)) && line.contains(".c"))
}

/// A symbol that the linker misses: in a source that isn't linked, or nowhere though a header declares it.
fn link(tree: &Tree<'_>, diagnostic: &Diagnostic, symbol: &str, out: &mut Vec<Related>) {
    let source = |path: &RelPath| [".c", ".cc", ".cpp", ".cxx"].iter().any(|end| path.as_str().ends_with(end));
    let definitions = tree.definitions(symbol, "");
    let makefile =
        nearest(tree, diagnostic.file.as_deref(), |one| !matches!(one, "go.mod" | "Cargo.toml" | "package.json"));
    let mut defined = definitions.iter().filter(|(path, _)| source(path));
    if let Some((path, found)) = defined.next() {
        let name = path.file_name();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let text = makefile.and_then(|path| tree.texts.get(path)).map_or("", String::as_str);
        let compiled = compiles(text, stem);
        let why = format!("{path} defines `{symbol}`, and isn't linked");
        push(out, makefile, &if compiled { why } else { format!("{LIKELY}{why}") });
        let message = format!("`{symbol}` is defined here");
        out.push(Related { file: path.to_string(), line: Some(found.line), message });
        return;
    }
    // Who declares it should define it.
    let declared = definitions.iter().find(|(path, _)| !source(path));
    let provider = tree.subtasks.iter().find(|one| one.provides.iter().any(|signature| mentions(signature, symbol)));
    if let Some((header, found)) = declared {
        let name = header.file_name();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let beside = tree
            .texts
            .keys()
            .find(|path| source(path) && path.file_name().rsplit_once('.').is_some_and(|(one, _)| one == stem));
        let mine = |path: &RelPath| provider.is_none_or(|one| tree.owners.owner_of(path) == Some(one.id.as_str()));
        if let Some(beside) = beside.filter(|path| mine(path)) {
            let message = format!("{LIKELY}{header} declares `{symbol}`, and nothing defines it");
            out.push(Related { file: beside.to_string(), line: None, message });
        }
        let message = format!("`{symbol}` is declared here");
        out.push(Related { file: header.to_string(), line: Some(found.line), message });
    }
    if let Some(provider) = provider {
        // Of what it owns, the file that is named like the symbol, or else its sources.
        let own = tree.owners.files_of(&provider.id);
        let sources: Vec<&RelPath> = own.iter().filter(|path| source(path)).collect();
        let stem =
            |path: &RelPath| path.file_name().rsplit_once('.').map(|(stem, _)| stem.to_owned()).unwrap_or_default();
        let like = sources
            .iter()
            .filter(|path| stem(path).contains(symbol) || symbol.contains(&stem(path)))
            .max_by_key(|path| (stem(path) == symbol, stem(path).len()));
        if let Some(path) = like.or_else(|| sources.first())
            && out.iter().all(|one| one.file != path.as_str())
        {
            let message = format!("{LIKELY}`{symbol}` belongs here, and nothing defines it");
            out.push(Related { file: path.to_string(), line: None, message });
        }
    }
}

/// Where the libraries' headers are included that a symbol which the linker misses may come from.
fn headers(tree: &Tree<'_>, diagnostic: &Diagnostic) -> Option<Related> {
    let found = LINKED.captures(&diagnostic.message)?;
    let symbol = [group(&found, 1), group(&found, 2)].concat();
    let wanted = if symbol.starts_with("pthread_") { "<pthread.h>" } else { "<math.h>" };
    let file = diagnostic.file.as_deref();
    let uses = |path: &RelPath, text: &str| file.map_or_else(|| mentions(text, &symbol), |file| path.as_str() == file);
    tree.texts.iter().filter(|(path, text)| uses(path, text)).find_map(|(path, text)| {
        let line = text.lines().position(|line| line.starts_with("#include") && line.contains(wanted))?;
        let line = u32::try_from(line + 1).ok();
        Some(Related { file: path.to_string(), line, message: format!("`{symbol}` comes from this library") })
    })
}

/// Whether a module of a crate is there only with a feature.
fn gated(tree: &Tree<'_>, module: &str) -> bool {
    tree.texts.iter().filter(|(path, _)| path.extension() == "rs").any(|(_, text)| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| {
            pair[0].starts_with("#[cfg(")
                && pair[0].contains("feature")
                && pair[1].contains("mod ")
                && mentions(pair[1], module)
        })
    })
}

/// Whether most of the tree's imports of its own packages name another module than the manifest does.
fn renamed(tree: &Tree<'_>, package: &str, manifest: Option<&RelPath>) -> bool {
    let Some(module) = manifest
        .and_then(|path| tree.texts.get(path))
        .and_then(|text| text.lines().find_map(|line| line.trim().strip_prefix("module ")))
    else {
        return false;
    };
    let module = module.trim().trim_matches('"');
    // The end of the package's path that is a dir of the tree.
    let dirs = |dir: &str| tree.texts.keys().any(|path| path.extension() == "go" && path.parent() == dir);
    let Some(at) = package.match_indices('/').map(|(at, _)| at).find(|at| dirs(&package[at + 1..])) else {
        return false;
    };
    let prefix = &package[..at];
    let count = |prefix: &str| {
        let wanted = format!("\"{prefix}/");
        tree.texts
            .iter()
            .filter(|(path, _)| path.extension() == "go")
            .filter(|(_, text)| text.contains(&wanted))
            .count()
    };
    prefix != module && count(prefix) > count(module)
}

/// A test that reads a manifest, and fails over what stands or doesn't stand there.
fn tested(tree: &Tree<'_>, diagnostic: &Diagnostic, out: &mut Vec<Related>) {
    if class::class(diagnostic) != class::Class::Tests {
        return;
    }
    let places = diagnostic.file.iter().chain(diagnostic.related.iter().map(|place| &place.file));
    let texts: Vec<&String> = places.filter_map(|file| tree.texts.get(&RelPath::parse(file).ok()?)).collect();
    for (path, manifest) in
        tree.texts.iter().filter(|(path, _)| MANIFESTS.iter().any(|(names, _)| names.contains(&path.file_name())))
    {
        let quoted = [
            format!("\"{}\"", path.file_name()),
            format!("'{}'", path.file_name()),
            format!("/{}\"", path.file_name()),
        ];
        let Some(text) = texts.iter().find(|text| quoted.iter().any(|one| text.contains(one.as_str()))) else {
            continue;
        };
        let message = &diagnostic.message;
        let values: Vec<&str> = QUOTED.all(message).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        let lacks =
            message.contains("KeyError") && values.iter().any(|key| !mentions(manifest, key) && text.contains(key));
        let says = values.iter().any(|value| manifest.contains(value) && !text.contains(value));
        if lacks || says {
            let why = format!("{LIKELY}the test reads it, and this is about what it says");
            push(out, Some(path), &why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compiles;

    #[test]
    fn what_a_makefile_compiles() {
        let table = [
            ("OBJ = build/test_lexer.o\n", "test_lexer", true),
            ("OBJ = build/test_lexer.o\n-include $(wildcard build/*.d)\n", "lexer", false),
            ("SRC = $(wildcard src/*.c)\n", "lexer", true),
            ("file(GLOB SOURCES src/*.cpp)\n", "lexer", true),
            ("add_executable(a main.c lexer.c)\n", "lexer", true),
        ];
        for (text, stem, expected) in table {
            assert_eq!(compiles(text, stem), expected, "{text}");
        }
    }
}
