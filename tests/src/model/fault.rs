//! What may go wrong with an answer.

use std::time::Duration;

/// In which form an error text repeats the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// As it came.
    Plain,
    /// Percent-encoded.
    Url,
    /// In base64.
    Base64,
}

/// How long to wait, as a refusal says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// `retry-after: N`.
    Seconds(u64),
    /// `retry-after-ms: N`.
    Millis(u64),
    /// `retry-after` with a date that is this far away.
    Date(Duration),
    /// Nothing is said.
    Unsaid,
}

/// A fault of one answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A refusal with this status and the vendor's form of an error.
    Status(u16),
    /// 429.
    RateLimited(RetryAfter),
    /// A refusal with this status whose text and headers repeat the key that came with the request.
    EchoKey(u16, Echo),
    /// 400 in the vendor's words for a prompt that is too long.
    ContextOverflow,
    /// The connection is closed without an answer.
    HangUp,
    /// The connection breaks after half of the text.
    Cut,
    /// After half of the text nothing but keep-alives come.
    Stall,
    /// The headers come this late; the answer is good.
    LateHeaders(Duration),
    /// Nothing comes, not even headers.
    Silent,
    /// The text is repeated without an end.
    Endless,
    /// After half of the text comes broken JSON.
    Malformed,
    /// The error comes inside a stream that began well.
    ErrorInStream,
    /// Half of the text, ended by the token limit.
    LengthCut,
    /// A good answer without any text.
    Empty,
    /// A good answer with this text instead.
    Text(String),
    /// 307 to this address.
    Redirect(String),
}
