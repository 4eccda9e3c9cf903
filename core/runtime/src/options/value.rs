//! A value of any language, before anyone knows what it should be.

/// An option's value as callers without Rust's types give it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// As if the option were not given.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, NaN and infinities included.
    Float(f64),
    /// Text.
    Text(String),
    /// Several values.
    List(Vec<OptionValue>),
}

impl OptionValue {
    /// The value as an error message shows it, cut after some length.
    #[must_use]
    pub fn shown(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 80;
        let text = match self {
            OptionValue::Null => "nothing".to_owned(),
            OptionValue::Bool(value) => value.to_string(),
            OptionValue::Int(value) => value.to_string(),
            OptionValue::Float(value) => value.to_string(),
            OptionValue::Text(value) => format!("{value:?}"),
            OptionValue::List(values) => format!("a list of {}", values.len()),
        };
        if text.chars().count() > SHOWN_CHARS_MAX {
            text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
        } else {
            text
        }
    }
}

impl From<bool> for OptionValue {
    fn from(value: bool) -> Self {
        OptionValue::Bool(value)
    }
}

impl From<i64> for OptionValue {
    fn from(value: i64) -> Self {
        OptionValue::Int(value)
    }
}

impl From<i32> for OptionValue {
    fn from(value: i32) -> Self {
        OptionValue::Int(value.into())
    }
}

impl From<u32> for OptionValue {
    fn from(value: u32) -> Self {
        OptionValue::Int(value.into())
    }
}

impl From<f64> for OptionValue {
    fn from(value: f64) -> Self {
        OptionValue::Float(value)
    }
}

impl From<&str> for OptionValue {
    fn from(value: &str) -> Self {
        OptionValue::Text(value.to_owned())
    }
}

impl From<String> for OptionValue {
    fn from(value: String) -> Self {
        OptionValue::Text(value)
    }
}

impl<T: Into<OptionValue>> From<Vec<T>> for OptionValue {
    fn from(values: Vec<T>) -> Self {
        OptionValue::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<OptionValue>> From<Option<T>> for OptionValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(OptionValue::Null, Into::into)
    }
}
