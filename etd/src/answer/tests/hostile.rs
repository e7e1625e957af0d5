//! Answers that a model was talked into, or that no model would give.

use std::time::{Duration, Instant};

use super::*;

/// Far longer than a reader takes that looks at each line a few times, on a busy machine and without optimisation.
const BOUNDED: Duration = Duration::from_secs(60);

#[test]
fn hostile_paths_are_refused_or_stay_below_the_work_dir() {
    let long = "n".repeat(5_000);
    let deep = "d/".repeat(2_500) + "x.txt";
    let component = format!("dir/{}/x.txt", "n".repeat(256));
    // The path as written, and what is left of it; none: it is refused.
    let table: &[(&str, Option<&str>)] = &[
        ("/etc/passwd", None),
        ("//etc/passwd", None),
        ("///x.txt", None),
        ("/app/../../x.txt", None),
        ("/app/x.txt", None),
        ("../x.txt", None),
        ("a/../x.txt", None),
        ("a/..", None),
        ("..", None),
        ("./../x.txt", None),
        ("..\\x.txt", None),
        ("a\\..\\..\\x.txt", None),
        (".. /x.txt", Some(".. /x.txt")),
        (".../x.txt", Some(".../x.txt")),
        ("C:\\Windows\\x.txt", None),
        ("c:/x.txt", None),
        ("C:x.txt", None),
        ("\\\\server\\share\\x.txt", None),
        ("\\\\?\\C:\\x.txt", None),
        ("\\\\.\\PhysicalDrive0", None),
        ("~", None),
        ("~/x.txt", None),
        ("~root/x.txt", Some("~root/x.txt")),
        ("$HOME/x.txt", Some("$HOME/x.txt")),
        ("%2e%2e/x.txt", Some("%2e%2e/x.txt")),
        ("file:///etc/x.txt", Some("file:/etc/x.txt")),
        ("a\0b.txt", None),
        ("a\u{1b}[2Jb.txt", None),
        ("a\u{9b}31mb.txt", None),
        ("a\u{7f}b.txt", None),
        ("a\tb.txt", None),
        ("\u{fe0f}a.txt", Some("\u{fe0f}a.txt")),
        ("dir/", None),
        ("./", None),
        (".", None),
        ("a//b///c.txt", Some("a/b/c.txt")),
        ("././a/./b.txt", Some("a/b.txt")),
        (&long, None),
        (&deep, None),
        (&component, None),
    ];
    for (written, left) in table {
        let short: String = written.chars().take(40).collect();
        for answer in [
            format!("===FILE: {written}===\ncontent\n===ENDFILE===\n"),
            format!("===DELETE: {written}===\n"),
            format!("===MOVE: {written} -> {written}.new===\n"),
            format!("<file path=\"{written}\">\ncontent\n</file>\n"),
            format!("*** Begin Patch\n*** Add File: {written}\n+content\n*** End Patch\n"),
        ] {
            let found = ask(&answer, &["x.txt"]);
            let moved = found.moves.iter().flat_map(|(from, to)| [from, to]);
            let files = found.files.iter().map(|file| &file.path).chain(found.edits.iter().map(|edit| &edit.path));
            for path in files.chain(moved).chain(&found.deletions) {
                let allowed = left.is_some_and(|left| path.as_str() == left || path.as_str() == format!("{left}.new"))
                    || path.as_str() == "x.txt";
                assert!(allowed, "{short:?} became {path:?} in {:?}", answer.get(..40));
            }
        }
        let found = ask(&format!("===FILE: {written}===\ncontent\n===ENDFILE===\n"), &[]);
        match left {
            Some(left) => assert_eq!(found.files.first().map(|file| file.path.as_str()), Some(*left), "{short:?}"),
            None => {
                assert!(found.files.is_empty(), "{short:?}: {:?}", found.files);
                let told = found.problems.iter().any(|one| {
                    matches!(one, Problem::UnsafePath(text, why)
                    if text.chars().count() <= 300 && !text.chars().any(char::is_control) && !why.is_empty())
                });
                assert!(told, "{short:?}: {:?}", found.problems);
            }
        }
    }
}

#[test]
fn a_path_of_two_lines_is_no_path() {
    for line in ["\n", "\r", "\r\n", "\u{2028}", "\u{85}", "\u{b}"] {
        for answer in [
            format!("===FILE: a{line}/etc/x.txt===\nc\n===ENDFILE===\n"),
            format!("===DELETE: a{line}/etc/x.txt===\n"),
            format!("===MOVE: a{line}/etc/x.txt -> b===\n"),
            format!("<file path=\"a{line}/etc/x.txt\">\nc\n</file>\n"),
        ] {
            let found = ask(&answer, &[]);
            let moved = found.moves.iter().flat_map(|(from, to)| [from, to]);
            for path in found.files.iter().map(|file| &file.path).chain(moved).chain(&found.deletions) {
                let text = path.as_str();
                assert!(!text.starts_with('/') && !text.chars().any(char::is_control), "{answer:?}: {text:?}");
            }
        }
    }
}

