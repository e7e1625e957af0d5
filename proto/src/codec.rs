//! Frames and their bodies. No other module names the binary encoding.
//!
//! A frame is a `u32` length (little endian, of what follows, at most [`MAX_FRAME`]; [`MAX_FIRST_FRAME`] until the handshake
//! ends), a header of seven bytes ([`Header`]) and a bincode body. The length prefix itself is read and written by
//! `tokio_util`'s `LengthDelimitedCodec` on both sides; this module knows what is inside.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest frame in bytes, header included.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;
/// Longest frame in bytes before the handshake has ended.
pub const MAX_FIRST_FRAME: usize = 4 * 1024;
/// Length of a header in bytes.
pub const HEADER: usize = 7;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// From the client.
    Request,
    /// From the daemon: the last answer to a request.
    Reply,
    /// From the daemon: one of several answers to a request.
    Item,
}

/// The fixed start of each frame: kind (1 byte), message number (2), request number (4), little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: FrameKind,
    /// Number of the message type, see [`crate::message`].
    pub message: u16,
    /// Number that the client gave the request; answers repeat it.
    pub request: u32,
}

/// Why bytes aren't what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter than a header.
    #[error("frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// Neither request, reply nor item.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// A message number that this build doesn't know.
    #[error("unknown message {0}")]
    UnknownMessage(u16),
    /// The body isn't that message.
    #[error("malformed body of message {message}: {why}")]
    Body {
        /// The message number.
        message: u16,
        /// What the decoder says.
        why: String,
    },
    /// Longer than a frame may be.
    #[error("message of {0} bytes is too long for a frame")]
    TooLong(usize),
}

/// What a decoder may claim. It counts an integer with its full width, eight bytes at most, though small ones take one byte in
/// a frame: so every body that was encoded can be decoded, and a length that merely claims to be huge is refused.
const MAX_CLAIM: usize = 8 * MAX_FRAME;

type Config = Configuration<LittleEndian, Varint, Limit<MAX_CLAIM>>;

fn config() -> Config {
    bincode::config::standard().with_limit::<MAX_CLAIM>()
}

/// Encodes a body.
///
/// # Errors
/// If it would be longer than a frame may be.
pub(crate) fn encode_body<T: Serialize>(message: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    let body = bincode::serde::encode_to_vec(value, config())
        .map_err(|error| CodecError::Body { message, why: error.to_string() })?;
    if body.len() + HEADER > MAX_FRAME {
        return Err(CodecError::TooLong(body.len()));
    }
    Ok(body)
}

/// Decodes a body; bytes that are left over are an error.
///
/// # Errors
/// If the bytes aren't exactly one value of this type.
pub(crate) fn decode_body<T: DeserializeOwned>(message: u16, bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice::<T, _>(bytes, config())
        .map_err(|error| CodecError::Body { message, why: error.to_string() })?;
    if used != bytes.len() {
        return Err(CodecError::Body { message, why: format!("{} bytes left over", bytes.len() - used) });
    }
    Ok(value)
}

/// The content of a frame: header and body.
#[must_use]
pub fn join(header: Header, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(match header.kind {
        FrameKind::Request => 1,
        FrameKind::Reply => 2,
        FrameKind::Item => 3,
    });
    bytes.extend_from_slice(&header.message.to_le_bytes());
    bytes.extend_from_slice(&header.request.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Splits the content of a frame into header and body.
///
/// # Errors
/// If it is too short or of no known kind.
pub fn split(bytes: &[u8]) -> Result<(Header, &[u8]), CodecError> {
    let Some((&[kind, m0, m1, r0, r1, r2, r3], body)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(CodecError::Short(bytes.len()));
    };
    let kind = match kind {
        1 => FrameKind::Request,
        2 => FrameKind::Reply,
        3 => FrameKind::Item,
        other => return Err(CodecError::Kind(other)),
    };
    Ok((Header { kind, message: u16::from_le_bytes([m0, m1]), request: u32::from_le_bytes([r0, r1, r2, r3]) }, body))
}
