//! End-to-end tests: real `et`, real `etd`, a scripted model, real compilers. One binary, a module per subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod aftermath;
mod attach;
mod checks;
mod config;
mod converge;
mod daemon;
mod demo;
mod durable;
mod edits;
mod escape;
mod harness;
mod hostile;
mod looks;
mod newcomer;
mod outcomes;
mod output;
mod pipeline;
mod plans;
mod projects;
mod providers;
mod readme;
mod refine;
mod rounds;
mod run;
mod safety;
mod secrets;
mod signals;
mod undo;
