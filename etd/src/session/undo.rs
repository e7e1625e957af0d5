//! What a round changed, and taking it back.
//!
//! Undo is decided as a whole before anything is touched: every file must be as the round left it, or as it was before. That it begins is
//! recorded first, so a daemon that dies in the middle leaves a state that says so, and the same request completes it: a file that has
//! its content from before the round counts as done. One that can't be completed, as somebody else changed what was left, is given up when
//! it is asked for again, since the session takes no round before. From the look at the rounds until the beginning is recorded nothing is
//! queued or removed. It stands in the work dir's line like a round, and writes through the workspace
//! only, by compare-and-swap.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::event::Event;
use proto::id::SessionId;
use proto::message::Undone;
use proto::outcome::exit;

use super::{Engine, SessionError, workdirs};
use crate::relpath::RelPath;
use crate::round::{Net, NetFile, net};
use crate::store::{Change as Record, NewEvent, RoundRow, SessionRow, StoreError};
use crate::workspace::{Change, Hash, Workspace};

/// Time for a round that has ended to leave the line.
const LEAVING: Duration = Duration::from_secs(5);
/// Files that an error names.
const NAMED: usize = 20;

/// A round that ended, with what it changed.
pub(crate) struct Changed {
    /// The round.
    pub(crate) row: RoundRow,
    /// What it changed.
    pub(crate) net: Net,
}

/// A file to be put back.
struct Step {
    change: Change,
    mode: Option<u32>,
}

impl Engine {
    /// What a round changed; without a number, the newest one that ended and changed something.
    ///
    /// # Errors
    /// If there is no such round, it hasn't ended, or the record can't be read.
    pub(crate) async fn changed_by(&self, session: &SessionRow, round: Option<u32>) -> Result<Changed, SessionError> {
        let id = session.id;
        let short = id.short();
        let hint = format!("`et session show {short}` lists the rounds");
        let rounds = self.store.read(move |reader| reader.rounds(id)).await?;
        let Some(number) = round else {
            for row in rounds.into_iter().rev().filter(|row| row.state == "ended") {
                let changed = self.net_of(session, row).await?;
                if !changed.net.files.is_empty() {
                    return Ok(changed);
                }
            }
            return Err(SessionError::usage(format!("no round of session {short} that ended changed a file"), hint));
        };
        let Some(row) = rounds.into_iter().find(|row| row.round == number) else {
            if let Some(removed) = self.store.read(move |reader| reader.removed_round(id, number)).await? {
                let message = format!("round {number} of session {short} was {}", removed.when());
                return Err(SessionError::usage(message, super::KEPT));
            }
            return Err(SessionError::usage(format!("session {short} has no round {number}"), hint));
        };
        if row.state != "ended" {
            return Err(at_work(format!("round {number} of session {short} hasn't ended"), id));
        }
        self.net_of(session, row).await
    }

    async fn net_of(&self, session: &SessionRow, row: RoundRow) -> Result<Changed, SessionError> {
        let id = row.id;
        let mut net = self.store.read(move |reader| net(&reader.write_steps(id)?)).await?;
        if net.files.values().any(|file| file.perhaps.is_some())
            && let Some(dir) = session.work_dir.clone()
        {
            let begun = row.undo_ms.is_some();
            net = blocking(move || {
                let workspace = open(&dir).ok();
                net.files.retain(|path, file| settle(workspace.as_ref(), begun, path, file));
                net
            })
            .await?;
        }
        Ok(Changed { row, net })
    }

    /// Puts every file that a round changed back to its content before the round.
    ///
    /// If the future is dropped, what was begun is done to its end.
    ///
    /// # Errors
    /// If there is no such round, something runs or is queued in the work dir, or a file isn't as the round left it: then nothing is
    /// touched. If a file can't be written: then the same request goes on from there.
    pub async fn undo(self: &Arc<Self>, session: SessionRow, round: Option<u32>) -> Result<Undone, SessionError> {
        let engine = Arc::clone(self);
        self.surely(async move { engine.take_back(&session, round).await }).await
    }

