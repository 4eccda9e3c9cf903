//! Tools that the model may call, and its reasoning: what it is told, what it may say, and what it
//! said.
//!
//! | module | owns |
//! |---|---|
//! | [`dialect`] | how one model speaks of tools and reasoning |
//! | [`speech`] | a dialect in a vocabulary: what of it are control tokens |
//! | [`offer`] | the tools of one chat, from its prompt to how its answers are read |
//! | [`telling`] | tools told to models whose template knows none |
//! | [`reading`] | raw events to those of text, reasoning and calls |
//! | [`reasoning`] | reasoning apart from the answer |
//! | [`calls`] | calls apart from text; `json`, `named`, `tagged` and `python` read their forms |
//! | [`grammar`] | what an answer may be where calls are in it |
//! | [`mod@format`] | those forms, as data |
//! | `cursor`, `scan` | text of which the end may still be missing |

pub(crate) mod calls;
mod cursor;
pub(crate) mod dialect;
pub(crate) mod format;
pub(crate) mod grammar;
mod json;
mod named;
pub(crate) mod offer;
mod python;
pub(crate) mod reading;
pub(crate) mod reasoning;
mod scan;
pub(crate) mod speech;
mod tagged;
pub(crate) mod telling;
