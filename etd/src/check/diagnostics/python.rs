//! Python: syntax errors, tracebacks, unittest and pytest.

use proto::diagnostic::{Diagnostic, Related};

use super::IS_THERE;
use super::log::{Log, Out, error, place, test_message};
use super::pattern::{Pattern, group, number};

static TRACEBACK: Pattern = Pattern::with(&["Traceback"], r"^\s*Traceback \(most recent call last\):$");
static FRAME: Pattern = Pattern::with(&["File \""], r#"^(?:E\s)?\s*File "([^"]+)", line (\d+)(?:, in (.+))?$"#);
static RAISED: Pattern = Pattern::new(r"^(?:E\s+)?([A-Za-z_][\w.]*)(?:: (.*))?$");
static CHAINED: Pattern = Pattern::with(
    &["exception"],
    r"^(?:During handling of the above exception|The above exception was the direct cause)",
);
static SORRY: Pattern = Pattern::with(&["Sorry: "], r"^Sorry: (\w+): (.*) \((\S+?), line (\d+)\)$");
static COMPILING: Pattern = Pattern::with(&["*** Error compiling"], r"^\*\*\* Error compiling '(.+)'\.\.\.$");
static UNITTEST: Pattern = Pattern::with(&["FAIL: ", "ERROR: "], r"^(FAIL|ERROR): (.+)$");
static RAN: Pattern = Pattern::with(&["Ran "], r"^Ran (\d+) tests? in ");
static UNITTEST_COUNT: Pattern = Pattern::with(&["="], r"(failures|errors|skipped|expected failures)=(\d+)");
static SECTION: Pattern = Pattern::with(&["___"], r"^_{3,} (.+?) _{3,}$");
static RULE: Pattern = Pattern::with(&["====="], r"^={5,}");
static PYTEST_FRAME: Pattern = Pattern::with(&[".py:"], r"^(\S[^:]*\.py):(\d+):(?: (?:in (.+)|([\w.]+)))?$");
static SUMMARY: Pattern =
    Pattern::with(&["FAILED ", "ERROR "], r"^(FAILED|ERROR) ([^\s:]+\.py)(?:::(\S+))?(?: - (.*))?$");
static FIXTURE: Pattern = Pattern::with(&["file "], r"^file (\S+\.py), line (\d+)$");
static TB_LINE: Pattern = Pattern::with(&[".py:"], r"^(\S[^:]*\.py):(\d+): (\w[\w.]*(?::.*)?)$");
static TOTALS: Pattern = Pattern::with(&[" in "], r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s");
static TOTAL: Pattern = Pattern::with(&["passed", "failed", "error"], r"(\d+) (passed|failed|errors?)\b");
static OTHER_MODULE: Pattern = Pattern::with(&[".py)"], r"from '[^']+' \(([^)]+\.py)\)");
static NO_MODULE: Pattern = Pattern::with(&["No module named"], r"No module named '([\w.]+)'");
static NAMES: Pattern = Pattern::with(
    &["Error"],
    r"^(?:\w+\.)*(?:ImportError|ModuleNotFoundError|NameError|SyntaxError|IndentationError|TabError)$",
);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if TRACEBACK.matches(text) {
        return Some(traceback(log, at, None, out));
    }
    if let Some(found) = COMPILING.captures(text) {
        let named = log.find(group(&found, 1), at);
        let sorry = log.text(at + 1);
        if let Some(said) = SORRY.captures(sorry) {
            syntax(
                named.or_else(|| log.find(group(&said, 3), at)),
                number(&said, 4),
                group(&said, 1),
                group(&said, 2),
                out,
            );
            return Some(at + 2);
        }
        return Some(at + 1);
    }
    if let Some(said) = SORRY.captures(text) {
        syntax(log.find(group(&said, 3), at), number(&said, 4), group(&said, 1), group(&said, 2), out);
        return Some(at + 1);
    }
    if let Some(frame) = FRAME.captures(text).filter(|frame| frame.get(3).is_none()) {
        // Without a traceback: what doesn't compile.
        let end = log.until(at + 1, 8, |text| RAISED.matches(text));
        let raised = RAISED.captures(log.text(end))?;
        syntax(log.find(group(&frame, 1), at), number(&frame, 2), group(&raised, 1), group(&raised, 2), out);
        return Some(end + 1);
    }
    if let Some(found) = UNITTEST.captures(text).filter(|_| log.text(at + 1).starts_with("-----")) {
        let name = group(&found, 2).split(" (").next().unwrap_or_default();
        let start = log.until(at + 2, 12, |text| TRACEBACK.matches(text));
        if TRACEBACK.matches(log.text(start)) {
            return Some(traceback(log, start, Some(name), out));
        }
        out.push(error("unittest", test_message(name, "")));
        return Some(at + 2);
    }
    if let Some(found) = RAN.captures(text) {
        let total = number(&found, 1).unwrap_or(0);
        let end = log.until(at + 1, 3, |text| text.starts_with("OK") || text.starts_with("FAILED"));
        let (mut failed, mut skipped) = (0u32, 0u32);
        for count in UNITTEST_COUNT.all(log.text(end)) {
            let value = number(&count, 2).unwrap_or(0);
            if matches!(group(&count, 1), "failures" | "errors") { failed += value } else { skipped += value }
        }
        out.count(total.saturating_sub(failed).saturating_sub(skipped), failed);
        return Some(end + 1);
    }
    if let Some(found) = SECTION.captures(text) {
        return Some(section(log, at, group(&found, 1), out));
    }
    if let Some(found) = SUMMARY.captures(text) {
        summary(log, at, &found, out);
        return Some(at + 1);
    }
    // With --tb=line the place stands below what was raised; the closing list says which test it was.
    if TB_LINE.matches(text) && at > 0 && (log.text(at - 1).starts_with("E  ") || log.text(at - 1).starts_with("    "))
    {
        return Some(at + 1);
    }
    if let Some(found) = TOTALS.captures(text) {
        let (mut passed, mut failed) = (0u32, 0u32);
        for total in TOTAL.all(group(&found, 1)) {
            let value = number(&total, 1).unwrap_or(0);
            if group(&total, 2) == "passed" { passed += value } else { failed += value }
        }
        out.count(passed, failed);
        return Some(at + 1);
    }
    None
}

fn syntax(file: Option<String>, line: Option<u32>, kind: &str, message: &str, out: &mut Out) {
    let mut diagnostic = error("python", format!("{kind}: {message}"));
    diagnostic.line = line.filter(|_| file.is_some());
    diagnostic.file = file;
    diagnostic.code = Some(kind.to_owned());
    out.push(diagnostic);
}

/// A traceback, with those that it is chained to. Frames come outermost first; the last in the tree is the place.
fn traceback(log: &Log<'_>, at: usize, test: Option<&str>, out: &mut Out) -> usize {
    let mut frames: Vec<Related> = Vec::new();
    let mut index = at + 1;
    let mut raised = (String::new(), String::new());
    let limit = at + 2000;
    while index < log.lines.len() && index < limit {
        let text = log.text(index);
        if let Some(frame) = FRAME.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
        } else if !text.is_empty() && !text.starts_with(' ') {
            let Some(found) = RAISED.captures(text) else { break };
            raised = (group(&found, 1).to_owned(), group(&found, 2).to_owned());
            index += 1;
            // The message may go on for some lines.
            let end = log.until(index, 20, |text| text.is_empty() || RULE.matches(text) || text.starts_with("----"));
            for line in index..end {
                raised.1.push_str(&format!("\n{}", log.text(line)));
            }
            index = end;
            let chained = log.until(index, 3, |text| CHAINED.matches(text));
            let again = log.until(chained + 1, 4, |text| TRACEBACK.matches(text));
            if CHAINED.matches(log.text(chained)) && TRACEBACK.matches(log.text(again)) {
                index = again + 1;
                continue;
            }
            break;
        }
        index += 1;
    }
    frames.reverse();
    let diagnostic = exception(log, at, &raised.0, &raised.1, test, frames);
    out.push(diagnostic);
    index.max(at + 1)
}

