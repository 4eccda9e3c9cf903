//! Names of snapshots' files.
//!
//! Invariant: the name is a digest of everything that says what the file must hold. Two processes
//! that write the same snapshot write the same file, and a file under a wrong name is found out.

use std::ffi::OsStr;
use std::fmt;
use std::sync::LazyLock;

use indwell_kernel::SnapshotKey;

use super::file::FORMAT;
use crate::tiers::Fingerprint;

/// A file's name, without its extension.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::tiers) struct FileName([u8; 32]);

const EXTENSION: &str = ".indwell-prefix";

/// Keeps these digests apart from every other use of blake3.
static HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("indwell 2026-11 snapshot file name"));

impl FileName {
    /// The name of the file of a snapshot.
    pub(in crate::tiers) fn of(fingerprint: &Fingerprint, key: &SnapshotKey) -> Self {
        let mut hasher = HASHER.clone();
        hasher.update(&FORMAT.to_le_bytes());
        hasher.update(&fingerprint.0);
        hasher.update(key.namespace.as_bytes());
        hasher.update(&key.start.to_le_bytes());
        // The tokens are the last and the only ones of variable length.
        let mut piece = [0; 4096];
        for tokens in key.tokens.chunks(piece.len() / 4) {
            for (bytes, token) in piece.chunks_exact_mut(4).zip(tokens) {
                bytes.copy_from_slice(&token.0.to_le_bytes());
            }
            hasher.update(&piece[..tokens.len() * 4]);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The name, if it is one that [`fmt::Display`] writes.
    pub(super) fn parse(file_name: &OsStr) -> Option<Self> {
        let digits = file_name.to_str()?.strip_suffix(EXTENSION)?;
        let lower = digits.bytes().all(|byte| !byte.is_ascii_uppercase());
        let digest = blake3::Hash::from_hex(digits).ok()?;
        lower.then_some(Self(*digest.as_bytes()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{EXTENSION}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "FileName({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use indwell_kernel::{Namespace, Token};

    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let key = SnapshotKey {
            namespace: Namespace::builder().finish(),
            tokens: (0..5000).map(Token).collect(),
            start: 7,
        };
        let name = FileName::of(&Fingerprint([1; 32]), &key);
        assert_eq!(FileName::parse(OsStr::new(&name.to_string())), Some(name));
        assert_eq!(FileName::parse(OsStr::new(&name.to_string().to_uppercase())), None);
        for other in ["", ".indwell-prefix", "abc.indwell-prefix", "abc"] {
            assert_eq!(FileName::parse(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn whatever_differs_gives_another_name() {
        let namespace = |salt: &[u8]| {
            Namespace::builder().field(indwell_kernel::NamespaceField::Salt, salt).finish()
        };
        let key = |salt: &[u8], count: i32, start| SnapshotKey {
            namespace: namespace(salt),
            tokens: (0..count).map(Token).collect(),
            start,
        };
        let names = [
            FileName::of(&Fingerprint([1; 32]), &key(b"a", 2000, 0)),
            FileName::of(&Fingerprint([2; 32]), &key(b"a", 2000, 0)),
            FileName::of(&Fingerprint([1; 32]), &key(b"b", 2000, 0)),
            FileName::of(&Fingerprint([1; 32]), &key(b"a", 2001, 0)),
            FileName::of(&Fingerprint([1; 32]), &key(b"a", 2000, 1)),
        ];
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }
}
