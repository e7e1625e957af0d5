//! Errors of the client, how they are told, and the exit code of each.

use std::fmt;
use std::io::Write;

use proto::outcome::exit;

use crate::link::LinkError;
use crate::text::{harmless_json, sanitize};

/// What went wrong, what to do about it, and the exit code that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Exit code of the process, see [`proto::outcome::exit`].
    pub(crate) exit_code: u8,
    /// What happened and where; several lines where a config line is quoted.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self { exit_code, message: message.into(), hint: None }
    }

    /// A flag, the config, the task, a path or an id is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// The state dir or another file of ours can't be written.
    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(exit::STATE, message)
    }

    /// The daemon answered something that no request of ours asks for.
    pub(crate) fn unexpected(reply: &proto::message::Reply) -> Self {
        Self::new(exit::SOFTWARE, format!("the daemon sent an unexpected answer (message {})", reply.number()))
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self { exit_code: error.exit_code, message: error.message, hint: error.hint }
    }
}

impl From<proto::message::Failed> for Problem {
    fn from(failed: proto::message::Failed) -> Self {
        Self { exit_code: failed.exit_code, message: failed.message, hint: failed.hint }
    }
}

/// How a command ended: the only way to an exit code.
pub(crate) fn exit_code(ended: &Result<u8, Problem>) -> u8 {
    match ended {
        Ok(code) => *code,
        Err(problem) => problem.exit_code,
    }
}

/// Tells an error: `error:` and `hint:` lines on `err`, and with `json` one line of JSON on `out` as well.
pub(crate) fn tell(problem: &Problem, json: bool, out: &mut dyn Write, err: &mut dyn Write) {
    // A reader that went away can't be told anything.
    if json {
        let line = serde_json::json!({
            "type": "error",
            "exit_code": problem.exit_code,
            "message": problem.message,
            "hint": problem.hint,
        });
        let _ = writeln!(out, "{}", harmless_json(&line.to_string()));
        let _ = out.flush();
    }
    let _ = writeln!(err, "error: {}", sanitize(&problem.message));
    if let Some(hint) = &problem.hint {
        let _ = writeln!(err, "hint: {}", sanitize(hint));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn an_error_is_one_json_line_and_text_as_ever() {
        let problem = Problem::usage("no such \"flag\"\nsecond line\u{1b}[31m").hint("try another");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        tell(&problem, true, &mut out, &mut err);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["type"], "error");
        assert_eq!(value["exit_code"], 2);
        assert_eq!(value["hint"], "try another");
        let err = String::from_utf8(err).unwrap();
        assert!(err.starts_with("error: no such \"flag\"\nsecond line"), "{err}");
        assert!(err.ends_with("\nhint: try another\n"), "{err}");
        assert!(!err.contains('\u{1b}'));
    }

    #[test]
    fn without_json_stdout_stays_empty() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        tell(&Problem::state("full"), false, &mut out, &mut err);
        assert!(out.is_empty());
        assert_eq!(String::from_utf8(err).unwrap(), "error: full\n");
    }

    #[test]
    fn exit_codes() {
        for (ended, code) in [
            (Ok(0), 0),
            (Ok(130), 130),
            (Err(Problem::usage("x")), 2),
            (Err(Problem::state("x")), 74),
            (
                Err(LinkError {
                    kind: crate::link::LinkErrorKind::OtherVersion,
                    exit_code: 76,
                    message: String::new(),
                    hint: None,
                }
                .into()),
                exit::VERSION,
            ),
        ] {
            assert_eq!(exit_code(&ended), code, "{ended:?}");
        }
    }
}
