//! What the planner and the workers are shown.

use super::*;

#[test]
fn the_planner_sees_all_that_it_plans_by() {
    let known = [subtask("k1", "known.go")];
    let brief = PlannerBrief {
        task: "Build an API",
        max_subtasks: 7,
        workers: 5,
        tree: &[TreeFile { path: rel("old/file.go"), bytes: 12 }],
        heads: &[view("AGENTS.md", "use tabs")],
        files: &[view("old/file.go", "package old"), view("AGENTS.md", "use tabs")],
        outlines: &[Outlined::of(&view("other.go", "package old\n\nfunc Other() {\n\tinner()\n}\n"), 9, 9)],
        dirs: &BTreeSet::new(),
        specialists: &[("sql".to_owned(), "SQL work".to_owned())],
        earlier: &["built the base".to_owned()],
        known: &known,
    };
    let prompt = planner(&brief, WIDE);
    has(
        &prompt,
        &[
            "Build an API",
            "At most 7 subtasks; 5 workers",
            "old/file.go (12 bytes)",
            "use tabs",
            "package old",
            "other.go:\n    3| func Other()",
            "- sql: SQL work",
            "built the base",
            "title of k1",
            "known.go",
            "only the rest",
            "\"contract\"",
            "\"shared\"",
            "\"owns\"",
            "\"provides\"",
            "\"check\"",
        ],
    );
    let text = &prompt.turns[0].text;
    assert!(text.ends_with("Task:\nBuild an API"));
    assert_eq!(text.matches("use tabs").count(), 1);
    assert!(!text.contains("Not everything fits"));
    assert_eq!(planner(&PlannerBrief { task: "x", known: &[], ..brief }, WIDE).system, prompt.system);
}

#[test]
fn a_worker_sees_the_other_sides_of_its_files_and_of_long_ones_what_matters() {
    let long: String = (0..300).map(|n| format!("func F{n}(x int) int {{\n\treturn {n}\n}}\n\n")).collect();
    let mut subtask = subtask("1", "own.go");
    subtask.instructions = "Call F250 and mend F120.".to_owned();
    let contract = contract();
    let brief = WorkerBrief {
        task: "Build an API",
        contract: &contract,
        plan: &[],
        subtask: &subtask,
        own: &[view("own.go", &long.replace("return", "give"))],
        reads: &[view("read.go", &format!("package read\n\n{long}"))],
        neighbours: &[Outlined::of(&view("near.go", "package near\n\nfunc Near() error {\n\tinner()\n}\n"), 9, 9)],
        brief: None,
        earlier: &[],
        retry: None,
    };
    let prompt = worker(&brief, WIDE);
    has(&prompt, &["`read.go`, in part", "F250(x int) int", "near.go:\n    3| func Near() error", "give 299"]);
    let text = &prompt.turns[0].text;
    assert!(!text.contains("return 100") && !text.contains("inner()"), "{text}");
    // A window that is too small for its own file keeps what its subtask names.
    let prompt = worker(&brief, window(10_000));
    has(&prompt, &["give 120", "give 250", "Not everything fits", "left out …]"]);
    assert!(size(&prompt) <= 10_500 && !prompt.turns[0].text.contains("give 40\n"), "{}", size(&prompt));
}

#[test]
fn a_worker_sees_its_subtask_last_and_shares_its_system() {
    let plan = [subtask("1", "a.go"), subtask("2", "b.go")];
    let contract = contract();
    let brief = WorkerBrief {
        task: "Build an API",
        contract: &contract,
        plan: &plan,
        subtask: &plan[0],
        own: &[view("a.go", "package a // current")],
        reads: &[view("c.go", "package c"), view("a.go", "twice")],
        neighbours: &[],
        brief: Some("all use tabs"),
        earlier: &["first round".to_owned()],
        retry: None,
    };
    let one = worker(&brief, WIDE);
    has(
        &one,
        &[
            "Build an API",
            "instructions of 1",
            "write only these: a.go",
            "func Provided1()",
            "func Required1()",
            "package a // current",
            "package c",
            "all use tabs",
            "first round",
            "title of 2",
            "type User struct{}",
            "module example",
            "===FILE: ",
            "===ENDFILE===",
            "===DELETE: ",
            "NO CHANGE NEEDED",
        ],
    );
    assert!(!one.turns[0].text.contains("twice"));
    let at = |text: &str| one.turns[0].text.find(text).unwrap();
    assert!(at("package c") < at("Build an API") && at("Build an API") < at("instructions of 1"));
    let other = WorkerBrief { subtask: &plan[1], own: &[], reads: &[], brief: None, plan: &plan[..1], ..brief };
    assert_eq!(worker(&other, WIDE).system, one.system);
    let fixed = fix(&fix_brief(&contract, &[], &[], &[]), WIDE);
    assert_eq!(fixed.system, one.system);
    let tested = tester(&TesterBrief { task: "t", contract: &contract, files: &[view("a.go", "package a")] }, WIDE);
    assert_eq!(tested.system, one.system);
    has(&tested, &["package a", "only in new test files"]);
}

#[test]
fn a_worker_that_is_asked_again_sees_its_answer_and_the_reason() {
    let plan = [subtask("1", "a.go")];
    let contract = contract();
    let retry = Retry { answer: "my first try", reason: "It misses DELETE." };
    let brief = WorkerBrief {
        task: "t",
        contract: &contract,
        plan: &plan,
        subtask: &plan[0],
        own: &[],
        reads: &[],
        neighbours: &[],
        brief: None,
        earlier: &[],
        retry: Some(retry),
    };
    let prompt = worker(&brief, WIDE);
    let speakers: Vec<Speaker> = prompt.turns.iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::User, Speaker::Assistant, Speaker::User]);
    assert_eq!(prompt.turns[1].text, "my first try");
    assert!(prompt.turns[2].text.contains("It misses DELETE."));
    has(&prompt, &["instructions of 1"]);
    let empty = worker(&WorkerBrief { retry: Some(Retry { answer: " ", ..retry }), ..brief }, WIDE);
    assert!(!empty.turns[1].text.trim().is_empty());
    let long = "x\n".repeat(100_000);
    let small = window(16_000);
    let prompt =
        worker(&WorkerBrief { task: &long, retry: Some(Retry { answer: &long, reason: &long }), ..brief }, small);
    assert!(size(&prompt) <= budget(small), "{}", size(&prompt));
    has(&prompt, &["instructions of 1", "bytes left out …]"]);
}
