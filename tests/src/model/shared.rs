//! What the connections of a server share: the story, the records, and what waits on them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::fault::Fault;
use super::mind::Mind;
use super::on::{Kind, On};
use super::record::Record;
use super::serve::Request;
use super::story::{Pace, Point, Story};
use super::tell::{self, Answer, Told};
use super::wire::{Asked, Encoder, Tokens, Wire};

pub(crate) struct State {
    pub(crate) story: Story,
    told: Told,
    pub(crate) records: Vec<Record>,
    pub(crate) complaints: Vec<String>,
    pub(crate) released: Vec<String>,
}

pub(crate) struct Shared {
    started: Instant,
    state: Mutex<State>,
    pub(crate) changed: Condvar,
    mind: Option<Arc<dyn Mind>>,
    /// Counts releases.
    releases: watch::Sender<u64>,
}

/// How a request is answered.
pub(crate) struct Reply {
    pub(crate) encoder: Encoder,
    pub(crate) pieces: Vec<String>,
    pub(crate) interval: Duration,
    pub(crate) fault: Option<Fault>,
    /// The token limit ends it.
    pub(crate) cut: bool,
    /// Nobody scripted it: refused with these words.
    pub(crate) refused: Option<String>,
    hold: Option<(On, Point)>,
    /// The piece before which it waits.
    pub(crate) hold_before: Option<usize>,
}

impl Reply {
    pub(crate) fn held_at_headers(&self) -> bool {
        matches!(self.hold, Some((_, Point::Headers)))
    }

    /// Waits until the hold is released.
    pub(crate) async fn wait(&self, shared: &Shared, index: usize) {
        let Some((on, _)) = &self.hold else { return };
        let mut releases = shared.releases.subscribe();
        shared.change(index, |record| record.held = true);
        while !shared.lock().released.contains(&on.text) {
            if releases.changed().await.is_err() {
                return;
            }
        }
        shared.change(index, |record| record.held = false);
    }
}

