//! What a fix is shown.

use super::*;

#[test]
fn a_fix_shows_each_diagnostic_with_its_code() {
    let contract = contract();
    let files = [view("a.go", "package a\n\nfunc A() {\n\tB(1)\n}\n")];
    let show = [view("b.go", "package a\n\nfunc B() {}\n")];
    let mut found = diagnostic("a.go", 4, "too many arguments in call to B");
    found.related = vec![Related { file: "b.go".to_owned(), line: Some(3), message: "B is declared here".to_owned() }];
    let placeless = Diagnostic { file: None, line: None, code: None, ..diagnostic("", 1, "exit status 2") };
    let diagnostics = [found, placeless];
    let plan = subtask("1", "a.go");
    let brief = FixBrief {
        subtask: Some(&plan),
        tried: &["asked the owner of b.go".to_owned()],
        log_tail: Some("the end"),
        ..fix_brief(&contract, &files, &show, &diagnostics)
    };
    let prompt = fix(&brief, WIDE);
    has(
        &prompt,
        &[
            "Build an API",
            "go build ./...",
            "a.go:4:7: error[E1]: too many arguments in call to B",
            "  >    4 | \tB(1)",
            "  see b.go:3: B is declared here",
            "  >    3 | func B() {}",
            "go: error: exit status 2",
            "package a\n\nfunc A() {\n\tB(1)\n}",
            "not yours to write",
            "asked the owner of b.go",
            "the end",
            "instructions of 1",
            "Fix all of these errors",
        ],
    );
    let text = &prompt.turns[0].text;
    assert!(text.find("error[E1]").unwrap() < text.find("Fix all of these errors").unwrap());
}

#[test]
fn a_huge_file_is_cut_around_its_diagnostics() {
    let contract = contract();
    let files = [view("a.go", &numbered(5000))];
    let diagnostics = [diagnostic("a.go", 2500, "undefined: x"), diagnostic("a.go", 4000, "undefined: y")];
    let small = Window { edits: false, ..window(12_000) };
    let prompt = fix(&fix_brief(&contract, &files, &[], &diagnostics), small);
    assert!(size(&prompt) <= budget(small));
    has(
        &prompt,
        &[
            "undefined: x",
            "undefined: y",
            "\nline number 2490 of",
            "\nline number 2510 of",
            "\nline number 3990 of",
            "\nline number 1 of",
            "of 5000 left out …]",
            "Cut: `a.go` (shortened)",
            "don't give that file whole",
        ],
    );
    assert!(!prompt.turns[0].text.contains("line number 3000 of"));
}

/// Functions of six lines each.
fn functions(count: usize) -> String {
    let one = |n| format!("func F{n}(a int) int {{\n\tx := a\n\ty := x\n\tz := y\n\treturn z + {n}\n}}\n");
    format!("package a\n{}", (1..=count).map(one).collect::<String>())
}

