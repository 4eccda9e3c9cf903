//! What tells one model's weights from another's: a digest of its file, or files where it was
//! split.
//!
//! The digest is of what lies at the path now. A file that was replaced since the model was
//! loaded would give saved states a wrong name, so size and time of the change are noted at load
//! and compared before and after.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::Model;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

impl Model {
    /// The blake3 digest of the model's file, or of the digests of its files in order.
    /// `on_progress` is told the share that is read, from 0 to 1.
    ///
    /// # Errors
    /// When a file can't be read, and when the one that the model was loaded from has changed.
    ///
    /// # Blocking
    /// As long as reading the files takes, or digesting them at one or two gigabytes a second.
    pub fn fingerprint(&self, mut on_progress: impl FnMut(f32)) -> io::Result<[u8; 32]> {
        let total = self.files.iter().map(|(_, state)| state.bytes()).sum();
        let mut progress = Progress { done: 0, total, tell: &mut on_progress };
        self.check_unchanged()?;
        let mut digests = Vec::with_capacity(self.files.len());
        for (path, _) in &self.files {
            digests.push(digest(path, &mut progress)?);
        }
        self.check_unchanged()?;
        Ok(match digests[..] {
            [digest] => digest,
            _ => blake3::hash(digests.as_flattened()).into(),
        })
    }

    fn check_unchanged(&self) -> io::Result<()> {
        for (path, state) in &self.files {
            if !state.holds(path)? {
                let path = path.display();
                let text = format!("{path} has changed since the model was loaded from it");
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }
}

struct Progress<'tell> {
    done: u64,
    total: u64,
    tell: &'tell mut dyn FnMut(f32),
}

fn digest(path: &Path, progress: &mut Progress<'_>) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        progress.done += read as u64;
        #[expect(clippy::cast_precision_loss, reason = "a share, for people to see")]
        (progress.tell)((progress.done as f32 / progress.total.max(1) as f32).min(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_all_bytes() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..CHUNK_BYTES * 2 + 17).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        let mut shares = Vec::new();
        let mut tell = |share| shares.push(share);
        let mut progress = Progress { done: 0, total: bytes.len() as u64, tell: &mut tell };
        let digest = digest(&path, &mut progress).expect("readable");
        assert_eq!(digest, *blake3::hash(&bytes).as_bytes());
        assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{shares:?}");
    }
}
