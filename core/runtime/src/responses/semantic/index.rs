//! Remembered questions by their vectors: which one is nearest.
//!
//! Exact: every vector of a space is looked at. Owns copies of what it needs, and knows neither
//! answers nor how long they are kept: whoever keeps answers says what is gone.
//!
//! Threads: any may call anything. A look-up lets go of the lock after every few vectors, so
//! nobody waits for it; what is remembered when it begins and still when it ends is not missed,
//! because an entry keeps its slot while it lives. What it found may be gone by the time it is
//! used.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indwell_kernel::{ResponseKey, SemanticSpace};
use parking_lot::RwLock;

use super::vector::{Asked, squared_length};
use crate::responses::answer::SemanticNote;

/// Slots that are looked at without letting others in: some 40 microseconds at 384 numbers each.
const BLOCK: usize = 256;

/// What is remembered, and where.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<State>);

/// The nearest earlier question.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    /// Whose answer answered it.
    pub(crate) key: ResponseKey,
    /// The cosine distance, 0 to 2.
    pub(crate) distance: f32,
    /// The question.
    pub(crate) text: Arc<str>,
}

#[derive(Debug, Default)]
struct State {
    spaces: HashMap<SemanticSpace, Space>,
    places: HashMap<ResponseKey, Place>,
    /// How many were ever remembered.
    remembered: u64,
}

/// The questions that may answer for each other. None is empty.
#[derive(Debug, Default)]
struct Space {
    /// The last one is taken.
    slots: Vec<Option<Entry>>,
    free: BTreeSet<usize>,
    /// Of the vector that came last.
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    space: SemanticSpace,
    slot: usize,
}

#[derive(Debug)]
struct Entry {
    key: ResponseKey,
    vector: Box<[f32]>,
    squared_length: f64,
    text: Arc<str>,
    /// The number of its remembering: later ones are larger.
    number: u64,
}

impl Index {
    /// Remembers a question; what `key` had before is forgotten. A vector without a direction is
    /// not remembered.
    pub(crate) fn insert(&self, key: ResponseKey, note: &SemanticNote) {
        let entry = squared_length(&note.vector).ok().map(|squared_length| Entry {
            key,
            vector: note.vector.clone(),
            squared_length,
            text: Arc::from(&*note.text),
            number: 0,
        });
        let mut state = self.0.write();
        let replaced = state.remove(key);
        if let Some(entry) = entry {
            state.insert(note.space, entry);
        }
        drop(state);
        drop(replaced);
    }

    /// Forgets a question, if it is remembered. Cheap for those that are not.
    pub(crate) fn remove(&self, key: ResponseKey) {
        if !self.0.read().places.contains_key(&key) {
            return;
        }
        let removed = self.0.write().remove(key);
        drop(removed);
    }

    /// The nearest in `space`, of those as near as each other the last one. Vectors of another
    /// length are skipped, with a warning where the last one that came was such.
    pub(crate) fn nearest(&self, space: SemanticSpace, vector: &[f32]) -> Option<Near> {
        let asked = Asked::new(vector).ok()?;
        self.warn_of_another_length(space, vector.len());
        let mut nearest: Option<(Near, u64)> = None;
        for from in (0..).step_by(BLOCK) {
            let state = self.0.read();
            let Some(slots) = state.spaces.get(&space).and_then(|space| space.slots.get(from..))
            else {
                break;
            };
            if slots.is_empty() {
                break;
            }
            let mut rank = nearest.as_ref().map(|(near, number)| (near.distance, *number));
            let mut found = None;
            let entries = slots.iter().take(BLOCK).flatten();
            for entry in entries.filter(|entry| entry.vector.len() == vector.len()) {
                let distance = asked.distance(&entry.vector, entry.squared_length);
                let is_nearer = rank.is_none_or(|(least, number)| {
                    distance < least || (distance == least && entry.number > number)
                });
                if is_nearer {
                    rank = Some((distance, entry.number));
                    found = Some((entry, distance));
                }
            }
            if let Some((entry, distance)) = found {
                let near = Near { key: entry.key, distance, text: entry.text.clone() };
                nearest = Some((near, entry.number));
            }
        }
        nearest.map(|(near, _)| near)
    }

