//! Cells that several sequences can hold: which are in use, and by how many.

use crate::Token;

/// One cell: where it is, and the token it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    at: usize,
    pub(super) token: Token,
}

/// All cells, by how many sequences hold each.
#[derive(Debug)]
pub(super) struct Cells {
    /// More than there are where a scripted step computed more than fits.
    holders: Vec<u32>,
    count: usize,
    used: usize,
}

impl Cells {
    pub(super) fn new(count: u32) -> Self {
        Self { holders: vec![0; count as usize], count: count as usize, used: 0 }
    }

    /// Nobody holds any.
    pub(super) fn clear(&mut self) {
        self.holders.fill(0);
        self.used = 0;
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn available(&self) -> usize {
        self.count.saturating_sub(self.used)
    }

    /// The highest used cell and all below it.
    pub(super) fn extent(&self) -> u32 {
        let highest = self.holders.iter().rposition(|&holders| holders > 0);
        highest.map_or(0, |at| u32::try_from(at + 1).expect("cells are counted by a u32"))
    }

    pub(super) fn holders(&self, cell: Cell) -> u32 {
        self.holders[cell.at]
    }

    /// Cells for `tokens`, the lowest first. That there are as many is the caller's to know.
    pub(super) fn take(&mut self, tokens: impl Iterator<Item = Token>) -> Vec<Cell> {
        let mut next = 0;
        let mut take = |token| {
            while self.holders.get(next).is_some_and(|&holders| holders > 0) {
                next += 1;
            }
            if next == self.holders.len() {
                self.holders.push(0);
            }
            self.holders[next] = 1;
            self.used += 1;
            Cell { at: next, token }
        };
        tokens.map(&mut take).collect()
    }

    pub(super) fn share(&mut self, cells: &[Cell]) {
        for cell in cells {
            self.holders[cell.at] += 1;
        }
    }

    pub(super) fn free(&mut self, cells: &[Cell]) {
        for cell in cells {
            self.holders[cell.at] -= 1;
            self.used -= usize::from(self.holders[cell.at] == 0);
        }
    }
}
