//! The daemon of electrictown, as a library: `main` only reads its arguments.

pub mod answer;
pub mod blame;
pub mod calls;
pub mod check;
pub mod daemon;
pub mod diff;
#[cfg(test)]
mod fuzz;
pub mod handlers;
pub mod live;
pub mod memory;
pub mod plan;
pub mod prompt;
pub mod provider;
pub mod relpath;
pub mod round;
pub mod sandbox;
pub mod session;
pub(crate) mod source;
pub mod store;
pub mod vault;
pub mod workspace;
