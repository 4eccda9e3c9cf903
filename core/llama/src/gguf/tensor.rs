//! Tensors as the file describes them, and where their data lie.

use std::collections::HashSet;
use std::io::Read;

use super::reader::Reader;
use super::tensor_type::TensorType;
use super::{GgufError, ReadError};

/// Bytes of a name, at most (`GGML_MAX_NAME` without the NUL).
const NAME_BYTES_MAX: u64 = 63;
/// Dimensions, at most (`GGML_MAX_DIMS`).
const DIMENSIONS_MAX: u32 = 4;
/// ggml asserts that a buffer it computes from begins at a multiple of this (`TENSOR_ALIGNMENT`),
/// and llama.cpp makes buffers of the mapped file.
const BUFFER_ALIGNMENT: u64 = 32;
/// The least that a tensor's description takes: a name's length, a number of dimensions, type and
/// offset.
pub(super) const DESCRIPTION_BYTES_MIN: u64 = 8 + 4 + 4 + 8;

/// A tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, the length of a row first; those that are not given are 1.
    pub dimensions: [u64; DIMENSIONS_MAX as usize],
    /// How many dimensions were given.
    pub dimension_count: u32,
    /// The type of its weights.
    pub kind: TensorType,
    /// Where its data begin, from the beginning of the file's data.
    pub offset: u64,
    /// The bytes of its data.
    pub bytes: u64,
}

/// Reads `count` descriptions.
pub(super) fn read_all(
    reader: &mut Reader<impl Read>,
    count: u64,
) -> Result<Vec<Tensor>, ReadError> {
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for _ in 0..count {
        let tensor = read(reader)?;
        if !names.insert(tensor.name.clone()) {
            return Err(GgufError::Duplicate { what: "tensor", name: tensor.name }.into());
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

fn read(reader: &mut Reader<impl Read>) -> Result<Tensor, ReadError> {
    let offset = reader.position();
    let name = reader.text("a tensor's name", NAME_BYTES_MAX)?;
    let name = String::from_utf8(name).ok().filter(|n| !n.is_empty() && !n.contains('\0'));
    let name = name.ok_or_else(|| GgufError::Invalid {
        place: super::Place::Byte { offset, what: "a tensor's name" },
        value: "empty, not UTF-8 or with a NUL".to_owned(),
        limit: "a name in UTF-8".to_owned(),
    })?;
    let count = reader.u32("a tensor's number of dimensions")?;
    if count > DIMENSIONS_MAX {
        let limit = format!("at most {DIMENSIONS_MAX}");
        return Err(GgufError::tensor(&name, "the number of dimensions", count, limit).into());
    }
    let mut dimensions = [1; DIMENSIONS_MAX as usize];
    for dimension in dimensions.iter_mut().take(count as usize) {
        *dimension = reader.u64("a tensor's dimension")?;
    }
    let code = reader.u32("a tensor's type")?;
    let kind = TensorType::of(code).ok_or_else(|| {
        GgufError::tensor(&name, "the type", code, "the number of a type that llama.cpp knows")
    })?;
    let bytes = size(&name, dimensions, kind)?;
    let offset = reader.u64("a tensor's offset")?;
    Ok(Tensor { name, dimensions, dimension_count: count, kind, offset, bytes })
}

/// The bytes of a tensor's data, if its shape can be.
fn size(
    name: &str,
    dimensions: [u64; DIMENSIONS_MAX as usize],
    kind: TensorType,
) -> Result<u64, GgufError> {
    let shape = || format!("{dimensions:?}");
    let refused = |limit: &str| GgufError::tensor(name, "the shape", shape(), limit);
    if dimensions.contains(&0) {
        // llama.cpp loads nothing of such a tensor, and asserts that it loads something.
        return Err(refused("of dimensions above 0"));
    }
    if !dimensions[0].is_multiple_of(kind.block()) {
        return Err(refused(&format!(
            "one with rows of a multiple of {} weights, since its type is {kind}",
            kind.block()
        )));
    }
    let elements = dimensions.iter().try_fold(1_u64, |product, &by| product.checked_mul(by));
    let elements = elements.filter(|&elements| i64::try_from(elements).is_ok());
    let bytes = elements.and_then(|count| (count / kind.block()).checked_mul(kind.block_bytes()));
    let bytes = bytes.filter(|&bytes| i64::try_from(bytes).is_ok());
    bytes.ok_or_else(|| refused("of fewer than 2^63 weights and bytes"))
}

/// Checks that the data of `tensors` lie one behind the other from byte `start` of a file with
/// `length` bytes, each at a multiple of `alignment`, as gguf.cpp demands.
pub(super) fn check_places(
    tensors: &[Tensor],
    start: u64,
    alignment: u64,
    length: u64,
) -> Result<(), GgufError> {
    let mut expected = 0_u64;
    for tensor in tensors {
        if tensor.offset != expected {
            let limit = format!("{expected}, where the data before it end");
            return Err(GgufError::tensor(&tensor.name, "the offset", tensor.offset, limit));
        }
        let begin = start.saturating_add(tensor.offset);
        if !begin.is_multiple_of(BUFFER_ALIGNMENT) {
            let limit = format!("a multiple of {BUFFER_ALIGNMENT}");
            return Err(GgufError::tensor(&tensor.name, "the place in the file", begin, limit));
        }
        let end = begin.saturating_add(tensor.bytes);
        if end > length {
            let what = format!("tensor {}", super::error::shown(&tensor.name));
            return Err(GgufError::Truncated { what, end, length });
        }
        expected = tensor.offset.saturating_add(padded(tensor.bytes, alignment));
    }
    Ok(())
}

/// `bytes` up to the next multiple of `alignment`.
pub(super) fn padded(bytes: u64, alignment: u64) -> u64 {
    bytes.div_ceil(alignment).saturating_mul(alignment)
}
