//! The values of templates: Python's, as far as templates meet them.
//!
//! Everything but a namespace is immutable, as in `transformers`' sandbox. How deep values are in
//! each other is bounded, so that nothing that walks or drops them runs out of stack.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::failure::{Failure, Limit, Result, wrong};
use super::meter::{Charge, Meter, VALUE_DEPTH_MAX};
use super::scope::Scope;
use super::syntax::{For, Macro, Name};
use super::text::{Buffer, Text};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A name or member that is not there, and the words that say so.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text),
    List(List),
    Tuple(List),
    Dict(Dict),
    /// What can be read once (Python's generators).
    Stream(Stream),
    Namespace(Rc<Namespace>),
    Macro(Rc<Closure>),
    /// A built-in function.
    Function(Function),
    Method(Rc<Method>),
    Loop(Rc<Loop>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
}

/// Values in order. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct List(Rc<Items<Value>>);

/// Values by keys, in order. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dict(Rc<Items<(Value, Value)>>);

#[derive(Debug)]
struct Items<T> {
    items: Vec<T>,
    depth: u32,
    _charge: Charge,
}

/// Values that are read once.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    items: Rc<RefCell<Option<List>>>,
    depth: u32,
}

/// The one thing that a template can change. The renderer keeps each alive until the end, so
/// dropping a long chain of them does not recurse.
#[derive(Debug, Default)]
pub(crate) struct Namespace {
    pub(super) members: RefCell<Vec<(Name, Value)>>,
}

/// A macro, where it was defined.
#[derive(Debug)]
pub(crate) struct Closure {
    pub(super) definition: Arc<Macro>,
    pub(super) scope: Rc<Scope>,
}

/// Built-in functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Range,
    Dict,
    Namespace,
    Cycler,
    Joiner,
    RaiseException,
    StrftimeNow,
}

/// A method of a value.
#[derive(Debug)]
pub(crate) struct Method {
    pub(super) receiver: Value,
    pub(super) name: &'static str,
}

/// A loop, as its body sees it.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(super) items: List,
    pub(super) index: Cell<usize>,
    pub(super) depth: usize,
    pub(super) changed: RefCell<Option<Value>>,
    /// What `loop(...)` runs again, and where.
    pub(super) again: Option<(Arc<For>, Rc<Scope>)>,
}

/// What `cycler(...)` makes.
#[derive(Debug)]
pub(crate) struct Cycler {
    pub(super) items: List,
    pub(super) at: Cell<usize>,
}

/// What `joiner(...)` makes.
#[derive(Debug)]
pub(crate) struct Joiner {
    pub(super) separator: Value,
    pub(super) used: Cell<bool>,
}

impl List {
    pub(super) fn new(items: Vec<Value>, meter: &Arc<Meter>) -> Result<Self> {
        let depth = nested(items.iter().map(Value::depth))?;
        let charge = Charge::new(meter, items.len().saturating_mul(size_of::<Value>()))?;
        meter.look(items.len())?;
        Ok(Self(Rc::new(Items { items, depth, _charge: charge })))
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.0.items
    }
}

impl Dict {
    /// Of keys that differ.
    pub(super) fn new(items: Vec<(Value, Value)>, meter: &Arc<Meter>) -> Result<Self> {
        let depth = nested(items.iter().map(|(key, value)| key.depth().max(value.depth())))?;
        let charge = Charge::new(meter, items.len().saturating_mul(size_of::<(Value, Value)>()))?;
        meter.look(items.len())?;
        Ok(Self(Rc::new(Items { items, depth, _charge: charge })))
    }

    pub(super) fn items(&self) -> &[(Value, Value)] {
        &self.0.items
    }

    /// The value of a key that is text.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let found = self.items().iter().find(|(k, _)| matches!(k, Value::Text(k) if k.is(key)));
        found.map(|(_, value)| value)
    }
}

fn nested(depths: impl Iterator<Item = u32>) -> Result<u32> {
    let depth = depths.max().unwrap_or(0) + 1;
    if depth > VALUE_DEPTH_MAX {
        let most = VALUE_DEPTH_MAX.into();
        return Err(Failure::Limit(Limit { of: "values in each other", most }));
    }
    Ok(depth)
}

impl Stream {
    pub(super) fn of(list: List) -> Value {
        let depth = list.0.depth;
        Value::Stream(Self { items: Rc::new(RefCell::new(Some(list))), depth })
    }