/// An exception with its frames, innermost first.
fn exception(
    log: &Log<'_>,
    at: usize,
    kind: &str,
    said: &str,
    test: Option<&str>,
    mut frames: Vec<Related>,
) -> Diagnostic {
    let whole = if said.is_empty() { kind.to_owned() } else { format!("{kind}: {said}") };
    // What can't be loaded isn't a test that fails.
    let (tool, message) = match test {
        Some(name) if !NAMES.matches(kind) => ("python", test_message(name, &whole)),
        _ => ("python", whole),
    };
    let mut diagnostic = error(tool, message);
    diagnostic.code = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
    if let Some(other) = OTHER_MODULE.captures(said) {
        frames.extend(log.related(group(&other, 1), at, None, "the module that is imported"));
    }
    if let Some(module) = NO_MODULE.captures(said) {
        let file = module_file(log, at, group(&module, 1));
        frames.extend(file.map(|file| Related { file, line: None, message: IS_THERE.to_owned() }));
    }
    place(&mut diagnostic, frames);
    diagnostic
}

/// The file of the tree that holds this module.
pub(super) fn module_file(log: &Log<'_>, at: usize, module: &str) -> Option<String> {
    let path = module.replace('.', "/");
    [format!("{path}.py"), format!("{path}/__init__.py")].iter().find_map(|path| log.find(path, at))
}

