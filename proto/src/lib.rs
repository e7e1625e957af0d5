//! What the client `et` and the daemon `etd` of electrictown share.
//!
//! This crate promises that two builds which name the same [`PROTOCOL_VERSION`] understand each other byte for byte, and that
//! any two builds understand each other's [`preamble`]. It does no I/O (but for [`hooks`], in tests): it turns values into bytes and back, and names the
//! places where things are found.
//!
//! | module | what it holds |
//! |---|---|
//! | [`preamble`] | the frozen first bytes of a connection, `status` and `stop` |
//! | [`codec`] | frames and their bodies; the only module that names the binary encoding |
//! | [`message`] | requests and replies, with their numbers |
//! | [`event`] | the durable events of a session, one JSON line each |
//! | [`report`] | the `result` of a round: outcome, files, check, usage |
//! | [`diagnostic`] | one error or warning of a tool |
//! | [`outcome`] | outcomes and exit codes |
//! | [`config`] | the resolved configuration that a client hands over |
//! | [`settings`] | the flags of a round, as typed and as they count |
//! | [`endpoint`] | state dir, socket and lock record |
//! | [`id`] | identifiers |
//! | [`hooks`] | named points for race and crash tests; empty in a release |
//! | `fuzz` | drives fuzz targets; in tests only |

pub mod codec;
pub mod config;
pub mod diagnostic;
pub mod endpoint;
pub mod event;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod hooks;
pub mod id;
pub mod message;
pub mod outcome;
pub mod preamble;
pub mod report;
pub mod settings;

/// The version of the frames and messages of this build.
///
/// It is raised whenever an encoded byte of any message changes; `proto/tests` holds golden bytes that fail otherwise.
pub const PROTOCOL_VERSION: u16 = 3;

/// The version of this build, as `et version` prints it.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");
