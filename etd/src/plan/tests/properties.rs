//! What holds for every answer.

use super::*;

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
