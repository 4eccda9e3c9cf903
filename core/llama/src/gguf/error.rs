//! What is wrong with a file: what, where, its value, the limit, and what to do.

use std::fmt;

/// Characters of a name that are shown at most: names are the file's, and may be anything.
const NAME_CHARS_MAX: usize = 80;

/// Where in a file something is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A field of the header.
    Header(&'static str),
    /// A key or its value.
    Key(String),
    /// A field of a tensor.
    Tensor {
        /// The tensor's name.
        name: String,
        /// Which of its fields.
        field: &'static str,
    },
    /// What begins at a byte of the file, and has no name yet.
    Byte {
        /// The byte's offset.
        offset: u64,
        /// What is there.
        what: &'static str,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header(field) => write!(f, "{field} in its header"),
            Place::Key(key) => f.write_str(&shown(key)),
            Place::Tensor { name, field } => write!(f, "{field} of tensor {}", shown(name)),
            Place::Byte { offset, what } => write!(f, "{what} at byte {offset}"),
        }
    }
}

/// What is wrong with a model file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It is another sort of file.
    #[error("it is not a GGUF file: it begins with {start:?}, not with \"GGUF\"")]
    Magic {
        /// Its first bytes, as text.
        start: String,
    },
    /// It was written for processors with the other order of bytes.
    #[error(
        "it is a GGUF file for processors with the other byte order (its version reads {version:#010x})"
    )]
    ByteOrder {
        /// The version as it reads here.
        version: u32,
    },
    /// A version that is not known.
    #[error("its GGUF version is {version}, but must be 2 or 3")]
    Version {
        /// The version.
        version: u32,
    },
    /// It ends too early.
    #[error("the file ends at byte {length}, but {what} ends at byte {end}")]
    Truncated {
        /// What is not whole.
        what: String,
        /// Where that would end.
        end: u64,
        /// The file's length.
        length: u64,
    },
    /// A value that can't be.
    #[error("{place} is {value}, but must be {limit}")]
    Invalid {
        /// Where it is.
        place: Place,
        /// The value, as text.
        value: String,
        /// What is allowed.
        limit: String,
    },
    /// A key that must be there is not.
    #[error("it has no {key}, which {purpose}")]
    Missing {
        /// The key.
        key: String,
        /// What it is needed for.
        purpose: &'static str,
    },
    /// Two things that must have names of their own have the same.
    #[error("{what} {} is there twice", shown(.name))]
    Duplicate {
        /// What it is: a key, a tensor, a token.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// One of the files of a split model is not there.
    #[error("{name}, file {number} of the model's {count}, is not there")]
    MissingPart {
        /// Its number, from 1.
        number: u32,
        /// How many there are.
        count: u32,
        /// The file's name.
        name: String,
    },
    /// One of the files of a split model is wrong.
    #[error("in {name}: {error}")]
    Part {
        /// The file's name.
        name: String,
        /// What is wrong with it.
        error: Box<GgufError>,
    },
}

impl GgufError {
    /// A value of `key` that can't be.
    pub(super) fn key(
        key: impl Into<String>,
        value: impl fmt::Display,
        limit: impl Into<String>,
    ) -> Self {
        let place = Place::Key(key.into());
        Self::Invalid { place, value: value.to_string(), limit: limit.into() }
    }

    /// A field of a tensor that can't be.
    pub(super) fn tensor(
        name: &str,
        field: &'static str,
        value: impl fmt::Display,
        limit: impl Into<String>,
    ) -> Self {
        let place = Place::Tensor { name: name.to_owned(), field };
        Self::Invalid { place, value: value.to_string(), limit: limit.into() }
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty | Self::Truncated { .. } => "download it again, whole",
            Self::Magic { .. } => "give a model in GGUF format, downloaded whole",
            Self::ByteOrder { .. } => "give a file for this processor's byte order",
            Self::Version { .. } => "convert the model again with a current llama.cpp",
            Self::MissingPart { .. } => "put all of the model's files into one folder",
            Self::Part { error, .. } => error.remedy(),
            Self::Missing { .. } | Self::Invalid { .. } | Self::Duplicate { .. } => {
                "download it again; if it is whole, convert the model again"
            }
        }
    }

    /// What is allowed, where that is a value.
    #[must_use]
    pub fn limit(&self) -> Option<&str> {
        match self {
            Self::Invalid { limit, .. } => Some(limit),
            Self::Part { error, .. } => error.limit(),
            _ => None,
        }
    }
}

/// A name out of the file, fit to be shown.
pub(super) fn shown(name: &str) -> String {
    let plain = name.len() <= NAME_CHARS_MAX && !name.is_empty();
    if plain && name.chars().all(|c| c.is_ascii_graphic()) {
        return name.to_owned();
    }
    let cut: String = name.chars().take(NAME_CHARS_MAX).collect();
    let more = if cut.len() < name.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}
