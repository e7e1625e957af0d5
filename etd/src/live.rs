//! Model text while it streams: in memory only, never in the log.
//!
//! Writers append to one buffer per answer; readers pull from an offset of their own. So a slow reader costs nothing, one who comes
//! late gets the answer so far, and nothing is queued anywhere. An answer that ended stays for a moment, for readers that were there and
//! don't have all of it yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::id::SessionId;
use proto::message::LiveText;
use tokio::sync::watch;

/// How long an answer that ended stays, at least, where somebody reads.
const LINGER: Duration = Duration::from_secs(5);

/// The running answers of one session.
pub struct Live {
    answers: Mutex<BTreeMap<Key, Answer>>,
    next: AtomicU64,
    version: watch::Sender<u64>,
}

/// Label and number: several answers may have the same label, one after the other or at once.
type Key = (String, u64);

struct Answer {
    round: u32,
    model: String,
    /// Grows whenever the text starts anew.
    generation: u64,
    text: String,
    thinking: u64,
    ended: Option<Instant>,
}

/// Where a reader is.
pub struct Cursor {
    seen: HashMap<Key, (u64, usize)>,
    /// What ended before isn't for this reader.
    begun: Instant,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { seen: HashMap::new(), begun: Instant::now() }
    }
}

/// A piece for one reader, and where it is once it has the piece.
pub struct LivePiece {
    /// For the reader.
    pub text: LiveText,
    /// Whether there is more of this answer already.
    pub more: bool,
    key: Key,
    position: (u64, usize),
}

impl Cursor {
    /// The reader has a piece.
    pub fn took(&mut self, piece: LivePiece) {
        self.seen.insert(piece.key, piece.position);
    }
}

impl Default for Live {
    fn default() -> Self {
        Self { answers: Mutex::default(), next: AtomicU64::new(0), version: watch::channel(0).0 }
    }
}

impl Live {
    /// A receiver that changes whenever there is more to read.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What is new since the cursor: about `max_bytes` of text per answer at most. The cursor moves on with [`Cursor::took`].
    pub fn read(&self, cursor: &mut Cursor, max_bytes: usize) -> Vec<LivePiece> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.seen.retain(|key, _| answers.contains_key(key));
        let mut pieces = Vec::new();
        for (key, answer) in answers.iter() {
            if answer.ended.is_some_and(|ended| ended < cursor.begun) {
                continue;
            }
            let known = cursor.seen.get(key).copied();
            let (restart, offset) = match known {
                Some((generation, offset)) if generation == answer.generation => (false, offset),
                _ => (true, 0),
            };
            if !restart && offset == answer.text.len() {
                continue;
            }
            let end = answer.text.floor_char_boundary(offset.saturating_add(max_bytes));
            pieces.push(LivePiece {
                text: LiveText {
                    round: answer.round,
                    worker: key.0.clone(),
                    model: answer.model.clone(),
                    restart,
                    text: answer.text.get(offset..end).unwrap_or_default().to_owned(),
                    tokens: (answer.text.len() as u64).div_ceil(4) + answer.thinking,
                },
                more: end < answer.text.len(),
                key: key.clone(),
                position: (answer.generation, end),
            });
        }
        pieces
    }

    /// Forgets answers that ended, once nobody can want them.
    fn tidy(&self, answers: &mut BTreeMap<Key, Answer>) {
        let read = self.version.receiver_count() > 0;
        answers.retain(|_, answer| answer.ended.is_none_or(|ended| read && ended.elapsed() < LINGER));
    }

    fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// The writing end of one answer. The answer has ended when it is dropped.
pub struct LiveAnswer {
    live: Arc<Live>,
    key: Key,
    round: u32,
}

impl LiveAnswer {
    /// Begins an answer of a worker.
    pub fn new(live: Arc<Live>, worker: String, round: u32) -> Self {
        let number = live.next.fetch_add(1, Ordering::Relaxed);
        Self { live, key: (worker, number), round }
    }

    /// A model was chosen; the text starts anew.
    pub fn restart(&self, model: &str) {
        {
            let mut answers = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = answers.entry(self.key.clone()).or_insert_with(|| Answer {
                round: self.round,
                model: String::new(),
                generation: 0,
                text: String::new(),
                thinking: 0,
                ended: None,
            });
            model.clone_into(&mut answer.model);
            answer.generation += 1;
            answer.text.clear();
            answer.thinking = 0;
            self.live.tidy(&mut answers);
        }
        self.live.touch();
    }

