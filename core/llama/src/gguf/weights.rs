//! Types of tensors by what is computed with them: ggml aborts where it has no code for a type.
//!
//! Vectors are added and multiplied in place, which it does in f32 alone (`binary_op`); matrices
//! are multiplied by and looked up in, which it does in the types of weights. Values themselves are
//! not read: a NaN makes nonsense, and ends no process.

use super::GgufError;
use super::metadata::Metadata;
use super::tensor::Tensor;
use super::tensor_type::TensorType;
use super::value::Value;

/// Endings of what is added, multiplied in place, or given to kernels of its own, though it may be
/// a matrix.
const IN_PLACE: [&str; 9] = [
    "_norm.weight",
    ".bias",
    ".scale",
    ".input_scale",
    ".ssm_a",
    ".ssm_d",
    ".ssm_conv1d.weight",
    "rope_factors_long.weight",
    "rope_freqs.weight",
];
/// Part of the name of a table of ids.
const IDS: &str = "tid2eid";

/// Checks the types of `tensors`, and that the embedding has a row for each token.
pub(super) fn check(metadata: &Metadata, tensors: &[Tensor]) -> Result<(), GgufError> {
    for tensor in tensors {
        check_type(tensor)?;
    }
    let tokens = metadata.get("tokenizer.ggml.tokens").and_then(Value::as_texts);
    let embedding = tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
    if let (Some(tokens), Some(embedding)) = (tokens, embedding) {
        let (rows, tokens) = (embedding.dimensions[1], tokens.len() as u64);
        if rows != tokens {
            let limit = format!("{tokens}, the number of tokens");
            return Err(GgufError::tensor(&embedding.name, "the number of rows", rows, limit));
        }
    }
    Ok(())
}

fn check_type(tensor: &Tensor) -> Result<(), GgufError> {
    let name = tensor.name.as_str();
    let in_place =
        tensor.dimension_count <= 1 || IN_PLACE.iter().any(|ending| name.ends_with(ending));
    let refused = |limit| Err(GgufError::tensor(name, "the type", tensor.kind, limit));
    if in_place && tensor.kind != TensorType::F32 {
        return refused("f32, in which such tensors are computed");
    }
    let is_table = tensor.kind == TensorType::I32 && name.contains(IDS);
    if !tensor.kind.is_weight() && !is_table {
        return refused("a type of weights, such as f16 or q8_0");
    }
    Ok(())
}
