//! The sequences of one context's memory: shared, cut, saved and restored.
//!
//! It takes the kernel's sequence ids and knows llama.cpp's ([`numbering`]). It does not know
//! what is worth keeping. Every operation checks what it needs before llama.cpp is called, and
//! what it brought afterwards, by the positions that llama.cpp reports: it then holds, or
//! nothing was done and it says so.
//!
//! Invariants: a sequence has all positions from its first to its last, and a resident's first
//! is 0; a resident and its guard hold the same cells; the scratch sequence is empty between
//! operations; [`Cells`] is told of whatever changes.
//!
//! A running sequence on a window may lose its lowest positions: llama.cpp gives cells that only
//! it holds, and that are out of its window, to new tokens. Residents can't, being guarded.

mod numbering;
mod state;

use std::ops::Range;
use std::ptr::NonNull;

use indwell_kernel::SeqId;
use llama_cpp_sys_2 as sys;

use crate::Batch;
use crate::cells::Cells;
use crate::edge;
use crate::error::RestoreError;
use crate::log::capturing_errors;
use crate::memory_kind::MemoryKind;
use crate::snapshot::SnapshotBytes;
use state::Piece;

pub(crate) use numbering::{Number, Numbering};

/// llama.cpp's macro: of hybrid memory, only the recurrent part.
const PARTIAL_ONLY: sys::llama_state_seq_flags = 1;
/// All positions.
const ALL: Range<u32> = 0..i32::MAX as u32;

/// What it is of: pointers that outlive it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handles {
    pub(crate) context: NonNull<sys::llama_context>,
    pub(crate) memory: sys::llama_memory_t,
}

/// The memory of one context, which owns it and outlives it.
#[derive(Debug)]
pub(crate) struct Memory {
    handles: Handles,
    kind: MemoryKind,
    numbering: Numbering,
    /// `None` where its allocation can't be followed.
    cells: Option<Cells>,
    /// Whether cells have multi-dimensional positions.
    has_extra: bool,
}

impl Memory {
    /// # Safety
    /// `handles` are of one living context, which stays alive and is used by one thread at a
    /// time while this is used, and was made for `numbering`.
    pub(crate) unsafe fn new(
        handles: Handles,
        kind: MemoryKind,
        numbering: Numbering,
        cells: Option<Cells>,
        has_extra: bool,
    ) -> Self {
        Self { handles, kind, numbering, cells, has_extra }
    }

    pub(crate) fn kind(&self) -> MemoryKind {
        self.kind
    }

    pub(crate) fn cells(&self) -> Option<&Cells> {
        self.cells.as_ref()
    }

    /// The positions that `seq` has, from its first to after its last; of recurrent memory only
    /// the last one is there. `None` if it has none.
    pub(crate) fn positions(&self, seq: SeqId) -> Option<Range<u32>> {
        self.positions_of(self.numbering.of(seq)?.seq)
    }

    /// Removes the cells of `seq` at positions `from` and above; `false` if it can't.
    pub(crate) fn truncate(&mut self, seq: SeqId, from: u32) -> bool {
        self.numbering.of(seq).is_some_and(|number| self.remove_from(number, from..ALL.end))
    }

    pub(crate) fn share(&mut self, from: SeqId, to: SeqId, range: Range<u32>) -> bool {
        let Some((from, to)) = self.pair(from, to, &range) else { return false };
        if self.kind.is_whole() {
            return self.share_whole(from, to, range);
        }
        let fits = self.has(from, &range) && self.ends_at(to, range.start);
        fits && {
            self.copy(from.seq, to, &range);
            self.is_complete(to, range.end) || {
                self.remove_from(to, range);
                false
            }
        }
    }

    pub(crate) fn replace(&mut self, from: SeqId, to: SeqId, range: Range<u32>) -> bool {
        let Some((from, to)) = self.pair(from, to, &range) else { return false };
        let fits = !self.kind.is_whole() && self.has(from, &range) && self.has(to, &range);
        fits && {
            self.remove_from(to, range.clone());
            self.copy(from.seq, to, &range);
            true
        }
    }

