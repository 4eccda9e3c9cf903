//! The tools of one chat: what the prompt tells of them, what the answer may be, and how it is read.

use std::borrow::Cow;
use std::sync::Arc;

use indwell_kernel::Constraint;
use indwell_llama::Grammar;
use serde_json::{Value, json};

use super::calls::Known;
use super::grammar::{Wanted, grammar};
use super::reading::{Plan, ReasoningPlan};
use super::speech::Speech;
use super::telling::{needs_telling, told};
use crate::options::ToolConfig;
use crate::prompt::Prompter;
use crate::{Error, ErrorKind, Message, Result, Tool};

/// The tools of one chat.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// The messages that the template shows.
    pub(crate) messages: Cow<'a, [Message]>,
    /// The tools that the template tells of; none where the messages do.
    pub(crate) shown: &'a [Tool],
    config: &'a ToolConfig,
    speech: &'a Speech,
}

impl<'a> Offer<'a> {
    /// # Errors
    /// `unsupported` where the engine has no form of calls.
    pub(crate) fn new(
        messages: &'a [Message],
        config: &'a ToolConfig,
        speech: &'a Speech,
    ) -> Result<Self> {
        let dialect = speech.dialect();
        if dialect.calls.is_none() && !config.tools.is_empty() {
            return Err(Error::remedied(
                ErrorKind::Unsupported,
                "tools were given, but the engine was loaded with tool_parser none",
                "load the model without tool_parser, or leave tools out",
            ));
        }
        if dialect.knows_tools {
            let messages = Cow::Borrowed(messages);
            return Ok(Self { messages, shown: &config.tools, config, speech });
        }
        let messages = if config.tools.is_empty() && !needs_telling(messages) {
            Cow::Borrowed(messages)
        } else {
            Cow::Owned(told(messages, &config.tools))
        };
        Ok(Self { messages, shown: &[], config, speech })
    }

    /// What the answer may be, where tools are offered or it is `bound`; `None` where it is free.
    /// With tools, an answer without calls has the form that it is bound to.
    ///
    /// # Errors
    /// `invalid_request` for a form that does not go with the tools, or that can't be compiled;
    /// `unsupported` where a call has to come, and its form can't be forced.
    pub(crate) fn constraint(
        &self,
        prompter: &Prompter,
        prompt_end: &str,
        bound: Option<&Grammar>,
    ) -> Result<Option<Arc<dyn Constraint>>> {
        let dialect = self.speech.dialect();
        let Some(format) = dialect.calls.filter(|_| !self.config.tools.is_empty()) else {
            return bound.map(|grammar| prompter.constraint(grammar)).transpose();
        };
        let otherwise = bound.map(|grammar| self.otherwise(grammar)).transpose()?;
        let must = self.config.must_call() || otherwise.is_some();
        let wanted = Wanted {
            format,
            tools: &self.config.callable(),
            must_call: self.config.must_call(),
            parallel: self.config.parallel,
            thoughts: dialect.thoughts.map(|form| (form, form.begin_inside(prompt_end))),
            otherwise: otherwise.as_ref(),
            controls: self.speech.controls(),
        };
        match grammar(&wanted).map(|text| prompter.constraint(&Grammar::Tools(text))) {
            Some(Ok(constraint)) => Ok(Some(constraint)),
            Some(Err(error)) if must => Err(error),
            Some(Err(error)) => {
                tracing::warn!(%error, "tools are offered, but arguments of calls are not held to them");
                Ok(None)
            }
            None if must => Err(not_forced(format.name)),
            None => Ok(None),
        }
    }

    /// The schema of an answer without calls.
    fn otherwise(&self, bound: &Grammar) -> Result<Value> {
        match bound {
            _ if self.config.must_call() => {}
            Grammar::JsonSchema(schema) => return Ok(schema.clone()),
            Grammar::JsonObject => return Ok(json!({ "type": "object" })),
            _ => {}
        }
        Err(Error::invalid(
            bound.name(),
            "given beside tools",
            "left out with tools; json_schema and json_object may be there where the model need not call",
            format!("leave out {} or tools", bound.name()),
        ))
    }

    /// How answers are read.
    pub(crate) fn plan(&self, prompt_end: &str) -> Option<Plan> {
        let dialect = self.speech.dialect();
        let tools = &self.config.tools;
        let calls = dialect.calls.filter(|_| !tools.is_empty());
        let plan = Plan {
            reasoning: dialect.thoughts.map(|thoughts| ReasoningPlan {
                thoughts,
                inside: thoughts.begin_inside(prompt_end),
                apart: self.config.separate_reasoning,
            }),
            calls: calls.map(|format| (format, Arc::new(Known::new(tools, self.config.parallel)))),
        };
        plan.is_any().then_some(plan)
    }
}

fn not_forced(form: &str) -> Error {
    let message = format!(
        "a call in the form {form} can't be forced for these tools: their parameters are more than \
         a list of properties, or the form is made of control tokens"
    );
    let remedy =
        "use tool_choice auto without json_schema, or parameters that are a list of properties";
    Error::remedied(ErrorKind::Unsupported, message, remedy)
}
