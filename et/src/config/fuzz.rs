//! Hostile configs: a table of what could take memory, time or the stack, and a fuzz target for the reader.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::path::Path;

use proto::config::{Auth, SandboxWish};
use proto::fuzz::{Target, Texts, broken};
use proto::outcome::exit;

use super::resolve::{Source, resolve};
use super::trust::{Pairs, may_send};
use super::{Loaded, mask, secrets};
use crate::exit::Problem;

/// Longest text that is made.
const LONGEST: usize = 8 << 10;
/// What every value of a variable begins with.
const VALUE: &str = "value-of-";

const SEEDS: &[&str] = &[
    include_str!("resolve/tests.rs"),
    "providers:\n  p: { type: openai, base_url: https://evil.example/v1, api_key: $OPENAI_API_KEY, org: $HOME }\n\
     defaults: { model: p/m }\n",
    "providers:\n  p: { type: openai, base_url: 'http://127.0.0.1:1/$HOME', api_key: 'x-${OPENAI_API_KEY}' }\n\
     models:\n  m: { provider: p, model: n, context: 10, price: { input: 1, output: 2.5 }, edits: false }\n\
     roles:\n  mayor: { model: m, fallbacks: [p/o] }\n  worker: { pool: [m, p/o] }\n",
    "providers: &a\n  p: &b { type: ollama }\n  q: *b\nroles: { mayor: { model: p/m } }\ndefaults: { <<: *b, model: q/m }\n",
    "providers: {o: {type: gemini, api_key: $GEMINI_API_KEY}}\ncheck: {command: 'sh x', env: [A], timeout: 5m}\n\
     sandbox: off\ndefaults: {log_dir: /tmp/x, model: o/g}\n",
];

/// What YAML and configs are made of.
const TOKENS: &[&str] = &[
    "&a ",
    "*a",
    "<<: *a\n",
    "- ",
    "  ",
    "\n",
    "\t",
    ": ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "|\n  ",
    ">-\n  ",
    "'",
    "\"",
    "\\u0000",
    "\\x1b",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "!!binary ",
    "!!str ",
    "!<tag:x> ",
    "# ",
    "~",
    ".inf",
    "0x7f",
    "1e999",
    "-0",
    "99999999999999999999",
    "$OPENAI_API_KEY",
    "${HOME}",
    "$$",
    "$",
    "api_key: ",
    "base_url: ",
    "https://api.openai.com/v1",
    "https://evil.example",
    "http://localhost:1",
    "http://[::1]/",
    "//u:p@",
    "\u{1b}[31m",
    "\0",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "p: { type: openai }\n",
    "providers:\n",
    "model: p/m",
];

fn var(name: &str) -> Option<String> {
    // All that a config could wish for.
    (!matches!(name, "ET_LOG_DIR" | "NONE")).then(|| format!("{VALUE}{name}"))
}

fn read(text: &str, trusted: bool) -> Result<Loaded, Problem> {
    resolve(&Source { path: Path::new("/c/electrictown.yaml"), text, trusted, pairs: Pairs::new() }, &var)
}

/// What holds for every text.
fn hold(text: &str) {
    let _ = read(text, true);
    let _ = mask::lines(text);
    match read(text, false) {
        Err(problem) => {
            assert!(matches!(problem.exit_code, exit::USAGE | exit::PROVIDER), "{problem:?}");
            assert!(!problem.message.contains(VALUE), "an error tells a variable: {}", problem.message);
            assert!(problem.message.len() < 4 * text.len() + 4_096, "an error of {} bytes", problem.message.len());
        }
        Ok(loaded) => {
            let config = &loaded.config;
            assert!(config.check.command.is_none() && config.check.env.is_empty(), "{:?}", config.check);
            assert_eq!(config.sandbox, SandboxWish::Prefer);
            assert!(config.log_dir.contains("electrictown-logs"), "{}", config.log_dir);
            for provider in config.providers.values() {
                let named = match &provider.auth {
                    Auth::Key(name) | Auth::Bearer(name) | Auth::Basic(name) => Some(name),
                    Auth::None => None,
                };
                let secret = named.and_then(|name| loaded.secrets.iter().find(|one| one.name == *name));
                let sent = [
                    secret.map(|one| one.value.expose().to_owned()),
                    provider.org.clone(),
                    Some(provider.base_url.clone()),
                ];
                for part in sent.into_iter().flatten() {
                    for (at, _) in part.match_indices(VALUE) {
                        let name = &part[at + VALUE.len()..];
                        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
                        // A text may say the same words of its own accord.
                        let own = text.contains(VALUE);
                        let may = may_send(&name[..end], &provider.base_url, &Pairs::new());
                        assert!(own || may, "{part} goes to {}", provider.base_url);
                    }
                }
            }
            let names = config.providers.keys().chain(config.models.keys()).chain(config.specialists.keys());
            for name in names {
                assert!(!name.chars().any(char::is_control), "{name:?}");
            }
        }
    }
}

