//! The formats that `proto` promises, pinned: bytes of the preamble and of every frame, the schema of events, exit codes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p proto` writes what may be written again: the frames, if `PROTOCOL_VERSION` was raised or
//! messages were only added, and the schema. The bytes of the preamble are frozen for ever.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod codec;
mod endpoint;
mod event;
mod frames;
mod fuzz;
mod outcome;
mod preamble;
mod samples;
mod settings;

/// Whether golden files are to be written.
fn update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}
