//! From a request and a story to the text of an answer. What a prompt lacks is a complaint. Nothing here does I/O.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use super::on::Kind;
use super::story::{Chapter, FileRule, PlanForm, Story, Sub};
use super::wire::Asked;

/// A request, understood.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    pub(crate) kind: Kind,
    pub(crate) subtask: Option<String>,
    /// Index of the chapter.
    pub(crate) chapter: usize,
}

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Contents given for each path.
    versions: BTreeMap<String, Vec<String>>,
    /// Texts of the requests of each label that differ, in the order of their coming.
    distinct: BTreeMap<String, Vec<String>>,
}

/// What to answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// None: nobody scripted it.
    pub(crate) text: Option<String>,
    pub(crate) complaints: Vec<String>,
    /// The place of the request among those of its label that differ, from 1.
    pub(crate) place: usize,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a pattern"));
    };
}

pattern!(LOOKS_BACK, "(?i)was built|closing|summar");
pattern!(LOOKS_AHEAD, "(?i)agree|contract|coordinat");
pattern!(FAILING, "(?m)^`[^\\n]*` fails with|makes? the check fail|^Fix (this error|all of these errors)");
pattern!(TESTER, "(?i)you are the tester");
pattern!(INTEGRATOR, "(?i)you are the integrator");
pattern!(SUBTASK, "Your subtask ([A-Za-z0-9._-]+):");
pattern!(DIAGNOSTIC, r"(?m)^\S.*: (error|warning|note)(\[[^\]]*\])?: ");

/// What a request is.
pub(crate) fn understand(story: &Story, asked: &Asked) -> Meaning {
    let system = asked.system.as_str();
    let first = asked.turns.first().map_or("", |(_, text)| text.as_str());
    let kind = if asked.schema || system.contains("\"subtasks\"") {
        Kind::Plan
    } else if system.contains("SCORE:") {
        Kind::Review
    } else if !system.contains("===FILE") {
        // Neither writes files; the one looks back, the other ahead.
        if LOOKS_BACK.is_match(system) {
            Kind::Synthesis
        } else if LOOKS_AHEAD.is_match(system) {
            Kind::Coordinate
        } else {
            Kind::Unknown
        }
    } else {
        let end = first.rsplit("\n\n").next().unwrap_or_default();
        if FAILING.is_match(first) {
            Kind::Fix
        } else if TESTER.is_match(end) {
            Kind::Test
        } else {
            Kind::Work
        }
    };
    let text = asked.text();
    let chapter = chapter(story, &text);
    let named = SUBTASK.captures_iter(&text).last().map(|found| found[1].to_owned());
    let (chapter, subtask) = match kind {
        Kind::Work | Kind::Fix | Kind::Review => match subtask(story, chapter, &text, named.as_deref()) {
            Some((chapter, id)) => (chapter, Some(id)),
            None if kind == Kind::Work && INTEGRATOR.is_match(&text) => (chapter, Some("integrator".to_owned())),
            None => (chapter, named.or_else(|| (kind == Kind::Fix).then(|| "integrator".to_owned()))),
        },
        _ => (chapter, None),
    };
    Meaning { kind, subtask, chapter }
}

/// The chapter whose task's words stand last in the text: what is asked stands behind earlier rounds.
fn chapter(story: &Story, text: &str) -> usize {
    let place =
        |chapter: &Chapter| chapter.task.as_ref().map_or(Some(0), |task| text.rfind(task.as_str()).map(|at| at + 1));
    let found = story.chapters.iter().enumerate().filter_map(|(index, chapter)| Some((place(chapter)?, index)));
    // Of several without a task, the first.
    found.max_by_key(|(at, index)| (*at, usize::MAX - index)).map_or(0, |(_, index)| index)
}

/// The subtask whose instructions stand in the text.
fn subtask(story: &Story, chapter: usize, text: &str, named: Option<&str>) -> Option<(usize, String)> {
    let mut order: Vec<usize> = (0..story.chapters.len()).collect();
    order.sort_by_key(|index| *index != chapter);
    for index in order {
        let there = |sub: &&Sub| text.contains(sub.instructions.trim());
        let found: Vec<&Sub> = story.chapters[index].subs.iter().filter(there).collect();
        let by_name = found.iter().find(|sub| Some(sub.id.as_str()) == named);
        if let Some(sub) = by_name.or_else(|| found.iter().max_by_key(|sub| sub.instructions.len())) {
            return Some((index, sub.id.clone()));
        }
    }
    None
}

