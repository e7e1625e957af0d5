//! `et daemon start|stop|restart|status|logs`.

use std::io::{Read, Seek, SeekFrom};

use proto::endpoint::{DAEMON_LOG_FILE, state_dir};
use proto::outcome::exit;

use super::{Ended, print, print_json};
use crate::context::Context;
use crate::exit::Problem;
use crate::link;
use crate::text::bytes;

/// The end of the log that is shown, in bytes.
const LOG_TAIL: u64 = 256 * 1024;
/// How long a daemon that was asked to stop may take.
const GONE: std::time::Duration = std::time::Duration::from_secs(20);

/// Starts it if it doesn't run; that was asked for, whatever `--no-autostart` says.
pub(super) async fn start(context: &Context) -> Ended {
    let mut options = context.connect_options()?;
    options.autostart = true;
    link::Link::connect(&options).await?;
    say(context, "running", "the daemon runs");
    Ok(0)
}

pub(super) async fn stop(context: &Context) -> Ended {
    let options = context.connect_options()?;
    let ran = link::stop(&options).await?;
    if ran {
        link::wait_gone(&options, GONE).await?;
    }
    say(
        context,
        "stopped",
        if ran { "the daemon has stopped; its work goes on when it is started" } else { "no daemon runs" },
    );
    Ok(0)
}

pub(super) async fn restart(context: &Context) -> Ended {
    let options = context.connect_options()?;
    if link::stop(&options).await? {
        link::wait_gone(&options, GONE).await?;
    }
    start(context).await
}

/// Exit code 0 if it runs, 69 if not. Never starts one.
pub(super) async fn status(context: &Context) -> Ended {
    let Some(status) = link::status(&context.connect_options()?).await? else {
        say(context, "stopped", "no daemon runs");
        return Ok(exit::UNAVAILABLE);
    };
    if context.json {
        let value = |name: &String, text: &String| match status.number(name) {
            Some(number) => number.into(),
            None => text.clone().into(),
        };
        let fields: serde_json::Map<String, serde_json::Value> =
            status.fields.iter().map(|(name, text)| (name.clone(), value(name, text))).collect();
        print_json(&serde_json::Value::from(fields));
    } else {
        let shown = |name: &String, text: &String| match status.number(name) {
            Some(number) if name.ends_with("_bytes") => bytes(number),
            _ => text.clone(),
        };
        let lines: Vec<String> =
            status.fields.iter().map(|(name, text)| format!("{name}: {}", shown(name, text))).collect();
        print(&lines.join("\n"));
    }
    Ok(0)
}

/// The end of its own log.
pub(super) fn logs(context: &Context) -> Ended {
    let dir = context.state_dir.clone().or_else(|| state_dir(&Context::var));
    let Some(dir) = dir else {
        return Err(Problem::state("HOME isn't set, so there is no state dir"));
    };
    let path = dir.join(DAEMON_LOG_FILE);
    let text = match tail(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Problem::state(format!("reading {}: {error}", path.display()))),
    };
    if context.json {
        print_json(&serde_json::json!({ "path": path, "lines": text.lines().collect::<Vec<_>>() }));
    } else if text.is_empty() {
        super::note(context, &format!("{} is empty", path.display()));
    } else {
        print(text.trim_end());
    }
    Ok(0)
}

fn tail(path: &std::path::Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(LOG_TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line may be cut.
    Ok(if start > 0 { text.split_once('\n').map_or(text.clone(), |(_, rest)| rest.to_owned()) } else { text })
}

fn say(context: &Context, state: &str, text: &str) {
    if context.json {
        print_json(&serde_json::json!({ "state": state, "running": state == "running" }));
    } else if !context.quiet {
        print(text);
    }
}

/// Stops the daemon of a state dir, for commands that started one of their own. What goes wrong is told, no more.
pub(super) async fn stop_quietly(context: &Context) {
    let stopped = async {
        let options = context.connect_options()?;
        if link::stop(&options).await? {
            link::wait_gone(&options, GONE).await?;
        }
        Ok::<_, link::LinkError>(())
    };
    let stopped = stopped.await;
    if let Err(error) = stopped {
        super::note(context, &format!("warning: the demo's daemon may still run: {error}"));
    }
}
