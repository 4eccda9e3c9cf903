//! One file: its header, its keys, its tensors' descriptions, and where their data lie.

use std::io::{BufReader, Read};

use super::metadata::Metadata;
use super::reader::Reader;
use super::tensor::{self, Tensor};
use super::value::{Numbers, Texts, Value, ValueType};
use super::{GgufError, Place, ReadError};

/// Bytes of a file before its weights, at most: 30 times what the largest vocabularies take.
pub const METADATA_BYTES_MAX: u64 = 512 << 20;
/// Bytes of a key, at most (by the format's description).
const KEY_BYTES_MAX: u64 = u16::MAX as u64;
/// Bytes of one text among the values, at most: token texts and templates are far shorter.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// `general.alignment`, at most.
const ALIGNMENT_MAX: u64 = 1 << 20;
/// What it is when the file does not say (`GGUF_DEFAULT_ALIGNMENT`).
const ALIGNMENT_DEFAULT: u64 = 32;
/// The least that a key with its value takes: the key's length, a byte, the type, a byte.
const PAIR_BYTES_MIN: u64 = 8 + 1 + 4 + 1;

const MAGIC: &[u8; 4] = b"GGUF";

/// What is in a file beside weights.
#[derive(Debug)]
pub(super) struct File {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<Tensor>,
}

/// Reads and checks a file of `length` bytes, as far as it can be told without knowing what sort
/// of model it is.
pub(super) fn read(source: impl Read, length: u64) -> Result<File, ReadError> {
    let mut reader = Reader::new(BufReader::new(source), length, METADATA_BYTES_MAX);
    let (tensor_count, pair_count) = read_header(&mut reader, length)?;
    let mut metadata = Metadata::default();
    for _ in 0..pair_count {
        let (key, value) = read_pair(&mut reader)?;
        if !metadata.add(key.clone(), value) {
            return Err(GgufError::Duplicate { what: "the key", name: key }.into());
        }
    }
    let alignment = alignment(&metadata)?;
    let tensors = tensor::read_all(&mut reader, tensor_count)?;
    let start = tensor::padded(reader.position(), alignment);
    tensor::check_places(&tensors, start, alignment, length)?;
    Ok(File { metadata, tensors })
}

/// The numbers of tensors and of keys.
fn read_header(reader: &mut Reader<impl Read>, length: u64) -> Result<(u64, u64), ReadError> {
    if length == 0 {
        return Err(GgufError::Empty.into());
    }
    let mut magic = Vec::new();
    reader.append(length.min(MAGIC.len() as u64), "its header", &mut magic)?;
    if !MAGIC.starts_with(&magic) {
        let start = String::from_utf8_lossy(&magic).into_owned();
        return Err(GgufError::Magic { start }.into());
    }
    let version = reader.u32("its header")?;
    match version {
        2 | 3 => {}
        // As gguf.cpp tells: 3 reads 0x03000000 where the order is the other.
        _ if version & 0xffff == 0 && version != 0 => {
            return Err(GgufError::ByteOrder { version }.into());
        }
        _ => return Err(GgufError::Version { version }.into()),
    }
    let tensors = reader.u64("its header")?;
    let pairs = reader.u64("its header")?;
    let fits = |field, count: u64, each: u64| {
        let most = reader.remaining() / each;
        if count <= most {
            return Ok(count);
        }
        let limit = format!("at most {most}, which is what {length} bytes can hold");
        Err(GgufError::Invalid { place: Place::Header(field), value: count.to_string(), limit })
    };
    let pairs = fits("the number of keys", pairs, PAIR_BYTES_MIN)?;
    Ok((fits("the number of tensors", tensors, tensor::DESCRIPTION_BYTES_MIN)?, pairs))
}

fn read_pair(reader: &mut Reader<impl Read>) -> Result<(String, Value), ReadError> {
    let offset = reader.position();
    let key = reader.text("a key", KEY_BYTES_MAX)?;
    // llama.cpp compares keys as C strings: what follows a NUL would not be seen.
    let key = String::from_utf8(key).ok().filter(|key| !key.is_empty() && !key.contains('\0'));
    let key = key.ok_or_else(|| GgufError::Invalid {
        place: Place::Byte { offset, what: "a key" },
        value: "empty, not UTF-8 or with a NUL".to_owned(),
        limit: "a name in UTF-8".to_owned(),
    })?;
    let kind = read_type(reader, &key)?;
    let value = match kind {
        ValueType::Text => Value::Text(reader.text("a text", TEXT_BYTES_MAX)?),
        ValueType::Array => read_array(reader, &key)?,
        _ => Value::Number(read_numbers(reader, &key, kind, 1)?),
    };
    Ok((key, value))
}

fn read_type(reader: &mut Reader<impl Read>, key: &str) -> Result<ValueType, ReadError> {
    let code = reader.u32("a value's type")?;
    let unknown = || GgufError::key(key, format!("of type {code}"), "of a type from 0 to 12");
    Ok(ValueType::of(code).ok_or_else(unknown)?)
}

fn read_array(reader: &mut Reader<impl Read>, key: &str) -> Result<Value, ReadError> {
    let kind = read_type(reader, key)?;
    let count = reader.u64("an array's length")?;
    match kind {
        // gguf.cpp knows none.
        ValueType::Array => {
            Err(GgufError::key(key, "an array of arrays", "an array of numbers or texts").into())
        }
        ValueType::Text => read_texts(reader, key, count),
        _ => Ok(Value::Numbers(read_numbers(reader, key, kind, count)?)),
    }
}

fn read_numbers(
    reader: &mut Reader<impl Read>,
    key: &str,
    kind: ValueType,
    count: u64,
) -> Result<Numbers, ReadError> {
    let width = kind.bytes().unwrap_or(1) as u64;
    let total = count.saturating_mul(width);
    let what = format!("the value of {}", super::error::shown(key));
    let mut bytes = Vec::new();
    reader.append(total, &what, &mut bytes)?;
    Ok(Numbers { kind, bytes })
}

fn read_texts(reader: &mut Reader<impl Read>, key: &str, count: u64) -> Result<Value, ReadError> {
    // Each has its length in front.
    let least = count.saturating_mul(8);
    reader.ensure(least, format!("the value of {}", super::error::shown(key)))?;
    let mut texts = Texts::default();
    for _ in 0..count {
        reader.append_text("a text", TEXT_BYTES_MAX, &mut texts.bytes)?;
        texts.ends.push(texts.bytes.len());
    }
    Ok(Value::Texts(texts))
}

fn alignment(metadata: &Metadata) -> Result<u64, GgufError> {
    const KEY: &str = "general.alignment";
    let Some(value) = metadata.get(KEY) else { return Ok(ALIGNMENT_DEFAULT) };
    let number = value.as_u64().filter(|_| value.kind() == ValueType::U32);
    let sane = number.filter(|at| at.is_power_of_two() && *at <= ALIGNMENT_MAX);
    sane.ok_or_else(|| {
        GgufError::key(KEY, value, format!("a power of two up to {ALIGNMENT_MAX}, as u32"))
    })
}
