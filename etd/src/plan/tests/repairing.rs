//! How a plan is repaired and taken in.

use super::*;

#[test]
fn a_complete_plan_is_repaired() {
    let all = vec![
        subtask("a", &["a.go"], &["b", "ghost"]),
        subtask("b", &["main.go"], &["a"]),
        subtask("c", &["c.go", "d.go"], &["b"]),
    ];
    let mut repaired = plan("Go 1.22", all.clone());
    let added = repair(&mut repaired, "", &set(&[]), &fresh(), &[]);
    assert_eq!(added, [("b".to_owned(), RelPath::parse("go.mod").unwrap())]);
    assert_eq!(
        repaired.subtasks.iter().map(|subtask| subtask.after.clone()).collect::<Vec<_>>(),
        [vec![], vec!["a"], vec!["b"]]
    );
    assert_eq!((owns(&repaired.subtasks[1]), repaired.notes.len()), (vec!["main.go", "go.mod"], 3));

    let mut started = plan("", all.clone());
    let added = repair(&mut started, "", &set(&["a", "b"]), &fresh(), &[]);
    assert_eq!(added[0].0, "c");
    assert_eq!(started.subtasks[..2], all[..2]);

    let go = tree(&[("go.mod", 1)], &[]);
    assert_eq!(repair(&mut plan("Go", all.clone()), "", &set(&[]), &go, &[]), []);
    assert_eq!(repair(&mut plan("Python", all), "", &set(&[]), &fresh(), &[]), []);
    assert_eq!(repair(&mut single("x"), "", &set(&[]), &fresh(), &[]), []);
}

#[test]
fn both_sides_of_an_interface_say_the_same() {
    let two = || {
        vec![
            signed(subtask("a", &["store.go", "go.mod"], &[]), &["func (s *Store) Get(id int) User"], &[]),
            signed(
                subtask("b", &["api.go"], &[]),
                &[],
                &["func (s *Store) Get(id string) User", "func (s *Store) Drop(id int)", "func Route() int"],
            ),
            signed(subtask("c", &["cli.go"], &[]), &[], &["func Route() int"]),
        ]
    };
    let sides = |begun: &[&str]| {
        let mut plan = plan("Go", two());
        repair(&mut plan, "", &set(begun), &fresh(), &[]);
        plan
    };
    let open = sides(&[]);
    assert_eq!(open.subtasks[1].requires, ["func (s *Store) Get(id int) User", "func (s *Store) Drop(id int)"]);
    // What belongs to the store goes there, the rest to the first that uses it.
    assert!(open.subtasks[0].provides.contains(&"func (s *Store) Drop(id int)".to_owned()), "{open:?}");
    assert_eq!(open.subtasks[1].provides, ["func Route() int"]);
    assert_eq!((open.subtasks[2].provides.len(), open.subtasks[2].requires.len()), (0, 1));
    assert!(open.subtasks[0].instructions.contains("Drop") && open.notes.len() == 3, "{:?}", open.notes);
    // Only the provider can be told.
    let late = sides(&["b"]);
    assert_eq!(late.subtasks[0].provides[0], "func (s *Store) Get(id string) User");
    assert_eq!(late.subtasks[1], two()[1]);
    assert_eq!(late.subtasks[2].provides, ["func Route() int"]);
    // Nobody can: it is said.
    let all = sides(&["a", "b", "c"]);
    assert_eq!(all.subtasks, two());
    assert_eq!(all.notes.iter().filter(|note| note.contains("started")).count(), 4, "{:?}", all.notes);
}

#[test]
fn files_that_nobody_owns_go_where_they_fit() {
    let layout = ["app/__init__.py", "app/store.py", "tests/test_core.py"];
    let both = || vec![subtask("a", &["lib/x.py"], &[]), subtask("b", &["app/core.py"], &[])];
    let mut plan = laid("Python", &layout, both());
    let added = repair(&mut plan, "", &set(&[]), &fresh(), &[]);
    assert_eq!(added.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["b", "b", "b"]);
    assert!(plan.subtasks[1].instructions.contains("Besides, write app/store.py."));
    let mut plan = laid("Python", &layout, both());
    assert_eq!(repair(&mut plan, "", &set(&["a", "b"]), &fresh(), &[]), []);
    assert_eq!((plan.subtasks.clone(), plan.notes.len()), (both(), 3), "{:?}", plan.notes);
}

#[test]
fn the_planners_answer_is_taken_in() {
    let before =
        || vec![subtask("a", &["a.go"], &[]), subtask("b", &["b.go", "c.go"], &[]), subtask("c", &["d.go"], &["b"])];
    // Answer, begun, owned afterwards, changed.
    type Row = (
        Vec<Subtask>,
        &'static [&'static str],
        &'static [(&'static str, &'static [&'static str])],
        &'static [&'static str],
    );
    let table: Vec<Row> = vec![
        (vec![], &[], &[("a", &["a.go"]), ("b", &["b.go", "c.go"]), ("c", &["d.go"])], &[]),
        // A new one, with a file of another that hasn't begun.
        (
            vec![subtask("d", &["main.go", "c.go"], &[])],
            &["a"],
            &[("a", &["a.go"]), ("b", &["b.go"]), ("c", &["d.go"]), ("d", &["main.go", "c.go"])],
            &["b", "d"],
        ),
        // What has begun keeps its files, and stays as it is.
        (
            vec![
                subtask("b", &["other.go"], &[]),
                subtask("d", &["main.go", "B.go"], &[]),
                subtask("e", &["b.go"], &[]),
            ],
            &["b"],
            &[("a", &["a.go"]), ("b", &["b.go", "c.go"]), ("c", &["d.go"]), ("d", &["main.go"])],
            &["d"],
        ),
        // A changed one.
        (
            vec![subtask("c", &["d.go", "main.go"], &[])],
            &["a", "b"],
            &[("a", &["a.go"]), ("b", &["b.go", "c.go"]), ("c", &["d.go", "main.go"])],
            &["c"],
        ),
    ];
    for (answer, begun, expected, changed) in table {
        let mut plan = laid("Go", &["main.go", "gone.go"], before());
        let told = amend(&mut plan, &answer, None, &set(begun), &mut Vec::new());
        let found: Vec<(&str, Vec<&str>)> = plan.subtasks.iter().map(|one| (one.id.as_str(), owns(one))).collect();
        let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(id, owns)| (*id, owns.to_vec())).collect();
        assert_eq!((found, told), (expected, changed.iter().map(|id| (*id).to_owned()).collect()), "{answer:?}");
        assert_eq!(plan.contract.layout.len(), 2);
    }
    let mut plan = laid("Go", &["a.go", "main.go", "gone.go"], before());
    let contract = Contract { layout: vec!["main.go".to_owned()], ..Contract::default() };
    amend(&mut plan, &[], Some(&contract), &set(&[]), &mut Vec::new());
    assert_eq!(plan.contract.layout, ["a.go", "main.go"]);
}