#[test]
fn ten_thousand_files_are_read_in_time() {
    let begin = Instant::now();
    let text: String =
        (0..10_000).map(|n| format!("===FILE: d{}/f{n}.txt===\nnumber {n}\n===ENDFILE===\n", n % 100)).collect();
    let found = ask(&text, &[]);
    assert_eq!((found.files.len(), found.problems.len()), (10_000, 0));
    assert_eq!(found.files[9_999].content, "number 9999\n");
    let same = "===FILE: x.txt===\nagain\n===ENDFILE===\n".repeat(10_000);
    assert_eq!(ask(&same, &[]).files.len(), 1);
    let deletions: String = (0..10_000).map(|n| format!("===DELETE: f{n}.txt===\n")).collect();
    assert_eq!(ask(&deletions, &[]).deletions.len(), 10_000);
    let edits: String = (0..3_000)
        .map(|n| format!("===FILE: f{n}.txt===\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n===ENDFILE===\n"))
        .collect();
    assert_eq!(ask(&edits, &[]).edits.len(), 3_000);
    assert!(begin.elapsed() < BOUNDED, "{:?}", begin.elapsed());
}

#[test]
fn an_answer_as_long_as_a_provider_may_give_is_read_in_time() {
    // What is linear here is at most eight times as long at the limit of a provider.
    let size = 2 << 20;
    for (what, text) in [
        ("lines", "===FILE: a.txt===\n".to_owned() + &"a line of text\n".repeat(size / 15) + "===ENDFILE===\n"),
        ("one line", "===FILE: a.txt===\n".to_owned() + &"x".repeat(size) + "\n===ENDFILE===\n"),
        ("no block", "words of a model\n".repeat(size / 17)),
        ("ticks", "`".repeat(size)),
        ("equal signs", "=".repeat(size)),
        ("blanks", " ".repeat(size)),
        ("line ends", "\n".repeat(size)),
    ] {
        let begin = Instant::now();
        let found = ask(&text, &[]);
        assert!(found.files.len() <= 1, "{what}");
        assert!(begin.elapsed() < BOUNDED, "{what}: {:?}", begin.elapsed());
    }
}

#[test]
fn moves_onto_themselves_and_in_circles_lose_nothing() {
    let before = [("a.txt", "a\n"), ("b.txt", "b\n"), ("c.txt", "c\n")];
    for text in [
        "===MOVE: a.txt -> a.txt===\n",
        "===MOVE: a.txt -> ./a.txt===\n",
        "===MOVE: a.txt -> b.txt===\n===MOVE: b.txt -> a.txt===\n",
        "===MOVE: a.txt -> b.txt===\n===MOVE: b.txt -> c.txt===\n===MOVE: c.txt -> a.txt===\n",
        "===MOVE: a.txt -> d.txt===\n===MOVE: d.txt -> a.txt===\n",
        "===MOVE: a.txt -> d.txt===\n===MOVE: b.txt -> d.txt===\n",
        "===MOVE: a.txt -> d.txt===\n===MOVE: a.txt -> e.txt===\n",
        "===MOVE: a.txt -> d.txt===\n===DELETE: a.txt===\n",
        "===MOVE: a.txt -> d.txt===\n===DELETE: d.txt===\n",
        "===DELETE: a.txt===\n===FILE: a.txt===\na\n===ENDFILE===\n",
        "===MOVE: a.txt -> a.txt/b.txt===\n",
        "===MOVE: missing.txt -> a.txt===\n",
    ] {
        let answer = ask(text, &["a.txt", "b.txt", "c.txt"]);
        let resolved = resolve(&answer, &|path| {
            before
                .iter()
                .find(|(name, _)| *name == path.as_str())
                .map_or(Current::Absent, |(_, content)| Current::Text((*content).to_owned()))
        });
        let mut after: std::collections::BTreeMap<String, String> =
            before.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect();
        for (path, content) in &resolved.files {
            match content {
                Some(content) => after.insert(path.to_string(), content.clone()),
                None => after.remove(path.as_str()),
            };
        }
        // Each content is somewhere still, unless it was to be deleted.
        for (name, content) in before {
            let deleted = answer.deletions.iter().any(|path| path.as_str() == name)
                || answer.moves.iter().any(|(_, to)| answer.deletions.contains(to) || to.as_str() == name);
            assert!(
                deleted || after.values().any(|text| text == content),
                "{name} is lost by {text:?}: {:?}, {:?}",
                resolved.files,
                resolved.failed
            );
        }
    }
}