    /// The state of `seq` at `range`; `None` if `seq` has not all of it.
    pub(crate) fn save(&mut self, seq: SeqId, range: Range<u32>) -> Option<SnapshotBytes> {
        let (number, scratch) = (self.numbering.of(seq)?, self.numbering.scratch()?);
        if range.is_empty() || !self.has(number, &range) {
            return None;
        }
        let mut writer = state::Writer::new(range.end - range.start)?;
        if self.kind.is_whole() {
            let exact = range.start == 0 && self.end(number.seq) == range.end;
            let tail = exact.then(|| self.state_bytes(number.seq, PARTIAL_ONLY))?;
            let tail = state::tail_bytes(tail);
            self.write(&mut writer, number.seq, range, tail)?;
        } else {
            for piece in state::pieces(self.kind, range) {
                self.raw_copy(number.seq, scratch, &piece);
                let written = self.write(&mut writer, scratch, piece, 0);
                self.raw_remove(scratch, &ALL);
                written?;
            }
        }
        Some(writer.finish())
    }

    /// Gives `seq`, which ends at its start, the positions `range` from a snapshot's bytes.
    /// After an error it has none of them.
    pub(crate) fn restore(
        &mut self,
        seq: SeqId,
        range: Range<u32>,
        bytes: &[u8],
    ) -> Result<(), RestoreError> {
        let (Some(to), Some(scratch)) = (self.numbering.of(seq), self.numbering.scratch()) else {
            return Err(RestoreError::NotHere);
        };
        if range.is_empty() || !self.ends_at(to, range.start) {
            return Err(RestoreError::NotHere);
        }
        let pieces = state::read(bytes).ok_or(RestoreError::Malformed)?;
        let first = pieces.first().map_or(u32::MAX, |piece| piece.range.start);
        let end = pieces.last().map_or(0, |piece| piece.range.end);
        if range.start < first || range.end > end || (self.kind.is_whole() && end != range.end) {
            return Err(RestoreError::NotHere);
        }
        let result = if self.kind.is_whole() {
            self.read_piece(&pieces[0], to.seq)
        } else {
            pieces.iter().try_for_each(|piece| {
                let part = piece.range.start.max(range.start)..piece.range.end.min(range.end);
                if part.is_empty() {
                    return Ok(());
                }
                self.read_piece(piece, scratch)?;
                self.copy(scratch, to, &part);
                self.remove_one(scratch, &ALL);
                Ok(())
            })
        };
        let complete = result.is_ok() && self.end(to.seq) == range.end;
        if !complete {
            self.remove_from(to, if self.kind.is_whole() { ALL } else { range });
        }
        result.and(if complete { Ok(()) } else { Err(RestoreError::Incomplete) })
    }

    /// Moves the cells of `seq` at `range`, which it alone holds, to lower free ones. `false` if
    /// none of them would come to lie lower.
    pub(crate) fn compact(&mut self, seq: SeqId, range: Range<u32>) -> bool {
        let (Some(number), Some(scratch)) = (self.numbering.of(seq), self.numbering.scratch())
        else {
            return false;
        };
        if self.kind.is_whole() || range.is_empty() || !self.has(number, &range) {
            return false;
        }
        let mut moved = false;
        for piece in state::pieces(self.kind, range) {
            moved |= self.gains(number, &piece) && self.relocate(number, scratch, &piece).is_some();
        }
        moved
    }

    /// Follows a decode that succeeded.
    pub(crate) fn decoded(&mut self, batch: &Batch) {
        if let Some(cells) = &mut self.cells
            && !cells.place(batch.cells())
        {
            self.cells = None;
        }
    }

    /// Follows a decode that was broken off, after which llama.cpp removes from each sequence of
    /// the batch what the batch had of it.
    pub(crate) fn broken_off(&mut self, batch: &Batch) {
        self.decoded(batch);
        if let Some(cells) = &mut self.cells {
            for (seq, position) in batch.cells() {
                cells.remove(seq, position..ALL.end);
            }
        }
    }

    /// Gives up following the cells, after an error that leaves them unknown.
    pub(crate) fn lose_track(&mut self) {
        self.cells = None;
    }

    fn pair(&self, from: SeqId, to: SeqId, range: &Range<u32>) -> Option<(Number, Number)> {
        let valid = from != to && !range.is_empty() && range.end <= ALL.end;
        self.numbering.scratch().filter(|_| valid)?;
        Some((self.numbering.of(from)?, self.numbering.of(to)?))
    }

