//! Work that goes on through kills.
//!
//! A scenario is drawn by a seed and played twice with real processes: undisturbed, then with kills of the daemon (at named points of its
//! code, or whenever), of clients and of builds. After each death, before the next daemon may start, and at the end it is looked at what
//! is there. It promises to find: an acknowledgement that is lost, an event log that has gaps or changed, an answer that was recorded and
//! is bought again, an end or a tree that is another one, a process or a temporary file that is left.

mod audit;
mod guard;
mod kills;
mod play;
mod points;
mod process;
mod scenario;
mod snapshot;
mod verdict;

pub use audit::audit;
pub use kills::{Kills, Strike, Victim};
pub use play::{Played, Said, Tree, play, tree};
pub use points::{POINTS, When};
pub use process::Process;
pub use scenario::{CHECK, Deed, First, Round, SLOW_CHECK, Scenario, Session};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Something was acknowledged or shown and isn't there.
    Lost,
    /// A recorded answer was bought again.
    Repeated,
    /// A process is left.
    Orphan,
    /// A temporary file is left.
    Temporary,
    /// A tree is another one.
    Tree,
    /// A log has gaps, repetitions, or changed.
    Log,
    /// A round or a command ended otherwise.
    End,
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// In words.
    pub text: String,
}

impl Finding {
    fn new(fault: Fault, text: impl Into<String>) -> Self {
        Self { fault, text: text.into() }
    }
}
