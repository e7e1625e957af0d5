//! Requests and replies, with their numbers.
//!
//! The numbers are explicit and never reused; enums grow at their end only; no type is recursive; JSON travels as a string.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError, FrameKind, Header};
use crate::config::{Config, SecretRef};
use crate::id::{RoundId, SessionId};
use crate::settings::Flags;

/// A secret's value. It is never printed: not by `Debug` either.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// Its name.
    pub name: SecretRef,
    /// Its value.
    pub value: Secret,
}

/// First message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the client.
    pub build: String,
}

/// Answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Version of the daemon.
    pub build: String,
    /// Its process id.
    pub pid: u32,
    /// Secrets that rounds wait for; a client that has them sends [`Provide`].
    pub needs: Vec<SecretRef>,
}

/// How a request names a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionName {
    /// The newest one.
    Last,
    /// A prefix of its id.
    Prefix(String),
}

/// Starts a session and queues its first round. Answered by [`Queued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// What to do.
    pub task: String,
    /// Where; absolute.
    pub work_dir: Option<String>,
    /// How.
    pub flags: Flags,
    /// With whom.
    pub config: Config,
    /// Variables that checks may see, without secret ones.
    pub env: BTreeMap<String, String>,
    /// Variables that checks may see and that must not be stored.
    pub secret_env: BTreeMap<String, SecretRef>,
    /// Values of all secrets that the client has.
    pub secrets: Vec<SecretValue>,
    /// The same key never queues twice.
    pub idempotency_key: String,
}

/// Queues another round. Answered by [`Queued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// Which session.
    pub session: SessionName,
    /// What to do.
    pub message: String,
    /// Flags that were given again.
    pub flags: Flags,
    /// A configuration that was given again.
    pub config: Option<Config>,
    /// As in [`Spawn`].
    pub env: BTreeMap<String, String>,
    /// As in [`Spawn`].
    pub secret_env: BTreeMap<String, SecretRef>,
    /// As in [`Spawn`].
    pub secrets: Vec<SecretValue>,
    /// The same key never queues twice.
    pub idempotency_key: String,
}

/// A round was queued, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The session.
    pub session: SessionId,
    /// Its number in the session, from 1.
    pub round: u32,
    /// Its own id.
    pub round_id: RoundId,
    /// Secrets that the daemon lacks for it.
    pub needs: Vec<SecretRef>,
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// The first event of the newest round.
    NewestRound,
    /// The session's first event.
    Start,
    /// Only what comes.
    Now,
    /// This position in the log.
    Seq(u64),
}

/// Watches a session. Answered by items ([`Events`], [`LiveText`], [`Heartbeat`], [`Needs`]) and at last [`AttachEnd`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which session.
    pub session: SessionName,
    /// Where to start.
    pub from: From,
    /// Go on when nothing runs or is queued.
    pub follow: bool,
    /// Pieces of model text too.
    pub text: bool,
    /// End when this round has ended (`et run`), whatever is queued behind it.
    pub until_round: Option<u32>,
}

/// Some durable events, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The session.
    pub session: SessionId,
    /// Each a line of JSON, see [`crate::event::EventLine`], with its position.
    pub lines: Vec<StoredEvent>,
}

/// One durable event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Position in the session's log, from 1.
    pub seq: u64,
    /// The line.
    pub json: String,
}

/// A piece of model text, live only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveText {
    /// The round.
    pub round: u32,
    /// Subtask id, `planner` …
    pub worker: String,
    /// `provider/model`.
    pub model: String,
    /// Whether this is the whole answer so far (after attaching or skipping) or what follows.
    pub restart: bool,
    /// The piece.
    pub text: String,
    /// Tokens so far; estimated while it streams.
    pub tokens: u64,
}

/// Sent at least every 15 s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// State of the session, as in [`SessionSummary::state`].
    pub state: String,
    /// Newest round.
    pub round: u32,
}

/// A round waits for secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Which.
    pub names: Vec<SecretRef>,
}

