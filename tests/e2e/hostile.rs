//! Hostile answers, work dirs, configs and words: nothing lands outside, nothing waits for ever, nothing steers a terminal.

mod answers;
mod configs;
mod dirs;
mod words;
