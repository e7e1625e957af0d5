//! Who works when.

use super::*;

#[test]
fn a_chain_goes_to_one_worker() {
    let expert = |one: Subtask| Subtask { specialist: Some("sql".to_owned()), ..one };
    let files = |count: usize| (0..count).map(|n| format!("f{n}.c")).collect::<Vec<_>>();
    let many = files(8);
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    // Name, plan, begun, ids afterwards, parts of the first merged one.
    type Row<'a> = (&'a str, Vec<Subtask>, &'a [&'a str], &'a [&'a str], &'a [&'a str]);
    let three = || vec![subtask("a", &["a.c"], &[]), subtask("b", &["b.c"], &["a"]), subtask("c", &["c.c"], &["b"])];
    let table: Vec<Row<'_>> = vec![
        ("three", three(), &[], &["a"], &["a", "b", "c"]),
        ("the head is at work", three(), &["a"], &["a", "b"], &["b", "c"]),
        ("two are at work", three(), &["a", "b"], &["a", "b", "c"], &[]),
        ("backwards", three().into_iter().rev().collect(), &[], &["a"], &["a", "b", "c"]),
        (
            "two wait for one",
            vec![subtask("a", &["a.c"], &[]), subtask("b", &["b.c"], &["a"]), subtask("c", &["c.c"], &["a"])],
            &[],
            &["a", "b", "c"],
            &[],
        ),
        (
            "one waits for two",
            vec![subtask("a", &["a.c"], &[]), subtask("b", &["b.c"], &[]), subtask("c", &["c.c"], &["a", "b"])],
            &[],
            &["a", "b", "c"],
            &[],
        ),
        (
            "specialists differ",
            vec![
                subtask("a", &["a.c"], &[]),
                expert(subtask("b", &["b.c"], &["a"])),
                expert(subtask("c", &["c.c"], &["b"])),
            ],
            &[],
            &["a", "b"],
            &["b", "c"],
        ),
        ("too many files", vec![subtask("a", &many, &[]), subtask("b", &["b.c"], &["a"])], &[], &["a", "b"], &[]),
        ("too many bytes", vec![subtask("a", &["a.c"], &[]), subtask("b", &["big.c"], &["a"])], &[], &["a", "b"], &[]),
        ("nothing of its own", vec![subtask("a", &["a.c"], &[]), subtask("b", &[], &["a"])], &[], &["a", "b"], &[]),
        (
            "five",
            vec![
                subtask("a", &["a.c"], &[]),
                subtask("b", &["b.c"], &["a"]),
                subtask("c", &["c.c"], &["b"]),
                subtask("d", &["d.c"], &["c"]),
                subtask("e", &["e.c"], &["d"]),
            ],
            &[],
            &["a", "e"],
            &["a", "b", "c", "d"],
        ),
    ];
    for (name, all, begun, ids, parts) in table {
        let mut plan = plan("", all);
        let merged = merge(&mut plan, &set(begun), &tree(&[("big.c", 60_000)], &[]), &[]);
        assert_eq!(plan.subtasks.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ids, "{name}");
        let found: Vec<&str> =
            merged.first().map(|one| one.parts.iter().map(|part| part.id.as_str()).collect()).unwrap_or_default();
        assert_eq!(found, parts, "{name}");
        let known: BTreeSet<&str> = plan.subtasks.iter().map(|one| one.id.as_str()).collect();
        assert!(plan.subtasks.iter().flat_map(|one| &one.after).all(|id| known.contains(id.as_str())), "{name}");
    }
    let mut whole = plan("", three());
    whole.subtasks[2].reads = vec![RelPath::parse("a.c").unwrap(), RelPath::parse("z.h").unwrap()];
    whole.subtasks.push(subtask("d", &["d.c"], &["c"]));
    whole.subtasks.push(subtask("e", &["e.c"], &["c"]));
    merge(&mut whole, &set(&[]), &fresh(), &[]);
    let one = &whole.subtasks[0];
    assert_eq!((owns(one), one.reads.len(), one.after.len()), (vec!["a.c", "b.c", "c.c"], 1, 0));
    assert_eq!(whole.subtasks[1].after, ["a"]);
    assert!(one.instructions.contains("1. ") && one.instructions.contains("3. "), "{}", one.instructions);

    // Nothing is left of one: it goes with whom its file went to.
    let overlap = Overlap { path: RelPath::parse("a.c").unwrap(), keeps: "a".to_owned(), loses: "b".to_owned() };
    let mut plan = plan("", vec![subtask("a", &["a.c"], &[]), subtask("b", &[], &[]), subtask("c", &["c.c"], &["b"])]);
    let merged = merge(&mut plan, &set(&["c"]), &fresh(), &[overlap]);
    assert_eq!((merged.len(), plan.subtasks.len()), (1, 2));
}

#[test]
fn subtasks_start_when_what_they_wait_for_has_ended() {
    let all = [subtask("a", &[], &[]), subtask("b", &[], &["a"]), subtask("c", &[], &["ghost"])];
    assert_eq!(ready(&all, &set(&[]), &set(&[]), false), ["a"]);
    assert_eq!(ready(&all, &set(&["a"]), &set(&[]), true), ["c"]);
    assert_eq!(ready(&all, &set(&["a", "c"]), &set(&["a"]), true), ["b"]);
    assert!(over_limit(3, 3).is_none() && over_limit(4, 3).is_some());
}
