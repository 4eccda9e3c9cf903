//! Values of a file's keys.

use std::fmt;

/// The type of a value, or of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    const ALL: [ValueType; 13] = {
        use ValueType::{Array, Bool, F32, F64, I8, I16, I32, I64, Text, U8, U16, U32, U64};
        [U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64]
    };

    /// The type of that number in a file.
    #[must_use]
    pub fn of(code: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }

    /// Its number in a file.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The bytes of one value; `None` for texts and arrays.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        match self {
            ValueType::U8 | ValueType::I8 | ValueType::Bool => Some(1),
            ValueType::U16 | ValueType::I16 => Some(2),
            ValueType::U32 | ValueType::I32 | ValueType::F32 => Some(4),
            ValueType::U64 | ValueType::I64 | ValueType::F64 => Some(8),
            ValueType::Text | ValueType::Array => None,
        }
    }

    /// Whether it is a whole number.
    fn is_whole(self) -> bool {
        self.bytes().is_some() && !matches!(self, Self::F32 | Self::F64 | Self::Bool)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::U8 => "u8",
            ValueType::I8 => "i8",
            ValueType::U16 => "u16",
            ValueType::I16 => "i16",
            ValueType::U32 => "u32",
            ValueType::I32 => "i32",
            ValueType::F32 => "f32",
            ValueType::Bool => "bool",
            ValueType::Text => "text",
            ValueType::Array => "array",
            ValueType::U64 => "u64",
            ValueType::I64 => "i64",
            ValueType::F64 => "f64",
        })
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number or truth value.
    Number(Numbers),
    /// A text, which need not be UTF-8.
    Text(Vec<u8>),
    /// An array of numbers.
    Numbers(Numbers),
    /// An array of texts.
    Texts(Texts),
}

impl Value {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        match self {
            Value::Number(number) => number.kind,
            Value::Text(_) => ValueType::Text,
            Value::Numbers(_) | Value::Texts(_) => ValueType::Array,
        }
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        u64::try_from(self.as_i128()?).ok()
    }

    /// A whole number.
    #[must_use]
    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Value::Number(number) => number.whole(0),
            _ => None,
        }
    }

    /// A number with a fraction.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.fraction(0),
            _ => None,
        }
    }

    /// A text in UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// An array of numbers.
    #[must_use]
    pub fn as_numbers(&self) -> Option<&Numbers> {
        match self {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// An array of texts.
    #[must_use]
    pub fn as_texts(&self) -> Option<&Texts> {
        match self {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => match (number.whole(0), number.fraction(0)) {
                (Some(whole), _) => write!(f, "{whole}"),
                (None, Some(fraction)) => write!(f, "{fraction}"),
                (None, None) => write!(f, "{}", number.bytes.first().is_some_and(|&b| b != 0)),
            },
            Value::Text(bytes) => {
                f.write_str(&super::error::shown(&String::from_utf8_lossy(bytes)))
            }
            Value::Numbers(numbers) => write!(f, "an array of {} {}", numbers.len(), numbers.kind),
            Value::Texts(texts) => write!(f, "an array of {} texts", texts.len()),
        }
    }
}

/// Numbers of one type, as their bytes lie in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub(super) kind: ValueType,
    pub(super) bytes: Vec<u8>,
}

impl Numbers {
    /// Their type.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        self.kind
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Their bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each as a whole number; `None` where they are none.
    pub fn wholes(&self) -> impl Iterator<Item = Option<i128>> {
        (0..self.len()).map(|at| self.whole(at))
    }

    fn width(&self) -> usize {
        self.kind.bytes().unwrap_or(1)
    }

    /// The number at `at`, with its sign or zeros in front to 16 bytes.
    fn whole(&self, at: usize) -> Option<i128> {
        if !self.kind.is_whole() {
            return None;
        }
        let width = self.width();
        let bytes = self.bytes.get(at * width..(at + 1) * width)?;
        let signed =
            matches!(self.kind, ValueType::I8 | ValueType::I16 | ValueType::I32 | ValueType::I64);
        let is_negative = signed && bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut wide = [if is_negative { 0xff } else { 0 }; 16];
        wide[..width].copy_from_slice(bytes);
        Some(i128::from_le_bytes(wide))
    }

    fn fraction(&self, at: usize) -> Option<f64> {
        let width = self.width();
        let bytes = self.bytes.get(at * width..(at + 1) * width)?;
        match self.kind {
            ValueType::F32 => Some(f32::from_le_bytes(bytes.try_into().ok()?).into()),
            ValueType::F64 => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

/// Texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub(super) bytes: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<usize>,
}

impl Texts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}
