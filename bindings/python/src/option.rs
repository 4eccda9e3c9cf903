//! Keyword arguments into the engine's dynamic options. Names and ranges are the engine's to check;
//! only what it could not be told at all is refused here: other types, integers beyond 64 bits,
//! text that is no Unicode.

use indwell::OptionValue;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::error::invalid;
use crate::text::{shown, text, wrong_type};

const EXPECTED: &str = "a bool, an int, a float, a str, None, or a list of these";

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
        list(value, field)
    } else {
        number_like(value, field)
    }
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

fn list(values: &Bound<'_, PyAny>, field: &str) -> PyResult<OptionValue> {
    let items = values
        .try_iter()?
        .enumerate()
        .map(|(index, value)| option(&value?, &format!("{field}[{index}]")))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(OptionValue::List(items))
}