    fn warn_of_another_length(&self, space: SemanticSpace, length: usize) {
        let before = self.0.read().spaces.get(&space).map(|space| space.length);
        if let Some(before) = before.filter(|before| *before != length) {
            tracing::warn!(
                length,
                before,
                "a semantic embedding has another length than the last one, and is not compared \
                 with those of that length: use one embedding function"
            );
        }
    }
}

impl State {
    fn insert(&mut self, space: SemanticSpace, entry: Entry) {
        self.remembered += 1;
        let entry = Entry { number: self.remembered, ..entry };
        let key = entry.key;
        let slot = self.spaces.entry(space).or_default().insert(entry);
        self.places.insert(key, Place { space, slot });
    }

    fn remove(&mut self, key: ResponseKey) -> Option<Entry> {
        let Place { space: name, slot } = self.places.remove(&key)?;
        let space = self.spaces.get_mut(&name).expect("a place is in a space that is there");
        let removed = space.remove(slot);
        if space.slots.is_empty() {
            self.spaces.remove(&name);
        }
        removed
    }
}

impl Space {
    fn insert(&mut self, entry: Entry) -> usize {
        self.length = entry.vector.len();
        match self.free.pop_first() {
            Some(slot) => {
                self.slots[slot] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                self.slots.len() - 1
            }
        }
    }

    fn remove(&mut self, slot: usize) -> Option<Entry> {
        let removed = self.slots[slot].take();
        self.free.insert(slot);
        while let Some(None) = self.slots.last() {
            self.slots.pop();
            self.free.remove(&self.slots.len());
        }
        if self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> ResponseKey {
        ResponseKey::from_bytes([number; 32])
    }

    fn space(number: u8) -> SemanticSpace {
        SemanticSpace::from_bytes([number; 32])
    }

    fn note(space: SemanticSpace, text: &str, vector: &[f32]) -> SemanticNote {
        SemanticNote { space, text: text.into(), vector: vector.into() }
    }

    impl Index {
        /// Checks that slots and places are each other's, and nothing is kept that is empty.
        fn audit(&self) {
            let state = self.0.read();
            let mut count = 0;
            for (name, space) in &state.spaces {
                assert!(matches!(space.slots.last(), Some(Some(_))), "the last slot is taken");
                for (slot, entry) in space.slots.iter().enumerate() {
                    assert_eq!(entry.is_none(), space.free.contains(&slot));
                    let Some(entry) = entry else { continue };
                    let place = state.places[&entry.key];
                    assert!(place.space == *name && place.slot == slot);
                    count += 1;
                }
            }
            assert_eq!(count, state.places.len());
        }
    }

    /// Distance by the book.
    fn naive(a: &[f32], b: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        1.0 - dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
    }

    #[derive(Clone, Debug)]
    enum Act {
        Insert(u8, u8, Vec<f32>),
        Remove(u8),
    }

    fn vectors() -> impl Strategy<Value = Vec<f32>> {
        let numbers = prop_oneof![4 => -1.0f32..1.0, 1 => Just(0.0f32), 1 => -1e30f32..1e30];
        prop_oneof![Just(3usize), Just(3), Just(3), Just(17)]
            .prop_flat_map(move |length| prop::collection::vec(numbers.clone(), length))
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            40 => (0u8..40, 0u8..2, vectors()).prop_map(|(key, space, v)| Act::Insert(key, space, v)),
            20 => (0u8..40).prop_map(Act::Remove),
        ]
    }

