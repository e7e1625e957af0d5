//! From a program's name to its file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The first executable file of that name on `path`, which is in the form of the variable `PATH`.
///
/// Entries that are relative, empty, or inside `root` don't count: what a model wrote must not stand in for a tool. None if there
/// is no such file, the name is empty or has a slash.
#[must_use]
pub fn find_program(name: &str, path: Option<&str>, root: &Path) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let real_root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    path?
        .split(':')
        .map(Path::new)
        .filter(|dir| dir.is_absolute() && !dir.starts_with(root))
        .filter(|dir| dir.canonicalize().is_ok_and(|dir| !dir.starts_with(&real_root)))
        .map(|dir| dir.join(name))
        .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn put(file: &Path, mode: u32) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_tool_in_the_tree_is_no_tool() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_str().unwrap();
        put(&dir.path().join("work/bin/go"), 0o755);
        put(&dir.path().join("plain/go"), 0o644);
        put(&dir.path().join("real/go"), 0o755);
        std::os::unix::fs::symlink(dir.path().join("work/bin"), dir.path().join("link")).unwrap();
        let real = dir.path().join("real/go");
        let table: &[(&str, Option<String>, bool)] = &[
            ("go", Some(format!("{top}/work/bin:{top}/link:{top}/plain:{top}/none:bin::.:{top}/real")), true),
            ("go", Some(format!("{top}/work/bin:{top}/link")), false),
            ("go", Some("work/bin:.:".to_owned()), false),
            ("go", None, false),
            ("rust", Some(format!("{top}/real")), false),
            ("", Some(format!("{top}/real")), false),
            ("../real/go", Some(format!("{top}/plain")), false),
        ];
        for (name, path, found) in table {
            let expected = found.then(|| real.clone());
            assert_eq!(find_program(name, path.as_deref(), &dir.path().join("work")), expected, "{name} {path:?}");
        }
    }
}