    async fn take_back(&self, session: &SessionRow, round: Option<u32>) -> Result<Undone, SessionError> {
        let id = session.id;
        let Some(dir) = session.work_dir.clone() else {
            return Err(SessionError::usage(
                format!("session {} has no work dir: there is nothing to undo", id.short()),
                "its answers are in its log dir",
            ));
        };
        // Held to the end: a round that is queued meanwhile waits.
        let ticket = self.ticket_for(id, &dir);
        self.own_turn(id, &ticket).await?;
        // Whoever sends or removes something does it before, and then it is seen here, or finds the beginning on record.
        let order = self.sends.lock().await;
        if self.store.read(move |reader| reader.rounds(id)).await?.iter().any(|row| row.state != "ended") {
            return Err(at_work(format!("a round of session {} runs or is queued", id.short()), id));
        }
        let Changed { row, net } = self.changed_by(session, round).await?;
        let number = row.round;
        if net.files.is_empty() {
            return Err(SessionError::usage(
                format!("round {number} changed no file: there is nothing to undo"),
                format!("`et session show {}` lists the rounds", id.short()),
            ));
        }
        let files: Vec<String> = net.files.keys().map(ToString::to_string).collect();
        let earlier = self.earlier(session, number).await?;
        if row.undone_ms.is_some() {
            return Ok(Undone { session: id, round: number, files, already: true, earlier });
        }
        let workspace = blocking(move || open(&dir)).await??;
        let workspace = Arc::new(workspace);
        let begun = row.undo_ms.is_some();
        let decided = {
            let workspace = Arc::clone(&workspace);
            let files = net.files.clone();
            let decided = blocking(move || {
                if begun {
                    // What a daemon that died in the middle left behind.
                    workspace.sweep();
                }
                decide(&workspace, number, begun, files)
            });
            decided.await?
        };
        if begun && decided.is_err() {
            self.store.commit(vec![Record::UndoGivenUp { id: row.id }]).await?;
        }
        let steps = decided?;
        self.all_kept(&steps).await?;
        self.store.commit(vec![Record::UndoBegun { id: row.id }]).await?;
        drop(order);
        proto::hooks::pause("undo.begun").await;
        let total = steps.len();
        for (at, Step { change, mode }) in steps.into_iter().enumerate() {
            let content = match &change.after {
                Some(Hash(hash)) => {
                    let hash = hash.clone();
                    Some(self.store.read(move |reader| reader.blob(&hash)).await?.ok_or_else(|| gone(&change.path))?)
                }
                None => None,
            };
            let workspace = Arc::clone(&workspace);
            let applied = blocking(move || workspace.apply_as(&change, content.as_deref(), mode)).await?;
            applied.map_err(|error| SessionError {
                exit_code: exit::USAGE,
                message: format!("{error}; {at} of {total} files are put back, the others are as they were"),
                hint: Some("see to that file, then undo again: it goes on from there".to_owned()),
            })?;
            proto::hooks::pause("undo.applied").await;
        }
        let dirs = net.dirs;
        blocking(move || {
            // Those below come behind those above them.
            for dir in dirs.iter().rev() {
                workspace.remove_empty_dir(dir);
            }
        })
        .await?;
        proto::hooks::pause("undo.files_back").await;
        let event = Event::RoundUndone { files: files.clone() };
        let (store, round_id) = (&self.store, row.id);
        store
            .commit_patiently(|| {
                let event = Box::new(NewEvent::new("round.undone", event.clone()));
                vec![Record::RoundUndone { id: round_id }, Record::Event { session: id, round: number, event }]
            })
            .await?;
        proto::hooks::pause("undo.recorded").await;
        tracing::info!(session = %id, round = number, files = files.len(), "round undone");
        Ok(Undone { session: id, round: number, files, already: false, earlier })
    }

