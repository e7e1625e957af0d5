//! Workspaces, manifests and tests of cargo.

use super::check;

const WORKSPACE: &[&str] = &["Cargo.toml", "a/Cargo.toml", "b/Cargo.toml", "a/src/lib.rs", "b/src/lib.rs"];

#[test]
fn workspaces() {
    for sample in [sample!("cargo_ws"), sample!("cargo_color")] {
        check("cargo", sample, WORKSPACE, None, &["a/src/lib.rs:1 cannot find function `gone` in crate `b`"]);
    }
    check(
        "cargo",
        sample!("cargo_mod"),
        WORKSPACE,
        None,
        &[
            "a/src/lib.rs:2 expected `;`, found keyword `fn`",
            "a/src/lib.rs:1 file not found for module `missing`",
            "(w) a/src/lib.rs:2 unused import: `std::collections::HashMap`",
        ],
    );
    check(
        "cargo",
        sample!("cargo_ws_test"),
        WORKSPACE,
        Some((0, 4)),
        &[
            "a/src/lib.rs:10 test tests::panics failed: note: test did not panic as expected at a/src/lib.rs:10:8",
            "- test tests::results failed: Error: \"bad\"",
            "a/src/lib.rs:5 test tests::sums failed: assertion `left == right` failed: off by one",
            "b/src/lib.rs:3 test deep failed: index out of bounds: the len is 0 but the index is 3",
        ],
    );
}

#[test]
fn manifests() {
    check(
        "cargo",
        sample!("cargo_path"),
        WORKSPACE,
        None,
        &["a/Cargo.toml failed to load manifest for workspace member `/w/proj/a`"],
    );
    check("cargo", sample!("cargo_feature"), WORKSPACE, None, &["a/Cargo.toml failed to select a version for `b`."]);
    check(
        "cargo",
        sample!("cargo_toml"),
        WORKSPACE,
        None,
        &["a/Cargo.toml:4 invalid type: integer `2021`, expected a string or workspace"],
    );
    check("cargo", sample!("cargo_toml2"), WORKSPACE, None, &["a/Cargo.toml:1 unclosed table, expected `]`"]);
    check(
        "cargo",
        sample!("cargo_member"),
        WORKSPACE,
        None,
        &["Cargo.toml failed to load manifest for workspace member `/w/proj/c`"],
    );
    check(
        "cargo",
        sample!("cargo_bin"),
        WORKSPACE,
        None,
        &["a/Cargo.toml can't find bin `x` at path `/w/proj/a/src/nope.rs`"],
    );
}
