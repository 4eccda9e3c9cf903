//! Which cells of llama.cpp's unified memory are used, followed from outside.
//!
//! llama.cpp does not tell how far its used cells extend, which is what attention pays for. Its
//! allocation is deterministic, so this repeats it (`llama_kv_cache::find_slot`, `apply_ubatch`,
//! `seq_rm`, `seq_cp`, for one stream without a window). It knows nothing of llama.cpp's
//! interface; [`crate::context`] and [`crate::memory`] tell it of everything that was done.
//! `tests/cells.rs` compares it with what llama.cpp logs.
//!
//! Invariants: a cell is used exactly while a sequence holds it; no cell below `head` is free,
//! so a token always takes the lowest free cell; `extent` is the highest used cell + 1.

use std::ops::Range;

use indwell_kernel::config::SEQUENCES_LIMIT;

const WORDS: usize = SEQUENCES_LIMIT as usize / 64;

/// The sequences that hold a cell, a bit each.
type Holders = [u64; WORDS];

const NOBODY: Holders = [0; WORDS];

/// The cells of a memory. Sequences have llama.cpp's numbers here, below 256.
#[derive(Debug)]
pub struct Cells {
    /// Meaningful where somebody holds the cell.
    positions: Vec<u32>,
    holders: Vec<Holders>,
    /// How many cells each sequence holds.
    held: Vec<u32>,
    head: usize,
    used: usize,
    extent: usize,
    /// The cells of the tokens being placed.
    found: Vec<usize>,
}

impl Cells {
    /// `size` cells, all free. A batch of up to `batch_tokens` is placed without allocating.
    #[must_use]
    pub fn new(size: u32, batch_tokens: u32) -> Self {
        Self {
            positions: vec![0; size as usize],
            holders: vec![NOBODY; size as usize],
            held: vec![0; SEQUENCES_LIMIT as usize],
            head: 0,
            used: 0,
            extent: 0,
            found: Vec::with_capacity(batch_tokens as usize),
        }
    }

    /// The highest used cell and all below it.
    #[must_use]
    pub fn extent(&self) -> u32 {
        count(self.extent)
    }

    /// How many cells are used.
    #[must_use]
    pub fn used(&self) -> u32 {
        count(self.used)
    }

    /// How many cells are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        count(self.positions.len() - self.used)
    }

    /// Where llama.cpp begins to look for free cells.
    #[must_use]
    pub fn head(&self) -> u32 {
        count(self.head)
    }

    /// How many cells `seq` holds.
    #[must_use]
    pub fn held(&self, seq: u32) -> u32 {
        self.held[seq as usize]
    }

    /// Gives each of `tokens`, a sequence and a position, a cell. `false`, and nothing is done,
    /// if there are too few.
    pub fn place(&mut self, tokens: impl ExactSizeIterator<Item = (u32, u32)>) -> bool {
        if !self.find(tokens.len()) {
            return false;
        }
        for (at, (seq, position)) in tokens.enumerate() {
            let cell = self.found[at];
            self.positions[cell] = position;
            self.holders[cell] = NOBODY;
            insert(&mut self.holders[cell], seq);
            self.held[seq as usize] += 1;
        }
        self.used += self.found.len();
        if let Some(&last) = self.found.last() {
            self.head = last + 1;
        }
        let highest = self.found.iter().max().map_or(0, |&cell| cell + 1);
        self.extent = self.extent.max(highest);
        true
    }

    /// Lets `to` hold the cells of `from` at the positions `range` too.
    pub fn share(&mut self, from: u32, to: u32, range: Range<u32>) {
        for cell in 0..self.extent {
            let holders = &mut self.holders[cell];
            let shared = has(holders, from) && range.contains(&self.positions[cell]);
            if shared && !has(holders, to) {
                insert(holders, to);
                self.held[to as usize] += 1;
            }
        }
    }

    /// Takes the cells at the positions `range` from `seq`; those that nobody holds are free.
    pub fn remove(&mut self, seq: u32, range: Range<u32>) {
        let mut freed = None;
        for cell in 0..self.extent {
            let holders = &mut self.holders[cell];
            if !has(holders, seq) || !range.contains(&self.positions[cell]) {
                continue;
            }
            remove(holders, seq);
            self.held[seq as usize] -= 1;
            if *holders == NOBODY {
                self.used -= 1;
                freed = freed.or(Some(cell));
            }
        }
        self.head = freed.map_or(self.head, |cell| cell.min(self.head));
        while self.extent > 0 && self.holders[self.extent - 1] == NOBODY {
            self.extent -= 1;
        }
    }

    /// The highest cell + 1 that `seq` holds at the positions `range`, 0 for none; `None` if
    /// others than `seq` and `guard` hold some of these cells.
    #[must_use]
    pub fn own_extent(&self, seq: u32, guard: Option<u32>, range: Range<u32>) -> Option<u32> {
        let mut extent = 0;
        for cell in 0..self.extent {
            let mut holders = self.holders[cell];
            if !has(&holders, seq) || !range.contains(&self.positions[cell]) {
                continue;
            }
            remove(&mut holders, seq);
            if let Some(guard) = guard {
                remove(&mut holders, guard);
            }
            if holders != NOBODY {
                return None;
            }
            extent = cell + 1;
        }
        Some(count(extent))
    }

    /// The highest cell + 1 that `tokens` more tokens would take; `None` if there are too few.
    #[must_use]
    pub fn extent_of_next(&self, tokens: u32) -> Option<u32> {
        let free = (0..self.holders.len()).filter(|&cell| self.holders[cell] == NOBODY);
        let last = (tokens as usize).checked_sub(1)?;
        free.skip(last).map(|cell| count(cell + 1)).next()
    }

    /// Looks for `tokens` free cells in the order that llama.cpp does.
    fn find(&mut self, tokens: usize) -> bool {
        let size = self.holders.len();
        self.found.clear();
        if tokens > size - self.used {
            return false;
        }
        let mut cell = if self.head > self.used + 2 * tokens { 0 } else { self.head };
        // As many cells are free, so this ends within one round.
        while self.found.len() < tokens {
            if cell == size {
                cell = 0;
            }
            if self.holders[cell] == NOBODY {
                self.found.push(cell);
            }
            cell += 1;
        }
        true
    }
}

