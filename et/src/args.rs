//! What was typed: flags, commands and their help. Nothing here looks at a file, the environment or the config; what the
//! words mean is decided in `request`.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::exit::Problem;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "et",
    version = proto::BUILD,
    about = "Hand a task to a parallel crew of models; get a tree that builds",
    long_about = "Hand a task to a parallel crew of models; get a tree that builds.\n\n\
        A task is planned into subtasks that own files, up to eight workers write in parallel, the result is built, and each \
        error goes back to the worker whose file caused it, until the build is green or a limit is met. A daemon does the \
        work; it starts by itself and keeps going when the terminal is closed.",
    after_help = "Examples:\n  \
        et demo                                                     see it work, offline\n  \
        et run --output-dir ./build --iterate \"Build a REST API in Go\"\n  \
        et run \"Add a DELETE endpoint\" -o ./build --iterate --max-iterations 5 --timeout 60\n  \
        et session spawn --work-dir ./queue \"Build a task queue in Go\"\n  \
        et session send last \"Add graceful shutdown\"\n  \
        et session attach last\n\n\
        Exit codes:\n  \
        0 done, 1 check still red (doctor: a line fails), 2 usage or config, 3 no provider, 4 budget, 5 deadline,\n  \
        6 no progress, 7 no sandbox, 8 partial, 69 no daemon, 70 crashed, 74 state dir can't be written,\n  \
        75 try again, 76 daemon of another version, 130 cancelled",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Common {
    /// Print JSON: one object, or one a line where it streams
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print only results and errors
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Don't start a daemon if there is none
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_autostart: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do a task and watch it to its end
    Run(Run),
    /// Work that goes on in the daemon
    #[command(subcommand)]
    Session(Session),
    /// The daemon itself
    #[command(subcommand)]
    Daemon(Daemon),
    /// Watch the whole pipeline at work, offline, with recorded model answers
    Demo(Demo),
    /// Show what the providers offer and which model each role uses
    Models(WithConfig),
    /// Show which providers answer, and how fast
    Nodes(WithConfig),
    /// Say whether rounds will work here, and what to do where they won't
    #[command(
        after_help = "Looks at versions, daemon, socket, systemd unit, state dir, log dir, disks, config, providers, sandbox, database and \
        toolchains. Exit code 1 if a line fails."
    )]
    Doctor(WithConfig),
    /// Trust a config file that came with a project
    Trust(Trust),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the version
    Version,
}

/// The task, however it came.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TaskArgs {
    /// What to do, in your words; `-` reads it from stdin
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Read the task from a file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "task")]
    pub(crate) task_file: Option<PathBuf>,
}

