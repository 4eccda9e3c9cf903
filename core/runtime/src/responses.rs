//! The response cache: complete answers that serve the same questions again.
//!
//! It owns which answers are kept, in memory and on disk, and which questions are being computed.
//! What an answer depends on, and which requests take part, is the kernel's to say
//! ([`indwell_kernel::ResponseKey`], [`indwell_kernel::ResponsePolicy`]).
//!
//! | module | owns |
//! |---|---|
//! | [`answer`] | an answer as it is kept, and its weight |
//! | [`store`] | answers in memory |
//! | [`disk`] | answers that outlive the process |
//! | [`questions`] | the tokens of questions, by their texts |
//! | [`in_flight`] | which questions are being computed |
//! | [`semantic`] | questions that mean the same |
//! | [`setup`] | opening it as an engine starts |
//! | [`stats`] | counters |
//!
//! Threads: callers look answers up and never wait for more than a lock. The engine's thread
//! stores them. Memory is the truth about what is kept: the disk and the index of
//! questions are told before an answer goes in, and when it leaves.

pub(crate) mod answer;
mod disk;
pub(crate) mod in_flight;
pub(crate) mod questions;
pub(crate) mod semantic;
pub(crate) mod setup;
pub(crate) mod stats;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use indwell_kernel::{Namespace, NamespaceBuilder, ResponseKey, TimeToLive, Token};
use parking_lot::Mutex;

use self::answer::StoredAnswer;
use self::disk::Disk;
use self::in_flight::InFlight;
use self::questions::{Questions, Text};
use self::semantic::{Index, Near};
pub use self::semantic::{Semantic, SemanticMatch};
pub use self::stats::ResponseCacheStats;
use self::stats::{Counters, Served};
use self::store::{Left, Store};
use crate::Result;
use crate::options::ResponseCacheConfig;
use crate::prompt::Prompt;

/// How long closing waits for answers to be written.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The share of the bytes that the tokens of questions may take.
const QUESTIONS_SHARE: u64 = 8;

/// The response cache of one engine.
pub(crate) struct Responses {
    /// Of answers to requests without a salt.
    namespace: NamespaceBuilder,
    store: Store,
    questions: Questions,
    capacity_bytes: u64,
    beside: Arc<Beside>,
    pub(crate) in_flight: InFlight,
    ttl: Option<TimeToLive>,
    /// Goes up when answers are invalidated: what began to be computed before is not kept.
    generation: Mutex<u64>,
}

/// What is told of every answer that comes and leaves.
struct Beside {
    index: Index,
    disk: Option<Disk>,
    counters: Counters,
}

