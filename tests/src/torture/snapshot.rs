//! What stands in the database of a daemon that is dead, read from a copy: looking at it recovers nothing and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proto::endpoint::DATABASE_FILE;
use rusqlite::{Connection, OpenFlags};

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoundSeen {
    /// Its id.
    pub(super) id: String,
    /// `queued`, `running`, `ended`.
    pub(super) state: String,
    /// Its report, as JSON.
    pub(super) report: Option<String>,
    /// Its steps.
    pub(super) steps: usize,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Events of each session, by their positions.
    pub(super) events: BTreeMap<String, Vec<(u64, String)>>,
    /// Rounds by session and number.
    pub(super) rounds: BTreeMap<(String, u32), RoundSeen>,
    /// First task of each session.
    pub(super) tasks: BTreeMap<String, String>,
    /// Texts of recorded answers.
    pub(super) answers: BTreeSet<String>,
    /// Ids of rounds whose plan was answered to its end.
    pub(super) planned: BTreeSet<String>,
}

/// Reads it. None: there is no database yet.
///
/// # Errors
/// If what is there can't be read.
pub(super) fn read(state_dir: &Path, scratch: &Path) -> Result<Option<Snapshot>, String> {
    let from = state_dir.join(DATABASE_FILE);
    if !from.exists() {
        return Ok(None);
    }
    let said = |error: std::io::Error| error.to_string();
    fs::create_dir_all(scratch).map_err(said)?;
    let to = scratch.join(DATABASE_FILE);
    for suffix in ["", "-wal"] {
        let (from, to) = (format!("{}{suffix}", from.display()), format!("{}{suffix}", to.display()));
        let _ = fs::remove_file(&to);
        if Path::new(&from).exists() {
            fs::copy(from, to).map_err(said)?;
        }
    }
    let _ = fs::remove_file(format!("{}-shm", to.display()));
    let database = Connection::open_with_flags(&to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(text)?;
    let tables: u32 = database
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name IN ('session', 'mark')", [], |row| row.get(0))
        .map_err(text)?;
    // It died before it had made them.
    if tables < 2 { Ok(None) } else { gather(&database).map(Some).map_err(text) }
}

fn text(error: rusqlite::Error) -> String {
    error.to_string()
}

fn gather(database: &Connection) -> rusqlite::Result<Snapshot> {
    let mut seen = Snapshot::default();
    let mut query = database.prepare("SELECT session, task FROM round WHERE round = 1")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    seen.tasks = rows.collect::<Result<_, _>>()?;
    let mut query = database.prepare("SELECT session, seq, json FROM event ORDER BY session, seq")?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
    for row in rows {
        let (session, seq, json) = row?;
        seen.events.entry(session).or_default().push((seq, json));
    }
    let mut query = database.prepare(
        "SELECT session, round, id, state, report, (SELECT count(*) FROM step WHERE step.round = round.id) FROM round",
    )?;
    let rows = query.query_map([], |row| {
        let round = RoundSeen { id: row.get(2)?, state: row.get(3)?, report: row.get(4)?, steps: row.get(5)? };
        Ok(((row.get(0)?, row.get(1)?), round))
    })?;
    seen.rounds = rows.collect::<Result<_, _>>()?;
    let mut query = database.prepare("SELECT round, key, value FROM step")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    for row in rows {
        let (round, key, value): (String, String, String) = row?;
        let value: serde_json::Value = serde_json::from_str(&value).unwrap_or_default();
        if let Some(text) = value["result"]["Ok"]["text"].as_str() {
            seen.answers.insert(text.trim().to_owned());
            if key == "plan" {
                seen.planned.insert(round);
            }
        }
    }
    Ok(seen)
}
