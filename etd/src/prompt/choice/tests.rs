#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use super::*;

fn view(path: &str, text: &str) -> FileView {
    FileView { path: RelPath::parse(path).unwrap(), text: text.to_owned() }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

/// A shop with a hundred modules that look alike.
fn shop() -> Vec<FileView> {
    let mut files = vec![
        view("pyproject.toml", "[project]\nname = \"shop\"\n"),
        view("poetry.lock", &"user email endpoint\n".repeat(900)),
        view("shop/users/model.py", &format!("class User:\n    name: str\n{}", "    # about a user\n".repeat(20))),
        view(
            "shop/users/api.py",
            "from shop.users.model import User\nfrom shop.web import route\n\n@route(\"GET\", \"/users\")\ndef list_users():\n    pass\n",
        ),
        view("shop/web.py", "def route(method, path):\n    pass\n"),
        view("tests/test_users.py", "from shop.users.api import list_users\n\ndef test_list():\n    pass\n"),
    ];
    for number in 0..100 {
        let text = format!(
            "import os\n\n\nclass Part{number}:\n    def price(self):\n        return {number}\n\n\ndef helper_{number}():\n    pass\n# {}\n",
            "x".repeat(300)
        );
        files.push(view(&format!("shop/parts/part_{number}.py"), &text));
    }
    files
}

#[test]
fn a_small_tree_is_shown_whole() {
    let files = vec![view("a.py", "x"), view("b.py", "y")];
    let choice = choose("whatever", &[], files.clone());
    assert_eq!((choice.whole, choice.outlines.len()), (files, 0));
}

#[test]
fn what_the_task_is_about_comes_first() {
    let files = shop();
    let choice = choose("Add a PATCH endpoint for users and an email field", &[], files.clone());
    let whole: Vec<&str> = choice.whole.iter().map(|view| view.path.as_str()).collect();
    assert_eq!(whole[0], "shop/users/api.py", "{whole:?}");
    for wanted in ["shop/users/model.py", "tests/test_users.py", "shop/web.py", "pyproject.toml"] {
        assert!(whole.contains(&wanted), "{wanted} isn't in {whole:?}");
    }
    assert!(!whole.iter().any(|path| path.contains("part_") || path.contains("lock")), "{whole:?}");
    let outlines: usize = choice.outlines.iter().map(|one| one.shown().len() + 1).sum();
    assert!(outlines <= OUTLINES && choice.outlines.len() > 50, "{outlines} in {}", choice.outlines.len());
    assert_eq!(choose("Add a PATCH endpoint for users and an email field", &[], files), choice);
}

#[test]
fn a_named_file_an_earlier_change_and_nothing_at_all() {
    let table: &[(&str, &[&str], Option<&str>)] = &[
        ("Make part_42.py faster", &[], Some("shop/parts/part_42.py")),
        ("Reformat shop/parts/part_7.py", &[], Some("shop/parts/part_7.py")),
        ("Now do it better", &["shop/parts/part_9.py"], Some("shop/parts/part_9.py")),
        ("Fix the users", &["shop/parts/part_9.py"], Some("shop/users/api.py")),
        ("Xyzzy", &[], None),
    ];
    for (task, recent, first) in table {
        let recent: Vec<RelPath> = recent.iter().map(|path| rel(path)).collect();
        let choice = choose(task, &recent, shop());
        assert_eq!(choice.whole.first().map(|view| view.path.as_str()), *first, "{task}");
        let bytes: usize = choice.whole.iter().map(|view| view.text.len()).sum();
        assert!(bytes <= WHOLE, "{bytes}");
        assert!(recent.iter().all(|path| choice.whole.iter().any(|view| view.path == *path)), "{task}");
    }
}

#[test]
fn names_fall_into_words() {
    let found: Vec<String> = words("getUserEmails HTTPServer parse_entries is_ok ÄrgerLich class x").collect();
    assert_eq!(found, ["get", "user", "email", "http", "server", "parse", "entry", "ärger", "lich", "class"]);
}

#[test]
fn many_files_are_grouped_by_dir() {
    let file = |path: &str, bytes| TreeFile { path: rel(path), bytes };
    assert_eq!(listed(&[file("a/b.go", 12)], &BTreeSet::new()), ["a/b.go (12 bytes)"]);
    let mut tree = vec![file("go.mod", 10), file("big.go", 50_000)];
    tree.extend((0..60).map(|n| file(&format!("a/b/f{n:02}.go"), 100)));
    let lines = listed(&tree, &BTreeSet::new());
    assert_eq!(lines[0], ".: go.mod, big.go (48 KB)");
    assert!(lines[1].starts_with("a/b/: f00.go, f01.go") && lines[1].ends_with("f39.go, … 20 more"), "{lines:?}");
    // A huge tree: dirs that matter keep their names.
    let tree: Vec<TreeFile> =
        (0..4000).map(|n| file(&format!("some/module{}/with_a_long_name_{n}.go", n / 10), 100)).collect();
    let lines = listed(&tree, &BTreeSet::from(["some/module7".to_owned()]));
    assert!(lines.iter().map(|line| line.len() + 1).sum::<usize>() <= LISTED + 100);
    assert!(lines.iter().any(|line| line.starts_with("some/module7/: with_a_long_name_70.go")));
    assert!(lines.iter().any(|line| line == "some/module8/: 10 files"));
}

#[test]
fn the_other_sides_of_a_file_are_outlined() {
    let files = shop();
    let tree: Vec<TreeFile> =
        files.iter().map(|view| TreeFile { path: view.path.clone(), bytes: view.text.len() as u64 }).collect();
    let read = |path: &RelPath| files.iter().find(|view| view.path == *path).map(|view| view.text.clone());
    let names = |own: usize, shown: &[&str], said: &str, limit| {
        let shown: Vec<RelPath> = shown.iter().map(|path| rel(path)).collect();
        let found = neighbours(&files[own..=own], &shown, said, &tree, limit, &read);
        found.iter().map(|one| one.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(3, &["shop/users/api.py"], "", 8000), ["shop/users/model.py", "shop/web.py"]);
    assert_eq!(
        names(3, &["shop/web.py"], "as in `shop/parts/part_1.py`.", 8000),
        ["shop/users/model.py", "shop/parts/part_1.py"]
    );
    assert_eq!(names(3, &[], "", 60), ["shop/users/model.py"]);
    assert_eq!(names(2, &[], "my_shop/web.py", 8000), Vec::<String>::new());
}
