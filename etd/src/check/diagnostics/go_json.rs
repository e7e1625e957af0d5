//! What `go … -json` wraps: the events of builds and tests become the text that a person sees without it.
//!
//! Packages run side by side and so may tests; each is put together again. What a test that passed printed is left out, as
//! `go test` itself does.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    package: Option<String>,
    test: Option<String>,
    output: Option<String>,
}

/// The tests of one package so far.
#[derive(Default)]
struct Package {
    /// Names and what each printed, in the order in which they began.
    tests: Vec<(String, String)>,
    by_name: HashMap<String, usize>,
    /// What no test printed.
    own: String,
}

/// Puts events back together.
#[derive(Default)]
pub(super) struct Unwrapper {
    /// In the order in which they began; none: written.
    packages: Vec<Option<Package>>,
    by_name: HashMap<String, usize>,
}

impl Unwrapper {
    /// Takes a line; false if it is no event. What is complete goes to `out`.
    pub(super) fn take(&mut self, line: &str, out: &mut String) -> bool {
        if !line.starts_with('{') || !line.contains("\"Action\":") {
            return false;
        }
        let Ok(event) = serde_json::from_str::<Event>(line) else { return false };
        let output = event.output.as_deref().unwrap_or_default();
        let Some(name) = event.package else {
            out.push_str(output);
            return true;
        };
        let index = *self.by_name.entry(name).or_insert(self.packages.len());
        if index == self.packages.len() {
            self.packages.push(None);
        }
        if let Some(place) = self.packages.get_mut(index) {
            place.get_or_insert_default().take(event.test.as_deref(), output);
            if event.test.is_none()
                && matches!(event.action.as_str(), "pass" | "fail" | "skip")
                && let Some(package) = place.take()
            {
                package.write(out);
            }
        }
        true
    }

    /// What is left when the output is over.
    pub(super) fn finish(self, out: &mut String) {
        for package in self.packages.into_iter().flatten() {
            package.write(out);
        }
    }
}

impl Package {
    fn take(&mut self, test: Option<&str>, output: &str) {
        let Some(test) = test else {
            self.own.push_str(output);
            return;
        };
        let index = *self.by_name.entry(test.to_owned()).or_insert_with(|| {
            self.tests.push((test.to_owned(), String::new()));
            self.tests.len() - 1
        });
        if let Some((_, text)) = self.tests.get_mut(index) {
            text.push_str(output);
        }
    }

    fn write(self, out: &mut String) {
        // A parent fails with its children; it counts if it has something to say of its own.
        let parents: HashSet<String> = self
            .tests
            .iter()
            .filter(|(name, text)| verdict(name, text).is_some_and(|(word, _)| word == "FAIL"))
            .filter_map(|(name, _)| Some(name.rsplit_once('/')?.0.to_owned()))
            .collect();
        for (name, text) in &self.tests {
            write_test(name, text, parents.contains(name), out);
        }
        out.push_str(&self.own);
    }
}

/// The line `--- FAIL: name (0.00s)` and its word.
fn verdict<'t>(name: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    text.lines().find_map(|line| {
        let line = line.trim_start();
        let (word, rest) = line.strip_prefix("--- ")?.split_once(": ")?;
        rest.strip_prefix(name)?.starts_with(" (").then_some((word, line))
    })
}

fn write_test(name: &str, text: &str, is_parent: bool, out: &mut String) {
    let found = verdict(name, text);
    let is_frame = |line: &str| line.starts_with("=== ") || found.is_some_and(|(_, frame)| line.trim_start() == frame);
    let body: Vec<&str> = text.lines().filter(|line| !is_frame(line)).collect();
    let word = found.map(|(word, _)| word);
    if word == Some("FAIL") && is_parent && body.is_empty() {
        return;
    }
    // Writing to a string can't fail.
    let _ = match found {
        Some((_, frame)) => writeln!(out, "{frame}"),
        None => writeln!(out, "=== RUN   {name}"),
    };
    if matches!(word, Some("PASS" | "SKIP")) {
        return;
    }
    // A panic is told as the runtime tells it; everything before belongs to the test and is indented.
    let panic = body
        .iter()
        .position(|line| line.starts_with("panic: ") || line.starts_with("fatal error: "))
        .unwrap_or(body.len());
    for (index, line) in body.iter().enumerate() {
        let indent = if index < panic && !line.starts_with("    ") { "    " } else { "" };
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// A stream as a person would have seen it without `-json`; other lines as they are.
pub(crate) fn readable(stdout: &str) -> String {
    let mut unwrapper = Unwrapper::default();
    let mut out = String::with_capacity(stdout.len());
    for line in stdout.split_inclusive('\n') {
        if !unwrapper.take(line.trim_end(), &mut out) {
            out.push_str(line);
        }
    }
    unwrapper.finish(&mut out);
    out
}
