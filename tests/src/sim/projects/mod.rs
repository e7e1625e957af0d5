//! The projects that a simulated model knows.

pub mod c_make;
pub mod go_api;
mod make;
pub mod rust_kit;
pub mod verify;

#[cfg(test)]
mod tests;

use super::project::Project;

/// All projects, in the order of their names.
#[must_use]
pub fn all() -> Vec<Project> {
    vec![c_make::project(), go_api::project(), rust_kit::project()]
}
