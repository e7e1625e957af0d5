//! Opening the database: soundness, version, migrations from the top level's `migrations/`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
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

/// The largest database in bytes of which every page is looked at when it is opened. A larger one would slow the start; it is looked at
/// whole once a page of it was found damaged.
const LOOKED_THROUGH: u64 = 32 * 1024 * 1024;

/// Opens, checks and migrates.
///
/// A new database comes into being under another name and gets its own when it is complete. So one that is empty or lacks its head is
/// never one that was just begun.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let unwritable = |error: std::io::Error| StoreError::Unwritable(error.to_string());
    let dir = path.parent().unwrap_or(Path::new("/"));
    if let Some(kind) = super::filesystem::network(dir) {
        return Err(StoreError::Network { path: dir.display().to_string(), kind });
    }
    let log = beside(path, "-wal");
    let log_bytes = content(&log).map_err(unwritable)?.unwrap_or_default();
    let length = match std::fs::symlink_metadata(path) {
        Ok(metadata) => Some(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(unwritable(error)),
    };
    let why = match length {
        None if log_bytes.is_empty() => {
            create(path)?;
            None
        }
        None => Some("it is gone, and its log is still there".to_owned()),
        Some(0) => Some("it is empty".to_owned()),
        Some(_) => super::wal::broken(&log_bytes),
    };
    drop(log_bytes);
    if let Some(why) = why {
        return Err(set_aside(path, why));
    }
    let mut connection = Connection::open(path).map_err(|error| sqlite(&error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| sqlite(&error))?;
    // Whatever is found: the log stays as it is until the database is known to be sound.
    let keep_log = |connection: &Connection, keep| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map_err(|error| sqlite(&error))
    };
    keep_log(&connection, true)?;
    let suspect = beside(path, SUSPECT);
    let look_through = length.is_some_and(|length| length <= LOOKED_THROUGH) || suspect.exists();
    match soundness(&connection, look_through) {
        Ok(None) => {}
        Ok(Some(why)) => {
            drop(connection);
            return Err(set_aside(path, why));
        }
        Err(error) => return Err(sqlite(&error)),
    }
    let _ = std::fs::remove_file(suspect);
    keep_log(&connection, false)?;
    configure(&connection).map_err(|error| sqlite(&error))?;
    migrate(&mut connection)?;
    if let Err(error) = shrinkable(&connection) {
        tracing::warn!(%error, "the database file will not shrink");
    }
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let migrations = migrations()?;
    let known = migrations.current_version(connection).map_err(failed)?;
    if let SchemaVersion::Outside(found) = known {
        return Err(StoreError::Newer { found: found.get(), known: MIGRATIONS.dirs().count() });
    }
    proto::hooks::pause_blocking("store.migrating");
    migrations.to_latest(connection).map_err(failed)?;
    proto::hooks::pause_blocking("store.migrated");
    Ok(())
}

fn failed(error: rusqlite_migration::Error) -> StoreError {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => sqlite(&err),
        other => StoreError::Sqlite(other.to_string()),
    }
}

/// Makes an empty database. It is durable when this returns.
fn create(path: &Path) -> Result<(), StoreError> {
    let unwritable = |error: std::io::Error| StoreError::Unwritable(error.to_string());
    let new = beside(path, ".new");
    // What was begun before was never used.
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&new, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(error)),
            _ => {}
        }
    }
    let mut connection = Connection::open(&new).map_err(|error| sqlite(&error))?;
    configure(&connection).map_err(|error| sqlite(&error))?;
    migrate(&mut connection)?;
    // Its log goes into it and is removed.
    connection.close().map_err(|(_, error)| sqlite(&error))?;
    let sync = |path: &Path| std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(unwritable);
    sync(&new)?;
    if beside(&new, "-wal").exists() {
        return Err(StoreError::Unwritable("a new database can't be completed".to_owned()));
    }
    std::fs::rename(&new, path).map_err(unwritable)?;
    path.parent().map_or(Ok(()), sync)
}

/// How long another program's lock on the database is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Settings of the connection that writes.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
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

