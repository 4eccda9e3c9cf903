//! A snapshot's file: its format, writing and checking it. It does not know where files are.
//!
//! Everything is little endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `indwlpfx` |
//! | 4 | the format, 1 |
//! | 4 | the first token whose state is in the payload |
//! | 32 | the engine's fingerprint |
//! | 32 | the namespace |
//! | 8 | tokens |
//! | 8 | the payload's length |
//! | 4 each | the tokens of the whole prefix |
//! | | the payload |
//! | 32 | blake3 of all before |
//!
//! Invariants: nothing is allocated before the lengths add up to the file's; bytes are handed out
//! only when the checksum was right. So files need no flushing to the disk when they are written:
//! after a power failure the checksum tells which are whole.

use std::io::{self, Read, Write};

use indwell_kernel::{Namespace, SnapshotKey, Token};
use indwell_llama::SnapshotBytes;

use super::bad::Bad;
use super::name::FileName;
use crate::tiers::Fingerprint;

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"indwlpfx";
const FIXED_BYTES: usize = 96;
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;
/// Pieces that are hashed while they are in the processor's cache.
const PIECE_BYTES: usize = 1 << 20;

/// A file's header that was checked, and what is needed to check the rest.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) key: SnapshotKey,
    payload_bytes: u64,
    hasher: blake3::Hasher,
}

/// How long the file of a snapshot is.
pub(super) fn length(key: &SnapshotKey, payload: &[u8]) -> u64 {
    (FIXED_BYTES + 4 * key.tokens.len() + payload.len() + CHECKSUM_BYTES) as u64
}

/// Writes a file; gives up, as timed out, when `is_over` says so.
pub(super) fn write(
    to: &mut dyn Write,
    fingerprint: &Fingerprint,
    key: &SnapshotKey,
    payload: &[u8],
    is_over: &dyn Fn() -> bool,
) -> io::Result<()> {
    let mut header = Vec::with_capacity(FIXED_BYTES + 4 * key.tokens.len());
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&key.start.to_le_bytes());
    header.extend_from_slice(&fingerprint.0);
    header.extend_from_slice(key.namespace.as_bytes());
    header.extend_from_slice(&(key.tokens.len() as u64).to_le_bytes());
    header.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    header.extend(key.tokens.iter().flat_map(|token| token.0.to_le_bytes()));

    let mut hasher = blake3::Hasher::new();
    for piece in std::iter::once(&header[..]).chain(payload.chunks(PIECE_BYTES)) {
        if is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        hasher.update(piece);
        to.write_all(piece)?;
    }
    to.write_all(hasher.finalize().as_bytes())?;
    to.flush()
}

/// Reads and checks the header of a file of `file_bytes` bytes.
pub(super) fn read_header(
    from: &mut dyn Read,
    file_bytes: u64,
    name: FileName,
    fingerprint: &Fingerprint,
) -> Result<Header, Bad> {
    let mut fixed = [0; FIXED_BYTES];
    // The magic and the format come first: of a newer format nothing else is known.
    let (prelude, rest) = fixed.split_at_mut(12);
    from.read_exact(prelude)?;
    if prelude[..8] != MAGIC {
        return Err(Bad::Magic);
    }
    match u32::from_le_bytes(array(&prelude[8..])) {
        FORMAT => {}
        newer if newer > FORMAT => return Err(Bad::Newer(newer)),
        // There has been no older one.
        _ => return Err(Bad::Magic),
    }
    from.read_exact(rest)?;
    if array(&fixed[16..48]) != fingerprint.0 {
        return Err(Bad::Foreign);
    }
    let start = u32::from_le_bytes(array(&fixed[12..16]));
    let namespace = Namespace::from_bytes(array(&fixed[48..80]));
    let tokens = u64::from_le_bytes(array(&fixed[80..88]));
    let payload_bytes = u64::from_le_bytes(array(&fixed[88..96]));
    let expected = tokens
        .checked_mul(4)
        .and_then(|bytes| bytes.checked_add(payload_bytes))
        .and_then(|bytes| bytes.checked_add((FIXED_BYTES + CHECKSUM_BYTES) as u64));
    if expected != Some(file_bytes) {
        return Err(Bad::Length);
    }
    let Some(tokens) = u32::try_from(tokens).ok().filter(|tokens| start < *tokens) else {
        return Err(Bad::Misnamed);
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fixed);
    let tokens = read_tokens(from, tokens as usize, &mut hasher)?;
    let key = SnapshotKey { namespace, tokens, start };
    if FileName::of(fingerprint, &key) != name {
        return Err(Bad::Misnamed);
    }
    Ok(Header { key, payload_bytes, hasher })
}