    /// More text.
    pub fn push(&self, piece: &str) {
        if let Some(answer) = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.key) {
            answer.text.push_str(piece);
        }
        self.live.touch();
    }

    /// The model thinks: about one token.
    pub fn thinking(&self) {
        if let Some(answer) = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.key) {
            answer.thinking += 1;
        }
    }
}

impl Drop for LiveAnswer {
    fn drop(&mut self) {
        {
            let mut answers = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = answers.get_mut(&self.key) {
                answer.ended = Some(Instant::now());
            }
            self.live.tidy(&mut answers);
        }
        self.live.touch();
    }
}

/// The running answers of all sessions.
#[derive(Default)]
pub struct LiveHub {
    sessions: Mutex<HashMap<SessionId, Arc<Live>>>,
}

impl LiveHub {
    /// Those of one session.
    pub fn of(&self, session: SessionId) -> Arc<Live> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nobody writes or reads, there is nothing to keep.
        sessions.retain(|id, live| *id == session || Arc::strong_count(live) > 1);
        Arc::clone(sessions.entry(session).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_pull_at_their_own_pace() {
        let live = Arc::new(Live::default());
        let answer = LiveAnswer::new(Arc::clone(&live), "1".to_owned(), 1);
        let mut quick = Cursor::default();
        answer.restart("p/m");
        answer.push("ab");
        let read = |cursor: &mut Cursor, bytes| -> Vec<(bool, String)> {
            let pieces = live.read(cursor, bytes);
            let take = |piece: LivePiece| {
                let text = (piece.text.restart, piece.text.text.clone());
                cursor.took(piece);
                text
            };
            pieces.into_iter().map(take).collect()
        };
        assert_eq!(read(&mut quick, 100), [(true, "ab".to_owned())]);
        answer.push("cd");
        assert_eq!(read(&mut quick, 100), [(false, "cd".to_owned())]);
        assert!(read(&mut quick, 100).is_empty());
        let mut late = Cursor::default();
        assert_eq!(read(&mut late, 3), [(true, "abc".to_owned())]);
        assert_eq!(read(&mut late, 3), [(false, "d".to_owned())]);
        answer.restart("p/other");
        answer.push("x");
        assert_eq!(read(&mut quick, 100), [(true, "x".to_owned())]);
        // Another answer of the same worker begins before anybody looked: shorter, and new all the same.
        drop(answer);
        let answer = LiveAnswer::new(Arc::clone(&live), "1".to_owned(), 1);
        answer.restart("p/m");
        answer.restart("p/m");
        assert_eq!(read(&mut quick, 100), [(true, String::new())]);
        // What couldn't be sent comes again; two answers with one label don't mix.
        let beside = LiveAnswer::new(Arc::clone(&live), "1".to_owned(), 1);
        beside.restart("p/m");
        beside.push("y");
        assert_eq!(live.read(&mut quick, 100).len(), 1);
        assert_eq!(read(&mut quick, 100), [(true, "y".to_owned())]);
        drop(beside);
        answer.push("z");
        assert_eq!(read(&mut quick, 100), [(false, "z".to_owned())]);
        drop(answer);
        assert!(read(&mut quick, 100).is_empty());
    }

    #[test]
    fn the_end_of_an_answer_reaches_those_who_read_it() {
        let live = Arc::new(Live::default());
        let texts = |cursor: &mut Cursor| -> Vec<String> {
            let pieces = live.read(cursor, 100).into_iter();
            let take = |piece: LivePiece| {
                let text = piece.text.text.clone();
                cursor.took(piece);
                text
            };
            pieces.map(take).collect()
        };
        let begin = || {
            let answer = LiveAnswer::new(Arc::clone(&live), "1".to_owned(), 1);
            answer.restart("p/m");
            answer.push("ab");
            answer
        };
        let reader = live.changes();
        let mut cursor = Cursor::default();
        let answer = begin();
        assert_eq!(texts(&mut cursor), ["ab"]);
        answer.push("cd");
        drop(answer);
        // Who comes now gets nothing of it.
        let mut late = Cursor::default();
        assert_eq!(texts(&mut cursor), ["cd"]);
        assert!(texts(&mut cursor).is_empty() && texts(&mut late).is_empty());
        drop(reader);
        drop(begin());
        assert!(live.answers.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }

    #[test]
    fn sessions_that_nobody_uses_are_forgotten() {
        let hub = LiveHub::default();
        let kept = hub.of(SessionId::random());
        for _ in 0..10 {
            hub.of(SessionId::random());
        }
        assert_eq!(hub.sessions.lock().unwrap_or_else(PoisonError::into_inner).len(), 2);
        drop(kept);
    }
}
