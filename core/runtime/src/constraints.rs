//! Grammars compiled for the engine's model, and kept.
//!
//! Compiling runs on the caller's thread, so that nobody else waits for it. What is compiled is kept
//! by the grammar's digest within a bound of bytes, and compiled once for all who ask at the same
//! time. Refused grammars are not kept.

use std::sync::{Arc, OnceLock};

use indwell_kernel::Constraint;
use indwell_llama::{Grammar, GrammarCompiler, GrammarError, Model};
use moka::sync::Cache;

use crate::options::OptionValue;
use crate::{Error, ErrorDetails, ErrorKind, Result};

/// Compiled grammars that are kept, in bytes.
const KEPT_BYTES_MAX: u64 = 128 << 20;

/// Compiles the grammars of one model.
#[derive(Debug)]
pub(crate) struct Constraints {
    model: Arc<Model>,
    /// Made for the first grammar.
    compiler: OnceLock<std::result::Result<GrammarCompiler, GrammarError>>,
    kept: Cache<[u8; 32], Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    constraint: Arc<dyn Constraint>,
    bytes: u32,
}

impl Constraints {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_BYTES_MAX)
            .weigher(|_, kept: &Kept| kept.bytes)
            .build();
        Self { model, compiler: OnceLock::new(), kept }
    }

    /// The constraint to what `grammar` allows.
    ///
    /// # Errors
    /// `invalid_request` with the compiler's reason, and `unsupported` for a vocabulary that can't
    /// be held against grammars.
    ///
    /// # Blocking
    /// Until it is compiled: milliseconds for most, some tenths of a second more for the first.
    pub(crate) fn get(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>> {
        check(grammar)?;
        let compile = || {
            let compiler =
                self.compiler.get_or_init(|| GrammarCompiler::new(Arc::clone(&self.model)));
            let compiler = compiler.as_ref().map_err(GrammarError::clone)?;
            let constraint = compiler.compile(grammar)?;
            Ok(Kept { constraint, bytes: GrammarCompiler::bytes_of(grammar) })
        };
        let kept = self.kept.try_get_with(grammar.digest(), compile);
        let kept = kept.map_err(|error: Arc<GrammarError>| refused(grammar, &error))?;
        Ok(kept.constraint)
    }
}

/// Whether a grammar's text is within its bounds.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check(grammar: &Grammar) -> Result<()> {
    grammar.check().map_err(|error| refused(grammar, &error))
}

fn refused(grammar: &Grammar, error: &GrammarError) -> Error {
    let option = grammar.name();
    let (kind, remedy) = match error {
        GrammarError::TooLarge { .. } | GrammarError::TooDeep { .. } => {
            (ErrorKind::InvalidRequest, "give a smaller one")
        }
        GrammarError::Refused(_) => (ErrorKind::InvalidRequest, "correct it, or ask for less"),
        GrammarError::Vocabulary(_) => (ErrorKind::Unsupported, "use another model"),
        GrammarError::Thread(_) => (ErrorKind::OutOfMemory, "free memory, or allow more threads"),
    };
    let limit = match error {
        GrammarError::TooLarge { limit, .. } => Some(format!("at most {limit} bytes")),
        GrammarError::TooDeep { limit } => Some(format!("at most {limit} levels")),
        _ => None,
    };
    let details = ErrorDetails {
        field: Some(option.to_owned()),
        value: Some(shown(grammar)),
        limit,
        remedy: Some(remedy.to_owned()),
        retry_after_ms: None,
    };
    let message = format!("{option} can't be followed: {error}: {remedy}");
    Error::with(kind, message, details, Some(Box::new(error.clone())))
}

/// The grammar as an error's details show it.
fn shown(grammar: &Grammar) -> String {
    match grammar {
        Grammar::JsonSchema(_) => format!("a schema of {} bytes", grammar.bytes()),
        Grammar::JsonObject => "true".to_owned(),
        Grammar::Choice(texts) => format!("a list of {}", texts.len()),
        Grammar::Tools(_) => "tools with these parameters".to_owned(),
        Grammar::Regex(text) | Grammar::Lark(text) | Grammar::Gbnf(text) => {
            OptionValue::from(text.as_str()).shown()
        }
    }
}
