//! The systemd user unit: whether it is installed, whether it is on, and whether it names a daemon that is there.

use std::path::{Path, PathBuf};

use proto::message::{Finding, Grade};

use super::{bad, finding};
use crate::caller::Lookup;
use crate::link::ConnectOptions;

const SOCKET: &str = "etd.socket";
const SERVICE: &str = "etd.service";

pub(super) fn examine(options: &ConnectOptions, var: Lookup<'_>) -> Finding {
    let dirs = dirs(var);
    let Some(dir) = dirs.iter().find(|dir| dir.join(SOCKET).is_file() && dir.join(SERVICE).is_file()) else {
        return finding("systemd unit", "", Grade::Ok, "not installed; et starts the daemon by itself");
    };
    let service = std::fs::read_to_string(dir.join(SERVICE)).unwrap_or_default();
    let on = dirs.iter().any(|dir| dir.join("sockets.target.wants").join(SOCKET).symlink_metadata().is_ok());
    let listens = options.activation.as_ref().map(|path| path.symlink_metadata().is_ok());
    judge(dir, program(&service).as_deref(), on, listens)
}

/// Where systemd looks for a user's units, first things first; see systemd.unit(5).
fn dirs(var: Lookup<'_>) -> Vec<PathBuf> {
    let home = var("HOME").map(PathBuf::from);
    let base = |name: &str, below: &str| {
        var(name).map(PathBuf::from).filter(|dir| dir.is_absolute()).or_else(|| Some(home.as_ref()?.join(below)))
    };
    let own = [base("XDG_CONFIG_HOME", ".config"), base("XDG_DATA_HOME", ".local/share")].into_iter().flatten();
    let own = own.map(|dir| dir.join("systemd/user"));
    own.chain(["/etc", "/usr/local/lib", "/usr/lib"].map(|dir| Path::new(dir).join("systemd/user"))).collect()
}

/// The program that a service starts.
fn program(service: &str) -> Option<PathBuf> {
    let line = service.lines().find_map(|line| line.trim().strip_prefix("ExecStart="))?;
    let path = match line.strip_prefix('"') {
        Some(rest) => rest.split('"').next()?,
        None => line.split_whitespace().next()?,
    };
    Some(PathBuf::from(path.replace("%%", "%")))
}

/// `listens`: whether there is a socket where et looks for it; none: et's state dir isn't the one that the unit stands for.
fn judge(dir: &Path, program: Option<&Path>, on: bool, listens: Option<bool>) -> Finding {
    let place = dir.join(SERVICE);
    let place = place.display();
    match program {
        Some(program) if program.is_absolute() && !program.is_file() => {
            let text = format!("{place} starts {}, which isn't there", program.display());
            let grade = if on || listens == Some(true) { Grade::Fail } else { Grade::Warn };
            return bad(
                "systemd unit",
                grade,
                text,
                "`make install` writes it anew, then `systemctl --user daemon-reload`",
            );
        }
        None => {
            let text = format!("{place} starts nothing");
            return bad(
                "systemd unit",
                Grade::Warn,
                text,
                "`make install` writes it anew, then `systemctl --user daemon-reload`",
            );
        }
        Some(_) => {}
    }
    match (on, listens) {
        (_, None) => finding("systemd unit", "", Grade::Ok, "installed; it isn't for the state dir in use here"),
        (_, Some(true)) => finding("systemd unit", "", Grade::Ok, "installed, and its socket is there"),
        (true, Some(false)) => bad(
            "systemd unit",
            Grade::Warn,
            "on, but its socket isn't there; et starts the daemon by itself meanwhile",
            "`systemctl --user start etd.socket`, and `systemctl --user status etd.socket` says what is wrong",
        ),
        (false, Some(false)) => finding(
            "systemd unit",
            "",
            Grade::Ok,
            "installed and not on; `systemctl --user enable --now etd.socket` lets systemd keep the daemon",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_unit_is_judged() {
        let here = std::env::current_exe().unwrap();
        let gone = Path::new("/nowhere/at/all/etd");
        for (program, on, listens, grade) in [
            (Some(here.as_path()), true, Some(true), Grade::Ok),
            (Some(&here), false, Some(false), Grade::Ok),
            (Some(&here), true, Some(false), Grade::Warn),
            (Some(&here), true, None, Grade::Ok),
            (Some(gone), true, Some(false), Grade::Fail),
            (Some(gone), false, Some(true), Grade::Fail),
            (Some(gone), false, Some(false), Grade::Warn),
            (None, true, Some(true), Grade::Warn),
        ] {
            let found = judge(Path::new("/units"), program, on, listens);
            assert_eq!(found.grade, grade, "{program:?} {on} {listens:?}");
            assert!(grade == Grade::Ok || found.advice.is_some());
        }
    }

    #[test]
    fn the_program_of_our_own_unit_is_found() {
        let service = include_str!("../../../../etd/systemd/etd.service").replace("@BINDIR@", "/a b%%c");
        assert_eq!(program(&service).unwrap(), Path::new("/a b%c/etd"));
        assert_eq!(program("ExecStart=/bin/x -y\n").unwrap(), Path::new("/bin/x"));
        assert_eq!(program("[Service]\n"), None);
    }

    #[test]
    fn units_are_looked_for_where_systemd_does() {
        let var = |name: &str| match name {
            "HOME" => Some("/h".to_owned()),
            "XDG_DATA_HOME" => Some("/d".to_owned()),
            _ => None,
        };
        assert_eq!(dirs(&var)[..2], [PathBuf::from("/h/.config/systemd/user"), PathBuf::from("/d/systemd/user")]);
    }
}
