#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod chains;
mod finding;
mod properties;
mod reading;
mod repairing;

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