/// Reads what follows the header, and checks all of it.
pub(super) fn read_payload(from: &mut dyn Read, header: Header) -> Result<SnapshotBytes, Bad> {
    let Header { payload_bytes, mut hasher, .. } = header;
    let length = usize::try_from(payload_bytes).map_err(|_| out_of_memory())?;
    let mut payload = SnapshotBytes::zeroed(length)?;
    for piece in payload.chunks_mut(PIECE_BYTES) {
        from.read_exact(piece)?;
        hasher.update(piece);
    }
    let mut checksum = [0; CHECKSUM_BYTES];
    from.read_exact(&mut checksum)?;
    if hasher.finalize() == checksum { Ok(payload) } else { Err(Bad::Checksum) }
}

fn read_tokens(
    from: &mut dyn Read,
    count: usize,
    hasher: &mut blake3::Hasher,
) -> Result<Vec<Token>, Bad> {
    let mut tokens = Vec::new();
    tokens.try_reserve_exact(count).map_err(|_| out_of_memory())?;
    let mut piece = [0; 4096];
    while tokens.len() < count {
        let bytes = (4 * (count - tokens.len())).min(piece.len());
        let piece = &mut piece[..bytes];
        from.read_exact(piece)?;
        hasher.update(piece);
        tokens.extend(piece.chunks_exact(4).map(|bytes| Token(i32::from_le_bytes(array(bytes)))));
    }
    Ok(tokens)
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the slice was taken with this length")
}

