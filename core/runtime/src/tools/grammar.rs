//! What an answer may be where calls are in it: a Lark grammar, as llguidance reads it.
//!
//! Where the model may call, text is free up to what calls begin with; from there on it has to be
//! a call of a tool, with arguments that fit the tool's schema. Where it must call, there is no other
//! text, but for reasoning where the model reasons. Forms that may begin with no more than a bracket
//! are free where the model may call: text may begin so too.

use std::fmt::Write;

use indwell_kernel::Token;
use serde_json::{Map, Value, json};

use super::format::{Format, Named, Shape, Spelling, Tagged};
use super::reasoning::Thoughts;
use crate::Tool;

/// What an answer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) format: &'static Format,
    pub(crate) tools: &'a [&'a Tool],
    /// Whether there must be a call.
    pub(crate) must_call: bool,
    /// Whether there may be several.
    pub(crate) parallel: bool,
    /// How the model reasons, and whether the answer begins in it.
    pub(crate) thoughts: Option<(&'static Thoughts, bool)>,
    /// What an answer without calls has to fit.
    pub(crate) otherwise: Option<&'a Value>,
    /// Control tokens that are in markers, by their literals.
    pub(crate) controls: &'a [(String, Token)],
}

/// The grammar of what is wanted; `None` where there is none for the form.
pub(crate) fn grammar(wanted: &Wanted<'_>) -> Option<String> {
    Writer { wanted, rules: String::new() }.write()
}

struct Writer<'a> {
    wanted: &'a Wanted<'a>,
    rules: String,
}

