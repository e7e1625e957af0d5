//! The live view of a terminal: what stays scrolls by, what changes is redrawn in a block below it, at most ten times a second.
//!
//! Everything but the mayor's text and the diagnostics that remain goes to the terminal of stderr. When the round ends the block
//! goes away and a short summary stays. The block never wraps; nothing hides the cursor, and no text of a model steers the terminal.

use std::io::{IsTerminal, Write};

use proto::diagnostic::Severity;
use proto::event::{Event, EventLine};
use proto::message::{Heartbeat, LiveText};
use proto::report::RoundReport;

use self::line::{Line, Tone};
use self::model::Model;
use self::screen::{Screen, Size};
use super::View;
use super::plain::diagnostic_line;
use crate::text::sanitize;

mod line;
mod milestones;
mod model;
mod render;
mod screen;
#[cfg(test)]
mod tests;

/// Shortest time between two drawings, in milliseconds.
const PAUSE: i64 = 100;
/// Rows that are left to the lines that stay.
const ABOVE: usize = 3;

/// The view for people at a terminal.
pub(crate) struct Live {
    out: Box<dyn Write>,
    screen: Screen,
    now: Box<dyn Fn() -> i64>,
    model: Model,
    /// Lines that stay and aren't on the screen yet.
    stay: Vec<Line>,
    /// When it was drawn last.
    drawn: i64,
}

/// Whether the live view fits: stderr is a terminal that can move its cursor.
pub(crate) fn fits(var: &dyn Fn(&str) -> Option<String>) -> bool {
    console::Term::stderr().size_checked().is_some()
        && std::io::stderr().is_terminal()
        && var("TERM").is_some_and(|term| term != "dumb")
}

impl Live {
    /// The view of this process: `out` gets results, the terminal of stderr all else. `max_builds` is how many builds there are at
    /// most, where that is known.
    pub(crate) fn new(out: Box<dyn Write>, max_builds: Option<u32>, var: &dyn Fn(&str) -> Option<String>) -> Self {
        let term = console::Term::stderr();
        let size = move || {
            let (rows, columns) = term.size();
            (usize::from(columns), usize::from(rows))
        };
        let now = || jiff::Timestamp::now().as_millisecond();
        let colour = var("NO_COLOR").is_none_or(|set| set.is_empty());
        Self::with(out, Box::new(std::io::stderr()), Box::new(size), colour, max_builds, Box::new(now))
    }

    fn with(
        out: Box<dyn Write>,
        terminal: Box<dyn Write>,
        size: Box<dyn Fn() -> Size>,
        colour: bool,
        max_builds: Option<u32>,
        now: Box<dyn Fn() -> i64>,
    ) -> Self {
        let mut model = Model::default();
        model.max_builds = max_builds;
        Self { out, screen: Screen::new(terminal, size, colour), now, model, stay: Vec::new(), drawn: i64::MIN }
    }

    fn draw(&mut self) {
        let now = (self.now)();
        self.drawn = now;
        let (columns, rows) = self.screen.size();
        // The last column stays free: some terminals wrap as soon as it is filled.
        let rows = rows.saturating_sub(1 + ABOVE).max(1);
        let block = render::render(&self.model, now, columns.saturating_sub(1), rows);
        let stay = std::mem::take(&mut self.stay);
        self.screen.draw(&stay, &block);
    }

    fn draw_if_due(&mut self) {
        // A clock that was set back counts as due.
        if !(0..PAUSE).contains(&(self.now)().saturating_sub(self.drawn)) {
            self.draw();
        }
    }

    /// Takes the block away, with all lines that stay on the screen, so that something else can be written.
    fn aside(&mut self) {
        let stay = std::mem::take(&mut self.stay);
        self.screen.draw(&stay, &[]);
    }

    fn result(&mut self, text: &str) {
        self.aside();
        let _ = writeln!(self.out, "{}", sanitize(text));
        let _ = self.out.flush();
    }

    fn report(&mut self, report: &RoundReport) {
        if !report.outcome.is_success() {
            for diagnostic in report.check.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
                let line = diagnostic_line(diagnostic);
                self.result(&line);
            }
        }
        self.stay.extend(milestones::summary(report));
    }
}

impl View for Live {
    fn event(&mut self, line: &EventLine, _raw: &str) {
        self.model.event(line, (self.now)());
        match &line.event {
            Event::Synthesis { text } => self.result(text.trim_end()),
            Event::Result(report) => {
                self.report(report);
                self.draw();
            }
            _ => self.stay.extend(milestones::milestone(line, &self.model)),
        }
        self.draw_if_due();
    }

    fn live(&mut self, text: &LiveText) {
        self.model.live(text, (self.now)());
        self.draw_if_due();
    }

    fn heartbeat(&mut self, beat: &Heartbeat) {
        self.model.heartbeat(&beat.state);
        self.draw_if_due();
    }

    fn notice(&mut self, text: &str) {
        self.stay.extend(text.lines().map(|line| Line::new(Tone::Odd, "! ").with(Tone::Plain, line)));
        self.draw();
    }

    fn tick(&mut self) {
        self.draw_if_due();
    }

    fn end(&mut self, _report: Option<&RoundReport>) {
        self.aside();
        let _ = self.out.flush();
    }
}

/// The terminal is clean however the watching ends.
impl Drop for Live {
    fn drop(&mut self) {
        self.screen.clear();
    }
}