/// When a computation began, as far as invalidating is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Responses {
    /// A cache in `namespace`, with what its directory holds for this namespace.
    ///
    /// # Errors
    /// `io` if the directory can't be used, or another engine uses it.
    pub(crate) fn open(config: &ResponseCacheConfig, namespace: NamespaceBuilder) -> Result<Self> {
        let mut found = Vec::new();
        let open = |dir: &Path| {
            let engine = *namespace.finish().as_bytes();
            Disk::open(dir, engine, store::now_ms(), |key, answer| found.push((key, answer)))
        };
        let disk = config.dir.as_deref().map(open).transpose()?;
        let beside =
            Arc::new(Beside { index: Index::default(), disk, counters: Counters::default() });
        let told = Arc::clone(&beside);
        let questions_bytes = config.bytes / QUESTIONS_SHARE;
        let store =
            Store::new(config.bytes - questions_bytes, move |key, left| told.left(key, left));
        let responses = Self {
            namespace,
            store,
            questions: Questions::new(questions_bytes),
            capacity_bytes: config.bytes,
            beside,
            in_flight: InFlight::default(),
            ttl: config.ttl,
            generation: Mutex::new(0),
        };
        for (key, answer) in found {
            let fits = responses.store.fits(&answer);
            if fits {
                responses.put_in_memory(key, Arc::new(answer));
            } else if let Some(disk) = &responses.beside.disk {
                disk.remove(key);
            }
        }
        Ok(responses)
    }

    /// The namespace of a request's answer.
    pub(crate) fn namespace(&self, salt: Option<&str>) -> Namespace {
        self.namespace.salted(salt)
    }

    /// The tokens of a question in a namespace, found by `find` if they are not remembered.
    ///
    /// # Errors
    /// Those of `find`.
    pub(crate) fn tokens(
        &self,
        within: Namespace,
        text: Text<'_>,
        find: impl FnOnce() -> Result<Prompt>,
    ) -> Result<Vec<Token>> {
        self.questions.tokens(within, text, find)
    }

    /// The stored answer.
    pub(crate) fn find(&self, key: ResponseKey) -> Option<Arc<StoredAnswer>> {
        self.store.get(key)
    }

    /// Counts how a request was served.
    pub(crate) fn count(&self, served: Served) {
        self.beside.counters.count(served);
    }

    /// To be asked when a computation begins, and shown when its answer is to be kept.
    pub(crate) fn generation(&self) -> Generation {
        Generation(*self.generation.lock())
    }

    /// When an answer that is complete now will be stale.
    pub(crate) fn expires_ms(&self, ttl: Option<TimeToLive>) -> Option<u64> {
        ttl.or(self.ttl).map(|ttl| ttl.expires_ms(store::now_ms()))
    }

    /// Keeps an answer whose computation began in `generation`, if it fits and nothing was
    /// invalidated since.
    pub(crate) fn keep(&self, key: ResponseKey, answer: StoredAnswer, generation: Generation) {
        // Held, so that an answer is either refused or found by who invalidates.
        let now = self.generation.lock();
        if *now != generation.0 {
            return;
        }
        if !self.store.fits(&answer) {
            tracing::debug!(bytes = answer.bytes(), "an answer is larger than the cache");
            return;
        }
        let answer = Arc::new(answer);
        if let Some(disk) = &self.beside.disk {
            disk.put(key, Arc::clone(&answer));
        }
        self.put_in_memory(key, answer);
    }

    /// Takes an answer that fits.
    fn put_in_memory(&self, key: ResponseKey, answer: Arc<StoredAnswer>) {
        match &answer.semantic {
            Some(note) => self.beside.index.insert(key, note),
            None => self.beside.index.remove(key),
        }
        self.store.insert(key, answer);
    }

    /// Forgets every answer, or those with this salt; how many.
    pub(crate) fn invalidate(&self, salt: Option<&str>) -> u64 {
        let mut generation = self.generation.lock();
        *generation += 1;
        match salt {
            None => {
                let removed = self.store.retain(|_| false);
                self.questions.clear();
                if let Some(disk) = &self.beside.disk {
                    disk.clear();
                }
                removed
            }
            Some(_) => {
                let namespace = self.namespace(salt);
                self.store.retain(|answer| answer.namespace != namespace)
            }
        }
    }

    pub(crate) fn stats(&self) -> ResponseCacheStats {
        ResponseCacheStats {
            entries: self.store.entries(),
            bytes: self.store.bytes() + self.questions.bytes(),
            capacity_bytes: self.capacity_bytes,
            ..self.beside.counters.read()
        }
    }

    /// Writes what is to be written, ends the disk's thread and gives the memory back. Harmless
    /// when called again.
    ///
    /// # Blocking
    /// At most some seconds, if the disk is slow.
    pub(crate) fn close(&self) {
        if let Some(disk) = &self.beside.disk {
            disk.close(CLOSE_WITHIN);
        }
        // What leaves memory now stays on disk, which is closed.
        self.store.retain(|_| false);
        self.questions.clear();
    }
}

impl semantic::Memory for Responses {
    fn nearest(&self, space: indwell_kernel::SemanticSpace, vector: &[f32]) -> Option<Near> {
        self.beside.index.nearest(space, vector)
    }

    fn answer(&self, key: ResponseKey) -> Option<Arc<StoredAnswer>> {
        self.find(key)
    }
}

impl Beside {
    fn left(&self, key: ResponseKey, left: Left) {
        if left == Left::Evicted {
            self.counters.evictions.fetch_add(1, Relaxed);
        }
        self.index.remove(key);
        if let Some(disk) = &self.disk {
            disk.remove(key);
        }
    }
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responses").field("store", &self.store).finish_non_exhaustive()
    }
}
