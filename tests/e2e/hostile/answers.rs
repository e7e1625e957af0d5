//! Answers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proto::outcome::Outcome;
use tests::env::Env;
use tests::model::{Model, Story, Sub};

fn block(path: &str) -> String {
    format!("===FILE: {path}===\nevil content\n===ENDFILE===\n\n")
}

/// Every path below a dir that isn't followed through links, with what it is.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            found.push(path.strip_prefix(dir).unwrap().to_string_lossy().into_owned());
            if kind.is_dir() {
                dirs.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn whatever_an_answer_names_only_what_is_harmless_is_written() {
    let env = Env::new();
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("target.txt"), "mine\n").unwrap();
    // A `.git` that is a file, as in a worktree; a dir, a file and links that are in the way.
    env.write(".git", "gitdir: ../outside\n");
    env.write("dir/kept.txt", "kept\n");
    env.write("file.txt", "kept\n");
    env.write("Twin.txt", "kept\n");
    symlink(&outside, env.work().join("lane")).unwrap();
    symlink(outside.join("target.txt"), env.work().join("alias.txt")).unwrap();
    symlink(outside.join("new.txt"), env.work().join("dangling.txt")).unwrap();
    nix::unistd::mkfifo(&env.work().join("pipe.txt"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = tree(&env.work());
    let long = format!("{}.txt", "n".repeat(5_000));
    let deep = "d/".repeat(2_000) + "x.txt";
    let hostile = [
        "/etc/et-evil.txt",
        "//server/share/x.txt",
        "C:\\x.txt",
        "\\\\server\\share\\x.txt",
        "..\\outside\\x.txt",
        "a/../../outside/x.txt",
        "~/x.txt",
        ".git",
        ".git/hooks/pre-commit",
        "sub/.git/config",
        ".GIT/config",
        ".git./config",
        ".git::$INDEX_ALLOCATION/config",
        "git~1/config",
        ".gi\u{200c}t/config",
        ".g\u{131}t/config",
        ".gitmodules",
        "electrictown.yaml",
        "Electrictown.yaml",
        ".et-tmp-evil",
        ".envrc",
        ".vscode/tasks.json",
        ".v\u{17f}code/tasks.json",
        ".cargo/config.toml",
        "rust-toolchain.toml",
        ".npmrc",
        ".husky/pre-commit",
        ".mcp.json",
        "HEAD",
        "main\u{202e}txt.exe",
        "ma\u{200b}in.txt",
        "dir",
        "file.txt/below.txt",
        "file.txt/below/deeper.txt",
        "twin.txt",
        "TWIN.txt",
        "lane/x.txt",
        "lane/target.txt",
        "alias.txt",
        "alias.txt/x.txt",
        "dangling.txt",
        "pipe.txt",
        &long,
        &deep,
    ];
    let mut answer = "===FILE: good.txt===\nthis is good\n===ENDFILE===\n\n".to_owned();
    for path in hostile {
        answer += &block(path);
    }
    for path in ["alias.txt", "lane/target.txt", "dangling.txt"] {
        answer += &format!(
            "===FILE: {path}===\n<<<<<<< SEARCH\nmine\n=======\nevil content\n>>>>>>> REPLACE\n===ENDFILE===\n\n"
        );
    }
    for path in ["dir", "lane", "lane/target.txt", "alias.txt", "pipe.txt", ".git", "..", ".", "../outside", "/"] {
        answer += &format!("===DELETE: {path}===\n\n");
    }
    for (from, to) in [
        ("file.txt", "file.txt"),
        ("file.txt", "lane/moved.txt"),
        ("alias.txt", "stolen.txt"),
        ("lane/target.txt", "stolen.txt"),
        ("../outside/target.txt", "stolen.txt"),
        ("dir/kept.txt", "file.txt"),
        ("file.txt", "dir/kept.txt"),
        ("dir", "moved"),
        (".git", "git.txt"),
    ] {
        answer += &format!("===MOVE: {from} -> {to}===\n\n");
    }
    let model = Model::start(
        Story::new()
            .plan([Sub::new("plain", "The plain file").owns(["good.txt"])])
            .says("work/plain", &answer)
            .lenient(),
    );
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "--check", "true", "write the files"]).run();
    let result = out.result();
    assert!(matches!(result.outcome, Outcome::Passed | Outcome::Partial), "{out}");
    assert_eq!(env.read("good.txt"), "this is good\n");
    // Nothing is outside, and nothing is there that wasn't, but the one file.
    assert_eq!(tree(&outside), ["target.txt"]);
    assert_eq!(fs::read_to_string(outside.join("target.txt")).unwrap(), "mine\n");
    let mut expected = before;
    expected.push("good.txt".to_owned());
    expected.sort();
    assert_eq!(tree(&env.work()), expected, "{:?}", result.files);
    for (path, content) in
        [("dir/kept.txt", "kept\n"), ("file.txt", "kept\n"), ("Twin.txt", "kept\n"), (".git", "gitdir: ../outside\n")]
    {
        assert_eq!(env.read(path), content, "{path}");
    }
    assert!(!Path::new("/etc/et-evil.txt").exists() && tree(&env.home()).iter().all(|path| !path.ends_with("x.txt")));
    // And each was refused with a reason, in words that steer no terminal.
    for path in hostile {
        let start: String = path.chars().take(60).collect();
        let refusal =
            result.refused.iter().find(|one| one.path.replace('\\', "/").starts_with(&start.replace('\\', "/")));
        let refusal = refusal.unwrap_or_else(|| panic!("{start} isn't refused: {:#?}", result.refused));
        assert!(!refusal.reason.is_empty() && refusal.path.chars().count() <= 300, "{start}");
    }
    env.et(["session", "undo", "last"]).run().assert_ok();
    assert!(!env.has("good.txt"));
}

#[test]
fn many_files_in_one_answer_all_land() {
    const FILES: usize = 600;
    let env = Env::new();
    let answer: String =
        (0..FILES).map(|n| format!("===FILE: d{}/f{n}.txt===\nnumber {n}\n===ENDFILE===\n", n % 20)).collect();
    let owns: Vec<String> = (0..FILES).map(|n| format!("d{}/f{n}.txt", n % 20)).collect();
    let model = Model::start(
        Story::new()
            .plan([Sub::new("all", "All files").owns(owns.iter().map(String::as_str))])
            .says("work/all", &answer),
    );
    env.config(&model);
    let out = env.et(["run", "-o", "many", "--json", "write many files"]).run();
    assert_eq!(out.assert_ok().result().files.len(), FILES);
    assert_eq!(env.read(&format!("many/d{}/f{}.txt", (FILES - 1) % 20, FILES - 1)), format!("number {}\n", FILES - 1));
}
