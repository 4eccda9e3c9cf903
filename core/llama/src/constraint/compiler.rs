//! Grammars compiled for one model.
//!
//! A [`GrammarCompiler`] is made once a model. What it compiles is a [`Constraint`] that any number
//! of answers follow at the same time, each with a matcher of its own; they share what the lexer
//! has learnt, until it has learnt so much that it begins anew.
//!
//! Compiling runs on a thread with a large stack, since llguidance goes down into a grammar by
//! recursion, and on any thread the caller has that might end the process. Its work is bounded by
//! llguidance's limits, which are named here, and its panics are errors.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::{Constraint, Matcher};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::{ParserFactory, TokenParser};
use toktrie::InferenceCapabilities;

use super::environment::environment;
use super::grammar::Grammar;
use super::matcher::{GrammarMatcher, Start};
use crate::Model;
use crate::error::GrammarError;

/// The stack that compiling may use.
const COMPILE_STACK_BYTES: usize = 256 << 20;

/// Symbols of a compiled grammar, at most.
const GRAMMAR_SYMBOLS_MAX: usize = 500_000;
/// Work on the lexer while compiling, at most; llguidance does about 50,000 in a millisecond.
const COMPILE_FUEL_MAX: u64 = 1_000_000;
/// Work on the lexer for one mask, at most; llguidance does about 14,000 in a millisecond.
const MASK_FUEL_MAX: u64 = 200_000;
/// The parser's items for one mask, at most; llguidance makes about 20,000 in a millisecond.
const MASK_ITEMS_MAX: usize = 200_000;
/// Items in one row of the parser, at most.
const ROW_ITEMS_MAX: usize = 2_000;
/// States of a lexer, at most; each takes one to two kilobytes.
const LEXER_STATES_MAX: usize = 50_000;

/// What a compiled grammar takes while answers follow it, about: beside its own size, and for each
/// byte of its text.
const COMPILED_BYTES: usize = 1 << 20;
const COMPILED_BYTES_PER_BYTE: usize = 200;

/// Compiles grammars for one model. Any thread may use it.
pub struct GrammarCompiler {
    factory: ParserFactory,
}

impl fmt::Debug for GrammarCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrammarCompiler").finish_non_exhaustive()
    }
}

impl GrammarCompiler {
    /// A compiler for the vocabulary of `model`.
    ///
    /// # Errors
    /// [`GrammarError::Vocabulary`] for one that llguidance can't hold.
    ///
    /// # Blocking
    /// Some tenths of a second for a large vocabulary.
    pub fn new(model: Arc<Model>) -> Result<Self, GrammarError> {
        on_large_stack(move || {
            let environment = environment(model);
            let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
            let slices = llguidance::earley::SlicedBiasComputer::general_slices();
            let mut factory = ParserFactory::new(&environment, capabilities, &slices)?;
            factory.quiet();
            *factory.limits_mut() = limits();
            Ok(Self { factory })
        })
        .and_then(|made| made.map_err(|error| GrammarError::Vocabulary(reason(&error))))
    }

    /// Compiles `grammar`.
    ///
    /// # Errors
    /// [`GrammarError`] with llguidance's reason, and the place where it gives one.
    ///
    /// # Blocking
    /// Milliseconds for most; the limits above keep it to seconds.
    pub fn compile(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>, GrammarError> {
        grammar.check()?;
        let digest = grammar.digest();
        let parser = on_large_stack(|| self.parser(grammar.to_llguidance()?))??;
        Ok(Arc::new(Compiled { digest, start: Arc::new(Start::new(parser)) }))
    }

    /// About how many bytes what becomes of `grammar` takes, while answers follow it.
    #[must_use]
    pub fn bytes_of(grammar: &Grammar) -> u32 {
        let bytes = grammar.bytes().saturating_mul(COMPILED_BYTES_PER_BYTE);
        u32::try_from(bytes.saturating_add(COMPILED_BYTES)).unwrap_or(u32::MAX)
    }

    fn parser(&self, grammar: TopLevelGrammar) -> Result<TokenParser, GrammarError> {
        let refused = |error: anyhow::Error| GrammarError::Refused(reason(&error));
        let mut parser = self.factory.create_parser(grammar).map_err(refused)?;
        parser.start_without_prompt();
        Ok(parser)
    }
}

fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: ROW_ITEMS_MAX,
        initial_lexer_fuel: COMPILE_FUEL_MAX,
        step_lexer_fuel: MASK_FUEL_MAX,
        step_max_items: MASK_ITEMS_MAX,
        max_lexer_states: LEXER_STATES_MAX,
        max_grammar_size: GRAMMAR_SYMBOLS_MAX,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

/// Runs `work` on a thread of its own; its panic is an error.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, GrammarError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("indwell-grammar".to_owned())
            .stack_size(COMPILE_STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| GrammarError::Thread(error.to_string()))?;
        thread.join().map_err(|_| GrammarError::Refused("llguidance panicked".to_owned()))
    })
}

/// What llguidance says, without what is only of use to its makers.
pub(super) fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let end = ["\n<backtrace>", "\n<non-verbose/>", "\n<state>"];
    let end = end.into_iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    text[..end].trim_end().to_owned()
}

/// A compiled grammar.
struct Compiled {
    digest: [u8; 32],
    start: Arc<Start>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Constraint for Compiled {
    fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn start(&self) -> Box<dyn Matcher> {
        Box::new(GrammarMatcher::new(Arc::clone(&self.start)))
    }
}