fn file_block(path: &str, content: &str) -> String {
    let end = if content.ends_with('\n') { "" } else { "\n" };
    format!("===FILE: {path}===\n{content}{end}===ENDFILE===\n\n")
}

impl Told {
    /// The place of a request among those of its label that differ, from 1: one that is sent again has the place it had.
    fn place(&mut self, label: &str, text: &str) -> usize {
        let texts = self.distinct.entry(label.to_owned()).or_default();
        if let Some(at) = texts.iter().position(|one| one == text) {
            return at + 1;
        }
        texts.push(text.to_owned());
        texts.len()
    }

    fn give(&mut self, path: &str, content: &str) -> String {
        let versions = self.versions.entry(path.to_owned()).or_default();
        if versions.iter().all(|one| one != content) {
            versions.push(content.to_owned());
        }
        file_block(path, content)
    }
}

/// The answer of the story.
pub(crate) fn tell(story: &Story, told: &mut Told, asked: &Asked, meaning: &Meaning) -> Answer {
    let text = asked.text();
    let chapter = &story.chapters[meaning.chapter];
    let label = match &meaning.subtask {
        Some(subtask) => format!("{}/{}/{subtask}", meaning.chapter, meaning.kind.name()),
        None => format!("{}/{}", meaning.chapter, meaning.kind.name()),
    };
    let place = told.place(&label, &text);
    let mut answer = Answer { place, ..Answer::default() };
    for (on, wanted) in &story.expects {
        if on.selects(meaning.kind, meaning.subtask.as_deref(), &asked.model)
            && on.nth.is_none_or(|nth| nth == place)
            && !text.contains(wanted.as_str())
        {
            answer.complaints.push(format!("the prompt lacks {wanted:?}"));
        }
    }
    let said = chapter.says.iter().find(|(on, _)| {
        on.selects(meaning.kind, meaning.subtask.as_deref(), &asked.model) && on.nth.is_none_or(|nth| nth == place)
    });
    let sub = chapter.subs.iter().find(|sub| Some(&sub.id) == meaning.subtask.as_ref());
    match meaning.kind {
        Kind::Plan => answer.text = plan(story, chapter, &text),
        Kind::Work => work(chapter, told, asked, sub, &text, &mut answer),
        Kind::Fix => fix(chapter, told, &text, sub, &mut answer),
        Kind::Review => {
            if sub.is_none() {
                answer.complaints.push("the review prompt lacks the subtask's instructions".to_owned());
            }
            answer.text = review(chapter, meaning.subtask.as_deref(), place);
        }
        Kind::Test => {
            answer.text = chapter.tests.as_ref().map(|tests| {
                let files: String = tests.iter().map(|(path, content)| told.give(path, content)).collect();
                files + "These test what the task asks for."
            });
        }
        Kind::Coordinate => {
            // Asked where a plan in prose brought no contract.
            let agreement =
                format!("Language: {}\n{}\n{}", chapter.language, chapter.shared, chapter.conventions.join("\n"));
            answer.text = matches!(chapter.form, PlanForm::Prose).then_some(agreement);
        }
        Kind::Synthesis => answer.text = Some(chapter.synthesis.clone()),
        Kind::Models | Kind::Unknown => {}
    }
    if let Some((_, said)) = said {
        answer.text = Some(said.clone());
    }
    if answer.text.is_none() && answer.complaints.is_empty() {
        answer.complaints.push("nobody scripted it".to_owned());
    }
    answer
}

