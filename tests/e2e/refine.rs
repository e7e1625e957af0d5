//! Changes to a tree of hundreds of files, and what models are shown of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::Env;
use tests::model::{Model, Point, Story, Sub};
use tests::require_tool;
use tests::sim::project::Project;
use tests::sim::projects::shop_tree;

use crate::undo::tree;

/// Bytes of a planner's prompt for a tree of three hundred files.
const PLAN: usize = 64_000;

/// The change of a file as one edit: the lines that differ, with as many around them as make the place unique.
fn edit(path: &str, before: &str, after: &str) -> String {
    let (before, after) = (before.replace("\r\n", "\n"), after.replace("\r\n", "\n"));
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let mut tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    loop {
        let search = old[head..old.len() - tail].join("\n");
        if !search.is_empty() && before.matches(&search).count() == 1 {
            let replace = new[head..new.len() - tail].join("\n");
            return format!(
                "===FILE: {path}===\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n===ENDFILE===\n\n"
            );
        }
        (head, tail) = (head.saturating_sub(1), tail.saturating_sub(1));
    }
}

/// Each part answers with edits of the files that are there, and with new ones whole.
fn story(project: &Project) -> Story {
    let given: BTreeMap<&str, &str> = project.given.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let subs = project.parts.iter().map(|part| {
        Sub::new(part.id, part.title)
            .instructions(part.instructions)
            .owns(part.owns.iter().copied())
            .reads(part.reads.iter().copied())
            .provides(part.provides.iter().copied())
            .requires(part.requires.iter().copied())
    });
    let mut story = Story::new()
        .task(project.task)
        .contract(project.language, project.shared, project.conventions.iter().copied())
        .plan(subs.collect::<Vec<_>>());
    for part in &project.parts {
        let answer = project.files.iter().filter(|(path, _)| part.owns.contains(&path.as_str()));
        let blocks: String = answer
            .map(|(path, text)| match given.get(path.as_str()) {
                Some(before) => edit(path, before, text),
                None => format!("===FILE: {path}===\n{text}\n===ENDFILE===\n\n"),
            })
            .collect();
        story = story.says(&format!("work/{}", part.id), &(blocks + "Done."));
    }
    story
}

/// Writes a project's given tree into `a`, and files in forms of their own.
fn given_tree(env: &Env, project: &Project) {
    for (path, text) in &project.given {
        env.write(&format!("a/{path}"), text);
    }
    env.write("a/notes/windows.txt", "first\r\nsecond\r\n\tthird");
    env.write("a/bin/serve.sh", "#!/bin/sh\nexec python3 -m shop\n");
    fs::set_permissions(env.work().join("a/bin/serve.sh"), fs::Permissions::from_mode(0o750)).unwrap();
}

#[test]
fn a_refinement_of_a_large_tree_touches_what_it_must_and_is_undone() {
    require_tool!("python3");
    let project = shop_tree::project();
    let model = Model::start(story(&project));
    let env = Env::new();
    env.config(&model);
    env.set("PYTHONDONTWRITEBYTECODE", "1");
    given_tree(&env, &project);
    let work = env.work().join("a");
    let before = tree(&work);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", project.task]).run();
    let report = out.assert_ok().result();
    assert_eq!((report.outcome, report.iterations), (Outcome::Passed, 1), "{out}");
    let given: BTreeMap<&str, &str> = project.given.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let wanted: BTreeSet<&str> = project
        .files
        .iter()
        .filter(|(path, text)| given.get(path.as_str()) != Some(&text.as_str()))
        .map(|(path, _)| path.as_str())
        .collect();
    let touched: BTreeSet<&str> = report.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(touched, wanted);
    // What the check itself left behind aside.
    let after = tree(&work);
    for (path, found) in before.iter().filter(|(path, _)| !wanted.contains(path.as_str())) {
        assert_eq!(after.get(path), Some(found), "{path}");
    }
    for (path, text) in project.files.iter().filter(|(path, _)| wanted.contains(path.as_str())) {
        assert_eq!(env.read(&format!("a/{path}")), *text, "{path}, line ends as well");
    }
    // The planner saw what matters, and not much else.
    let plan = &model.calls("plan")[0].text;
    assert!(plan.len() < PLAN, "{} bytes of a plan prompt", plan.len());
    for path in ["shop/users/model.py", "shop/users/store.py", "shop/users/routes.py"] {
        assert!(plan.contains(&format!("`{path}`:\n```")), "{path} isn't shown whole:\n{plan}");
    }
    assert!(plan.contains("class ") && plan.contains("more files only the names are shown"), "{plan}");
    for record in model.calls("work") {
        assert!(record.text.len() < PLAN, "{} bytes for {}", record.text.len(), record.label());
    }
    // A worker sees the declarations of what its files import, although the plan doesn't name them.
    assert!(
        model.calls("work/store")[0].text.contains("shop/users/model.py:\n"),
        "{}",
        model.calls("work/store")[0].text
    );
    env.et(["session", "undo", "last"]).run().assert_ok();
    let undone: BTreeMap<_, _> = tree(&work).into_iter().filter(|(path, _)| before.contains_key(path)).collect();
    assert_eq!(undone, before, "byte for byte, modes as well");
}

