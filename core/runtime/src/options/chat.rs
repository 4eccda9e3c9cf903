//! What a chat's template is told beside the messages.

use serde_json::Value;

use super::OptionValue;
use crate::{Error, Result};

/// Documents of one chat at most.
pub(crate) const DOCUMENTS_MAX: usize = 1024;
/// Variables that a template gets from elsewhere.
const RESERVED: &[&str] =
    &["messages", "tools", "documents", "add_generation_prompt", "continue_final_message"];

/// The options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChatOptions {
    pub(crate) documents: Option<Vec<Value>>,
    pub(crate) template_args: Option<Vec<(String, Value)>>,
    pub(crate) continue_final_message: Option<bool>,
}

/// The options, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChatConfig {
    pub(crate) documents: Vec<Value>,
    pub(crate) template_args: Vec<(String, Value)>,
    pub(crate) continue_final_message: bool,
}

impl ChatOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(self) -> Result<ChatConfig> {
        let documents = self.documents.unwrap_or_default();
        if documents.len() > DOCUMENTS_MAX {
            return Err(Error::invalid(
                "documents",
                format!("a list of {}", documents.len()),
                format!("at most {DOCUMENTS_MAX} documents"),
                "give those that matter most",
            ));
        }
        let template_args = self.template_args.unwrap_or_default();
        if let Some((name, _)) = template_args.iter().find(|(n, _)| RESERVED.contains(&n.as_str()))
        {
            return Err(Error::invalid(
                format!("template_args.{name}"),
                "a value",
                format!("names other than {}", RESERVED.join(", ")),
                format!("leave {name} out of template_args: it has an option of its own, or none"),
            ));
        }
        Ok(ChatConfig {
            documents,
            template_args,
            continue_final_message: self.continue_final_message.unwrap_or(false),
        })
    }
}

impl ChatConfig {
    /// The first option that is not at its default, for requests without messages.
    pub(crate) fn first_set(&self) -> Option<&'static str> {
        let set = [
            ("documents", !self.documents.is_empty()),
            ("template_args", !self.template_args.is_empty()),
            ("continue_final_message", self.continue_final_message),
        ];
        set.into_iter().find_map(|(name, is_set)| is_set.then_some(name))
    }
}

/// Documents: a list of objects.
pub(super) fn documents(name: &str, value: OptionValue) -> Result<Vec<Value>> {
    let refused = |value: &OptionValue| {
        Error::invalid(
            name,
            value.shown(),
            "a list of objects, such as {\"title\": …, \"text\": …}",
            "give each document as an object",
        )
    };
    let OptionValue::List(items) = value else { return Err(refused(&value)) };
    let one = |item: OptionValue| match item {
        OptionValue::Object(_) => item.to_json(name),
        other => Err(refused(&other)),
    };
    items.into_iter().map(one).collect()
}

/// Variables of the template: an object.
pub(super) fn template_args(name: &str, value: OptionValue) -> Result<Vec<(String, Value)>> {
    let OptionValue::Object(fields) = value else {
        return Err(Error::invalid(
            name,
            value.shown(),
            "an object, such as {\"enable_thinking\": false}",
            "give the template's variables by their names",
        ));
    };
    fields.into_iter().map(|(field, value)| Ok((field, value.to_json(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fields: &[(&str, OptionValue)]) -> OptionValue {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        OptionValue::Object(fields.collect())
    }

    #[test]
    fn values_of_other_shapes_are_refused_by_name() {
        for value in [OptionValue::from("a"), OptionValue::from(vec!["a"]), object(&[])] {
            let error = documents("documents", value).expect_err("no list of objects");
            assert_eq!(error.details().field.as_deref(), Some("documents"));
        }
        let nan = object(&[("a", OptionValue::Float(f64::NAN))]);
        assert!(documents("documents", OptionValue::List(vec![nan.clone()])).is_err());
        for value in [OptionValue::from("a"), OptionValue::List(Vec::new()), nan] {
            let error = template_args("template_args", value).expect_err("no object");
            assert_eq!(error.details().field.as_deref(), Some("template_args"));
        }
    }

    #[test]
    fn what_has_an_option_of_its_own_is_no_argument() {
        for name in RESERVED {
            let args = template_args("template_args", object(&[(name, OptionValue::Bool(true))]));
            let options =
                ChatOptions { template_args: Some(args.expect("an object")), ..Default::default() };
            let error = options.validate().expect_err(name);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn too_many_documents_are_refused() {
        let many = vec![Value::Object(serde_json::Map::new()); DOCUMENTS_MAX + 1];
        let options = ChatOptions { documents: Some(many), ..Default::default() };
        assert!(options.validate().is_err());
    }
}