fn has(holders: &Holders, seq: u32) -> bool {
    holders[seq as usize / 64] >> (seq % 64) & 1 == 1
}

fn insert(holders: &mut Holders, seq: u32) {
    holders[seq as usize / 64] |= 1 << (seq % 64);
}

fn remove(holders: &mut Holders, seq: u32) {
    holders[seq as usize / 64] &= !(1 << (seq % 64));
}

fn count(cells: usize) -> u32 {
    u32::try_from(cells).expect("a memory has fewer than 2^32 cells")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(seq: u32, positions: Range<u32>) -> impl ExactSizeIterator<Item = (u32, u32)> {
        positions.map(move |position| (seq, position)).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn shared_cells_are_free_when_the_last_holder_leaves() {
        let mut cells = Cells::new(16, 16);
        assert!(cells.place(tokens(0, 0..6)));
        cells.share(0, 200, 0..4);
        assert_eq!((cells.used(), cells.held(0), cells.held(200)), (6, 6, 4));
        cells.remove(0, 0..u32::MAX);
        assert_eq!((cells.used(), cells.extent(), cells.head()), (4, 4, 4));
        cells.remove(200, 0..u32::MAX);
        assert_eq!((cells.used(), cells.extent(), cells.head()), (0, 0, 0));
    }

    #[test]
    fn new_tokens_take_the_lowest_free_cells() {
        let mut cells = Cells::new(8, 8);
        assert!(cells.place(tokens(0, 0..3)));
        assert!(cells.place(tokens(1, 0..3)));
        cells.remove(0, 1..3);
        assert_eq!((cells.head(), cells.extent(), cells.free()), (1, 6, 4));
        assert_eq!(cells.extent_of_next(2), Some(3));
        assert_eq!(cells.extent_of_next(4), Some(8));
        assert_eq!(cells.extent_of_next(5), None);
        assert!(cells.place(tokens(2, 0..2)));
        assert_eq!((cells.head(), cells.extent(), cells.used()), (3, 6, 6));
        assert!(!cells.place(tokens(2, 2..5)));
        assert_eq!((cells.head(), cells.used()), (3, 6));
    }

    #[test]
    fn cells_of_ones_own_are_told_from_shared_ones() {
        let mut cells = Cells::new(8, 8);
        assert!(cells.place(tokens(0, 0..5)));
        cells.share(0, 1, 0..2);
        cells.share(0, 2, 2..4);
        assert_eq!(cells.own_extent(0, None, 4..5), Some(5));
        assert_eq!(cells.own_extent(0, None, 0..2), None);
        assert_eq!(cells.own_extent(0, Some(2), 2..5), Some(5));
        assert_eq!(cells.own_extent(0, None, 5..9), Some(0));
    }
}
