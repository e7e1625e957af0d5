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

/// A plan with a layout, and a subtask's signatures.
fn laid(language: &str, layout: &[&str], subtasks: Vec<Subtask>) -> Plan {
    let mut plan = plan(language, subtasks);
    plan.contract.layout = layout.iter().map(|path| (*path).to_owned()).collect();
    plan
}

fn signed(mut subtask: Subtask, provides: &[&str], requires: &[&str]) -> Subtask {
    subtask.provides = provides.iter().map(|text| (*text).to_owned()).collect();
    subtask.requires = requires.iter().map(|text| (*text).to_owned()).collect();
    subtask
}

fn fresh() -> Tree {
    Tree { words: Some(BTreeSet::new()), ..Tree::default() }
}

fn tree(files: &[(&str, u64)], words: &[&str]) -> Tree {
    Tree { files: files.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect(), words: Some(set(words)) }
}

#[test]
fn what_is_wrong_is_found() {
    let go = || subtask("a", &["go.mod", "main.go"], &[]);
    // Name, plan, task, tree, begun, findings, whether the planner is asked.
    type Row = (&'static str, Plan, &'static str, Tree, &'static [&'static str], &'static [&'static str], bool);
    let table: Vec<Row> = vec![
        ("nothing", plan("Go", vec![go(), subtask("b", &["b.go"], &[])]), "a server", fresh(), &[], &[], false),
        (
            "overlap, folded",
            plan("", vec![subtask("a", &["X.c"], &[]), subtask("b", &["x.c", "y.c"], &[])]),
            "",
            fresh(),
            &[],
            &["a and b both own x.c, only a can"],
            false,
        ),
        (
            "overlap that leaves nothing",
            plan("", vec![subtask("a", &["x.c"], &[]), subtask("b", &["x.c"], &[])]),
            "",
            fresh(),
            &[],
            &["a and b both own x.c, only a can; b has no other file"],
            true,
        ),
        (
            "a circle, and what isn't there",
            plan(
                "",
                vec![
                    subtask("a", &["a.c"], &["b"]),
                    subtask("b", &["b.c"], &["c"]),
                    subtask("c", &["c.c"], &["a", "ghost"]),
                    subtask("d", &["d.c"], &["a"]),
                ],
            ),
            "",
            fresh(),
            &[],
            &["c waits for ghost, which isn't in the plan", "a, b, c wait for one another"],
            false,
        ),
        (
            "a signature that nobody provides, one that the tree has, a library's",
            plan(
                "",
                vec![
                    subtask("a", &["a.c"], &[]),
                    signed(
                        subtask("b", &["b.c"], &[]),
                        &[],
                        &["func Open(path string) error", "func Old()", "http.Handler", "errors", "the store"],
                    ),
                ],
            ),
            "",
            tree(&[("old.go", 9)], &["Old"]),
            &[],
            &["b requires `func Open(path string) error`, which nobody provides"],
            false,
        ),
        (
            "a signature that differs",
            plan(
                "",
                vec![
                    signed(
                        subtask("a", &["a.go"], &[]),
                        &["func (s *Store) Get(id int) (User, error)", "type User struct{ID int}"],
                        &[],
                    ),
                    signed(
                        subtask("b", &["b.go"], &[]),
                        &[],
                        &[
                            "func (s *Store) Get(id string) User",
                            "type User struct",
                            "Store.Get",
                            "func (c *Cache) Get(k int)",
                        ],
                    ),
                ],
            ),
            "",
            fresh(),
            &[],
            &[
                "b requires `func (s *Store) Get(id string) User`, but a provides `func (s *Store) Get(id int) (User, error)`",
                "nobody owns the manifest go.mod",
            ],
            false,
        ),
        (
            "a manifest and an entry point by the task",
            plan("Go 1.22", vec![subtask("a", &["store.go"], &[]), subtask("b", &["api.go"], &[])]),
            "An HTTP server in Go",
            fresh(),
            &[],
            &["nobody owns the manifest go.mod", "nobody owns the entry point, such as main.go"],
            true,
        ),
        (
            "no entry point: a library, and a tree that has code",
            plan("Go 1.22", vec![subtask("a", &["go.mod", "store.go"], &[]), subtask("b", &["api.go"], &[])]),
            "A library for a server",
            fresh(),
            &[],
            &[],
            false,
        ),
        (
            "an existing tree",
            laid(
                "Go",
                &["main.go", "store.go"],
                vec![subtask("a", &["store.go"], &[]), subtask("b", &["api.go"], &[])],
            ),
            "Add a PATCH endpoint to the server",
            tree(&[("go.mod", 9), ("main.go", 9)], &[]),
            &[],
            &[],
            false,
        ),
        (
            "a crate needs one",
            plan("Rust", vec![subtask("a", &["Cargo.toml", "src/a.rs"], &[]), subtask("b", &["src/b.rs"], &[])]),
            "A parser",
            fresh(),
            &[],
            &["nobody owns the entry point, such as src/lib.rs"],
            true,
        ),
        (
            "the layout: a forgotten part, a test, glue, docs, locks, dirs",
            laid(
                "Python",
                &[
                    "app/__init__.py",
                    "app/core.py",
                    "app/store.py",
                    "tests/test_core.py",
                    "README.md",
                    "poetry.lock",
                    "docs/",
                    "app/*.py",
                ],
                vec![subtask("a", &["app/core.py"], &[]), subtask("b", &["app/api.py"], &[])],
            ),
            "",
            fresh(),
            &[],
            &[
                "app/__init__.py is in the layout, and nobody owns it",
                "app/store.py is in the layout, and nobody owns it",
                "tests/test_core.py is in the layout, and nobody owns it",
            ],
            true,
        ),
        (
            "whoever is alone does it all",
            laid("Python", &["a.py", "b.py"], vec![subtask("a", &["a.py"], &[])]),
            "",
            fresh(),
            &[],
            &["b.py is in the layout, and nobody owns it"],
            false,
        ),
        (
            "a test whose code is at work already",
            laid("Python", &["a.py", "test_a.py"], vec![subtask("a", &["a.py"], &[]), subtask("b", &["b.py"], &[])]),
            "",
            fresh(),
            &["a"],
            &["test_a.py is in the layout, and nobody owns it"],
            true,
        ),
    ];
    for (name, plan, task, tree, begun, expected, asked) in table {
        let found = findings(&plan, task, &set(begun), &tree, &[]);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected, "{name}");
        assert_eq!(found.iter().any(Finding::is_worth_a_question), asked, "{name}");
    }
    assert_eq!(findings(&single("a server in Go"), "a server in Go", &set(&[]), &fresh(), &[]), []);
}

