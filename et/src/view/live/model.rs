//! What is going on in a round, gathered from its events and from the text that streams. Pure: time comes in with each call.

use std::collections::{BTreeSet, VecDeque};

use proto::event::{Event, EventLine};
use proto::message::LiveText;
use proto::report::{CheckStatus, UsageShare};

use crate::text::one_line;
use crate::view::STUCK;

/// Time over which the pace of a stream is measured, in milliseconds.
const PACE_WINDOW: i64 = 5_000;
/// Longest unfinished line of model text that is kept.
const LONGEST_LINE: usize = 1_024;

/// What the round does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is known, or the round ended: nothing to show.
    #[default]
    Idle,
    /// Accepted; behind the session whose short id this is, if it waits for one.
    Queued(Option<String>),
    Planning,
    Working,
    Building {
        iteration: u32,
        command: String,
    },
    Mending {
        iteration: u32,
    },
    Finishing,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    /// Asked at this time; no text yet.
    Thinking(i64),
    Writing,
    Done,
    Failed(String),
    /// Will be asked again, and why.
    Again(String),
}

/// How fast a stream is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    seen: VecDeque<(i64, u64)>,
}

impl Pace {
    fn add(&mut self, now: i64, tokens: u64) {
        if self.seen.back().is_some_and(|(at, _)| now - at < 100) {
            return;
        }
        self.seen.push_back((now, tokens));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(at, _)| now - at > PACE_WINDOW) {
            self.seen.pop_front();
        }
    }

    /// Tokens per second; none before half a second of them was seen, nor for a stream that stands still.
    pub(super) fn per_second(&self, now: i64) -> Option<u64> {
        let ((first, from), (last, to)) = (self.seen.front()?, self.seen.back()?);
        if last - first < 500 || now - last > PACE_WINDOW {
            return None;
        }
        let (tokens, time) = (to.saturating_sub(*from), u64::try_from((now - first).max(1)).unwrap_or(1));
        Some((tokens.saturating_mul(1_000) + time / 2) / time)
    }
}

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Worker {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) model: String,
    pub(super) state: State,
    pub(super) attempt: u32,
    /// Files that it owns.
    pub(super) owns: Vec<String>,
    /// Subtasks that it waits for.
    pub(super) after: Vec<String>,
    /// The file that it writes, as far as its text says.
    pub(super) file: Option<String>,
    /// Diagnostics that it mends; 0: it does its first work.
    pub(super) mends: u32,
    /// Tokens of the running answer.
    pub(super) tokens: u64,
    pub(super) pace: Pace,
    /// The unfinished last line of its text.
    tail: String,
}

impl Worker {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: String::new(),
            model: String::new(),
            state: State::Waiting,
            attempt: 1,
            owns: Vec::new(),
            after: Vec::new(),
            file: None,
            mends: 0,
            tokens: 0,
            pace: Pace::default(),
            tail: String::new(),
        }
    }

    /// Whether it is at work now.
    pub(super) fn busy(&self) -> bool {
        matches!(self.state, State::Thinking(_) | State::Writing)
    }

    fn ask(&mut self, at: i64) {
        self.state = State::Thinking(at);
        self.begin();
    }

    fn begin(&mut self) {
        self.file = None;
        self.tokens = 0;
        self.pace = Pace::default();
        self.tail.clear();
    }

    fn read(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.tail.len() + piece.len() <= LONGEST_LINE {
                self.tail.push_str(piece);
            }
            if piece.ends_with('\n') {
                if let Some(path) = header(&self.tail) {
                    self.file = Some(path.to_owned());
                }
                self.tail.clear();
            }
        }
    }
}

/// The path of a line that begins a file.
fn header(line: &str) -> Option<&str> {
    let path = line.trim().strip_prefix("===FILE:")?.trim_end_matches('=').trim();
    (!path.is_empty()).then_some(path)
}

/// The state of the newest round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) phase: Phase,
    round: u32,
    /// The newest round that ended.
    ended: u32,
    /// When it began; none if this client came in the middle of it.
    started: Option<i64>,
    /// Whether the answers are recordings.
    pub(super) recorded: bool,
    /// Builds at most, where that is known.
    pub(super) max_builds: Option<u32>,
    pub(super) workers: Vec<Worker>,
    /// Planner, reviewer and the like while they write.
    pub(super) helpers: Vec<Worker>,
    pub(super) tokens_in: u64,
    /// None: nothing is known yet, or the price of a model isn't.
    pub(super) cost_usd: Option<f64>,
    tokens_out: u64,
    /// The last build's colour and its errors and warnings.
    pub(super) last_build: Option<(CheckStatus, u32, u32)>,
    /// The round waits for credentials.
    pub(super) needs_credentials: bool,
    /// Why the daemon can't go on, if it can't: its disk is full, for example.
    pub(super) stuck: Option<String>,
}

