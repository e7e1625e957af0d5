//! `SECURITY.md` promises nothing without a test: each one that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const SECURITY: &str = include_str!("../../SECURITY.md");
const ATTEMPTS: &str = include_str!("escape/attempts.py");

/// The rows of all tables whose last column has this heading, each as its first cell and its last.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let mut rows = Vec::new();
    let mut within = false;
    for line in SECURITY.lines() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            within &= line.starts_with("|-");
            continue;
        };
        let (Some((first, _)), Some((_, last))) = (cells.split_once(" | "), cells.rsplit_once(" | ")) else { continue };
        if within {
            rows.push((first, last));
        }
        within |= last == heading;
    }
    rows
}

/// What stands in backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Names of the functions below a dir that are tests.
fn tests_below(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut attributed = false;
            for line in text.lines().map(str::trim) {
                let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some((name, _)) = function.and_then(|function| function.split_once('(')) {
                    if attributed {
                        found.insert(name.to_owned());
                    }
                    attributed = false;
                } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    attributed = true;
                } else if !line.starts_with('#') && !line.starts_with("//") {
                    attributed = false;
                }
            }
        }
    }
}

#[test]
fn each_claim_names_tests_that_are_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = BTreeSet::new();
    for dir in ["proto/src", "proto/tests", "etd/src", "etd/tests", "et/src", "tests/e2e", "tests/src"] {
        tests_below(&top.join(dir), &mut tests);
    }
    assert!(tests.contains("each_claim_names_tests_that_are_there") && tests.len() > 300, "{} tests", tests.len());
    let claims = rows("proven by");
    assert!(claims.len() > 30, "{} claims", claims.len());
    let mut wrong = Vec::new();
    for (claim, cell) in claims {
        let named = names(cell);
        if named.is_empty() {
            wrong.push(format!("nothing proves: {claim}"));
        }
        let gone = named.into_iter().filter(|name| !tests.contains(*name));
        wrong.extend(gone.map(|name| format!("there is no test {name}, for: {claim}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_partial_lets_through_is_named_as_it_is_attempted() {
    let rows = rows("attempts of the suite");
    assert!(!rows.is_empty());
    for name in rows.iter().flat_map(|(_, cell)| names(cell)) {
        assert!(ATTEMPTS.contains(&format!("def {name}(")), "{name} isn't attempted");
    }
}

#[test]
fn links_lead_to_sections_that_are_there() {
    let anchor = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
    };
    let anchors: Vec<String> = SECURITY.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    for link in SECURITY.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link} leads nowhere: {anchors:?}");
    }
}
