//! Java: javac, stack traces, Maven with its tests, Gradle.

use proto::diagnostic::{Diagnostic, Related, Severity};

use super::log::{Log, Out, error, place, test_message};
use super::pattern::{Pattern, group, number};

static JAVAC: Pattern =
    Pattern::with(&[".java:", ".kt:"], r"^(\S.*?\.(?:java|kt)):(\d+): (error|warning): (?:\[([\w-]+)\] )?(.+)$");
static MAVEN: Pattern = Pattern::with(
    &["[ERROR] ", "[WARNING] "],
    r"^\[(ERROR|WARNING)\] (\S.*?\.\w+):\[(\d+)(?:,(\d+))?\] (?:\[([\w-]+)\] )?(?:error: )?(.+)$",
);
static POM: Pattern =
    Pattern::with(&[" @ line "], r"^\[(?:FATAL|ERROR)\] (.+?)(?: @ \S*pom\.xml.*)? @ line (\d+), column (\d+)");
static POM_OF: Pattern = Pattern::with(&["pom.xml"], r"\(?(/[^()\s]*pom\.xml)\b");
static GOAL: Pattern = Pattern::with(
    &["[ERROR] "],
    r"^\[ERROR\] ((?:Failed to execute goal .*(?:Could not resolve|PluginResolution|No versions available).*|Plugin \S+ or one of its dependencies could not be resolved.*|Unknown lifecycle phase.*|No plugin found for prefix.*))$",
);
static RESULT: Pattern = Pattern::with(
    &["Tests run: "],
    r"^(?:\[\w+\] )?Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)(.*)$",
);
static FAILED: Pattern = Pattern::with(
    &["<<< "],
    r"^(?:\[ERROR\] )?(?:([\w.$]+)\.)?([\w$]+(?:\[[^\]]*\])?)(?:\([^()]*\))?(?:\(([\w.$]+)\))?\s+(?:-- )?Time elapsed: .* <<< (?:FAILURE|ERROR)!$",
);
static LISTED: Pattern =
    Pattern::with(&["[ERROR]   "], r"^\[ERROR\]   (?:([\w$]+)\.)?([\w$]+)(?:\([^()]*\))?:(\d+)(?:->[\w$.:>-]+)? (.+)$");
static GRADLE: Pattern = Pattern::with(&[" FAILED"], r"^([\w.$]+) > (.+?)(?:\(\))? FAILED$");
static GRADLE_COUNT: Pattern = Pattern::with(&["tests completed"], r"^(\d+) tests? completed(?:, (\d+) failed)?");
static THROWN: Pattern = Pattern::with(
    &["Exception", "Error", "Failure", "Throwable", "Caused by: "],
    r#"^(?:Exception in thread "[^"]*" |Caused by: )?((?:[a-z]\w*\.)+[A-Z][\w$]*)(?:: (.*))?$"#,
);
static FRAME: Pattern =
    Pattern::with(&["at "], r"^\s+at (?:[\w.-]+/+)?([\w.$<>]+)\(([\w$-]+\.(?:java|kt|groovy|scala)):(\d+)\)");
static OTHER: Pattern = Pattern::with(
    &["class ", "interface ", "enum ", "record ", "of type ", " in "],
    r"\b(?:class|interface|enum|record|of type|in) ((?:[a-z]\w*\.)*[A-Z]\w*)\b",
);
static SHORT_FRAME: Pattern = Pattern::with(&[" at "], r"^\s+\S+ at ([\w$-]+\.(?:java|kt|groovy)):(\d+)$");
static GRADLE_FILE: Pattern =
    Pattern::with(&["uild file '", "ettings file '"], r"^(?:Build|Settings) file '(.+)' line: (\d+)$");
