//! Coordination: an agreement for all workers where a plan in prose brought no contract.

use super::Window;
use super::fit::{Rank, Section, fit};
use super::show;
use crate::plan::Subtask;
use crate::provider::Prompt;

/// What the coordinator is told.
#[derive(Clone, Copy, Debug)]
pub struct CoordinateBrief<'a> {
    /// The user's words.
    pub task: &'a str,
    /// What is planned.
    pub subtasks: &'a [Subtask],
}

const SYSTEM: &str = "Several programmers start on the subtasks of one task at the same time and can't talk to each other. Write what they must agree on, and nothing else, in at most 60 lines:
- language, module or package names, directory layout
- the source of every type, interface and signature that more than one subtask uses, and which file defines it
- conventions: errors, naming, dependencies
Don't implement anything.";

/// The prompt that asks for shared types, names and conventions.
#[must_use]
pub fn coordinate(brief: &CoordinateBrief<'_>, window: Window) -> Prompt {
    let subtasks = brief
        .subtasks
        .iter()
        .map(|subtask| format!("{}\n  {}", show::plan_line(subtask), subtask.instructions.trim().replace('\n', "\n  ")))
        .collect();
    let sections = vec![
        Section::lines("the subtasks", "The subtasks:", subtasks, Rank::Own),
        Section::text("the task", "Task:", brief.task, Rank::Task),
    ];
    fit(SYSTEM.to_owned(), sections, window)
}
