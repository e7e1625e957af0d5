//! One line of JSON for each event, flushed. Durable lines are printed as they are stored, byte for byte, but for characters that a
//! terminal would obey: those are escaped.

use std::io::Write;
use std::time::{Duration, Instant};

use proto::event::{Event, EventLine, SCHEMA};
use proto::id::SessionId;
use proto::message::{Heartbeat, LiveText};
use proto::report::RoundReport;

use super::View;
use crate::text::{harmless_json, sanitize};

/// A line comes at least this often; readers are promised 15 s.
const SILENCE: Duration = Duration::from_secs(12);

/// The view behind `--json`.
pub(crate) struct Json {
    session: SessionId,
    round: u32,
    state: String,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    last: Instant,
    /// The reader went away: nothing more is written.
    closed: bool,
}

impl Json {
    pub(crate) fn new(session: SessionId, round: u32, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self { session, round, state: "running".to_owned(), out, err, last: Instant::now(), closed: false }
    }

    fn print(&mut self, line: &str) {
        self.last = Instant::now();
        if !self.closed && writeln!(self.out, "{}", harmless_json(line)).and_then(|()| self.out.flush()).is_err() {
            self.closed = true;
        }
    }

    fn print_live(&mut self, round: u32, event: Event) {
        let line = EventLine {
            schema: SCHEMA.to_owned(),
            session: self.session,
            round,
            seq: None,
            at: format!("{:.3}", jiff::Timestamp::now()),
            event,
        };
        if let Ok(line) = serde_json::to_string(&line) {
            self.print(&line);
        }
    }
}

impl View for Json {
    fn event(&mut self, line: &EventLine, raw: &str) {
        self.round = line.round;
        self.print(raw);
    }

    fn unknown(&mut self, raw: &str, _why: &str) {
        self.print(raw);
    }

    fn live(&mut self, text: &LiveText) {
        self.print_live(
            text.round,
            Event::Text {
                worker: text.worker.clone(),
                model: text.model.clone(),
                restart: text.restart,
                text: text.text.clone(),
            },
        );
    }

    fn heartbeat(&mut self, beat: &Heartbeat) {
        self.state.clone_from(&beat.state);
        self.round = beat.round;
        self.print_live(beat.round, Event::Heartbeat { state: beat.state.clone() });
    }

    fn notice(&mut self, text: &str) {
        let _ = writeln!(self.err, "{}", sanitize(text));
    }

    fn tick(&mut self) {
        if self.last.elapsed() >= SILENCE {
            self.print_live(self.round, Event::Heartbeat { state: self.state.clone() });
        }
    }

    fn end(&mut self, _report: Option<&RoundReport>) {}
}
