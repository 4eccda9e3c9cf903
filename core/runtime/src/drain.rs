//! Closing once everybody has been served.
//!
//! From its start on no request is accepted. The worker goes on with those that were, and stops once
//! there are none or the time is over: it keeps the time itself, so nobody has to wait for it.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use indwell_kernel::Timestamp;

use crate::options::{DrainOptions, NamedOptions, OptionValue};
use crate::{Engine, Error, Result};

/// An engine that is about to be drained: options first, then [`DrainRequest::run`] or
/// [`DrainRequest::start`]. Nothing happens before one of these.
#[derive(Debug)]
#[must_use = "an engine is not drained until this is run or started"]
pub struct DrainRequest {
    engine: Engine,
    options: DrainOptions,
    /// The first option that could not be read.
    refused: Option<Error>,
}

/// An engine that is being drained. Dropping this changes nothing: the engine closes all the same.
#[derive(Debug)]
#[must_use = "the engine's last requests are still served: wait for them"]
pub struct Draining {
    engine: Engine,
    /// Hears whether all requests came to their ends; disconnected if they did not.
    served: Receiver<()>,
}

/// How the worker is told.
#[derive(Debug)]
pub(crate) struct Drain {
    /// When it is over, whoever is still served.
    pub(crate) deadline: Option<Timestamp>,
    /// Is told once everybody has been served, and dropped if it does not come to that.
    pub(crate) served: crossbeam_channel::Sender<()>,
}

impl DrainRequest {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, options: DrainOptions::default(), refused: None }
    }

    /// How long the requests that were accepted may take; then those that are left end as
    /// `engine_closed`, within a step. Without it they take what they take, and one whose reader has
    /// stopped reading is waited for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout_ms = Some(timeout.as_secs_f64() * 1000.0);
        self
    }

    /// Sets an option by its name, as callers without Rust's types do. A name or type that is
    /// not known fails the request when it is made.
    pub fn option(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        let set = self.options.set(name, value.into());
        self.refused = self.refused.or(set.err());
        self
    }

    /// Drains the engine and closes it; whether every request came to its own end. An engine that
    /// is over has none left.
    ///
    /// # Errors
    /// `invalid_request` for a timeout that is none, and then nothing has happened; `forked`.
    ///
    /// # Blocking
    /// Until the engine is closed.
    pub fn run(self) -> Result<bool> {
        self.start()?.wait()
    }

    /// Stops accepting requests, without waiting for those that were accepted.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn start(self) -> Result<Draining> {
        let shared = self.engine.shared();
        shared.check_process()?;
        if let Some(error) = self.refused {
            return Err(error);
        }
        let timeout = self.options.validate()?;
        let served = shared.drain(timeout.map(|timeout| shared.now().after(timeout)));
        Ok(Draining { served, engine: self.engine })
    }
}

impl Draining {
    /// Waits until the engine is closed; whether every request came to its own end.
    ///
    /// # Errors
    /// `forked` in a forked process.
    ///
    /// # Blocking
    /// Until the engine is closed.
    pub fn wait(self) -> Result<bool> {
        self.engine.shared().check_process()?;
        let all_served = self.served.recv().is_ok();
        self.closed(all_served)
    }

    /// Waits at most `timeout`; `None` if requests are still served by then.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<bool>> {
        if let Err(error) = self.engine.shared().check_process() {
            return Some(Err(error));
        }
        match self.served.recv_timeout(timeout) {
            Ok(()) => Some(self.closed(true)),
            Err(RecvTimeoutError::Disconnected) => Some(self.closed(false)),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    /// Waits for the worker, which has nothing left to serve.
    fn closed(&self, all_served: bool) -> Result<bool> {
        self.engine.close()?;
        Ok(all_served)
    }
}
