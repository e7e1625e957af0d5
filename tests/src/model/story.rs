//! What a test states: the plan, the files that workers give, how mistakes are mended, and what goes wrong on the way.

use std::time::Duration;

use super::fault::Fault;
use super::on::On;

/// One subtask of a plan.
#[derive(Clone, Debug)]
pub struct Sub {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) instructions: String,
    pub(crate) owns: Vec<String>,
    pub(crate) reads: Vec<String>,
    pub(crate) after: Vec<String>,
    pub(crate) provides: Vec<String>,
    pub(crate) requires: Vec<String>,
    pub(crate) specialist: Option<String>,
}

fn strings<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    items.into_iter().map(str::to_owned).collect()
}

impl Sub {
    /// A subtask that owns nothing yet; its instructions are made up from both, and are unlike those of any other id.
    #[must_use]
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            instructions: format!("Part {id} of the work: {title}; complete and precise."),
            owns: Vec::new(),
            reads: Vec::new(),
            after: Vec::new(),
            provides: Vec::new(),
            requires: Vec::new(),
            specialist: None,
        }
    }

    /// Its instructions. They tell it from others, so they must be unique in the story.
    #[must_use]
    pub fn instructions(mut self, text: &str) -> Self {
        self.instructions = text.to_owned();
        self
    }

    /// Files that only it writes.
    #[must_use]
    pub fn owns<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.owns = strings(paths);
        self
    }

    /// Files that it must see.
    #[must_use]
    pub fn reads<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.reads = strings(paths);
        self
    }

    /// Ids of subtasks that must be done before.
    #[must_use]
    pub fn after<'a>(mut self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        self.after = strings(ids);
        self
    }

    /// Signatures that it defines.
    #[must_use]
    pub fn provides<'a>(mut self, signatures: impl IntoIterator<Item = &'a str>) -> Self {
        self.provides = strings(signatures);
        self
    }

    /// Signatures that it uses.
    #[must_use]
    pub fn requires<'a>(mut self, signatures: impl IntoIterator<Item = &'a str>) -> Self {
        self.requires = strings(signatures);
        self
    }

    /// The specialist that does it.
    #[must_use]
    pub fn specialist(mut self, name: &str) -> Self {
        self.specialist = Some(name.to_owned());
        self
    }
}

/// Where in an answer a held request waits.
#[derive(Clone, Debug)]
pub enum Point {
    /// Nothing was sent, not even the headers.
    Headers,
    /// The headers were sent.
    Start,
    /// Half of the text was sent.
    Half,
    /// The text up to and with this was sent.
    AfterText(String),
    /// So many subtasks of a plan were sent.
    AfterSubtasks(usize),
    /// The whole text was sent, but not its end.
    End,
}

/// How a plan is written.
#[derive(Clone, Debug)]
pub(crate) enum PlanForm {
    Json,
    Prose,
    Raw(String),
}

#[derive(Clone, Debug)]
pub(crate) struct FileRule {
    pub(crate) sub: String,
    pub(crate) attempt: usize,
    pub(crate) path: String,
    pub(crate) content: String,
}

#[derive(Clone, Debug)]
pub(crate) struct FixRule {
    pub(crate) path: String,
    /// None: whatever is wrong.
    pub(crate) diagnostic: Option<String>,
    pub(crate) content: String,
}

/// What belongs to one task.
#[derive(Clone, Debug)]
pub(crate) struct Chapter {
    /// Words of the task that tell it from others.
    pub(crate) task: Option<String>,
    pub(crate) subs: Vec<Sub>,
    pub(crate) form: PlanForm,
    pub(crate) language: String,
    pub(crate) shared: String,
    pub(crate) conventions: Vec<String>,
    pub(crate) files: Vec<FileRule>,
    pub(crate) no_change: Vec<String>,
    pub(crate) says: Vec<(On, String)>,
    pub(crate) fixes: Vec<FixRule>,
    pub(crate) no_fix: bool,
    pub(crate) tests: Option<Vec<(String, String)>>,
    pub(crate) scores: Vec<(String, u32, String)>,
    pub(crate) every_score: Option<u32>,
    pub(crate) synthesis: String,
    pub(crate) note: String,
}

