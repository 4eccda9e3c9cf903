//! Where nobody tells how long a thread waited.

use std::io;
use std::time::Duration;

#[derive(Debug)]
pub(super) enum Waits {}

impl Waits {
    pub(super) fn of_this_thread() -> Option<Self> {
        None
    }

    pub(super) fn read(&self) -> Option<Duration> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Crowd {}

impl Crowd {
    pub(super) fn gather(_threads: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
