//! Which caller waits for which computation, and for whom nothing is computed yet.
//!
//! `tests/shuttle` compiles this file with a job of its own; of one it uses the request's id and the
//! deadline alone.

use std::collections::HashMap;

use indwell_kernel::{RequestId, ResponseKey, Timestamp};

use super::Job;

/// Who waits for what. A computation has the id of the request that began it.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    by_key: HashMap<ResponseKey, RequestId>,
    /// Of callers that joined a computation of another.
    joined: HashMap<RequestId, RequestId>,
    /// Requests for which it is being found out whether an answer to another question serves them.
    held: HashMap<RequestId, Box<Job>>,
}

impl Sharing {
    /// The computation that requests with this key can join.
    pub(super) fn computation_of(&self, key: ResponseKey) -> Option<RequestId> {
        self.by_key.get(&key).copied()
    }

    /// The computation that a caller waits for, if it waits for any.
    pub(super) fn computation_for(&self, caller: RequestId) -> RequestId {
        self.joined.get(&caller).copied().unwrap_or(caller)
    }

    /// Requests with this key can join from now on.
    pub(super) fn open(&mut self, key: ResponseKey, computation: RequestId) {
        self.by_key.insert(key, computation);
    }

    /// Nobody can join any more; whether anybody could.
    pub(super) fn close(&mut self, key: ResponseKey, computation: RequestId) -> bool {
        let is_open = self.by_key.get(&key) == Some(&computation);
        if is_open {
            self.by_key.remove(&key);
        }
        is_open
    }

    pub(super) fn join(&mut self, caller: RequestId, computation: RequestId) {
        self.joined.insert(caller, computation);
    }

    pub(super) fn leave(&mut self, caller: RequestId) {
        self.joined.remove(&caller);
    }

    /// Nothing is computed for it before it is let go.
    pub(super) fn hold(&mut self, job: Box<Job>) {
        self.held.insert(job.request.id, job);
    }

    /// The request, if it is still held.
    pub(super) fn let_go(&mut self, request: RequestId) -> Option<Box<Job>> {
        self.held.remove(&request)
    }

    /// Held requests whose deadlines have passed.
    pub(super) fn expired(&mut self, now: Timestamp) -> impl Iterator<Item = Box<Job>> + '_ {
        let passed = move |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        self.held.extract_if(move |_, job| passed(job)).map(|(_, job)| job)
    }

    /// The earliest deadline of those that are held.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.held.values().filter_map(|job| job.deadline).min()
    }

    /// Whether any is held.
    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// All that are held.
    pub(super) fn drain_held(&mut self) -> impl Iterator<Item = Box<Job>> + '_ {
        self.held.drain().map(|(_, job)| job)
    }
}
