//! Reads a plan while it streams.

use super::json::{Part, Scan, Step, parse};
use super::normal::{Draft, Normaliser, check, contract};
use super::prose::Prose;
use super::{CheckHint, Contract, Known, Overlap, PlanForm, Subtask};

/// A piece of a plan that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// What all workers share.
    Contract(Contract),
    /// A piece of work.
    Subtask(Subtask),
}

/// What a plan's end brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// What came out only now.
    pub items: Vec<Item>,
    /// The planner's own idea of a check.
    pub check: CheckHint,
    /// How the plan came; `Single` if it holds no subtask at all.
    pub form: PlanForm,
    /// What was dropped or changed, a sentence each.
    pub notes: Vec<String>,
    /// Files that stayed with a subtask that came before.
    pub overlaps: Vec<Overlap>,
}

/// How far the thinking aloud before an answer has been read.
#[derive(Debug, PartialEq, Eq)]
enum Thoughts {
    Perhaps,
    Inside,
    Past,
}

/// Reads a plan while it streams. Any split of the answer into chunks gives the same items in the same order.
///
/// The contract comes before every subtask: where a JSON object has it behind them, they wait for it, so that no worker starts without.
#[derive(Debug)]
pub struct PlanReader {
    text: String,
    /// All before this has been read.
    at: usize,
    thoughts: Thoughts,
    /// The JSON value that is being read, and where it starts.
    json: Option<(Scan, usize)>,
    /// Whether that value is an object: a bare list of subtasks has no place for a contract.
    object: bool,
    /// Before this no JSON begins: it was tried.
    tried: usize,
    prose: Prose,
    normaliser: Normaliser,
    contract: bool,
    /// Whether the contract may still come in the JSON object that is being read.
    awaits_contract: bool,
    /// Subtasks that wait for it.
    held: Vec<Subtask>,
    check: CheckHint,
    form: PlanForm,
    items: Vec<Item>,
}