/// A section of pytest's report: one test, or one file that can't be collected.
fn section(log: &Log<'_>, at: usize, title: &str, out: &mut Out) -> usize {
    let end = log.until(at + 1, 2000, |text| SECTION.matches(text) || RULE.matches(text));
    let mut frames = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    let mut crash = "";
    for index in at + 1..end {
        let text = log.text(index);
        if let Some(line) = text.strip_prefix("E  ").map(str::trim) {
            if let Some(frame) = FRAME.captures(text) {
                frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "here"));
            }
            said.push(line);
        } else if let Some(frame) = FIXTURE.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "the test"));
        } else if let Some(frame) = PYTEST_FRAME.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
            crash = frame.get(4).map_or(crash, |kind| kind.as_str());
        }
    }
    frames.reverse();
    let raised =
        said.iter().rev().find_map(|line| RAISED.captures(line).filter(|found| group(found, 1).ends_with("Error")));
    let collecting = title.starts_with("ERROR collecting ");
    let kind = raised.as_ref().map_or(crash, |found| group(found, 1)).to_owned();
    said.truncate(20);
    let text = said.join("\n");
    let name = title.trim_start_matches("ERROR at setup of ").trim_start_matches("ERROR at teardown of ");
    let message = if collecting || NAMES.matches(&kind) {
        raised.as_ref().map_or(text.clone(), |found| group(found, 0).to_owned())
    } else {
        // A method is `Class.test` here and `Class::test` in the closing list.
        let bare = name.find('[').and_then(|end| name.get(..end)).unwrap_or(name);
        let start = bare.rfind('.').map_or(0, |dot| dot + 1);
        test_message(name.get(start..).unwrap_or(name), &text)
    };
    let mut diagnostic = error("pytest", message);
    diagnostic.code = Some(kind).filter(|kind| !kind.is_empty());
    if let Some(other) = OTHER_MODULE.captures(&text) {
        frames.extend(log.related(group(&other, 1), at, None, "the module that is imported"));
    }
    if frames.is_empty() {
        let file = title.trim_start_matches("ERROR collecting ");
        frames.extend(log.related(file, at, None, ""));
    }
    place(&mut diagnostic, frames);
    out.push(diagnostic);
    end
}

/// A line of the closing list; it counts where the report itself was switched off.
fn summary(log: &Log<'_>, at: usize, found: &regex::Captures<'_>, out: &mut Out) {
    let Some(file) = log.find(group(found, 2), at) else { return };
    let name = group(found, 3).rsplit("::").next().unwrap_or_default().to_owned();
    let prefix = format!("test {name} failed: ");
    // Without a traceback the report doesn't know the file.
    if let Some(placeless) = out
        .found
        .iter_mut()
        .find(|found| !name.is_empty() && found.file.is_none() && found.message.starts_with(&prefix))
    {
        placeless.file = Some(file);
        return;
    }
    let touches = |diagnostic: &Diagnostic| {
        diagnostic.file.as_deref() == Some(&file) || diagnostic.related.iter().any(|related| related.file == file)
    };
    let known = out.found.iter().any(|diagnostic| {
        touches(diagnostic)
            && (name.is_empty() || diagnostic.message.starts_with(&prefix) || !diagnostic.message.starts_with("test "))
    });
    if known {
        return;
    }
    let said = group(found, 4);
    let mut diagnostic = error(
        "pytest",
        if name.is_empty() { format!("cannot be collected: {said}") } else { test_message(&name, said) },
    );
    let begin = said.trim_end_matches('.');
    let told = (0..at).rev().take(2000).find_map(|index| {
        let line =
            TB_LINE.captures(log.text(index)).filter(|line| !begin.is_empty() && group(line, 3).starts_with(begin))?;
        (log.find(group(&line, 1), index).as_ref() == Some(&file)).then(|| number(&line, 2)).flatten()
    });
    (diagnostic.file, diagnostic.line) = (Some(file), told);
    out.push(diagnostic);
}
