//! The projects that a simulated model knows.

pub mod c_make;
pub mod go_api;
pub mod java_tool;
mod make;
pub mod python_pkg;
pub mod rust_kit;
pub mod shop_tree;
pub mod ts_lib;
pub mod verify;

#[cfg(test)]
mod tests;

use super::project::Project;

/// All projects, in the order of their names.
#[must_use]
pub fn all() -> Vec<Project> {
    vec![
        c_make::project(),
        go_api::project(),
        java_tool::project(),
        python_pkg::project(),
        rust_kit::project(),
        shop_tree::project(),
        ts_lib::project(),
    ]
}
