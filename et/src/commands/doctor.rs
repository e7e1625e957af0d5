//! `et doctor`: whether rounds will work here, line by line, and what to do where they won't. Exit code 1 if a line fails.
//!
//! It starts no round and writes nothing; what only the daemon can tell is asked of it. A line that can't be told is said to be one.

use std::path::Path;
use std::time::Duration;

use proto::message::{Doctor, Finding, Grade, Reply, Request};
use proto::outcome::exit;

use super::{Ended, note, print, variable_names};
use crate::config::{self, Loaded, Standing};
use crate::context::Context;
use crate::env::check_env;
use crate::exit::Problem;
use crate::link::{self, ConnectOptions, LinkErrorKind};
use crate::text::{duration, one_line, plural, sanitize};

mod place;
mod unit;

/// Longest wait for the daemon's part; it keeps its own deadlines, well below.
const PATIENCE: Duration = Duration::from_secs(90);
/// What isn't known without a daemon.
const UNKNOWN: &str = "providers, sandbox, database and toolchains weren't looked at";

pub(super) async fn run(context: &Context, file: Option<&Path>) -> Ended {
    let mut findings = Vec::new();
    let options = context.connect_options()?;
    let (about_config, loaded) = read_config(context, file);
    let log_dir = loaded
        .as_ref()
        .map_or_else(|| config::default_log_dir(&context.cwd, &Context::var), |loaded| loaded.config.log_dir.clone());
    // Before the daemon is started, which would mend some of it.
    let state_dir = place::state_dir(&options.state_dir);
    let mut asked = ask_daemon(context, &options, loaded).await;
    findings.append(&mut asked.versions);
    findings.push(asked.daemon);
    findings.push(place::socket(options.endpoint(true).as_deref()));
    findings.push(unit::examine(&options, &Context::var));
    findings.extend(state_dir);
    findings.extend(place::log_dir(Path::new(&log_dir)));
    findings.extend(place::disks(&[&options.state_dir, Path::new(&log_dir), &context.cwd]));
    findings.extend(about_config);
    findings.append(&mut asked.findings);
    let findings: Vec<Finding> = findings.into_iter().map(clean).collect();
    let fails = findings.iter().filter(|finding| finding.grade == Grade::Fail).count();
    if context.json {
        print(&serde_json::json!({ "ok": fails == 0, "findings": findings }).to_string());
    } else {
        let shown = findings.iter().filter(|finding| !context.quiet || finding.grade != Grade::Ok);
        let lines: Vec<String> = shown.map(lines).collect();
        if !lines.is_empty() {
            print(&lines.join("\n"));
        }
        let closing = match fails {
            0 => "nothing stands in the way of a round".to_owned(),
            1 => "1 line fails".to_owned(),
            more => format!("{more} lines fail"),
        };
        note(context, &closing);
    }
    Ok(if fails == 0 { 0 } else { exit::UNWELL })
}

fn finding(topic: &str, subject: &str, grade: Grade, text: impl Into<String>) -> Finding {
    Finding { topic: topic.to_owned(), subject: subject.to_owned(), grade, text: text.into(), advice: None }
}

/// One that has to be seen to.
fn bad(topic: &str, grade: Grade, text: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { advice: Some(advice.into()), ..finding(topic, "", grade, text) }
}

/// A finding without anything that steers a terminal, in JSON either: names of dirs, and the words of servers and tools, may hold it.
fn clean(finding: Finding) -> Finding {
    Finding {
        topic: finding.topic,
        subject: one_line(&finding.subject, 200),
        grade: finding.grade,
        text: one_line(&finding.text, 1000),
        advice: finding.advice.map(|advice| sanitize(&advice)),
    }
}

/// A finding for people.
fn lines(finding: &Finding) -> String {
    let grade = match finding.grade {
        Grade::Ok => "ok  ",
        Grade::Warn => "warn",
        Grade::Fail => "fail",
    };
    let subject = if finding.subject.is_empty() { String::new() } else { format!(" {}", finding.subject) };
    let advice = finding.advice.iter().flat_map(|advice| advice.lines());
    let advice: String = advice.map(|line| format!("\n        {line}")).collect();
    format!("{grade}  {}{subject}: {}{advice}", finding.topic, finding.text)
}

/// Where the configuration comes from, whether it is believed, and whether it can be used.
fn read_config(context: &Context, file: Option<&Path>) -> (Vec<Finding>, Option<Loaded>) {
    let failed = |problem: Problem| {
        let hint =
            problem.hint.unwrap_or_else(|| "mend it; `et --help` and the README say what it may hold".to_owned());
        bad("config", Grade::Fail, problem.message, hint)
    };
    let standing = match config::standing(file, &context.cwd, &Context::var) {
        Ok(standing) => standing,
        Err(problem) => return (vec![failed(problem)], None),
    };
    let whence = match &standing {
        None => "no file; chosen from the environment".to_owned(),
        Some((path, Standing::Own)) => format!("{} (yours)", path.display()),
        Some((path, Standing::Trusted)) => format!("{} (trusted by `et trust`)", path.display()),
        Some((path, Standing::Untrusted)) => format!(
            "{} (found in the current directory and not trusted: its check, sandbox and log_dir don't count)",
            path.display()
        ),
    };
    match config::load(file, &context.cwd, &Context::var) {
        Err(problem) => (vec![finding("config", "", Grade::Ok, whence), failed(problem)], None),
        Ok(loaded) => {
            let mut findings = vec![finding("config", "", Grade::Ok, whence)];
            findings.extend(loaded.notes.iter().map(|text| finding("config", "", Grade::Warn, text.as_str())));
            (findings, Some(loaded))
        }
    }
}

