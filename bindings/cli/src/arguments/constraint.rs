//! Options that say what an answer must look like.

use std::ffi::OsString;

use clap::Args;

use super::named::{Named, text_of};

/// Constraints, as the library names them; it takes one of them at most.
#[derive(Debug, Args)]
#[command(next_help_heading = "Constraints: one at most")]
pub(crate) struct ConstraintArguments {
    /// A JSON schema that the answer fits: a file, or the schema itself, which begins with `{`
    #[arg(long, value_name = "FILE|TEXT")]
    json_schema: Option<OsString>,
    /// The answer is a JSON object
    #[arg(long)]
    json_object: bool,
    /// A regular expression that the whole answer matches
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    regex: Option<String>,
    /// A text that the answer may be; given once for each
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    choice: Vec<String>,
    /// A file with a grammar in Lark's form, as llguidance reads it
    #[arg(long, value_name = "FILE")]
    lark: Option<OsString>,
    /// A file with a grammar in GBNF, llama.cpp's form
    #[arg(long, value_name = "FILE")]
    gbnf: Option<OsString>,
}

impl ConstraintArguments {
    /// # Errors
    /// Files that cannot be read.
    pub(super) fn name(&self, named: &mut Named) -> anyhow::Result<()> {
        if let Some(given) = &self.json_schema {
            named.add("json_schema", schema(given)?);
        }
        named.add("json_object", self.json_object.then_some(true));
        named.add("regex", self.regex.as_deref());
        named.add_all("choice", &self.choice);
        named.add_file("lark", self.lark.as_deref())?;
        named.add_file("gbnf", self.gbnf.as_deref())
    }
}

/// A schema's text: what was given, if it begins as one, else what is in the file of that name.
fn schema(given: &OsString) -> anyhow::Result<String> {
    match given.to_str() {
        Some(text) if text.trim_start().starts_with('{') => Ok(text.to_owned()),
        _ => text_of("json_schema", given),
    }
}
