//! What is wrong with a store, by what follows from it.

use std::io;

/// Why a store can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Another engine has it open.
    #[error("another engine uses it")]
    InUse,
    /// It does not hold what was written: it is set aside.
    #[error("{0}")]
    Damaged(String),
    /// The system refuses to read or write it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Fault {
    /// What any step on the database may come back with.
    pub(super) fn of(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::Io(error) => match error.kind() {
                // It is not a database, or ends too soon.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::Damaged(error.to_string())
                }
                _ => Self::Io(error),
            },
            redb::Error::PreviousIo => Self::Io(io::Error::other("an earlier write failed")),
            other => Self::Damaged(other.to_string()),
        }
    }

    /// What a caught panic says.
    pub(super) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Damaged(text.unwrap_or("reading it panicked").to_owned())
    }
}
