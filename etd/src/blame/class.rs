//! What kind of error a diagnostic is, which symbol or module it misses, and its fingerprint.

use proto::diagnostic::{Diagnostic, Severity};

use crate::check::diagnostics::pattern::{Pattern, group};
use crate::source::imports::is_test;

/// Kinds of errors, in the order in which they are mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The file can't be parsed; what else is said may follow from that.
    Syntax,
    /// A module, file or import isn't found; what else is said of the file may follow from that.
    Imports,
    /// A symbol isn't found.
    Names,
    /// Everything else that a compiler says.
    Types,
    /// A test that fails.
    Tests,
}

static SYNTAX: Pattern = Pattern::new(
    r"(?x)^(?:syntax\ error | SyntaxError:\ (?:Unexpected|Invalid|missing|Missing|invalid|unterminated|Identifier|'return') | IndentationError | TabError
    | mismatched\ closing\ delimiter | unexpected\ closing\ delimiter | this\ file\ contains\ an\ unclosed | unterminated | unknown\ start\ of\ token
    | expected\ (?:one\ of|item|expression|pattern|type|identifier|operand|declaration|statement|unqualified-id|primary-expression|initializer|constructor|parameter|function\ body|['‘`;,(){}\[\]])
    | expected\ [^:]*,\ found\ | stray\ [‘'] | missing\ terminating | missing\ separator | missing\ '?[;)}] | unbalanced | illegal\ character
    | unknown\ directive | errors?\ parsing\ | failed\ to\ parse\ manifest | string\ values\ must\ be\ quoted | invalid\ TOML | TOML\ parse\ error
    | non-declaration\ statement | string\ literal\ not\ terminated | comment\ not\ terminated | newline\ in\ string | code\ EJSONPARSE | .*\binvalid\ syntax\b | [Pp]arse\ error
    | (?:'.{1,3}'|<\w+>|class,\ .*)(?:\ or\ '.')?\ expected | reached\ end\ of\ file\ while\ parsing | illegal\ start\ of | not\ a\ statement | unclosed\ \w+\ literal | unclosed\ table | Non-parseable\ POM)",
);
static IMPORTS: Pattern = Pattern::new(
    r"(?x)no\ required\ module\ provides | is\ not\ in\ std | cannot\ find\ main\ module | does\ not\ contain\ main\ module | import\ cycle | found\ packages | could\ not\ import
    | missing\ go\.sum | ^unresolved\ import | file\ not\ found\ for\ module | Cannot\ find\ module | ModuleNotFoundError | ImportError | No\ such\ file\ or\ directory | 'file\ not\ found
    | file\ not\ found | does\ not\ provide\ an\ export | has\ no\ exported\ member | no\ matching\ package | No\ rule\ to\ make\ target | is\ not\ a\ package\ path | unresolved\ module
    | ^can't\ find\ (?:bin|lib|library|test|example)\b | ^package\ \S+\ does\ not\ exist | ^Cannot\ find\ implementation\ or\ library\ stub | could\ not\ be\ resolved | Failed\ to\ resolve\ import | Cannot\ find\ source\ file | is\ not\ exported\ by | is\ unknown\ import\ symbol",
);
/// What javac says of an import whose package lacks the class.
static JAVA_IMPORT: Pattern =
    Pattern::new(r"^cannot find symbol\n(?:.*\n)*?symbol: class \w+(?:.*\n)+?location: package ");
static NAMES: Pattern = Pattern::new(
    r"(?x)^undefined: | undefined\ \(type | \bundefined\ reference\b | multiple\ definition\ of | redeclared\ in\ this\ block | ^cannot\ find\ | ^no\ (?:method|function|field|variant|associated)\b
    | Cannot\ find\ name | ^Property\ '[^']+'\ does\ not\ exist | NameError | AttributeError | ReferenceError | undeclared | was\ not\ declared | implicit\ declaration | unknown\ type\ name
    | has\ no\ (?:member|attribute) | ^Undefined\ name | undefined\ symbol: | duplicate\ symbol: | no\ member\ named | ^Cannot\ access\ attribute | is\ not\ a\ known\ attribute | use\ of\ undeclared | is\ not\ defined",
);

/// Whether it is an error because the file can't be parsed.
#[must_use]
pub fn is_syntax(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error && class(diagnostic) == Class::Syntax
}

