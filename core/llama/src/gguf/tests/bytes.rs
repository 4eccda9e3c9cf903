//! Any bytes: nothing panics, and nothing is allocated that the file does not hold.

use std::io::{self, Read};

use proptest::prelude::*;

use super::super::testing::Draft;
use super::super::{Gguf, METADATA_BYTES_MAX, ReadError};

fn read(bytes: &[u8]) -> Result<(), ReadError> {
    Gguf::read(bytes, bytes.len() as u64).map(|_| ())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_behind_a_header_are_taken_or_refused(
        tail in proptest::collection::vec(any::<u8>(), 0..4096),
        counts in (0_u64..64, 0_u64..64),
    ) {
        let mut draft = Draft::empty();
        draft.tensor_count = Some(counts.0);
        draft.pair_count = Some(counts.1);
        let mut file = draft.head();
        file.truncate(24);
        file.extend(tail);
        let _ = read(&file);
    }

    #[test]
    fn changed_bytes_of_a_model_are_taken_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = Draft::small().file();
        let head = Draft::small().head().len();
        for (at, byte) in changes {
            file[at.index(head)] = byte;
        }
        let _ = read(&file);
    }

    #[test]
    fn a_model_cut_anywhere_is_refused(at in any::<prop::sample::Index>()) {
        let file = Draft::small().file();
        let cut = &file[..at.index(file.len())];
        prop_assert!(read(cut).is_err());
    }
}

/// A source that never ends, and counts what was taken of it.
struct Endless<'head> {
    head: &'head [u8],
    taken: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from_head = self.head.read(buffer)?;
        buffer[from_head..].fill(0);
        self.taken += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn a_text_as_long_as_a_huge_file_is_refused_before_it_is_read() {
    for (kind, length) in [(8_u32, 1_u64 << 40), (8, METADATA_BYTES_MAX), (9, 1 << 40)] {
        let mut draft = Draft::empty();
        let mut value = length.to_le_bytes().to_vec();
        if kind == 9 {
            value = [&0_u32.to_le_bytes()[..], &length.to_le_bytes()].concat();
        }
        draft.pairs.push(super::super::testing::DraftPair { key: b"k".to_vec(), kind, value });
        let head = draft.head();
        let mut source = Endless { head: &head, taken: 0 };
        Gguf::read(&mut source, 1 << 50).expect_err("longer than any model's");
        assert!(source.taken < 1 << 20, "{} bytes were read", source.taken);
    }
}
