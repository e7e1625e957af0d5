//! What the end-to-end tests and benches of electrictown stand on: real processes, real sockets, and a scripted model server.
//!
//! This crate promises that a test has a home, a state dir, a socket and a log dir of its own, that a test waits on events and never
//! on a guess of time, and that what it started is gone when it ends. It knows `proto` only: the binaries are driven from outside.
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | the scripted model server and the stories that it tells |
//! | [`mod@env`] | `et` and `etd` in an environment of their own, on pipes or on a terminal |
//! | [`projects`] | small projects that several stories share |
//! | [`sim`] | a simulated programmer, and the projects that it knows |
//! | [`torture`] | work that goes on through kills, and what must hold after each |
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness for tests fails by panicking")]

pub mod env;
pub mod model;
pub mod projects;
pub mod sim;
pub mod torture;
