//! Operators and comparisons, as Python has them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::failure::{Failure, Result, wrong};
use super::meter::{Charge, Meter};
use super::syntax::{Comparison, Operator};
use super::text::{Buffer, escape_into, find};
use super::value::{List, Value};

/// Python refuses whole numbers beyond its memory; these are refused beyond 128 bits.
const TOO_LARGE: &str = "a number beyond 128 bits";

/// A number, as arithmetic sees it.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

/// The number that a value is; True and False are 1 and 0.
pub(super) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Bool(value) => Some(Number::Int((*value).into())),
        Value::Int(number) => Some(Number::Int(*number)),
        Value::Float(number) => Some(Number::Float(*number)),
        _ => None,
    }
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "as Python's float(...)")]
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Int(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

pub(super) fn apply(
    operator: Operator,
    left: &Value,
    right: &Value,
    meter: &Arc<Meter>,
) -> Result<Value> {
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        return match (a, b) {
            (Number::Int(a), Number::Int(b)) => whole(operator, a, b),
            (a, b) => real(operator, a.float(), b.float()),
        };
    }
    match (operator, left, right) {
        (_, Value::Undefined(what), _) | (_, _, Value::Undefined(what)) => wrong(what.to_string()),
        (Operator::Add, Value::Text(a), Value::Text(b)) => {
            let mut buffer = Buffer::new(meter)?;
            let markup = a.is_markup() || b.is_markup();
            for part in [a, b] {
                if markup && !part.is_markup() {
                    escape_into(part.chars(), &mut buffer)?;
                } else {
                    buffer.push(part.chars())?;
                }
            }
            let text = if markup { buffer.finish_markup() } else { buffer.finish() };
            Ok(Value::Text(text))
        }
        (Operator::Add, Value::List(a), Value::List(b)) => Ok(Value::List(joined(a, b, meter)?)),
        (Operator::Add, Value::Tuple(a), Value::Tuple(b)) => Ok(Value::Tuple(joined(a, b, meter)?)),
        (Operator::Multiply, Value::Text(text), count)
        | (Operator::Multiply, count, Value::Text(text))
            if integer(count).is_some() =>
        {
            let mut buffer = Buffer::new(meter)?;
            buffer.repeat(text.chars(), times(count))?;
            Ok(Value::Text(buffer.finish()))
        }
        (Operator::Multiply, Value::List(list), count)
        | (Operator::Multiply, count, Value::List(list))
            if integer(count).is_some() =>
        {
            let count = times(count);
            let length = list.items().len().saturating_mul(count);
            // Charged before it is made.
            let _charge = Charge::new(meter, length.saturating_mul(size_of::<Value>()))?;
            meter.step(length as u64)?;
            let all = std::iter::repeat_n(list.items(), count).flatten().cloned();
            Value::list(all.collect(), meter)
        }
        (Operator::Remainder, Value::Text(format), values) => {
            super::percent::format(format, values, meter).map(Value::Text)
        }
        _ => wrong(format!(
            "unsupported operand types for {operator:?}: '{}' and '{}'",
            left.kind(),
            right.kind()
        )),
    }
}

fn joined(a: &List, b: &List, meter: &Arc<Meter>) -> Result<List> {
    meter.look(a.items().len() + b.items().len())?;
    List::new([a.items(), b.items()].concat(), meter)
}

/// A whole number, True and False included.
pub(super) fn integer(value: &Value) -> Option<i128> {
    match number(value) {
        Some(Number::Int(number)) => Some(number),
        _ => None,
    }
}

fn times(count: &Value) -> usize {
    usize::try_from(integer(count).unwrap_or(0).max(0)).unwrap_or(usize::MAX)
}

fn whole(operator: Operator, a: i128, b: i128) -> Result<Value> {
    let by_zero = || Failure::Wrong("division by zero".to_owned());
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide if b == 0 => return Err(by_zero()),
        Operator::Divide => {
            return Ok(Value::Float(Number::Int(a).float() / Number::Int(b).float()));
        }
        Operator::FloorDivide | Operator::Remainder if b == 0 => return Err(by_zero()),
        // Rounded down, where Rust rounds to zero.
        Operator::FloorDivide => a
            .checked_div(b)
            .map(|quotient| if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }),
        Operator::Remainder => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        Operator::Power if b < 0 => {
            return real(operator, Number::Int(a).float(), Number::Int(b).float());
        }
        Operator::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).or(match a {
            0 | 1 => Some(a),
            _ => None,
        }),
    };
    result.map(Value::Int).ok_or_else(|| Failure::Wrong(TOO_LARGE.to_owned()))
}

