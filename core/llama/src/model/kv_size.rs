//! How many bytes a token's keys and values take, from what the model's file says of itself.

use crate::Model;
use crate::gguf::{Metadata, Value};

/// Keys and values are kept as 16-bit floats.
const VALUE_BYTES: u64 = 2;

impl Model {
    /// Bytes of one token's keys and values in the memory: for each layer with attention, its
    /// key-value heads × (key length + value length) × 2 bytes (`*.attention.head_count_kv`,
    /// `key_length`, `value_length`; lengths that are not given are embedding / heads). Latent
    /// attention keeps no values. Layers that borrow another's keys are counted as if they did
    /// not, and recurrent states, which do not grow with tokens, are not counted. 0 when the
    /// file does not say.
    #[must_use]
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.kv_bytes_per_token
    }
}

/// [`Model::kv_bytes_per_token`] of the file with `metadata`.
pub(crate) fn kv_bytes_per_token(metadata: &Metadata) -> u64 {
    let number = |key: &str| metadata.of_architecture(key).and_then(Value::as_u64);
    let layers = number("block_count").unwrap_or(0);
    let layers = layers.saturating_sub(number("nextn_predict_layers").unwrap_or(0));
    let heads = per_layer(metadata, "attention.head_count", layers).unwrap_or_default();
    let first = heads.first().copied().unwrap_or(0);
    let each = number("embedding_length").unwrap_or(0).checked_div(first).unwrap_or(0);
    let key = number("attention.key_length").unwrap_or(each);
    let value = match number("attention.key_length_mla") {
        Some(_) => 0,
        None => number("attention.value_length").unwrap_or(each),
    };
    // Layers with a window may have other lengths; which these are is not always said.
    let key = key.max(number("attention.key_length_swa").unwrap_or(0));
    let value = value.max(number("attention.value_length_swa").unwrap_or(0));
    let kv_heads = per_layer(metadata, "attention.head_count_kv", layers).unwrap_or(heads);
    let kv_heads = kv_heads.iter().fold(0_u64, |sum, &heads| sum.saturating_add(heads));
    kv_heads.saturating_mul(key.saturating_add(value)).saturating_mul(VALUE_BYTES)
}

/// The number at `key` for each of the `layers`.
fn per_layer(metadata: &Metadata, key: &str, layers: u64) -> Option<Vec<u64>> {
    let layers = usize::try_from(layers).ok()?;
    let value = metadata.of_architecture(key)?;
    match value.as_numbers() {
        Some(counts) => {
            counts.wholes().take(layers).map(|count| u64::try_from(count?).ok()).collect()
        }
        None => Some(vec![value.as_u64()?; layers]),
    }
}
