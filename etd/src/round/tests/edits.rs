//! Answers with edits and moves, through whole rounds.

use super::*;

const A: &str = "int a(void) { return 0; }\nint keep;\n";
const B: &str = "int b(void) { return 0; }\nint kept;\n";
const EDITS: &str = "@@ step work/a/1
a.c
<<<<<<< SEARCH
int a(void) { return 0; }
=======
int a(void) { return 1; }
>>>>>>> REPLACE
@@ step work/b/1
```diff
--- a/b.c
+++ b/b.c
-int b(void) { return 0; }
+int b(void) { return c(); }
```
";
const MEND: &str = "@@ step fix/1/b
===FILE: b.c===
<<<<<<< SEARCH
int b(void) { return c(); }
=======
int b(void) { return 2; } /* mended */
>>>>>>> REPLACE
===ENDFILE===
";

fn scene(recording: &[&str], flags: Flags) -> Scene {
    let scene = Scene::new(recording, flags);
    std::fs::write(scene.at("work/a.c"), A).unwrap();
    std::fs::write(scene.at("work/b.c"), B).unwrap();
    scene
}

#[test]
fn edits_of_workers_and_fixes_land_however_often_the_daemon_dies() {
    let whole = scene(&[PLAN, EDITS, MEND, WORDS], mending());
    assert!(whole.live(usize::MAX, false));
    assert_eq!(whole.report().outcome, Outcome::Passed);
    assert_eq!(whole.text("a.c"), "int a(void) { return 1; }\nint keep;\n");
    assert_eq!(whole.text("b.c"), "int b(void) { return 2; } /* mended */\nint kept;\n");
    let expected = whole.result();
    let mut wakes = 4;
    loop {
        let scene = scene(&[PLAN, EDITS, MEND, WORDS], mending());
        let survived = scene.live(wakes, false);
        assert!(survived || scene.live(usize::MAX, false));
        assert_eq!(scene.result(), expected, "died after {wakes} wakes");
        if survived {
            break;
        }
        wakes += 5;
    }
    assert!(wakes > 20, "{wakes}");
}

/// Who gave nothing and then all of it in a fix delivered, however often the daemon dies; who mends what was there didn't.
#[test]
fn what_a_fix_makes_good_is_delivered() {
    let (work_a, _) = WORK.split_once("@@ step work/b").unwrap();
    let nothing =
        "@@ step work/b/1\nSoon.\n@@ step work/b/2\nSoon.\n@@ step work/b/3\nSoon.\n@@ step work/b/4\nSoon.\n";
    let recording = [PLAN, work_a, nothing, FIX, WORDS];
    let whole = Scene::new(&recording, mending());
    assert!(whole.live(usize::MAX, false));
    assert_eq!(whole.report().outcome, Outcome::Passed);
    let expected = whole.result();
    for wakes in (4..60).step_by(7) {
        let scene = Scene::new(&recording, mending());
        let survived = scene.live(wakes, false);
        assert!(survived || scene.live(usize::MAX, false));
        assert_eq!(scene.result(), expected, "died after {wakes} wakes");
    }
    let there = Scene::new(&recording, mending());
    std::fs::write(there.at("work/b.c"), B).unwrap();
    assert!(there.live(usize::MAX, false));
    assert_eq!(there.report().outcome, Outcome::Partial);
}

/// What `work/a` answers, and again → a.c and the outcome.
#[test]
fn what_of_the_edits_applied_is_kept() {
    const BOTH: &str = "@@ step work/a/1
a.c
<<<<<<< SEARCH
int a(void) { return 0; }
=======
int a(void) { return 1; }
>>>>>>> REPLACE
<<<<<<< SEARCH
int nowhere;
=======
int somewhere;
>>>>>>> REPLACE
";
    const AGAIN: &str = "@@ step work/a/2
a.c
<<<<<<< SEARCH
int keep;
=======
int somewhere;
>>>>>>> REPLACE
";
    const WRONG: &str = "@@ step work/a/2
a.c
<<<<<<< SEARCH
int anywhere;
=======
int somewhere;
>>>>>>> REPLACE
";
    let work_b = EDITS.split_once("@@ step work/b").map(|(_, rest)| format!("@@ step work/b{rest}")).unwrap();
    let table = [
        ("the rest applies", AGAIN, "int a(void) { return 1; }\nint somewhere;\n", Outcome::Passed),
        ("it never does", WRONG, "int a(void) { return 1; }\nint keep;\n", Outcome::Partial),
    ];
    for (name, again, expected, outcome) in table {
        let flags = Flags { check: Some("true".to_owned()), ..Flags::default() };
        let scene = scene(&[PLAN, BOTH, again, &work_b, WORDS], flags);
        assert!(scene.live(usize::MAX, false));
        assert_eq!(scene.text("a.c"), expected, "{name}");
        assert_eq!(scene.report().outcome, outcome, "{name}");
    }
}

#[test]
fn only_what_is_ones_own_moves() {
    let plan = PLAN.replace(r#""owns": ["a.c"]"#, r#""owns": ["a.c", "new.c"]"#);
    const MOVES: &str = "@@ step work/a/1
===MOVE: a.c -> new.c===
@@ step work/b/1
===MOVE: a.c -> b.c===
===MOVE: b.c -> other.c===
===FILE: b.c===
int b;
int kept;
===ENDFILE===
";
    let scene = scene(&[&plan, MOVES, WORDS], Flags::default());
    assert!(scene.live(usize::MAX, false));
    assert_eq!(scene.text("new.c"), A);
    assert!(!scene.at("work/a.c").exists() && !scene.at("work/other.c").exists());
    assert_eq!(scene.text("b.c"), B, "its move was refused as a whole");
    let refused = scene.report().refused;
    assert!(refused.iter().any(|one| one.path == "b.c" && one.reason.contains("other.c")), "{refused:?}");
}

#[test]
fn an_edit_of_anothers_file_is_refused() {
    let work = EDITS
        .replace("--- a/b.c\n+++ b/b.c", "--- a/a.c\n+++ b/a.c")
        .replace("-int b(void) { return 0; }\n+int b(void) { return c(); }", "-int keep;\n+int lost;");
    let scene = scene(&[PLAN, &work, "@@ step work/b/2\nNO CHANGE NEEDED\n", WORDS], Flags::default());
    assert!(scene.live(usize::MAX, false));
    assert_eq!(scene.text("a.c"), "int a(void) { return 1; }\nint keep;\n");
    assert_eq!(scene.text("b.c"), B);
    let refused = scene.report().refused;
    assert!(refused.iter().any(|one| one.path == "a.c" && one.reason.contains("belongs to a")), "{refused:?}");
}

#[test]
fn a_file_that_a_person_changed_meanwhile_is_asked_again() {
    const AGAIN: &str = "@@ step work/a/2
a.c
<<<<<<< SEARCH
int a(void) { return 0; } /* by hand */
=======
int a(void) { return 1; } /* by hand */
>>>>>>> REPLACE
";
    let mut wakes = 4;
    loop {
        let scene = scene(&[PLAN, EDITS, AGAIN, WORDS], Flags::default());
        assert!(!scene.live(wakes, false), "the answer was never seen before it was used");
        let steps = scene.steps_or_none();
        if steps.contains("work/a/1") && !steps.contains("edits/work/a/1") {
            let by_hand = A.replace(" }", " } /* by hand */");
            std::fs::write(scene.at("work/a.c"), &by_hand).unwrap();
            assert!(scene.live(usize::MAX, false));
            assert_eq!(scene.text("a.c"), by_hand.replace("0", "1"));
            break;
        }
        wakes += 1;
    }
}
