//! The bytes of a snapshot: pieces of llama.cpp's sequence state, each with the positions it is
//! of, and what of them must hold before llama.cpp reads them.
//!
//! Pieces, because llama.cpp saves of a layer with a window only what the last position still
//! sees, so that longer ranges would have holes; and because a part of a snapshot is restored
//! without finding cells for all of it.
//!
//! llama.cpp refuses most of what does not fit, but asserts on some of it, which would end the
//! process: hence the check of what it takes for granted. Content is not checked: bytes come
//! from [`crate::SnapshotStore`], which vouches for them.

use std::ops::Range;

use crate::memory_kind::MemoryKind;
use crate::snapshot::SnapshotBytes;

/// "IWS1", first in every snapshot.
const MAGIC: u32 = u32::from_le_bytes(*b"IWS1");
/// llama.cpp's, first in every sequence state (`io_magic`).
const LLAMA_MAGIC: u32 = 0xaf14_3cd8;
/// The tokens of a piece, where no window asks for fewer.
const PIECE_TOKENS: u32 = 512;
/// First and last position + 1, the state's length, and its tail's.
const PIECE_HEADER_BYTES: usize = 4 + 4 + 8 + 8;
/// llama.cpp's magic number and sequence id.
const LLAMA_HEADER_BYTES: usize = 8;
/// What multi-dimensional positions add to a cell (`llama_kv_cell_ext`).
const EXTRA_BYTES: usize = 12;

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'bytes> {
    /// Which positions.
    pub(crate) range: Range<u32>,
    /// llama.cpp's sequence state.
    pub(crate) state: &'bytes [u8],
    /// How many of its last bytes are of recurrent memory.
    pub(crate) tail: usize,
}

/// The parts that `range` is saved in.
pub(crate) fn pieces(kind: MemoryKind, range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let length = match kind {
        MemoryKind::Attention => PIECE_TOKENS,
        // Aligned pieces no longer than the window lie in one window, chunked ones included.
        MemoryKind::SlidingWindow { window } => window,
        MemoryKind::Recurrent | MemoryKind::Hybrid | MemoryKind::Unsupported => u32::MAX,
    };
    let mut start = range.start;
    std::iter::from_fn(move || {
        let end = (start / length).saturating_add(1).saturating_mul(length).min(range.end);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Appends pieces to a snapshot's bytes.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Zeroes after `length`: room is taken once for all pieces.
    bytes: SnapshotBytes,
    length: usize,
    /// All tokens of the snapshot.
    tokens: u32,
}

impl Writer {
    /// `None` if the system has no room.
    pub(crate) fn new(tokens: u32) -> Option<Self> {
        let bytes = SnapshotBytes::copy_of(&MAGIC.to_le_bytes()).ok()?;
        Some(Self { length: bytes.len(), bytes, tokens })
    }

    /// Adds a piece of `state_bytes`, which `fill` writes; `None` if it does not, or without room.
    pub(crate) fn add(
        &mut self,
        range: Range<u32>,
        state_bytes: usize,
        tail: usize,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<()> {
        let end = self.length + PIECE_HEADER_BYTES + state_bytes;
        if self.bytes.len() < end {
            self.grow(end, &range)?;
        }
        let (header, state) =
            self.bytes[self.length..end].split_at_mut_checked(PIECE_HEADER_BYTES)?;
        header[..4].copy_from_slice(&range.start.to_le_bytes());
        header[4..8].copy_from_slice(&range.end.to_le_bytes());
        header[8..16].copy_from_slice(&(state_bytes as u64).to_le_bytes());
        header[16..].copy_from_slice(&(tail as u64).to_le_bytes());
        self.length = end;
        fill(state).then_some(())
    }

    pub(crate) fn finish(mut self) -> SnapshotBytes {
        self.bytes.truncate(self.length);
        self.bytes
    }

    /// Makes room for all tokens, reckoned from the piece `range` that makes it `end` long.
    fn grow(&mut self, end: usize, range: &Range<u32>) -> Option<()> {
        let tokens = (range.end - range.start).max(1) as usize;
        let pieces = (self.tokens as usize).div_ceil(tokens) + 1;
        let length = end + (end - self.length) * pieces.saturating_sub(2);
        let mut bytes = SnapshotBytes::zeroed(length).ok()?;
        bytes[..self.length].copy_from_slice(&self.bytes[..self.length]);
        self.bytes = bytes;
        Some(())
    }
}

/// The pieces of a snapshot: at least one, each after the one before. `None` for what is none.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut reader = Reader(bytes);
    if reader.u32()? != MAGIC {
        return None;
    }
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    while !reader.0.is_empty() {
        let range = reader.u32()?..reader.u32()?;
        let length = usize::try_from(reader.u64()?).ok()?;
        let tail = usize::try_from(reader.u64()?).ok()?;
        let state = reader.take(length)?;
        let follows = pieces.last().is_none_or(|last| last.range.end == range.start);
        if !follows || range.is_empty() || range.end > i32::MAX as u32 || tail > length {
            return None;
        }
        pieces.push(Piece { range, state, tail });
    }
    (!pieces.is_empty()).then_some(pieces)
}

impl Piece<'_> {
    /// The positions of the piece's cells in the order in which llama.cpp will place them, if
    /// they are the piece's range and its state is made as `kind` of memory expects. With `extra`,
    /// cells have multi-dimensional positions.
    pub(crate) fn check(&self, kind: MemoryKind, extra: bool) -> Option<Vec<u32>> {
        let mut reader = Reader(self.state);
        if reader.u32()? != LLAMA_MAGIC {
            return None;
        }
        reader.u32()?;
        match kind {
            MemoryKind::Attention | MemoryKind::SlidingWindow { .. } => self.cells(reader, extra),
            MemoryKind::Hybrid => {
                let positions = self.cells(reader, extra)?;
                self.recurrent_state(self.state.len().checked_sub(self.tail)?)?;
                Some(positions)
            }
            MemoryKind::Recurrent => {
                self.recurrent_state(LLAMA_HEADER_BYTES)?;
                Some(Vec::new())
            }
            MemoryKind::Unsupported => None,
        }
    }

    /// One stream, with a cell for each position of the range, held by one sequence.
    fn cells(&self, mut reader: Reader<'_>, extra: bool) -> Option<Vec<u32>> {
        let count = self.range.end - self.range.start;
        if reader.u32()? != 1 || reader.u32()? != count {
            return None;
        }
        let mut seen = vec![false; count as usize];
        let mut positions = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let position = reader.u32()?;
            let seen = seen.get_mut(position.checked_sub(self.range.start)? as usize)?;
            if std::mem::replace(seen, true) || reader.u32()? != 1 {
                return None;
            }
            reader.take(if extra { EXTRA_BYTES } else { 0 })?;
            reader.u32()?;
            positions.push(position);
        }
        Some(positions)
    }

    /// One cell, of the last position.
    fn recurrent_state(&self, at: usize) -> Option<()> {
        let mut reader = Reader(self.state.get(at..)?);
        let fits = reader.u32()? == 1 && reader.u32()? == self.range.end - 1 && reader.u32()? == 0;
        (fits && self.range.start == 0).then_some(())
    }
}