    /// All of `from`, which ends where the range does, for `to`, which has nothing.
    fn share_whole(&mut self, from: Number, to: Number, range: Range<u32>) -> bool {
        let fits = range.start == 0 && self.end(from.seq) == range.end && self.end(to.seq) == 0;
        fits && {
            // SAFETY: both sequences are below `n_seq_max`; no range is given.
            let shared = unsafe { edge::copy(self.handles.memory, from.seq, to.seq, (-1, -1)) };
            self.noted(shared);
            self.end(to.seq) == range.end || {
                self.remove_from(to, ALL);
                false
            }
        }
    }

    /// Whether one more copy of these cells would lie lower than they do, and they are nobody
    /// else's.
    fn gains(&self, number: Number, piece: &Range<u32>) -> bool {
        let Some(cells) = &self.cells else { return false };
        let guard = number.guard.map(unsigned);
        let own = cells.own_extent(unsigned(number.seq), guard, piece.clone());
        let next = cells.extent_of_next(piece.end - piece.start);
        own.zip(next).is_some_and(|(own, next)| next < own)
    }

    /// Copies cells to the lowest free ones, and only then lets go of the old ones.
    fn relocate(
        &mut self,
        number: Number,
        scratch: sys::llama_seq_id,
        range: &Range<u32>,
    ) -> Option<()> {
        let mut writer = state::Writer::new(range.end - range.start)?;
        self.raw_copy(number.seq, scratch, range);
        let written = self.write(&mut writer, scratch, range.clone(), 0);
        self.raw_remove(scratch, &ALL);
        written?;
        let bytes = writer.finish();
        let pieces = state::read(&bytes)?;
        self.read_piece(pieces.first()?, scratch).ok()?;
        // What lies out of a window may have been taken for the copy, and then what is below it
        // is gone too: so is this, or there would be a hole above it.
        if !self.has(number, range) {
            self.remove_one(scratch, &ALL);
            return None;
        }
        self.remove_from(number, range.clone());
        self.copy(scratch, number, range);
        self.remove_one(scratch, &ALL);
        Some(())
    }

    /// Adds the state of all that `seq` has, which is `range`.
    fn write(
        &self,
        writer: &mut state::Writer,
        seq: sys::llama_seq_id,
        range: Range<u32>,
        tail: usize,
    ) -> Option<()> {
        let _computing = crate::exit::computing();
        let bytes = self.state_bytes(seq, 0);
        let context = self.handles.context.as_ptr();
        writer.add(range, bytes, tail, |buffer| {
            // SAFETY: the context is alive and ours alone; the sequence is of this context.
            let written = unsafe { edge::state_get(context, buffer, seq) };
            written == Ok(buffer.len())
        })
    }

    /// Gives `seq`, which is empty, the cells of `piece`; after an error it is empty.
    fn read_piece(
        &mut self,
        piece: &Piece<'_>,
        seq: sys::llama_seq_id,
    ) -> Result<(), RestoreError> {
        let positions = piece.check(self.kind, self.has_extra).ok_or(RestoreError::Malformed)?;
        let needed = piece.range.end - piece.range.start;
        if self.cells.as_ref().is_some_and(|cells| cells.free() < needed) {
            return Err(RestoreError::NoRoom { cells: needed });
        }
        let _computing = crate::exit::computing();
        let context = self.handles.context.as_ptr();
        // SAFETY: the context is alive and ours alone; what llama.cpp asserts of the state was
        // checked; the sequence is below `n_seq_max`.
        let (read, errors) =
            capturing_errors(|| unsafe { edge::state_set(context, piece.state, seq) });
        if let Some(cells) = &mut self.cells
            && !cells.place(positions.into_iter().map(|position| (unsigned(seq), position)))
        {
            self.cells = None;
        }
        let first = if self.kind.is_whole() { None } else { Some(piece.range.start) };
        let has = self.positions_of(seq).unwrap_or(0..0);
        let fits = has.end == piece.range.end && first.is_none_or(|first| has.start == first);
        if read == Ok(piece.state.len()) && fits {
            return Ok(());
        }
        self.remove_one(seq, &ALL);
        Err(RestoreError::Refused { reason: errors })
    }

    fn state_bytes(&self, seq: sys::llama_seq_id, flags: sys::llama_state_seq_flags) -> usize {
        // SAFETY: the context is alive and ours alone; the sequence is of this context.
        let size = unsafe { edge::state_size(self.handles.context.as_ptr(), seq, flags) };
        size.unwrap_or_else(|thrown| {
            tracing::error!("{thrown}");
            0
        })
    }

