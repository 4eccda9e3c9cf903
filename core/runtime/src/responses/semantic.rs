//! Semantic mode: the stored answer of an earlier question that means the same.
//!
//! Owns what callers give (two functions and two limits), and the parts that use it. The engine
//! asks [`judge()`] about a question that no stored answer fits exactly, and hears once what to do.
//! An answer is served only if the caller's verifier agreed to it; whatever else happens to either
//! function costs time, never an answer, and is never an error.
//!
//! | module | owns |
//! |---|---|
//! | `vector` | what an embedding must be, and how far two are apart |
//! | `index` | which earlier question is nearest |
//! | `judge` | one question's way: embed, look up, verify |
//! | `threads` | the threads that callers' functions run on, with their time limits |

mod index;
mod judge;
#[cfg(test)]
mod tests;
mod threads;
mod vector;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::index::{Index, Near};
pub(crate) use self::judge::{Memory, Question, Verdict, judge};
use crate::{Error, Result};

type Embed = dyn Fn(&str) -> Fallible<Vec<f32>> + Send + Sync;
type Verify = dyn Fn(&SemanticMatch) -> Fallible<bool> + Send + Sync;
type Fallible<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// How a request may be served the answer to an earlier question that means the same.
///
/// The prompt is embedded, and the nearest earlier prompt is looked up among those that were asked
/// with a `Semantic` too, of the same model, options and salt. If it is near enough and the
/// verifier agrees, its answer is served, marked
/// [`CacheTier::Semantic`](crate::CacheTier::Semantic). Otherwise the request is computed, and its
/// answer remembered with its vector.
///
/// A function that fails, panics, takes too long, or gives a vector that is none, is logged as a
/// warning, with what its error says; the request is then computed. Use one embedding function for
/// all requests of an engine and salt: distances between vectors of two models mean nothing.
///
/// No distance tells "is it allowed" from "is it not allowed", or one number from another: the
/// verifier must read both questions. Where a wrong answer costs something, do not use this.
///
/// Cheap to clone.
///
/// # Threads
/// Both functions are called on threads of Indwell's own, several at once if there are several
/// requests. One that never returns keeps its thread; while eight do, nothing is asked any more,
/// in the whole process, and requests are computed.
///
/// # Examples
/// ```no_run
/// use indwell::{Engine, Semantic};
///
/// /// Counts letters: a stand-in for an embedding model.
/// fn embed(prompt: &str) -> Vec<f32> {
///     let count = |letter| prompt.chars().filter(|c| c.eq_ignore_ascii_case(&letter)).count();
///     ('a'..='z').map(|letter| count(letter) as f32).collect()
/// }
///
/// /// Agrees if both questions have the same words, in any order.
/// fn same_words(asked: &str, found: &str) -> bool {
///     let words = |text: &str| {
///         let mut words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
///         words.sort();
///         words
///     };
///     words(asked) == words(found)
/// }
///
/// let semantic = Semantic::new(
///     0.05,
///     |prompt| Ok(embed(prompt)),
///     |earlier| Ok(same_words(&earlier.asked, &earlier.found)),
/// );
/// let engine = Engine::builder("smollm2-135m").build()?;
/// engine.chat("Is the sky blue today?").semantic(semantic.clone()).run()?;
/// let reply = engine.chat("Today, is the sky blue?").semantic(semantic).run()?;
/// println!("{:?} {:?}", reply.usage.cache, reply.usage.semantic_distance);
/// # Ok::<(), indwell::Error>(())
/// ```
#[derive(Clone)]
pub struct Semantic {
    distance_max: f32,
    timeout: Duration,
    embed: Arc<Embed>,
    verify: Arc<Verify>,
}

/// An earlier question that is near enough, for the verifier to judge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SemanticMatch {
    /// The question that was asked now: of a completion the prompt, of a chat the messages, one a
    /// line, as `role: content`.
    pub asked: String,
    /// The earlier question, in the same form.
    pub found: String,
    /// Its answer, which will be served if the verifier agrees.
    pub answer: String,
    /// The cosine distance between them: 0 in the same direction, 2 in opposite ones.
    pub distance: f32,
}

impl Semantic {
    /// How long each function may take, unless [`Semantic::timeout`] says otherwise.
    const TIMEOUT: Duration = Duration::from_secs(1);

    /// `embed` turns a prompt into a vector: of one length always, finite, and not all zero.
    /// `verify` says whether the earlier question's answer answers this one, too. `distance_max` is
    /// the cosine distance up to which it is asked, from 0 (same direction) to 2.
    ///
    /// # Errors
    /// None here: a bad `distance_max` is `invalid_request` on `semantic` when a request is made.
    #[must_use]
    pub fn new(
        distance_max: f32,
        embed: impl Fn(&str) -> std::result::Result<Vec<f32>, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
        verify: impl Fn(&SemanticMatch) -> std::result::Result<bool, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            distance_max,
            timeout: Self::TIMEOUT,
            embed: Arc::new(embed),
            verify: Arc::new(verify),
        }
    }

    /// How long each of the two functions may take, waiting for a thread included; 1 second by
    /// default. A request may wait twice as long before it is computed.
    ///
    /// # Errors
    /// None here: zero is `invalid_request` on `semantic` when a request is made.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// # Errors
    /// `invalid_request` on `semantic` for a distance that is none, or no time at all.
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=2.0).contains(&self.distance_max) {
            return Err(Error::invalid(
                "semantic",
                format!("a distance_max of {}", self.distance_max),
                "a distance_max from 0 to 2",
                "begin with a small one, such as 0.1",
            ));
        }
        if self.timeout.is_zero() {
            return Err(Error::invalid(
                "semantic",
                "a timeout of 0",
                "a timeout longer than 0",
                "say how long each function may take; the default is 1 second",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Semantic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semantic")
            .field("distance_max", &self.distance_max)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
