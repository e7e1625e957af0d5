//! A small piece of work, drawn by a seed: sessions with rounds, the trees that they begin with, and the story that plays the models.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::points::When;
use crate::env::tool;
use crate::model::{Story, Sub};
use crate::sim::case::Dice;

/// Every text file of the tree must count 2.
pub const CHECK: &str = "e=0; for f in $(find . -name '*.txt'); do f=${f#./}; grep -q 'count = 2' $f || \
                         { echo \"$f:2: error: count is wrong in $f\"; e=1; }; done; exit $e";
/// The same, long enough to be killed in the middle.
pub const SLOW_CHECK: &str = "sleep 0.3 & wait; e=0; for f in $(find . -name '*.txt'); do f=${f#./}; \
                              grep -q 'count = 2' $f || { echo \"$f:2: error: count is wrong in $f\"; e=1; }; done; exit $e";

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// `et run`, watched.
    Run,
    /// `et session spawn`.
    Spawn,
}

/// What a subtask does with its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A new file.
    New,
    /// Two new files.
    Two,
    /// A new file in new dirs.
    Deep,
    /// A file that was there is changed.
    Change,
    /// A file that was there is deleted.
    Delete,
    /// A new file that the check finds a mistake in.
    Broken,
    /// A new file that doesn't parse, and is mended before the check.
    Look,
}

/// One round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Whether it is checked and mended.
    pub check: bool,
    /// What its subtasks do.
    pub deeds: Vec<Deed>,
}

/// One session, in a dir of its own.
#[derive(Clone, Debug)]
pub struct Session {
    /// How it begins.
    pub first: First,
    /// Its rounds; those behind the first are sent while it runs.
    pub rounds: Vec<Round>,
    /// Whether its last round is taken back.
    pub undo: bool,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For people: what draws it again.
    pub name: String,
    /// Its sessions, at work at the same time.
    pub sessions: Vec<Session>,
    /// Whether all of them work in one dir, one after the other.
    pub shared: bool,
    /// Time between the pieces of an answer.
    pub pace: Duration,
    /// The confinement of checks.
    pub level: &'static str,
    /// The command of all checks.
    pub command: &'static str,
}

impl Scenario {
    /// The one that a seed and a number stand for.
    #[must_use]
    pub fn draw(seed: u64, number: usize) -> Self {
        let mut dice = Dice::new(seed, &format!("scenario {number}"));
        let python = tool("python3").is_some();
        let count = 1 + usize::from(dice.below(3) == 0);
        let sessions: Vec<Session> = (0..count).map(|_| session(&mut dice, python)).collect();
        // Whoever takes a round back must be alone.
        let shared = dice.below(2) == 0 && !sessions.iter().any(|session| session.undo);
        Self {
            name: format!("--seed {seed} --scenario {number}"),
            sessions,
            shared,
            pace: Duration::from_micros([0, 0, 300, 1500][dice.below(4)]),
            level: ["full", "partial"][dice.below(2)],
            command: CHECK,
        }
    }

    /// Whether something in it passes such points.
    #[must_use]
    pub fn has(&self, when: When) -> bool {
        let rounds = || self.sessions.iter().flat_map(|session| &session.rounds);
        let deed = |deed| rounds().any(|round| round.deeds.contains(&deed));
        match when {
            When::Start | When::Client | When::Round | When::Stop => true,
            When::Cancel => false,
            When::Dir => deed(Deed::Deep),
            When::Delete => deed(Deed::Delete),
            When::Check => rounds().any(|round| round.check),
            When::Look => deed(Deed::Look),
            When::Undo => self.sessions.iter().any(|session| session.undo),
        }
    }

    /// The dir of a session, below the work dir.
    #[must_use]
    pub fn dir(&self, session: usize) -> String {
        format!("s{}", if self.shared { 0 } else { session })
    }

    /// The task of a round.
    #[must_use]
    pub fn task(session: usize, round: usize) -> String {
        format!("Task {}: write its parts", Self::tag(session, round))
    }

    fn tag(session: usize, round: usize) -> String {
        format!("s{session}r{round}x")
    }

