//! Models that know every task of the soak: the plan, the eight parts, and how a part with a mistake is mended.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;
use tests::model::{Asked, Kind, Mind, Said};

/// Parts of a task, as many as there are workers.
pub(crate) const PARTS: usize = 8;

/// Every text file of the tree must count 2.
pub(crate) const CHECK: &str = "e=0; for f in *.txt; do grep -q 'count = 2' $f || { echo \"$f:2: error: count is wrong in $f\"; e=1; }; done; exit $e";

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a pattern"));
    };
}

pattern!(TASK, r"Soak (s\d+r\d+): write eight parts");
pattern!(SUBTASK, r"Your subtask (s\d+r\d+p\d):");
pattern!(WRONG, r"count is wrong in (s\d+r\d+p\d)\.txt");
pattern!(MINE, r"(?m)^Your files, write only these: (.*)$");

/// The task of a round.
pub(crate) fn task(session: usize, round: usize) -> String {
    format!("Soak s{session}r{round}: write eight parts")
}

/// The file of a part.
pub(crate) fn file(session: usize, round: usize, part: usize) -> String {
    format!("s{session}r{round}p{part}.txt")
}

/// The content of a file.
fn content(name: &str, count: usize) -> String {
    format!("the content of {name}\ncount = {count}\nit is complete, and every line is there\n")
}

fn block(id: &str, count: usize) -> String {
    format!("===FILE: {id}.txt===\n{}===ENDFILE===\n\n", content(id, count))
}

/// Whether a part is wrong at first: one in nine.
fn slips(id: &str) -> bool {
    id.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 9 == 0
}

pub(crate) struct Crew;

impl Mind for Crew {
    fn answer(&self, asked: &Asked) -> Said {
        let text = asked.text();
        let said = |kind, subtask: Option<String>, text: String| Said { kind, subtask, text, cut: false, mark: None };
        if asked.schema || asked.system.contains("\"subtasks\"") {
            let task = TASK.captures_iter(&text).last().map_or(String::new(), |found| found[1].to_owned());
            return said(Kind::Plan, None, plan(&task));
        }
        if !asked.system.contains("===FILE") {
            return said(Kind::Synthesis, None, "It was built.".to_owned());
        }
        let first = asked.turns.first().map_or("", |(_, text)| text.as_str());
        let mine: Vec<&str> =
            MINE.captures_iter(first).map(|found| found.get(1).map_or("", |all| all.as_str())).collect();
        let own = |id: &str| mine.is_empty() || mine.iter().any(|all| all.contains(id));
        let mut wrong: Vec<String> = WRONG.captures_iter(first).map(|found| found[1].to_owned()).collect();
        wrong.sort();
        wrong.dedup();
        if !wrong.is_empty() {
            let files: String = wrong.iter().filter(|id| own(id)).map(|id| block(id, 2)).collect();
            let files = if files.is_empty() { "NO CHANGE NEEDED".to_owned() } else { files };
            return said(Kind::Fix, None, files);
        }
        match SUBTASK.captures_iter(&text).last() {
            Some(found) => {
                let id = found[1].to_owned();
                let count = if slips(&id) { 1 } else { 2 };
                let text = block(&id, count) + "It is written.";
                said(Kind::Work, Some(id), text)
            }
            None => said(Kind::Unknown, None, "NO CHANGE NEEDED".to_owned()),
        }
    }
}

fn plan(task: &str) -> String {
    let subtasks: Vec<_> = (0..PARTS)
        .map(|part| {
            let id = format!("{task}p{part}");
            json!({
                "id": id, "title": format!("Part {id}"), "instructions": format!("Write the part {id}."),
                "owns": [format!("{id}.txt")], "reads": [], "after": [], "provides": [], "requires": [], "specialist": null,
            })
        })
        .collect();
    let plan = json!({
        "contract": { "language": "Text", "layout": [], "shared": "", "conventions": [] },
        "subtasks": subtasks,
        "check": { "build": [], "test": [] },
    });
    plan.to_string()
}
