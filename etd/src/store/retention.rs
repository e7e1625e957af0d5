//! Staying within limits: old rounds go, with all that is theirs.
//!
//! The first round of a session goes first, so what a session keeps is always the end of its list and of its log. Taking a round out is
//! one small transaction, after which nobody sees it any more; what it leaves (events, steps, contents of files) goes in batches, each
//! short, so that nobody waits long for the writer. A daemon that dies in between leaves a mark that says so, and the next one goes on.
//! A content goes with the last round that recorded it. The last event of a session that lives on stays, though nobody sees it, whatever
//! round it is of: it says which position in the log comes next, and goes with a later round.
//!
//! Never taken: a round that hasn't ended, one that ended a moment ago (whoever waits for it must still find it), one whose undo isn't
//! finished, and any round of a session that somebody reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use proto::config::Keep;
use proto::id::SessionId;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::read::{Reader, parsed};
use super::{Store, StoreError, now_ms, sqlite};

/// Time after its end in which a round isn't removed.
pub const SETTLED: Duration = Duration::from_secs(600);
/// Names of damaged databases begin so; the time in milliseconds follows.
const SET_ASIDE: &str = "et.damaged-";
/// Damaged databases that are kept.
const SET_ASIDE_MOST: usize = 3;
/// How long they are.
const SET_ASIDE_TIME: Duration = Duration::from_secs(30 * 86_400);
/// Removed rounds that are remembered.
const REMEMBERED: i64 = 10_000;
/// Rows in one batch at most.
const EVENTS: usize = 500;
const STEPS: usize = 50;
const CONTENTS: usize = 32;
/// Bytes of contents in one batch, about.
const BYTES: i64 = 4 << 20;
/// Pages that are given back to the file system at once, at most: fewer where many are free, since SQLite looks for each among all of them.
const PAGES: i64 = 256;
/// Free pages among which looking for one is quick.
const FEW: i64 = 16_384;
/// Free pages that stay for what comes next: a part of the file, within bounds.
const SLACK: (i64, i64, i64) = (32, 256, 4096);

/// What the database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Sessions.
    pub sessions: u64,
    /// Rounds.
    pub rounds: u64,
    /// When the oldest of them was queued, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Bytes in use, without free pages and the write-ahead log.
    pub bytes: u64,
}

/// Something that isn't there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The session.
    pub session: SessionId,
    /// Its round.
    pub round: u32,
    /// When it was removed, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Removed {
    /// `removed by retention on DATE`.
    #[must_use]
    pub fn when(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.at_ms).unwrap_or_default();
        format!("removed by retention on {}", at.to_zoned(jiff::tz::TimeZone::system()).date())
    }
}

impl Store {
    /// Takes the oldest round out that is beyond the limits, if there is one; with `any`, the oldest one whatever the limits say. Returns it,
    /// and whether its session went with it. [`Store::clear`] removes what it leaves.
    ///
    /// # Errors
    /// If the database can't be written.
    pub async fn remove_oldest(&self, keep: Keep, any: bool) -> Result<Option<(Removed, bool)>, StoreError> {
        let read: BTreeSet<SessionId> = {
            let heads = self.inner.heads.lock().unwrap_or_else(PoisonError::into_inner);
            heads.iter().filter(|(_, sender)| sender.receiver_count() > 0).map(|(id, _)| *id).collect()
        };
        let now = now_ms();
        let taken =
            self.inner.writer.run(move |db| take_out(db, keep, any, &read, now).map_err(|error| sqlite(&error)));
        taken.await
    }

    /// Makes every round that has ended one that may be removed.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "for tests")]
    pub(crate) async fn settle_all(&self) {
        let settle = "UPDATE round SET ended_ms = ended_ms - 3600000 WHERE state = 'ended'";
        self.inner.writer.run(move |db| db.execute(settle, []).map_err(|error| sqlite(&error))).await.unwrap();
    }

    /// Removes one batch of what removed rounds left. Returns whether there may be more.
    ///
    /// # Errors
    /// If the database can't be written.
    pub async fn clear(&self) -> Result<bool, StoreError> {
        self.inner.writer.run(|db| clear(db).map_err(|error| sqlite(&error))).await
    }

    /// Gives some of the free pages back to the file system, which [`Store::checkpoint`] makes true. Returns whether there may be more.
    ///
    /// # Errors
    /// If the database can't be written.
    pub async fn shrink(&self) -> Result<bool, StoreError> {
        self.inner.writer.run(|db| shrink(db).map_err(|error| sqlite(&error))).await
    }