impl PlanReader {
    /// A reader of an answer that begins; `known` is what was recorded of earlier answers.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self {
            text: String::new(),
            at: 0,
            thoughts: Thoughts::Perhaps,
            json: None,
            object: false,
            tried: 0,
            prose: Prose::default(),
            awaits_contract: !known.contract,
            contract: known.contract,
            held: Vec::new(),
            normaliser: Normaliser::new(known),
            check: CheckHint::default(),
            form: PlanForm::Single,
            items: Vec::new(),
        }
    }

    /// Takes the next piece of the answer; returns what is complete now.
    pub fn push(&mut self, chunk: &str) -> Vec<Item> {
        self.text.push_str(chunk);
        self.run(false);
        std::mem::take(&mut self.items)
    }

    /// Ends the answer. `cut`: the token limit ended it, so what is incomplete is left out.
    #[must_use]
    pub fn finish(mut self, cut: bool) -> Finished {
        if self.thoughts == Thoughts::Perhaps {
            self.thoughts = Thoughts::Past;
        }
        loop {
            self.run(true);
            // A JSON value that isn't closed: read what is there, or take it for prose.
            let Some((scan, start)) = self.json.take() else {
                break;
            };
            if scan.found {
                if cut {
                    self.normaliser.notes.push("The plan was cut off; what was incomplete is left out.".to_owned());
                } else if let Some((part, from)) = scan.open() {
                    self.part(part, from, self.text.len());
                }
                break;
            }
            self.tried = self.text.len();
            self.at = start;
        }
        let last = self.prose.end();
        if let Some(draft) = last {
            if !cut {
                self.listed(draft);
            } else if self.form != PlanForm::Json {
                self.normaliser.notes.push("The plan was cut off; its last, incomplete item is left out.".to_owned());
            }
        }
        self.let_go();
        let Normaliser { notes, overlaps, .. } = self.normaliser;
        Finished { items: self.items, check: self.check, form: self.form, notes, overlaps }
    }

    /// Gives out what waited for a contract.
    fn let_go(&mut self) {
        self.awaits_contract = false;
        self.items.extend(self.held.drain(..).map(Item::Subtask));
    }

    fn run(&mut self, end: bool) {
        if !self.past_thoughts() {
            return;
        }
        loop {
            let more = if self.json.is_some() { self.json() } else { self.lines(end) };
            if !more {
                return;
            }
        }
    }

    fn past_thoughts(&mut self) -> bool {
        if self.thoughts == Thoughts::Perhaps {
            let text = self.text.trim_start();
            if ["<think>", "<thinking>"].iter().any(|tag| text.starts_with(tag)) {
                self.thoughts = Thoughts::Inside;
            } else if ["<think>", "<thinking>"].iter().any(|tag| tag.starts_with(text)) {
                return false;
            } else {
                self.thoughts = Thoughts::Past;
            }
        }
        if self.thoughts == Thoughts::Inside {
            let ends =
                ["</think>", "</thinking>"].iter().filter_map(|tag| self.text.find(tag).map(|at| at + tag.len()));
            let Some(end) = ends.min() else {
                return false;
            };
            self.at = end;
            self.tried = end;
            self.thoughts = Thoughts::Past;
        }
        true
    }

    /// Reads on in a JSON value; tells whether it ended.
    fn json(&mut self) -> bool {
        while let Some((scan, start)) = &mut self.json {
            if self.at >= self.text.len() {
                return false;
            }
            let step = scan.step(&self.text, self.at);
            let (found, start) = (scan.found, *start);
            self.at += 1;
            match step {
                Step::Nothing => {}
                Step::Complete(part, from) => self.part(part, from, self.at),
                Step::End(part) => {
                    self.json = None;
                    if let Some((part, from)) = part {
                        self.part(part, from, self.at);
                    }
                    if found {
                        self.let_go();
                    }
                    if !found {
                        self.tried = self.at;
                        self.at = start;
                    }
                    return true;
                }
            }
        }
        true
    }

    /// Reads a line of prose, or finds that JSON begins; tells whether there may be more to read.
    fn lines(&mut self, end: bool) -> bool {
        let rest = self.text.get(self.at..).unwrap_or("");
        let stop = rest.find('\n');
        let line = rest.get(..stop.unwrap_or(rest.len())).unwrap_or(rest);
        let begins = begin(line, rest);
        if let Begin::At(offset) = begins
            && self.at + offset >= self.tried
        {
            self.at += offset;
            self.json = Some((Scan::default(), self.at));
            self.object = rest.get(offset..).is_some_and(|rest| rest.starts_with('{'));
            return true;
        }
        if begins == Begin::Unclear && !end || rest.is_empty() || stop.is_none() && !end {
            return false;
        }
        let line = line.trim_end_matches('\r').to_owned();
        self.at += stop.map_or(rest.len(), |stop| stop + 1);
        if let Some(draft) = self.prose.line(&line) {
            self.listed(draft);
        }
        true
    }

    /// A subtask from a list. Once JSON has brought subtasks, lists are talk.
    fn listed(&mut self, draft: Draft) {
        if self.form == PlanForm::Json {
            return;
        }
        self.form = PlanForm::Prose;
        if let Some(subtask) = self.normaliser.take(draft, true) {
            self.items.push(Item::Subtask(subtask));
        }
    }

    fn part(&mut self, part: Part, from: usize, to: usize) {
        let Some(value) = self.text.get(from..to).and_then(parse) else {
            self.normaliser.notes.push("A part of the plan can't be read: left out.".to_owned());
            return;
        };
        match part {
            Part::Contract if !self.contract => {
                if let Some(contract) = contract(&value).filter(|contract| *contract != Contract::default()) {
                    self.contract = true;
                    self.items.push(Item::Contract(contract));
                }
                self.let_go();
            }
            Part::Contract => {}
            Part::Check => self.check = check(&value),
            Part::Subtask => {
                let Some(draft) = Draft::from_json(&value) else {
                    return;
                };
                // Some other list of objects, not a plan.
                if draft.instructions.is_empty() && draft.owns.is_empty() && draft.id.is_empty() {
                    return;
                }
                if self.form == PlanForm::Prose {
                    let note = "The plan came as a list and again as JSON: the list, which was there first, counts.";
                    if !self.normaliser.notes.iter().any(|other| other == note) {
                        self.normaliser.notes.push(note.to_owned());
                    }
                    return;
                }
                self.form = PlanForm::Json;
                if let Some(subtask) = self.normaliser.take(draft, false) {
                    if self.awaits_contract && self.object {
                        self.held.push(subtask);
                    } else {
                        self.items.push(Item::Subtask(subtask));
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    At(usize),
    No,
    /// The next characters decide.
    Unclear,
}

/// Whether a plan in JSON may begin in a line; `rest` is all that follows.
fn begin(line: &str, rest: &str) -> Begin {
    let indent = line.len() - line.trim_start().len();
    let text = rest.get(indent..).unwrap_or("");
    for (open, next) in [('{', '"'), ('[', '{')] {
        if let Some(inner) = text.strip_prefix(open) {
            return match inner.trim_start().chars().next() {
                None => Begin::Unclear,
                Some(c) if c == next => Begin::At(indent),
                Some(_) => Begin::No,
            };
        }
    }
    ["{\"contract\"", "{\"subtasks\"", "{ \"contract\"", "{ \"subtasks\""]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min()
        .map_or(Begin::No, Begin::At)
}
