//! `et doctor`: what only the daemon can tell about whether rounds will work.
//!
//! Starts no round, writes nothing, and asks everything at once, each under a deadline.

mod providers;
mod toolchains;

use std::sync::Arc;

use proto::config::SandboxWish;
use proto::message::{Doctor, Examined, Finding, Grade, Reply};
use proto::report::SandboxLevel;

use crate::sandbox::Probe;
use crate::session::{Engine, SessionError};

pub(super) async fn handle(engine: &Arc<Engine>, request: Doctor) -> Result<Reply, SessionError> {
    let wish = request.config.as_ref().map_or(SandboxWish::Prefer, |config| config.sandbox);
    let (providers, toolchains, probe, database) = tokio::join!(
        async {
            match &request.config {
                Some(config) => providers::examine(engine, config, &request.secrets).await,
                None => Vec::new(),
            }
        },
        toolchains::examine(engine, &request, wish),
        engine.children.probe(),
        database(engine),
    );
    let findings = providers.into_iter().chain([sandbox(&probe, wish), database]).chain(toolchains).collect();
    Ok(Reply::Examined(Examined { findings }))
}

fn finding(topic: &str, subject: &str, grade: Grade, text: impl Into<String>) -> Finding {
    Finding { topic: topic.to_owned(), subject: subject.to_owned(), grade, text: text.into(), advice: None }
}

trait Advised {
    fn advice(self, text: impl Into<String>) -> Self;
}

impl Advised for Finding {
    fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = Some(text.into());
        self
    }
}

/// The level that is to be had, against the one that is wished for.
fn sandbox(probe: &Probe, wish: SandboxWish) -> Finding {
    let why = probe.why().unwrap_or_default();
    if wish == SandboxWish::Off {
        let text = "the config says `sandbox: off`: checks run as you do";
        return finding("sandbox", "", Grade::Warn, text).advice("`sandbox: prefer` takes the best that there is");
    }
    let (text, grade) = match probe.level {
        SandboxLevel::Full => return finding("sandbox", "", Grade::Ok, "full: bubblewrap and seccomp"),
        SandboxLevel::Partial => (format!("partial: Landlock and seccomp; not full, since {why}"), Grade::Warn),
        SandboxLevel::None => (format!("none: checks run as you do, since {why}"), Grade::Warn),
    };
    let full = probe.why_not_full.as_deref().unwrap_or_default();
    let advice = if full.contains("isn't installed") {
        "install bubblewrap: `apt install bubblewrap`, `dnf install bubblewrap`, `pacman -S bubblewrap`"
    } else {
        "let bubblewrap make user namespaces: see kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns \
         and user.max_user_namespaces in sysctl, and the limits of the container that this may be"
    };
    match wish {
        SandboxWish::Require => {
            let text =
                format!("{text}; the config says `sandbox: require`, so a round that builds ends with exit code 7");
            finding("sandbox", "", Grade::Fail, text).advice(advice)
        }
        _ => finding("sandbox", "", grade, text).advice(advice),
    }
}

async fn database(engine: &Engine) -> Finding {
    if let Some(why) = engine.store.trouble() {
        return finding("database", "", Grade::Fail, format!("nothing can be stored at the moment: {why}"))
            .advice("make room on the disk of the state dir, or make it writable; work goes on by itself then");
    }
    let read = engine.store.read(|reader| Ok((reader.version()?, reader.sessions()?.len())));
    match read.await {
        Ok((version, sessions)) => {
            let noun = if sessions == 1 { "session" } else { "sessions" };
            finding("database", "", Grade::Ok, format!("version {version}, {sessions} {noun}"))
        }
        Err(error) => finding("database", "", Grade::Fail, error.to_string())
            .advice("`et daemon logs` says more; `et daemon restart` checks it anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_held_against_the_wish() {
        let probe = |level, full: Option<&str>, partial: Option<&str>| Probe {
            level,
            why_not_full: full.map(str::to_owned),
            why_not_partial: partial.map(str::to_owned),
        };
        let missing = Some("bubblewrap isn't installed (package `bubblewrap`)");
        let refused = Some("a first try ended with Code(1) bwrap: No permissions to create new namespace");
        let full = || probe(SandboxLevel::Full, None, None);
        let partial = |why| probe(SandboxLevel::Partial, why, None);
        for (found, wish, grade, advice) in [
            (full(), SandboxWish::Prefer, Grade::Ok, ""),
            (full(), SandboxWish::Require, Grade::Ok, ""),
            (full(), SandboxWish::Off, Grade::Warn, "prefer"),
            (partial(missing), SandboxWish::Prefer, Grade::Warn, "apt install bubblewrap"),
            (partial(missing), SandboxWish::Require, Grade::Fail, "apt install bubblewrap"),
            (partial(refused), SandboxWish::Require, Grade::Fail, "user namespaces"),
            (probe(SandboxLevel::None, refused, missing), SandboxWish::Prefer, Grade::Warn, "user namespaces"),
        ] {
            let told = sandbox(&found, wish);
            assert_eq!(told.grade, grade, "{told:?}");
            assert!(told.advice.unwrap_or_default().contains(advice), "{}", told.text);
        }
    }
}
