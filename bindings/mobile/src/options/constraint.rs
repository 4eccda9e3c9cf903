//! What an answer must look like.

use super::Named;

/// The options that constrain an answer, named as in `indwell::Request`; one at most is taken there.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub struct NativeConstraint {
    /// JSON's text.
    pub json_schema: Option<String>,
    pub json_object: Option<bool>,
    pub regex: Option<String>,
    pub choice: Option<Vec<String>>,
    pub lark: Option<String>,
    pub gbnf: Option<String>,
}

impl NativeConstraint {
    pub(super) fn named(self) -> Named<6> {
        [
            ("json_schema", self.json_schema.into()),
            ("json_object", self.json_object.into()),
            ("regex", self.regex.into()),
            ("choice", self.choice.into()),
            ("lark", self.lark.into()),
            ("gbnf", self.gbnf.into()),
        ]
    }
}