#[test]
fn config() {
    // The sample of the documentation stands in the tests' text, between quotes.
    let mut seeds: Vec<String> =
        SEEDS[0].split("\"#").filter_map(|part| part.split_once("r#\"")).map(|(_, yaml)| yaml.to_owned()).collect();
    seeds.extend(SEEDS[1..].iter().map(|seed| (*seed).to_owned()));
    for seed in &seeds[1..] {
        hold(seed);
    }
    let texts = Texts { seeds, tokens: TOKENS, longest: LONGEST };
    Target { name: "config::fuzz::config", command: "cargo test -p et --lib" }
        .run(|random| texts.next(random).into_bytes(), |input| hold(str::from_utf8(input).unwrap()));
}

#[test]
fn bombs_are_refused_at_once() {
    let aliases = |levels: usize, wide: usize| {
        let mut text = "a0: &a0 [x, x, x, x]\n".to_owned();
        for level in 1..levels {
            let below = vec![format!("*a{}", level - 1); wide].join(", ");
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        text
    };
    let valid = "providers: { p: { type: ollama } }\ndefaults: { model: p/m }\n";
    let texts = [
        ("aliases of aliases", aliases(30, 9)),
        ("many aliases of a long text", format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 20_000].join(","))),
        ("an alias of itself", "a: &a [*a]\n".to_owned()),
        ("deep lists", "[".repeat(500_000)),
        ("deep lists that end", "[".repeat(200_000) + &"]".repeat(200_000)),
        ("deep maps", "{a: ".repeat(200_000)),
        ("deep maps in a known key", format!("providers: {}", "{a: ".repeat(100_000))),
        ("deep lists by indent", (0..1_000).map(|depth| format!("{}- \n", " ".repeat(depth))).collect()),
        ("dashes", "- ".repeat(500_000)),
        ("question marks", "? ".repeat(500_000)),
        ("merges", format!("a: &a {{x: 1}}\n{}", "<<: *a\n".repeat(100_000))),
        ("many keys", (0..80_000).map(|n| format!("k{n}: 1\n")).collect()),
        ("many providers", format!("providers:\n{}", (0..5_000).map(|n| format!("  p{n}: {{ type: ollama }}\n")).collect::<String>())),
        ("a long line", format!("providers: {}", "x".repeat(1_000_000))),
        ("a long quoted text", format!("providers: \"{}", "\\u0041".repeat(160_000))),
        ("a block without an end", format!("providers: |\n{}", "  line\n".repeat(120_000))),
        ("comments", "# c\n".repeat(250_000)),
        ("documents", "---\n".repeat(250_000)),
        ("tags", "!!a ".repeat(250_000)),
        ("anchors", (0..60_000).map(|n| format!("k{n}: &n{n} 1\n")).collect()),
        ("NUL", format!("providers:\0 {{ p: {{ type: ollama }} }}\n{valid}")),
        ("a key twice", format!("{valid}{valid}")),
        ("a provider twice", "providers:\n  p: { type: ollama }\n  p: { type: openai }\ndefaults: { model: p/m }\n".to_owned()),
        ("a name with an escape", "providers: { \"p\\e[31m\": { type: ollama } }\ndefaults: { model: \"p\\e[31m/m\" }\n".to_owned()),
        ("a name of two lines", "providers: { \"p\\nq\": { type: ollama } }\ndefaults: { model: \"p\\nq/m\" }\n".to_owned()),
        ("a model with a bell", "providers: { p: { type: ollama } }\ndefaults: { model: \"p/m\\a\" }\n".to_owned()),
        ("an alias with an escape", "providers: { p: { type: ollama } }\nmodels: { \"\\e]0;x\\a\": { provider: p, model: m } }\ndefaults: { model: p/m }\n".to_owned()),
        ("a URL of two lines", "providers: { p: { type: openai, base_url: \"http://127.0.0.1/\\r\\nX: y\" } }\ndefaults: { model: p/m }\n".to_owned()),
        ("an organisation of two lines", "providers: { p: { type: openai, org: \"o\\r\\nX: y\" } }\ndefaults: { model: p/m }\n".to_owned()),
    ];
    for (what, text) in texts {
        assert_eq!(broken(|| hold(&text)), None, "{what}");
        assert!(read(&text, true).is_err(), "{what} is taken");
    }
    assert!(read(valid, true).is_ok());
}

#[test]
fn what_is_no_small_regular_file_is_not_read() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::create_dir(at("dir")).unwrap();
    // Larger than the memory of any machine that this runs on.
    std::fs::File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
    std::fs::write(at("binary"), b"\xff\xfe\0\0providers").unwrap();
    symlink("/dev/zero", at("endless")).unwrap();
    symlink("loop", at("loop")).unwrap();
    for name in ["fifo", "socket", "dir", "huge", "binary", "endless", "loop", "missing"] {
        let problem = super::read(&at(name)).unwrap_err();
        assert_eq!(problem.exit_code, exit::USAGE, "{name}");
        assert!(problem.message.contains(name), "{problem}");
        // As a key's file, and as the user's own config beside one that isn't trusted.
        let reference = secrets::file_ref(&at(name), "p");
        assert!(super::recall::find(&[reference], &var).is_empty(), "{name}");
    }
    let home = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&home.path().join("electrictown.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let own = home.path().to_str().unwrap().to_owned();
    assert!(super::trust::own_pairs(&|name| (name == "HOME").then(|| own.clone())).is_empty());
}
