//! Durable steps of one round.
//!
//! A step has a key that depends only on what is already recorded. A recorded step is returned from the record; one that isn't runs
//! and is recorded, and only then has effects. Events have keys too, so a round that is resumed shows none twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto::event::Event;
use proto::id::{RoundId, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Change, NewEvent, Store, StoreError};

/// The record of one round.
pub struct Journal {
    store: Store,
    session: SessionId,
    round: u32,
    id: RoundId,
    steps: Mutex<HashMap<String, String>>,
    order: Vec<String>,
    events: Mutex<HashSet<String>>,
    sent: Mutex<BTreeMap<String, u32>>,
    repeated: AtomicU64,
    active_before_ms: u64,
    resumed_at: Instant,
}

impl Journal {
    /// Reads what is recorded of a round.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn load(
        store: &Store,
        session: SessionId,
        round: u32,
        id: RoundId,
        active_ms: u64,
    ) -> Result<Self, StoreError> {
        let (steps, events, sent) = store
            .read(move |reader| Ok((reader.steps(id)?, reader.event_keys(session, round)?, reader.calls_sent(id)?)))
            .await?;
        let order = steps.iter().map(|step| step.key.clone()).collect();
        let steps: HashMap<_, _> = steps.into_iter().map(|step| (step.key, step.value)).collect();
        // What was in flight at each earlier death was sent once more than it was recorded.
        let repeated = sent.iter().map(|(_, times)| u64::from(times.saturating_sub(1))).sum();
        Ok(Self {
            store: store.clone(),
            session,
            round,
            id,
            steps: Mutex::new(steps),
            order,
            events: Mutex::new(events.into_iter().collect()),
            sent: Mutex::new(sent.into_iter().collect()),
            repeated: AtomicU64::new(repeated),
            active_before_ms: active_ms,
            resumed_at: Instant::now(),
        })
    }

    /// Time at work in milliseconds, without the time in which the daemon was down.
    pub fn active_ms(&self) -> u64 {
        let now = u64::try_from(self.resumed_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active_before_ms.saturating_add(now)
    }

    /// Calls that were sent again because the daemon died while they were in flight.
    pub fn repeated_calls(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Keys that were recorded when the round was loaded, oldest first.
    pub fn recorded_before(&self) -> &[String] {
        &self.order
    }

    /// Whether a call was sent, be it by an earlier daemon.
    pub fn was_sent(&self, key: &str) -> bool {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// The result of a step, if it is recorded.
    ///
    /// # Errors
    /// If what is recorded isn't of this type.
    pub fn recorded<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let value = self.steps.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let Some(value) = value else { return Ok(None) };
        serde_json::from_str(&value)
            .map(Some)
            .map_err(|error| StoreError::Content { what: format!("step {key}"), why: error.to_string() })
    }

    /// Records a step together with events, contents and the time at work. Returns once it is on disk.
    ///
    /// A full disk is waited for: what can't be recorded has no effects.
    ///
    /// # Errors
    /// If it can't be recorded at all.
    pub async fn record<T: Serialize>(
        &self,
        key: &str,
        request_hash: Option<String>,
        value: &T,
        events: Vec<NewEvent>,
        blobs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_string(value)
            .map_err(|error| StoreError::Content { what: format!("step {key}"), why: error.to_string() })?;
        let fresh = self.fresh(events);
        self.store
            .commit_patiently(|| {
                let mut changes: Vec<Change> = blobs
                    .iter()
                    .map(|(hash, bytes)| Change::Blob { round: self.id, hash: hash.clone(), bytes: bytes.clone() })
                    .collect();
                changes.push(Change::Step {
                    round: self.id,
                    key: key.to_owned(),
                    request_hash: request_hash.clone(),
                    value: value.clone(),
                });
                changes.push(Change::Active { id: self.id, ms: self.active_ms() });
                changes.extend(self.event_changes(&fresh));
                changes
            })
            .await?;
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
        Ok(())
    }

    /// Notes that a model call is about to be sent, with the events that say so. Returns once it is on disk.
    ///
    /// # Errors
    /// If it can't be recorded at all.
    pub async fn sending(&self, key: &str, events: Vec<NewEvent>) -> Result<(), StoreError> {
        {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let times = sent.entry(key.to_owned()).or_insert(0);
            if *times > 0 {
                self.repeated.fetch_add(1, Ordering::Relaxed);
            }
            *times += 1;
        }
        let fresh = self.fresh(events);
        self.store
            .commit_patiently(|| {
                let mut changes = vec![
                    Change::CallSent { round: self.id, key: key.to_owned() },
                    Change::Active { id: self.id, ms: self.active_ms() },
                ];
                changes.extend(self.event_changes(&fresh));
                changes
            })
            .await
    }

    /// Shows events that weren't shown before. Returns once they are on disk.
    ///
    /// # Errors
    /// If they can't be recorded at all.
    pub async fn emit(&self, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let fresh = self.fresh(events);
        if fresh.is_empty() {
            return Ok(());
        }
        self.store.commit_patiently(|| self.event_changes(&fresh)).await
    }

    /// Shows one event, see [`Journal::emit`].
    ///
    /// # Errors
    /// If it can't be recorded at all.
    pub async fn say(&self, key: impl Into<String>, event: Event) -> Result<(), StoreError> {
        self.emit(vec![NewEvent::new(key, event)]).await
    }

    /// Marks the round as begun. Returns once that is on disk.
    ///
    /// # Errors
    /// If it can't be recorded at all.
    pub async fn started(&self, log_dir: Option<String>, event: NewEvent) -> Result<(), StoreError> {
        let fresh = self.fresh(vec![event]);
        self.store
            .commit_patiently(|| {
                let mut changes = vec![Change::RoundStarted { id: self.id, log_dir: log_dir.clone() }];
                changes.extend(self.event_changes(&fresh));
                changes
            })
            .await
    }

    /// Marks the round as ended, with `events` and then its `result` as the last ones. Returns once that is on disk.
    ///
    /// # Errors
    /// If it can't be recorded at all.
    pub async fn ended(&self, mut events: Vec<NewEvent>, report: proto::report::RoundReport) -> Result<(), StoreError> {
        events.push(NewEvent::new("result", Event::Result(Box::new(report.clone()))));
        let fresh = self.fresh(events);
        self.store
            .commit_patiently(|| {
                let mut changes = vec![
                    Change::Active { id: self.id, ms: self.active_ms() },
                    Change::RoundEnded { id: self.id, report: Box::new(report.clone()) },
                ];
                changes.extend(self.event_changes(&fresh));
                changes
            })
            .await
    }

    /// Content of a file as recorded by a write.
    ///
    /// # Errors
    /// If the database can't be read or lacks it.
    pub async fn blob(&self, hash: &str) -> Result<Vec<u8>, StoreError> {
        let wanted = hash.to_owned();
        let found = self.store.read(move |reader| reader.blob(&wanted)).await?;
        found.ok_or_else(|| StoreError::Content { what: format!("content {hash}"), why: "it isn't there".to_owned() })
    }

    fn fresh(&self, events: Vec<NewEvent>) -> Vec<NewEvent> {
        let mut known = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.into_iter().filter(|event| known.insert(event.key.clone())).collect()
    }

    fn event_changes(&self, events: &[NewEvent]) -> Vec<Change> {
        let change = |event: &NewEvent| Change::Event {
            session: self.session,
            round: self.round,
            event: Box::new(event.clone()),
        };
        events.iter().map(change).collect()
    }
}
