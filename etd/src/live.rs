//! Model text while it streams: in memory only, never in the log.
//!
//! Writers append to one buffer per answer; readers pull from an offset of their own. So a slow reader costs nothing, one who comes
//! late gets the answer so far, and nothing is queued anywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use proto::id::SessionId;
use proto::message::LiveText;
use tokio::sync::watch;

/// The running answers of one session.
pub struct Live {
    answers: Mutex<BTreeMap<String, Answer>>,
    version: watch::Sender<u64>,
}

struct Answer {
    round: u32,
    model: String,
    /// Grows whenever the text starts anew.
    generation: u64,
    text: String,
    thinking: u64,
}

/// Where a reader is.
#[derive(Default)]
pub struct Cursor {
    seen: HashMap<String, (u64, usize)>,
}

impl Default for Live {
    fn default() -> Self {
        Self { answers: Mutex::default(), version: watch::channel(0).0 }
    }
}

impl Live {
    /// A receiver that changes whenever there is more to read.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What is new since the cursor, which moves on: about `max_bytes` of text per answer at most.
    pub fn read(&self, cursor: &mut Cursor, max_bytes: usize) -> Vec<LiveText> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.seen.retain(|worker, _| answers.contains_key(worker));
        let mut pieces = Vec::new();
        for (worker, answer) in answers.iter() {
            let known = cursor.seen.get(worker).copied();
            let (restart, offset) = match known {
                Some((generation, offset)) if generation == answer.generation => (false, offset),
                _ => (true, 0),
            };
            if !restart && offset == answer.text.len() {
                continue;
            }
            let end = answer.text.floor_char_boundary(offset.saturating_add(max_bytes));
            pieces.push(LiveText {
                round: answer.round,
                worker: worker.clone(),
                model: answer.model.clone(),
                restart,
                text: answer.text[offset..end].to_owned(),
                tokens: (answer.text.len() as u64).div_ceil(4) + answer.thinking,
            });
            cursor.seen.insert(worker.clone(), (answer.generation, end));
        }
        pieces
    }

    fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// The writing end of one answer. The answer is forgotten when it is dropped.
pub struct LiveAnswer {
    live: Arc<Live>,
    worker: String,
    round: u32,
}

impl LiveAnswer {
    /// Begins an answer of a worker.
    pub fn new(live: Arc<Live>, worker: String, round: u32) -> Self {
        Self { live, worker, round }
    }

    /// A model was chosen; the text starts anew.
    pub fn restart(&self, model: &str) {
        {
            let mut answers = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = answers.entry(self.worker.clone()).or_insert_with(|| Answer {
                round: self.round,
                model: String::new(),
                generation: 0,
                text: String::new(),
                thinking: 0,
            });
            model.clone_into(&mut answer.model);
            answer.generation += 1;
            answer.text.clear();
            answer.thinking = 0;
        }
        self.live.touch();
    }

    /// More text.
    pub fn push(&self, piece: &str) {
        if let Some(answer) = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.worker) {
            answer.text.push_str(piece);
        }
        self.live.touch();
    }

    /// The model thinks: about one token.
    pub fn thinking(&self) {
        if let Some(answer) = self.live.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.worker) {
            answer.thinking += 1;
        }
    }
}

impl Drop for LiveAnswer {
    fn drop(&mut self) {
        self.live.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.worker);
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
        let texts = |pieces: Vec<LiveText>| -> Vec<(bool, String)> {
            pieces.into_iter().map(|piece| (piece.restart, piece.text)).collect()
        };
        assert_eq!(texts(live.read(&mut quick, 100)), [(true, "ab".to_owned())]);
        answer.push("cd");
        assert_eq!(texts(live.read(&mut quick, 100)), [(false, "cd".to_owned())]);
        assert!(live.read(&mut quick, 100).is_empty());
        let mut late = Cursor::default();
        assert_eq!(texts(live.read(&mut late, 3)), [(true, "abc".to_owned())]);
        assert_eq!(texts(live.read(&mut late, 3)), [(false, "d".to_owned())]);
        answer.restart("p/other");
        answer.push("x");
        assert_eq!(texts(live.read(&mut quick, 100)), [(true, "x".to_owned())]);
        drop(answer);
        assert!(live.read(&mut quick, 100).is_empty());
    }
}