    /// What is left in it; nothing the second time.
    pub(super) fn read(&self) -> Option<List> {
        self.items.borrow_mut().take()
    }
}

impl Value {
    pub(super) fn undefined(what: impl Into<String>) -> Self {
        Value::Undefined(what.into().into())
    }

    pub(super) fn list(items: Vec<Value>, meter: &Arc<Meter>) -> Result<Self> {
        Ok(Value::List(List::new(items, meter)?))
    }

    pub(super) fn tuple(items: Vec<Value>, meter: &Arc<Meter>) -> Result<Self> {
        Ok(Value::Tuple(List::new(items, meter)?))
    }

    /// A stream of `items`.
    pub(super) fn stream(items: Vec<Value>, meter: &Arc<Meter>) -> Result<Self> {
        Ok(Stream::of(List::new(items, meter)?))
    }

    fn depth(&self) -> u32 {
        match self {
            Value::List(list) | Value::Tuple(list) => list.0.depth,
            Value::Dict(dict) => dict.0.depth,
            Value::Stream(stream) => stream.depth,
            Value::Method(method) => method.receiver.depth() + 1,
            Value::Loop(state) => state.items.0.depth + 1,
            Value::Cycler(cycler) => cycler.items.0.depth + 1,
            Value::Joiner(joiner) => joiner.separator.depth() + 1,
            // Kept alive by the renderer, or without values of their own.
            _ => 0,
        }
    }

    /// Python's `bool(value)`.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.chars().is_empty(),
            Value::List(list) | Value::Tuple(list) => !list.items().is_empty(),
            Value::Dict(dict) => !dict.items().is_empty(),
            _ => true,
        }
    }

    /// Its type, as Python calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Stream(_) => "generator",
            Value::Namespace(_) => "Namespace",
            Value::Macro(_) => "Macro",
            Value::Function(_) => "function",
            Value::Method(_) => "method",
            Value::Loop(_) => "LoopContext",
            Value::Cycler(_) => "Cycler",
            Value::Joiner(_) => "Joiner",
        }
    }

    /// What a loop over it goes through.
    pub(super) fn iterate(&self, meter: &Arc<Meter>) -> Result<List> {
        match self {
            Value::Undefined(_) => List::new(Vec::new(), meter),
            Value::List(list) | Value::Tuple(list) => Ok(list.clone()),
            Value::Stream(stream) => match stream.read() {
                Some(list) => Ok(list),
                None => List::new(Vec::new(), meter),
            },
            Value::Dict(dict) => {
                List::new(dict.items().iter().map(|(key, _)| key.clone()).collect(), meter)
            }
            Value::Text(text) => {
                let mut items = Vec::new();
                for c in text.chars() {
                    meter.step(1)?;
                    items.push(Value::Text(Text::of(&[*c], meter)?));
                }
                List::new(items, meter)
            }
            // What is left of it; the loop that is running goes on behind.
            Value::Loop(state) => {
                let rest = state.items.items().get(state.index.get() + 1..).unwrap_or_default();
                List::new(rest.to_vec(), meter)
            }
            other => wrong(format!("'{}' object is not iterable", other.kind())),
        }
    }

    /// What came from outside, in JSON.
    ///
    /// # Errors
    /// A limit.
    pub(crate) fn given(value: &serde_json::Value, meter: &Arc<Meter>) -> Result<Self> {
        meter.step(1)?;
        Ok(match value {
            serde_json::Value::Null => Value::None,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Value::Int(whole.into()),
                (None, Some(whole)) => Value::Int(whole.into()),
                (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Value::Text(Text::given(text, meter)?),
            serde_json::Value::Array(items) => {
                let items: Result<Vec<_>> =
                    items.iter().map(|item| Value::given(item, meter)).collect();
                Value::list(items?, meter)?
            }
            serde_json::Value::Object(members) => {
                let members: Result<Vec<_>> = members
                    .iter()
                    .map(|(key, value)| {
                        let key = Value::Text(Text::given(key, meter)?);
                        Ok((key, Value::given(value, meter)?))
                    })
                    .collect();
                Value::Dict(Dict::new(members?, meter)?)
            }
        })
    }

    /// Its text: Python's `str(value)`.
    pub(super) fn to_text(&self, meter: &Arc<Meter>) -> Result<Text> {
        if let Value::Text(text) = self {
            return Ok(text.clone());
        }
        let mut buffer = Buffer::new(meter)?;
        super::print::str_into(self, &mut buffer)?;
        Ok(buffer.finish())
    }
}
