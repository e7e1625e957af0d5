//! Tests of the simulated programmer: what it reads out of requests of different clients, when it mends, and that what it gives can be read.

use std::sync::Arc;

use super::case::{Case, Format, Whole};
use super::mind::{Lack, Sim};
use super::project::{Fault, FaultKind, Part, Project, Tier};
use super::read;
use crate::model::{Asked, Kind, Mind as _};

const STORE: &str = "package main\n\nfunc load(name string) string {\n\treturn name\n}\n\nfunc save(name string) {\n\tprintln(name)\n}\n";
const MAIN: &str = "package main\n\nfunc main() {\n\tsave(load(\"a\"))\n}\n";

fn project() -> Arc<Project> {
    let part = |id, instructions, owns| Part {
        id,
        title: "A part",
        instructions,
        owns,
        reads: &[],
        after: &[],
        provides: &[],
        requires: &[],
    };
    Arc::new(Project {
        name: "tiny",
        language: "Go",
        task: "Build a tiny store of names",
        tools: &["go"],
        check: None,
        shared: "type Names struct{}",
        conventions: &["one package"],
        parts: vec![
            part("store", "Write load and save, with care.", &["store.go", "go.mod"]),
            part("main", "Write the program that calls both.", &["main.go"]),
        ],
        files: vec![
            ("go.mod".to_owned(), "module tiny\n\ngo 1.22\n".to_owned()),
            ("main.go".to_owned(), MAIN.to_owned()),
            ("store.go".to_owned(), STORE.to_owned()),
        ],
        given: Vec::new(),
        faults: vec![
            Fault {
                kind: FaultKind::UndefinedSymbol,
                tier: Tier::Names,
                file: "store.go",
                find: "\treturn name\n",
                put: "\treturn nam\n",
                reveals: "undefined: nam",
                other: None,
            },
            Fault {
                kind: FaultKind::Signature,
                tier: Tier::Types,
                file: "store.go",
                find: "func save(name string) {\n",
                put: "func save(name string, twice bool) {\n",
                reveals: "not enough arguments in call to save",
                other: Some(("main.go", "save(load(\"a\"))")),
            },
        ],
    })
}

fn case(format: Format, faults: &[usize]) -> Case {
    let mut case = Case::new(project(), format, 7);
    case.faults = faults.to_vec();
    case
}

fn asked(system: &str, user: &str) -> Asked {
    Asked { system: system.to_owned(), turns: vec![("user".to_owned(), user.to_owned())], ..Asked::default() }
}

/// The rules of two clients.
const ONE: &str = "Write code. Answer with whole files, like this:\n@@@ path/to/it @@@\nthe content\n@@@ end @@@\nIf nothing is to change, answer: ALL IS WELL";
const OTHER: &str = "You write code.\n\n## path/to/file\n```\nthe whole content\n```\n\nIf nothing needs to change, answer \"NO CHANGE\".";

#[test]
fn requests_are_understood() {
    let score = "Rate the answer of a programmer. Answer with two lines:\nGRADE: N (1 to 10)\nWHY: what is wrong";
    let store = "Task: Build a tiny store of names\n\nYour part:\nWrite load and save, with care.";
    let both = "The plan:\n1. Write load and save, with care.\n2. Write the program that calls both.\n\nDo this now:\nWrite load and save, with care.";
    let json = "Split the task into subtasks. Answer with one JSON object.";
    let table = [
        (json, "Build a tiny store of names", Kind::Plan, ""),
        (ONE, store, Kind::Work, "store"),
        (OTHER, store, Kind::Work, "store"),
        (OTHER, both, Kind::Work, "store"),
        (score, "Write load and save, with care.\n\nIts answer: nothing", Kind::Review, "store"),
        (OTHER, &format!("{store}\n\nstore.go:4:9: undefined: nam"), Kind::Fix, "store"),
        (ONE, &format!("{store}\n\nThe build fails:\nno such thing"), Kind::Fix, "store"),
        ("Say what was built, in a few sentences.", "Build a tiny store of names", Kind::Synthesis, ""),
        ("Say what the subtasks must agree on.", "Build a tiny store of names", Kind::Coordinate, ""),
    ];
    for (system, user, kind, part) in table {
        let said = Sim::new(case(Format::Asked, &[0])).answer(&asked(system, user));
        assert_eq!((said.kind, said.subtask.as_deref().unwrap_or_default()), (kind, part), "{system}\n{user}");
    }
}

