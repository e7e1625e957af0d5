//! Which of rustup's toolchains a check gets.
//!
//! A `rust-toolchain.toml` in the tree may name a version, which would be downloaded, or a dir of the tree with programs. The first is
//! honoured if that version is installed; everything else is replaced by the user's default.

use std::collections::BTreeMap;
use std::path::Path;

/// Longest file that is read.
const MAX_FILE: u64 = 64 << 10;

/// The value of `RUSTUP_TOOLCHAIN`: the caller's, the installed one that the tree names, the user's default. None: rustup may choose,
/// since there is no default.
pub(super) fn choose(rustup: &Path, env: &BTreeMap<String, String>, work_dir: Option<&Path>) -> Option<String> {
    if let Some(own) = env.get("RUSTUP_TOOLCHAIN").filter(|name| is_name(name)) {
        return Some(own.clone());
    }
    let installed = |channel: &String| {
        let names = std::fs::read_dir(rustup.join("toolchains")).into_iter().flatten().filter_map(Result::ok);
        let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names.any(|name| {
            name == *channel || name.strip_prefix(channel.as_str()).is_some_and(|host| host.starts_with('-'))
        })
    };
    let of_tree = work_dir.and_then(|dir| {
        let named = ["rust-toolchain.toml", "rust-toolchain"].iter().find_map(|name| text(&dir.join(name)));
        channel(&named?)
    });
    of_tree.filter(installed).or_else(|| value(&text(&rustup.join("settings.toml"))?, "default_toolchain"))
}

fn text(path: &Path) -> Option<String> {
    let meta = path.symlink_metadata().ok()?;
    (meta.is_file() && meta.len() <= MAX_FILE).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// The channel in either form of the file: TOML, or the name alone.
fn channel(text: &str) -> Option<String> {
    if text.contains('[') { value(text, "channel") } else { Some(text.trim().to_owned()).filter(|name| is_name(name)) }
}

/// A string in a line `name = "…"`.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='))?;
    let value = line.trim().strip_prefix(['"', '\''])?.split(['"', '\'']).next()?;
    is_name(value).then(|| value.to_owned())
}

/// No path, no option.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let room = tempfile::tempdir().unwrap();
        for name in ["stable-x86_64-unknown-linux-gnu", "1.80.0-x86_64-unknown-linux-gnu"] {
            std::fs::create_dir_all(room.path().join("rustup/toolchains").join(name)).unwrap();
        }
        let settings = "version = \"12\"\ndefault_toolchain = \"stable-x86_64-unknown-linux-gnu\"\n";
        std::fs::write(room.path().join("rustup/settings.toml"), settings).unwrap();
        let default = "stable-x86_64-unknown-linux-gnu";
        let table = [
            ("", "", default),
            ("[toolchain]\nchannel = \"1.80.0\"\n", "", "1.80.0"),
            ("1.80.0\n", "", "1.80.0"),
            ("[toolchain]\nchannel = \"1.81.0\"\n", "", default),
            ("[toolchain]\nchannel = \"1.8\"\n", "", default),
            ("[toolchain]\npath = \"./evil\"\n", "", default),
            ("../evil", "", default),
            ("1.80.0", "nightly", "nightly"),
            ("1.80.0", "/tmp/evil", "1.80.0"),
        ];
        for (file, own, expected) in table {
            std::fs::write(room.path().join("rust-toolchain.toml"), file).unwrap();
            let env = BTreeMap::from([("RUSTUP_TOOLCHAIN".to_owned(), own.to_owned())]);
            let chosen = choose(&room.path().join("rustup"), &env, Some(room.path()));
            assert_eq!(chosen.as_deref(), Some(expected), "{file:?} {own:?}");
        }
    }
}