impl Writer<'_> {
    fn write(mut self) -> Option<String> {
        let wanted = self.wanted;
        self.calls()?;
        let start = match (wanted.must_call, wanted.otherwise) {
            (true, _) => format!("{}calls", self.thought()),
            (false, Some(schema)) => {
                let schema = schema_text(schema.clone());
                self.rule("otherwise", &format!("%json {schema}"));
                format!("{}(calls | otherwise)", self.thought())
            }
            (false, None) => self.free()?,
        };
        Some(format!("start: {start}\n{}", self.rules))
    }

    fn rule(&mut self, name: &str, body: &str) {
        writeln!(self.rules, "{name}: {body}").expect("a text takes all that is written");
    }

    /// Text, and calls from where they begin.
    fn free(&mut self) -> Option<String> {
        let [begin, ..] = self.wanted.format.begins else { return None };
        if self.wanted.format.bare.is_some() {
            return None;
        }
        let again = if self.wanted.parallel { "*" } else { "" };
        // Text holds no control token, so reasoning that is marked by some is said apart.
        let plain = self.wanted.thoughts.is_none_or(|(thoughts, _)| {
            self.is_plain(thoughts.begin) && self.is_plain(thoughts.end)
        });
        let thought = if plain { String::new() } else { self.thought() };
        if self.is_plain(begin) {
            let begin = regex(begin);
            self.rule("before[lazy]", &format!("/(?s:.*){begin}/"));
            self.rule("TEXT", &format!("/(?s:.*)/ & ~/(?s:.*){begin}(?s:.*)/"));
            let calls = format!("(before behind){again}");
            return Some(if self.wanted.parallel {
                format!("{thought}{calls} TEXT")
            } else {
                format!("{thought}(TEXT | {calls})")
            });
        }
        self.rule("TEXT", "/(?s:.*)/");
        let begin = self.literal(begin);
        Some(if self.wanted.parallel {
            format!("{thought}TEXT ({begin} behind TEXT)*")
        } else {
            format!("{thought}TEXT ({begin} behind)?")
        })
    }

    /// Reasoning before calls, where the model reasons.
    fn thought(&mut self) -> String {
        let Some((thoughts, inside)) = self.wanted.thoughts else { return String::new() };
        if self.is_plain(thoughts.end) {
            self.rule("thought[lazy]", &format!("/(?s:.*){}/", regex(thoughts.end)));
        } else {
            self.rule("THOUGHT", "/(?s:.*)/");
            let end = self.literal(thoughts.end);
            self.rule("thought", &format!("THOUGHT {end}"));
        }
        self.rule("SPACE", r"/\s{0,8}/");
        if inside {
            return "thought SPACE ".to_owned();
        }
        let begin = self.literal(thoughts.begin);
        format!("({begin} thought SPACE)? ")
    }

    /// The rules `calls` and `behind`: calls with and without what they begin with.
    fn calls(&mut self) -> Option<()> {
        let format = self.wanted.format;
        let begin = match (format.bare, format.begins) {
            (None, [begin, ..]) => *begin,
            _ => "",
        };
        let end = format.ends.first().copied().filter(|_| !begin.is_empty()).unwrap_or_default();
        let (begin, end) = (self.literal(begin), self.literal(end));
        let parallel = self.wanted.parallel;
        // One call, what is between two inside of the same markers, and what is around all.
        let (between, around) = match &format.shape {
            Shape::Json(spelling) => {
                self.each(|writer, at, tool| Some(writer.object(spelling, at, tool)))?;
                match (spelling.in_list, format.ends.is_empty()) {
                    (true, _) => (Some("\", \""), ["\"[\"", "\"]\""]),
                    (false, true) => (Some("\"; \""), ["", ""]),
                    (false, false) => (
                        None,
                        if spelling.around.is_empty() { ["", ""] } else { ["\"\\n\"", "\"\\n\""] },
                    ),
                }
            }
            Shape::Named(named) | Shape::NamedOrJson(named) => {
                self.each(|writer, at, tool| Some(writer.named(named, at, tool)))?;
                (if named.before.is_empty() { None } else { Some("") }, ["", ""])
            }
            Shape::Tagged(tagged) => {
                self.each(|writer, at, tool| writer.tagged(tagged, at, tool))?;
                let several = !format.ends.is_empty() && tagged.call != FUNCTION;
                let line = if tagged.call.is_empty() { "" } else { "\"\\n\"" };
                (several.then_some("\"\\n\""), [line, line])
            }
            Shape::Python => {
                self.each(Writer::python)?;
                (Some("\", \""), ["\"[\"", "\"]\""])
            }
        };
        let [open, close] = around;
        let inside = match between.filter(|_| parallel) {
            Some(between) => format!("call ({between} call)*"),
            None => "call".to_owned(),
        };
        self.rule("behind", &format!("{open} {inside} {close} {end}"));
        let again = if parallel && between.is_none() {
            format!("(\"\\n\"? {begin} behind)*")
        } else {
            String::new()
        };
        self.rule("calls", &format!("{begin} behind {again}"));
        Some(())
    }

    /// The rule `call`, which is one of each tool's.
    fn each(
        &mut self,
        mut body: impl FnMut(&mut Self, usize, &Tool) -> Option<String>,
    ) -> Option<()> {
        let tools = self.wanted.tools;
        for (at, tool) in tools.iter().enumerate() {
            let body = body(self, at, tool)?;
            self.rule(&format!("call_{at}"), &body);
        }
        let all: Vec<String> = (0..tools.len()).map(|at| format!("call_{at}")).collect();
        self.rule("call", &all.join(" | "));
        Some(())
    }

    fn arguments(&mut self, at: usize, tool: &Tool) -> String {
        let mut schema = closed(tool.parameters.clone());
        if let Value::Object(fields) = &mut schema
            && !COMPOSED.iter().any(|key| fields.contains_key(*key))
        {
            fields.entry("type").or_insert_with(|| "object".into());
        }
        let schema = schema_text(schema);
        self.rule(&format!("arguments_{at}"), &format!("%json {schema}"));
        format!("arguments_{at}")
    }

    fn object(&mut self, spelling: &Spelling, at: usize, tool: &Tool) -> String {
        let arguments = self.arguments(at, tool);
        let before = format!("{}{}{}", spelling.name, tool.name, spelling.arguments);
        format!("{} {arguments} \"}}\"", quoted(&before))
    }

    fn named(&mut self, named: &Named, at: usize, tool: &Tool) -> String {
        let arguments = self.arguments(at, tool);
        let [before, between, behind] = named.written;
        let before = self.literal(&format!("{before}{}{between}", tool.name));
        format!("{before} {arguments} {}", self.literal(behind))
    }

    fn tagged(&mut self, tagged: &Tagged, at: usize, tool: &Tool) -> Option<String> {
        let markers = [tagged.call, tagged.key, tagged.value_end, tagged.call_end];
        if !markers.iter().all(|marker| self.is_plain(marker)) {
            return None;
        }
        let line = if tagged.value.is_empty() && !tagged.typed { "\n" } else { "" };
        let name_end = if tagged.call.is_empty() { "\n" } else { tagged.name_end.first()? };
        let mut body = quoted(&format!("{}{}{name_end}", tagged.call, tool.name));
        if !tagged.call.is_empty() {
            body.push_str(" \"\\n\"");
        }
        for (index, argument) in arguments_of(&tool.parameters)?.iter().enumerate() {
            let typed = match (tagged.typed, argument.is_text()) {
                (false, _) => String::new(),
                (true, is_text) => format!(" string=\"{is_text}\""),
            };
            let gap = if tagged.call.is_empty() { "\n" } else { "" };
            let before = format!(
                "{}{}{}{typed}{gap}{}{line}",
                tagged.key, argument.key, tagged.key_end, tagged.value
            );
            let value = self.value(&format!("{at}_{index}"), argument, line, tagged.value_end);
            let whole = format!("{} {value} \"\\n\"", quoted(&before));
            let whole = if argument.required { whole } else { format!("({whole})?") };
            write!(body, " {whole}").expect("a text takes all that is written");
        }
        write!(body, " {}", quoted(tagged.call_end)).expect("a text takes all that is written");
        Some(body)
    }

    /// A value between tags, up to the end of its tag.
    fn value(&mut self, at: &str, argument: &Argument, line: &str, end: &str) -> String {
        let closing = format!("{line}{end}");
        if let Some(texts) = argument.texts() {
            let texts: Vec<String> =
                texts.iter().map(|text| quoted(&format!("{text}{closing}"))).collect();
            return format!("({})", texts.join(" | "));
        }
        if argument.is_text() {
            self.rule(&format!("text_{at}[lazy]"), &format!("/(?s:.*){}/", regex(end)));
            return format!("text_{at}");
        }
        let schema = schema_text(argument.schema.clone());
        self.rule(&format!("value_{at}"), &format!("%json {schema}"));
        format!("value_{at} {}", quoted(&closing))
    }

    /// `name(key=value, key=value)`, where values are JSON, which Python's values are read as too.
    fn python(&mut self, at: usize, tool: &Tool) -> Option<String> {
        let arguments = arguments_of(&tool.parameters)?;
        let (required, optional): (Vec<_>, Vec<_>) =
            arguments.iter().enumerate().partition(|(_, argument)| argument.required);
        let mut body = quoted(&format!("{}(", tool.name));
        let first_is_optional = required.is_empty();
        for (order, (index, argument)) in required.iter().enumerate() {
            let comma = if order == 0 { "" } else { ", " };
            let value = self.keyword(at, *index, argument, comma);
            write!(body, " {value}").expect("a text takes all that is written");
        }
        if first_is_optional {
            // One of them at most: which of several is the first can't be said shortly.
            let alternatives: Vec<String> = optional
                .iter()
                .map(|(index, argument)| self.keyword(at, *index, argument, ""))
                .collect();
            if !alternatives.is_empty() {
                write!(body, " ({})?", alternatives.join(" | "))
                    .expect("a text takes all that is written");
            }
        } else {
            for (index, argument) in optional {
                let value = self.keyword(at, index, argument, ", ");
                write!(body, " ({value})?").expect("a text takes all that is written");
            }
        }
        Some(format!("{body} \")\""))
    }

    fn keyword(&mut self, at: usize, index: usize, argument: &Argument, comma: &str) -> String {
        let name = format!("value_{at}_{index}");
        let schema = schema_text(argument.schema.clone());
        self.rule(&name, &format!("%json {schema}"));
        format!("{} {name}", quoted(&format!("{comma}{}=", argument.key)))
    }

    /// Whether none of `marker` is a control token.
    fn is_plain(&self, marker: &str) -> bool {
        !self.wanted.controls.iter().any(|(literal, _)| marker.contains(literal.as_str()))
    }

    /// `text` as a sequence of texts and control tokens.
    fn literal(&self, text: &str) -> String {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let controls = self.wanted.controls.iter();
            let found = controls
                .filter_map(|(literal, token)| Some((rest.find(literal.as_str())?, literal, token)))
                .min_by_key(|(at, literal, _)| (*at, std::cmp::Reverse(literal.len())));
            let Some((at, literal, token)) = found else {
                parts.push(quoted(rest));
                break;
            };
            if at > 0 {
                parts.push(quoted(&rest[..at]));
            }
            parts.push(format!("<[{}]>", token.0));
            rest = &rest[at + literal.len()..];
        }
        parts.join(" ")
    }
}

