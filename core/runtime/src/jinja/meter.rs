//! What a rendering may cost: steps, bytes held at a time, nesting.
//!
//! Every statement, expression and copied character is a step, so that no loop goes on for ever;
//! every text and list that the template makes is charged while it lives, so that no memory is
//! filled. What is asked for is charged before it is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::{Failure, Limit, Result};

/// Steps of one rendering at most. A chat of a thousand messages takes some hundred thousand.
pub(crate) const STEPS_MAX: u64 = 20_000_000;
/// Bytes that the values of one rendering may take at a time.
pub(crate) const BYTES_MAX: u64 = 256 << 20;
/// How deep statements, expressions and macros may be in each other.
pub(crate) const NESTING_MAX: usize = 300;
/// How deep values may be in each other.
pub(crate) const VALUE_DEPTH_MAX: u32 = 200;

/// Characters that are copied in one step.
const CHARS_PER_STEP: u64 = 32;

/// What is left to one rendering.
#[derive(Debug)]
pub(crate) struct Meter {
    steps: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { steps: AtomicU64::new(STEPS_MAX), bytes: AtomicU64::new(BYTES_MAX) })
    }

    /// Takes `steps`.
    pub(super) fn step(&self, steps: u64) -> Result<()> {
        // One thread renders; the atomics only let values be shared like any others.
        let left = self.steps.load(Ordering::Relaxed);
        let left = left
            .checked_sub(steps)
            .ok_or(Failure::Limit(Limit { of: "steps of a template", most: STEPS_MAX }))?;
        self.steps.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the steps of looking at `chars` characters, or as many entries.
    pub(super) fn look(&self, chars: usize) -> Result<()> {
        self.step(chars as u64 / CHARS_PER_STEP)
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let left = self.bytes.load(Ordering::Relaxed);
        let left = left
            .checked_sub(bytes)
            .ok_or(Failure::Limit(Limit { of: "bytes held by a template", most: BYTES_MAX }))?;
        self.bytes.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Bytes that are held, until it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    meter: Arc<Meter>,
    bytes: u64,
}

impl Charge {
    /// For `bytes`, and what every value costs beside them.
    pub(super) fn new(meter: &Arc<Meter>, bytes: usize) -> Result<Self> {
        const VALUE_BYTES: u64 = 64;
        let bytes = bytes as u64 + VALUE_BYTES;
        meter.take(bytes)?;
        Ok(Self { meter: Arc::clone(meter), bytes })
    }

    /// Holds `bytes` more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<()> {
        self.meter.take(bytes as u64)?;
        self.bytes += bytes as u64;
        Ok(())
    }

    /// Holds `bytes` less, which are no more than it holds.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = self.bytes.min(bytes as u64);
        let left = self.meter.bytes.load(Ordering::Relaxed);
        self.meter.bytes.store(left + bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let left = self.meter.bytes.load(Ordering::Relaxed);
        self.meter.bytes.store(left + self.bytes, Ordering::Relaxed);
    }
}
