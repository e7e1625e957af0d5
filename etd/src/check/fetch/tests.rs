//! What manifests ask for, and what they can't ask for.
#![allow(clippy::unwrap_used, reason = "a test may")]

use super::*;

type Files<'a> = &'a [(&'a str, &'a str)];

fn found(files: Files<'_>) -> Vec<Fetch> {
    let texts: BTreeMap<RelPath, String> =
        files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let tree: Vec<TreeFile> = texts.keys().map(|path| TreeFile { path: path.clone(), bytes: 1 }).collect();
    fetches(&tree, &|path| texts.get(path).cloned())
}

#[test]
fn only_dependencies_from_elsewhere_are_fetched() {
    let lock = "version = 4\n";
    let go_main = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n";
    let go_deps = "package main\n\nimport \"github.com/a/b\"\n\nfunc main() { b.C() }\n";
    let table: &[(Files<'_>, &[&str])] = &[
        (&[("README.md", "")], &[]),
        (&[("Cargo.toml", "[package]\nname = \"a\"\n\n[dependencies]\n"), ("src/lib.rs", "")], &[]),
        (&[("Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\nb = { path = \"b\" }\n"), ("src/lib.rs", "")], &[]),
        (&[("Cargo.toml", "[dependencies]\nserde = \"1\"\n"), ("Cargo.lock", lock)], &["cargo fetch"]),
        (&[("Cargo.toml", "[dependencies.serde]\nversion = \"1\"\n")], &["cargo fetch"]),
        (&[("Cargo.toml", "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n")], &["cargo fetch"]),
        (&[("target/x/Cargo.toml", "[dependencies]\nserde = \"1\"\n")], &[]),
        (&[("go.mod", "module a\n\ngo 1.21\n"), ("main.go", go_main)], &[]),
        (&[("go.mod", "module github.com/a\n\ngo 1.21\n"), ("main.go", go_deps)], &[]),
        (&[("go.mod", "module a\n\ngo 1.21\n"), ("main.go", go_deps)], &["go list"]),
        (&[("package.json", "{ \"name\": \"a\" }")], &[]),
        (&[("package.json", "{ \"dependencies\": { \"b\": \"1\" } }")], &["npm install"]),
        (&[("package.json", "{ \"devDependencies\": { \"b\": \"1\" } }"), ("package-lock.json", "{}")], &["npm ci"]),
        (&[("package.json", "{ \"dependencies\": { \"b\": \"1\" } }"), ("node_modules/b/package.json", "{}")], &[]),
        (&[("package.json", "{ \"dependencies\": { \"b\": \"1\" } }"), ("yarn.lock", "")], &["yarn install"]),
        (&[("requirements.txt", "# none\n-e .\n--index-url http://evil\n./local\ngit+https://evil\n")], &[]),
        (&[("requirements.txt", "requests==2.0 # why\n")], &["python3 -m"]),
        (&[("pyproject.toml", "[project]\nname = \"a\"\ndependencies = []\n")], &[]),
        (&[("pyproject.toml", "[project]\ndependencies = [\n  \"a[b]>=1\",\n  'c',\n]\n[tool.x]\n")], &["python3 -m"]),
    ];
    for (files, expected) in table {
        let commands: Vec<String> = found(files).iter().map(|fetch| fetch.argv[..2].join(" ")).collect();
        assert_eq!(commands, *expected, "{files:?}");
    }
}

/// Nothing but manifests is there while there is a network.
#[test]
fn what_else_stands_in_the_tree_has_no_say() {
    let files: Files<'_> = &[
        ("Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
        (".cargo/config.toml", "[build]\nrustc-wrapper = \"./evil\"\n"),
        ("rust-toolchain.toml", "[toolchain]\npath = \"evil\"\n"),
        ("build.rs", "fn main() { evil() }"),
        ("package.json", "{ \"dependencies\": { \"b\": \"1\" } }"),
        (".npmrc", "git=./evil"),
        ("go.mod", "module a\n"),
        ("main.go", "package main\n\nimport \"github.com/a/b\"\n\nfunc init() { evil() }\n"),
        ("requirements.txt", "-e .\nrequests\n"),
        ("setup.py", "evil()"),
        (".env", "SECRET"),
    ];
    for fetch in found(files) {
        for (path, text) in &fetch.files {
            assert!(!text.contains("evil"), "{path}: {text}");
            let name = path.rsplit('/').next().unwrap();
            assert!(["Cargo.toml", "package.json", "go.mod", "main.go", "build.rs"].contains(&name), "{path}");
        }
        assert!(!fetch.argv.iter().any(|word| word == "-e"), "{:?}", fetch.argv);
    }
}

#[test]
fn dependencies_of_a_project_are_read_as_far_as_its_list() {
    let text = "[build-system]\nrequires = [\"x\"]\n[project]\ndependencies = [\"a[b]>=1\", 'c; python_version < \"3\"']\nname = \"n\"\n";
    assert_eq!(project_dependencies(text), ["a[b]>=1", "c; python_version < \"3\""]);
    assert_eq!(project_dependencies("[tool.a]\ndependencies = [\"x\"]\n"), Vec::<String>::new());
}
