//! The client of electrictown: hands a task to the daemon and shows what happens.
//!
//! It promises that its exit code is the outcome of the round (see [`proto::outcome`]), that stdout carries only what was asked
//! for, and that no secret and no escape sequence of a model reaches a screen. It must never write below a work dir, start a
//! child other than the daemon, or speak to a model.
//!
//! | module | what it holds |
//! |---|---|
//! | `args` | what was typed |
//! | `request` | what it means |
//! | `config` | `electrictown.yaml`: found, read, trusted, resolved |
//! | `commands` | one file per command |
//! | `watch` | follows a session to its end, across lost daemons |
//! | `view` | what is shown while it does |
//! | `link` | the connection to the daemon |
//! | `exit` | errors and exit codes |

mod args;
mod caller;
mod commands;
mod config;
mod context;
mod env;
mod exit;
pub mod link;
mod request;
mod text;
mod view;
mod watch;

pub use commands::main;
