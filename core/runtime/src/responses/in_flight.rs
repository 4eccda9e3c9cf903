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

impl InFlight {
    /// A request comes: either a stored answer serves it, or it is sent in its role. With an error
    /// of `send` it did not come.
    pub(crate) fn enter<A, E>(
        &self,
        key: ResponseKey,
        find: impl FnOnce() -> Option<A>,
        send: impl FnOnce(Role) -> Result<(), E>,
    ) -> Result<Option<A>, E> {
        let mut keys = self.keys.lock();
        if keys.contains(&key) {
            return send(Role::Follows).map(|()| None);
        }
        if let Some(answer) = find() {
            return Ok(Some(answer));
        }
        send(Role::Leads)?;
        keys.insert(key);
        Ok(None)
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