/// What the daemon is, and what it found.
struct Asked {
    versions: Vec<Finding>,
    daemon: Finding,
    findings: Vec<Finding>,
}

async fn ask_daemon(context: &Context, options: &ConnectOptions, loaded: Option<Loaded>) -> Asked {
    let ours = format!("et {} (protocol {})", proto::BUILD, proto::PROTOCOL_VERSION);
    let without = |version: Finding, daemon: Finding| Asked { versions: vec![version], daemon, findings: Vec::new() };
    let program = || match &options.program {
        Some(program) => {
            finding("versions", "", Grade::Ok, format!("{ours}; the daemon would be {}", program.display()))
        }
        None => bad(
            "versions",
            Grade::Fail,
            format!("{ours}; there is no etd beside it or on PATH"),
            "install both programs in one dir: `make install`",
        ),
    };
    let ran = matches!(link::status(options).await, Ok(Some(_)));
    if !ran && !options.autostart {
        let text = format!("none runs, and none was started; {UNKNOWN}");
        return without(
            program(),
            bad("daemon", Grade::Warn, text, "run `et doctor` without --no-autostart, or `et daemon start` first"),
        );
    }
    let link = match context.connect().await {
        Ok(link) => link,
        Err(error) => {
            let hint = error.hint.clone().unwrap_or_else(|| "`et daemon logs` shows what the daemon says".to_owned());
            let daemon = bad("daemon", Grade::Fail, format!("{}; {UNKNOWN}", error.message), hint);
            let version = if error.kind == LinkErrorKind::OtherVersion {
                finding("versions", "", Grade::Warn, format!("{ours}; the daemon is of another one"))
            } else {
                program()
            };
            return without(version, daemon);
        }
    };
    let theirs = link.welcome().build.clone();
    let version = if theirs == proto::BUILD {
        finding("versions", "", Grade::Ok, format!("{ours}, and etd is the same"))
    } else {
        let text = format!("{ours}, and the daemon that runs is etd {theirs}; they understand each other");
        bad("versions", Grade::Warn, text, "`et daemon restart` starts the one beside et; its rounds go on afterwards")
    };
    let status = link::status(options).await.ok().flatten().unwrap_or_default();
    let number = |name: &str| status.number(name).unwrap_or_default();
    let daemon = finding(
        "daemon",
        "",
        Grade::Ok,
        format!(
            "pid {}, {}, {}, {} at work",
            link.welcome().pid,
            if ran { format!("up {}", duration(number("uptime_s") * 1000)) } else { "started just now".to_owned() },
            plural(usize::try_from(number("sessions")).unwrap_or(usize::MAX), "session"),
            number("running"),
        ),
    );
    let (config, secrets) = loaded.map_or((None, Vec::new()), |loaded| (Some(loaded.config), loaded.secrets));
    let extra = config.as_ref().map(|config| config.check.env.clone()).unwrap_or_default();
    let mut findings = Vec::new();
    if config.is_none() {
        findings.push(bad(
            "provider",
            Grade::Warn,
            "not asked: there is no configuration to ask by",
            "mend the config first",
        ));
    }
    let request = Request::Doctor(Doctor {
        config,
        secrets,
        env: check_env(&Context::var, &variable_names(), &extra).plain,
        dir: context.cwd.to_string_lossy().into_owned(),
    });
    match link.call_within(request, PATIENCE).await {
        Ok(Reply::Examined(mut examined)) => findings.append(&mut examined.findings),
        Ok(other) => {
            findings.push(bad("daemon", Grade::Fail, Problem::unexpected(&other).message, "`et daemon restart`"))
        }
        Err(error) => {
            let hint = error.hint.unwrap_or_else(|| "`et daemon logs` shows what the daemon says".to_owned());
            findings.push(bad("daemon", Grade::Fail, format!("{}; {UNKNOWN}", error.message), hint));
        }
    }
    Asked { versions: vec![version], daemon, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_found_steers_the_terminal() {
        let found = Finding {
            subject: "p\u{1b}[31m".to_owned(),
            ..bad("provider", Grade::Fail, "says \u{1b}]0;title\u{7}\nand more", "first\u{9b}1m\nsecond\u{202e}")
        };
        assert_eq!(
            lines(&clean(found)),
            "fail  provider p␛[31m: says ␛]0;title␇ and more\n        first\u{fffd}1m\n        second\u{fffd}"
        );
    }
}
