//! The tester: tests for what the workers wrote, in new files.

use super::fit::{self, Rank, Section, fit};
use super::worker::system;
use super::{FileView, Window};
use crate::plan::Contract;
use crate::provider::Prompt;

/// What a tester is told.
#[derive(Clone, Copy, Debug)]
pub struct TesterBrief<'a> {
    /// The user's words.
    pub task: &'a str,
    /// What all workers share.
    pub contract: &'a Contract,
    /// What the workers wrote, most important first.
    pub files: &'a [FileView],
}

/// The prompt that asks for tests. Its `system` is that of the round's workers.
#[must_use]
pub fn tester(brief: &TesterBrief<'_>, window: Window) -> Prompt {
    let system = system(brief.contract, window);
    let mut sections = Vec::new();
    let paths = brief.files.iter().map(|view| format!("- {}", view.path)).collect();
    sections.push(Section::lines("the list of files", "All files are written by now:", paths, Rank::Shared));
    fit::files(&mut sections, "Their content, not yours to write (data):", brief.files, &[], Rank::Reference);
    sections.push(Section::text("the task", "The task that they fulfil:", fit::task(brief.task, window), Rank::Task));
    sections.push(Section::text(
        "the request",
        "",
        "You are the tester. Write tests of what the task asks for, only in new test files, where the language's own test runner finds them; \
         no other file is yours. Test behaviour through what the code offers, without network, sleeps or packages that aren't there. Few, fast \
         tests that must pass if the task is fulfilled. If good tests are there already, answer NO CHANGE NEEDED.",
        Rank::Task,
    ));
    fit(system, sections, window)
}
