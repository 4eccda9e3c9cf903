//! Semantic mode as it crosses: the two functions of the caller's, called from `indwell`'s threads.
//!
//! Whatever a function throws is an error of that function, which `indwell` logs before it computes
//! the request: nothing of it unwinds through `indwell`. The language above keeps to
//! [`NativeFunctionError`] for what it throws; anything else arrives as one too.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indwell::{Error, Semantic, SemanticMatch};

/// `indwell::Semantic`.
#[derive(Clone, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Semantic documents them")]
pub struct NativeSemantic {
    pub distance_max: f64,
    pub timeout_ms: f64,
    pub functions: Arc<dyn NativeSemanticFunctions>,
}

/// The functions of an `indwell::Semantic`.
#[uniffi::export(with_foreign)]
pub trait NativeSemanticFunctions: Send + Sync {
    /// Turns a prompt into a vector.
    ///
    /// # Errors
    ///
    /// What the function threw.
    fn embed(&self, prompt: String) -> Result<Vec<f32>, NativeFunctionError>;

    /// Says whether the answer that was found may be served.
    ///
    /// # Errors
    ///
    /// What the function threw.
    fn verify(&self, candidate: NativeSemanticMatch) -> Result<bool, NativeFunctionError>;
}

/// `indwell::SemanticMatch`.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::SemanticMatch documents them")]
pub struct NativeSemanticMatch {
    pub asked: String,
    pub found: String,
    pub answer: String,
    pub distance: f32,
}

/// What a function of the caller's threw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum NativeFunctionError {
    /// It threw this.
    #[error("{text}")]
    Failed {
        /// One sentence for whoever reads the log.
        text: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for NativeFunctionError {
    fn from(thrown: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { text: thrown.reason }
    }
}

impl TryFrom<NativeSemantic> for Semantic {
    type Error = Error;

    fn try_from(semantic: NativeSemantic) -> indwell::Result<Self> {
        let NativeSemantic { distance_max, timeout_ms, functions } = semantic;
        let timeout = Duration::try_from_secs_f64(timeout_ms / 1e3).map_err(|_| {
            Error::invalid(
                "semantic",
                format!("a timeout of {timeout_ms} ms"),
                "a timeout longer than 0, and finite",
                "say how long each function may take; the default is 1 second",
            )
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "distances have no more digits")]
        let distance_max = distance_max as f32;
        let embedding = Arc::clone(&functions);
        let embed = move |prompt: &str| Ok(embedding.embed(prompt.to_owned())?);
        let verify = move |found: &SemanticMatch| -> Result<bool, Box<dyn StdError + Send + Sync>> {
            Ok(functions.verify(found.into())?)
        };
        Ok(Self::new(distance_max, embed, verify).timeout(timeout))
    }
}

impl From<&SemanticMatch> for NativeSemanticMatch {
    fn from(found: &SemanticMatch) -> Self {
        Self {
            asked: found.asked.clone(),
            found: found.found.clone(),
            answer: found.answer.clone(),
            distance: found.distance,
        }
    }
}

impl fmt::Debug for NativeSemantic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeSemantic")
            .field("distance_max", &self.distance_max)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}
