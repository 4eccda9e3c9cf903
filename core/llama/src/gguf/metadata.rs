//! The keys of a file with their values.

use std::collections::HashMap;

use super::value::Value;

/// Keys and values, in the file's order.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pairs: Vec<(String, Value)>,
    places: HashMap<String, usize>,
}

impl Metadata {
    /// Adds a pair; `false` if the key is there already.
    pub(super) fn add(&mut self, key: String, value: Value) -> bool {
        if self.places.contains_key(&key) {
            return false;
        }
        self.places.insert(key.clone(), self.pairs.len());
        self.pairs.push((key, value));
        true
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.places.get(key).map(|&at| &self.pairs[at].1)
    }

    /// `general.architecture`; empty where there is none.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.get("general.architecture").and_then(Value::as_text).unwrap_or_default()
    }

    /// The value of `key` among the architecture's.
    #[must_use]
    pub fn of_architecture(&self, key: &str) -> Option<&Value> {
        self.get(&format!("{}.{key}", self.architecture()))
    }
}
