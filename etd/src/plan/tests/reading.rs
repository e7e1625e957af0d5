//! What planners answer, in all the shapes it comes in.

use super::*;

#[test]
fn json_is_read() {
    let (found, finished) = read(JSON);
    assert_eq!(found.len(), 2);
    assert_eq!(owns(&found[0]), ["models.go", "a/b.go"]);
    assert_eq!((found[0].instructions.as_str(), found[0].specialist.as_deref()), ("Write {them}.", None));
    assert_eq!(
        (found[1].id.as_str(), found[1].title.as_str(), found[1].specialist.as_deref()),
        ("2", "The API", Some("sql"))
    );
    assert_eq!(
        (owns(&found[1]), found[1].reads.len(), found[1].after.as_slice()),
        (vec!["main.go"], 1, &["models".to_owned()][..])
    );
    assert_eq!((finished.check.build.len(), finished.check.test.len(), finished.form), (3, 2, PlanForm::Json));
    assert!(finished.notes.len() == 1 && finished.notes[0].contains("../../.ssh/id_rsa"), "{:?}", finished.notes);
}

#[test]
fn a_subtask_comes_out_with_its_last_brace() {
    let mut reader = PlanReader::new(Known::default());
    assert_eq!(reader.push(r#"{"contract":{"language":"Go"},"subtasks":[{"id":"a","instructions":"x"#).len(), 1);
    assert_eq!(reader.push("\""), []);
    assert_eq!(subtasks(&reader.push("}")).len(), 1);
    assert_eq!(reader.push(",{\"id\":\"b\""), []);
    let finished = reader.finish(true);
    assert_eq!((finished.items.len(), finished.notes.len()), (0, 1));
}

#[test]
fn prose_is_read() {
    let (found, finished) = read(PROSE);
    assert_eq!(finished.form, PlanForm::Prose);
    assert_eq!(
        found.iter().map(owns).collect::<Vec<_>>(),
        [vec!["models.go", "store/store.go"], vec!["main.go"], vec!["main_test.go"]]
    );
    assert!(found[0].instructions.contains("*User") && found[0].instructions.contains("in one go."));
    assert!(found[1].instructions.contains("Keep it small."));
    assert_eq!((found[1].after.clone(), found[1].specialist.as_deref()), (vec!["1".to_owned()], Some("web")));
    assert_eq!(found[2].after, ["1", "2"]);
    assert!(finished.notes.iter().any(|note| note.contains("../evil.go")), "{:?}", finished.notes);
    let mut reader = PlanReader::new(Known::default());
    assert_eq!(reader.push("- `a.go`: x\n  * more\n"), []);
    assert_eq!(reader.push("- `b.go`: y\n").len(), 1);
}

#[test]
fn plans_that_bend_the_rules() {
    let one = |body: &str| read(&format!("{{\"subtasks\": [{body}]}}"));
    // Name, subtasks, ids and what they own, whether there is a note.
    type Row = (&'static str, &'static [(&'static str, &'static [&'static str])], bool);
    let table: &[Row] = &[
        (r#"{"id":"a/b c","instructions":"x"},{"id":"","instructions":"y"}"#, &[("a-b-c", &[]), ("2", &[])], false),
        (r#"{"id":"a","instructions":"x"},{"id":"a","instructions":"y"}"#, &[("a", &[]), ("a-2", &[])], false),
        (
            r#"{"id":"a","owns":["X.go"]},{"id":"b","owns":["x.go","y.go"]}"#,
            &[("a", &["X.go"]), ("b", &["y.go"])],
            true,
        ),
        (r#"{"id":"a","owns":["/etc/passwd","..\\x","src/","*.go","ok.go"]}"#, &[("a", &["ok.go"])], true),
        (r#"{"id":"a","owns":["**x.go**","main.go (entry)"]}"#, &[("a", &["x.go", "main.go"])], false),
        (r#"{"id":"a"},{"id":"b","owns":[{"path":"x.go"}]}"#, &[("b", &["x.go"])], true),
        (r#"{"id":"a","after":["a"],"description":["x","y"]}"#, &[("a", &[])], false),
    ];
    for (body, expected, noted) in table {
        let (found, finished) = one(body);
        let found: Vec<(&str, Vec<&str>)> = found.iter().map(|subtask| (subtask.id.as_str(), owns(subtask))).collect();
        let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(id, owns)| (*id, owns.to_vec())).collect();
        assert_eq!(found, expected, "{body}");
        assert_eq!(!finished.notes.is_empty(), *noted, "{body}: {:?}", finished.notes);
    }
    assert!(one(r#"{"id":"a","after":["a"],"instructions":"x"}"#).0[0].after.is_empty());
}

#[test]
fn other_shapes_are_read() {
    let table = [
        ("[{\"id\":\"a\",\"instructions\":\"x\"}]", 1, PlanForm::Json),
        (
            "{\"subtasks\":[{\"id\":\"a\",\"instructions\":\"x\"}],\"contract\":{\"language\":\"Go\"}}",
            1,
            PlanForm::Json,
        ),
        ("{\"subtasks\":[{\"id\":\"a\",\"instructions\":\"line\nline\"", 1, PlanForm::Json),
        ("Plan: {\"contract\":{},\"subtasks\":[{\"id\":\"a\",\"instructions\":\"x\"}]}", 1, PlanForm::Json),
        ("<think>\n1. `a.go`\n2. `b.go`\n</think>\n- do `c.go`", 1, PlanForm::Prose),
        ("<think>\n1. `a.go`\n2. `b.go`\n", 0, PlanForm::Single),
        ("{\n\"not\": \"a plan\"\n1. `a.go`\n2. `b.go`", 2, PlanForm::Prose),
        ("I can't.", 0, PlanForm::Single),
        ("", 0, PlanForm::Single),
    ];
    for (text, count, form) in table {
        let (found, finished) = read(text);
        assert_eq!((found.len(), finished.form), (count, form), "{text}");
    }
}

#[test]
fn what_is_known_is_not_repeated() {
    let recorded = [subtask("models", &["models.go", "a/b.go"], &[])];
    let (items, finished) = chunked(JSON, 7, known(&recorded), false);
    let found = subtasks(&items);
    assert_eq!(found.iter().map(|subtask| subtask.id.as_str()).collect::<Vec<_>>(), ["2"]);
    assert_eq!(finished.notes.len(), 1, "{:?}", finished.notes);
    let recorded = [subtask("x", &["MAIN.go"], &[]), subtask("1", &["store/store.go"], &[])];
    let (items, _) = chunked(PROSE, 7, known(&recorded), false);
    assert_eq!(subtasks(&items).iter().map(owns).collect::<Vec<_>>(), [vec!["main_test.go"]]);
}

#[test]
fn no_subtask_comes_out_before_the_contract() {
    let late =
        r#"{"subtasks":[{"id":"a","instructions":"x"},{"id":"b","instructions":"y"}],"contract":{"language":"Go"}}"#;
    let (items, _) = chunked(late, 3, Known::default(), false);
    assert!(matches!(items[0], Item::Contract(_)), "{items:?}");
    assert_eq!(subtasks(&items).len(), 2);
    // It is known, there is none, or there is no place for one.
    let mut reader = PlanReader::new(Known { contract: true, ..Known::default() });
    assert_eq!(reader.push(late.split(",{").next().unwrap()).len(), 1);
    let mut reader = PlanReader::new(Known::default());
    assert_eq!(reader.push(r#"[{"id":"a","instructions":"x"}"#).len(), 1);
    let mut reader = PlanReader::new(Known::default());
    assert_eq!(reader.push(r#"{"contract":{},"subtasks":[{"id":"a","instructions":"x"}"#).len(), 1);
    let (found, _) = read(r#"{"subtasks":[{"id":"a","instructions":"x"}],"check":{}}"#);
    assert_eq!(found.len(), 1);
}

#[test]
fn workers_that_are_no_subtasks_keep_their_names() {
    let (found, _) =
        read(r#"[{"id":"integrator","instructions":"x"},{"id":"b","after":["integrator"],"instructions":"y"}]"#);
    assert_eq!((found[0].id.as_str(), found[1].after[0].as_str()), ("integrator-part", "integrator-part"));
}
