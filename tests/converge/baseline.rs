//! The baseline: a naive client with the same task, the same model and the same builds. Frozen, so that figures of different days compare.
//!
//! One call plans, one call per part writes, in parallel. Then it builds, and sends every file and the whole output to each part that owns a
//! file which is named in the output or isn't there; to all of them if that is none, or if those were asked last. No reviews, no closing words.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tests::env::Env;
use tests::model::{Mind, Model};
use tests::sim::case::{Case, Format};
use tests::sim::mind::Sim;
use tests::sim::run::{MAX_BUILDS, Measured, check, counted, dump};

const PLAN: &str = r#"You split a software task into parts that several programmers write at the same time, each part with files of its own.
Answer with one JSON object and nothing else:
{"contract": {"language": "", "layout": ["every path"], "shared": "source of shared types and signatures", "conventions": [""]},
 "subtasks": [{"id": "1", "title": "", "instructions": "what to write", "owns": ["paths"], "reads": [], "after": [], "provides": [], "requires": []}]}"#;

const WRITE: &str = "You are one of several programmers who write parts of one project. Write complete, working code that fits the contract.

Answer with whole files, each like this:

### path/to/file
```
the whole content
```

Give only files of your part. If nothing needs to change, answer: NO CHANGE";

/// What a part of the plan says.
struct Part {
    instructions: String,
    owns: Vec<String>,
}

type Files = BTreeMap<String, String>;

/// Plays a case.
pub(crate) fn play(case: &Case, dir: Option<&Path>) -> Measured {
    let began = Instant::now();
    // Files are given as it asks for them: this client reads nothing else.
    let sim = Arc::new(Sim::new(Case { format: Format::Asked, prose: false, ..case.clone() }));
    let model = Model::start_with(Arc::clone(&sim) as Arc<dyn Mind>);
    let env = Env::new();
    let mut files: Files = case.project.given.iter().cloned().collect();
    for (path, text) in &files {
        env.write(&format!("tree/{path}"), text);
    }
    let client = Client { model: &model, task: case.project.task };
    let (builds, green) = client.run(&env, &mut files, &check(&case.project));
    let measured = counted(case, &model.records(), &sim.log());
    if let Some(dir) = dir {
        dump(dir, &model.records());
    }
    let outcome = if green { "passed" } else { "check_failed" };
    Measured {
        green,
        honest: green,
        outcome: outcome.to_owned(),
        builds,
        seconds: began.elapsed().as_secs_f64(),
        ..measured
    }
}

struct Client<'a> {
    model: &'a Model,
    task: &'a str,
}

impl Client<'_> {
    /// Builds that were run, and whether the last one was green.
    fn run(&self, env: &Env, files: &mut Files, check: &str) -> (u32, bool) {
        let shown = all(files);
        let plan = self.ask(PLAN, &format!("{shown}Task: {}", self.task));
        let parts = parts(&plan);
        if parts.is_empty() {
            return (0, false);
        }
        let every: Vec<&Part> = parts.iter().collect();
        let say = |part: &Part| {
            format!("Task: {}\n\nThe plan:\n{plan}\n\n{shown}Write your part:\n{}", self.task, part.instructions)
        };
        self.write(env, files, &every, &say);
        let mut last: Vec<usize> = Vec::new();
        for build in 1..=MAX_BUILDS {
            fs::create_dir_all(env.work().join("tree")).expect("the tree");
            let out = env.sh(&format!("({check}) 2>&1")).dir(env.work().join("tree")).run();
            if out.code == Some(0) {
                return (build, true);
            }
            if build == MAX_BUILDS {
                break;
            }
            let meant = |path: &String| out.stdout.contains(path.as_str()) || !files.contains_key(path);
            let mut asked: Vec<usize> = (0..parts.len()).filter(|index| parts[*index].owns.iter().any(meant)).collect();
            if asked.is_empty() || asked == last {
                asked = (0..parts.len()).collect();
            }
            last.clone_from(&asked);
            let asked: Vec<&Part> = asked.into_iter().map(|index| &parts[index]).collect();
            let shown = all(files);
            let say = |part: &Part| {
                format!(
                    "Task: {}\n\nThe plan:\n{plan}\n\n{shown}The check fails:\n{}\n\nMend what is wrong in your part, and give each file that you change. Your part:\n{}",
                    self.task, out.stdout, part.instructions
                )
            };
            self.write(env, files, &asked, &say);
        }
        (MAX_BUILDS, false)
    }

    /// Asks parts at the same time and writes what they give.
    fn write(&self, env: &Env, files: &mut Files, parts: &[&Part], say: &(dyn Fn(&Part) -> String + Sync)) {
        let answers: Vec<String> = std::thread::scope(|scope| {
            let asked: Vec<_> = parts.iter().map(|part| scope.spawn(|| self.ask(WRITE, &say(part)))).collect();
            asked.into_iter().map(|call| call.join().expect("a call")).collect()
        });
        for (part, answer) in parts.iter().zip(answers) {
            for (path, text) in read(&answer) {
                // A path that isn't the part's but ends like one of its own is meant as that.
                let Some(own) = part.owns.iter().find(|own| path == **own || path.ends_with(&format!("/{own}"))) else {
                    continue;
                };
                env.write(&format!("tree/{own}"), &text);
                files.insert(own.clone(), text);
            }
        }
    }

    /// One call, by hand: what comes is an answer in chunks, each a line of JSON behind `data: `.
    fn ask(&self, system: &str, user: &str) -> String {
        let body = json!({
            "model": "scripted", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        });
        let body = body.to_string();
        let mut socket = TcpStream::connect(self.model.address()).expect("the model's server");
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: model\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).expect("a request");
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while !bytes.ends_with(b"0\r\n\r\n") {
            match socket.read(&mut buffer).expect("an answer") {
                0 => break,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        let mut text = String::new();
        // No line of JSON is split: the server sends each in a chunk of its own.
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Some(value) = line.strip_prefix("data: ").and_then(|line| serde_json::from_str::<Value>(line).ok())
            else {
                continue;
            };
            text.push_str(value["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
        text
    }
}

fn parts(plan: &str) -> Vec<Part> {
    let plan: Value = serde_json::from_str(plan).unwrap_or_default();
    let list = plan["subtasks"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().map_or(Vec::new(), |list| list.iter().map(text).collect());
    list.iter().map(|part| Part { instructions: text(&part["instructions"]), owns: texts(&part["owns"]) }).collect()
}

/// All files as a prompt shows them.
fn all(files: &Files) -> String {
    files.iter().map(|(path, text)| format!("### {path}\n```\n{}\n```\n\n", text.trim_end_matches('\n'))).collect()
}

/// The files of an answer. One whose fence isn't closed is none.
fn read(answer: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = answer.lines().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let path = lines[at].strip_prefix("### ").map(|path| path.trim().trim_matches('`').to_owned());
        at += 1;
        let Some(path) = path else { continue };
        let fence = lines.get(at).map(|line| line.chars().take_while(|char| *char == '`').collect::<String>());
        let Some(fence) = fence.filter(|fence| fence.len() >= 3) else { continue };
        let Some(end) = (at + 1..lines.len()).find(|end| lines[*end] == fence) else { break };
        let content = lines[at + 1..end].join("\n");
        out.push((path, if content.is_empty() { content } else { content + "\n" }));
        at = end + 1;
    }
    out
}
