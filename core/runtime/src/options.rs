//! Options by name, for callers without Rust's types.
//!
//! Every language's options end here: one table a kind of options names them, reads their
//! values, and refuses unknown names and wrong types with the same words everywhere. Limits are
//! checked later, by the kernel, in one place for all.

mod chat;
mod choices;
mod constraint;
mod drain;
mod engine;
mod memory;
mod prefix;
mod prefix_cache;
mod read;
mod request;
mod response_cache;
mod sampling;
mod tools;
mod value;

pub(crate) use choices::Choices;
pub(crate) use drain::DrainOptions;
pub(crate) use engine::{EngineConfig, EngineOptions};
pub(crate) use memory::Bound;
pub(crate) use prefix::PrefixOptions;
pub(crate) use prefix_cache::PrefixCacheConfig;
pub(crate) use request::{Defaults, RequestConfig, RequestOptions, cache_salt};
pub(crate) use response_cache::ResponseCacheConfig;
pub(crate) use sampling::{Biased, Words};
pub(crate) use tools::ToolConfig;
pub use value::OptionValue;

use crate::{Error, Result};

/// Options that can be set by name.
pub(crate) trait NamedOptions {
    /// Every name, in the order that the documentation lists them.
    const NAMES: &'static [&'static str];

    /// Sets `name`, which is one of [`Self::NAMES`].
    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()>;

    /// Sets the option called `name`; null leaves it as it is.
    ///
    /// # Errors
    /// `invalid_request` for a name that is none of these, and for a value of another type.
    fn set(&mut self, name: &str, value: OptionValue) -> Result<()> {
        if !Self::NAMES.contains(&name) {
            return Err(unknown(name, &value, Self::NAMES));
        }
        if value == OptionValue::Null {
            return Ok(());
        }
        self.set_known(name, value)
    }
}

/// How many names several groups have.
const fn count(groups: &[&[&str]]) -> usize {
    let (mut group, mut count) = (0, 0);
    while group < groups.len() {
        count += groups[group].len();
        group += 1;
    }
    count
}

/// The names of several groups, one group after the other.
const fn joined<const COUNT: usize>(groups: &[&[&'static str]]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let (mut group, mut filled) = (0, 0);
    while group < groups.len() {
        let mut at = 0;
        while at < groups[group].len() {
            names[filled] = groups[group][at];
            filled += 1;
            at += 1;
        }
        group += 1;
    }
    names
}

fn unknown(name: &str, value: &OptionValue, names: &[&str]) -> Error {
    let nearest = names
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.8);
    let remedy = match nearest {
        Some((_, known)) => format!("did you mean {known}?"),
        None => "leave it out".to_owned(),
    };
    let details = crate::ErrorDetails {
        field: Some(name.to_owned()),
        value: Some(value.shown()),
        limit: Some(format!("one of {}", names.join(", "))),
        remedy: Some(remedy.clone()),
        retry_after_ms: None,
    };
    let message =
        format!("there is no option {name:?}: {remedy} The options are {}", names.join(", "));
    Error::with(crate::ErrorKind::InvalidRequest, message, details, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_set() {
        fn all<O: NamedOptions + Default>() {
            for name in O::NAMES {
                let candidates = [
                    OptionValue::Int(1),
                    OptionValue::Bool(true),
                    OptionValue::Text("use".to_owned()),
                    OptionValue::Object(Vec::new()),
                    OptionValue::Text("auto".to_owned()),
                    OptionValue::List(Vec::new()),
                ];
                let mut accepted =
                    candidates.into_iter().map(|value| O::default().set(name, value));
                assert!(accepted.any(|result| result.is_ok()), "{name} takes no value");
            }
        }
        all::<EngineOptions>();
        all::<RequestOptions>();
        all::<PrefixOptions>();
        all::<DrainOptions>();
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest_one() {
        let error = RequestOptions::default()
            .set("temprature", OptionValue::Float(0.5))
            .expect_err("unknown");
        assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
        assert_eq!(error.details().field.as_deref(), Some("temprature"));
        assert_eq!(error.details().remedy.as_deref(), Some("did you mean temperature?"));
    }

    #[test]
    fn a_value_of_another_type_is_told_with_what_it_should_be() {
        let mut options = RequestOptions::default();
        let error = options.set("max_tokens", OptionValue::from("ten")).expect_err("text");
        assert_eq!(error.details().limit.as_deref(), Some("a whole number"));
        assert!(options.set("max_tokens", OptionValue::Float(10.0)).is_ok(), "10.0 is whole");
        assert!(options.set("max_tokens", OptionValue::Float(10.5)).is_err());
        assert!(options.set("stop", OptionValue::List(vec![OptionValue::Int(1)])).is_err());
        assert!(options.set("temperature", OptionValue::Bool(true)).is_err());
        assert!(options.set("logprobs", OptionValue::Int(1)).is_err());
    }

    #[test]
    fn null_is_as_if_not_given() {
        let mut options = RequestOptions::default();
        options.set("max_tokens", OptionValue::Null).expect("null");
        assert_eq!(options.max_tokens, None);
    }
}