#[test]
fn parts_that_were_joined_are_one() {
    let joined = "Write load and save, with care.\n\nWrite the program that calls both.";
    assert_eq!(read::parts(&project(), joined), [0, 1]);
    let listed = "{\"instructions\": \"Write load and save, with care.\"}, {\"instructions\": \"Write the program that calls both.\"}";
    assert_eq!(read::parts(&project(), listed), [1]);
}

#[test]
fn a_review_has_the_form_that_is_asked_for() {
    let table = [
        ("Rate it.\nGRADE: N (1 to 10)\nWHY: what is wrong", "GRADE: 9\nWHY: It does what its part asks."),
        (
            "Score it as JSON: {\"score\": 1, \"reason\": \"\"}",
            "{\"score\": 9, \"reason\": \"It does what its part asks.\"}",
        ),
    ];
    for (system, expected) in table {
        assert_eq!(read::review(&asked(system, "")), expected);
    }
}

#[test]
fn files_are_given_as_the_prompt_shows() {
    let user = "Write the program that calls both.";
    let table = [
        (ONE, format!("@@@ main.go @@@\n{MAIN}@@@ end @@@\n")),
        (OTHER, format!("## main.go\n```go\n{MAIN}```\n")),
        ("Give whole files.", format!("### main.go\n\n```go\n{MAIN}```\n")),
    ];
    for (system, expected) in table {
        let text = Sim::new(case(Format::Asked, &[])).answer(&asked(system, user)).text;
        assert!(text.starts_with(&expected), "{system}\n---\n{text}");
    }
}

#[test]
fn every_format_has_its_frame() {
    let table = [
        (Format::Heading, "### main.go\n\n```go\n"),
        (Format::Bold, "**`main.go`**\n\n```go\n"),
        (Format::FenceInfo, "```go main.go\n"),
        (Format::FirstComment, "```go\n// main.go\n"),
        (Format::Xml, "<file path=\"main.go\">\n"),
        (Format::Search, "@@@ main.go @@@\npackage main\n"),
        (Format::Unified, "Apply this:\n\n```diff\n--- /dev/null\n+++ b/main.go\n@@ -0,0 +1,5 @@\n+package main\n"),
        (Format::ApplyPatch, "*** Begin Patch\n*** Add File: main.go\n+package main\n"),
    ];
    for (format, expected) in table {
        let text = Sim::new(case(format, &[])).answer(&asked(ONE, "Write the program that calls both.")).text;
        assert!(text.starts_with(expected), "{format:?}\n---\n{text}");
    }
}

const NAM: &str = "store.go:4:9: undefined: nam";

fn wrong() -> String {
    STORE.replace("\treturn name\n", "\treturn nam\n")
}

fn fix(said: &str, shown: &str) -> String {
    format!("Write load and save, with care.\n\n{shown}\n\nThe check fails:\n{said}")
}

#[test]
fn it_mends_only_what_it_is_told_and_shown() {
    let save = STORE.replace("func save(name string) {", "func save(name string, twice bool) {");
    let call = "main.go:4:6: not enough arguments in call to save";
    let table = [
        (0, fix(NAM, &wrong()), true, None),
        (0, fix("store.go:4:9: something is undefined", &wrong()), false, None),
        (0, fix(NAM, "store.go has 9 lines"), false, Some(Lack::Content)),
        (0, fix(NAM, "store.go:\n\treturn nam\n"), false, Some(Lack::Content)),
        (1, fix(call, &save), false, Some(Lack::Other)),
        (1, fix(call, &format!("{save}\n{MAIN}")), true, None),
        // A contract does as well as the other side.
        (1, fix(call, &format!("Contract: func save(name string)\n\n{save}")), true, None),
    ];
    for (fault, user, mends, lack) in table {
        let sim = Sim::new(case(Format::Asked, &[fault]));
        let said = sim.answer(&asked(OTHER, &user));
        let entry = sim.log().pop().unwrap();
        assert_eq!(entry.mended == [fault], mends, "{user}\n---\n{}", said.text);
        assert_eq!(entry.lacked.first().map(|(_, lack)| *lack), lack, "{user}");
        assert_eq!(said.text.contains(STORE), mends, "{user}\n---\n{}", said.text);
    }
}

