//! The forms that an answer can be bound to. One of them at most; more are refused.
//!
//! The model draws only tokens with which the answer can still become what is asked for, so an answer
//! that ends by itself has the form. One that `max_tokens` or a stop string cuts short may lack its
//! end.

use indwell_llama::Grammar;
use serde_json::Value;

use super::Request;

impl<I> Request<I> {
    /// JSON that fits a schema. Keys come in the schema's order, with one space after each comma and
    /// colon. A schema with something that can't be guaranteed is refused.
    ///
    /// ```no_run
    /// use indwell::Engine;
    /// use serde_json::json;
    ///
    /// let engine = Engine::builder("smollm2-135m").build()?;
    /// let schema = json!({
    ///     "type": "object",
    ///     "properties": {"name": {"type": "string"}, "legs": {"type": "integer"}},
    ///     "required": ["name", "legs"],
    ///     "additionalProperties": false,
    /// });
    /// let reply = engine.chat("Describe a llama.").json_schema(schema).run()?;
    /// println!("{}", reply.text);
    /// # Ok::<(), indwell::Error>(())
    /// ```
    pub fn json_schema(self, schema: impl Into<Value>) -> Self {
        self.bound(Grammar::JsonSchema(schema.into()))
    }

    /// Any JSON object.
    pub fn json_object(self) -> Self {
        self.bound(Grammar::JsonObject)
    }

    /// Text that a regular expression matches as a whole. Its syntax is that of the crate `regex`,
    /// without look-around and anchors.
    pub fn regex(self, expression: impl Into<String>) -> Self {
        self.bound(Grammar::Regex(expression.into()))
    }

    /// One of these texts.
    pub fn choice(self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.bound(Grammar::Choice(texts.into_iter().map(Into::into).collect()))
    }

    /// Text of a Lark grammar, in llguidance's dialect, from its rule `start`.
    pub fn lark(self, grammar: impl Into<String>) -> Self {
        self.bound(Grammar::Lark(grammar.into()))
    }

    /// Text of a GBNF grammar, as llama.cpp has them, from its rule `root`.
    pub fn gbnf(self, grammar: impl Into<String>) -> Self {
        self.bound(Grammar::Gbnf(grammar.into()))
    }

    fn bound(mut self, grammar: Grammar) -> Self {
        self.options.constraint.bind(grammar);
        self
    }
}
