//! Why a file can't be used, and what follows for it.

use std::io;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(in crate::tiers) enum Bad {
    /// It has not the length that it should have.
    #[error("it is truncated, or too long")]
    Length,
    /// It does not begin as a snapshot's file does.
    #[error("it is no snapshot's file")]
    Magic,
    /// It holds something else than its name says.
    #[error("it does not hold what its name says")]
    Misnamed,
    /// Some of its bits are not what they were.
    #[error("its checksum does not match")]
    Checksum,
    /// It is of another model, or of another build.
    #[error("it is of another model or build")]
    Foreign,
    /// A newer version of this program wrote it.
    #[error("it has the newer format {0}")]
    Newer(u32),
    /// It is not there any more.
    #[error("it is gone")]
    Vanished,
    /// It can't be read.
    #[error("it can't be read: {0}")]
    Unreadable(#[source] io::Error),
}

/// Kinds of bad files, as far as they are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tiers) enum Class {
    /// Ours and of no use to anybody: it is deleted.
    Corrupt,
    /// Somebody else's: it stays.
    Foreign,
    /// A later version's: it stays.
    Newer,
    /// Deleted by somebody, which anybody may at any time.
    Vanished,
    /// Not readable now, perhaps later: it stays.
    Unreadable,
}

impl Bad {
    /// Its kind.
    pub(in crate::tiers) fn class(&self) -> Class {
        match self {
            Bad::Length | Bad::Magic | Bad::Misnamed | Bad::Checksum => Class::Corrupt,
            Bad::Foreign => Class::Foreign,
            Bad::Newer(_) => Class::Newer,
            Bad::Vanished => Class::Vanished,
            Bad::Unreadable(_) => Class::Unreadable,
        }
    }
}

impl Class {
    /// Whether somebody should look at it. Several models in one directory are the normal case,
    /// and so is a file that another process has deleted for want of room.
    pub(in crate::tiers) fn is_worth_a_warning(self) -> bool {
        match self {
            Class::Corrupt | Class::Newer | Class::Unreadable => true,
            Class::Foreign | Class::Vanished => false,
        }
    }
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Bad::Vanished,
            // It became shorter while it was read.
            io::ErrorKind::UnexpectedEof => Bad::Length,
            _ => Bad::Unreadable(error),
        }
    }
}
