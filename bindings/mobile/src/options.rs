//! Options as they cross: every number as wide as it comes, so that `indwell` judges it, not a
//! conversion.
//!
//! An option that is not given is `None`, and `indwell` has its default. Nothing is validated here
//! but that JSON is JSON: it crosses as text, and options take it as values.
//!
//! - `engine`: the options of an engine
//! - `request`: the options of a request, of which these are parts:
//! - `sampling`: how tokens are chosen
//! - `constraint`: what the answer must look like
//! - `chat`: what only chats have

mod chat;
mod constraint;
mod engine;
mod request;
mod sampling;

use indwell::OptionValue;

pub use chat::NativeChatOptions;
pub use constraint::NativeConstraint;
pub use engine::NativeEngineOptions;
pub use request::NativeRequestOptions;
pub use sampling::{NativeLogitBias, NativeSampling};

/// Options by their names in `indwell`; null where not given.
type Named<const N: usize> = [(&'static str, OptionValue); N];

/// The value of the option `name`, which crossed as JSON's text.
fn json(name: &str, text: Option<&str>) -> indwell::Result<OptionValue> {
    text.map_or(Ok(OptionValue::Null), |text| OptionValue::from_json(name, text))
}