impl Model {
    /// Takes in an event; `now` in milliseconds of the wall clock stands in for a time that can't be read.
    pub(super) fn event(&mut self, line: &EventLine, now: i64) {
        let at = line.at.parse::<jiff::Timestamp>().map_or(now, |at| at.as_millisecond());
        self.needs_credentials = false;
        self.stuck = None;
        match &line.event {
            Event::RoundQueued { waits_for, .. } => {
                // A round that is queued behind the one shown has its turn later.
                if self.phase == Phase::Idle {
                    self.start(line.round, Some(at));
                    let other = waits_for.filter(|session| *session != line.session);
                    self.phase = Phase::Queued(other.map(|session| session.short()));
                }
            }
            Event::RoundStarted { recorded, .. } => {
                self.start(line.round, Some(at));
                self.recorded = *recorded;
                self.phase = Phase::Planning;
            }
            Event::Result(_) if line.round >= self.round => {
                *self = Self { max_builds: self.max_builds, ended: line.round, ..Self::default() };
            }
            event => {
                self.join(line.round);
                if line.round == self.round {
                    self.progress(event, at);
                }
            }
        }
    }

    fn start(&mut self, round: u32, at: Option<i64>) {
        *self = Self { round, started: at, ended: self.ended, max_builds: self.max_builds, ..Self::default() };
    }

    /// This client came in the middle of a round.
    fn join(&mut self, round: u32) {
        if self.phase == Phase::Idle && round > self.ended {
            self.start(round, None);
            self.phase = Phase::Working;
        }
    }

    fn progress(&mut self, event: &Event, at: i64) {
        match event {
            Event::PlanSubtask { id, title, owns, after, .. } => {
                let worker = self.worker(id);
                worker.title.clone_from(title);
                worker.owns.clone_from(owns);
                worker.after.clone_from(after);
            }
            Event::PlanReady { spent, .. } => {
                self.end_helper("planner");
                self.account(spent);
                self.phase = Phase::Working;
            }
            Event::WorkerStarted { worker, title, attempt } => {
                if self.phase != Phase::Planning {
                    self.phase = Phase::Working;
                }
                self.spend(worker);
                let worker = self.worker(worker);
                worker.title.clone_from(title);
                worker.attempt = *attempt;
                worker.mends = 0;
                worker.ask(at);
            }
            Event::WorkerFinished { worker, model, spent, .. } => {
                self.account(spent);
                let worker = self.worker(worker);
                worker.model.clone_from(model);
                worker.state = State::Done;
                worker.begin();
            }
            Event::WorkerFailed { worker, reason, again, .. } => {
                self.spend(worker);
                let worker = self.worker(worker);
                worker.state = if *again { State::Again(reason.clone()) } else { State::Failed(reason.clone()) };
            }
            Event::ReviewScored { worker, score, accepted, .. } => {
                self.end_helper("reviewer");
                let worker = self.worker(worker);
                if !*accepted && worker.state == State::Done {
                    worker.state = State::Again(format!("review {score}/10"));
                }
            }
            Event::CheckStarted { iteration, command, .. } => {
                self.phase = Phase::Building { iteration: *iteration, command: command.clone() };
            }
            Event::CheckFinished { iteration, status, errors, warnings, spent, .. } => {
                self.account(spent);
                self.last_build = Some((*status, *errors, *warnings));
                self.phase = match status {
                    CheckStatus::Red => Phase::Mending { iteration: *iteration },
                    CheckStatus::Green | CheckStatus::None => Phase::Finishing,
                };
            }
            Event::FixAssigned { iteration, owner, diagnostics, files, .. } => {
                self.phase = Phase::Mending { iteration: *iteration };
                self.spend(owner);
                let worker = self.worker(owner);
                worker.mends = (*diagnostics).max(1);
                if worker.owns.is_empty() {
                    worker.owns.clone_from(files);
                }
                worker.ask(at);
            }
            Event::FixFinished { owner, model, failed, spent, .. } => {
                self.spend(owner);
                self.account(spent);
                let worker = self.worker(owner);
                if let Some(model) = model {
                    worker.model.clone_from(model);
                }
                worker.state = failed.clone().map_or(State::Done, State::Failed);
            }
            Event::TreeRestored { .. } | Event::Synthesis { .. } | Event::Budget { .. } => {
                self.tokens_out += self.helpers.drain(..).map(|helper| helper.tokens).sum::<u64>();
                self.phase = Phase::Finishing;
            }
            _ => {}
        }
    }

