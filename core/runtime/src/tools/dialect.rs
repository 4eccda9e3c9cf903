//! How one model speaks of tools and reasoning: found from its chat template, or as the engine's
//! options say.

use super::format::Format;
use super::reasoning::Thoughts;
use crate::options::OptionValue;
use crate::{Error, Result};

/// What turns a parser off.
const NONE: &str = "none";

/// How one model speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// How it writes calls; `None` if it can't.
    pub(crate) calls: Option<&'static Format>,
    /// Whether its template tells it of tools.
    pub(crate) knows_tools: bool,
    /// How it writes reasoning; `None` if it has none.
    pub(crate) thoughts: Option<&'static Thoughts>,
}

impl Dialect {
    /// That of a model with this chat template, where the engine's options say no other.
    ///
    /// # Errors
    /// `invalid_request` for a parser that there is not.
    pub(crate) fn of(
        template: Option<&str>,
        tool_parser: Option<&str>,
        reasoning_parser: Option<&str>,
    ) -> Result<Self> {
        let knows_tools = template.is_some_and(knows_tools);
        let calls = match tool_parser {
            Some(NONE) => None,
            Some(name) => Some(
                Format::named(name)
                    .ok_or_else(|| unknown("tool_parser", name, Format::names().collect()))?,
            ),
            // A template that knows tools and writes no calls leaves the form to the model.
            None if knows_tools => template.and_then(Format::find).or(Some(Format::generic())),
            None => Some(Format::generic()),
        };
        let thoughts =
            match reasoning_parser {
                Some(NONE) => None,
                Some(name) => Some(Thoughts::named(name).ok_or_else(|| {
                    unknown("reasoning_parser", name, Thoughts::names().collect())
                })?),
                None => template.and_then(Thoughts::find),
            };
        Ok(Self { calls, knows_tools, thoughts })
    }

    /// Texts that the answer's text shows though they may be control tokens.
    pub(crate) fn markers(&self) -> Vec<&'static str> {
        let calls = self.calls.map(Format::markers).unwrap_or_default();
        let thoughts = self.thoughts.map(|thoughts| [thoughts.begin, thoughts.end]);
        calls.into_iter().chain(thoughts.into_iter().flatten()).collect()
    }
}

/// Whether a template uses a variable `tools`: the word alone, where Jinja reads it.
fn knows_tools(template: &str) -> bool {
    const WORD: &str = "tools";
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let code = |part: &str| -> bool {
        part.match_indices(WORD).any(|(at, _)| {
            let before = part[..at].chars().next_back();
            let behind = part[at + WORD.len()..].chars().next();
            // `message.tools` and `'tools'` are something else.
            !before.is_some_and(|c| is_part(c) || matches!(c, '.' | '\'' | '"'))
                && !behind.is_some_and(is_part)
        })
    };
    [("{%", "%}"), ("{{", "}}")].iter().any(|(open, close)| {
        let parts = template.split(open).skip(1);
        parts.filter_map(|part| part.split(close).next()).any(code)
    })
}

fn unknown(field: &str, name: &str, names: Vec<&str>) -> Error {
    Error::invalid(
        field,
        OptionValue::from(name).shown(),
        format!("one of {NONE}, {}", names.join(", ")),
        format!("give one of these names, or leave {field} out to have it found"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% endfor %}";

    fn names(dialect: Dialect) -> (Option<&'static str>, Option<&'static str>) {
        (dialect.calls.map(|calls| calls.name), dialect.thoughts.map(|thoughts| thoughts.name))
    }

    #[test]
    fn a_template_without_tools_gets_the_generic_form() {
        for template in [None, Some(PLAIN)] {
            let dialect = Dialect::of(template, None, None).expect("a dialect");
            assert!(!dialect.knows_tools);
            assert_eq!(names(dialect), (Some("hermes"), None));
        }
    }

    #[test]
    fn the_word_alone_is_a_variable_where_jinja_reads_it() {
        for (template, knows) in [
            ("{% if tools %}", true),
            ("{%- if not tools is defined -%}", true),
            ("{{ tools | tojson }}", true),
            ("{{ tools|length }}", true),
            ("You may use tools.", false),
            ("{{ message.tools }}{{ message['tools'] }}", false),
            ("{% set toolset = tools_in %}", false),
            ("{# tools #}", false),
        ] {
            assert_eq!(knows_tools(template), knows, "{template}");
        }
    }

    #[test]
    fn a_template_with_tools_says_its_forms() {
        for (writes, calls, thoughts) in [
            ("<tool_call>{\"name\": ..}</tool_call>", "hermes", None),
            ("</think><tool_call><function=x><parameter=y>", "qwen3_coder", Some("think")),
            ("<tool_call><arg_key> </think>", "glm45", Some("think")),
            ("[TOOL_CALLS] [THINK][/THINK]", "mistral", Some("mistral")),
            ("<|python_tag|>", "llama3_json", None),
            ("<|START_ACTION|> <|END_THINKING|>", "command_r7b", Some("command_r7b")),
            ("function<｜tool▁calls▁begin｜>", "deepseek_v3", None),
            ("<function=x>", "functionary", None),
            ("nothing that is known", "hermes", None),
        ] {
            let template = format!("{{% for tool in tools %}}{{{{ tool }}}}{{% endfor %}}{writes}");
            let dialect = Dialect::of(Some(&template), None, None).expect("a dialect");
            assert!(dialect.knows_tools);
            assert_eq!(names(dialect), (Some(calls), thoughts), "{writes}");
        }
    }

    #[test]
    fn options_say_another_form_and_unknown_ones_are_refused_with_all_there_are() {
        let dialect = Dialect::of(Some(PLAIN), Some("mistral"), Some("think_open"));
        assert_eq!(names(dialect.expect("a dialect")), (Some("mistral"), Some("think_open")));
        let none = Dialect::of(Some("</think>"), Some("none"), Some("none")).expect("none");
        assert_eq!(names(none), (None, None));
        let error = Dialect::of(None, Some("mistrel"), None).expect_err("unknown");
        assert_eq!(error.details().field.as_deref(), Some("tool_parser"));
        assert!(error.details().limit.as_ref().is_some_and(|limit| limit.contains("mistral")));
        let error = Dialect::of(None, None, Some("")).expect_err("unknown");
        assert_eq!(error.details().field.as_deref(), Some("reasoning_parser"));
    }
}
