//! The library's own store of answers and index of questions, as [`super`] measures them.
//!
//! Their files are compiled here once more; nothing of the library is built in another way for it.
//! [`Kept`] tells each of what comes and leaves as the library's `responses.rs` does.

#[path = "../../src/responses/answer.rs"]
#[expect(dead_code, reason = "replies are made of answers elsewhere")]
pub(crate) mod answer;
#[path = "../../src/responses/semantic/index.rs"]
mod index;
#[path = "../../src/responses/store.rs"]
#[expect(dead_code, reason = "nothing is looked up here")]
mod store;
#[path = "../../src/responses/semantic/vector.rs"]
mod vector;

use std::cell::Cell;
use std::sync::Arc;

use indwell_kernel::ResponseKey;

use answer::StoredAnswer;
use index::Index;
use store::Store;

/// Answers with the questions that they are found by.
#[derive(Debug)]
pub(crate) struct Kept {
    store: Store,
    index: Arc<Index>,
}

impl Kept {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let index = Arc::new(Index::default());
        let told = Arc::clone(&index);
        Self { store: Store::new(capacity_bytes, move |key, _| told.remove(key)), index }
    }

    /// Whether it fitted.
    pub(crate) fn put(&self, key: ResponseKey, answer: StoredAnswer) -> bool {
        if !self.store.fits(&answer) {
            return false;
        }
        match &answer.semantic {
            Some(note) => self.index.insert(key, note),
            None => self.index.remove(key),
        }
        self.store.insert(key, Arc::new(answer));
        true
    }

    /// What it says that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.store.bytes()
    }

    pub(crate) fn entries(&self) -> u64 {
        self.store.entries()
    }

    /// What its answers have on the heap, one by one, and how many there are.
    pub(crate) fn counted(&self) -> (u64, u64) {
        let (bytes, answers) = (Cell::new(0), Cell::new(0));
        self.store.retain(|answer| {
            bytes.set(bytes.get() + answer.bytes() as u64);
            answers.set(answers.get() + 1);
            true
        });
        (bytes.get(), answers.get())
    }
}