    /// Whether `number` has all positions of `range`, and of recurrent memory the last one.
    fn has(&self, number: Number, range: &Range<u32>) -> bool {
        let has = self.positions_of(number.seq).unwrap_or(0..0);
        (self.kind.is_whole() || has.start <= range.start) && range.end <= has.end
    }

    /// Whether `number` has all positions before `end` and none after.
    fn ends_at(&self, number: Number, end: u32) -> bool {
        match self.positions_of(number.seq) {
            None => end == 0,
            Some(has) => has.end == end && (self.kind.is_whole() || has.start == 0),
        }
    }

    /// As [`Self::ends_at`], and the cells were counted where they can be.
    fn is_complete(&self, number: Number, end: u32) -> bool {
        let counted = self
            .cells
            .as_ref()
            .is_none_or(|cells| number.each().all(|seq| cells.held(unsigned(seq)) == end));
        counted && self.ends_at(number, end)
    }

    /// After the last position, 0 if there is none.
    fn end(&self, seq: sys::llama_seq_id) -> u32 {
        self.positions_of(seq).map_or(0, |positions| positions.end)
    }

    fn positions_of(&self, seq: sys::llama_seq_id) -> Option<Range<u32>> {
        // SAFETY: the memory is of a living context; the sequence is below 256.
        let (first, last) = unsafe {
            (
                sys::llama_memory_seq_pos_min(self.handles.memory, seq),
                sys::llama_memory_seq_pos_max(self.handles.memory, seq),
            )
        };
        Some(u32::try_from(first).ok()?..u32::try_from(last).ok()? + 1)
    }

    /// Lets `to` and its guard hold the cells of `from` at `range` too.
    fn copy(&mut self, from: sys::llama_seq_id, to: Number, range: &Range<u32>) {
        for to in to.each() {
            self.raw_copy(from, to, range);
            if let Some(cells) = &mut self.cells {
                cells.share(unsigned(from), unsigned(to), range.clone());
            }
        }
    }

    /// Takes the cells at `range` from `number` and its guard; `false`, and nothing was done, if
    /// the memory can't.
    fn remove_from(&mut self, number: Number, range: Range<u32>) -> bool {
        number.each().all(|seq| self.remove_one(seq, &range))
    }

    fn remove_one(&mut self, seq: sys::llama_seq_id, range: &Range<u32>) -> bool {
        let removed = self.raw_remove(seq, range);
        if let (true, Some(cells)) = (removed, &mut self.cells) {
            cells.remove(unsigned(seq), range.clone());
        }
        removed
    }

    /// Without telling the cells: only where what is shared is removed again at once, which
    /// frees nothing.
    fn raw_copy(&mut self, from: sys::llama_seq_id, to: sys::llama_seq_id, range: &Range<u32>) {
        let (start, end) = bounds(range);
        // SAFETY: the memory is of a living context; both sequences are below 256, which
        // attention takes in any range; other memory is shared in `share_whole`.
        let copied = unsafe { edge::copy(self.handles.memory, from, to, (start, end)) };
        self.noted(copied);
    }

    /// As [`Self::raw_copy`].
    fn raw_remove(&mut self, seq: sys::llama_seq_id, range: &Range<u32>) -> bool {
        let (start, end) = bounds(range);
        // SAFETY: the memory is of a living context; the sequence is of this context.
        let removed = unsafe { edge::remove(self.handles.memory, seq, (start, end)) };
        self.noted(removed).unwrap_or(false)
    }

    /// After an exception the memory is as llama.cpp left it: its cells are not followed any more.
    fn noted<T>(&mut self, done: Result<T, edge::Thrown>) -> Option<T> {
        done.inspect_err(|thrown| {
            tracing::error!("{thrown}");
            self.lose_track();
        })
        .ok()
    }
}

/// Positions as llama.cpp counts them; an open end is -1.
fn bounds(range: &Range<u32>) -> (sys::llama_pos, sys::llama_pos) {
    let start = sys::llama_pos::try_from(range.start).unwrap_or(sys::llama_pos::MAX);
    let end = sys::llama_pos::try_from(range.end).unwrap_or(sys::llama_pos::MAX);
    (start, if range.end >= ALL.end { -1 } else { end })
}

fn unsigned(seq: sys::llama_seq_id) -> u32 {
    u32::try_from(seq).expect("sequences are not negative")
}