    /// Takes the write-ahead log over into the database and empties it, unless a reader is in the way: then the next time will do.
    ///
    /// # Errors
    /// If the database can't be written.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.writer.run(|db| checkpoint(db).map_err(|error| sqlite(&error))).await
    }
}

fn take_out(
    db: &mut Connection,
    keep: Keep,
    any: bool,
    read: &BTreeSet<SessionId>,
    now: i64,
) -> rusqlite::Result<Option<(Removed, bool)>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let settled = now.saturating_sub(SETTLED.as_millis() as i64);
    let old = now.saturating_sub(i64::from(keep.days).saturating_mul(86_400_000));
    let rounds: u32 = transaction.query_row("SELECT count(*) FROM round", [], |row| row.get(0))?;
    // With too many of them, or too large a database, any will do.
    let before = if any || rounds > keep.rounds { settled } else { settled.min(old) };
    let found = {
        let mut statement = transaction.prepare_cached(
            "SELECT session, round, id FROM round r
             WHERE state = 'ended' AND ended_ms <= ?1 AND (undo_ms IS NULL OR undone_ms IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM round o WHERE o.session = r.session AND o.round < r.round)
             ORDER BY ended_ms, rowid",
        )?;
        let mut rows = statement.query([before])?;
        let mut found = None;
        while let Some(row) = rows.next()? {
            let session: SessionId = parsed(row, 0)?;
            if !read.contains(&session) {
                found = Some((session, row.get::<_, u32>(1)?, row.get::<_, String>(2)?));
                break;
            }
        }
        found
    };
    let Some((session, round, id)) = found else { return Ok(None) };
    let name = session.to_string();
    transaction.execute("DELETE FROM idempotency WHERE session = ?1 AND round = ?2", params![name, round])?;
    transaction.execute("DELETE FROM round WHERE session = ?1 AND round = ?2", params![name, round])?;
    let sessions = transaction.execute(
        "DELETE FROM session WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM round WHERE session = ?1)",
        [&name],
    )?;
    transaction.execute(
        "INSERT OR REPLACE INTO removed (session, round, id, at_ms, pending) VALUES (?1, ?2, ?3, ?4, 1)",
        params![name, round, id, now],
    )?;
    transaction.execute(
        "DELETE FROM removed WHERE pending = 0
         AND at_ms < (SELECT at_ms FROM removed ORDER BY at_ms DESC LIMIT 1 OFFSET ?1)",
        [REMEMBERED],
    )?;
    transaction.commit()?;
    Ok(Some((Removed { session, round, at_ms: now }, sessions > 0)))
}

fn clear(db: &mut Connection) -> rusqlite::Result<bool> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let next = transaction
        .prepare_cached("SELECT session, round, id FROM removed WHERE pending = 1 ORDER BY at_ms LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?)))
        .optional()?;
    let Some((session, round, id)) = next else { return Ok(false) };
    let events = transaction
        .prepare_cached(
            // Rounds before this one are gone as well.
            "DELETE FROM event WHERE session = ?1
             AND seq IN (SELECT seq FROM event WHERE session = ?1 AND round <= ?2
                         AND NOT (seq = (SELECT max(seq) FROM event WHERE session = ?1)
                                  AND EXISTS (SELECT 1 FROM session WHERE id = ?1)) LIMIT ?3)",
        )?
        .execute(params![session, round, EVENTS])?;
    let steps = transaction
        .prepare_cached(
            "DELETE FROM step WHERE round = ?1 AND key IN (SELECT key FROM step WHERE round = ?1 LIMIT ?2)",
        )?
        .execute(params![id, STEPS])?;
    transaction.prepare_cached("DELETE FROM call WHERE round = ?1")?.execute([&id])?;
    let contents = clear_contents(&transaction, &id)?;
    if events < EVENTS && steps < STEPS && !contents {
        transaction
            .prepare_cached("UPDATE removed SET pending = 0 WHERE session = ?1 AND round = ?2")?
            .execute(params![session, round])?;
    }
    transaction.commit()?;
    Ok(true)
}