/// Why an attach ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// Nothing runs or is queued, or the awaited round has ended.
    Idle,
    /// The daemon is going away; the session goes on when it is back.
    Draining,
    /// The reader took nothing for 30 s.
    Slow,
}

/// The end of an attach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachEnd {
    /// Why.
    pub reason: EndReason,
    /// Exit code of the newest round that ended; none if none has.
    pub exit_code: Option<u8>,
    /// Last position that was sent.
    pub seq: u64,
}

/// Lists the sessions, newest first. Answered by [`Sessions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {}

/// One session in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// `queued`, `running`, `needs_credentials`, `ended`, or `stuck: …` where it can't go on.
    pub state: String,
    /// Where it works.
    pub work_dir: Option<String>,
    /// The newest task or message.
    pub task: String,
    /// How many rounds it has.
    pub rounds: u32,
    /// Outcome of the newest round that ended, as in JSON.
    pub outcome: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When something last happened.
    pub updated_ms: i64,
}

/// All sessions, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// They.
    pub sessions: Vec<SessionSummary>,
}

/// Shows one session. Answered by [`Shown`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Which.
    pub session: SessionName,
}

/// One round of a shown session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSummary {
    /// From 1.
    pub round: u32,
    /// Its id.
    pub id: RoundId,
    /// `queued`, `running`, `needs_credentials`, `ended`; `undoing` and `undone` once its changes are being, or have been, taken back.
    pub state: String,
    /// The task or message.
    pub task: String,
    /// Where the logs are.
    pub log_dir: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// The [`crate::report::RoundReport`] as JSON, once it has ended.
    pub report: Option<String>,
    /// Secrets that it waits for.
    pub needs: Vec<SecretRef>,
}

/// One session with its rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The session.
    pub summary: SessionSummary,
    /// Its rounds, oldest first.
    pub rounds: Vec<RoundSummary>,
}

/// Cancels rounds. Answered by [`Killed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Which session.
    pub session: SessionName,
    /// Only this round; none: the running one and all queued ones.
    pub round: Option<u32>,
}

/// What a [`Kill`] ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// The session.
    pub session: SessionId,
    /// Rounds that were cancelled.
    pub rounds: Vec<u32>,
}

/// Waits until nothing runs or is queued in a session. Answered by items ([`Needs`], [`Heartbeat`]) and [`Waited`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Which.
    pub session: SessionName,
}

/// A session came to rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// The session.
    pub session: SessionId,
    /// Number of the newest round that ended.
    pub round: u32,
    /// Its [`crate::report::RoundReport`] as JSON.
    pub report: String,
}

/// Hands over secrets that rounds wait for. Answered by [`Done`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provide {
    /// They.
    pub secrets: Vec<SecretValue>,
}

/// Asks the providers of a configuration what they offer. Answered by [`ModelList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models {
    /// The configuration.
    pub config: Config,
    /// Its secrets.
    pub secrets: Vec<SecretValue>,
}

/// What one provider offers, or why it doesn't answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderModels {
    /// Its name in the configuration.
    pub provider: String,
    /// Vendor's names of its models.
    pub models: Vec<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
}

/// What all providers offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// By provider.
    pub providers: Vec<ProviderModels>,
}

/// Asks the daemon what only it can tell about whether rounds will work. Starts none. Answered by [`Examined`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// The configuration, if one could be read: its providers are asked.
    pub config: Option<Config>,
    /// Its secrets.
    pub secrets: Vec<SecretValue>,
    /// Variables that checks may see, without secret ones: tools are looked for as a check would.
    pub env: BTreeMap<String, String>,
    /// Where the caller stands; absolute. What a project there needs is more than information.
    pub dir: String,
}

/// How good or bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be, or mere information.
    Ok,
    /// Rounds work, with something missing.
    Warn,
    /// Rounds won't work, or not as they must.
    Fail,
}

