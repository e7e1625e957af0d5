//! What was typed, validated: paths absolute, durations in milliseconds, contradictions refused.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::config::{Config, role};
use proto::message::{From, SessionName};
use proto::settings::{Flags, Skip};

use crate::args::{RoundArgs, TaskArgs};
use crate::caller::{Lookup, absolute};
use crate::exit::Problem;
use crate::text::{nearest, parse_duration};

/// Longest task in bytes; it must fit into one frame with the config beside it.
const MAX_TASK: usize = 4 * 1024 * 1024;

/// Which command the flags belong to: their defaults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `et run`.
    Run,
    /// `et session spawn`: iterates unless told otherwise.
    Spawn,
    /// `et session send`: what isn't given stays as it was.
    Send,
}

/// The task's text. Reads `stdin` only if `-` was typed.
pub(crate) fn task(args: &TaskArgs, cwd: &Path, stdin: &mut dyn Read) -> Result<String, Problem> {
    let from_stdin = |stdin: &mut dyn Read| {
        let mut bytes = Vec::new();
        match stdin.take(MAX_TASK as u64 + 1).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Problem::usage(format!("reading the task from stdin: {error}"))),
        }
    };
    let bytes = match (&args.task, &args.task_file) {
        (Some(task), _) if task == "-" => from_stdin(stdin)?,
        (Some(task), _) => task.clone().into_bytes(),
        (None, Some(file)) if file.as_os_str() == "-" => from_stdin(stdin)?,
        (None, Some(file)) => {
            let path = cwd.join(file);
            // It may be a pipe, and one without an end.
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .and_then(|file| file.take(MAX_TASK as u64 + 1).read_to_end(&mut bytes))
                .map_err(|error| Problem::usage(format!("reading the task from {}: {error}", path.display())))?;
            bytes
        }
        (None, None) => {
            return Err(Problem::usage("a task is missing")
                .hint("say what to do in quotes, or give --task-file FILE, or - to read it from stdin"));
        }
    };
    if bytes.len() > MAX_TASK {
        return Err(
            Problem::usage("the task is longer than 4 MiB").hint("put long material into files of the work dir")
        );
    }
    let text = String::from_utf8(bytes).map_err(|_| Problem::usage("the task isn't UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim();
    if text.is_empty() {
        return Err(Problem::usage("the task is empty").hint("say what to do, for example \"Build a REST API in Go\""));
    }
    Ok(text.to_owned())
}

/// The work dir, absolute; it need not exist.
pub(crate) fn work_dir(dir: Option<&Path>, cwd: &Path, var: Lookup<'_>) -> Result<Option<String>, Problem> {
    let Some(dir) = dir else { return Ok(None) };
    let Some(text) = dir.to_str() else {
        return Err(Problem::usage(format!("the path {} isn't UTF-8", dir.display())));
    };
    if text.is_empty() {
        return Err(Problem::usage("the output dir is an empty path"));
    }
    let path: PathBuf = absolute(text, cwd, var);
    let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let home = var("HOME").map(PathBuf::from).map(|home| std::fs::canonicalize(&home).unwrap_or(home));
    if real.parent().is_none() || Some(&real) == home.as_ref() {
        return Err(Problem::usage(format!("{} is no place for a work dir", real.display()))
            .hint("give a directory of its own, for example ./build"));
    }
    if real.exists() && !real.is_dir() {
        return Err(Problem::usage(format!("{} is not a directory", real.display())));
    }
    match path.into_os_string().into_string() {
        Ok(path) => Ok(Some(path)),
        Err(path) => Err(Problem::usage(format!("the path {} isn't UTF-8", path.display()))),
    }
}

/// The flags of a round. `has_dir` is whether files will be written.
pub(crate) fn flags(args: &RoundArgs, verb: Verb, has_dir: bool) -> Result<Flags, Problem> {
    if !has_dir && verb == Verb::Run {
        if args.iterate {
            return Err(Problem::usage("--iterate needs a directory to build in").hint("add --output-dir DIR"));
        }
        if args.check.is_some() {
            return Err(Problem::usage("--check needs a directory to run in").hint("add --output-dir DIR"));
        }
    }
    let iterate = match (args.iterate, args.no_iterate, verb) {
        (true, _, _) => Some(true),
        (_, true, _) => Some(false),
        (_, _, Verb::Run) => Some(false),
        (_, _, Verb::Spawn) => Some(true),
        (_, _, Verb::Send) => None,
    };
    if args.check.as_ref().is_some_and(|check| check.trim().is_empty()) {
        return Err(Problem::usage("--check is empty").hint("leave it out to have the check detected"));
    }
    if args.role.as_ref().is_some_and(|role| role.trim().is_empty()) {
        return Err(Problem::usage("--role is empty"));
    }
    let threshold = args.guardrail_threshold;
    if threshold.is_some_and(|n| !(1..=10).contains(&n)) {
        return Err(Problem::usage("--guardrail-threshold is a score from 1 to 10"));
    }
    if args.max_tokens == Some(0) {
        return Err(Problem::usage("--max-tokens must be at least 1"));
    }
    let timeout_ms = args.timeout.as_deref().map(|text| timeout("--timeout", text)).transpose()?;
    Ok(Flags {
        iterate,
        max_iterations: at_least_one("--max-iterations", args.max_iterations)?,
        timeout_ms: timeout_ms.map(|limit| limit.as_millis() as u64),
        workers: at_least_one("--workers", args.workers)?,
        max_subtasks: at_least_one("--max-subtasks", args.max_subtasks)?,
        check: args.check.clone(),
        tests: args.no_test.then_some(false),
        role: args.role.as_deref().map(|name| role::canonical(name.trim()).to_owned()),
        skip: Skip {
            synthesize: args.no_synthesize,
            reviewer: args.no_reviewer,
            tester: args.no_tester,
            coordinate: args.no_coordinate,
            specialists: args.no_specialists,
        },
        guardrail_retries: args.guardrail_retries,
        guardrail_threshold: threshold,
        max_cost_micros: args.max_cost.as_deref().map(dollars).transpose()?,
        max_tokens: args.max_tokens,
        dry_run: args.dry_run,
    })
}

/// What only the config can tell: whether the planning role exists, and whether a cost limit can be kept.
pub(crate) fn check_against(flags: &Flags, config: &Config) -> Result<(), Problem> {
    if let Some(name) = &flags.role
        && !config.roles.contains_key(name)
    {
        let known: Vec<&str> = config.roles.keys().map(String::as_str).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        return Err(Problem::usage(format!("--role: no role `{name}` in {}", config.source)).hint(hint));
    }
    if flags.max_cost_micros.is_some() {
        let roles = config.roles.values().chain(config.specialists.values().map(|specialist| &specialist.role));
        for alias in roles.flat_map(|role| role.pool.iter().chain(&role.fallbacks)) {
            if let Some(model) = config.models.get(alias).filter(|model| model.price.is_none()) {
                let name = format!("{}/{}", model.provider, model.model);
                return Err(Problem::usage(format!("--max-cost can't be kept: the price of {name} isn't known")).hint(
                    format!("give models.{alias}.price {{ input, cached, output }} in US dollars per million tokens, or use --max-tokens"),
                ));
            }
        }
    }
    Ok(())
}

/// A duration flag; a bare number is minutes.
pub(crate) fn timeout(flag: &str, text: &str) -> Result<Duration, Problem> {
    parse_duration(text, Some(Duration::from_secs(60))).ok_or_else(|| {
        Problem::usage(format!("{flag}: `{text}` isn't a time")).hint("minutes as a number, or 90s, 10m, 1h")
    })
}

/// How a session is named: `last`, an id, or a start of one.
pub(crate) fn session(text: &str) -> Result<SessionName, Problem> {
    let id = text.trim().to_ascii_lowercase();
    if id == "last" {
        return Ok(SessionName::Last);
    }
    if id.is_empty() || id.len() > 36 || !id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return Err(Problem::usage(format!("`{text}` isn't the id of a session"))
            .hint("et session list shows the ids; the first digits are enough, and `last` is the newest"));
    }
    Ok(SessionName::Prefix(id))
}

/// Where an attach begins.
pub(crate) fn from(text: Option<&str>) -> Result<From, Problem> {
    match text {
        None => Ok(From::NewestRound),
        Some("start") => Ok(From::Start),
        Some("now") => Ok(From::Now),
        Some(number) => match number.parse() {
            Ok(0) | Err(_) => {
                Err(Problem::usage(format!("--from: `{number}` isn't start, now or the number of an event"))
                    .hint("events are counted from 1"))
            }
            Ok(seq) => Ok(From::Seq(seq)),
        },
    }
}

fn at_least_one(flag: &str, value: Option<u32>) -> Result<Option<u32>, Problem> {
    if value == Some(0) { Err(Problem::usage(format!("{flag} must be at least 1"))) } else { Ok(value) }
}

/// US dollars in millionths.
fn dollars(text: &str) -> Result<u64, Problem> {
    let wrong = || Problem::usage(format!("--max-cost: `{text}` isn't an amount")).hint("US dollars, for example 2.50");
    let number = text.trim().trim_start_matches('$');
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let micros = (number.parse::<f64>().map_err(|_| wrong())? * 1e6).round();
    if (1.0..=1e12).contains(&micros) { Ok(micros as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