/// The kind of a diagnostic.
#[must_use]
pub fn class(diagnostic: &Diagnostic) -> Class {
    let message = diagnostic.message.lines().next().unwrap_or_default();
    if test_name(diagnostic).is_some() {
        return Class::Tests;
    }
    match diagnostic.code.as_deref() {
        Some(
            "E0425" | "E0412" | "E0405" | "E0404" | "E0423" | "E0599" | "E0609" | "E0560" | "E0531" | "E0576" | "E0407",
        ) => return Class::Names,
        Some("E0432" | "E0433" | "E0583" | "E0463") => return Class::Imports,
        Some(
            "E0765" | "E0758" | "E0762" | "E0763" | "E0766" | "E0586" | "SyntaxError" | "IndentationError" | "TabError",
        ) => return Class::Syntax,
        Some("TS2307" | "TS2305" | "TS2614" | "TS2724" | "TS6053" | "TS1192") => return Class::Imports,
        Some("TS2304" | "TS2339" | "TS2551" | "TS2552" | "TS2503" | "TS2694") => return Class::Names,
        // 1000 to 1190 are those of the parser.
        Some(code)
            if code
                .strip_prefix("TS")
                .and_then(|number| number.parse::<u32>().ok())
                .is_some_and(|number| (1000..1191).contains(&number)) =>
        {
            return Class::Syntax;
        }
        _ => {}
    }
    // rustc gives its parser's errors no code; a type error with `expected …, found …` has one.
    let coded = diagnostic.code.as_deref().is_some_and(|code| code.starts_with('E') || code.starts_with("TS"));
    if !coded && diagnostic.severity == Severity::Error && SYNTAX.matches(message) {
        Class::Syntax
    } else if IMPORTS.matches(message) || JAVA_IMPORT.matches(&diagnostic.message) {
        Class::Imports
    } else if NAMES.matches(message) {
        Class::Names
    } else if is_check_of_its_own(diagnostic, message) {
        Class::Tests
    } else {
        Class::Types
    }
}

/// Whether a test without a framework says what it expected: no compiler speaks, and it stands in a file of tests.
fn is_check_of_its_own(diagnostic: &Diagnostic, message: &str) -> bool {
    let runner = matches!(diagnostic.tool.as_str(), "make" | "sh" | "npm" | "ctest" | "cmake" | "java");
    runner && diagnostic.code.is_none() && diagnostic.file.as_deref().is_some_and(is_test) && EXPECTED.matches(message)
}

static EXPECTED: Pattern =
    Pattern::new(r"(?i)\b(?:got|want(?:ed)?|expected|actual|assert\w*|fail(?:ed|ure)?|should)\b|!=|==");

/// The name of the test that failed, in the form in which the readers write it.
pub(super) fn test_name(diagnostic: &Diagnostic) -> Option<&str> {
    Some(diagnostic.message.strip_prefix("test ")?.split_once(" failed: ")?.0)
}

/// A symbol that isn't there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) symbol: String,
    /// Whether the message says that the *other* side lacks it (`store.Open`, an import, the linker), not that this file
    /// might have forgotten to import it.
    pub(super) elsewhere: bool,
    /// The package or type that should have it, if the message says so.
    pub(super) holder: Option<String>,
}