    proptest! {
        #[test]
        fn nearest_is_what_a_naive_search_finds(
            acts in prop::collection::vec(acts(), 0..120),
            asked in prop::collection::vec(vectors(), 1..6),
        ) {
            let index = Index::default();
            let mut model: BTreeMap<u8, (u8, Vec<f32>)> = BTreeMap::new();
            for act in acts {
                match act {
                    Act::Insert(number, in_space, vector) => {
                        index.insert(key(number), &note(space(in_space), "text", &vector));
                        model.remove(&number);
                        if vector.iter().any(|x| *x != 0.0) {
                            model.insert(number, (in_space, vector));
                        }
                    }
                    Act::Remove(number) => {
                        index.remove(key(number));
                        model.remove(&number);
                    }
                }
                index.audit();
            }
            for (vector, in_space) in asked.iter().flat_map(|vector| [(vector, 0), (vector, 1)]) {
                let distance_of = |number: u8| naive(vector, &model[&number].1);
                let expected = model
                    .iter()
                    .filter(|(_, (space, other))| *space == in_space && other.len() == vector.len())
                    .map(|(number, _)| distance_of(*number))
                    .min_by(f64::total_cmp)
                    .filter(|_| vector.iter().any(|x| *x != 0.0));
                let found = index.nearest(space(in_space), vector);
                prop_assert_eq!(found.is_some(), expected.is_some());
                let (Some(found), Some(expected)) = (found, expected) else { continue };
                prop_assert!((f64::from(found.distance) - expected).abs() < 1e-6);
                let number = found.key.as_bytes()[0];
                prop_assert_eq!(model[&number].0, in_space);
                prop_assert!((distance_of(number) - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_a_key_had_is_replaced() {
        let index = Index::default();
        index.insert(key(1), &note(space(1), "old", &[1.0, 0.0]));
        index.insert(key(1), &note(space(2), "new", &[0.0, 1.0]));
        assert!(index.nearest(space(1), &[1.0, 0.0]).is_none());
        let near = index.nearest(space(2), &[1.0, 0.0]).expect("the new one");
        assert_eq!((&*near.text, near.distance), ("new", 1.0));
        index.insert(key(1), &note(space(2), "none", &[0.0, 0.0]));
        assert!(index.nearest(space(2), &[1.0, 0.0]).is_none(), "the old vector is gone");
        index.audit();
    }

    #[test]
    fn of_those_as_near_the_last_one_is_found() {
        let index = Index::default();
        index.insert(key(1), &note(space(1), "first", &[1.0, 1.0]));
        index.insert(key(2), &note(space(1), "second", &[2.0, 2.0]));
        index.insert(key(3), &note(space(1), "other", &[-1.0, 1.0]));
        index.remove(key(1));
        index.insert(key(4), &note(space(1), "last", &[3.0, 3.0]));
        let near = index.nearest(space(1), &[1.0, 1.0]).expect("one");
        assert_eq!(&*near.text, "last", "though it took the first slot");
    }

    #[test]
    fn all_blocks_are_searched_and_room_is_given_back() {
        let index = Index::default();
        let keys: Vec<ResponseKey> = (0..3 * BLOCK as u32)
            .map(|number| {
                let mut bytes = [0; 32];
                bytes[..4].copy_from_slice(&number.to_le_bytes());
                ResponseKey::from_bytes(bytes)
            })
            .collect();
        for (number, key) in keys.iter().enumerate() {
            index.insert(*key, &note(space(1), &number.to_string(), &[1.0, number as f32]));
        }
        for number in [0, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 3 * BLOCK - 1] {
            let near = index.nearest(space(1), &[1.0, number as f32]).expect("one");
            assert_eq!(near.distance, 0.0);
        }
        for key in &keys[1..] {
            index.remove(*key);
        }
        index.audit();
        let capacity = index.0.read().spaces[&space(1)].slots.capacity();
        assert!(capacity <= 8, "{capacity}");
        index.remove(keys[0]);
        assert!(index.0.read().spaces.is_empty());
    }

    #[test]
    fn a_look_up_beside_insertions_misses_nothing_that_stays() {
        let index = Index::default();
        index.insert(key(255), &note(space(1), "stays", &[1.0, 0.0]));
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..300u32 {
                    for number in 0..4u8 {
                        let vector = [0.0, round as f32 + 1.0];
                        index.insert(key(number), &note(space(1), "goes", &vector));
                    }
                    (0..4).for_each(|number| index.remove(key(number)));
                }
                done.store(true, std::sync::atomic::Ordering::Release);
            });
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let near = index.nearest(space(1), &[1.0, 0.0]).expect("it stays");
                assert_eq!(&*near.text, "stays");
            }
        });
        index.audit();
    }
}