/// What a fix shows of its files, and by what it is asked to change them → in the prompt, not in it.
#[test]
fn a_fix_shows_what_it_needs() {
    let contract = contract();
    let (large, short) = (functions(60), functions(20));
    let own = [view("a.go", &large), view("b.go", &short), view("c.go", &functions(30)), view("d.go", "package d")];
    let show = [view("e.go", &format!("{large}type Box struct {{\n\tW int\n}}\n"))];
    let mut found = [diagnostic("a.go", 123, "undefined: Box"), diagnostic("b.go", 5, "missing return")];
    found[0].related = vec![Related { file: "e.go".to_owned(), line: Some(9), message: "near it".to_owned() }];
    let plan = Subtask { instructions: "i".repeat(5_000), ..subtask("1", "a.go") };
    let task = format!("Build {} an API", "it ".repeat(1_000));
    let brief = FixBrief { task: &task, subtask: Some(&plan), ..fix_brief(&contract, &own, &show, &found) };
    let prompt = fix(&brief, WIDE);
    has(
        &prompt,
        &[
            "`a.go`, in part:\n",
            "func F21(a int) int {\n\tx := a\n\ty := x\n\tz := y\n\treturn z + 21\n}\nfunc F22(a int) int {\n\tx := a\n[… lines 130-361 of 361 left out …]\n",
            "| func F23(a int) int",
            "`b.go`:\n```\npackage a\n",
            "\treturn z + 20\n}\n```",
            "`c.go`, in part:\n",
            "`d.go`:\n",
            "`e.go`, in part:\n",
            "\ntype Box struct {\n\tW int\n}",
            "Change by edits, not whole: a.go, b.go, c.go. Give other files that you change whole.",
            "an outline",
        ],
    );
    let text = &prompt.turns[0].text;
    let whole: usize = own.iter().chain(&show).map(|view| view.text.len()).sum();
    assert!(text.len() * 4 < whole * 3, "{} of {whole}", text.len());
    assert!(!text.contains("return z + 50"), "{text}");
    assert_eq!(
        fix_shown(&brief, true),
        FixShown {
            whole: vec!["b.go".to_owned(), "d.go".to_owned()],
            part: vec!["a.go".to_owned(), "c.go".to_owned()],
            other: vec!["e.go".to_owned()],
        }
    );
    // Who can't edit is shown all that it would have to give.
    let prompt = fix(&brief, Window { edits: false, ..WIDE });
    has(&prompt, &["`a.go`:\n```\npackage a\n", "return z + 50", "Give each file that you change whole."]);
    assert!(!prompt.turns[0].text.contains("an outline"));
    assert!(fix_shown(&brief, false).part.is_empty());
    // A file that no diagnostic is in is shown whole where nothing tells which one is meant.
    let blind = [diagnostic("e.go", 9, "boom")];
    let one = fix_shown(&FixBrief { diagnostics: &blind, files: &own[1..2], ..brief }, true);
    assert_eq!(one.whole, ["b.go"]);
}

#[test]
fn a_fix_that_is_asked_again_sees_its_answer_and_the_reason() {
    let contract = contract();
    let retry = Some(Retry { answer: "my first try", reason: "This isn't in a.go" });
    let prompt = fix(&FixBrief { retry, ..fix_brief(&contract, &[view("a.go", "x")], &[], &[]) }, WIDE);
    let speakers: Vec<Speaker> = prompt.turns.iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::User, Speaker::Assistant, Speaker::User]);
    has(&prompt, &["my first try", "This isn't in a.go"]);
}

#[test]
fn workers_change_large_files_by_edits() {
    let (plan, contract) = ([subtask("1", "a.go")], contract());
    let own = [view("a.go", &functions(20)), view("b.go", "package b")];
    let brief = WorkerBrief {
        task: "t",
        contract: &contract,
        plan: &plan,
        subtask: &plan[0],
        own: &own,
        reads: &[],
        neighbours: &[],
        brief: None,
        earlier: &[],
        retry: None,
    };
    has(
        &worker(&brief, WIDE),
        &["Change by edits, not whole, unless most of it changes: a.go. Give other files whole."],
    );
    for (own, edits) in [(&own[..], false), (&own[1..], true)] {
        let prompt = worker(&WorkerBrief { own, ..brief }, Window { edits, ..WIDE });
        assert!(!prompt.turns[0].text.contains("by edits"));
    }
}

#[test]
fn a_table_of_data_is_shown_where_it_says_what_a_test_quotes() {
    let contract = contract();
    let rows: String =
        (0..600).map(|n| format!("    Row(\n        path=\"/r{n}/x\",\n        verb=\"GET\",\n    ),\n")).collect();
    let files = [view("shop/schema.py", &format!("ROWS = [\n{rows}]\n"))];
    let mut found = diagnostic("tests/test_schema.py", 3, "test test_rows failed: ('PUT', '/r417/x') not in ['GET']");
    let reached = format!("`schema.py` {}", crate::blame::REACHED);
    found.related =
        vec![proto::diagnostic::Related { file: "shop/schema.py".to_owned(), line: Some(1), message: reached }];
    let prompt = fix(&fix_brief(&contract, &files, &[], &[found]), WIDE);
    has(&prompt, &["path=\"/r417/x\"", "left out …]"]);
    assert!(!prompt.turns[0].text.contains("/r300/x"));
}

#[test]
fn many_diagnostics_are_counted_not_dropped_silently() {
    let contract = contract();
    let diagnostics: Vec<Diagnostic> = (1..=60).map(|n| diagnostic("a.go", n, &format!("problem {n}."))).collect();
    let prompt = fix(&fix_brief(&contract, &[], &[], &diagnostics), WIDE);
    has(&prompt, &["problem 1.", "problem 20.", "[… 40 more left out …]"]);
}