fn out_of_memory() -> Bad {
    Bad::Unreadable(io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: Fingerprint = Fingerprint([3; 32]);

    fn key(tokens: &[i32]) -> SnapshotKey {
        let tokens = tokens.iter().copied().map(Token).collect();
        SnapshotKey { namespace: Namespace::from_bytes([9; 32]), tokens, start: 1 }
    }

    fn written(key: &SnapshotKey, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, &OURS, key, payload, &|| false).unwrap();
        assert_eq!(bytes.len() as u64, length(key, payload));
        bytes
    }

    fn read(mut bytes: &[u8], length: u64, name: FileName) -> Result<(SnapshotKey, Vec<u8>), Bad> {
        let header = read_header(&mut bytes, length, name, &OURS)?;
        let key = header.key.clone();
        assert!(4 * key.tokens.capacity() as u64 <= length);
        let payload = read_payload(&mut bytes, header)?.to_vec();
        assert!(payload.capacity() as u64 <= length);
        Ok((key, payload))
    }

    fn read_whole(bytes: &[u8], name: FileName) -> Result<(SnapshotKey, Vec<u8>), Bad> {
        read(bytes, bytes.len() as u64, name)
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let bytes = written(&key(&[1, -2]), b"state");
        assert_eq!(bytes.len(), 96 + 8 + 5 + 32);
        assert_eq!(&bytes[..16], b"indwlpfx\x01\0\0\0\x01\0\0\0");
        assert_eq!(
            &bytes[80..109],
            b"\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01\0\0\0\xfe\xff\xff\xffstate"
        );
        assert_eq!(bytes[109..], *blake3::hash(&bytes[..109]).as_bytes());
    }

    #[test]
    fn every_truncation_is_found() {
        let key = key(&[1, 2, 3]);
        let name = FileName::of(&OURS, &key);
        let bytes = written(&key, &[7; 200]);
        assert_eq!(read_whole(&bytes, name).unwrap(), (key, vec![7; 200]));
        for end in 0..bytes.len() {
            // Short from the beginning, and cut while it is read.
            assert!(matches!(read_whole(&bytes[..end], name), Err(Bad::Length)), "{end}");
            let cut = read(&bytes[..end], bytes.len() as u64, name);
            assert!(matches!(cut, Err(Bad::Length)), "{end}: {cut:?}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let key = key(&[1, 2, 3]);
        let name = FileName::of(&OURS, &key);
        let good = written(&key, &[7; 100]);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = read_whole(&bytes, name);
            assert!(read.is_err(), "bit {bit}: {read:?}");
        }
    }

    #[test]
    fn a_thousand_random_flips_in_a_large_file_are_found() {
        let key = key(&(0..3000).collect::<Vec<_>>());
        let name = FileName::of(&OURS, &key);
        let payload: Vec<u8> = (0..PIECE_BYTES + 77).map(|at| at as u8).collect();
        let mut bytes = written(&key, &payload);
        let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
        println!("seed {seed}");
        let mut random = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        for _ in 0..1000 {
            let mut word = [0; 8];
            random.fill(&mut word);
            let bit = (u64::from_le_bytes(word) % (bytes.len() as u64 * 8)) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read_whole(&bytes, name).is_err(), "seed {seed}, bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(read_whole(&bytes, name).unwrap().1, payload);
    }

    #[test]
    fn lengths_that_overflow_are_found() {
        let key = key(&[1, 2, 3]);
        let name = FileName::of(&OURS, &key);
        let good = written(&key, &[7; 100]);
        for (tokens, payload) in [
            (u64::MAX, 0),
            (u64::MAX / 4, u64::MAX),
            (1 << 62, 112),
            (3, u64::MAX - 100),
            (0, 112),
            (1, 108),
        ] {
            let mut bytes = good.clone();
            bytes[80..88].copy_from_slice(&tokens.to_le_bytes());
            bytes[88..96].copy_from_slice(&payload.to_le_bytes());
            assert!(read_whole(&bytes, name).is_err(), "{tokens} tokens, {payload} bytes");
        }
    }

    #[test]
    fn writing_gives_up_when_time_is_over() {
        let mut to = Vec::new();
        let error = write(&mut to, &OURS, &key(&[1, 2]), &[0; 10], &|| true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Fields of a header, often right.
    fn headers() -> impl Strategy<Value = Vec<u8>> {
        let magic = prop_oneof![3 => Just(MAGIC), 1 => any::<[u8; 8]>()];
        let format = prop_oneof![3 => Just(FORMAT), 1 => any::<u32>()];
        let fingerprint = prop_oneof![3 => Just(OURS.0), 1 => any::<[u8; 32]>()];
        let count = || prop_oneof![0..40_u64, any::<u64>()];
        let rest = prop::collection::vec(any::<u8>(), 0..300);
        let lengths = (count(), count());
        (magic, format, 0..5_u32, fingerprint, lengths, rest).prop_map(
            |(magic, format, start, fingerprint, (tokens, payload), rest)| {
                let mut bytes = magic.to_vec();
                bytes.extend(format.to_le_bytes());
                bytes.extend(start.to_le_bytes());
                bytes.extend(fingerprint);
                bytes.extend([9; 32]);
                bytes.extend(tokens.to_le_bytes());
                bytes.extend(payload.to_le_bytes());
                bytes.extend(rest);
                bytes
            },
        )
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_used(
            bytes in prop_oneof![headers(), prop::collection::vec(any::<u8>(), 0..400)],
            claimed in prop::option::of(any::<u64>()),
        ) {
            let name = FileName::of(&OURS, &key(&[1, 2, 3]));
            // The length as it is, and as it may have been before the file was cut.
            let length = claimed.map_or(bytes.len() as u64, |claimed| claimed % 100_000);
            prop_assert!(read(&bytes, length, name).is_err());
        }

        #[test]
        fn what_is_written_is_read(
            tokens in prop::collection::vec(any::<i32>(), 2..3000),
            payload in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            let key = key(&tokens);
            let bytes = written(&key, &payload);
            prop_assert_eq!(
                read_whole(&bytes, FileName::of(&OURS, &key)).unwrap(),
                (key, payload)
            );
        }
    }
}