    /// Waits for rounds that have ended to leave the work dir; refuses where one hasn't.
    async fn own_turn(&self, session: SessionId, ticket: &workdirs::Ticket) -> Result<(), SessionError> {
        let deadline = tokio::time::Instant::now() + LEAVING;
        while let Some(holder) = ticket.waits_for() {
            let rounds = self.store.read(move |reader| reader.rounds(holder)).await?;
            let busy = rounds.iter().any(|row| row.state != "ended");
            let left = async {
                if busy {
                    return false;
                }
                tokio::time::timeout_at(deadline, ticket.turn()).await.is_ok()
            };
            if !left.await {
                let what = if holder == session {
                    format!("a round of session {} runs or is queued", session.short())
                } else {
                    format!("session {} is at work in this work dir", holder.short())
                };
                return Err(at_work(what, holder));
            }
        }
        Ok(())
    }

    /// The newest round before this one that changed something and isn't undone.
    async fn earlier(&self, session: &SessionRow, number: u32) -> Result<Option<u32>, SessionError> {
        let id = session.id;
        let found = self.store.read(move |reader| {
            let rounds = reader.rounds(id)?.into_iter().rev();
            for row in rounds.filter(|row| row.round < number && row.state == "ended" && row.undone_ms.is_none()) {
                if !net(&reader.write_steps(row.id)?)?.files.is_empty() {
                    return Ok(Some(row.round));
                }
            }
            Ok(None)
        });
        Ok(found.await?)
    }

    /// Fails unless every content that is to be put back is kept.
    async fn all_kept(&self, steps: &[Step]) -> Result<(), SessionError> {
        let wanted: Vec<(RelPath, Hash)> =
            steps.iter().filter_map(|step| Some((step.change.path.clone(), step.change.after.clone()?))).collect();
        let missing = self.store.read(move |reader| {
            for (path, Hash(hash)) in wanted {
                if reader.blob_size(&hash)?.is_none() {
                    return Ok(Some(path));
                }
            }
            Ok(None)
        });
        match missing.await? {
            Some(path) => Err(gone(&path)),
            None => Ok(()),
        }
    }
}

/// Opens the work dir, which must be there.
fn open(dir: &str) -> Result<Workspace, SessionError> {
    if !std::fs::metadata(dir).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(SessionError::usage(
            format!("the work dir {dir} is gone: there is nothing to put back"),
            "`et session diff` still shows what the round changed",
        ));
    }
    Workspace::open(Path::new(dir), None).map_err(|error| SessionError::usage(error.to_string(), error.hint()))
}

/// Finds out from the tree whether a change without a recorded end was made. Returns whether the file differs from before.
///
/// Once an undo has begun the tree tells nothing any more: the change counts as one that may have been made.
fn settle(workspace: Option<&Workspace>, begun: bool, path: &RelPath, file: &mut NetFile) -> bool {
    let Some(perhaps) = file.perhaps.take() else { return true };
    let found = workspace.and_then(|workspace| workspace.hash(path).ok());
    if found.is_some_and(|found| found == perhaps) || (begun && file.before == file.after) {
        file.after = perhaps;
    } else if begun {
        file.perhaps = Some(perhaps);
    }
    file.before != file.after
}

/// What is to be done to each file that isn't as it was before the round, if nobody else changed any.
fn decide(
    workspace: &Workspace,
    round: u32,
    begun: bool,
    files: std::collections::BTreeMap<RelPath, NetFile>,
) -> Result<Vec<Step>, SessionError> {
    let mut steps = Vec::new();
    let mut others = Vec::new();
    for (path, file) in files {
        match workspace.hash(&path) {
            Ok(found) if found == file.before => {}
            Ok(found) if found == file.after || file.perhaps.as_ref() == Some(&found) => {
                let change = Change { path, before: found, after: file.before };
                steps.push(Step { change, mode: file.mode });
            }
            // Whatever stands there, the round didn't put it there.
            Ok(_) | Err(_) => others.push(path.to_string()),
        }
    }
    if others.is_empty() {
        return Ok(steps);
    }
    let more = others.len().saturating_sub(NAMED);
    others.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let touched = if begun {
        "the undo that was begun before is given up: what it put back stays so, and the session takes rounds again"
    } else {
        "nothing was touched"
    };
    Err(SessionError::usage(
        format!("changed since round {round} ended: {}{more}; {touched}", others.join(", ")),
        "make each of them what the round left (later rounds that changed it are undone first), or what it was before, then undo \
         again; `et session diff` shows both",
    ))
}