fn plan(story: &Story, chapter: &Chapter, text: &str) -> Option<String> {
    if let PlanForm::Raw(raw) = &chapter.form {
        return Some(raw.clone());
    }
    if chapter.subs.is_empty() {
        return None;
    }
    // A planner that is asked for the rest is shown what is known, an item a line.
    let known = |sub: &Sub| !story.forgetful && text.contains(&format!("\n- {} {}", sub.id, sub.title));
    let subs: Vec<&Sub> = chapter.subs.iter().filter(|sub| !known(sub)).collect();
    if matches!(chapter.form, PlanForm::Prose) {
        let mut out = String::from("Here is the plan:\n\n");
        for (index, sub) in subs.iter().enumerate() {
            let paths: Vec<String> = sub.owns.iter().map(|path| format!("`{path}`")).collect();
            let after = sub.after.iter().filter_map(|id| subs.iter().position(|one| one.id == *id));
            let after: Vec<String> = after.map(|at| (at + 1).to_string()).collect();
            let mut tags = String::new();
            if !after.is_empty() {
                tags.push_str(&format!(" [depends: {}]", after.join(",")));
            }
            if let Some(name) = &sub.specialist {
                tags.push_str(&format!(" [specialist: {name}]"));
            }
            out.push_str(&format!("{}. {}: {} {}{tags}\n", index + 1, sub.title, paths.join(", "), sub.instructions));
        }
        return Some(out);
    }
    let layout: Vec<&String> = chapter.subs.iter().flat_map(|sub| &sub.owns).collect();
    let contract = json!({"language": chapter.language, "layout": layout, "shared": chapter.shared, "conventions": chapter.conventions});
    let subs: Vec<String> = subs
        .iter()
        .map(|sub| {
            // Written by hand, so that the keys come in the order that a planner is asked for.
            format!(
                "{{\"id\": {}, \"title\": {}, \"instructions\": {}, \"owns\": {}, \"reads\": {}, \"after\": {}, \"provides\": {}, \"requires\": {}, \"specialist\": {}}}",
                json!(sub.id),
                json!(sub.title),
                json!(sub.instructions),
                json!(sub.owns),
                json!(sub.reads),
                json!(sub.after),
                json!(sub.provides),
                json!(sub.requires),
                json!(sub.specialist)
            )
        })
        .collect();
    Some(format!(
        "{{\"contract\": {contract},\n \"subtasks\": [{}],\n \"check\": {{\"build\": [], \"test\": []}}}}",
        subs.join(",\n  ")
    ))
}

fn work(chapter: &Chapter, told: &mut Told, asked: &Asked, sub: Option<&Sub>, text: &str, answer: &mut Answer) {
    let Some(sub) = sub else {
        let left: Vec<&FileRule> = chapter.files.iter().filter(|rule| rule.sub == "integrator").collect();
        if INTEGRATOR.is_match(text) && !left.is_empty() {
            answer.text = Some(left.iter().map(|rule| told.give(&rule.path, &rule.content)).collect());
            return;
        }
        answer.complaints.push("the worker prompt lacks the instructions of its subtask".to_owned());
        return;
    };
    if let Some(task) = chapter.task.as_ref().filter(|task| !text.contains(task.as_str())) {
        answer.complaints.push(format!("the worker prompt lacks the task ({task:?})"));
    }
    for path in sub.owns.iter().filter(|path| !text.contains(path.as_str())) {
        answer.complaints.push(format!("the worker prompt doesn't name {path}, which it owns"));
    }
    if !chapter.shared.is_empty() && !asked.system.contains(chapter.shared.trim()) && !text.contains("left out …]") {
        answer.complaints.push("the worker prompt lacks the contract's shared source".to_owned());
    }
    if chapter.no_change.contains(&sub.id) {
        answer.text = Some("NO CHANGE NEEDED".to_owned());
        return;
    }
    let attempt = asked.turns.len().div_ceil(2);
    let mut files: Vec<(&str, usize, &str)> = Vec::new();
    for rule in chapter.files.iter().filter(|rule| rule.sub == sub.id && rule.attempt <= attempt) {
        match files.iter_mut().find(|(path, ..)| *path == rule.path) {
            Some(file) if file.1 <= rule.attempt => *file = (&rule.path, rule.attempt, &rule.content),
            Some(_) => {}
            None => files.push((&rule.path, rule.attempt, &rule.content)),
        }
    }
    if files.is_empty() {
        return;
    }
    let blocks: String = files.iter().map(|(path, _, content)| told.give(path, content)).collect();
    answer.text = Some(blocks + &chapter.note);
}

