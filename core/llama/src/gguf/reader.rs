//! Bytes of a file in order, each read compared with the file's length first.

use std::io::Read;

use super::{GgufError, Place, ReadError};

/// Bytes that are taken from the file at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads a file from its beginning.
pub(super) struct Reader<R> {
    inner: R,
    position: u64,
    length: u64,
    /// Where reading must stop, whatever the file's length is.
    end_max: u64,
}

impl<R: Read> Reader<R> {
    /// A reader of a file with `length` bytes, of which no more than `end_max` are read.
    pub(super) fn new(inner: R, length: u64, end_max: u64) -> Self {
        Self { inner, position: 0, length, end_max }
    }

    /// How far it has come.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes follow in the file.
    pub(super) fn remaining(&self) -> u64 {
        self.length - self.position
    }

    /// Whether `bytes` more can be there; `what` they are says the error.
    pub(super) fn ensure(&self, bytes: u64, what: impl Into<String>) -> Result<(), GgufError> {
        let end = self.position.saturating_add(bytes);
        if end > self.length {
            return Err(GgufError::Truncated { what: what.into(), end, length: self.length });
        }
        if end > self.end_max {
            return Err(GgufError::Invalid {
                place: Place::Header("the metadata"),
                value: format!("{end} bytes and more"),
                limit: format!("at most {} bytes", self.end_max),
            });
        }
        Ok(())
    }

    /// `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ReadError> {
        self.ensure(N as u64, what)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    /// A number of four bytes.
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// A number of eight bytes.
    pub(super) fn u64(&mut self, what: &str) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Appends `count` bytes to `bytes`, which grows no faster than they come.
    pub(super) fn append(
        &mut self,
        count: u64,
        what: &str,
        bytes: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        self.ensure(count, what)?;
        let mut left = usize::try_from(count).map_err(|_| GgufError::Truncated {
            what: what.to_owned(),
            end: self.position.saturating_add(count),
            length: self.length,
        })?;
        while left > 0 {
            let step = left.min(CHUNK_BYTES);
            let start = bytes.len();
            bytes.resize(start + step, 0);
            self.fill(&mut bytes[start..], what)?;
            left -= step;
        }
        Ok(())
    }

    /// The length of a text and the text, which has at most `bytes_max`.
    pub(super) fn text(
        &mut self,
        what: &'static str,
        bytes_max: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        self.append_text(what, bytes_max, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Self::text`], appended to `bytes`.
    pub(super) fn append_text(
        &mut self,
        what: &'static str,
        bytes_max: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let offset = self.position;
        let length = self.u64(what)?;
        if length > bytes_max && length <= self.remaining() {
            let place = Place::Byte { offset, what };
            let limit = format!("at most {bytes_max} bytes long");
            return Err(
                GgufError::Invalid { place, value: format!("{length} bytes long"), limit }.into()
            );
        }
        self.append(length, what, bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<(), ReadError> {
        match self.inner.read_exact(bytes) {
            Ok(()) => {
                self.position += bytes.len() as u64;
                Ok(())
            }
            // It became shorter while it was read.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(GgufError::Truncated {
                    what: what.to_owned(),
                    end: self.position + bytes.len() as u64,
                    length: self.position,
                }
                .into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