fn at_work(message: String, session: SessionId) -> SessionError {
    let short = session.short();
    SessionError {
        exit_code: exit::TRY_AGAIN,
        message,
        hint: Some(format!(
            "`et session wait {short}` waits for its end, `et session kill {short}` ends it; then try again"
        )),
    }
}

fn gone(path: &RelPath) -> SessionError {
    SessionError {
        exit_code: exit::STATE,
        message: format!("the content of {path} before the round isn't kept any more"),
        hint: None,
    }
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SessionError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    fn hash(text: &str) -> Option<Hash> {
        (text != "-").then(|| Hash::of(text.as_bytes()))
    }

    /// A work dir with a file `f` of this content (`-`: without it), and what a round did to it.
    fn scene(tree: &str, before: &str, after: &str, perhaps: Option<&str>) -> (tempfile::TempDir, Workspace, NetFile) {
        let dir = tempfile::tempdir().unwrap();
        if tree != "-" {
            std::fs::write(dir.path().join("f"), tree).unwrap();
        }
        let workspace = open(&dir.path().display().to_string()).unwrap();
        let file = NetFile { before: hash(before), after: hash(after), perhaps: perhaps.map(hash), mode: None };
        (dir, workspace, file)
    }

    #[test]
    fn the_tree_tells_whether_a_change_without_a_recorded_end_was_made() {
        let table = [
            // tree, before, after, perhaps, begun → the content at the end, if it counts
            ("1", "-", "-", Some("1"), false, Some("1")),
            ("-", "-", "-", Some("1"), false, None),
            ("x", "x", "1", Some("2"), false, Some("1")),
            ("2", "x", "1", Some("2"), false, Some("2")),
            ("1", "x", "1", Some("-"), false, Some("1")),
            ("-", "x", "1", Some("-"), false, Some("-")),
            ("x", "x", "1", Some("x"), false, None),
            ("y", "x", "1", None, false, Some("1")),
            // Put back already.
            ("-", "-", "-", Some("1"), true, Some("1")),
            ("x", "x", "1", Some("2"), true, Some("1")),
        ];
        for (tree, before, after, perhaps, begun, expected) in table {
            let (_dir, workspace, mut file) = scene(tree, before, after, perhaps);
            let counts = settle(Some(&workspace), begun, &RelPath::parse("f").unwrap(), &mut file);
            let found = counts.then_some(file.after);
            assert_eq!(found, expected.map(hash), "{tree} {before}>{after}?{perhaps:?} {begun}");
        }
    }

    #[test]
    fn nothing_is_touched_unless_all_files_are_known() {
        let table = [
            // tree, before, after, perhaps → what is to be done
            ("1", "x", "1", None, Ok(1)),
            ("x", "x", "1", None, Ok(0)),
            ("y", "x", "1", None, Err(())),
            ("-", "x", "1", None, Err(())),
            ("-", "x", "-", None, Ok(1)),
            ("1", "-", "1", None, Ok(1)),
            ("2", "x", "1", Some("2"), Ok(1)),
        ];
        for (tree, before, after, perhaps, expected) in table {
            let (_dir, workspace, file) = scene(tree, before, after, perhaps);
            let files = [(RelPath::parse("f").unwrap(), file)].into();
            let found = decide(&workspace, 1, false, files);
            assert_eq!(found.as_ref().map(Vec::len).map_err(|_| ()), expected, "{tree} {before}>{after}");
            if let Ok(steps) = found {
                for Step { change, .. } in steps {
                    assert_eq!((change.before, change.after), (hash(tree), hash(before)));
                }
            }
        }
        let (_dir, workspace, file) = scene("y", "x", "1", None);
        let files = [(RelPath::parse("f").unwrap(), file)].into();
        let error = decide(&workspace, 3, false, files).err().unwrap();
        assert_eq!(error.exit_code, exit::USAGE);
        assert_eq!(error.message, "changed since round 3 ended: f; nothing was touched");
    }

    #[test]
    fn a_work_dir_that_is_gone_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        assert_eq!(open(&gone.display().to_string()).err().unwrap().exit_code, exit::USAGE);
        assert!(!gone.exists());
    }
}