#[test]
fn signatures_are_compared_by_symbol_and_then_by_text() {
    // One side, the other, whether they are about the same, whether they can't both be right.
    let table = [
        ("func NewStore() *Store", "func  NewStore( ) *Store {", true, false),
        ("func NewStore() *Store", "NewStore", true, false),
        ("func NewStore(path string) *Store", "func NewStore() *Store", true, true),
        ("pub fn load(path: &Path) -> Result<Config>", "fn load(path: &Path) -> Result<Config>;", true, false),
        ("pub async fn load(path: &str)", "fn load(path: &Path)", true, true),
        ("export function parse(text: string): Tree", "parse(text: string): Tree", true, false),
        (
            "export function parse(text: string): Tree",
            "function parse(text: string, strict: boolean): Tree",
            true,
            true,
        ),
        ("def add(self, a, b):", "def add(self, a, b)", true, false),
        ("int add(int a, int b);", "int add(int a, int b)", true, false),
        ("int add(int a, int b);", "long add(long a, long b);", true, true),
        ("type User struct { ID int }", "type User struct", true, false),
        ("class User", "class Group", false, false),
        ("func (s *Store) Get(id int)", "func (c *Cache) Get(id int)", false, false),
        ("func (s *Store) Get(id int)", "Store.Get(id int)", true, false),
        ("User::new(name: &str) -> User", "fn new(name: &str) -> User", true, false),
    ];
    for (one, two, same, differs) in table {
        let (a, b) = (signature::Signature::read(one).unwrap(), signature::Signature::read(two).unwrap());
        assert_eq!((a.same_symbol(&b), same && a.differs(&b)), (same, differs), "{one} | {two}\n{a:?}\n{b:?}");
        assert_eq!((b.same_symbol(&a), same && b.differs(&a)), (same, differs), "{two} | {one}");
    }
    for text in ["", "the store (in memory)", "GET /users/{id}", "net/http", "how users are kept"] {
        assert_eq!(signature::symbol(text), None, "{text}");
    }
    let sources = [
        ("a.go", "func (s *Store) Get(id int) {\n", Some(true)),
        ("a.go", "x := Get(1)\n", Some(false)),
        ("a.rs", "    pub(crate) fn Get() {}\n", Some(true)),
        ("a.py", "import Get\n", Some(false)),
        ("a.ts", "export const Get = () => 1;\n", Some(true)),
        ("a.c", "int Get(void) {\n", None),
    ];
    for (path, source, expected) in sources {
        assert_eq!(defines(path, source, "Get"), expected, "{path}: {source}");
    }
}

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
