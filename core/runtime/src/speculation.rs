//! Whether answers are drafted, which an engine is told.

use crate::{Error, Result};

/// Whether an engine drafts what an answer may go on with, and verifies several tokens in one step.
/// Answers are the same either way, up to how other batches round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Speculation {
    /// By prompt lookup, where what an answer repeats of its prompt and of itself makes it worth it.
    /// Models whose memory can't take tokens back (recurrent, hybrid) draft nothing.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl Speculation {
    /// All of them.
    const ALL: [Speculation; 2] = [Speculation::Auto, Speculation::Off];

    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Speculation::Auto => "auto",
            Speculation::Off => "off",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// `invalid_request` for another name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|speculation| speculation.as_str() == name).ok_or_else(|| {
            Error::invalid(
                "speculation",
                format!("{name:?}"),
                "auto or off",
                "use off to compute each token in a step of its own, or leave it out",
            )
        })
    }
}
