//! Jinja templates, rendered as Python renders them.
//!
//! minijinja parses; the program runs here, for two reasons that its machine can't meet. Every
//! character of what comes out must be known as the template's own or as given with the values
//! ([`text`]), since only the template may write control tokens. And memory must be bounded as
//! well as steps ([`meter`]), since templates come with models from anywhere. It knows nothing of
//! chats, models or tokens.
//!
//! | module | what |
//! |---|---|
//! | [`parse`], [`syntax`] | source to a program |
//! | [`render`], [`evaluate`], [`scope`] | a program to text |
//! | [`value`], [`text`] | what programs work on |
//! | [`operators`], [`members`], [`methods`], [`functions`], [`filters`], [`checks`], [`arguments`] | what they can do with it |
//! | [`print`](mod@print), [`format`](mod@format), [`percent`], [`json`] | values as text |
//! | [`meter`], [`failure`] | what they may cost, and how they fail |

mod arguments;
mod checks;
mod evaluate;
mod failure;
mod filters;
mod format;
mod functions;
mod json;
mod members;
mod meter;
mod methods;
mod operators;
mod parse;
mod percent;
mod print;
mod render;
mod scope;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::rc::Rc;
use std::sync::Arc;

pub(crate) use self::failure::{Failure, Limit, Result};
pub(crate) use self::render::Clock;
pub(crate) use self::text::Char;

use self::meter::Meter;
use self::parse::Program;
use self::render::Renderer;
use self::scope::Scope;
use self::syntax::Name;
use self::text::{Buffer, Text};
use self::value::{Dict, List, Value};

/// Room for the deepest rendering, in builds without optimization too; touched only as far as needed.
const RENDER_STACK_BYTES: usize = 64 << 20;

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    program: Program,
}

/// What a template sees, in the making, and what it may still cost.
#[derive(Debug)]
pub(crate) struct Values {
    meter: Arc<Meter>,
    scope: Rc<Scope>,
}

/// What came of a rendering.
#[derive(Debug)]
pub(crate) struct Rendered {
    text: Text,
    /// Whether the template asked for the time, so that the same values give other text later.
    pub(crate) asked_time: bool,
}

/// A value that templates see.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// The program's own: a role, a mark. Its letters count as the template's.
    Own(String),
    /// What a caller gave.
    Caller(String),
    /// What a caller gave, and behind it the tag that marks where it ends.
    Tagged(String, &'static str),
    /// The same for all of it.
    Json(serde_json::Value),
    Bool(bool),
    List(Vec<Given>),
    /// Keys are the program's own.
    Object(Vec<(&'static str, Given)>),
}

impl Template {
    /// Parses `source`.
    ///
    /// # Errors
    /// For what is no template, and for one beyond the bounds.
    pub(crate) fn parse(source: &str) -> Result<Self> {
        Ok(Self { program: parse::parse(source)? })
    }

    /// The texts that the template itself may write, as far as they stand in it.
    pub(crate) fn literals(&self) -> &[String] {
        &self.program.literals
    }

    /// Its text for the values that `values` makes; `clock` tells the time.
    ///
    /// Runs on a thread of its own, whose stack is enough for the deepest that the bounds allow,
    /// whatever thread the caller is on.
    ///
    /// # Errors
    /// Where the template refuses the values, does not go with them, or runs into a limit.
    pub(crate) fn render(
        &self,
        values: impl FnOnce() -> Result<Values> + Send,
        clock: Clock<'_>,
    ) -> Result<Rendered> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("indwell-template".to_owned())
                .stack_size(RENDER_STACK_BYTES)
                .spawn_scoped(scope, || self.render_here(values()?, clock));
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(rendered)) => rendered,
                Ok(Err(_)) => failure::wrong("what runs templates panicked"),
                Err(error) => Err(Failure::NoThread(error.to_string())),
            }
        })
    }

    fn render_here(&self, values: Values, clock: Clock<'_>) -> Result<Rendered> {
        let mut renderer = Renderer::new(values.meter, clock)?;
        renderer.keep_scope(&values.scope)?;
        let mut out = Buffer::new(&renderer.meter())?;
        renderer.body(&self.program.body, &values.scope, &mut out)?;
        Ok(Rendered { text: out.finish(), asked_time: renderer.asked_time })
    }
}

impl Values {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { meter: Meter::new(), scope: Rc::default() }
    }

    /// Names a value.
    ///
    /// # Errors
    /// A limit.
    pub(crate) fn set(&mut self, name: &str, value: &Given) -> Result<()> {
        let value = self.value(value)?;
        self.scope.set(&Name::from(name), value);
        Ok(())
    }

    fn value(&self, value: &Given) -> Result<Value> {
        let meter = &self.meter;
        Ok(match value {
            Given::Own(text) => Value::Text(Text::written(text, meter)?),
            Given::Caller(text) => Value::Text(Text::given(text, meter)?),
            Given::Tagged(text, tag) => {
                let mut buffer = Buffer::new(meter)?;
                buffer.extend(text.chars().map(Char::given))?;
                buffer.extend(tag.chars().map(Char::tag))?;
                Value::Text(buffer.finish())
            }
            Given::Json(value) => Value::given(value, meter)?,
            Given::Bool(value) => Value::Bool(*value),
            Given::List(items) => {
                let items: Result<Vec<_>> = items.iter().map(|item| self.value(item)).collect();
                Value::List(List::new(items?, meter)?)
            }
            Given::Object(members) => {
                let members: Result<Vec<_>> = members
                    .iter()
                    .map(|(key, value)| {
                        Ok((Value::Text(Text::written(key, meter)?), self.value(value)?))
                    })
                    .collect();
                Value::Dict(Dict::new(members?, meter)?)
            }
        })
    }
}

impl Rendered {
    /// Its characters.
    pub(crate) fn chars(&self) -> &[Char] {
        self.text.chars()
    }
}
