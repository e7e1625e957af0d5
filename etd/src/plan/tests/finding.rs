//! What is wrong with a plan.

use super::*;

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
