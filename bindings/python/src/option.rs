//! Keyword arguments into the engine's dynamic options. Names and ranges are the engine's to check;
//! only what it could not be told at all is refused here: other types, integers beyond 64 bits,
//! text that is no Unicode, and what lies too deep, as a list that holds itself does.

use indwell::OptionValue;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::error::invalid;
use crate::text::{shown, text, wrong_type};

const EXPECTED: &str =
    "a bool, an int, a float, a str, None, or a list or a dict with str keys of these";

/// How deep values may lie in each other: as deep as the engine takes them.
const DEPTH_MAX: usize = 128;

/// Every option with its name.
pub(crate) fn options(given: &Bound<'_, PyDict>) -> PyResult<Vec<(String, OptionValue)>> {
    given
        .iter()
        .map(|(name, value)| {
            let name = text(&name, "an option's name")?;
            let value = option(&value, &name)?;
            Ok((name, value))
        })
        .collect()
}

/// The value of the option called `field`.
pub(crate) fn option(value: &Bound<'_, PyAny>, field: &str) -> PyResult<OptionValue> {
    option_within(value, field, DEPTH_MAX)
}

fn option_within(value: &Bound<'_, PyAny>, field: &str, depth: usize) -> PyResult<OptionValue> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(too_deep(value, field));
    };
    // bool before int: Python's bool is an int.
    if value.is_none() {
        Ok(OptionValue::Null)
    } else if let Ok(flag) = value.cast::<PyBool>() {
        Ok(OptionValue::Bool(flag.is_true()))
    } else if value.is_instance_of::<PyInt>() {
        integer(value, field)
    } else if let Ok(number) = value.cast::<PyFloat>() {
        Ok(OptionValue::Float(number.value()))
    } else if value.is_instance_of::<PyString>() {
        Ok(OptionValue::Text(text(value, field)?))
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        list(value, field, below)
    } else if let Ok(dict) = value.cast::<PyDict>() {
        object(dict, field, below)
    } else if let Some(named) = record_like(value)? {
        option_within(&named, field, below)
    } else {
        number_like(value, field)
    }
}

/// Whether [`option`] takes `value` for named fields, though it is no dict.
pub(crate) fn is_record(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_class = value.is_instance_of::<PyType>();
    Ok(!is_class && (value.hasattr("__dataclass_fields__")? || value.hasattr("model_dump")?))
}

/// What an object says of itself: a dataclass its fields, a pydantic model its fields too, and a
/// class of such models their JSON schema. Nothing of pydantic's is imported for that.
fn record_like<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if value.is_instance_of::<PyType>() {
        let schema = value.getattr_opt("model_json_schema")?;
        return schema.map(|schema| schema.call0()).transpose();
    }
    if let Some(fields) = value.getattr_opt("__dataclass_fields__")? {
        let named = PyDict::new(value.py());
        for name in fields.try_iter()? {
            let name = name?.cast_into::<PyString>()?;
            named.set_item(&name, value.getattr(&name)?)?;
        }
        return Ok(Some(named.into_any()));
    }
    let dump = value.getattr_opt("model_dump")?;
    dump.map(|dump| dump.call0()).transpose()
}

/// Scalars of numeric libraries, which are no subclasses of Python's numbers.
fn number_like(value: &Bound<'_, PyAny>, field: &str) -> PyResult<OptionValue> {
    if let Ok(index) = value.call_method0("__index__") {
        integer(&index, field)
    } else if let Ok(number) = value.call_method0("__float__") {
        Ok(OptionValue::Float(number.extract()?))
    } else {
        Err(wrong_type(value, field, EXPECTED))
    }
}

fn integer(value: &Bound<'_, PyAny>, field: &str) -> PyResult<OptionValue> {
    value.extract::<i64>().map(OptionValue::Int).map_err(|_| {
        let limit = "from -9223372036854775808 to 9223372036854775807";
        invalid(value.py(), field, &shown(value), limit, "give a number that fits in 64 bits")
    })
}

/// A number of bytes.
pub(crate) fn bytes(value: &Bound<'_, PyAny>, field: &str) -> PyResult<u64> {
    let Ok(index) = value.call_method0("__index__") else {
        return Err(wrong_type(value, field, "an int"));
    };
    index.extract::<u64>().map_err(|_| {
        let limit = "from 0 to 18446744073709551615";
        invalid(value.py(), field, &shown(value), limit, "give a number of bytes")
    })
}

fn list(values: &Bound<'_, PyAny>, field: &str, depth: usize) -> PyResult<OptionValue> {
    let items = values
        .try_iter()?
        .enumerate()
        .map(|(index, value)| option_within(&value?, &format!("{field}[{index}]"), depth))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(OptionValue::List(items))
}

fn object(dict: &Bound<'_, PyDict>, field: &str, depth: usize) -> PyResult<OptionValue> {
    let fields = dict
        .iter()
        .map(|(name, value)| {
            let name = text(&name, &format!("a key of {field}"))?;
            let value = option_within(&value, &format!("{field}.{name}"), depth)?;
            Ok((name, value))
        })
        .collect::<PyResult<Vec<_>>>()?;
    Ok(OptionValue::Object(fields))
}

fn too_deep(value: &Bound<'_, PyAny>, field: &str) -> PyErr {
    let field = field.split(['.', '[']).next().unwrap_or_default();
    let limit = format!("lists and dicts at most {DEPTH_MAX} deep");
    let shown = format!("more than {DEPTH_MAX} deep");
    invalid(value.py(), field, &shown, &limit, "give a flatter value")
}