/// How long the recurrent part of a state is, of which llama.cpp says `partial_bytes` with its
/// header.
pub(crate) fn tail_bytes(partial_bytes: usize) -> usize {
    partial_bytes.saturating_sub(LLAMA_HEADER_BYTES)
}

struct Reader<'bytes>(&'bytes [u8]);

impl<'bytes> Reader<'bytes> {
    fn take(&mut self, bytes: usize) -> Option<&'bytes [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention_state(positions: &[u32]) -> Vec<u8> {
        let count = u32::try_from(positions.len()).expect("few");
        let mut words = vec![LLAMA_MAGIC, 7, 1, count];
        words.extend(positions.iter().flat_map(|&position| [position, 1, 7]));
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn snapshot(range: Range<u32>, state: &[u8]) -> SnapshotBytes {
        let mut writer = Writer::new(range.end - range.start).expect("room");
        writer.add(range, state.len(), 0, |bytes| {
            bytes.copy_from_slice(state);
            true
        });
        writer.finish()
    }

    #[test]
    fn pieces_lie_within_a_window() {
        let cut = |kind, range| pieces(kind, range).collect::<Vec<_>>();
        assert_eq!(cut(MemoryKind::Attention, 500..1030), [500..512, 512..1024, 1024..1030]);
        let window = MemoryKind::SlidingWindow { window: 100 };
        assert_eq!(cut(window, 150..301), [150..200, 200..300, 300..301]);
        assert!(cut(MemoryKind::Hybrid, 0..5000).iter().eq([&(0..5000)]));
        assert_eq!(cut(MemoryKind::Attention, 5..5), []);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let state = attention_state(&[4, 3]);
        let bytes = snapshot(3..5, &state);
        let pieces = read(&bytes).expect("a snapshot");
        assert_eq!(pieces, [Piece { range: 3..5, state: &state, tail: 0 }]);
        assert_eq!(pieces[0].check(MemoryKind::Attention, false), Some(vec![4, 3]));
        assert_eq!(pieces[0].check(MemoryKind::Attention, true), None);
        assert_eq!(pieces[0].check(MemoryKind::Recurrent, false), None);
    }

    #[test]
    fn no_cut_of_a_snapshot_passes_and_none_panics() {
        let bytes = snapshot(3..6, &attention_state(&[3, 4, 5]));
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            assert!(read(cut).is_none(), "cut to {length} bytes");
        }
    }

    #[test]
    fn positions_other_than_the_range_are_refused() {
        for wrong in [&[3, 3][..], &[3, 5], &[2, 3], &[3], &[3, 4, 5], &[u32::MAX, 3]] {
            let state = attention_state(wrong);
            let bytes = snapshot(3..5, &state);
            let pieces = read(&bytes).expect("well framed");
            assert_eq!(pieces[0].check(MemoryKind::Attention, false), None, "{wrong:?}");
        }
    }
}