impl Chapter {
    fn new(task: Option<String>) -> Self {
        Self {
            task,
            subs: Vec::new(),
            form: PlanForm::Json,
            language: "Go".to_owned(),
            shared: String::new(),
            conventions: Vec::new(),
            files: Vec::new(),
            no_change: Vec::new(),
            says: Vec::new(),
            fixes: Vec::new(),
            no_fix: false,
            tests: None,
            scores: Vec::new(),
            every_score: None,
            synthesis: "## What was built\n\nWhat the plan says, in the files listed.".to_owned(),
            note: "That is all of my part.".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Pace {
    /// So many pieces, this far apart.
    Pieces(usize, Duration),
    /// Spread over this time.
    Takes(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct FaultRule {
    pub(crate) on: On,
    pub(crate) fault: Fault,
    /// How often it still happens.
    pub(crate) left: usize,
    /// Requests that it was about so far.
    pub(crate) seen: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) on: On,
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// A story: one task or several, and what goes wrong.
///
/// Everything that is said about plans, files, fixes and texts belongs to the task named last by [`Story::task`]; a story that names none
/// is about every task.
#[derive(Clone, Debug)]
pub struct Story {
    pub(crate) chapters: Vec<Chapter>,
    pub(crate) faults: Vec<FaultRule>,
    pub(crate) paces: Vec<(On, Pace)>,
    pub(crate) holds: Vec<(On, Point)>,
    pub(crate) expects: Vec<(On, String)>,
    pub(crate) usages: Vec<Usage>,
    pub(crate) cached: u64,
    pub(crate) reports_usage: bool,
    pub(crate) models: Vec<String>,
    pub(crate) forgetful: bool,
    pub(crate) refuses_schema: bool,
    pub(crate) lenient: bool,
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
    }
}

impl Story {
    /// An empty story: everything but the closing text is a request that nobody scripted.
    #[must_use]
    pub fn new() -> Self {
        Self {
            chapters: vec![Chapter::new(None)],
            faults: Vec::new(),
            paces: Vec::new(),
            holds: Vec::new(),
            expects: Vec::new(),
            usages: Vec::new(),
            cached: 0,
            reports_usage: true,
            models: vec!["scripted".to_owned()],
            forgetful: false,
            refuses_schema: false,
            lenient: false,
        }
    }

    fn chapter(&mut self) -> &mut Chapter {
        self.chapters.last_mut().expect("a story has a chapter")
    }

    /// What follows belongs to tasks with these words in them.
    #[must_use]
    pub fn task(mut self, words: &str) -> Self {
        let fresh = self.chapters.len() == 1 && self.chapters[0].subs.is_empty() && self.chapters[0].task.is_none();
        if fresh {
            self.chapter().task = Some(words.to_owned());
        } else {
            self.chapters.push(Chapter::new(Some(words.to_owned())));
        }
        self
    }

    /// Adds the chapters, faults, paces, holds and expectations of another story; the rest stays as it is here.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.chapters.extend(other.chapters);
        self.faults.extend(other.faults);
        self.paces.extend(other.paces);
        self.holds.extend(other.holds);
        self.expects.extend(other.expects);
        self.usages.extend(other.usages);
        self
    }

    /// The plan.
    #[must_use]
    pub fn plan(mut self, subs: impl IntoIterator<Item = Sub>) -> Self {
        self.chapter().subs = subs.into_iter().collect();
        self
    }

    /// The contract: language, source of the shared types, conventions.
    #[must_use]
    pub fn contract<'a>(
        mut self,
        language: &str,
        shared: &str,
        conventions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let chapter = self.chapter();
        chapter.language = language.to_owned();
        chapter.shared = shared.to_owned();
        chapter.conventions = strings(conventions);
        self
    }

    /// The plan comes as a numbered list in prose.
    #[must_use]
    pub fn prose(mut self) -> Self {
        self.chapter().form = PlanForm::Prose;
        self
    }

    /// The plan comes as this text. [`Story::plan`] still says which subtasks to recognise.
    #[must_use]
    pub fn raw_plan(mut self, text: &str) -> Self {
        self.chapter().form = PlanForm::Raw(text.to_owned());
        self
    }

    /// A file that a subtask's worker gives, at every attempt.
    #[must_use]
    pub fn file(self, sub: &str, path: &str, content: &str) -> Self {
        self.file_at(sub, 1, path, content)
    }

    /// A file that a subtask's worker gives from this attempt on (1 is the first, 2 when it is asked again for a better answer).
    #[must_use]
    pub fn file_at(mut self, sub: &str, attempt: usize, path: &str, content: &str) -> Self {
        self.chapter().files.push(FileRule {
            sub: sub.to_owned(),
            attempt,
            path: path.to_owned(),
            content: content.to_owned(),
        });
        self
    }

    /// The worker of a subtask answers that nothing needs to change.
    #[must_use]
    pub fn no_change(mut self, sub: &str) -> Self {
        self.chapter().no_change.push(sub.to_owned());
        self
    }

    /// The whole answer to a request, as it is. `#N` counts requests that differ: one that is sent again gets the same answer.
    #[must_use]
    pub fn says(mut self, on: &str, text: &str) -> Self {
        self.chapter().says.push((on.into(), text.to_owned()));
        self
    }

    /// Asked to mend a file because of a diagnostic with this text: the file becomes this. Of several that fit, the last counts.
    #[must_use]
    pub fn fix(mut self, path: &str, diagnostic: &str, content: &str) -> Self {
        self.chapter().fixes.push(FixRule {
            path: path.to_owned(),
            diagnostic: Some(diagnostic.to_owned()),
            content: content.to_owned(),
        });
        self
    }

    /// Asked to mend a file, whatever is wrong: the file becomes this.
    #[must_use]
    pub fn fix_any(mut self, path: &str, content: &str) -> Self {
        let rule = FixRule { path: path.to_owned(), diagnostic: None, content: content.to_owned() };
        self.chapter().fixes.insert(0, rule);
        self
    }

    /// Asked to mend what no rule is about: the answer is that nothing needs to change.
    #[must_use]
    pub fn no_fix(mut self) -> Self {
        self.chapter().no_fix = true;
        self
    }

    /// A test file that the tester writes.
    #[must_use]
    pub fn tests(mut self, path: &str, content: &str) -> Self {
        self.chapter().tests.get_or_insert_default().push((path.to_owned(), content.to_owned()));
        self
    }

    /// The reviewer's score of a subtask's answer; the second one is for the second answer, and so on; the last one stays.
    #[must_use]
    pub fn score(mut self, sub: &str, score: u32, reason: &str) -> Self {
        self.chapter().scores.push((sub.to_owned(), score, reason.to_owned()));
        self
    }

    /// The reviewer's score of all answers without a score of their own.
    #[must_use]
    pub fn scores(mut self, score: u32) -> Self {
        self.chapter().every_score = Some(score);
        self
    }

    /// The closing text.
    #[must_use]
    pub fn synthesis(mut self, text: &str) -> Self {
        self.chapter().synthesis = text.to_owned();
        self
    }

    /// What every worker says behind its files.
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.chapter().note = text.to_owned();
        self
    }

    /// Every answer comes in so many pieces, this far apart.
    #[must_use]
    pub fn pace(self, pieces: usize, interval: Duration) -> Self {
        self.pace_of("*", pieces, interval)
    }

    /// These answers come in so many pieces, this far apart. The last rule that fits counts.
    #[must_use]
    pub fn pace_of(mut self, on: &str, pieces: usize, interval: Duration) -> Self {
        self.paces.push((on.into(), Pace::Pieces(pieces, interval)));
        self
    }

    /// These answers stream for this long. The last rule that fits counts.
    #[must_use]
    pub fn takes(mut self, on: &str, duration: Duration) -> Self {
        self.paces.push((on.into(), Pace::Takes(duration)));
        self
    }

    /// These requests wait half way until the test releases the same selector.
    #[must_use]
    pub fn hold(self, on: &str) -> Self {
        self.hold_at(on, Point::Half)
    }

    /// These requests wait there until the test releases the same selector.
    #[must_use]
    pub fn hold_at(mut self, on: &str, point: Point) -> Self {
        self.holds.push((on.into(), point));
        self
    }

    /// The first of these requests fails (or the one that `#N` names).
    #[must_use]
    pub fn fail(self, on: &str, fault: Fault) -> Self {
        self.fail_times(on, 1, fault)
    }

    /// The first so many of these requests fail. Several rules for the same requests follow one another.
    #[must_use]
    pub fn fail_times(mut self, on: &str, times: usize, fault: Fault) -> Self {
        self.faults.push(FaultRule { on: on.into(), fault, left: times, seen: 0 });
        self
    }

    /// All of these requests fail.
    #[must_use]
    pub fn fail_always(self, on: &str, fault: Fault) -> Self {
        self.fail_times(on, usize::MAX, fault)
    }

    /// The prompt of these requests must have this text in it.
    #[must_use]
    pub fn expects(mut self, on: &str, text: &str) -> Self {
        self.expects.push((on.into(), text.to_owned()));
        self
    }

    /// What is reported for these requests, in tokens; elsewhere it is a quarter of the characters.
    #[must_use]
    pub fn usage(mut self, on: &str, input: u64, output: u64) -> Self {
        self.usages.push(Usage { on: on.into(), input, output });
        self
    }

    /// Of each prompt, so many tokens (or all, if it is shorter) come from the cache.
    #[must_use]
    pub fn cached(mut self, tokens: u64) -> Self {
        self.cached = tokens;
        self
    }

    /// No usage is reported.
    #[must_use]
    pub fn no_usage(mut self) -> Self {
        self.reports_usage = false;
        self
    }

    /// The models that the server offers.
    #[must_use]
    pub fn models<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.models = strings(names);
        self
    }

    /// A planner that is asked for the rest of a plan repeats the whole.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.forgetful = true;
        self
    }

    /// A request with a JSON schema is refused, as servers do that don't know it.
    #[must_use]
    pub fn refuses_schema(mut self) -> Self {
        self.refuses_schema = true;
        self
    }

    /// Complaints are recorded, and dropping the server doesn't fail the test because of them.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }
}