/// What is wrong with a database, if anything is; an error where that can't be found out. Unless it is looked through, the look costs
/// little however large it is.
fn soundness(connection: &Connection, look_through: bool) -> rusqlite::Result<Option<String>> {
    let sql =
        if look_through { "PRAGMA quick_check(1)" } else { "SELECT 'ok' FROM (SELECT count(*) FROM sqlite_schema)" };
    match connection.query_row(sql, [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => Ok(Some(said.replace('\n', " "))),
        Err(error) if super::is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Keeps a damaged database under another name, with its log, so that SQLite's own tools find both. It is never replaced silently: the
/// caller reports the error and stops.
fn set_aside(path: &Path, why: String) -> StoreError {
    let kept = path.with_extension(format!("damaged-{}", super::now_ms()));
    let mut failed = None;
    // The log first: behind a database that is gone it would be taken for one of the next.
    for suffix in ["-wal", ""] {
        match std::fs::rename(beside(path, suffix), beside(&kept, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                failed = Some(error);
                break;
            }
            _ => {}
        }
    }
    for suffix in ["-shm", SUSPECT] {
        let _ = std::fs::remove_file(beside(path, suffix));
    }
    let kept = match failed {
        None => kept.display().to_string(),
        Some(error) => format!("{} (it could not be renamed: {error})", path.display()),
    };
    StoreError::Damaged { path: path.display().to_string(), why, kept }
}

/// What the name of a database is followed by in that of an empty file that says that a page of it was found damaged.
const SUSPECT: &str = ".suspect";

/// Has the database looked through when it is opened next.
pub(super) fn suspect(path: &Path) {
    if let Err(error) = std::fs::write(beside(path, SUSPECT), "") {
        tracing::error!(%error, "the damage isn't marked");
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn content(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
    /// A database with some hundred rows and, if it stays open, a log; closed otherwise.
    fn filled(path: &Path) -> Connection {
        let connection = open(path).unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        for number in 0..300 {
            let row = (number.to_string(), "x".repeat(500));
            connection.execute("INSERT INTO mark (key, value) VALUES (?1, ?2)", row).unwrap();
        }
        connection
    }

    /// What was copied while a connection was open: as after a crash.
    fn crashed(path: &Path) -> (Vec<u8>, Vec<u8>) {
        let connection = filled(path);
        let files = (std::fs::read(path).unwrap(), std::fs::read(beside(path, "-wal")).unwrap());
        drop(connection);
        files
    }

    #[track_caller]
    fn assert_set_aside(path: &Path, says: &str) -> PathBuf {
        let Err(StoreError::Damaged { kept, why, .. }) = open(path) else { panic!("{path:?} isn't set aside") };
        assert!(why.contains(says), "{why}");
        assert!(!path.exists() && !beside(path, "-wal").exists());
        // The next one begins empty, and takes nothing of it for its own.
        assert_eq!(rows(&open(path).unwrap()), 0);
        kept.into()
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM mark", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_acknowledged_and_only_in_the_log_is_kept_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        let (database, log) = crashed(&path);
        for (length, says) in [(Some(0), "empty"), (None, "gone"), (Some(100), "")] {
            let _ = std::fs::remove_file(&path);
            if let Some(length) = length {
                std::fs::write(&path, &database[..length]).unwrap();
            }
            std::fs::write(beside(&path, "-wal"), &log).unwrap();
            let kept = assert_set_aside(&path, says);
            assert_eq!(std::fs::read(beside(&kept, "-wal")).unwrap(), log);
            // With the head put back, SQLite's own tools read all of it.
            std::fs::write(&kept, &database).unwrap();
            assert_eq!(rows(&Connection::open(&kept).unwrap()), 300);
        }
    }

    #[test]
    fn a_log_that_is_spoiled_is_no_reason_to_forget_what_is_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        let (database, log) = crashed(&path);
        for (at, says) in [(3, "begin"), (20, "head"), (log.len() / 2, "frame")] {
            let mut spoiled = log.clone();
            spoiled[at] ^= 0x20;
            std::fs::write(&path, &database).unwrap();
            std::fs::write(beside(&path, "-wal"), &spoiled).unwrap();
            let kept = assert_set_aside(&path, says);
            assert_eq!(std::fs::read(&kept).unwrap(), database);
            assert_eq!(std::fs::read(beside(&kept, "-wal")).unwrap(), spoiled);
            for suffix in ["", "-wal"] {
                let _ = std::fs::remove_file(beside(&path, suffix));
            }
        }
        // As it was, it is sound.
        std::fs::write(&path, &database).unwrap();
        std::fs::write(beside(&path, "-wal"), &log).unwrap();
        assert_eq!(rows(&open(&path).unwrap()), 300);
    }

    #[test]
    fn damage_behind_the_head_is_found_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        drop(filled(&path));
        let whole = std::fs::read(&path).unwrap();
        let middle = whole.len() / 2 / 4096 * 4096;
        std::fs::write(&path, &whole[..middle]).unwrap();
        assert_set_aside(&path, "malformed");
        let mut garbage = whole.clone();
        garbage[middle..middle + 4096].fill(0xa5);
        std::fs::write(&path, &garbage).unwrap();
        let kept = assert_set_aside(&path, "");
        assert_eq!(std::fs::read(kept).unwrap(), garbage);
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(rows(&open(&path).unwrap()), 300);
    }

    #[test]
    fn one_that_was_never_completed_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.db");
        for suffix in [".new", ".new-journal", ".new-wal"] {
            std::fs::write(beside(&path, suffix), "half").unwrap();
        }
        assert_eq!(rows(&open(&path).unwrap()), 0);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("new")), "{left:?}");
    }
}
