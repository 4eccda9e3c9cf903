//! Messages as bytes: the lengths of a head and a body, then both.
//!
//! A head is a message in postcard's format, a body is plain bytes that belong to it. Both are within
//! bounds, so that a length which is no length takes no memory; what can't be read is an error, and
//! whoever reads gives the other side up.

use std::io::{self, Read, Write};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a head, at most: a large vocabulary takes some megabytes.
const HEAD_BYTES_MAX: usize = 64 << 20;
/// Bytes of a body, at most; longer ones are cut.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// Who writes for longer is stuck, since the other side always reads.
const STUCK_AFTER: Duration = Duration::from_secs(1);
/// Both lengths.
const LENGTHS_BYTES: usize = 8;
/// A buffer that grew larger than this is not kept.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// What came is not a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The pipe ended in the middle, or could not be read.
    #[error("the pipe broke: {0}")]
    Broken(#[from] io::Error),
    /// A length is beyond its bound.
    #[error("a message claims {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// The length.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The head says nothing.
    #[error("a message can't be read: {0}")]
    Garbled(#[from] postcard::Error),
}

/// The next message with its body; `None` where the pipe ends between two.
pub(super) fn read<M: DeserializeOwned>(
    from: &mut impl Read,
) -> Result<Option<(M, Vec<u8>)>, FrameError> {
    let mut lengths = [0; LENGTHS_BYTES];
    match from.read(&mut lengths) {
        Ok(0) => return Ok(None),
        Ok(read) => from.read_exact(&mut lengths[read..])?,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            from.read_exact(&mut lengths)?
        }
        Err(error) => return Err(error.into()),
    }
    let [a, b, c, d, e, f, g, h] = lengths;
    let head = bytes(from, [a, b, c, d], HEAD_BYTES_MAX)?;
    let body = bytes(from, [e, f, g, h], BODY_BYTES_MAX)?;
    Ok(Some((postcard::from_bytes(&head)?, body)))
}

fn bytes(from: &mut impl Read, length: [u8; 4], limit: usize) -> Result<Vec<u8>, FrameError> {
    let bytes = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if bytes > limit {
        return Err(FrameError::TooLong { bytes, limit });
    }
    let mut read = vec![0; bytes];
    from.read_exact(&mut read)?;
    Ok(read)
}

/// Where messages are written to, by any thread, each as a whole.
#[derive(Debug)]
pub(super) struct Output<W> {
    inner: Mutex<Inner<W>>,
}

#[derive(Debug)]
struct Inner<W> {
    /// `None` once closed.
    to: Option<W>,
    /// Kept for its room.
    buffer: Vec<u8>,
}

impl<W: Write> Output<W> {
    pub(super) fn new(to: W) -> Self {
        Self { inner: Mutex::new(Inner { to: Some(to), buffer: Vec::new() }) }
    }

    /// Writes a message.
    ///
    /// # Errors
    /// When the pipe is closed or broken, or the message beyond its bound.
    ///
    /// # Blocking
    /// Until the other side has read what does not fit into the pipe.
    pub(super) fn send(&self, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let Inner { to, buffer } = &mut *inner;
        let to = to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        buffer.clear();
        buffer.extend_from_slice(&[0; LENGTHS_BYTES]);
        postcard::to_io(head, &mut *buffer).map_err(io::Error::other)?;
        let lengths = [buffer.len() - LENGTHS_BYTES, body.len()];
        if lengths[0] > HEAD_BYTES_MAX || lengths[1] > BODY_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        for (at, length) in lengths.into_iter().enumerate() {
            let length = u32::try_from(length).map_err(io::Error::other)?;
            buffer[at * 4..at * 4 + 4].copy_from_slice(&length.to_le_bytes());
        }
        to.write_all(buffer)?;
        to.write_all(body)?;
        if buffer.capacity() > BUFFER_KEPT_BYTES {
            *buffer = Vec::new();
        }
        to.flush()
    }

    /// Closes it: nothing more can be written. The end, if it was open and nobody is stuck writing.
    pub(super) fn close(&self) -> Option<W> {
        self.inner.try_lock_for(STUCK_AFTER)?.to.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(messages: &[(&str, &[u8])]) -> Vec<u8> {
        let output = Output::new(Vec::new());
        for (head, body) in messages {
            output.send(head, body).expect("within bounds");
        }
        output.close().expect("open")
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written(&[("one", b"body"), ("", b"")]);
        let mut from = &bytes[..];
        let mut next = || read::<String>(&mut from).expect("whole");
        assert_eq!(next(), Some(("one".to_owned(), b"body".to_vec())));
        assert_eq!(next(), Some((String::new(), Vec::new())));
        assert_eq!(next(), None);
    }

    #[test]
    fn a_message_that_is_cut_is_an_error() {
        let bytes = written(&[("one", b"body")]);
        for length in 1..bytes.len() {
            assert!(read::<String>(&mut &bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn garbage_is_an_error_and_takes_no_memory() {
        let text = b"Segmentation fault (core dumped)\n";
        assert!(matches!(read::<String>(&mut &text[..]), Err(FrameError::TooLong { .. })));
        let garbled = [4, 0, 0, 0, 0, 0, 0, 0, 200, 1, 1, 1];
        assert!(matches!(read::<String>(&mut &garbled[..]), Err(FrameError::Garbled(_))));
    }

    #[test]
    fn nothing_is_written_after_closing() {
        let output = Output::new(Vec::new());
        output.close();
        assert!(output.send(&"late", &[]).is_err());
    }
}