static KOTLIN: Pattern =
    Pattern::with(&[".kt"], r"^(e|w): (?:file://)?(\S.*?\.kts?):(?: \()?(\d+)[:,] ?(\d+)\)?:? (.+)$");

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = JAVAC.captures(text) {
        return javac(log, at, &found, out);
    }
    if let Some(found) = RESULT.captures(text) {
        // The line of one class has its time, that of all has none.
        if !group(&found, 5).contains("Time elapsed") {
            let value = |index| number(&found, index).unwrap_or(0);
            let failed = value(2).saturating_add(value(3));
            out.count(value(1).saturating_sub(failed).saturating_sub(value(4)), failed);
        }
        return Some(at + 1);
    }
    if let Some(found) = FAILED.captures(text) {
        let class = if group(&found, 1).is_empty() { group(&found, 3) } else { group(&found, 1) };
        return Some(thrown(log, at + 1, Some((class, group(&found, 2))), out));
    }
    if let Some(found) = GRADLE.captures(text) {
        return Some(thrown(log, at + 1, Some((group(&found, 1), group(&found, 2))), out));
    }
    if let Some(found) = GRADLE_COUNT.captures(text) {
        let failed = number(&found, 2).unwrap_or(0);
        out.count(number(&found, 1).unwrap_or(0).saturating_sub(failed), failed);
        return Some(at + 1);
    }
    if text.starts_with('[') {
        return maven(log, at, out);
    }
    if let Some(found) = KOTLIN.captures(text) {
        let file = log.find(group(&found, 2), at)?;
        let severity = if group(&found, 1) == "e" { Severity::Error } else { Severity::Warning };
        let place = (file, number(&found, 3), number(&found, 4));
        push(log, at, place, severity, "", group(&found, 5).to_owned(), out);
        return Some(at + 1);
    }
    if let Some(found) = GRADLE_FILE.captures(text) {
        return Some(script(log, at, &found, out));
    }
    (THROWN.matches(text) && FRAME.matches(log.text(log.until(at + 1, 6, |text| FRAME.matches(text)))))
        .then(|| thrown(log, at, None, out))
}

/// A message, the line of source, a caret, and details, indented.
fn javac(log: &Log<'_>, at: usize, found: &regex::Captures<'_>, out: &mut Out) -> Option<usize> {
    let file = log.find(group(found, 1), at)?;
    let mut message = group(found, 5).to_owned();
    let is_caret = |text: &str| text.trim() == "^";
    let caret = log.until(at + 1, 8, |text| is_caret(text) || JAVAC.matches(text));
    let mut column = None;
    let mut end = at + 1;
    if is_caret(log.text(caret)) {
        // All but the line of source belongs to the message.
        for index in at + 1..caret.saturating_sub(1) {
            message.push_str(&format!("\n{}", log.text(index).trim()));
        }
        column = u32::try_from(log.text(caret).len()).ok();
        end = details(log, caret + 1, &mut message);
    }
    let severity = if group(found, 3) == "error" { Severity::Error } else { Severity::Warning };
    push(log, at, (file, number(found, 2), column), severity, group(found, 4), message, out);
    Some(end)
}