/// How a round is done.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RoundArgs {
    /// Build, send each error back to its worker, and build again [default: on for `spawn`]
    #[arg(long, help_heading = "Build and fix")]
    pub(crate) iterate: bool,
    /// Write only; build nothing
    #[arg(long, conflicts_with = "iterate", help_heading = "Build and fix")]
    pub(crate) no_iterate: bool,
    /// Builds at most [default: 3]
    #[arg(long, value_name = "N", help_heading = "Build and fix")]
    pub(crate) max_iterations: Option<u32>,
    /// Command that must pass, run by `sh -c` in the work dir [default: detected]
    #[arg(long, value_name = "CMD", help_heading = "Build and fix")]
    pub(crate) check: Option<String>,
    /// Leave tests out of a detected check
    #[arg(long, help_heading = "Build and fix")]
    pub(crate) no_test: bool,

    /// Time limit: minutes, or 90s, 1h [default: 30]
    #[arg(long, value_name = "T", help_heading = "Limits")]
    pub(crate) timeout: Option<String>,
    /// Spend at most this many US dollars
    #[arg(long, value_name = "USD", help_heading = "Limits")]
    pub(crate) max_cost: Option<String>,
    /// Use at most this many tokens
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) max_tokens: Option<u64>,

    /// Workers at once [default: 8]
    #[arg(long, value_name = "N", help_heading = "Crew")]
    pub(crate) workers: Option<u32>,
    /// Subtasks that the planner may make [default: 10]
    #[arg(long, value_name = "N", help_heading = "Crew")]
    pub(crate) max_subtasks: Option<u32>,
    /// Role that plans [default: mayor]
    #[arg(long, value_name = "NAME", help_heading = "Crew")]
    pub(crate) role: Option<String>,
    /// Config file [default: discovered]
    #[arg(long, value_name = "FILE", help_heading = "Crew")]
    pub(crate) config: Option<PathBuf>,
    /// Times that an answer with a low score is asked again [default: 1]
    #[arg(long, value_name = "N", help_heading = "Crew")]
    pub(crate) guardrail_retries: Option<u32>,
    /// Scores below this are low, 1 to 10 [default: 6]
    #[arg(long, value_name = "N", help_heading = "Crew")]
    pub(crate) guardrail_threshold: Option<u32>,

    /// No closing text
    #[arg(long, help_heading = "Phases")]
    pub(crate) no_synthesize: bool,
    /// No reviews
    #[arg(long, help_heading = "Phases")]
    pub(crate) no_reviewer: bool,
    /// No tester
    #[arg(long, help_heading = "Phases")]
    pub(crate) no_tester: bool,
    /// No coordination call
    #[arg(long, help_heading = "Phases")]
    pub(crate) no_coordinate: bool,
    /// No specialists
    #[arg(long, help_heading = "Phases")]
    pub(crate) no_specialists: bool,
    /// Plan only, and print the plan
    #[arg(long, help_heading = "Phases")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    et run -o ./build --iterate \"Build a REST API server in Go\"\n  \
    et run --task-file task.md -o . --iterate --check \"make test\"\n  \
    et run \"How would you split this service?\"          answers only, no files")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) task: TaskArgs,
    /// Where files are written; what is there is context and may be edited
    #[arg(long, short, visible_alias = "dir", alias = "work-dir", value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) round: RoundArgs,
    /// With --json: pieces of model text too
    #[arg(long, help_heading = "Output")]
    pub(crate) stream: bool,
    /// Print the session's id and return
    #[arg(long, help_heading = "Output")]
    pub(crate) detach: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Start a session; prints its id and returns
    Spawn(Spawn),
    /// Queue another round in a session
    Send(Send),
    /// Watch a session
    Attach(Attach),
    /// List the sessions, newest first
    List,
    /// Show a session and its rounds
    Show(Id),
    /// Cancel what runs or is queued in a session
    Kill(Id),
    /// Wait until a session has come to rest
    Wait(Wait),
    /// Show what a round changed, as a patch
    Diff(IdRound),
    /// Take a round back: its files become what they were before it
    #[command(
        after_help = "Nothing is touched if one of the files changed since the round ended (exit code 2, and they are named), \
        or while a round runs or is queued in the work dir (exit code 75). What builds left behind stays.\n\
        A round that is already undone is no error."
    )]
    Undo(IdRound),
}

#[derive(Debug, Args)]
pub(crate) struct IdRound {
    /// The session: its id, a unique start of it, or `last`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Number of the round [default: the newest one that ended and changed something]
    #[arg(value_name = "ROUND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) round: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The session: its id, a unique start of it, or `last`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Spawn {
    #[command(flatten)]
    pub(crate) task: TaskArgs,
    /// Where files are written; what is there is context and may be edited
    #[arg(long, short = 'o', visible_alias = "dir", alias = "output-dir", value_name = "DIR", required = true)]
    pub(crate) work_dir: PathBuf,
    #[command(flatten)]
    pub(crate) round: RoundArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Flags that aren't given stay as the session has them.")]
pub(crate) struct Send {
    /// The session: its id, a unique start of it, or `last`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) task: TaskArgs,
    #[command(flatten)]
    pub(crate) round: RoundArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The session: its id, a unique start of it, or `last`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Where to begin: start, now, or the number of an event [default: the newest round]
    #[arg(long, value_name = "start|now|N")]
    pub(crate) from: Option<String>,
    /// Go on when nothing runs or is queued
    #[arg(long)]
    pub(crate) follow: bool,
    /// With --json: pieces of model text too
    #[arg(long, help_heading = "Output")]
    pub(crate) stream: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The session: its id, a unique start of it, or `last`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Give up after: minutes, or 90s, 1h (exit code 75)
    #[arg(long, value_name = "T")]
    pub(crate) timeout: Option<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Start it, if it doesn't run
    Start,
    /// Stop it; work goes on when it is started again
    Stop,
    /// Stop it and start it
    Restart,
    /// Say whether it runs
    Status,
    /// Print its log
    Logs,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where files are written [default: a new dir below the temp dir]
    #[arg(long, visible_alias = "output-dir", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Another recording
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) recording: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WithConfig {
    /// Config file [default: discovered]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// The config file; it is trusted until it changes
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// How a command line may fail to be one.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help or version was asked for: print it, exit 0.
    Print(Box<clap::Error>),
    /// It is wrong.
    Wrong(Problem),
}

/// Reads a command line; the first word is the program's name.
pub(crate) fn parse(words: &[std::ffi::OsString]) -> Result<Cli, Stop> {
    use clap::error::ErrorKind;
    Cli::try_parse_from(words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(Box::new(error)),
        _ => Stop::Wrong(usage(&error)),
    })
}