/// Removes some of the contents that only this round recorded. Returns whether there may be more of them.
fn clear_contents(db: &Connection, round: &str) -> rusqlite::Result<bool> {
    let hashes: Vec<String> = db
        .prepare_cached("SELECT hash FROM blob_use WHERE round = ?1 LIMIT ?2")?
        .query_map(params![round, CONTENTS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut bytes = 0;
    for (done, hash) in hashes.iter().enumerate() {
        if bytes > BYTES {
            return Ok(done < hashes.len());
        }
        db.prepare_cached("DELETE FROM blob_use WHERE round = ?1 AND hash = ?2")?.execute([round, hash])?;
        let size: Option<i64> = db
            .prepare_cached(
                "SELECT length(bytes) FROM blob WHERE hash = ?1
                 AND NOT EXISTS (SELECT 1 FROM blob_use WHERE hash = ?1)",
            )?
            .query_row([hash], |row| row.get(0))
            .optional()?;
        if let Some(size) = size {
            bytes += size;
            db.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash])?;
        }
    }
    Ok(hashes.len() == CONTENTS)
}

fn shrink(db: &mut Connection) -> rusqlite::Result<bool> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (part, least, most) = SLACK;
    let listed = number("freelist_count")?;
    let free = listed - (number("page_count")? / part).clamp(least, most);
    let incremental = 2;
    if free > 0 && number("auto_vacuum")? == incremental {
        let pages = (PAGES * FEW / listed.max(1)).clamp(1, PAGES).min(free);
        let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        // Each row is a page.
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        return Ok(true);
    }
    Ok(false)
}

fn checkpoint(db: &mut Connection) -> rusqlite::Result<()> {
    // Nobody waits here.
    let patience = db.pragma_query_value(None, "busy_timeout", |row| row.get::<_, u64>(0))?;
    db.busy_timeout(Duration::ZERO)?;
    let emptied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    db.busy_timeout(Duration::from_millis(patience))?;
    emptied
}

/// Removes databases that were found damaged and set aside, but for the newest ones of the last time. Blocks.
pub fn drop_set_aside(dir: &Path, now: SystemTime) {
    let oldest = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(SET_ASIDE_TIME);
    let mut found: Vec<(u128, PathBuf)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let digits = name.strip_prefix(SET_ASIDE)?;
            // Its log may lie beside it, under the same name with an ending.
            let digits = digits.split_once('-').map_or(digits, |(digits, _)| digits);
            Some((digits.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    let mut times: Vec<u128> = found.iter().map(|(time, _)| *time).collect();
    times.dedup();
    for (time, path) in found {
        if time < oldest.as_millis() || times.iter().position(|known| *known == time) >= Some(SET_ASIDE_MOST) {
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!("{} removed by retention", path.display()),
                Err(error) => tracing::warn!("{}: {error}", path.display()),
            }
        }
    }
}

impl Reader<'_> {
    /// What there is.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn holdings(&self) -> Result<Holdings, StoreError> {
        let number = |name| {
            self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0)).map_err(|error| sqlite(&error))
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        let bytes = pages.saturating_mul(number("page_size")?);
        let held =
            self.one("SELECT (SELECT count(*) FROM session), count(*), min(queued_ms) FROM round", [], |row| {
                Ok(Holdings { sessions: row.get(0)?, rounds: row.get(1)?, oldest_ms: row.get(2)?, bytes })
            })?;
        Ok(held.unwrap_or_default())
    }

    /// What is to be kept: as the last client said that said anything about it.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn keep(&self) -> Result<Keep, StoreError> {
        let json: Option<String> =
            self.one("SELECT value FROM mark WHERE key = 'keep'", [], |row| row.get::<_, String>(0))?;
        // One that can't be read was written by another version: better too much is kept than too little.
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    /// What was removed of sessions whose id starts with a prefix (hyphens don't count): the last round of each, two at most.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn removed_by_prefix(&self, prefix: &str) -> Result<Vec<Removed>, StoreError> {
        let prefix: String = prefix.to_lowercase().chars().filter(char::is_ascii_hexdigit).collect();
        self.removed(
            "WHERE substr(replace(session, '-', ''), 1, length(?1)) = ?1 GROUP BY session LIMIT 2",
            "max(round)",
            [prefix],
        )
    }

    /// When a round was removed; none if it wasn't, or if that was forgotten.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn removed_round(&self, session: SessionId, round: u32) -> Result<Option<Removed>, StoreError> {
        Ok(self.removed("WHERE session = ?1 AND round = ?2", "round", params![session.to_string(), round])?.pop())
    }

    fn removed(&self, tail: &str, round: &str, values: impl rusqlite::Params) -> Result<Vec<Removed>, StoreError> {
        // With `max`, SQLite takes the other columns from the row that has it.
        self.all(&format!("SELECT session, {round}, at_ms FROM removed {tail}"), values, |row| {
            Ok(Removed { session: parsed(row, 0)?, round: row.get(1)?, at_ms: row.get(2)? })
        })
    }
}

#[cfg(test)]
mod tests;
