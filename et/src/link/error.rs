//! What can go wrong between the client and the daemon, as a person should read it.

use std::fmt;

use proto::message::Failed;
use proto::outcome::exit;

/// What kind of failure it is; what callers decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkErrorKind {
    /// No daemon, and none could be started.
    Unavailable,
    /// The state dir can't be used.
    StateDir,
    /// Too many connections.
    Overloaded,
    /// A daemon of another version is at work.
    OtherVersion,
    /// The connection broke or fell silent; to connect again makes sense.
    Lost,
    /// The daemon answered: no.
    Failed,
}

/// A failure with its exit code, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkError {
    /// What kind.
    pub kind: LinkErrorKind,
    /// Exit code of the client.
    pub exit_code: u8,
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl LinkError {
    /// Whether to connect again makes sense.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.kind == LinkErrorKind::Lost
    }

    pub(crate) fn new(kind: LinkErrorKind, message: impl Into<String>) -> Self {
        let exit_code = match kind {
            LinkErrorKind::Unavailable | LinkErrorKind::Lost => exit::UNAVAILABLE,
            LinkErrorKind::StateDir => exit::STATE,
            LinkErrorKind::Overloaded => exit::TRY_AGAIN,
            LinkErrorKind::OtherVersion => exit::VERSION,
            LinkErrorKind::Failed => exit::SOFTWARE,
        };
        Self { kind, exit_code, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn lost(why: impl Into<String>) -> Self {
        Self::new(LinkErrorKind::Lost, why)
    }
}

impl From<Failed> for LinkError {
    fn from(failed: Failed) -> Self {
        let Failed { exit_code, message, hint } = failed;
        Self { kind: LinkErrorKind::Failed, exit_code, message, hint }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LinkError {}
