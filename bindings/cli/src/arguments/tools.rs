//! Options that only chats have: tools, documents, and what templates are told.

use std::ffi::OsString;

use clap::Args;
use indwell::{Error, OptionValue};

use super::named::Named;

/// Options of chats, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tools and templates")]
pub(crate) struct ToolArguments {
    /// A file with the tools that the model may call: a JSON list
    #[arg(long, value_name = "FILE")]
    tools: Option<OsString>,
    /// auto, none, required, or the name of the tool that it calls [default: auto]
    #[arg(long, value_name = "CHOICE")]
    tool_choice: Option<String>,
    /// It calls one tool at most
    #[arg(long)]
    no_parallel_tool_calls: bool,
    /// A file with documents for the template: a JSON list of objects
    #[arg(long, value_name = "FILE")]
    documents: Option<OsString>,
    /// An argument for the template, its value in JSON; may be given several times
    #[arg(long, value_name = "NAME=JSON")]
    template_arg: Vec<String>,
}

impl ToolArguments {
    /// # Errors
    /// Files that cannot be read, and `invalid_request` for what is no JSON.
    pub(super) fn name(&self, named: &mut Named) -> anyhow::Result<()> {
        named.add_json_file("tools", self.tools.as_deref())?;
        named.add("tool_choice", self.tool_choice.as_deref().map(choice));
        named.add("parallel_tool_calls", self.no_parallel_tool_calls.then_some(false));
        named.add_json_file("documents", self.documents.as_deref())?;
        if !self.template_arg.is_empty() {
            let arguments = self.template_arg.iter().map(|text| template_argument(text));
            named.add("template_args", OptionValue::Object(arguments.collect::<Result<_, _>>()?));
        }
        Ok(())
    }
}

fn choice(choice: &str) -> OptionValue {
    match choice {
        "auto" | "none" | "required" => choice.into(),
        name => OptionValue::Object(vec![("name".to_owned(), name.into())]),
    }
}

fn template_argument(text: &str) -> indwell::Result<(String, OptionValue)> {
    let Some((name, json)) = text.split_once('=') else {
        return Err(Error::invalid(
            "template_arg",
            OptionValue::from(text).shown(),
            "NAME=JSON",
            "write it as in enable_thinking=false",
        ));
    };
    let value = OptionValue::from_json(&format!("template_arg {name}"), json)?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_chosen_by_its_name_unless_it_is_a_word_of_the_librarys() {
        assert_eq!(choice("required"), "required".into());
        let named = OptionValue::Object(vec![("name".to_owned(), "look_up".into())]);
        assert_eq!(choice("look_up"), named);
    }

    #[test]
    fn arguments_of_templates_are_json() {
        let (name, value) = template_argument("enable_thinking=false").expect("JSON");
        assert_eq!((name.as_str(), value), ("enable_thinking", OptionValue::Bool(false)));
        let (_, value) = template_argument("date=\"a=b\"").expect("JSON");
        assert_eq!(value, "a=b".into());
        for wrong in ["enable_thinking", "date=today"] {
            let error = template_argument(wrong).expect_err(wrong);
            assert_eq!(error.kind(), indwell::ErrorKind::InvalidRequest);
        }
    }
}
