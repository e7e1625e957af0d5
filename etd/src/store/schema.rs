//! Opening the database: soundness, version, migrations from the top level's `migrations/`.

use std::path::Path;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use rusqlite_migration::{Migrations, SchemaVersion};

use super::{StoreError, sqlite};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

/// Bytes of the write-ahead log that stay on disk at most.
const WAL_LEFT: i64 = 8 << 20;
/// Bytes of a database that is rewritten in a moment.
const QUICKLY_REWRITTEN: i64 = 32 << 20;

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
    migrations.to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => sqlite(&err),
        other => StoreError::Sqlite(other.to_string()),
    })?;
    if let Err(error) = shrinkable(&connection) {
        tracing::warn!(%error, "the database file will not shrink");
    }
    Ok(connection)
}

/// Settings of the connection that writes.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    if connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? == 0 {
        // Before there is a table; otherwise see `shrinkable`.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What the log of a busy moment leaves on disk at most, once it was taken over.
    connection.pragma_update(None, "journal_size_limit", WAL_LEFT)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(())
}

/// Makes a database from before retention one whose file can shrink, where that is a matter of a moment. A larger one stays as it is: what
/// is removed from it makes room for what comes.
fn shrinkable(connection: &Connection) -> rusqlite::Result<()> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let incremental = 2;
    if number("auto_vacuum")? == incremental || number("page_count")? * number("page_size")? > QUICKLY_REWRITTEN {
        return Ok(());
    }
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.execute_batch("VACUUM")
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
            Err(StoreError::Newer { found: 99, known: 3 }) => {}
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

    #[test]
    fn data_of_the_first_schema_comes_through_all_migrations() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        let mut first = Connection::open(&path).unwrap();
        first.pragma_update(None, "journal_mode", "wal").unwrap();
        migrations().unwrap().to_version(&mut first, 1).unwrap();
        let (hash, other) = ("a".repeat(64), "b".repeat(64));
        let wrote = format!(r#"{{"changes":[{{"path":"f","before":null,"after":"{hash}"}}]}}"#);
        first
            .execute_batch(&format!(
                "INSERT INTO session VALUES ('s', 1, 2, '/w', '{{}}', 1);
                 INSERT INTO round (session, round, id, state, task, spec, spec_version, queued_ms, ended_ms)
                   VALUES ('s', 1, 'r', 'ended', 'a task', '{{}}', 1, 3, 4);
                 INSERT INTO event VALUES ('s', 1, 1, 'k', '{{}}');
                 INSERT INTO blob VALUES ('{hash}', x'01'), ('{other}', x'02');
                 INSERT INTO step VALUES ('r', 'write/a', 1, NULL, '{wrote}', 1, 5), ('r', 'edits/b', 2, NULL, 'no JSON', 1, 6),
                   ('r', 'work/c', 3, NULL, '\"{other}\"', 1, 7);"
            ))
            .unwrap();
        drop(first);
        let now = open(&path).unwrap();
        let row: (String, Option<i64>) = now
            .query_row("SELECT task, undo_ms FROM round WHERE id = 'r'", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, ("a task".to_owned(), None));
        let used: Vec<(String, String)> = now
            .prepare("SELECT round, hash FROM blob_use")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(used, [("r".to_owned(), hash)]);
        assert_eq!(now.query_row("SELECT count(*) FROM step", [], |row| row.get::<_, i64>(0)).unwrap(), 3);
        // Its file can shrink from now on, as that of a new one can.
        for path in [path, dir.path().join("new.db")] {
            let mode: i64 = open(&path).unwrap().pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
            assert_eq!(mode, 2, "{}", path.display());
        }
    }
}