fn fix(chapter: &Chapter, told: &mut Told, text: &str, sub: Option<&Sub>, answer: &mut Answer) {
    let found = text.rfind("fails with").map_or(text, |at| &text[at..]);
    if !DIAGNOSTIC.is_match(found) && !text.contains("End of the log") {
        answer.complaints.push("the fix prompt has no diagnostic in it".to_owned());
    }
    let mut mended: Vec<(&str, &str)> = Vec::new();
    for rule in &chapter.fixes {
        let mine = sub.is_none_or(|sub| {
            sub.owns.contains(&rule.path)
                || chapter.files.iter().any(|file| file.sub == sub.id && file.path == rule.path)
        });
        if !mine || rule.diagnostic.as_ref().is_some_and(|diagnostic| !found.contains(diagnostic.as_str())) {
            continue;
        }
        match mended.iter_mut().find(|(path, _)| *path == rule.path) {
            Some(file) => file.1 = &rule.content,
            None => mended.push((&rule.path, &rule.content)),
        }
    }
    for (path, _) in &mended {
        let shown = match told.versions.get(*path) {
            Some(versions) => versions.iter().any(|version| text.contains(version.trim())),
            None => text.contains(&format!("`{path}`")),
        };
        // A file that the window cuts says so in its place.
        let cut = text.contains(path) && text.contains("left out …]");
        if !shown && !cut {
            answer.complaints.push(format!("the fix prompt lacks the current content of {path}"));
        }
    }
    if mended.is_empty() {
        if chapter.no_fix {
            answer.text = Some("NO CHANGE NEEDED".to_owned());
        } else {
            answer.complaints.push(format!("no fix is scripted for this: {found}"));
        }
        return;
    }
    let blocks: String = mended.iter().map(|(path, content)| told.give(path, content)).collect();
    answer.text = Some(blocks + "Mended.");
}

fn review(chapter: &Chapter, subtask: Option<&str>, place: usize) -> Option<String> {
    let own: Vec<_> = chapter.scores.iter().filter(|(sub, ..)| Some(sub.as_str()) == subtask).collect();
    match own.get(place - 1).or(own.last()) {
        Some((_, score, reason)) => Some(format!("SCORE: {score}\nREASON: {reason}")),
        None => chapter.every_score.map(|score| format!("SCORE: {score}\nREASON: as asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projects::{stories, tasks};

    #[test]
    fn requests_are_recognised() {
        let worker = "You are one of several programmers. Answer with whole files:\n===FILE: path===";
        let subtask = |id: &str, title: &str| {
            format!(
                "Your subtask {id}: {title}\nPart {id} of the work: {title}; complete and precise.\nYour files, write only these: x"
            )
        };
        let fix = |subtask: &str| {
            format!(
                "The task that all work on:\n{}\n\n{subtask}\n\n`go build ./... && go vet ./...` fails with (data):\na.go:1:2: error: x\n\nFix this error, in the files that are yours.",
                tasks::REST_API
            )
        };
        let work = |task: &str, subtask: &str| {
            format!("Who does what:\n- store User store: store.go\n\nThe whole task:\n{task}\n\n{subtask}")
        };
        let gaps = format!(
            "Earlier rounds:\n- {}\n\nThe whole task:\n{}\n\n{}",
            tasks::REST_API,
            tasks::GAPS,
            subtask("routes", "DELETE and PATCH")
        );
        let table = [
            ("Answer with one JSON object: {\"subtasks\": []}", format!("Task:\n{}", tasks::GAPS), "plan", 1),
            (worker, work(tasks::REST_API, &subtask("store", "User store")), "work/store", 0),
            (worker, gaps, "work/routes", 1),
            (worker, fix(&subtask("handlers", "HTTP handlers")), "fix/handlers", 0),
            (worker, fix(""), "fix/integrator", 0),
            (
                worker,
                format!(
                    "All files are written by now:\n- a\n\nThe task:\n{}\n\nYou are the tester. Write tests.",
                    tasks::GAPS
                ),
                "test",
                1,
            ),
            (
                "Answer with two lines:\nSCORE: N\nREASON: x",
                format!("{}\n\nIts answer:\n===FILE: a===", subtask("store", "User store")),
                "review/store",
                0,
            ),
            (
                "You close a software task. Tell the user what was built.",
                format!("The user's task:\n{}", tasks::GAPS),
                "synthesis",
                1,
            ),
            ("Write what they must agree on, and nothing else.", "The subtasks:\n- 1".to_owned(), "coordinate", 0),
        ];
        let story = stories::rest_api().and(stories::gaps());
        for (system, text, label, chapter) in table {
            let turns = vec![("user".to_owned(), text)];
            let asked = Asked { system: system.to_owned(), turns, ..Asked::default() };
            let meaning = understand(&story, &asked);
            let found = match &meaning.subtask {
                Some(subtask) => format!("{}/{subtask}", meaning.kind.name()),
                None => meaning.kind.name().to_owned(),
            };
            assert_eq!((found.as_str(), meaning.chapter), (label, chapter), "{asked:?}");
        }
    }
}
