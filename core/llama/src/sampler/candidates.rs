//! The tokens that may still be drawn, in llama.cpp's form.
//!
//! Between two samplers there is at least one candidate, and no logit is NaN or +∞: llama.cpp asserts
//! the first, and sorting by NaN reads out of bounds. What has −∞ is left out, since it can't be drawn.

use std::collections::HashMap;

use indwell_kernel::{Token, TokenMask};
use llama_cpp_sys_2 as sys;

use crate::error::SampleError;

/// llama.cpp sorts by buckets, whose numbers are the logits times 6.4 as an `int`: with larger ones
/// that overflows, so they are sorted here.
const BUCKETED_LOGIT_MAX: f32 = 1e8;

/// Candidates with their logits.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Those from `start` to `start + length` are left.
    data: Vec<sys::llama_token_data>,
    start: usize,
    length: usize,
    /// Whether logits descend.
    sorted: bool,
    /// Whether ids ascend.
    ascending: bool,
}

impl Candidates {
    /// All tokens that have a logit, and are in `mask` if there is one.
    pub(super) fn fill(
        &mut self,
        logits: &[f32],
        mask: Option<&TokenMask>,
    ) -> Result<(), SampleError> {
        let as_candidate = |(id, &logit): (i32, &f32)| sys::llama_token_data { id, logit, p: 0.0 };
        self.data.clear();
        match mask {
            None => self.data.extend((0..).zip(logits).map(as_candidate)),
            Some(mask) => self.data.extend(mask.tokens().filter_map(|token| {
                let logit = logits.get(usize::try_from(token.0).ok()?)?;
                Some(as_candidate((token.0, logit)))
            })),
        }
        (self.start, self.length) = (0, self.data.len());
        (self.sorted, self.ascending) = (false, true);
        self.data.retain(|candidate| candidate.logit != f32::NEG_INFINITY);
        self.length = self.data.len();
        if self.length == 0 { Err(SampleError::NoCandidate) } else { self.check() }
    }

    /// Those that are left.
    pub(super) fn left(&self) -> &[sys::llama_token_data] {
        &self.data[self.start..self.start + self.length]
    }

    fn left_mut(&mut self) -> &mut [sys::llama_token_data] {
        &mut self.data[self.start..self.start + self.length]
    }

    /// Changes the logits of some tokens.
    pub(super) fn edit<E>(&mut self, edits: &HashMap<Token, E>, change: impl Fn(f32, &E) -> f32) {
        let ascending = self.ascending;
        let left = self.left_mut();
        if ascending {
            for (token, edit) in edits {
                if let Ok(at) = left.binary_search_by_key(&token.0, |candidate| candidate.id) {
                    left[at].logit = change(left[at].logit, edit);
                }
            }
        } else {
            for candidate in left {
                if let Some(edit) = edits.get(&Token(candidate.id)) {
                    candidate.logit = change(candidate.logit, edit);
                }
            }
        }
        self.sorted = false;
    }

    /// Lets a sampler of llama.cpp's change them, and sees to it that something comparable is left.
    pub(super) fn apply(
        &mut self,
        sampler: impl FnOnce(&mut sys::llama_token_data_array) -> Result<(), SampleError>,
    ) -> Result<(), SampleError> {
        let base = self.data.as_ptr();
        let mut array = sys::llama_token_data_array {
            data: self.left_mut().as_mut_ptr(),
            size: self.length,
            selected: -1,
            sorted: self.sorted,
        };
        sampler(&mut array)?;
        // One of them moves the beginning.
        let offset = (array.data as usize).wrapping_sub(base as usize);
        self.start = offset / size_of::<sys::llama_token_data>();
        self.length = array.size;
        let inside = self.start.checked_add(self.length).is_some_and(|end| end <= self.data.len());
        assert!(inside, "samplers only leave candidates out");
        self.sorted = array.sorted;
        if self.length == 0 { Err(SampleError::NoCandidate) } else { Ok(()) }
    }

    /// After logits have changed: leaves out what can't be drawn any more, unless that is all, and
    /// makes sure that the rest can be compared.
    pub(super) fn settle(&mut self) -> Result<(), SampleError> {
        self.check()?;
        let impossible = |candidate: &&sys::llama_token_data| candidate.logit == f32::NEG_INFINITY;
        match self.left().iter().filter(impossible).count() {
            0 => {}
            // All of them are equally unlikely.
            all if all == self.length => {
                self.left_mut().iter_mut().for_each(|candidate| candidate.logit = 0.0);
            }
            _ => self.keep(|candidate| candidate.logit != f32::NEG_INFINITY),
        }
        Ok(())
    }

    /// Leaves out tokens whose share of the largest probability an f32 can't hold.
    pub(super) fn drop_impossible(&mut self) {
        const LN_F32_MIN: f32 = -87.0;
        let least = self.largest() + LN_F32_MIN;
        self.keep(|candidate| candidate.logit >= least);
    }

    /// Subtracts the largest logit from all, which changes no probability and no order.
    pub(super) fn shift(&mut self) {
        let largest = self.largest();
        self.left_mut().iter_mut().for_each(|candidate| candidate.logit -= largest);
    }

    pub(super) fn largest(&self) -> f32 {
        self.left().iter().map(|candidate| candidate.logit).fold(f32::NEG_INFINITY, f32::max)
    }

    /// Keeps the `count` likeliest, in their order; at least one.
    pub(super) fn keep_largest(&mut self, count: usize) {
        self.sort();
        self.length = self.length.min(count.max(1));
    }

    /// Orders them by their logits, descending; equal ones by their ids.
    pub(super) fn sort(&mut self) {
        if !self.sorted {
            self.left_mut()
                .sort_unstable_by(|a, b| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id)));
            (self.sorted, self.ascending) = (true, false);
        }
    }

    /// Before a sampler of llama.cpp's that sorts.
    pub(super) fn prepare_to_be_sorted(&mut self) {
        self.ascending = false;
        let extreme =
            |candidate: &sys::llama_token_data| candidate.logit.abs() > BUCKETED_LOGIT_MAX;
        if !self.sorted && self.left().iter().any(extreme) {
            self.sort();
        }
    }

    /// Keeps those that fit, in their order.
    pub(super) fn keep(&mut self, fits: impl Fn(&sys::llama_token_data) -> bool) {
        let left = self.left_mut();
        let mut kept = 0;
        for at in 0..left.len() {
            if fits(&left[at]) {
                left[kept] = left[at];
                kept += 1;
            }
        }
        self.length = kept;
    }

    fn check(&self) -> Result<(), SampleError> {
        let comparable = |candidate: &sys::llama_token_data| candidate.logit < f32::INFINITY;
        // NaN is not below anything.
        if self.left().iter().all(comparable) { Ok(()) } else { Err(SampleError::NotFinite) }
    }

    /// The candidate at which the sum of probabilities exceeds `share` of all, and its probability.
    pub(super) fn draw(&self, share: f64) -> (Token, f64) {
        let largest = f64::from(self.largest());
        let weight =
            |candidate: &sys::llama_token_data| (f64::from(candidate.logit) - largest).exp();
        let sum: f64 = self.left().iter().map(weight).sum();
        let mut passed = 0.0;
        let mut drawn = None;
        for candidate in self.left() {
            let weight = weight(candidate);
            passed += weight;
            // Of those that have any; the last of them where rounding leaves none above the share.
            if weight > 0.0 {
                drawn = Some((Token(candidate.id), weight / sum));
            }
            if passed > share * sum {
                break;
            }
        }
        drawn.expect("the largest has a weight of 1")
    }
}