/// Whether `--json` was typed, for errors of a line that can't be read otherwise. What follows `--` doesn't count.
pub(crate) fn wants_json(words: &[std::ffi::OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// The command line as data, for completions.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// clap's words in our form: first line the message, tips and usage the hint.
fn usage(error: &clap::Error) -> Problem {
    use clap::error::ErrorKind;
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let words = text.lines().find_map(|line| line.trim().strip_prefix("Usage: ")).unwrap_or("et");
        let command = words.split(" [").next().unwrap_or("et");
        let demo = if command == "et" { "; et demo shows one at work" } else { "" };
        return Problem::usage("a command is missing").hint(format!("{command} --help lists the commands{demo}"));
    }
    let mut message = Vec::new();
    let mut hints: Vec<String> = elsewhere(error).into_iter().collect();
    let mut in_message = true;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            in_message = false;
            hints.push(tip.to_owned());
        } else if line.starts_with("Usage: ") || line.starts_with("For more information") {
            in_message = false;
            hints.push(line.replace("For more information, try '--help'.", "--help says more"));
        } else if in_message {
            message.push(line.strip_prefix("error: ").unwrap_or(line).to_owned());
        }
    }
    let mut message = message.join(" ");
    if error.kind() == ErrorKind::UnknownArgument && !message.contains("'-") && text.contains("TASK") {
        message.push_str(" (a task of several words needs quotes)");
    }
    let mut problem = Problem::usage(message);
    if !hints.is_empty() {
        problem.hint = Some(hints.join("; "));
    }
    problem
}

/// What may have been meant by a command that isn't there: one of a group, or a task.
fn elsewhere(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    if typed.contains(char::is_whitespace) {
        return Some("a task is handed over by `et run --output-dir DIR \"TASK\"`".to_owned());
    }
    let all = command();
    let group = all.get_subcommands().find(|group| group.find_subcommand(typed).is_some())?;
    Some(format!("`et {} {typed}` is a command", group.get_name()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn words(line: &[&str]) -> Vec<std::ffi::OsString> {
        std::iter::once("et").chain(line.iter().copied()).map(Into::into).collect()
    }

    #[test]
    fn the_table_of_flags_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_the_task() {
        for line in [
            &["run", "--iterate", "-o", "d", "--json", "fix it"][..],
            &["run", "fix it", "--json", "--output-dir", "d", "--iterate"],
            &["--json", "run", "-o", "d", "fix it", "--iterate"],
            &["run", "--dir=d", "fix it", "--iterate", "--json"],
        ] {
            let cli = parse(&words(line)).unwrap();
            assert!(cli.common.json);
            let Command::Run(run) = cli.command else { panic!("{line:?}") };
            assert_eq!(run.task.task.as_deref(), Some("fix it"));
            assert_eq!(run.output_dir.as_deref(), Some(std::path::Path::new("d")));
            assert!(run.round.iterate);
        }
    }

    #[test]
    fn wrong_lines_say_what_to_do() {
        for (line, message, hint) in [
            (&["run", "--iterat", "x"][..], "'--iterat'", "--iterate"),
            (&["rum", "x"], "'rum'", "run"),
            (&["list"], "'list'", "`et session list` is a command"),
            (&["build a thing"], "'build a thing'", "et run --output-dir DIR"),
            (&["run", "build", "a", "thing"], "quotes", "Usage"),
            (&["session", "spawn", "x"], "--work-dir", "Usage"),
            (&["run", "x", "--workers", "many"], "'many'", "--help"),
            (&["run", "x", "--iterate", "--no-iterate"], "--no-iterate", "Usage"),
            (&["session", "show"], "ID", "Usage"),
            (&["session", "show", "a", "b"], "'b' found", "Usage"),
            (&["session", "undo", "last", "0"], "'0'", "--help"),
            (&[], "a command is missing", "et --help lists the commands; et demo"),
            (&["session"], "a command is missing", "et session --help"),
        ] {
            let Err(Stop::Wrong(problem)) = parse(&words(line)) else { panic!("{line:?}") };
            assert_eq!(problem.exit_code, 2);
            assert!(problem.message.contains(message), "{line:?}: {problem:?}");
            assert!(problem.hint.clone().unwrap().contains(hint), "{line:?}: {problem:?}");
            assert_eq!(problem.message.contains("quotes"), message == "quotes", "{line:?}: {problem:?}");
        }
    }

    #[test]
    fn help_names_only_what_works() {
        let help = command().render_long_help().to_string();
        assert!(help.contains("doctor"));
        assert!(matches!(parse(&words(&["run", "--help"])), Err(Stop::Print(_))));
        assert!(matches!(parse(&words(&["--version"])), Err(Stop::Print(_))));
    }

    #[test]
    fn json_is_seen_in_a_broken_line() {
        assert!(wants_json(&words(&["run", "--nope", "--json"])));
        assert!(!wants_json(&words(&["run", "--", "--json"])));
    }
}