/// One line of an examination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word: `provider`, `toolchain`, `sandbox` …
    pub topic: String,
    /// Which of those; empty where there is one.
    pub subject: String,
    /// How it is.
    pub grade: Grade,
    /// What was found.
    pub text: String,
    /// What to do; there whenever the grade is [`Grade::Fail`].
    pub advice: Option<String>,
}

/// What the daemon found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// In the order in which they are shown.
    pub findings: Vec<Finding>,
}

/// Asks what a round changed. Answered by items ([`FileDiff`]) and at last [`Diffed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// Which session.
    pub session: SessionName,
    /// Which round; none: the newest one that ended and changed something.
    pub round: Option<u32>,
}

/// What a round did to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffAction {
    /// It wasn't there before.
    Created,
    /// Its content is another one.
    Changed,
    /// It isn't there any more.
    Deleted,
}

/// One file that a round changed: from before the round to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Relative to the work dir.
    pub path: String,
    /// What was done.
    pub action: DiffAction,
    /// SHA-256 of the content before the round, in hexadecimal; none: it wasn't there.
    pub before_sha256: Option<String>,
    /// SHA-256 of the content at its end; none: it isn't there.
    pub after_sha256: Option<String>,
    /// Unified diff, with `---` and `+++` lines; none if it isn't text that can be shown.
    pub diff: Option<String>,
    /// Why there is no diff, or why it isn't whole.
    pub note: Option<String>,
}

/// All of a round's changes were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diffed {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: u32,
}

/// Puts every file that a round changed back to its content before the round. It may be repeated. Answered by [`Undone`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Which session.
    pub session: SessionName,
    /// Which round; none: the newest one that ended and changed something.
    pub round: Option<u32>,
}

/// A round is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: u32,
    /// Files that are as they were before it, relative to the work dir.
    pub files: Vec<String>,
    /// Whether it was undone already, and nothing was touched now.
    pub already: bool,
    /// The newest earlier round that changed something and isn't undone.
    pub earlier: Option<u32>,
}

/// Ends another request of this connection. Never answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Its number.
    pub request: u32,
}

/// It is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// It isn't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Exit code of the client, see [`crate::outcome::exit`].
    pub exit_code: u8,
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

macro_rules! messages {
    ($(#[$doc:meta])* $enum:ident { $($name:ident = $id:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, clippy::large_enum_variant, reason = "each variant is the type of its name")]
        pub enum $enum { $($name($name)),+ }

        impl $enum {
            /// The number of this message.
            #[must_use]
            pub fn number(&self) -> u16 {
                match self { $(Self::$name(_) => $id),+ }
            }

            /// The content of a frame that carries this message.
            ///
            /// # Errors
            /// If it would be longer than a frame may be.
            pub fn encode(&self, kind: FrameKind, request: u32) -> Result<Vec<u8>, CodecError> {
                let body = match self { $(Self::$name(value) => codec::encode_body($id, value)?),+ };
                Ok(codec::join(Header { kind, message: self.number(), request }, &body))
            }

            /// Decodes the body of a frame.
            ///
            /// # Errors
            /// If the number isn't known or the body isn't exactly that message.
            pub fn decode(message: u16, body: &[u8]) -> Result<Self, CodecError> {
                match message {
                    $($id => codec::decode_body($id, body).map(Self::$name),)+
                    other => Err(CodecError::UnknownMessage(other)),
                }
            }
        }
    };
}

messages! {
    /// What a client may ask.
    Request {
        Hello = 1, Spawn = 2, Send = 3, Attach = 4, List = 5, Show = 6, Kill = 7, Wait = 8, Provide = 9, Models = 10,
        Cancel = 11, Diff = 12, Undo = 13, Doctor = 14,
    }
}

messages! {
    /// What the daemon may answer.
    Reply {
        Welcome = 101, Queued = 102, Events = 103, LiveText = 104, Heartbeat = 105, Needs = 106, AttachEnd = 107,
        Sessions = 108, Shown = 109, Killed = 110, Waited = 111, ModelList = 112, Done = 113, Failed = 114,
        FileDiff = 115, Diffed = 116, Undone = 117, Examined = 118,
    }
}