#[test]
fn an_edit_needs_the_lines_only() {
    let user = fix(NAM, "store.go, in part:\n\nfunc load(name string) string {\n\treturn nam\n}\n");
    // It was written before.
    let sim = Sim::new(case(Format::Search, &[0]));
    let _ = sim.answer(&asked(ONE, "Write load and save, with care."));
    let text = sim.answer(&asked(ONE, &user)).text;
    let expected = "@@@ store.go @@@\n<<<<<<< SEARCH\n\nfunc load(name string) string {\n\treturn nam\n}\n\n=======\n\nfunc load(name string) string {\n\treturn name\n}\n\n>>>>>>> REPLACE\n@@@ end @@@\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_file_of_another_part_is_named() {
    let user = format!("Write the program that calls both.\n\nstore.go:\n{}\n\nThe check fails:\n{NAM}", wrong());
    let sim = Sim::new(case(Format::Asked, &[0]));
    let text = sim.answer(&asked(ONE, &user)).text;
    assert!(text.starts_with("ALL IS WELL") && text.contains("store.go"), "{text}");
    assert_eq!(sim.log().pop().unwrap().passed, [0]);
}

#[test]
fn answers_as_a_whole_go_wrong_once() {
    let user = "Write load and save, with care.";
    let table = [
        (Whole::NoCode, "Shall I begin?", "```"),
        (Whole::FileMissing, "## go.mod", "## store.go"),
        (Whole::MissingManifest, "## store.go", "## go.mod"),
        (Whole::Placeholder, "// ... rest of the code unchanged", "return name"),
        (Whole::Truncated, "## store.go", "## go.mod"),
    ];
    for (whole, has, lacks) in table {
        let mut case = case(Format::Asked, &[]);
        case.whole.push(whole);
        // The part that goes wrong is drawn: a seed for which it is this one.
        let wrong = |text: &str| text.contains(has) && !text.contains(lacks);
        let sim = (0..20).map(|seed| Sim::new(Case { seed, ..case.clone() })).find_map(|sim| {
            let first = sim.answer(&asked(OTHER, user));
            wrong(&first.text).then_some((sim, first))
        });
        let (sim, first) = sim.unwrap_or_else(|| panic!("{whole:?} doesn't happen"));
        assert_eq!(first.cut, whole == Whole::Truncated);
        let mut again = asked(OTHER, user);
        again.turns.push(("assistant".to_owned(), first.text.clone()));
        again.turns.push(("user".to_owned(), "That isn't good enough. Give it again, whole.".to_owned()));
        let second = sim.answer(&again).text;
        assert!(second.contains(STORE) && second.contains("module tiny"), "{whole:?}\n---\n{second}");
    }
}

#[test]
fn a_cut_answer_is_continued_where_it_stopped() {
    let user = "Write load and save, with care.";
    let mut case = case(Format::Asked, &[]);
    case.whole.push(Whole::Truncated);
    let cut = (0..20).map(|seed| Sim::new(Case { seed, ..case.clone() })).find_map(|sim| {
        let first = sim.answer(&asked(OTHER, user));
        first.cut.then_some((sim, first.text))
    });
    let (sim, first) = cut.unwrap();
    let mut more = asked(OTHER, user);
    more.turns.push(("assistant".to_owned(), first.clone()));
    more.turns.push(("user".to_owned(), "Your answer was cut. Continue exactly where it stopped.".to_owned()));
    let rest = sim.answer(&more).text;
    let whole = first + &rest;
    assert!(whole.contains(&format!("{STORE}```")) && whole.contains("module tiny\n\ngo 1.22\n```"), "{whole}");
}

#[test]
fn app_stands_before_every_path() {
    let mut case = case(Format::Asked, &[]);
    case.whole.push(Whole::WrongPath);
    let text = Sim::new(case).answer(&asked(OTHER, "Write the program that calls both.")).text;
    assert!(text.starts_with("## /app/main.go\n"), "{text}");
}

#[test]
fn what_wasnt_shown_of_a_file_that_was_there_is_lost() {
    let given = "package main\n\n// Kept for good.\nfunc main() {\n}\n";
    let mut changed = Project::clone(&project());
    changed.given = vec![("main.go".to_owned(), given.to_owned())];
    changed.files[1].1 = MAIN.replace("func main", "// Kept for good.\nfunc main");
    let case = Case { project: Arc::new(changed), ..case(Format::Asked, &[]) };
    let user = "Write the program that calls both.";
    let blind = Sim::new(case.clone()).answer(&asked(OTHER, user)).text;
    let seen = Sim::new(case).answer(&asked(OTHER, &format!("{user}\n\nmain.go:\n{given}"))).text;
    assert!(!blind.contains("Kept for good") && seen.contains("Kept for good"), "{blind}\n---\n{seen}");
}
