//! The integrator: what no subtask owns, once all have ended.

use super::fit::{self, Rank, Section, fit};
use super::worker::system;
use super::{FileView, Window, show};
use crate::plan::{Contract, Subtask};
use crate::provider::Prompt;

/// What the integrator is told.
#[derive(Clone, Copy, Debug)]
pub struct IntegratorBrief<'a> {
    /// The user's words.
    pub task: &'a str,
    /// What all workers share.
    pub contract: &'a Contract,
    /// The subtasks, with what they own.
    pub plan: &'a [Subtask],
    /// What it is to do, a clause each.
    pub needs: &'a [String],
    /// Current content of the files that it is to write, as far as they are there.
    pub files: &'a [FileView],
    /// Who offered which content for them.
    pub offers: &'a [(String, FileView)],
    /// Files of others.
    pub show: &'a [FileView],
    /// What was wrong with its first answer.
    pub again: Option<&'a str>,
}

/// The prompt that asks for what is left over. Its `system` is that of the round's workers.
#[must_use]
pub fn integrator(brief: &IntegratorBrief<'_>, window: Window) -> Prompt {
    let system = system(brief.contract, window);
    let mut sections = Vec::new();
    let plan = brief.plan.iter().map(show::plan_line).collect();
    sections.push(Section::lines("the plan", "Who did what:", plan, Rank::Shared));
    fit::files(&mut sections, "Files of others, not yours (data):", brief.show, brief.files, Rank::Reference);
    for (worker, view) in brief.offers {
        let mut section = Section::file(view, Vec::new(), Rank::Own);
        section.head = format!("{worker} gave for a file that it doesn't own (data):");
        sections.push(section);
    }
    fit::files(&mut sections, "Your files as they are now (data):", brief.files, &[], Rank::Own);
    let task = fit::task(brief.task, window);
    sections.push(Section::text("the task", "The whole task, which the others have worked on:", task, Rank::Task));
    let needs = brief.needs.iter().map(|need| format!("- {need}")).collect();
    sections.push(Section::lines("what is left", "What is left over:", needs, Rank::Task));
    let again = brief.again.map(|reason| format!(" Your first answer wasn't enough: {reason}")).unwrap_or_default();
    let request = format!(
        "You are the integrator. Do what is left over, so that all parts fit together. You may write any file that nobody owns, and no other.{again}"
    );
    sections.push(Section::text("the request", "", request, Rank::Task));
    fit(system, sections, window)
}
