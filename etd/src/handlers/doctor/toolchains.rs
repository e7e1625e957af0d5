//! Which tools there are to build with, in the versions that they say, and which of them the project needs that the caller stands in.
//!
//! Tools are asked as quick looks are made: confined, in a dir in which nothing of the project lies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proto::config::SandboxWish;
use proto::message::{Doctor, Finding, Grade};

use super::{Advised as _, finding};
use crate::check::diagnostics::log::uncoloured;
use crate::check::{self, DetectOptions};
use crate::plan::CheckHint;
use crate::sandbox::{Command, Ended, Jail, Output, Profile, Wish, find_program};
use crate::session::Engine;
use crate::workspace::Workspace;

/// Longest time for one tool; some start a virtual machine first.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes kept of each stream.
const OUTPUT_LIMIT: usize = 4096;
/// Where tools are asked.
const NEUTRAL_DIR: &str = "/";

/// A tool: its name here, the programs that are it, and what makes it print its version.
struct Tool {
    name: &'static str,
    programs: &'static [&'static str],
    ask: &'static str,
}

const fn tool(name: &'static str, programs: &'static [&'static str], ask: &'static str) -> Tool {
    Tool { name, programs, ask }
}

/// Those that a check may call, in the order in which they are shown.
const TOOLS: &[Tool] = &[
    tool("go", &["go"], "version"),
    tool("cargo", &["cargo"], "--version"),
    tool("node", &["node"], "--version"),
    tool("npm", &["npm"], "--version"),
    tool("tsc", &["tsc"], "--version"),
    tool("python", &["python3", "python"], "--version"),
    tool("make", &["make", "gmake"], "--version"),
    tool("cmake", &["cmake"], "--version"),
    tool("cc", &["cc", "gcc", "clang"], "--version"),
    tool("javac", &["javac"], "-version"),
    tool("mvn", &["mvn"], "--version"),
];

pub(super) async fn examine(engine: &Engine, request: &Doctor, wish: SandboxWish) -> Vec<Finding> {
    let home = request.env.get("HOME").map(PathBuf::from);
    let root = tree(Path::new(&request.dir), home.as_deref());
    let looked = root.clone();
    let needed = tokio::task::spawn_blocking(move || needs(&looked, home.as_deref())).await.unwrap_or_default();
    let jail = engine.children.jail(Wish {
        sandbox: wish,
        profile: Profile::Look,
        work_dir: Some(root.clone()),
        env: request.env.clone(),
        secret: request.config.iter().map(|config| PathBuf::from(&config.log_dir)).collect(),
        named: Vec::new(),
    });
    let jail = jail.await.unwrap_or_else(|_| Jail::open(request.env.clone()));
    let path = request.env.get("PATH").map(String::as_str);
    let asked = TOOLS.iter().map(|tool| {
        let found = tool.programs.iter().find_map(|program| find_program(program, path, &root));
        let (root, jail) = (root.clone(), &jail);
        let needed = tool.programs.iter().any(|program| needed.contains(*program));
        async move {
            let Some(file) = found else { return missing(tool.name, needed) };
            let command = Command {
                argv: vec![file.to_string_lossy().into_owned(), tool.ask.to_owned()],
                dir: PathBuf::from(NEUTRAL_DIR),
                root,
                env: jail.env().clone(),
                timeout: PATIENCE,
                output_limit: OUTPUT_LIMIT,
                input: Vec::new(),
                confinement: Some(Arc::clone(&jail.confinement)),
            };
            let answer = engine.children.run(command, engine.stopping()).await;
            judge(tool.name, &file, answer.map_err(|error| error.to_string()), needed)
        }
    });
    let mut findings = join_all(asked).await;
    let known = |program: &str| TOOLS.iter().any(|tool| tool.programs.contains(&program));
    let others = needed.iter().filter(|program| !known(program) && !program.contains('/'));
    findings.extend(others.map(|program| match find_program(program, path, &root) {
        Some(file) => {
            finding("toolchain", program, Grade::Ok, format!("{} (the project here needs it)", file.display()))
        }
        None => missing(program, true),
    }));
    findings
}

/// The dir whose programs are no tools. Where no project can be (the home, and what holds it, are full of tools) it is a place that
/// nothing is below.
fn tree(dir: &Path, home: Option<&Path>) -> PathBuf {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let holds_home = home.is_some_and(|home| real(home).starts_with(real(dir)));
    if holds_home || dir.parent().is_none() { PathBuf::from("/dev/null") } else { dir.to_owned() }
}

/// Programs that a check of the project in this dir can't do without.
fn needs(dir: &Path, home: Option<&Path>) -> BTreeSet<String> {
    // It would be made if it weren't there.
    let opened = dir.is_dir().then(|| Workspace::open(dir, home).ok()).flatten();
    let Some(workspace) = opened else { return BTreeSet::new() };
    let tree = workspace.list().files;
    let read = |path: &crate::relpath::RelPath| {
        workspace.image(path).ok().flatten().and_then(|content| String::from_utf8(content.bytes).ok())
    };
    let Some(plan) = check::detect(&tree, &read, &DetectOptions { tests: true, hint: &CheckHint::default() }) else {
        return BTreeSet::new();
    };
    let local = |program: &str, dir: &str| {
        let places = std::iter::successors(Some(Path::new(dir)), |dir| dir.parent());
        let mut places = places.map(|place| workspace.root().join(place).join("node_modules/.bin").join(program));
        places.any(|file| file.exists())
    };
    let mut needed = BTreeSet::new();
    for step in plan.steps.iter().filter(|step| step.needs) {
        let program = step.argv.first().filter(|program| !(step.local_bin && local(program, &step.dir)));
        needed.extend(program.into_iter().chain(&step.requires).cloned());
    }
    needed
}

fn missing(name: &str, needed: bool) -> Finding {
    if needed {
        finding("toolchain", name, Grade::Fail, "isn't on PATH, and the project here needs it")
            .advice(format!("install {name}, or put its dir on the PATH of the shell that runs et"))
    } else {
        finding("toolchain", name, Grade::Ok, "isn't on PATH; only projects that need it miss it")
    }
}

/// What a tool's answer means; pure.
fn judge(name: &str, file: &Path, answer: Result<Output, String>, needed: bool) -> Finding {
    let trouble = |why: String| {
        let grade = if needed { Grade::Fail } else { Grade::Warn };
        let text = format!("{} doesn't say its version: {why}", file.display());
        finding("toolchain", name, grade, text).advice(format!(
            "run `{}` yourself; inside a check it sees the toolchains, and not your home",
            file.display()
        ))
    };
    let output = match answer {
        Ok(output) => output,
        Err(why) => return trouble(why),
    };
    let first = |text: &str| uncoloured(text).lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let said = first(&output.stdout).or_else(|| first(&output.stderr));
    match (output.ended, said) {
        (Ended::Code(0), Some(said)) => {
            let here = if needed { ", and the project here needs it" } else { "" };
            finding("toolchain", name, Grade::Ok, format!("{said} ({}{here})", file.display()))
        }
        (Ended::Code(0), None) => trouble("it printed nothing".to_owned()),
        (Ended::Code(code), said) => trouble(format!("exit code {code}: {}", said.unwrap_or_default())),
        (Ended::Signal(signal), _) => trouble(format!("signal {signal}")),
        (Ended::TimedOut, _) => trouble(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn answers_are_judged() {
        let output = |ended, stdout: &str, stderr: &str| Output {
            ended,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            duration: Duration::ZERO,
        };
        let judged = |answer: Result<Output, String>, needed| {
            let told = judge("go", Path::new("/usr/bin/go"), answer, needed);
            (told.grade, told.text)
        };
        let good = || Ok(output(Ended::Code(0), "\ngo version go1.26\nmore\n", ""));
        assert_eq!(judged(good(), false), (Grade::Ok, "go version go1.26 (/usr/bin/go)".to_owned()));
        let coloured = Ok(output(Ended::Code(0), "\u{1b}[1mgo 1.26\u{1b}[m\n", ""));
        assert_eq!(judged(coloured, false), (Grade::Ok, "go 1.26 (/usr/bin/go)".to_owned()));
        assert!(judged(good(), true).1.ends_with("(/usr/bin/go, and the project here needs it)"));
        // Old compilers of Java speak on stderr.
        assert_eq!(judged(Ok(output(Ended::Code(0), "", "javac 8\n")), false).0, Grade::Ok);
        for (answer, word) in [
            (Ok(output(Ended::Code(1), "", "no toolchain\n")), "exit code 1: no toolchain"),
            (Ok(output(Ended::Code(0), "", "")), "printed nothing"),
            (Ok(output(Ended::TimedOut, "go", "")), "within 15 s"),
            (Ok(output(Ended::Signal(31), "", "")), "signal 31"),
            (Err("can't confine go".to_owned()), "can't confine"),
        ] {
            let (grade, text) = judged(answer.clone(), false);
            assert!(grade == Grade::Warn && text.contains(word), "{text}");
            assert_eq!(judged(answer, true).0, Grade::Fail);
        }
        assert_eq!((missing("go", false).grade, missing("go", true).grade), (Grade::Ok, Grade::Fail));
    }

    #[test]
    fn a_project_names_what_it_needs() {
        let needed = |files: &[(&str, &str)]| -> Vec<String> {
            let dir = tempfile::tempdir().unwrap();
            for (path, content) in files {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            needs(dir.path(), None).into_iter().collect()
        };
        let tsc = ("tsconfig.json", "{}");
        for (files, expected) in [
            (&[("notes.txt", "")][..], &[][..]),
            (&[("go.mod", "module a\n"), ("main.go", "package main\n")], &["go"]),
            (&[("Cargo.toml", "[package]\nname = \"a\"\n"), ("src/lib.rs", "")], &["cargo"]),
            (&[tsc, ("a.ts", "")], &["tsc"]),
            (&[tsc, ("a.ts", ""), ("node_modules/.bin/tsc", "")], &[]),
        ] {
            assert_eq!(needed(files), expected, "{files:?}");
        }
        for (dir, expected) in [
            ("/home/me/src/a", "/home/me/src/a"),
            ("/home/me", "/dev/null"),
            ("/home", "/dev/null"),
            ("/", "/dev/null"),
            ("/home/me2", "/home/me2"),
        ] {
            assert_eq!(tree(Path::new(dir), Some(Path::new("/home/me"))), Path::new(expected));
        }
        assert!(needs(Path::new("/nowhere/at/all"), None).is_empty());
        assert!(!Path::new("/nowhere").exists());
    }
}