impl Shared {
    pub(crate) fn new(story: Story, mind: Option<Arc<dyn Mind>>) -> Self {
        Self {
            started: Instant::now(),
            mind,
            state: Mutex::new(State {
                story,
                told: Told::default(),
                records: Vec::new(),
                complaints: Vec::new(),
                released: Vec::new(),
            }),
            changed: Condvar::new(),
            releases: watch::Sender::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: usize, with: impl FnOnce(&mut Record)) {
        with(&mut self.lock().records[index]);
        self.changed.notify_all();
    }

    pub(crate) fn release(&self, on: &str) {
        self.lock().released.push(on.to_owned());
        self.releases.send_modify(|count| *count += 1);
    }

    pub(crate) fn hold(&self, on: &str, point: Point) {
        let mut state = self.lock();
        state.released.retain(|one| one != on);
        state.story.holds.push((on.into(), point));
    }

    pub(crate) fn model_names(&self) -> Vec<String> {
        self.lock().story.models.clone()
    }

    fn record(&self, wire: Option<Wire>, request: &Request, kind: Kind) -> Record {
        Record {
            index: 0,
            at: self.started.elapsed(),
            ended: None,
            wire,
            target: request.target.clone(),
            headers: request.headers.clone(),
            model: String::new(),
            kind,
            subtask: None,
            system: String::new(),
            turns: Vec::new(),
            text: String::new(),
            schema: false,
            status: 0,
            answer: String::new(),
            pieces: 0,
            sent: 0,
            complete: false,
            gone: false,
            held: false,
            mark: None,
            tokens: None,
        }
    }

    fn add(state: &mut State, mut record: Record) -> usize {
        record.index = state.records.len();
        state.records.push(record);
        state.records.len() - 1
    }

    /// A request for the models.
    pub(crate) fn models(&self, wire: Wire, request: &Request) -> usize {
        let record = self.record(Some(wire), request, Kind::Models);
        let index = Self::add(&mut self.lock(), record);
        self.changed.notify_all();
        index
    }

    /// A request that nobody can read or serve.
    pub(crate) fn nobody(&self, wire: Option<Wire>, request: &Request, why: &str) {
        let mut record = self.record(wire, request, Kind::Unknown);
        record.status = 400;
        record.ended = Some(record.at);
        let mut state = self.lock();
        let complaint = format!("{}: {why}", request.target);
        Self::add(&mut state, record);
        state.complaints.push(complaint);
        drop(state);
        self.changed.notify_all();
    }

    /// The fault that a request has coming, if any; it is used up by that.
    pub(crate) fn fault(&self, index: usize) -> Option<Fault> {
        let mut state = self.lock();
        let record = state.records[index].clone();
        take_fault(&mut state.story, record.kind, record.subtask.as_deref(), &record.model)
    }

    /// A chat: recorded, and what is to be answered.
    pub(crate) fn chat(&self, wire: Wire, request: &Request, asked: Asked) -> (usize, Reply) {
        let mut record = self.record(Some(wire), request, Kind::Unknown);
        // Outside the lock: a mind reads long prompts.
        let said = self.mind.as_ref().map(|mind| mind.answer(&asked));
        let mut state = self.lock();
        let State { story, told, complaints, released, .. } = &mut *state;
        let mut cut = false;
        let answer = match said {
            Some(said) => {
                (record.kind, record.subtask, record.mark, cut) = (said.kind, said.subtask, said.mark, said.cut);
                Answer { text: Some(said.text), ..Answer::default() }
            }
            None => {
                let meaning = tell::understand(story, &asked);
                let answer = tell::tell(story, told, &asked, &meaning);
                (record.kind, record.subtask) = (meaning.kind, meaning.subtask);
                answer
            }
        };
        record.model = asked.model.clone();
        record.text = asked.text();
        record.system = asked.system;
        record.turns = asked.turns;
        record.schema = asked.schema;
        for complaint in answer.complaints {
            complaints.push(format!("{}: {complaint}\n--- the prompt ---\n{}\n---", record.label(), record.text));
        }
        let subtask = record.subtask.as_deref();
        let selects = |on: &On| on.selects(record.kind, subtask, &record.model);
        let fault = take_fault(story, record.kind, subtask, &record.model);
        let mut refused = answer.text.is_none().then(|| "nobody scripted this request".to_owned());
        if story.refuses_schema && asked.schema {
            refused = Some("response_format json_schema is not supported by this server".to_owned());
        }
        let mut text = answer.text.unwrap_or_default();
        match &fault {
            Some(Fault::Text(other)) => text.clone_from(other),
            Some(Fault::Empty) => text.clear(),
            Some(Fault::Cut | Fault::Stall | Fault::Malformed | Fault::ErrorInStream | Fault::LengthCut) => {
                text.truncate(floor(&text, text.len() / 2));
            }
            _ => {}
        }
        let tokens = tokens(story, &selects, &record.text, &text);
        record.tokens = Some((tokens.input, tokens.output));
        let tokens = Some(tokens).filter(|_| story.reports_usage && asked.wants_usage);
        let held =
            |on: &On| selects(on) && on.nth.is_none_or(|nth| nth == answer.place) && !released.contains(&on.text);
        let hold = story.holds.iter().rev().find(|(on, _)| held(on)).cloned();
        let pace = story.paces.iter().rev().find(|(on, _)| selects(on)).map(|(_, pace)| pace.clone());
        let (count, interval) = match pace {
            None => (12, Duration::ZERO),
            Some(Pace::Pieces(count, interval)) => (count.max(1), interval),
            Some(Pace::Takes(duration)) => {
                let count = text.chars().count().clamp(1, 60);
                (count, duration / count as u32)
            }
        };
        let hold_at = hold.as_ref().map(|(_, point)| position(point, &text));
        let (pieces, hold_before) = split(&text, count, hold_at);
        record.answer.clone_from(&text);
        let encoder = Encoder { wire, model: asked.model, tool: asked.tool, tokens };
        let hold_before = hold_before.filter(|_| !matches!(hold, Some((_, Point::Headers))));
        let index = Self::add(&mut state, record);
        drop(state);
        self.changed.notify_all();
        (index, Reply { encoder, pieces, interval, fault, cut, refused, hold, hold_before })
    }

    pub(crate) fn status(&self, index: usize, status: u16) {
        self.change(index, |record| record.status = status);
    }

    pub(crate) fn piece(&self, index: usize, bytes: usize) {
        self.change(index, |record| {
            record.pieces += 1;
            record.sent += bytes;
        });
    }

    pub(crate) fn ended(&self, index: usize, status: u16, complete: bool) {
        let now = self.started.elapsed();
        self.change(index, |record| {
            record.status = status;
            record.complete = complete;
            record.ended = Some(now);
        });
    }

    /// The answer couldn't be written to its end.
    pub(crate) fn unwritten(&self, index: usize) {
        if self.lock().records[index].ended.is_none() {
            self.gone(index);
        }
    }

    pub(crate) fn gone(&self, index: usize) {
        let now = self.started.elapsed();
        self.change(index, |record| {
            // A client that closes behind a complete answer hasn't gone away from it.
            if !record.complete {
                record.gone = true;
                record.ended.get_or_insert(now);
            }
        });
    }
}

/// The fault that comes next for such a request.
fn take_fault(story: &mut Story, kind: Kind, subtask: Option<&str>, model: &str) -> Option<Fault> {
    let mut found = None;
    for rule in story.faults.iter_mut().filter(|rule| rule.on.selects(kind, subtask, model)) {
        rule.seen += 1;
        let turn = rule.on.nth.is_none_or(|nth| nth == rule.seen);
        if turn && rule.left > 0 && found.is_none() {
            rule.left -= 1;
            found = Some(rule.fault.clone());
        }
    }
    found
}

fn tokens(story: &Story, selects: &dyn Fn(&On) -> bool, prompt: &str, answer: &str) -> Tokens {
    let count = |text: &str| (text.chars().count() as u64).div_ceil(4);
    let stated = story.usages.iter().rev().find(|usage| selects(&usage.on));
    let (input, output) = stated.map_or_else(|| (count(prompt), count(answer)), |usage| (usage.input, usage.output));
    Tokens { input, cached: story.cached.min(input), output }
}

/// The byte of a text at which a hold waits.
fn position(point: &Point, text: &str) -> usize {
    match point {
        Point::Headers | Point::Start => 0,
        Point::Half => floor(text, text.len() / 2),
        Point::End => text.len(),
        Point::AfterText(part) => match text.find(part.as_str()) {
            Some(at) => at + part.len(),
            None => panic!("the answer has no {part:?} to hold at: {text}"),
        },
        Point::AfterSubtasks(count) => {
            let mark = "\"specialist\": ";
            let nth = count.checked_sub(1).and_then(|before| text.match_indices(mark).nth(before));
            nth.map_or(0, |(at, _)| text[at..].find('}').map_or(text.len(), |end| at + end + 1))
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// A text in about so many pieces, with a cut at `hold`, and the piece before which that is.
fn split(text: &str, count: usize, hold: Option<usize>) -> (Vec<String>, Option<usize>) {
    let mut cuts: Vec<usize> = (0..=count).map(|index| floor(text, text.len() * index / count)).collect();
    cuts.extend(hold);
    cuts.sort_unstable();
    cuts.dedup();
    let pieces: Vec<String> = cuts.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect();
    let before = hold.and_then(|hold| cuts.iter().position(|cut| *cut == hold));
    (pieces, before)
}
