//! What is shown while a session is watched. A view only shows: it never decides how long to watch or how to end.

use proto::event::EventLine;
use proto::message::{Heartbeat, LiveText};
use proto::report::RoundReport;

pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod plain;

/// What the state of a session starts with while the daemon can't go on.
const STUCK: &str = "stuck: ";

/// Shows a session. Each durable event comes once, in order. A reader that went away is no error.
pub(crate) trait View {
    /// A durable event; `raw` is its line as it is stored.
    fn event(&mut self, line: &EventLine, raw: &str);
    /// A durable event that this build can't read, such as one of a later version.
    fn unknown(&mut self, raw: &str, why: &str) {
        let _ = raw;
        self.notice(&format!("warning: an event can't be read: {why}"));
    }
    /// A piece of model text.
    fn live(&mut self, text: &LiveText);
    /// Nothing else happened for a while.
    fn heartbeat(&mut self, beat: &Heartbeat);
    /// Something about the connection or the keys that a person should know.
    fn notice(&mut self, text: &str);
    /// Called a few times a second, whatever happens.
    fn tick(&mut self);
    /// The end, with the report of the newest round that ended.
    fn end(&mut self, report: Option<&RoundReport>);
}

#[cfg(test)]
mod tests;
