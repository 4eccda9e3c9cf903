//! Expressions to values.

use std::rc::Rc;

use super::arguments::Arguments;
use super::failure::{Result, wrong};
use super::members;
use super::operators;
use super::render::Renderer;
use super::scope::Scope;
use super::syntax::{Argument, Call, Comparison, Expr, Filter, Slice};
use super::text::Buffer;
use super::value::{Dict, Function, Value};

impl Renderer<'_> {
    /// The value of an expression in a scope.
    pub(super) fn evaluate(&mut self, expression: &Expr, scope: &Rc<Scope>) -> Result<Value> {
        Ok(match expression {
            Expr::None => Value::None,
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Int(number) => Value::Int(*number),
            Expr::Float(number) => Value::Float(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Name(name) => {
                self.meter_step()?;
                match scope.get(name) {
                    Some(value) => value,
                    None => match Function::named(name) {
                        Some(function) => Value::Function(function),
                        None => Value::undefined(format!("'{name}' is undefined")),
                    },
                }
            }
            nested => return self.deeper(|this| this.nested(nested, scope)),
        })
    }

    fn meter_step(&self) -> Result<()> {
        self.meter().step(1)
    }

    fn nested(&mut self, expression: &Expr, scope: &Rc<Scope>) -> Result<Value> {
        match expression {
            Expr::Attribute(of, name) => {
                let value = self.evaluate(of, scope)?;
                members::attribute(&value, name, &self.meter())
            }
            Expr::Item(of, key) => {
                let value = self.evaluate(of, scope)?;
                let key = self.evaluate(key, scope)?;
                members::item(&value, &key, &self.meter())
            }
            Expr::Not(value) => Ok(Value::Bool(!self.evaluate(value, scope)?.is_true())),
            Expr::And(left, right) => {
                let left = self.evaluate(left, scope)?;
                if left.is_true() { self.evaluate(right, scope) } else { Ok(left) }
            }
            Expr::Or(left, right) => {
                let left = self.evaluate(left, scope)?;
                if left.is_true() { Ok(left) } else { self.evaluate(right, scope) }
            }
            Expr::Compare(first, others) => self.compare(first, others, scope),
            Expr::If(condition) => {
                let (test, then, otherwise) = &**condition;
                if self.evaluate(test, scope)?.is_true() {
                    return self.evaluate(then, scope);
                }
                match otherwise {
                    Some(otherwise) => self.evaluate(otherwise, scope),
                    None => Ok(Value::undefined("the inline if-expression has no else")),
                }
            }
            Expr::Filter(filter) => {
                let (value, filter) = &**filter;
                let value = self.evaluate(value, scope)?;
                self.filter(value, filter, scope)
            }
            Expr::Test(test) => {
                let (value, test) = &**test;
                let value = self.evaluate(value, scope)?;
                let arguments = self.arguments(&test.arguments, scope)?;
                super::checks::test(&test.name, &value, arguments, self).map(Value::Bool)
            }
            Expr::Call(call) => self.called(call, scope),
            rare => self.made(rare, scope),
        }
    }

    /// Expressions that make a new value of others.
    fn made(&mut self, expression: &Expr, scope: &Rc<Scope>) -> Result<Value> {
        let meter = self.meter();
        match expression {
            Expr::Concat(parts) => {
                let mut buffer = Buffer::new(&meter)?;
                for part in parts {
                    let part = self.evaluate(part, scope)?;
                    super::print::str_into(&part, &mut buffer)?;
                }
                Ok(Value::Text(buffer.finish()))
            }
            Expr::Arithmetic(operator, left, right) => {
                let left = self.evaluate(left, scope)?;
                let right = self.evaluate(right, scope)?;
                operators::apply(*operator, &left, &right, &meter)
            }
            Expr::Negative(value) => {
                let value = self.evaluate(value, scope)?;
                let zero = Value::Int(0);
                match &value {
                    Value::Float(number) => Ok(Value::Float(-number)),
                    Value::Text(_) => wrong("bad operand type for unary -: 'str'"),
                    other => {
                        operators::apply(super::syntax::Operator::Subtract, &zero, other, &meter)
                    }
                }
            }
            Expr::List(items) => Value::list(self.all(items, scope)?, &meter),
            Expr::Tuple(items) => Value::tuple(self.all(items, scope)?, &meter),
            Expr::Dict(items) => {
                let mut members = Vec::new();
                for (key, value) in items {
                    let key = self.evaluate(key, scope)?;
                    let value = self.evaluate(value, scope)?;
                    super::functions::insert(&mut members, key, value, &meter)?;
                }
                Ok(Value::Dict(Dict::new(members, &meter)?))
            }
            Expr::Slice(slice) => self.slice(slice, scope),
            _ => Ok(Value::None),
        }
    }

    fn slice(&mut self, slice: &Slice, scope: &Rc<Scope>) -> Result<Value> {
        let value = self.evaluate(&slice.of, scope)?;
        let mut bound = |bound: &Option<Expr>| match bound {
            Some(bound) => self.evaluate(bound, scope),
            None => Ok(Value::None),
        };
        let (start, stop, step) = (bound(&slice.start)?, bound(&slice.stop)?, bound(&slice.step)?);
        members::slice(&value, [&start, &stop, &step], &self.meter())
    }

    fn all(&mut self, expressions: &[Expr], scope: &Rc<Scope>) -> Result<Vec<Value>> {
        expressions.iter().map(|expression| self.evaluate(expression, scope)).collect()
    }

    fn compare(
        &mut self,
        first: &Expr,
        others: &[(Comparison, Expr)],
        scope: &Rc<Scope>,
    ) -> Result<Value> {
        let mut left = self.evaluate(first, scope)?;
        for (comparison, other) in others {
            let right = self.evaluate(other, scope)?;
            if !operators::compare(*comparison, &left, &right, &self.meter())? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn called(&mut self, call: &Call, scope: &Rc<Scope>) -> Result<Value> {
        let callee = self.evaluate(&call.callee, scope)?;
        let arguments = self.arguments(&call.arguments, scope)?;
        self.call(&callee, arguments)
    }

    fn filter(&mut self, value: Value, filter: &Filter, scope: &Rc<Scope>) -> Result<Value> {
        let arguments = self.arguments(&filter.arguments, scope)?;
        super::filters::apply(&filter.name, value, arguments, self)
    }

    /// Arguments, evaluated.
    pub(super) fn arguments(
        &mut self,
        arguments: &[Argument],
        scope: &Rc<Scope>,
    ) -> Result<Arguments> {
        let mut evaluated = Arguments::default();
        for argument in arguments {
            match argument {
                Argument::Positional(value) => {
                    evaluated.positional.push(self.evaluate(value, scope)?);
                }
                Argument::Named(name, value) => {
                    let value = self.evaluate(value, scope)?;
                    evaluated.named.push((name.clone(), value));
                }
                Argument::Values(values) => {
                    let values = self.evaluate(values, scope)?.iterate(&self.meter())?;
                    self.meter().look(values.items().len())?;
                    evaluated.positional.extend_from_slice(values.items());
                }
                Argument::Members(members) => {
                    let Value::Dict(members) = self.evaluate(members, scope)? else {
                        return wrong("argument after ** must be a mapping");
                    };
                    for (key, value) in members.items() {
                        let Value::Text(key) = key else {
                            return wrong("keywords must be strings");
                        };
                        evaluated.named.push((key.letters().into(), value.clone()));
                    }
                }
            }
        }
        Ok(evaluated)
    }
}
