//! Opening the database: soundness, version, migrations from the top level's `migrations/`.

use std::path::Path;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use rusqlite_migration::{Migrations, SchemaVersion};

use super::{StoreError, sqlite};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

fn migrations() -> Result<Migrations<'static>, StoreError> {
    Migrations::from_directory(&MIGRATIONS).map_err(|error| StoreError::Sqlite(error.to_string()))
}

/// Opens, checks and migrates.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let existed = path.exists();
    let mut connection = Connection::open(path).map_err(|error| sqlite(&error))?;
    if existed && let Err(why) = soundness(&connection) {
        drop(connection);
        return Err(set_aside(path, why));
    }
    configure(&connection).map_err(|error| sqlite(&error))?;
    let migrations = migrations()?;
    let known = migrations.current_version(&connection).map_err(|error| StoreError::Sqlite(error.to_string()))?;
    if let SchemaVersion::Outside(found) = known {
        return Err(StoreError::Newer { found: found.get(), known: MIGRATIONS.dirs().count() });
    }
    proto::hooks::pause_blocking("store.migrating");
    migrations.to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => sqlite(&err),
        other => StoreError::Sqlite(other.to_string()),
    })?;
    proto::hooks::pause_blocking("store.migrated");
    Ok(connection)
}

/// Settings of the connection that writes.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(())
}

/// A look that costs little however large the database is.
fn soundness(connection: &Connection) -> Result<(), String> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Keeps a damaged database under another name. It is never replaced silently: the caller reports the error and stops.
fn set_aside(path: &Path, why: String) -> StoreError {
    let kept = path.with_extension(format!("damaged-{}", super::now_ms()));
    let kept_text = match std::fs::rename(path, &kept) {
        Ok(()) => kept.display().to_string(),
        Err(error) => format!("{} (it could not be renamed: {error})", path.display()),
    };
    StoreError::Damaged { path: path.display().to_string(), why, kept: kept_text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn migrations_are_valid() {
        migrations().unwrap().validate().unwrap();
    }

    #[test]
    fn a_newer_database_is_refused_with_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        drop(open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        match open(&path) {
            Err(StoreError::Newer { found: 99, known: 2 }) => {}
            other => panic!("{other:?}"),
        }
        assert!(path.exists());
    }

    #[test]
    fn a_damaged_database_is_set_aside_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        match open(&path) {
            Err(StoreError::Damaged { kept, .. }) => assert_eq!(std::fs::read(kept).unwrap(), vec![7; 8192]),
            other => panic!("{other:?}"),
        }
        assert!(!path.exists());
    }
}
