//! Which questions are being computed, so that the same ones lead to one computation.
//!
//! Callers decide under one lock whether they lead or follow, and send their requests under it:
//! the leader's is ahead of its followers' in the queue to the worker. A leader looks once more for
//! a stored answer under the lock.
//!
//! It is only the callers' view, by which they take places in the queue or do without. The worker
//! knows what it computes and what is stored: a follower whose computation is over leads, and a
//! leader of what is being computed follows. A key is taken away whenever the worker does not
//! compute it, or no longer.
//!
//! `tests/shuttle` compiles this file with other locks; it uses `crate::sync` and the kernel alone.

use std::collections::HashSet;

use indwell_kernel::ResponseKey;

use crate::sync::Mutex;

/// The keys of answers that are being computed.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    keys: Mutex<HashSet<ResponseKey>>,
}

/// What a request is among those with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// It is to be computed.
    Leads,
    /// It is computed already for another one.
    Follows,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered<A, Q, S> {
    /// An answer was stored by then, and the request was not sent.
    Stored(A, Q),
    /// It was sent.
    Sent(S),
}

impl InFlight {
    /// A request comes: either a stored answer serves it, or it is sent in its role. With an error
    /// of `send` it did not come.
    pub(crate) fn enter<A, Q, S, E>(
        &self,
        key: ResponseKey,
        request: Q,
        find: impl FnOnce() -> Option<A>,
        send: impl FnOnce(Q, Role) -> Result<S, E>,
    ) -> Result<Entered<A, Q, S>, E> {
        let mut keys = self.keys.lock();
        if keys.contains(&key) {
            return send(request, Role::Follows).map(Entered::Sent);
        }
        if let Some(answer) = find() {
            return Ok(Entered::Stored(answer, request));
        }
        let sent = send(request, Role::Leads)?;
        keys.insert(key);
        Ok(Entered::Sent(sent))
    }

    /// Whether a request with this key would follow.
    pub(crate) fn contains(&self, key: ResponseKey) -> bool {
        self.keys.lock().contains(&key)
    }

    /// The worker computes for a request that nobody led.
    pub(crate) fn lead(&self, key: ResponseKey) {
        self.keys.lock().insert(key);
    }

    /// The worker computes it no more. If it succeeded, the answer is stored by now.
    pub(crate) fn land(&self, key: ResponseKey) {
        self.keys.lock().remove(&key);
    }
}