/// `  symbol: …`, with or without Maven's mark.
fn details(log: &Log<'_>, from: usize, message: &mut String) -> usize {
    let detail = |text: &'_ str| {
        let text = text.strip_prefix("[ERROR]").or_else(|| text.strip_prefix("[WARNING]")).unwrap_or(text);
        text.starts_with("  ") && !text.trim().is_empty() && !text.trim_start().starts_with('[')
    };
    let end = log.until(from, 20, |text| !detail(text) || LISTED.matches(text));
    for index in from..end {
        let text = log.text(index);
        let text = text.strip_prefix("[ERROR]").or_else(|| text.strip_prefix("[WARNING]")).unwrap_or(text).trim();
        message.push_str(&format!("\n{}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    end
}

type Place = (String, Option<u32>, Option<u32>);

fn push(log: &Log<'_>, at: usize, place_of: Place, severity: Severity, code: &str, message: String, out: &mut Out) {
    let mut diagnostic = error("javac", message);
    diagnostic.severity = severity;
    diagnostic.code = Some(code).filter(|code| !code.is_empty()).map(str::to_owned);
    // The types that it names may be what is wrong.
    let named =
        OTHER.all(&diagnostic.message).filter_map(|name| class_file(log, at, group(&name, 1))).collect::<Vec<_>>();
    let others = named.into_iter().filter(|file| *file != place_of.0);
    let others =
        others.map(|file| Related { file, line: None, message: "the type that is named".to_owned() }).collect();
    (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(place_of.0), place_of.1, place_of.2);
    place(&mut diagnostic, others);
    out.push(diagnostic);
}

/// The file of a class, with its package or without.
fn class_file(log: &Log<'_>, at: usize, class: &str) -> Option<String> {
    let top = class.split('$').next().unwrap_or(class).replace('.', "/");
    log.find(&format!("{top}.java"), at).or_else(|| log.find(&format!("{top}.kt"), at))
}

fn maven(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = MAVEN.captures(text)
        && let Some(file) = log.find(group(&found, 2), at)
    {
        let mut message = group(&found, 6).to_owned();
        let end = details(log, at + 1, &mut message);
        let severity = if group(&found, 1) == "ERROR" { Severity::Error } else { Severity::Warning };
        push(log, at, (file, number(&found, 3), number(&found, 4)), severity, group(&found, 5), message, out);
        return Some(end);
    }
    if let Some(found) = LISTED.captures(text) {
        listed(log, at, &found, out);
        return Some(at + 1);
    }
    if let Some(found) = POM.captures(text) {
        let mut diagnostic = error("mvn", group(&found, 1).trim_start_matches("[ERROR] ").trim());
        let near = (at..at + 6).find_map(|index| POM_OF.captures(log.text(index)).map(|path| group(&path, 1)));
        diagnostic.file = near.and_then(|path| log.find(path, at)).or_else(|| log.find("pom.xml", at));
        if diagnostic.file.is_some() {
            (diagnostic.line, diagnostic.column) = (number(&found, 2), number(&found, 3));
        }
        out.push(diagnostic);
        return Some(at + 1);
    }
    let found = GOAL.captures(text)?;
    let mut diagnostic = error("mvn", group(&found, 1));
    diagnostic.file = log.find("pom.xml", at);
    out.push(diagnostic);
    Some(at + 1)
}

/// A build script of Gradle that fails; why stands below.
fn script(log: &Log<'_>, at: usize, found: &regex::Captures<'_>, out: &mut Out) -> usize {
    let start = log.until(at + 1, 4, |text| text == "* What went wrong:");
    let end = log.until(start + 1, 30, |text| text.starts_with("* "));
    let said: Vec<&str> =
        (start + 1..end).map(|index| log.text(index).trim()).filter(|text| !text.is_empty()).collect();
    let mut diagnostic = error("gradle", said.join("\n"));
    diagnostic.file = log.find(group(found, 1), at);
    diagnostic.line = number(found, 2).filter(|_| diagnostic.file.is_some());
    out.push(diagnostic);
    end
}

/// A line of Surefire's closing list; it counts where the test's own report was cut off.
fn listed(log: &Log<'_>, at: usize, found: &regex::Captures<'_>, out: &mut Out) {
    let prefix = format!("test {} failed: ", group(found, 2));
    let Some(file) = class_file(log, at, group(found, 1)) else { return };
    let touches = |diagnostic: &Diagnostic| {
        diagnostic.file.as_ref() == Some(&file) || diagnostic.related.iter().any(|related| related.file == file)
    };
    if out.found.iter().any(|known| touches(known) && known.message.starts_with(&prefix)) {
        return;
    }
    let mut diagnostic = error("junit", test_message(group(found, 2), group(found, 4).trim_start_matches("» ")));
    (diagnostic.file, diagnostic.line) = (Some(file), number(found, 3));
    out.push(diagnostic);
}

/// An exception with what caused it: the frames of the last cause come first. `test` is the class and the name of a test.
fn thrown(log: &Log<'_>, at: usize, test: Option<(&str, &str)>, out: &mut Out) -> usize {
    let end = log.until(at, 300, |text| {
        text.is_empty() || text.starts_with("[ERROR]") || text.starts_with("[INFO]") || GRADLE.matches(text)
    });
    let mut said: Vec<String> = Vec::new();
    let mut causes: Vec<Vec<Related>> = vec![Vec::new()];
    for index in at..end {
        let text = log.text(index);
        if let Some(found) = FRAME.captures(text) {
            let qualified = group(&found, 1);
            let package = qualified.rsplitn(3, '.').nth(2).unwrap_or_default().replace('.', "/");
            let file = [format!("{package}/{}", group(&found, 2)), group(&found, 2).to_owned()];
            let foreign = ["java/", "javax/", "jdk/", "sun/", "org/junit/", "org/apache/maven/", "org/gradle/"];
            if !foreign.iter().any(|start| package.starts_with(start))
                && let Some(file) = file.iter().find_map(|file| log.find(file.trim_start_matches('/'), index))
                && let Some(frames) = causes.last_mut()
            {
                frames.push(Related { file, line: number(&found, 3), message: "called from here".to_owned() });
            }
        } else if text.trim_start().starts_with("Caused by: ") || said.is_empty() {
            if let Some(found) = SHORT_FRAME.captures(text)
                && let Some(frames) = causes.last_mut()
            {
                frames.extend(log.related(group(&found, 1), index, number(&found, 2), "called from here"));
            }
            if !said.is_empty() {
                causes.push(Vec::new());
            }
            said.push(text.trim().to_owned());
        } else if causes.iter().all(Vec::is_empty) && !text.trim_start().starts_with("at ") && said.len() < 20 {
            said.push(text.trim().to_owned());
        }
    }
    let frames: Vec<Related> = causes.into_iter().rev().flatten().collect();
    let message = said.join("\n");
    let mut diagnostic = match test {
        Some((_, name)) => error("junit", test_message(name, &message)),
        None => error("java", message),
    };
    place(&mut diagnostic, frames);
    if let Some((class, _)) = test
        && diagnostic.file.is_none()
    {
        diagnostic.file = class_file(log, at, class);
    }
    out.push(diagnostic);
    end.max(at)
}
