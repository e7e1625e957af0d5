//! The projects that a simulated model knows.

pub mod go_api;
mod make;
pub mod python_pkg;
pub mod verify;

#[cfg(test)]
mod tests;

use super::project::Project;

/// All projects, in the order of their names.
#[must_use]
pub fn all() -> Vec<Project> {
    vec![go_api::project(), python_pkg::project()]
}