/// The form of which several calls have tags of their own each.
const FUNCTION: &str = "<function=";

/// An argument of a tool.
struct Argument {
    key: String,
    schema: Value,
    required: bool,
}

impl Argument {
    fn is_text(&self) -> bool {
        self.schema.get("type").is_some_and(|kind| kind == "string")
    }

    /// The texts that it may be, where there are few.
    fn texts(&self) -> Option<Vec<&str>> {
        let texts = self.schema.get("enum")?.as_array()?;
        let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
        (self.is_text() && !texts.is_empty()).then_some(texts)
    }
}

/// The arguments of a schema that says no more than what each is.
fn arguments_of(parameters: &Value) -> Option<Vec<Argument>> {
    let fields = parameters.as_object()?;
    if COMPOSED.iter().any(|key| fields.contains_key(*key)) {
        return None;
    }
    let required: Vec<&str> = match fields.get("required").and_then(Value::as_array) {
        Some(keys) => keys.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let none = Map::new();
    let properties = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let argument = |(key, schema): (&String, &Value)| {
        let mut schema = closed(schema.clone());
        // What it refers to is said once for all arguments.
        if let Value::Object(schema) = &mut schema {
            for key in ["$defs", "definitions"] {
                if let Some(definitions) = fields.get(key) {
                    schema.insert(key.to_owned(), definitions.clone());
                }
            }
        }
        let required = required.contains(&key.as_str());
        Argument { key: key.clone(), schema, required }
    };
    Some(properties.iter().map(argument).collect())
}

/// Keys by which a schema says more than what each argument is.
const COMPOSED: &[&str] = &[
    "$ref",
    "allOf",
    "anyOf",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "patternProperties",
    "then",
    "unevaluatedProperties",
];

/// The schema without arguments that it does not name: where it leaves open whether there are others,
/// there are none. An answer that fits it fits the schema as it was.
fn closed(mut schema: Value) -> Value {
    let Value::Object(fields) = &mut schema else { return schema };
    if COMPOSED.iter().any(|key| fields.contains_key(*key)) {
        return schema;
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        for property in properties.values_mut() {
            *property = closed(property.take());
        }
        let is_object = fields.get("type").is_none_or(|kind| kind == "object");
        if is_object {
            fields.entry("type").or_insert_with(|| "object".into());
            fields.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
    if let Some(items) = fields.get_mut("items") {
        *items = closed(items.take());
    }
    schema
}

/// A schema as it stands in a grammar: what is between its values is not the model's to choose.
fn schema_text(schema: Value) -> String {
    let mut schema = match schema {
        Value::Object(fields) => fields,
        Value::Bool(true) => Map::new(),
        other => return other.to_string(),
    };
    let options = json!({
        "item_separator": ", ",
        "key_separator": ": ",
        "whitespace_flexible": false,
    });
    schema.insert("x-guidance".to_owned(), options);
    Value::Object(schema).to_string()
}

/// `text` as a literal of Lark, which are JSON's.
fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { Value::from(text).to_string() }
}

/// `text` as a regular expression that matches it alone.
fn regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~/".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests;
