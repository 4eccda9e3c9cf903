//! Options on their way to the library, and what their values are read from.

use std::ffi::OsStr;
use std::fs;

use anyhow::Context;
use indwell::{Error, OptionValue, Request};

/// Options by the library's names, each one that was given.
#[derive(Debug, Default)]
pub(crate) struct Named(Vec<(&'static str, OptionValue)>);

impl Named {
    /// Adds an option; null is as if it were not given.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<OptionValue>) {
        let value = value.into();
        if value != OptionValue::Null {
            self.0.push((name, value));
        }
    }

    /// Adds an option that may be given several times, if it was.
    pub(super) fn add_all(&mut self, name: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.add(name, values.to_vec());
        }
    }

    /// Adds an option whose text is in a file, if one was given.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn add_file(
        &mut self,
        name: &'static str,
        path: Option<&OsStr>,
    ) -> anyhow::Result<()> {
        if let Some(path) = path {
            self.add(name, text_of(name, path)?);
        }
        Ok(())
    }

    /// Adds an option whose value is JSON in a file, if one was given.
    ///
    /// # Errors
    /// A file that cannot be read, and `invalid_request` for what is no JSON.
    pub(super) fn add_json_file(
        &mut self,
        name: &'static str,
        path: Option<&OsStr>,
    ) -> anyhow::Result<()> {
        if let Some(path) = path {
            self.add(name, OptionValue::from_json(name, &text_of(name, path)?)?);
        }
        Ok(())
    }

    /// Sets them all.
    pub(crate) fn apply<I>(&self, request: Request<I>) -> Request<I> {
        let options = self.0.iter();
        options.fold(request, |request, (name, value)| request.option(name, value.clone()))
    }
}

/// The text of the file that was given for the option `name`.
///
/// # Errors
/// A file that cannot be read, and `invalid_request` for bytes that are no text.
pub(super) fn text_of(name: &'static str, path: &OsStr) -> anyhow::Result<String> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{name}: {shown} could not be read"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::invalid(
            name,
            format!("{shown}, not valid from byte {at} on"),
            "text in UTF-8",
            "convert the file first",
        )
    })?;
    Ok(text)
}
