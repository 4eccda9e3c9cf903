//! Runs a program: statements into text.
//!
//! One rendering owns one [`Renderer`]. What macros and namespaces refer to is kept here and let go
//! of at the end, one by one, since they may refer to each other. Every statement, expression and
//! call is a step; how deep they are in each other is bounded, so that the stack is enough.

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{Failure, Limit, Result, wrong};
use super::meter::{Charge, Meter, NESTING_MAX};
use super::scope::Scope;
use super::syntax::{Filter, For, Name, Stmt, Target};
use super::text::{Buffer, Text};
use super::value::{Closure, List, Loop, Namespace, Value};

/// The date and time, as `strftime` writes it.
pub(crate) type Clock<'c> = &'c (dyn Fn(&str) -> Option<String> + Sync);

/// One rendering.
pub(super) struct Renderer<'c> {
    meter: Arc<Meter>,
    depth: usize,
    loops: usize,
    namespaces: Vec<Rc<Namespace>>,
    scopes: Vec<Rc<Scope>>,
    kept: Charge,
    clock: Clock<'c>,
    /// Whether the template asked for the time.
    pub(super) asked_time: bool,
}

/// What a statement means for the loop around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl<'c> Renderer<'c> {
    pub(super) fn new(meter: Arc<Meter>, clock: Clock<'c>) -> Result<Self> {
        let kept = Charge::new(&meter, 0)?;
        Ok(Self {
            meter,
            depth: 0,
            loops: 0,
            namespaces: Vec::new(),
            scopes: Vec::new(),
            kept,
            clock,
            asked_time: false,
        })
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The time in that format.
    pub(super) fn now(&mut self, format: &str) -> Result<String> {
        self.asked_time = true;
        (self.clock)(format)
            .ok_or_else(|| Failure::Wrong(format!("no date in the format {format:?}")))
    }

    /// Keeps a namespace alive to the end.
    pub(super) fn keep_namespace(&mut self, namespace: &Rc<Namespace>) -> Result<()> {
        let members = namespace.members.borrow().len();
        self.kept.grow(size_of::<Namespace>() + members * size_of::<(Name, Value)>())?;
        self.namespaces.push(Rc::clone(namespace));
        Ok(())
    }

    /// Keeps a scope alive to the end, since a macro may outlive it.
    pub(super) fn keep_scope(&mut self, scope: &Rc<Scope>) -> Result<()> {
        self.kept.grow(size_of::<Rc<Scope>>())?;
        self.scopes.push(Rc::clone(scope));
        Ok(())
    }

    /// Runs one level deeper.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING_MAX {
            let most = NESTING_MAX as u64;
            return Err(Failure::Limit(Limit { of: "levels of nesting in a template", most }));
        }
        self.meter.step(1)?;
        self.depth += 1;
        let done = run(self);
        self.depth -= 1;
        done
    }

    /// Runs statements in a scope.
    pub(super) fn body(
        &mut self,
        body: &[Stmt],
        scope: &Rc<Scope>,
        out: &mut Buffer,
    ) -> Result<Flow> {
        for statement in body {
            let flow = self.statement(statement, scope, out)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// The text of statements in a scope.
    pub(super) fn captured(&mut self, body: &[Stmt], scope: &Rc<Scope>) -> Result<Text> {
        let mut out = Buffer::new(&self.meter)?;
        self.body(body, scope, &mut out)?;
        Ok(out.finish())
    }

    fn statement(&mut self, statement: &Stmt, scope: &Rc<Scope>, out: &mut Buffer) -> Result<Flow> {
        self.meter.step(1)?;
        match statement {
            Stmt::Raw(text) => out.push(text.chars())?,
            Stmt::Emit(expression) => {
                let value = self.evaluate(expression, scope)?;
                super::print::str_into(&value, out)?;
            }
            Stmt::If(branches) => return self.branch(branches, scope, out),
            Stmt::For(each) => {
                let items = self.evaluate(&each.items, scope)?.iterate(&self.meter)?;
                self.deeper(|this| this.each(each, items, scope, 0, out))?;
            }
            Stmt::Set(target, value) => {
                let value = self.evaluate(value, scope)?;
                self.assign(target, value, scope)?;
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Never(why) => return wrong(*why),
            rare => return self.deeper(|this| this.block(rare, scope, out)),
        }
        Ok(Flow::Next)
    }

    fn branch(
        &mut self,
        branches: &[(Option<super::syntax::Expr>, Vec<Stmt>)],
        scope: &Rc<Scope>,
        out: &mut Buffer,
    ) -> Result<Flow> {
        for (condition, body) in branches {
            let holds = match condition {
                Some(condition) => self.evaluate(condition, scope)?.is_true(),
                None => true,
            };
            if holds {
                return self.deeper(|this| this.body(body, scope, out));
            }
        }
        Ok(Flow::Next)
    }

    /// Blocks that have a scope of their own, and macros.
    fn block(&mut self, statement: &Stmt, scope: &Rc<Scope>, out: &mut Buffer) -> Result<Flow> {
        match statement {
            Stmt::SetBlock(target, filters, body) => {
                let text = self.captured(body, &Scope::inside(scope))?;
                let value = self.filtered(Value::Text(text), filters, scope)?;
                self.assign(target, value, scope)?;
            }
            Stmt::FilterBlock(filters, body) => {
                let text = self.captured(body, &Scope::inside(scope))?;
                let value = self.filtered(Value::Text(text), filters, scope)?;
                super::print::str_into(&value, out)?;
            }
            Stmt::With(assignments, body) => {
                let inner = Scope::inside(scope);
                for (target, value) in assignments {
                    let value = self.evaluate(value, scope)?;
                    self.assign(target, value, &inner)?;
                }
                return self.body(body, &inner, out);
            }
            Stmt::Macro(definition) => {
                self.keep_scope(scope)?;
                let definition = Arc::clone(definition);
                let name = Name::clone(&definition.name);
                let scope_of = Rc::clone(scope);
                let closure = Closure { definition, scope: scope_of };
                scope.set(&name, Value::Macro(Rc::new(closure)));
            }
            Stmt::CallBlock(call, body) => {
                self.keep_scope(scope)?;
                let definition = Arc::clone(body);
                let closure = Closure { definition, scope: Rc::clone(scope) };
                let caller = Value::Macro(Rc::new(closure));
                let callee = self.evaluate(&call.callee, scope)?;
                let mut arguments = self.arguments(&call.arguments, scope)?;
                arguments.named.push((Name::from("caller"), caller));
                let value = self.call(&callee, arguments)?;
                super::print::str_into(&value, out)?;
            }
            _ => {}
        }
        Ok(Flow::Next)
    }

    fn filtered(&mut self, value: Value, filters: &[Filter], scope: &Rc<Scope>) -> Result<Value> {
        let mut value = value;
        for filter in filters {
            let arguments = self.arguments(&filter.arguments, scope)?;
            value = super::filters::apply(&filter.name, value, arguments, self)?;
        }
        Ok(value)
    }

    /// A loop's body for each of `items`, `depth` levels deep in loops that call themselves.
    pub(super) fn each(
        &mut self,
        each: &Arc<For>,
        items: List,
        scope: &Rc<Scope>,
        depth: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        let items = match &each.filter {
            None => items,
            Some(filter) => {
                let mut kept = Vec::new();
                for item in items.items() {
                    let inner = Scope::inside(scope);
                    self.assign(&each.target, item.clone(), &inner)?;
                    if self.evaluate(filter, &inner)?.is_true() {
                        kept.push(item.clone());
                    }
                }
                List::new(kept, &self.meter)?
            }
        };
        if items.items().is_empty() {
            self.body(&each.otherwise, &Scope::inside(scope), out)?;
            return Ok(());
        }
        let again = each.recursive.then(|| (Arc::clone(each), Rc::clone(scope)));
        let state = Rc::new(Loop {
            items: items.clone(),
            index: 0.into(),
            depth,
            changed: None.into(),
            again,
        });
        let name = Name::from("loop");
        self.loops += 1;
        for (index, item) in items.items().iter().enumerate() {
            self.meter.step(1)?;
            state.index.set(index);
            let inner = Scope::inside(scope);
            inner.set(&name, Value::Loop(Rc::clone(&state)));
            self.assign(&each.target, item.clone(), &inner)?;
            if self.body(&each.body, &inner, out)? == Flow::Break {
                break;
            }
        }
        self.loops -= 1;
        Ok(())
    }

    fn assign(&mut self, target: &Target, value: Value, scope: &Rc<Scope>) -> Result<()> {
        match target {
            Target::Name(name) => {
                self.meter.step(1)?;
                scope.set(name, value);
            }
            Target::Member(name, member) => {
                let Some(Value::Namespace(namespace)) = scope.get(name) else {
                    return wrong("cannot assign attribute on non-namespace object");
                };
                if member.starts_with('_') {
                    return wrong(format!("a namespace can't have a member '{member}'"));
                }
                let mut members = namespace.members.borrow_mut();
                let old = match members.iter_mut().find(|(n, _)| n == member) {
                    Some((_, place)) => Some(std::mem::replace(place, value)),
                    None => {
                        self.kept.grow(size_of::<(Name, Value)>())?;
                        members.push((Name::clone(member), value));
                        None
                    }
                };
                drop(members);
                drop(old);
            }
            Target::Tuple(targets) => {
                let items = value.iterate(&self.meter)?;
                if items.items().len() != targets.len() {
                    return wrong(format!(
                        "{} values for {} names",
                        items.items().len(),
                        targets.len()
                    ));
                }
                for (target, item) in targets.iter().zip(items.items()) {
                    self.assign(target, item.clone(), scope)?;
                }
            }
        }
        Ok(())
    }

    /// Calls whatever can be called.
    pub(super) fn call(&mut self, callee: &Value, arguments: Arguments) -> Result<Value> {
        match callee {
            Value::Macro(closure) => {
                let closure = Rc::clone(closure);
                self.deeper(|this| this.call_macro(&closure, arguments))
            }
            Value::Function(function) => super::functions::call(*function, arguments, self),
            Value::Method(method) => super::methods::call(method, arguments, &self.meter()),
            Value::Loop(state) => {
                let Some((each, scope)) = state.again.clone() else {
                    return wrong("a loop can call itself only if it is 'recursive'");
                };
                let [items] = arguments.bind(["iterable"])?;
                let items = items.unwrap_or(Value::None).iterate(&self.meter)?;
                let mut out = Buffer::new(&self.meter)?;
                let depth = state.depth + 1;
                self.deeper(|this| this.each(&each, items, &scope, depth, &mut out))?;
                Ok(Value::Text(out.finish()))
            }
            Value::Joiner(joiner) => Ok(match joiner.used.replace(true) {
                true => joiner.separator.clone(),
                false => Value::Text(Text::written("", &self.meter)?),
            }),
            Value::Undefined(what) => wrong(what.to_string()),
            other => wrong(format!("'{}' object is not callable", other.kind())),
        }
    }

    fn call_macro(&mut self, closure: &Closure, arguments: Arguments) -> Result<Value> {
        let definition = &closure.definition;
        let scope = Scope::inside(&closure.scope);
        let mut positional = arguments.positional.into_iter();
        let mut named = arguments.named;
        for (name, default) in &definition.parameters {
            let by_name = named.iter().position(|(n, _)| n == name);
            let value = match (positional.next(), by_name) {
                (Some(_), Some(_)) => {
                    return wrong(format!("macro '{}' got '{name}' twice", definition.name));
                }
                (Some(value), None) => value,
                (None, Some(at)) => named.remove(at).1,
                (None, None) => match default {
                    Some(default) => self.evaluate(default, &scope)?,
                    None => Value::undefined(format!("parameter '{name}' was not provided")),
                },
            };
            scope.set(name, value);
        }
        if let Some(at) = named.iter().position(|(name, _)| **name == *"caller") {
            let (name, caller) = named.remove(at);
            scope.set(&name, caller);
        }
        let rest: Vec<Value> = positional.collect();
        if definition.rest.values {
            scope.set(&Name::from("varargs"), Value::tuple(rest, &self.meter)?);
        } else if !rest.is_empty() {
            return wrong(format!(
                "macro '{}' takes not more than {} argument(s)",
                definition.name,
                definition.parameters.len()
            ));
        }
        if definition.rest.members {
            let arguments = Arguments { positional: Vec::new(), named };
            let members = super::functions::call(super::value::Function::Dict, arguments, self)?;
            scope.set(&Name::from("kwargs"), members);
        } else if let Some((name, _)) = named.first() {
            return wrong(format!("macro '{}' takes no argument '{name}'", definition.name));
        }
        Ok(Value::Text(self.captured(&definition.body, &scope)?))
    }
}

impl Drop for Renderer<'_> {
    /// Lets go of everything one by one: what a namespace held is held by nobody else's contents.
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            namespace.members.take();
        }
        for scope in &self.scopes {
            scope.clear();
        }
    }
}
