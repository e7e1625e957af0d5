#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const JSON: &str = r#"Here is the plan:
```json
{
  "contract": {"language": "Go", "layout": ["go.mod", "main.go"], "shared": "type T struct { A string `json:\"a\"` }", "conventions": ["short"]},
  "subtasks": [
    {"id": "models", "title": "Models", "instructions": "Write {them}.", "owns": ["./models.go", "`a/b.go`"], "reads": [], "after": [],
     "provides": ["func A()"], "requires": [], "specialist": null},
    {"id": 2, "instructions": "The API\nin Go", "owns": "main.go", "reads": ["models.go", "../../.ssh/id_rsa", "main.go"], "after": "models",
     "extra": {"x": [1]}, "specialist": "sql",},
  ],
  "check": {"build": ["go", "build", "./..."], "test": "go test"}
}
```
Good luck."#;

const PROSE: &str = "Sure.\n\n1. Write **models.go** with `*User`\n   * the type `User`\n   - and `store/store.go`\nin one go.\n2. The server in `main.go`, \
    `../evil.go` [depends: 1] [specialist: web]\n\n   Keep it small.\n3) Tests: `main_test.go` [depends: 1, 2]\n\nThat is all.\n- good luck\n";

fn known(subtasks: &[Subtask]) -> Known {
    Known { subtasks: subtasks.to_vec(), contract: false }
}

/// Reads a text in pieces of `size` characters: all items, and the end.
fn chunked(text: &str, size: usize, known: Known, cut: bool) -> (Vec<Item>, Finished) {
    let mut reader = PlanReader::new(known);
    let chars: Vec<char> = text.chars().collect();
    let mut items: Vec<Item> = Vec::new();
    for piece in chars.chunks(size.max(1)) {
        items.extend(reader.push(&piece.iter().collect::<String>()));
    }
    let finished = reader.finish(cut);
    items.extend(finished.items.clone());
    (items, finished)
}

fn read(text: &str) -> (Vec<Subtask>, Finished) {
    let (items, finished) = chunked(text, usize::MAX, Known::default(), false);
    (subtasks(&items), finished)
}

fn subtasks(items: &[Item]) -> Vec<Subtask> {
    let subtask = |item: &Item| match item {
        Item::Subtask(subtask) => Some(subtask.clone()),
        Item::Contract(_) => None,
    };
    items.iter().filter_map(subtask).collect()
}

fn owns(subtask: &Subtask) -> Vec<&str> {
    subtask.owns.iter().map(RelPath::as_str).collect()
}

fn subtask(id: &str, files: &[&str], after: &[&str]) -> Subtask {
    let after: Vec<String> = after.iter().map(|id| (*id).to_owned()).collect();
    let owns = files.iter().map(|path| RelPath::parse(path).unwrap()).collect();
    Subtask { id: id.to_owned(), owns, after, ..single("do").subtasks.remove(0) }
}

fn plan(language: &str, subtasks: Vec<Subtask>) -> Plan {
    let contract = Contract { language: language.to_owned(), ..Contract::default() };
    Plan { contract, subtasks, check: CheckHint::default(), form: PlanForm::Json, notes: Vec::new() }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

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
fn subtasks_start_when_what_they_wait_for_has_ended() {
    let all = [subtask("a", &[], &[]), subtask("b", &[], &["a"]), subtask("c", &[], &["ghost"])];
    assert_eq!(ready(&all, &set(&[]), &set(&[]), false), ["a"]);
    assert_eq!(ready(&all, &set(&["a"]), &set(&[]), true), ["c"]);
    assert_eq!(ready(&all, &set(&["a", "c"]), &set(&["a"]), true), ["b"]);
    assert!(over_limit(3, 3).is_none() && over_limit(4, 3).is_some());
}

#[test]
fn the_schema_is_strict() {
    fn strict(value: &serde_json::Value) {
        if value["type"] == "object" {
            assert_eq!(value["additionalProperties"], false);
            let properties: BTreeSet<&str> =
                value["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let required: BTreeSet<&str> =
                value["required"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
            assert_eq!(properties, required);
        }
        value.as_object().into_iter().flatten().for_each(|(_, value)| strict(value));
    }
    strict(&schema());
    assert_eq!(schema()["required"][0], "contract");
}

fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "{\"subtasks\":[",
        "{\"id\":\"a\",\"owns\":[\"x.go\"]}",
        ",",
        "]}",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\n",
        "1. `a.go`\n",
        "- **b.go**",
        "\\",
        "```json\n",
        "```\n",
        "<think>",
        "</think>",
        "  ",
        "\"contract\":",
        "{\"language\":\"é\"}",
        "[depends: 1]",
        "{\"contract\"",
    ];
    prop_oneof![proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned), ".{0,6}"]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(parts in proptest::collection::vec(piece(), 0..30), size in 1..9_usize, cut: bool) {
        let text = parts.concat();
        let (whole, end) = chunked(&text, usize::MAX, Known::default(), cut);
        let (split, other) = chunked(&text, size, Known::default(), cut);
        prop_assert_eq!(&whole, &split);
        prop_assert_eq!((end.check, end.form, end.notes), (other.check, other.form, other.notes));
        let found = subtasks(&whole);
        let files: Vec<String> = found.iter().flat_map(|subtask| &subtask.owns).map(RelPath::folded).collect();
        prop_assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), files.len());
        prop_assert_eq!(found.iter().map(|subtask| &subtask.id).collect::<BTreeSet<_>>().len(), found.len());
    }

    #[test]
    fn a_repaired_plan_can_be_done(edges in proptest::collection::vec((0..6_usize, 0..8_usize), 0..20)) {
        let mut all: Vec<Subtask> = (0..6).map(|id| subtask(&id.to_string(), &[], &[])).collect();
        for (from, to) in edges {
            all[from].after.push(to.to_string());
        }
        let mut plan = plan("", all);
        repair(&mut plan, "", &set(&[]), &Tree::default(), &[]);
        merge(&mut plan, &set(&[]), &Tree::default(), &[]);
        let mut ended = BTreeSet::new();
        loop {
            let next = ready(&plan.subtasks, &BTreeSet::new(), &ended, true);
            if next.is_empty() {
                break;
            }
            ended.extend(next);
        }
        prop_assert_eq!(ended.len(), plan.subtasks.len());
    }
}

#[test]
fn every_real_split_gives_the_same() {
    for text in [JSON, PROSE] {
        let whole = chunked(text, usize::MAX, Known::default(), false).0;
        for size in 1..40 {
            assert_eq!(chunked(text, size, Known::default(), false).0, whole);
        }
    }
}
