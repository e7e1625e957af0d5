//! Each project is as it says.
//!
//! What needs no tool is looked at always. With `ET_VERIFY_PROJECTS` set, each fault is also put into the tree alone, and the real tools
//! must say what the fault promises. That takes minutes for a project, so it isn't done without being asked for:
//! `ET_VERIFY_PROJECTS=1 cargo test -p tests --lib go_api_is_as_it_says`.

use super::verify::{declared, verify};
use crate::sim::project::Project;

fn is_as_it_says(project: &Project) {
    let complaints = match std::env::var_os("ET_VERIFY_PROJECTS") {
        Some(_) => verify(project),
        None => declared(project),
    };
    assert!(complaints.is_empty(), "{}:\n{}", project.name, complaints.join("\n"));
}

#[test]
fn go_api_is_as_it_says() {
    is_as_it_says(&super::go_api::project());
}

#[test]
fn python_pkg_is_as_it_says() {
    is_as_it_says(&super::python_pkg::project());
}

#[test]
fn ts_lib_is_as_it_says() {
    is_as_it_says(&super::ts_lib::project());
}

#[test]
fn java_tool_is_as_it_says() {
    is_as_it_says(&super::java_tool::project());
}

#[test]
fn shop_tree_is_as_it_says() {
    is_as_it_says(&super::shop_tree::project());
}

#[test]
fn rust_kit_is_as_it_says() {
    is_as_it_says(&super::rust_kit::project());
}

#[test]
fn c_make_is_as_it_says() {
    is_as_it_says(&super::c_make::project());
}
