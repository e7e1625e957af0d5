//! `et run` and `et session attach`: the log of a session from a position on, and live text beside it.
//!
//! One loop for replay, catch-up and live: it reads what is missing from the database, and waits for the head to move. Model text is
//! pulled from the buffers of running answers, at most every [`COALESCE`]; a reader with no room skips it and gets it later.

use std::sync::Arc;
use std::time::Duration;

use proto::id::SessionId;
use proto::message::{Attach, AttachEnd, EndReason, Events, From, Heartbeat, Needs, Reply};
use tokio::time::Instant;

use crate::daemon::Responder;
use crate::live::{Cursor, Live};
use crate::session::{Engine, SessionError};

/// Bytes of events in one item.
const BATCH: usize = 256 * 1024;
/// Bytes of text per answer in one item; more of it makes a piece go out at once.
const PIECE: usize = 64 * 1024;
/// Time in which pieces of text are gathered.
const COALESCE: Duration = Duration::from_millis(50);
/// Silence that a client may take for life.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) async fn handle(
    engine: &Arc<Engine>,
    request: Attach,
    responder: &Responder,
) -> Result<Reply, SessionError> {
    let session = engine.resolve(&request.session).await?.id;
    let mut seq = start(engine, session, request.from).await?;
    let mut head = engine.store.head(session).await?;
    let mut changes = engine.changes();
    let live = engine.live.of(session);
    let mut texts = live.changes();
    let mut cursor = Cursor::default();
    let mut next_text = Instant::now();
    let mut beat = Instant::now() + HEARTBEAT;
    let mut told = Vec::new();
    let mut text_waits = request.text;
    let mut look = true;
    loop {
        // Text alone is no reason to ask the database.
        if std::mem::take(&mut look) {
            // What is looked at after these marks wakes the loop again.
            let known = *head.borrow_and_update();
            changes.borrow_and_update();
            let over = over(engine, session, &request).await?;
            let stopping = engine.stopping().is_cancelled();
            if request.text && seq < known {
                // Text stands before the events that follow from it: what a worker wrote before the end of the worker.
                while send_text(&live, &mut cursor, responder) == Sent::Part {}
            }
            while seq < known {
                let lines = engine.store.events_after(session, seq, BATCH).await?;
                // Nothing there: what was there is gone.
                seq = lines.last().map_or(known, |last| last.seq);
                if !lines.is_empty() && responder.item(Reply::Events(Events { session, lines })).await.is_err() {
                    return end(engine, session, &request, EndReason::Slow, seq).await;
                }
                beat = Instant::now() + HEARTBEAT;
            }
            if over {
                if seq >= *head.borrow() {
                    return end(engine, session, &request, EndReason::Idle, seq).await;
                }
                look = true;
                continue;
            }
            if stopping {
                return end(engine, session, &request, EndReason::Draining, seq).await;
            }
            let needs = engine.vault.needs_of(session);
            if needs != told {
                told.clone_from(&needs);
                if !needs.is_empty() && responder.item(Reply::Needs(Needs { names: needs })).await.is_err() {
                    return end(engine, session, &request, EndReason::Slow, seq).await;
                }
            }
        }
        if text_waits && Instant::now() >= next_text {
            next_text = Instant::now() + COALESCE;
            let sent = send_text(&live, &mut cursor, responder);
            text_waits = matches!(sent, Sent::Part | Sent::NoRoom);
            if sent != Sent::Nothing {
                beat = Instant::now() + HEARTBEAT;
            }
        }
        tokio::select! {
            changed = head.changed() => match changed {
                Ok(()) => look = true,
                Err(_) => return end(engine, session, &request, EndReason::Draining, seq).await,
            },
            changed = changes.changed() => match changed {
                Ok(()) => look = true,
                Err(_) => return end(engine, session, &request, EndReason::Draining, seq).await,
            },
            changed = texts.changed(), if request.text && !text_waits => text_waits = changed.is_ok(),
            () = tokio::time::sleep_until(next_text), if text_waits => {}
            () = tokio::time::sleep_until(beat) => {
                beat = Instant::now() + HEARTBEAT;
                look = true;
                let round = engine.store.read(move |reader| reader.newest_round(session)).await?.unwrap_or(0);
                let state = engine.state(session);
                if responder.item(Reply::Heartbeat(Heartbeat { state, round })).await.is_err() {
                    return end(engine, session, &request, EndReason::Slow, seq).await;
                }
            }
        }
    }
}

/// What came of sending text.
#[derive(PartialEq, Eq)]
enum Sent {
    /// There was none.
    Nothing,
    /// All that there was.
    All,
    /// There is more of it.
    Part,
    /// The client doesn't read fast enough: the rest comes when there is room.
    NoRoom,
}

/// Sends what a client doesn't have yet of each running answer, about [`PIECE`] of each.
fn send_text(live: &Live, cursor: &mut Cursor, responder: &Responder) -> Sent {
    let mut sent = Sent::Nothing;
    for piece in live.read(cursor, PIECE) {
        if !responder.try_item(Reply::LiveText(piece.text.clone())) {
            return Sent::NoRoom;
        }
        sent = if piece.more || sent == Sent::Part { Sent::Part } else { Sent::All };
        cursor.took(piece);
    }
    sent
}

/// The position before the first event to send.
async fn start(engine: &Engine, session: SessionId, from: From) -> Result<u64, SessionError> {
    let position = engine
        .store
        .read(move |reader| match from {
            From::Start => Ok(0),
            From::Seq(seq) => Ok(seq.saturating_sub(1)),
            From::Now => reader.head(session),
            From::NewestRound => {
                let newest = reader.newest_round(session)?.unwrap_or(1);
                Ok(reader.first_event(session, newest)?.map_or(0, |seq| seq - 1))
            }
        })
        .await?;
    Ok(position)
}

/// Whether nothing will come any more.
async fn over(engine: &Engine, session: SessionId, request: &Attach) -> Result<bool, SessionError> {
    if engine.is_idle(session) {
        return Ok(!request.follow);
    }
    let Some(awaited) = request.until_round else { return Ok(false) };
    let ended = engine.store.read(move |reader| reader.has_ended(session, awaited)).await?;
    // One that isn't there won't come.
    Ok(ended.unwrap_or(true))
}

async fn end(
    engine: &Engine,
    session: SessionId,
    request: &Attach,
    reason: EndReason,
    seq: u64,
) -> Result<Reply, SessionError> {
    if reason == EndReason::Idle {
        super::wait::none_left_open(engine, session, request.until_round).await?;
    }
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await?;
    // That of the awaited round, or of the newest one that ended.
    let asked_for = |round: u32| request.until_round.is_none_or(|awaited| awaited == round);
    let report = rounds.into_iter().rev().filter(|row| asked_for(row.round)).find_map(|row| row.report);
    let exit_code = report
        .and_then(|report| serde_json::from_str::<proto::report::RoundReport>(&report).ok())
        .map(|report| report.exit_code);
    Ok(Reply::AttachEnd(AttachEnd { reason, exit_code, seq }))
}
