//! Projects that the simulated model knows.

pub mod python_pkg;

use super::project::Project;

/// All of them.
#[must_use]
pub fn all() -> Vec<Project> {
    vec![python_pkg::project()]
}
