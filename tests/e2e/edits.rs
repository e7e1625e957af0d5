//! Answers as edits: a large file is shown in part and mended by a few lines; models that can't are asked for whole files; an answer that
//! was cut goes on.

use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::{Config, Env};
use tests::model::{Fault, Model, Story, Sub, Wire};

/// A Python module of 80 functions, five lines each; the one with this number fails.
fn module(broken: Option<usize>) -> String {
    let one = |number: usize| {
        let value = if broken == Some(number) { "missing" } else { "number" };
        format!(
            "def step_{number}(number):\n    first = number + {number}\n    second = {value} * first\n    return second\n\n"
        )
    };
    (1..=80).map(one).collect()
}

/// Red with a place while a name is missing.
const CHECK: &str = r#"n=$(grep -n missing steps.py | head -1 | cut -d: -f1); if [ -n "$n" ]; then echo "steps.py:$n:14: error: Name \"missing\" is not defined"; exit 1; fi"#;

fn edit(search: &str, replace: &str) -> String {
    format!("===FILE: steps.py===\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n===ENDFILE===\n")
}

/// The right edit: the lines around tell the place.
fn right() -> String {
    edit(
        "    first = number + 41\n    second = missing * first",
        "    first = number + 41\n    second = number * first",
    )
}

fn story() -> Story {
    Story::new().plan([Sub::new("steps", "The steps").owns(["steps.py"])]).contract("Python", "", []).file(
        "steps",
        "steps.py",
        &module(Some(41)),
    )
}

#[test]
fn a_large_file_is_shown_in_part_and_mended_by_a_few_lines() {
    let model = Model::start(
        story()
            .no_fix()
            .says("fix/steps", &right())
            .expects("fix/steps", "`steps.py`, in part:")
            .expects(
                "fix/steps",
                "def step_41(number):\n    first = number + 41\n    second = missing * first\n    return second\n",
            )
            .expects("fix/steps", "Change by edits, not whole: steps.py."),
    );
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "out", "--json", "--iterate", "--check", CHECK, "eighty steps"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert_eq!(env.read("out/steps.py"), module(None));
    let fix = &model.calls("fix/steps")[0];
    let prompt = &fix.text;
    assert!(!prompt.contains("first = number + 60"), "{prompt}");
    assert!(prompt.len() < module(None).len(), "{} bytes", prompt.len());
    let told = out.events().into_iter().find_map(|line| match line.event {
        Event::FixAssigned { whole, part, .. } => Some((whole, part)),
        _ => None,
    });
    assert_eq!(told, Some((vec![], vec!["steps.py".to_owned()])));
    let done = out.events().into_iter().find_map(|line| match line.event {
        Event::FixFinished { lines_added, lines_removed, not_applied, tokens_in, .. } => {
            Some((lines_added, lines_removed, not_applied, tokens_in > 0))
        }
        _ => None,
    });
    assert_eq!(done, Some((1, 1, None, true)));
    let decisions = std::fs::read_to_string(format!("{}/_decisions.jsonl", out.result().log_dir.unwrap())).unwrap();
    assert!(decisions.contains("in part: steps.py") && decisions.contains("steps.py (+1 -1 lines)"), "{decisions}");
}

#[test]
fn a_model_whose_edits_fail_twice_is_asked_for_whole_files() {
    let wrong = edit("    second = nothing like it", "    second = number");
    let model = Model::start(
        story()
            .no_fix()
            .says("fix/steps#1", &wrong)
            .says("fix/steps#2", &wrong)
            .says("fix/integrator", &format!("===FILE: steps.py===\n{}===ENDFILE===\n", module(None)))
            .says("fix/steps#3", &format!("===FILE: steps.py===\n{}===ENDFILE===\n", module(None)))
            .expects("fix/steps#1", "Change by edits")
            .expects("fix/steps#2", "The nearest lines of steps.py are:"),
    );
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "out", "--json", "--iterate", "--check", CHECK, "eighty steps"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert_eq!(env.read("out/steps.py"), module(None));
    let last = model.records().into_iter().rfind(|one| one.label().starts_with("fix")).unwrap();
    let prompt = last.text;
    assert!(prompt.contains("first = number + 60") && !prompt.contains("Change by edits"), "{prompt}");
}

#[test]
fn who_is_not_to_be_asked_for_edits_is_asked_for_whole_files() {
    let model =
        Model::start(story().fix_any("steps.py", &module(None)).expects("fix/steps", module(Some(41)).trim_end()));
    let env = Env::new();
    let config = Config::new()
        .provider("scripted", Wire::OpenAi, &model.base_url(Wire::OpenAi))
        .model_with("main", "scripted", "scripted", "edits: false")
        .role("mayor", ["main"], [])
        .role("polecat", ["main"], []);
    env.write_config(&config);
    let out = env.et(["run", "-o", "out", "--json", "--iterate", "--check", CHECK, "eighty steps"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert!(!model.calls("fix/steps")[0].text.contains("by edits"));
}

#[test]
fn an_answer_that_was_cut_goes_on() {
    let whole = format!("===FILE: steps.py===\n{}===ENDFILE===\n", module(None));
    let half = whole.len() / 2;
    let half = (half..).find(|at| whole.is_char_boundary(*at)).unwrap();
    let model = Model::start(
        story()
            .says("work/steps#1", &whole)
            .says("work/steps#2", &whole[half..])
            .expects("work/steps#2", "Go on exactly where it stopped")
            .fail("work/steps#1", Fault::LengthCut),
    );
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "out", "--json", "--iterate", "--check", CHECK, "eighty steps"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert_eq!(env.read("out/steps.py"), module(None));
    assert_eq!(model.count("work/steps"), 2);
}