    /// Takes over the round's own accounts.
    fn account(&mut self, spent: &UsageShare) {
        self.tokens_in = spent.tokens_in;
        self.tokens_out = spent.tokens_out;
        self.cost_usd = spent.cost_usd;
    }

    /// Takes in a piece of model text.
    pub(super) fn live(&mut self, piece: &LiveText, now: i64) {
        self.join(piece.round);
        if piece.round != self.round || self.phase == Phase::Idle {
            return;
        }
        self.needs_credentials = false;
        self.stuck = None;
        if piece.restart {
            self.spend(&piece.worker);
        }
        let helper = match piece.worker.as_str() {
            "planner" | "reviewer" | "synthesis" => true,
            worker => !self.workers.iter().any(|known| known.id == worker),
        };
        let worker = if helper { entry(&mut self.helpers, &piece.worker) } else { self.worker(&piece.worker) };
        if piece.restart && matches!(worker.state, State::Writing | State::Thinking(_)) {
            // Text from the start: another model was chosen, or this client has just come.
            let state = worker.state.clone();
            worker.begin();
            worker.state = state;
        }
        // An event that was late can't be undone by text that was later still: who is done stays done.
        if helper || matches!(worker.state, State::Waiting | State::Thinking(_) | State::Again(_)) {
            worker.state = match (&worker.state, piece.text.is_empty()) {
                (State::Thinking(_), true) => worker.state.clone(),
                (_, true) => State::Thinking(now),
                (_, false) => State::Writing,
            };
        }
        if worker.busy() {
            worker.model.clone_from(&piece.model);
            worker.tokens = piece.tokens;
            worker.pace.add(now, piece.tokens);
            worker.read(&piece.text);
        }
    }

    /// Takes in what the daemon says of the session while nothing else happens.
    pub(super) fn heartbeat(&mut self, state: &str) {
        self.needs_credentials = state == "needs_credentials";
        self.stuck = state.starts_with(STUCK).then(|| one_line(state, 200));
    }

    /// Milliseconds since the round began, where that is known.
    pub(super) fn elapsed(&self, now: i64) -> Option<u64> {
        self.started.map(|started| u64::try_from(now - started).unwrap_or(0))
    }

    /// Answer tokens so far, those of running answers included; what fixes and helpers took is an estimate.
    pub(super) fn tokens_out(&self) -> u64 {
        let running: u64 = self.workers.iter().chain(&self.helpers).map(|worker| worker.tokens).sum();
        self.tokens_out + running
    }

    /// What a worker waits for and isn't done yet.
    pub(super) fn lacks(&self, worker: &Worker) -> Vec<String> {
        let done: BTreeSet<&str> = self
            .workers
            .iter()
            .filter(|other| matches!(other.state, State::Done))
            .map(|other| other.id.as_str())
            .collect();
        worker.after.iter().filter(|id| !done.contains(id.as_str())).cloned().collect()
    }

    fn worker(&mut self, id: &str) -> &mut Worker {
        // Its text may have come before the event that says who it is.
        if let Some(index) = self.helpers.iter().position(|helper| helper.id == id) {
            let helper = self.helpers.remove(index);
            self.workers.push(helper);
        }
        entry(&mut self.workers, id)
    }

    /// The running answer of a worker is over without an account of its own: what was seen of it counts.
    fn spend(&mut self, id: &str) {
        if let Some(worker) = self.workers.iter_mut().chain(&mut self.helpers).find(|worker| worker.id == id) {
            self.tokens_out += std::mem::take(&mut worker.tokens);
        }
    }

    fn end_helper(&mut self, id: &str) {
        self.spend(id);
        self.helpers.retain(|helper| helper.id != id);
    }
}

/// The worker with this id, which is added if it isn't there.
fn entry<'a>(workers: &'a mut Vec<Worker>, id: &str) -> &'a mut Worker {
    let index = workers.iter().position(|worker| worker.id == id).unwrap_or_else(|| {
        workers.push(Worker::new(id));
        workers.len() - 1
    });
    &mut workers[index]
}