/// Each with: whether the other side lacks it; group 1 the symbol, or `holder` and `symbol`.
static MISSING: [(bool, Pattern); 34] = [
    (
        true,
        Pattern::new(
            r"^cannot find symbol\n(?:.*\n)*?symbol: (?:method|variable|constructor) (?P<symbol>\w+)(?:.*\n)+?location: (?:.* of type |class |interface |enum |record )(?:\w+\.)*(?P<holder>\w+)",
        ),
    ),
    (true, Pattern::new(r"^cannot find symbol\n(?:.*\n)*?symbol: class (?P<symbol>\w+)(?:.*\n)+?location: package")),
    (false, Pattern::new(r"^cannot find symbol\n(?:.*\n)*?symbol: \w+ (?P<symbol>\w+)")),
    (true, Pattern::new(r#"^(?:Module )?"(?P<holder>[\w.]+)" has no attribute "(?P<symbol>\w+)""#)),
    (true, Pattern::new(r#"^"(?P<symbol>\w+)" is unknown import symbol"#)),
    (true, Pattern::new(r#"^Cannot access attribute "(?P<symbol>\w+)" for class "(?:type\[)?(?P<holder>\w+)"#)),
    (true, Pattern::new(r#"^"(?P<symbol>\w+)" is not a known attribute of module "(?P<holder>[\w.]+)""#)),
    (false, Pattern::new(r#"^(?:Name )?"(?P<symbol>\w+)" is not defined"#)),
    (false, Pattern::new(r"^Undefined name `(?P<symbol>\w+)`")),
    (true, Pattern::new(r"undefined symbol: (?P<symbol>\w+)")),
    (true, Pattern::new(r"no member named '(?P<symbol>\w+)' in '(?:struct |class )?(?P<holder>\w+)'")),
    (
        true,
        Pattern::new(r"TypeError[^:]*: \(0 ?, ?_?(?P<holder>\w+)\.(?P<symbol>\w+)\) is not a (?:function|constructor)"),
    ),
    (true, Pattern::new(r#"^"(?P<symbol>\w+)" is not exported by "#)),
    (true, Pattern::new(r"^undefined: (?P<holder>\w+)\.(?P<symbol>\w+)")),
    (false, Pattern::new(r"^undefined: (?P<symbol>\w+)")),
    (true, Pattern::new(r"undefined \(type \*?(?P<holder>[\w.]+) has no (?:field or )?method (?P<symbol>\w+)")),
    (true, Pattern::new(r"\(missing method (?P<symbol>\w+)\)")),
    (
        true,
        Pattern::new(
            r"^no (?:method|function|field|variant|associated [a-z ]+)[^`]*`(?P<symbol>\w+)`[^`]*(?:`[&*]*(?:\w+::)*(?P<holder>\w+)[^`]*`)?",
        ),
    ),
    (true, Pattern::new(r"^unresolved imports? `(?:crate::)?(?:[\w:]*::)?(?P<symbol>\w+)`")),
    (
        true,
        Pattern::new(
            r"^cannot find [^`]*`(?P<symbol>\w+)`[^`]* in (?:module |crate |trait |enum |struct )`(?P<holder>\w+)`",
        ),
    ),
    (false, Pattern::new(r"^cannot find [^`]*`(?P<symbol>\w+)`")),
    (true, Pattern::new(r#"has no exported member(?: named)? '(?P<symbol>\w+)'"#)),
    (true, Pattern::new(r"^Property '(?P<symbol>\w+)' does not exist on type '(?P<holder>\w+)")),
    (false, Pattern::new(r"Cannot find name '(?P<symbol>\w+)'")),
    (true, Pattern::new(r"cannot import name '(?P<symbol>\w+)'")),
    (true, Pattern::new(r"'(?P<holder>[\w.]+)'(?: object)? has no attribute '(?P<symbol>\w+)'")),
    (false, Pattern::new(r"name '(?P<symbol>\w+)' is not defined")),
    (true, Pattern::new(r"undefined reference to [`'‘](?P<symbol>\w+)")),
    (true, Pattern::new(r"has no member named [`'‘](?P<symbol>\w+)")),
    (false, Pattern::new(r"[‘'](?P<symbol>\w+)[’'] (?:undeclared|was not declared)")),
    (
        false,
        Pattern::new(
            r"(?:implicit declaration of function|unknown type name|use of undeclared identifier|call to undeclared function) [`'‘](?P<symbol>\w+)",
        ),
    ),
    (true, Pattern::new(r"does not provide an export named '(?P<symbol>\w+)'")),
    (true, Pattern::new(r"TypeError[^:]*: (?P<holder>\w+)\.(?P<symbol>\w+) is not a function")),
    (false, Pattern::new(r"ReferenceError[^:]*: (?P<symbol>\w+) is not defined")),
];

/// The symbol that a diagnostic misses.
pub(super) fn missing(diagnostic: &Diagnostic) -> Option<Missing> {
    MISSING.iter().find_map(|(elsewhere, pattern)| {
        let found = pattern.captures(&diagnostic.message)?;
        let holder =
            found.name("holder").map(|holder| holder.as_str().rsplit('.').next().unwrap_or_default().to_owned());
        // A class that misses something of its own may as well call what is another's.
        let own = holder.is_some() && holder.as_deref() == diagnostic.file.as_deref().map(stem);
        Some(Missing { symbol: found.name("symbol")?.as_str().to_owned(), elsewhere: *elsewhere && !own, holder })
    })
}

/// Whether a message speaks of something that begins with a capital, its own first word apart: a type, and no package.
pub(super) fn names_type(diagnostic: &Diagnostic) -> bool {
    let words = diagnostic.message.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.skip(1).any(|word| word.starts_with(char::is_uppercase))
}

/// What a module is called by its file.
pub(super) fn module(path: &str) -> &str {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    match stem(path) {
        "mod" | "index" | "__init__" if !parent.is_empty() => stem(parent),
        stem => stem,
    }
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

static DUPLICATE: [Pattern; 8] = [
    Pattern::new(r"^the name `(\w+)` is defined multiple times"),
    Pattern::new(r"^conflicting implementations of trait `[^`]+` for type `[&*]?(?:\w+::)*(\w+)"),
    Pattern::new(r"^(\w+) redeclared in this block"),
    Pattern::new(r"multiple definition of [`'‘](\w+)"),
    Pattern::new(r"duplicate symbol: (?:\S+: \S+: )?(\w+)"),
    Pattern::new(r"redefinition of [`'‘](?:struct |class |union |enum )?(\w+)"),
    Pattern::new(r"^duplicate class: (?:\w+\.)*(\w+)"),
    Pattern::new(r"^(?:Duplicate identifier|Cannot redeclare block-scoped variable) '(\w+)'"),
];

/// The symbol that is defined twice.
pub(super) fn duplicate(diagnostic: &Diagnostic) -> Option<String> {
    DUPLICATE.iter().find_map(|pattern| Some(group(&pattern.captures(&diagnostic.message)?, 1).to_owned()))
}

static MODULES: [Pattern; 14] = [
    Pattern::new(r#"Failed to resolve import "([^"]+)""#),
    Pattern::new(r"Cannot find source file:\s+([\w./+-]+)"),
    Pattern::new(r#"^Import "([\w.]+)" could not be resolved"#),
    Pattern::new(r"no required module provides package ([^\s;:]+)"),
    Pattern::new(r"package (\S+) is not in std"),
    Pattern::new(r"Cannot find module '([^']+)'"),
    Pattern::new(r"No module named '([^']+)'"),
    Pattern::new(r"file not found for module `(\w+)`"),
    Pattern::new(r"^['‘]?([\w./+-]+\.\w+)['’]?:? (?:No such file or directory|file not found)"),
    Pattern::new(r"No rule to make target '([^']+)'"),
    Pattern::new(r"File '([^']+)' not found"),
    Pattern::new(r"can't find (?:bin|lib|example|test) `[^`]+` at path `([^`]+)`"),
    Pattern::new(r"could not find `(Cargo\.toml)`"),
    Pattern::new(r"(?m)^(go\.mod) is missing$"),
];

/// The module or file that isn't there, as the tool prints it.
pub(super) fn missing_module(diagnostic: &Diagnostic) -> Option<String> {
    MODULES.iter().find_map(|pattern| Some(group(&pattern.captures(&diagnostic.message)?, 1).to_owned()))
}

static HEX: Pattern = Pattern::new(r"0x[0-9a-fA-F]+");
static ABSOLUTE: Pattern = Pattern::new(r"(?:file://)?/(?:[\w.@+-]+/)+([\w.@+-]+)");
static DIGITS: Pattern = Pattern::new(r"\d+");
static SPACE: Pattern = Pattern::new(r"\s+");

/// What stays the same when the same error comes back: no line numbers, no absolute paths, digits folded.
#[must_use]
pub fn fingerprint(diagnostic: &Diagnostic) -> String {
    // With a place the first line tells errors apart; without one the message is the end of a log.
    let message = match diagnostic.file {
        Some(_) => diagnostic.message.lines().next().unwrap_or_default(),
        None => diagnostic.message.as_str(),
    };
    let message = HEX.replace_all(message, "#");
    let message = ABSOLUTE.replace_all(&message, "$1");
    let message = DIGITS.replace_all(&message, "#");
    let message = SPACE.replace_all(message.trim(), " ");
    let message: String = message.chars().take(600).collect();
    format!("{}|{}|{message}", diagnostic.file.as_deref().unwrap_or("-"), diagnostic.code.as_deref().unwrap_or("-"))
}
