//! One answer's way through a compiled grammar.
//!
//! The answers of a grammar share a lexer. What breaks it (its limits, a panic in llguidance) is
//! not the fault of each of them: a matcher that fails begins anew with a lexer of its own, takes
//! the tokens that it had taken, and only then fails for good.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::{ConstraintFailure, Matcher, Token, TokenMask};
use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::panic_utils::catch_unwind;
use parking_lot::Mutex;
use toktrie::TokenId;

use super::compiler::reason;
use super::environment::as_token;

/// From so many bytes on, a lexer that answers share is not given to new ones.
const SHARED_LEXER_BYTES_MAX: usize = 16 << 20;

/// Where the answers of one grammar begin.
pub(super) struct Start {
    /// As compiled: its lexer has learnt nothing.
    fresh: Mutex<TokenParser>,
    /// At the same place, with a lexer that answers share.
    shared: Mutex<TokenParser>,
}

impl Start {
    pub(super) fn new(parser: TokenParser) -> Self {
        Self { shared: Mutex::new(parser.deep_clone()), fresh: Mutex::new(parser) }
    }

    fn alone(&self) -> TokenParser {
        self.fresh.lock().deep_clone()
    }

    fn shared(&self) -> TokenParser {
        let mut shared = self.shared.lock();
        if is_worn(&shared) {
            *shared = self.alone();
        }
        shared.clone()
    }
}

/// Whether a shared lexer is too large, or broken.
fn is_worn(parser: &TokenParser) -> bool {
    let stats = catch_unwind(std::panic::AssertUnwindSafe(|| Ok(parser.parser.lexer_stats())));
    stats.map_or(true, |stats| stats.error || stats.num_bytes > SHARED_LEXER_BYTES_MAX)
}

/// The kernel's matcher on llguidance's.
pub(super) struct GrammarMatcher {
    start: Arc<Start>,
    inner: llguidance::Matcher,
    taken: Vec<TokenId>,
    /// Whether the lexer is its own.
    is_alone: bool,
    /// The tokens that may follow those taken.
    mask: TokenMask,
    is_masked: bool,
}

impl fmt::Debug for GrammarMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrammarMatcher").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl GrammarMatcher {
    pub(super) fn new(start: Arc<Start>) -> Self {
        let inner = llguidance::Matcher::new(Ok(start.shared()));
        let mask = TokenMask::default();
        Self { start, inner, taken: Vec::new(), is_alone: false, mask, is_masked: false }
    }

    /// Does `work`, twice if the shared lexer may be what makes it fail.
    fn attempt<T>(
        &mut self,
        work: impl Fn(&mut llguidance::Matcher) -> anyhow::Result<T>,
    ) -> Result<T, ConstraintFailure> {
        let failure = match work(&mut self.inner) {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if self.is_alone {
            return Err(ConstraintFailure(reason(&failure)));
        }
        self.is_alone = true;
        self.inner = llguidance::Matcher::new(Ok(self.start.alone()));
        let redone = self.inner.consume_tokens(&self.taken).and_then(|()| work(&mut self.inner));
        redone.map_err(|failure| ConstraintFailure(reason(&failure)))
    }
}

impl Matcher for GrammarMatcher {
    fn mask(&mut self) -> Result<&TokenMask, ConstraintFailure> {
        if !self.is_masked {
            let allowed = self.attempt(llguidance::Matcher::compute_mask_or_eos)?;
            let words = self.mask.words_mut();
            words.clear();
            words.extend_from_slice(allowed.as_slice());
            self.is_masked = true;
        }
        Ok(&self.mask)
    }

    fn take(&mut self, token: Token) -> Result<(), ConstraintFailure> {
        self.is_masked = false;
        let token = token.0.cast_unsigned();
        self.attempt(|inner| inner.consume_token(token))?;
        self.taken.push(token);
        Ok(())
    }

    fn force(&mut self, max: usize, into: &mut Vec<Token>) -> Result<(), ConstraintFailure> {
        if max == 0 || self.inner.is_stopped() {
            return Ok(());
        }
        let tokens = self.attempt(|inner| {
            let mut tokens = inner.compute_ff_tokens();
            if let Some(error) = inner.get_error() {
                anyhow::bail!(error);
            }
            tokens.truncate(max);
            inner.consume_tokens(&tokens)?;
            Ok(tokens)
        })?;
        self.is_masked &= tokens.is_empty();
        into.extend(tokens.iter().map(|&token| as_token(token)));
        self.taken.extend(tokens);
        Ok(())
    }

    fn is_complete(&self) -> bool {
        matches!(self.inner.stop_reason(), StopReason::NoExtension | StopReason::EndOfSentence)
    }
}