fn real(operator: Operator, a: f64, b: f64) -> Result<Value> {
    let divides =
        matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Remainder);
    if divides && b == 0.0 {
        return wrong("float division by zero");
    }
    Ok(Value::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::FloorDivide => (a / b).floor(),
        Operator::Remainder => {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }
        Operator::Power => a.powf(b),
    }))
}

pub(super) fn compare(
    comparison: Comparison,
    left: &Value,
    right: &Value,
    meter: &Arc<Meter>,
) -> Result<bool> {
    let order = |accept: fn(Ordering) -> bool| Ok(order(left, right, meter)?.is_some_and(accept));
    match comparison {
        Comparison::Equal => equal(left, right, meter),
        Comparison::NotEqual => equal(left, right, meter).map(|equal| !equal),
        Comparison::Less => order(Ordering::is_lt),
        Comparison::LessOrEqual => order(Ordering::is_le),
        Comparison::Greater => order(Ordering::is_gt),
        Comparison::GreaterOrEqual => order(Ordering::is_ge),
        Comparison::In => contains(right, left, meter),
        Comparison::NotIn => contains(right, left, meter).map(|contains| !contains),
    }
}

/// Python's `left == right`.
pub(super) fn equal(left: &Value, right: &Value, meter: &Arc<Meter>) -> Result<bool> {
    meter.step(1)?;
    Ok(match (left, right) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
        (Value::Text(a), Value::Text(b)) => {
            meter.look(a.chars().len().min(b.chars().len()))?;
            a.chars() == b.chars()
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            let (a, b) = (a.items(), b.items());
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !equal(a, b, meter)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Dict(a), Value::Dict(b)) => {
            if a.items().len() != b.items().len() {
                return Ok(false);
            }
            for (key, value) in a.items() {
                match super::members::lookup(b, key, meter)? {
                    Some(other) if equal(value, &other, meter)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Namespace(a), Value::Namespace(b)) => std::rc::Rc::ptr_eq(a, b),
        (Value::Macro(a), Value::Macro(b)) => std::rc::Rc::ptr_eq(a, b),
        (Value::Function(a), Value::Function(b)) => a == b,
        _ => match (number(left), number(right)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) => a == b,
            #[expect(clippy::float_cmp, reason = "as Python compares them")]
            (Some(a), Some(b)) => a.float() == b.float(),
            _ => false,
        },
    })
}

/// How two values follow each other; `None` where NaN follows nothing.
pub(super) fn order(left: &Value, right: &Value, meter: &Arc<Meter>) -> Result<Option<Ordering>> {
    meter.step(1)?;
    match (left, right) {
        (Value::Undefined(what), _) | (_, Value::Undefined(what)) => wrong(what.to_string()),
        (Value::Text(a), Value::Text(b)) => {
            meter.look(a.chars().len().min(b.chars().len()))?;
            Ok(Some(a.chars().cmp(b.chars())))
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.items().iter().zip(b.items()) {
                if !equal(a, b, meter)? {
                    return order(a, b, meter);
                }
            }
            Ok(Some(a.items().len().cmp(&b.items().len())))
        }
        _ => match (number(left), number(right)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) => Ok(Some(a.cmp(&b))),
            (Some(a), Some(b)) => Ok(a.float().partial_cmp(&b.float())),
            _ => wrong(format!("'{}' and '{}' can't be ordered", left.kind(), right.kind())),
        },
    }
}

/// Python's `item in container`.
pub(super) fn contains(container: &Value, item: &Value, meter: &Arc<Meter>) -> Result<bool> {
    match (container, item) {
        (Value::Text(whole), Value::Text(part)) => {
            meter.look(whole.chars().len())?;
            Ok(find(whole.chars(), part.chars(), 0).is_some())
        }
        (Value::Text(_), other) => {
            wrong(format!("'in <string>' requires string as left operand, not {}", other.kind()))
        }
        (Value::Dict(dict), key) => Ok(super::members::lookup(dict, key, meter)?.is_some()),
        (Value::Namespace(_), _) => wrong("argument of type 'Namespace' is not iterable"),
        _ => {
            for other in container.iterate(meter)?.items() {
                if equal(other, item, meter)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Sorts by a key, keeping the order of equals; the first failure of a comparison ends it.
pub(super) fn sort<T>(
    items: &mut [T],
    key: impl Fn(&T) -> Value,
    meter: &Arc<Meter>,
) -> Result<()> {
    let mut failure = None;
    items.sort_by(|a, b| {
        if failure.is_some() {
            return Ordering::Equal;
        }
        match order(&key(a), &key(b), meter) {
            Ok(order) => order.unwrap_or(Ordering::Equal),
            Err(error) => {
                failure = Some(error);
                Ordering::Equal
            }
        }
    });
    failure.map_or(Ok(()), Err)
}
