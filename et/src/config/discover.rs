//! Where the config is found, and whether the place alone makes it trustworthy.

use std::path::{Path, PathBuf};

use crate::caller::{Lookup, absolute};
use crate::exit::Problem;

/// Name of the file.
pub(crate) const NAME: &str = "electrictown.yaml";

/// How a config was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--config` or `ET_CONFIG`: the user named it.
    Named,
    /// In the current directory: it may have come with a cloned repository.
    Here,
    /// In the user's own config dir or home.
    User,
}

/// A config that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// How it was found.
    pub(crate) origin: Origin,
}

/// The config that counts; none if there is none.
///
/// # Errors
/// If a named one doesn't exist.
pub(crate) fn find(flag: Option<&Path>, cwd: &Path, var: Lookup<'_>) -> Result<Option<Found>, Problem> {
    let named = match flag {
        Some(path) => Some(("--config", path.to_string_lossy().into_owned())),
        None => var("ET_CONFIG").filter(|path| !path.is_empty()).map(|path| ("ET_CONFIG", path)),
    };
    if let Some((by, path)) = named {
        let path = absolute(&path, cwd, var);
        if !path.is_file() {
            return Err(Problem::usage(format!("{by}: there is no file {}", path.display())));
        }
        return Ok(Some(Found { path, origin: Origin::Named }));
    }
    let own = user_files(var);
    let here = cwd.join(NAME);
    // Also a symlink that leads nowhere or a dir of that name isn't a config.
    if here.is_file() {
        let same = |other: &PathBuf| matches!((std::fs::canonicalize(other), std::fs::canonicalize(&here)), (Ok(a), Ok(b)) if a == b);
        let origin = if own.iter().any(same) { Origin::User } else { Origin::Here };
        return Ok(Some(Found { path: here, origin }));
    }
    Ok(own.into_iter().find(|path| path.is_file()).map(|path| Found { path, origin: Origin::User }))
}

/// Where the user's own config may be, best first.
pub(crate) fn user_files(var: Lookup<'_>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = config_dir(var).map(|dir| dir.join(NAME)).into_iter().collect();
    files.extend(var("HOME").map(|home| Path::new(&home).join(NAME)));
    files
}

/// `$XDG_CONFIG_HOME/electrictown`, else `~/.config/electrictown`.
pub(crate) fn config_dir(var: Lookup<'_>) -> Option<PathBuf> {
    let base = var("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    base.or_else(|| var("HOME").map(|home| Path::new(&home).join(".config"))).map(|dir| dir.join("electrictown"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_order_of_places() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for dir in ["home/.config/electrictown", "xdg/electrictown", "cwd"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        let home = at("home").to_str().unwrap().to_owned();
        let xdg = at("xdg").to_str().unwrap().to_owned();
        let look = |env: bool, xdg_set: bool, flag: Option<&str>, cwd: &str| {
            let var = |name: &str| match name {
                "HOME" => Some(home.clone()),
                "XDG_CONFIG_HOME" if xdg_set => Some(xdg.clone()),
                "ET_CONFIG" if env => Some("../named.yaml".to_owned()),
                _ => None,
            };
            find(flag.map(Path::new), &at(cwd), &var)
        };
        assert_eq!(look(false, false, None, "cwd"), Ok(None));
        assert_eq!(look(true, false, None, "cwd").unwrap_err().exit_code, 2);
        assert_eq!(look(false, false, Some("none.yaml"), "cwd").unwrap_err().exit_code, 2);
        // Each new file stands before those that were made earlier.
        for (file, env, flag, origin) in [
            ("home/electrictown.yaml", false, None, Origin::User),
            ("home/.config/electrictown/electrictown.yaml", false, None, Origin::User),
            ("cwd/electrictown.yaml", false, None, Origin::Here),
            ("named.yaml", true, None, Origin::Named),
            ("cwd/flag.yaml", true, Some("flag.yaml"), Origin::Named),
        ] {
            std::fs::write(at(file), "").unwrap();
            let found = look(env, false, flag, "cwd").unwrap().unwrap();
            assert_eq!(found.origin, origin, "{file}");
            assert_eq!(std::fs::canonicalize(found.path).unwrap(), std::fs::canonicalize(at(file)).unwrap());
        }
        // In the home dir the file is the user's own.
        assert_eq!(look(false, true, None, "home").unwrap().unwrap().origin, Origin::User);
        let _ = std::fs::remove_file(at("cwd/electrictown.yaml"));
        std::fs::write(at("xdg/electrictown/electrictown.yaml"), "").unwrap();
        assert_eq!(look(false, true, None, "cwd").unwrap().unwrap().path, at("xdg/electrictown/electrictown.yaml"));
    }
}
