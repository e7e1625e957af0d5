//! A path below the work dir that was checked: relative, with slashes, without `.` and `..`, no control characters.
//!
//! That a path has this type says nothing about who may write it; see `workspace::policy`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A checked relative path, such as `internal/api/user.go`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// Why a text isn't a path below the work dir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is left of it.
    #[error("the path is empty")]
    Empty,
    /// It starts at the root, a drive or a home.
    #[error("the path is absolute")]
    Absolute,
    /// It has a `..` in it.
    #[error("the path leaves the work dir")]
    Parent,
    /// It has a character that no file name of ours has.
    #[error("the path has a control character")]
    Control,
    /// It is longer than a path may be.
    #[error("the path is too long")]
    TooLong,
    /// It names a directory.
    #[error("the path names a directory")]
    Directory,
}

impl RelPath {
    /// Checks a path. Backslashes count as slashes, `./` and doubled slashes are dropped.
    ///
    /// # Errors
    /// If it isn't a path of a file below the work dir.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        let text = text.replace('\\', "/");
        let drive =
            text.as_bytes().get(1) == Some(&b':') && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
        if text.starts_with('/') || drive || text == "~" || text.starts_with("~/") {
            return Err(PathError::Absolute);
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(PathError::Parent),
                part if part.len() > 255 => return Err(PathError::TooLong),
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            return Err(PathError::Empty);
        }
        if text.ends_with('/') {
            return Err(PathError::Directory);
        }
        let path = parts.join("/");
        if path.len() > 1024 {
            return Err(PathError::TooLong);
        }
        Ok(Self(path))
    }

    /// The path with slashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What stands before the last part; empty at the top.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// What stands behind the last dot of the last part; empty without one.
    #[must_use]
    pub fn extension(&self) -> &str {
        self.file_name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The form in which two paths that a case-insensitive file system takes for one are equal.
    #[must_use]
    pub fn folded(&self) -> String {
        fold_case(&self.0)
    }
}

/// The form in which two names that differ only by case are equal: there and back, since some letters (the long s, the dotless i, the
/// final sigma) have a capital that another small letter shares.
pub(crate) fn fold_case(name: &str) -> String {
    if name.is_ascii() { name.to_ascii_lowercase() } else { name.to_uppercase().to_lowercase() }
}

impl TryFrom<String> for RelPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_or_refused() {
        let table: &[(&str, Result<&str, PathError>)] = &[
            ("a.go", Ok("a.go")),
            ("./a//b/./c.go", Ok("a/b/c.go")),
            ("a\\b.go", Ok("a/b.go")),
            ("", Err(PathError::Empty)),
            (".", Err(PathError::Empty)),
            ("/etc/passwd", Err(PathError::Absolute)),
            ("C:\\x", Err(PathError::Absolute)),
            ("~/.ssh/id_rsa", Err(PathError::Absolute)),
            ("../x", Err(PathError::Parent)),
            ("a/../../x", Err(PathError::Parent)),
            ("a\\..\\x", Err(PathError::Parent)),
            ("a\u{1b}[2J", Err(PathError::Control)),
            ("a\0b", Err(PathError::Control)),
            ("dir/", Err(PathError::Directory)),
        ];
        for (text, expected) in table {
            let found = RelPath::parse(text);
            assert_eq!(found.as_ref().map(RelPath::as_str), expected.as_ref().copied(), "{text:?}");
        }
    }
}
