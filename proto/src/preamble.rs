//! The first bytes of every connection, in both directions. Frozen: they never change, whatever the protocol version.
//!
//! Layout, little endian:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `etd\n` |
//! | 1 | kind, see [`Kind`] |
//! | 2 | protocol version of the sender |
//! | 1 | status, see [`Status`]; 0 from a client |
//! | 2 | length of the text in bytes, at most [`MAX_TEXT`] |
//! | n | text, UTF-8: the sender's build from a client; from a daemon a line for people, or `key=value` lines for `status` |
//!
//! The client speaks first, the daemon answers, and for the kinds other than [`Kind::Data`] it closes after its answer.

/// Length of the fixed part in bytes.
pub const FIXED: usize = 10;
/// Longest text in bytes.
pub const MAX_TEXT: usize = 4096;

const MAGIC: [u8; 4] = *b"etd\n";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Frames follow.
    Data,
    /// Asks for the daemon's status; any `et` can ask any `etd`.
    ControlStatus,
    /// Asks the daemon to stop in good order; any `et` can ask any `etd`.
    ControlStop,
}

/// What the daemon says to a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Go on.
    Ok,
    /// Another protocol version is spoken here; the text says `busy` or `idle`, then the build.
    OtherVersion,
    /// Not ready yet.
    Starting,
    /// Going away.
    Draining,
    /// Too many connections.
    Overloaded,
    /// Not for this user.
    Denied,
}

/// One preamble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// What the connection is for.
    pub kind: Kind,
    /// Protocol version of the sender.
    pub version: u16,
    /// The daemon's answer; [`Status::Ok`] from a client.
    pub status: Status,
    /// Short text; longer ones are cut at a character boundary when encoded.
    pub text: String,
}

/// Why bytes aren't a preamble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// The first bytes aren't ours.
    #[error("not an electrictown socket")]
    Magic,
    /// A kind that this build doesn't know.
    #[error("unknown preamble kind {0}")]
    Kind(u8),
    /// A status that this build doesn't know.
    #[error("unknown preamble status {0}")]
    Status(u8),
    /// The text is longer than [`MAX_TEXT`].
    #[error("preamble text of {0} bytes")]
    Length(usize),
    /// The text isn't UTF-8.
    #[error("preamble text isn't UTF-8")]
    Text,
}

/// The fixed part, decoded: what is known before the text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// What the connection is for.
    pub kind: Kind,
    /// Protocol version of the sender.
    pub version: u16,
    /// The daemon's answer.
    pub status: Status,
    /// Bytes of text that follow.
    pub text_len: usize,
}

impl Fixed {
    /// Decodes the fixed part.
    ///
    /// # Errors
    /// If the magic, kind, status or length isn't one of ours.
    pub fn decode(bytes: &[u8; FIXED]) -> Result<Self, PreambleError> {
        let [m0, m1, m2, m3, kind, v0, v1, status, l0, l1] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(PreambleError::Magic);
        }
        let kind = match kind {
            1 => Kind::Data,
            2 => Kind::ControlStatus,
            3 => Kind::ControlStop,
            other => return Err(PreambleError::Kind(other)),
        };
        let status = match status {
            0 => Status::Ok,
            1 => Status::OtherVersion,
            2 => Status::Starting,
            3 => Status::Draining,
            4 => Status::Overloaded,
            5 => Status::Denied,
            other => return Err(PreambleError::Status(other)),
        };
        let text_len = usize::from(u16::from_le_bytes([l0, l1]));
        if text_len > MAX_TEXT {
            return Err(PreambleError::Length(text_len));
        }
        Ok(Self { kind, version: u16::from_le_bytes([v0, v1]), status, text_len })
    }

    /// Joins the fixed part with its text.
    ///
    /// # Errors
    /// If the text isn't UTF-8.
    pub fn with_text(self, text: Vec<u8>) -> Result<Preamble, PreambleError> {
        let text = String::from_utf8(text).map_err(|_| PreambleError::Text)?;
        Ok(Preamble { kind: self.kind, version: self.version, status: self.status, text })
    }
}

impl Preamble {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = self.text.as_str();
        if text.len() > MAX_TEXT {
            text = &text[..text.floor_char_boundary(MAX_TEXT)];
        }
        let mut bytes = Vec::with_capacity(FIXED + text.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.push(match self.kind {
            Kind::Data => 1,
            Kind::ControlStatus => 2,
            Kind::ControlStop => 3,
        });
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.push(match self.status {
            Status::Ok => 0,
            Status::OtherVersion => 1,
            Status::Starting => 2,
            Status::Draining => 3,
            Status::Overloaded => 4,
            Status::Denied => 5,
        });
        // At most MAX_TEXT, so it fits.
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}
