//! The two ends between the processes.
//!
//! On Unix a pair of connected sockets, of which the worker gets one as its standard input: what
//! anything there prints lands elsewhere. On other systems its standard input and output. Neither end
//! is given to any other program that the application starts.

use std::io::{self, Read, Write};
use std::process::{Child, Command};
use std::time::Duration;

#[cfg(unix)]
pub(super) use self::sockets::{ReadEnd, WriteEnd, prepare};
#[cfg(not(unix))]
pub(super) use self::streams::{ReadEnd, WriteEnd, prepare};

/// The application's ends.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: ReadEnd,
    pub(super) write: WriteEnd,
}

/// The worker's ends, of its own process.
pub(super) struct OwnEnds {
    pub(super) read: Box<dyn Read + Send>,
    pub(super) write: Box<dyn Write + Send>,
}

#[cfg(unix)]
mod sockets {
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;

    use super::*;

    /// A worker always reads: one that does not for so long hangs.
    const READS_WITHIN: Duration = Duration::from_secs(10);

    pub(in super::super) type ReadEnd = UnixStream;
    pub(in super::super) type WriteEnd = UnixStream;

    /// Ours, while the other is with the command.
    pub(in super::super) struct Prepared(UnixStream);

    /// Gives `command` its end, and a process group of its own: Ctrl-C on a terminal is the
    /// application's to handle.
    pub(in super::super) fn prepare(command: &mut Command) -> io::Result<Prepared> {
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).process_group(0);
        Ok(Prepared(ours))
    }

    impl Prepared {
        /// Our ends, once `_child` runs.
        pub(in super::super) fn take(self, _child: &mut Child) -> io::Result<Pipe> {
            self.0.set_write_timeout(Some(READS_WITHIN))?;
            Ok(Pipe { read: self.0.try_clone()?, write: self.0 })
        }
    }

    /// How long a read waits; for ever without.
    pub(in super::super) fn set_patience(end: &ReadEnd, patience: Option<Duration>) {
        // What can't be set is waited for.
        let _ = end.set_read_timeout(patience);
    }

    /// Says that nothing more is written, though the other half of the socket stays.
    pub(in super::super) fn finish(end: &WriteEnd) {
        // It is at its end already.
        let _ = end.shutdown(std::net::Shutdown::Write);
    }

    pub(in super::super) fn own_ends() -> io::Result<OwnEnds> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(OwnEnds { read: Box::new(stream.try_clone()?), write: Box::new(stream) })
    }
}

#[cfg(not(unix))]
mod streams {
    use std::process::{ChildStdin, ChildStdout, Stdio};

    use super::*;

    pub(in super::super) type ReadEnd = ChildStdout;
    pub(in super::super) type WriteEnd = ChildStdin;

    pub(in super::super) struct Prepared;

    pub(in super::super) fn prepare(command: &mut Command) -> io::Result<Prepared> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        #[cfg(windows)]
        {
            use std::os::windows::process::CommandExt;
            /// Windows' flag for a process group of its own.
            const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
            command.creation_flags(CREATE_NEW_PROCESS_GROUP);
        }
        Ok(Prepared)
    }

    impl Prepared {
        pub(in super::super) fn take(self, child: &mut Child) -> io::Result<Pipe> {
            match (child.stdout.take(), child.stdin.take()) {
                (Some(read), Some(write)) => Ok(Pipe { read, write }),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    pub(in super::super) fn set_patience(_: &ReadEnd, _: Option<Duration>) {}

    pub(in super::super) fn finish(_: &WriteEnd) {}

    pub(in super::super) fn own_ends() -> io::Result<OwnEnds> {
        Ok(OwnEnds { read: Box::new(io::stdin()), write: Box::new(io::stdout()) })
    }
}

#[cfg(unix)]
pub(super) use self::sockets::{finish, own_ends, set_patience};
#[cfg(not(unix))]
pub(super) use self::streams::{finish, own_ends, set_patience};