    /// Makes the trees as they are before.
    ///
    /// # Panics
    /// If it can't.
    pub fn prepare(&self, work: &Path) {
        for (at, session) in self.sessions.iter().enumerate() {
            let dir = work.join(self.dir(at));
            fs::create_dir_all(dir.join("kept")).expect("a dir");
            fs::write(dir.join("kept/other.txt"), "not theirs\ncount = 2\n").expect("a file");
            for (number, round) in session.rounds.iter().enumerate() {
                for (part, deed) in round.deeds.iter().enumerate() {
                    let id = part_id(at, number, part);
                    let mode = match deed {
                        Deed::Change => 0o600,
                        Deed::Delete => 0o750,
                        _ => continue,
                    };
                    let path = dir.join(format!("{id}.txt"));
                    fs::write(&path, format!("the old {id}\ncount = 2\nas it was before the round")).expect("a file");
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
                }
            }
        }
    }

    /// What the models say.
    #[must_use]
    pub fn story(&self) -> Story {
        let mut story = Story::new().lenient().pace(6, self.pace);
        for (at, session) in self.sessions.iter().enumerate() {
            for (number, round) in session.rounds.iter().enumerate() {
                story = chapter(story, at, number, round);
            }
        }
        story
    }
}

fn session(dice: &mut Dice, python: bool) -> Session {
    let rounds = 1 + [0, 0, 1, 2][dice.below(4)];
    let round = |dice: &mut Dice| {
        let check = dice.below(2) == 0;
        let mut deeds: Vec<Deed> = (0..1 + dice.below(3))
            .map(|_| [Deed::New, Deed::Two, Deed::Deep, Deed::Change, Deed::Delete][dice.below(5)])
            .collect();
        if check && dice.below(2) == 0 {
            deeds.push(Deed::Broken);
        }
        if check && python && dice.below(4) == 0 {
            deeds.push(Deed::Look);
        }
        Round { check, deeds }
    };
    Session {
        first: if dice.below(3) == 0 { First::Spawn } else { First::Run },
        rounds: (0..rounds).map(|_| round(dice)).collect(),
        undo: dice.below(2) == 0,
    }
}

fn part_id(session: usize, round: usize, part: usize) -> String {
    format!("{}{part}", Scenario::tag(session, round))
}

fn content(path: &str, count: usize) -> String {
    format!("the content of {path}\ncount = {count}\nit is complete, and every line is there\n")
}

fn chapter(story: Story, session: usize, number: usize, round: &Round) -> Story {
    let mut subs = Vec::new();
    let mut rules: Vec<Box<dyn FnOnce(Story) -> Story>> = Vec::new();
    for (part, deed) in round.deeds.iter().enumerate() {
        let id = part_id(session, number, part);
        let mut owns = Vec::new();
        let mut give = |path: String, text: String, id: &str| {
            owns.push(path.clone());
            let id = id.to_owned();
            rules.push(Box::new(move |story: Story| story.file(&id, &path, &text)));
        };
        match deed {
            Deed::New | Deed::Change => give(format!("{id}.txt"), content(&id, 2), &id),
            Deed::Deep => give(format!("{id}/deep/file.txt"), content(&id, 2), &id),
            Deed::Two => {
                give(format!("{id}a.txt"), content(&format!("{id}a"), 2), &id);
                give(format!("{id}b.txt"), content(&format!("{id}b"), 2), &id);
            }
            Deed::Delete => {
                owns.push(format!("{id}.txt"));
                let text = format!("===DELETE: {id}.txt===\n\n{id} isn't needed any more.");
                rules.push(Box::new(move |story| story.says(&format!("work/{id}"), &text)));
            }
            Deed::Broken => {
                let path = format!("{id}.txt");
                give(path.clone(), content(&id, 1), &id);
                let (said, mended) = (format!("count is wrong in {path}"), content(&id, 2));
                rules.push(Box::new(move |story| story.fix(&path, &said, &mended)));
            }
            Deed::Look => {
                let path = format!("{id}.py");
                give(path.clone(), format!("def {id}(a, b:\n    return a + b\n"), &id);
                let right = format!("def {id}(a, b):\n    return a + b\n");
                rules.push(Box::new(move |story| story.file_at(&id, 2, &path, &right)));
            }
        }
        let id = part_id(session, number, part);
        subs.push(Sub::new(&id, &format!("Part {id}")).owns(owns.iter().map(String::as_str)));
    }
    let task = Scenario::task(session, number);
    let story = story.task(&task).contract("Text", "", []).plan(subs).no_fix().synthesis(&format!("Done: {task}"));
    rules.into_iter().fold(story, |story, rule| rule(story))
}