#[test]
fn an_edit_of_a_file_that_was_changed_by_hand_meanwhile_is_asked_again() {
    let lines: String = (0..300).map(|n| format!("line {n}\r\n")).collect();
    let edit = |from: &str, to: &str| {
        format!("===FILE: two.txt===\n<<<<<<< SEARCH\n{from}\n=======\n{to}\n>>>>>>> REPLACE\n===ENDFILE===\n")
    };
    let story = Story::new()
        .plan([Sub::new("two", "A change").owns(["two.txt"])])
        .says("work/two#1", &edit("line 7", "line seven"))
        .says("work/two#2", &edit("line 7", "line seven again"))
        .hold_at("work/two#1", Point::Headers)
        .expects("work/two#2", "by hand");
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    env.write("a/two.txt", &lines);
    let run = env.et_spawn(["run", "-o", "a", "--json", "change line 7"]);
    model.wait_for_held("work/two");
    let by_hand = lines.replace("line 200\r\n", "by hand\r\n");
    env.write("a/two.txt", &by_hand);
    model.release("work/two#1");
    let out = run.wait();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_eq!(model.count("work/two"), 2, "{}", model.summary());
    assert_eq!(env.read("a/two.txt"), by_hand.replace("line 7\r\n", "line seven again\r\n"));
}

/// A task on files that are larger than the window that the server really has, and says so by its count of tokens.
fn small_server() -> (Story, String) {
    let text: String = (0..900).map(|n| format!("value {n} of the table\n")).collect();
    let story = Story::new()
        .task("Change the table")
        .plan([Sub::new("t", "The table").owns(["table.txt"])])
        .says(
            "work/t",
            "===FILE: table.txt===\n<<<<<<< SEARCH\nvalue 3 of the table\n=======\nvalue three\n>>>>>>> REPLACE\n===ENDFILE===\n",
        )
        .usage("*", 2048, 50);
    (story, text)
}

#[test]
fn a_server_that_drops_the_head_of_a_prompt_is_asked_again_with_less() {
    for dies in [false, true] {
        let (story, text) = small_server();
        let model = Model::start(story);
        let env = Env::new();
        env.config(&model);
        env.write("a/table.txt", &text);
        if dies {
            env.set("ET_TEST_ABORT", "round.call_recorded#1");
            env.set("ET_TEST_ABORT_ONCE", env.root().join("tmp").to_string_lossy());
        }
        let out = env.et(["run", "-o", "a", "--json", "--no-synthesize", "Change the table"]).run();
        let report = out.assert_ok().result();
        assert!(env.read("a/table.txt").contains("\nvalue three\n"));
        let sizes = |on: &str| model.calls(on).iter().map(|record| record.text.len()).collect::<Vec<_>>();
        let plans = sizes("plan");
        // Where the worker's answer is recorded first, the plan is in flight when the daemon dies, and is asked for again.
        assert!(plans.len() == 2 || dies && plans.len() == 4, "{}", model.summary());
        assert!(
            plans[0] > 16_000 && plans.last().is_some_and(|size| *size <= 8_200),
            "{dies}: {plans:?}\n{}\n{out}",
            model.calls("plan")[0].text
        );
        // Its window is known from then on, to another daemon as well. A worker that began while the plan still came may not have known.
        let works = sizes("work");
        assert!(works.len() <= 2 && works.last().is_some_and(|size| *size <= 8_200), "{works:?}");
        if !dies {
            assert_eq!(report.usage.calls as usize, model.records().len(), "the first answer was paid for");
        }
        let notes: Vec<String> = out
            .events()
            .into_iter()
            .filter_map(|line| match line.event {
                Event::Note { text, .. } if text.contains("read only 2048 tokens") => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("scripted/scripted") && notes[0].contains("`context`"), "{notes:?}");
    }
}

#[test]
fn a_deleted_file_that_comes_back_has_its_mode() {
    let story = Story::new()
        .plan([Sub::new("one", "A file").owns(["one.txt", "three.sh"])])
        .file("one", "one.txt", "one\n")
        .no_fix()
        .says("fix/one", "===DELETE: three.sh===\n\nIt was in the way.");
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    env.write("a/three.sh", "#!/bin/sh\n");
    fs::set_permissions(env.work().join("a/three.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    let check = "echo 'one.txt:1: error: a'; test -f three.sh || echo 'one.txt:1: error: b'; exit 1";
    let args = ["run", "-o", "a", "--json", "--iterate", "--max-iterations", "2", "--check", check, "One file"];
    let out = env.et(args).run();
    let report = out.assert_code(1).result();
    assert_eq!((report.iterations, report.best_iteration), (2, Some(1)), "{out}");
    let mode = fs::metadata(env.work().join("a/three.sh")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o750, "{mode:o}");
}
