//! The tokens of one decode call, in llama.cpp's layout of parallel arrays.
//!
//! llama.cpp's own batches write past their end when given too much. Here every array has the
//! batch's capacity from the start, and [`Batch::push`] refuses what does not fit.

use indwell_kernel::{SeqId, Token};
use llama_cpp_sys_2 as sys;

/// A batch of at most `capacity` tokens, each of one sequence.
#[derive(Debug)]
pub struct Batch {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    sequence_counts: Vec<i32>,
    sequences: Vec<sys::llama_seq_id>,
    /// Pointers into `sequences`, one a token; built once, as `sequences` never moves.
    sequence_pointers: Vec<*mut sys::llama_seq_id>,
    outputs: Vec<i8>,
    length: usize,
    output_count: usize,
}

// SAFETY: the pointers point into the batch's own heap memory, which moves with it.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch for up to `capacity` tokens.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let mut sequences = vec![0; capacity];
        let base: *mut sys::llama_seq_id = sequences.as_mut_ptr();
        let sequence_pointers = (0..capacity).map(|index| base.wrapping_add(index)).collect();
        Self {
            tokens: vec![0; capacity],
            positions: vec![0; capacity],
            sequence_counts: vec![1; capacity],
            sequences,
            sequence_pointers,
            outputs: vec![0; capacity],
            length: 0,
            output_count: 0,
        }
    }

    /// Tokens in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many tokens ask for logits.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.output_count
    }

    /// Removes all tokens.
    pub fn clear(&mut self) {
        self.length = 0;
        self.output_count = 0;
    }

    /// Adds a token at `position` of `seq`, and returns its index; `None` if the batch is full
    /// or the position is beyond what llama.cpp counts.
    pub fn push(&mut self, seq: SeqId, position: u32, token: Token, output: bool) -> Option<usize> {
        let index = self.length;
        let position = sys::llama_pos::try_from(position).ok()?;
        let seq = sys::llama_seq_id::try_from(seq.0).ok()?;
        *self.tokens.get_mut(index)? = token.0;
        self.positions[index] = position;
        self.sequences[index] = seq;
        self.outputs[index] = i8::from(output);
        self.length += 1;
        self.output_count += usize::from(output);
        Some(index)
    }

    /// Whether the token at `index` asks for logits.
    #[must_use]
    pub fn is_output(&self, index: usize) -> bool {
        index < self.length && self.outputs[index] != 0
    }

    /// Each token's sequence and position, in order.
    pub(crate) fn cells(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        let pairs = self.sequences[..self.length].iter().zip(&self.positions[..self.length]);
        pairs.map(|(&seq, &position)| (seq.cast_unsigned(), position.cast_unsigned()))
    }

    /// The largest token id and sequence id, and the smallest token id, to be checked against
    /// the model's before llama.cpp sees the batch.
    pub(crate) fn extent(&self) -> Option<Extent> {
        let tokens = &self.tokens[..self.length];
        Some(Extent {
            token_min: *tokens.iter().min()?,
            token_max: *tokens.iter().max()?,
            sequence_max: *self.sequences[..self.length].iter().max()?,
        })
    }

    /// The batch as llama.cpp takes it, valid while `self` is borrowed and unchanged.
    pub(crate) fn as_llama(&mut self) -> sys::llama_batch {
        sys::llama_batch {
            n_tokens: i32::try_from(self.length).expect("a batch has at most 65536 tokens"),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.sequence_counts.as_mut_ptr(),
            seq_id: self.sequence_pointers.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}

/// The range of ids in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) token_min: i32,
    pub(crate) token_max: i32,
    pub(crate) sequence_max: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_batch_refuses_one_more() {
        let mut batch = Batch::new(2);
        assert_eq!(batch.push(SeqId(0), 0, Token(5), false), Some(0));
        assert_eq!(batch.push(SeqId(1), 7, Token(6), true), Some(1));
        assert_eq!(batch.push(SeqId(1), 8, Token(7), true), None);
        assert_eq!((batch.len(), batch.output_count()), (2, 1));
        assert!(batch.is_output(1) && !batch.is_output(0) && !batch.is_output(2));
        let extent = batch.extent().expect("not empty");
        assert_eq!(extent, Extent { token_min: 5, token_max: 6, sequence_max: 1 });
        batch.clear();
        assert!(batch.is_empty() && batch.extent().is_none());
    }

    #[test]
    fn positions_beyond_llamas_count_are_refused() {
        assert_eq!(Batch::new(1).push(SeqId(0), u32::MAX, Token(0), false), None);
    }
}
