//! Which lines of a file of tests run before the one that fails, as its indentation tells. Pure.
//!
//! Closures that are handed over with a name (`it("adds", () => …)`, `t.Run("empty", func…)`, `test("adds", Sums::adds)`) are tests of their own:
//! none of them runs for what fails in another.

use crate::check::diagnostics::pattern::Pattern;

/// A test that is handed over with its name; strings are blanked.
static HANDED_OVER: Pattern = Pattern::new(
    r#"\w\(\s*["'`][^"'`]*["'`]\s*,.*(?:=>|->|\bfunc\(|\bfunction\b|\|\w*\||\w::\w)|\.Run\([^,]+,\s*func\("#,
);
static IMPORTS: Pattern = Pattern::new(r"^(?:(?:import|from|use|package|#include)\b|(?:const|var|let) .*\brequire\()");

/// Lines that are looked at before the one that fails.
const BACK: usize = 400;

/// How the lines of a file of tests stand to each other.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// How far each is indented; none if there is nothing in it.
    indents: Vec<Option<usize>>,
    /// The first line of a test that is handed over.
    heads: Vec<bool>,
    /// It only says where names come from.
    imports: Vec<bool>,
}

/// Lines that run until one fails, from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    /// The statement that fails.
    pub(super) statement: Vec<usize>,
    /// What runs before it, the nearest first.
    pub(super) before: Vec<usize>,
}

impl Layout {
    /// Of the lines of a file without strings and comments.
    pub(super) fn new(code: &[String]) -> Self {
        Self {
            indents: code.iter().map(|line| indent(line)).collect(),
            heads: code.iter().map(|line| HANDED_OVER.matches(line)).collect(),
            imports: code.iter().map(|line| IMPORTS.matches(line)).collect(),
        }
    }

    fn indent(&self, line: usize) -> Option<usize> {
        self.indents.get(line).copied().flatten()
    }

    /// The last line behind `at`, up to `last`, that stands deeper than it.
    fn end(&self, at: usize, last: usize) -> usize {
        let own = self.indent(at);
        let deeper =
            |line: &usize| *line < self.indents.len() && self.indent(*line).is_none_or(|other| Some(other) > own);
        (at + 1..=last).take_while(deeper).last().unwrap_or(at)
    }

    /// What runs until the line `at` fails. `within`: the first and the last line of the function that it stands in.
    pub(super) fn slice(&self, within: (usize, usize), at: usize) -> Slice {
        let Some(mut level) = self.indent(at) else { return Slice::default() };
        let statement = (at..=self.end(at, within.1)).collect();
        let mut before = Vec::new();
        // What stands deeper than its statement, whose first line isn't seen yet.
        let mut nested: Vec<usize> = Vec::new();
        for line in (within.0.max(at.saturating_sub(BACK))..at).rev() {
            let Some(depth) = self.indent(line) else { continue };
            if depth > level {
                nested.push(line);
                continue;
            }
            let inner = std::mem::take(&mut nested);
            if depth < level || !(self.heads[line] || self.imports[line]) {
                before.extend(inner);
                before.push(line);
            }
            level = depth;
        }
        Slice { statement, before }
    }

    /// The first and the last line of each test that is handed over; of those within each other the innermost.
    pub(super) fn handed_over(&self) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for at in (0..self.heads.len()).rev().filter(|at| self.heads[*at]) {
            let end = self.end(at, self.heads.len());
            if found.last().is_none_or(|(start, _)| *start > end) {
                found.push((at, end));
            }
        }
        found.reverse();
        found
    }
}

/// How far a line is indented; none if there is nothing in it.
fn indent(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let blank = &line[..line.len() - text.len()];
    (!text.is_empty()).then(|| blank.chars().map(|one| if one == '\t' { 4 } else { 1 }).sum())
}

#[cfg(test)]
mod tests {
    use super::{Layout, Slice};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_runs_until_a_line_fails() {
        let js = "import { parse } from \"\";\nconst all = parse(\"\");\ntest(\"\", () => {\n  one();\n});\ntest(\"\", () => {\n  const a = two();\n  equal(\n    a,\n    3,\n  );\n  four();\n});\n";
        let go = "func TestAll(t *testing.T) {\n\tcases := list()\n\tt.Run(\"\", func(t *testing.T) {\n\t\tnone()\n\t})\n\tfor _, one := range cases {\n\t\tt.Run(one.name, func(t *testing.T) {\n\t\t\tif got := Parse(one); got != 1 {\n\t\t\t\tt.Errorf(\"\")\n\t\t\t}\n\t\t})\n\t}\n}\n";
        // The text, the line that fails, its statement, and what runs before it.
        let table: &[(&str, usize, &[usize], &[usize])] = &[
            (js, 7, &[7, 8, 9], &[6, 5, 4, 1]),
            (js, 3, &[3], &[2, 1]),
            (go, 8, &[8], &[7, 6, 5, 4, 1, 0]),
            ("def test_a():\n    a = b()\n\n    assert a\n    c()\n", 3, &[3], &[1, 0]),
            ("const { a } = require(\"    \");\ntest(\"\", () => {\n  b();\n});\n", 2, &[2], &[1]),
            ("\n", 0, &[], &[]),
        ];
        for (text, at, statement, before) in table {
            let code = lines(text);
            let found = Layout::new(&code).slice((0, code.len() - 1), *at);
            assert_eq!(found, Slice { statement: statement.to_vec(), before: before.to_vec() }, "{at} of {text}");
        }
        assert_eq!(Layout::new(&[]).slice((0, 0), 3), Slice::default());
    }

    #[test]
    fn tests_with_a_name_and_a_body() {
        let table: &[(&str, &[(usize, usize)])] = &[
            (
                "describe(\"\", () => {\n  it(\"\", async () => {\n    one();\n  });\n  it('', function () { two() });\n});\n",
                &[(1, 2), (4, 4)],
            ),
            ("  test(\"\", TextTest::stops);\n  test(\"\", () -> equal(1, 2));\n", &[(0, 0), (1, 1)]),
            (
                "const names = all.map((one) => one.name);\nprint(\"\", names);\nlet x = f(\"\", |a| a + 1);\n",
                &[(2, 2)],
            ),
            ("def test_a():\n    run(\"\", 3)\n", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(Layout::new(&lines(text)).handed_over(), *expected, "{text}");
        }
    }
}
