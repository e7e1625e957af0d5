//! Fuzzing of what reads text from outside: answers of models, output of tools, streams and refusals of providers.
//!
//! `proto::fuzz` makes the texts and runs the targets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod providers;

use std::path::{Path, PathBuf};

use proto::fuzz::{Target, Texts};

use crate::answer::{self, Answer, Current, Expected};
use crate::check::diagnostics::{self, Paths, ToolOutput};
use crate::relpath::RelPath;

/// Longest text, in bytes.
const LONGEST: usize = 32 << 10;

/// What formats are made of.
const TOKENS: &[&str] = &[
    "===FILE: a.go===\n",
    "===FILE: ../a.go===\n",
    "===FILE: /etc/passwd===\n",
    "===ENDFILE===\n",
    "===DELETE: a.go===\n",
    "===MOVE: a.go -> b.go===\n",
    "```go\n",
    "```\n",
    "````",
    "~~~\n",
    "<<<<<<< SEARCH\n",
    "=======\n",
    ">>>>>>> REPLACE\n",
    "*** Begin Patch\n",
    "*** Update File: a.go\n",
    "*** End Patch\n",
    "--- a/a.go\n",
    "+++ b/a.go\n",
    "@@ -1,2 +1,2 @@\n",
    "<file path=\"a.go\">",
    "</file>",
    "<think>",
    "</think>",
    "# a.go\n",
    "**a.go**\n",
    "// ... rest of the code\n",
    "\r\n",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\0",
    "\t",
    "\n\n",
    "a.go:1:2: error: ",
    "src/b.rs(3,4): ",
    "error[E0425]: ",
    " --> src/b.rs:1:1\n",
    "FAIL: TestX\n",
    "--- FAIL: TestX (0.00s)\n",
    "panic: ",
    "Traceback (most recent call last):\n",
    "  File \"c.py\", line 3, in f\n",
    "\u{1b}[31m",
    "make[1]: Entering directory '/w/proj/sub'\n",
    "{\"reason\":\"compiler-message\"",
    "[ERROR] ",
    "../../..",
    "C:\\a.go",
    "    at f (/w/proj/d.js:1:2)\n",
];

/// Texts of files in a dir, those below included.
fn texts(dir: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, out);
        } else if let Ok(mut text) = std::fs::read_to_string(&path) {
            text.truncate(text.floor_char_boundary(LONGEST));
            out.push(text);
        }
    }
}

/// Holds a target against texts that are made of these.
fn run(name: &str, seeds: Vec<String>, tokens: &'static [&'static str], target: impl Fn(&str)) {
    let texts = Texts { seeds, tokens, longest: LONGEST };
    let hold = |input: &[u8]| target(str::from_utf8(input).unwrap());
    Target { name, command: "cargo test -p etd --lib" }.run(|random| texts.next(random).into_bytes(), hold);
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

/// Every path is one below the work dir.
fn safe(answer: &Answer) {
    let moves = answer.moves.iter().flat_map(|(from, to)| [from, to]);
    let paths = answer.files.iter().map(|file| &file.path).chain(answer.edits.iter().map(|edit| &edit.path));
    for path in paths.chain(moves).chain(&answer.deletions) {
        assert_eq!(RelPath::parse(path.as_str()).as_ref(), Ok(path), "{path}");
        let text = path.as_str();
        assert!(!text.starts_with('/') && text.split('/').all(|part| !matches!(part, "" | "." | "..")), "{text}");
    }
}

#[test]
fn answers() {
    let mut seeds: Vec<String> = vec![
        include_str!("../answer/cases.rs").to_owned(),
        include_str!("../answer/tests.rs").to_owned(),
        "===FILE: a.go===\npackage a\n===ENDFILE===\n===DELETE: b.go===\n".to_owned(),
        TOKENS.concat(),
    ];
    let corpus = std::env::var_os("ET_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/answers"), PathBuf::from);
    texts(&corpus, &mut seeds);
    // Pieces, so that texts differ in more than their middle.
    let pieces: Vec<String> = seeds.iter().flat_map(|seed| seed.split("\n\n")).map(str::to_owned).collect();
    seeds.extend(pieces);
    for seed in &mut seeds {
        seed.truncate(seed.floor_char_boundary(LONGEST));
    }
    let owns = [rel("a.go"), rel("src/b.rs"), rel("c.py")];
    run("fuzz::answers", seeds, TOKENS, |text| {
        for (owns, cut) in [(&owns[..], false), (&owns[..1], true), (&[][..], false)] {
            let expected = Expected { owns, work_dir_name: "proj", cut };
            let found = answer::read(text, &expected);
            safe(&found);
            assert_eq!(answer::read(text, &expected), found, "twice the same");
            let read: usize = found.files.iter().map(|file| file.content.len()).sum();
            assert!(read <= text.len() * 2 + 64, "{read} bytes of files from {}", text.len());
            let current = |path: &RelPath| match path.as_str() {
                "a.go" => Current::Text("package a\n\nfunc A() {\n}\n".to_owned()),
                "c.py" => Current::Unseen,
                _ => Current::Absent,
            };
            let _resolved = answer::resolve(&found, &current);
            let half = text.floor_char_boundary(text.len() / 2);
            safe(&answer::read(&answer::join(&text[..half], &text[half..], &expected), &expected));
        }
    });
}

#[test]
fn output() {
    let mut seeds = vec![TOKENS.concat()];
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/diagnostics/samples"), &mut seeds);
    let files: Vec<RelPath> =
        ["a.go", "src/b.rs", "c.py", "d.js", "main.go", "src/main.rs", "sub/util.c", "go.mod"].map(rel).to_vec();
    let paths = Paths::new("/w/proj", files.clone());
    const TOOLS: &[&str] = &["sh", "go", "cargo", "make", "tsc", "python", "node", "mvn"];
    run("fuzz::output", seeds, TOKENS, |text| {
        let tool = TOOLS[text.len() % TOOLS.len()];
        let half = text.floor_char_boundary(text.len() / 2);
        for (stdout, stderr) in [(text, ""), (&text[..half], &text[half..])] {
            let reading =
                diagnostics::read(&ToolOutput { tool, stdout, stderr, dir: "/w/proj", success: false }, &paths);
            assert!(reading.diagnostics.len() <= text.lines().count() + 8, "more diagnostics than lines");
            for found in &reading.diagnostics {
                let places = found.file.iter().chain(found.related.iter().map(|place| &place.file));
                for place in places {
                    assert!(files.iter().any(|file| file.as_str() == place), "{place} isn't in the tree");
                }
                assert!(found.message.len() <= text.len() + 4_096, "a message longer than the log");
            }
        }
    });
}
