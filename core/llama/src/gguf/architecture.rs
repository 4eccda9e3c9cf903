//! The numbers of a model's architecture: what llama.cpp asserts, divides by, or sizes arrays with.
//!
//! It mirrors `llama_model_base::load_hparams`, and what the graphs of all architectures share. An
//! architecture that is not known passes as far as it has these keys; llama.cpp refuses it in words.
//! What a wrong value only makes nonsense of, it passes: nonsense ends no process.

use super::GgufError;
use super::metadata::Metadata;
use super::value::{Value, ValueType};

/// Layers, at most (`LLAMA_MAX_LAYERS`).
const LAYERS_MAX: u64 = 512;
/// Experts of a layer, at most (`LLAMA_MAX_EXPERTS`).
const EXPERTS_MAX: u64 = 1024;
/// What llama.cpp keeps in 32 bits with a sign.
const SIGNED_MAX: u64 = i32::MAX as u64;
/// Tokens of a sliding window, at most: llama.cpp multiplies it by up to 256 sequences, in 32 bits.
const WINDOW_MAX: u64 = 1 << 23;
/// Numbers of a head, at most: twenty times what models have, and small enough for 32-bit products.
const HEAD_MAX: u64 = 1 << 14;

/// Architectures whose layers have no attention, so that they may have no heads.
const WITHOUT_HEADS: [&str; 6] = ["arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7"];

/// `general.type` of files that belong to a model and are none.
const NO_MODELS: [&str; 3] = ["adapter", "imatrix", "mmproj"];

/// The scalings of positions that are known (`LLAMA_ROPE_SCALING_TYPES`).
const ROPE_SCALINGS: [&str; 4] = ["none", "linear", "yarn", "longrope"];

/// Keys of which a zero divides by zero, or is asserted not to be there.
const ABOVE_ZERO: [&str; 10] = [
    "attention.group_norm_groups",
    "attention.indexer.block_size",
    "attention.output_group_count",
    "attention.temperature_length",
    "conv_group_size",
    "experts_per_group",
    "num_loops",
    "shortconv.l_cache",
    "ssm.conv_kernel",
    "wkv.head_size",
];

/// Checks the keys of an architecture.
pub(super) fn check(metadata: &Metadata) -> Result<(), GgufError> {
    check_sort(metadata)?;
    let keys = Keys { metadata };
    let layers = keys.required("block_count", "sizes the model", 1, LAYERS_MAX)?;
    keys.required("context_length", "bounds requests", 1, SIGNED_MAX)?;
    keys.required("embedding_length", "sizes the model", 1, SIGNED_MAX)?;
    // `n_layer` is what is left: graphs ask layer 0 for its heads.
    keys.within("nextn_predict_layers", 0, layers - 1)?;
    check_experts(keys)?;
    check_heads(keys, layers)?;
    check_positions(keys)?;
    check_states(keys)?;
    keys.within("attention.sliding_window", 0, WINDOW_MAX)?;
    keys.within("pooling_type", 0, 4)?;
    for key in ABOVE_ZERO {
        keys.within(key, 1, SIGNED_MAX)?;
    }
    if metadata.architecture() == "ernie4_5-moe" {
        // Layers are taken modulo it.
        keys.within("interleave_moe_layer_step", 1, SIGNED_MAX)?;
    }
    check_fractions(metadata)
}

/// A model, and not what belongs to one.
fn check_sort(metadata: &Metadata) -> Result<(), GgufError> {
    const ARCHITECTURE: &str = "general.architecture";
    let kind = metadata.get("general.type").and_then(Value::as_text).unwrap_or("model");
    if NO_MODELS.contains(&kind) {
        let limit = "model: give the file of the model itself";
        return Err(GgufError::key("general.type", kind, limit));
    }
    let value = metadata.get(ARCHITECTURE).ok_or_else(|| GgufError::Missing {
        key: ARCHITECTURE.to_owned(),
        purpose: "says what sort of model it is",
    })?;
    match value.as_text() {
        Some(text) if !text.is_empty() && !text.contains('\0') => Ok(()),
        _ => Err(GgufError::key(ARCHITECTURE, value, "the name of an architecture, as text")),
    }
}

/// The asserts on `n_expert` and its groups.
fn check_experts(keys: Keys<'_>) -> Result<(), GgufError> {
    let experts = keys.within("expert_count", 0, EXPERTS_MAX)?.unwrap_or(0);
    let used = keys.each("expert_used_count")?.unwrap_or_default();
    let used_most = used.iter().copied().max().unwrap_or(0);
    // Hunyuan's graphs take one expert for none.
    let is_lenient = keys.metadata.architecture().starts_with("hunyuan") && experts <= 1;
    let used_fits = match experts {
        _ if is_lenient => true,
        0 => used_most == 0,
        experts => (1..=experts).contains(&used_most),
    };
    if !used_fits {
        let least = experts.min(1);
        let limit = format!("from {least} to {experts}, the number of experts");
        return Err(GgufError::key(keys.name("expert_used_count"), used_most, limit));
    }
    let groups = keys.within("expert_group_count", 0, experts.saturating_sub(1))?.unwrap_or(0);
    if groups > 1 {
        if experts % groups != 0 {
            let limit = format!("a divisor of {experts}, the number of experts");
            return Err(GgufError::key(keys.name("expert_group_count"), groups, limit));
        }
        let used = keys.within("expert_group_used_count", 1, groups - 1)?;
        used.ok_or_else(|| GgufError::Missing {
            key: keys.name("expert_group_used_count"),
            purpose: "says how many groups of experts a token uses",
        })?;
    }
    keys.within("expert_gating_func", 0, 4)?;
    Ok(())
}

/// Heads: matrices of queries are multiplied by those of keys, which fails unless one divides the
/// other (`ggml_can_mul_mat`).
fn check_heads(keys: Keys<'_>, layers: u64) -> Result<(), GgufError> {
    let (head_key, kv_key) = ("attention.head_count", "attention.head_count_kv");
    let needs_heads = !WITHOUT_HEADS.contains(&keys.metadata.architecture());
    let heads = keys.each(head_key)?;
    let kv = keys.each(kv_key)?;
    for (key, counts) in [(head_key, &heads), (kv_key, &kv)] {
        let Some(counts) = counts else { continue };
        if counts.len() != 1 && counts.len() as u64 != layers {
            let limit = format!("one number, or {layers}, one for each layer");
            return Err(GgufError::key(keys.name(key), format!("{} numbers", counts.len()), limit));
        }
        let least = u64::from(needs_heads && counts.len() == 1 && !keys.is_array(key));
        if let Some(&count) = counts.iter().find(|count| !(least..=SIGNED_MAX).contains(count)) {
            let limit = format!("from {least} to {SIGNED_MAX}");
            return Err(GgufError::key(keys.name(key), count, limit));
        }
    }
    let Some(heads) = heads else {
        return match needs_heads {
            false => Ok(()),
            true => {
                Err(GgufError::Missing { key: keys.name(head_key), purpose: "sizes attention" })
            }
        };
    };
    let kv = kv.unwrap_or_else(|| heads.clone());
    for layer in 0..heads.len().max(kv.len()) {
        let count = heads[layer.min(heads.len() - 1)];
        let kv_count = kv[layer.min(kv.len() - 1)];
        if count > 0 && kv_count > 0 && count % kv_count != 0 {
            let limit = format!("a divisor of {count}, the number of heads");
            return Err(GgufError::key(keys.name(kv_key), kv_count, limit));
        }
    }
    for key in ["key_length", "value_length", "key_length_swa", "value_length_swa"] {
        keys.within(&format!("attention.{key}"), 0, HEAD_MAX)?;
    }
    Ok(())
}

/// Positions: `ggml_rope` asserts that it turns an even number of dimensions that a head has.
fn check_positions(keys: Keys<'_>) -> Result<(), GgufError> {
    const SCALING: &str = "rope.scaling.type";
    if let Some(value) = keys.get(SCALING)
        && !value.as_text().is_some_and(|name| ROPE_SCALINGS.contains(&name))
    {
        return Err(GgufError::key(keys.name(SCALING), value, format!("one of {ROPE_SCALINGS:?}")));
    }
    let heads = keys.each("attention.head_count")?.and_then(|heads| heads.first().copied());
    let embedding = keys.number("embedding_length")?.unwrap_or(0);
    let each = heads.and_then(|heads| embedding.checked_div(heads));
    let head = keys.number("attention.key_length")?.or(each);
    let window_head = keys.number("attention.key_length_swa")?.or(head);
    for (key, head) in [("rope.dimension_count", head), ("rope.dimension_count_swa", window_head)] {
        let Some(dimensions) = keys.number(key)? else { continue };
        let most = head.unwrap_or(HEAD_MAX);
        if dimensions > most || dimensions % 2 != 0 {
            let limit = format!("an even number up to {most}, the length of a head");
            return Err(GgufError::key(keys.name(key), dimensions, limit));
        }
    }
    check_sections(keys)
}

/// The dimensions that turn with each of several positions: their sum is divided by.
fn check_sections(keys: Keys<'_>) -> Result<(), GgufError> {
    const KEY: &str = "rope.dimension_sections";
    let Some(value) = keys.get(KEY) else { return Ok(()) };
    let limit = "one to four numbers from 0 to 16384, with one of the first three above 0";
    let refused = || GgufError::key(keys.name(KEY), value, limit);
    let Some(numbers) = value.as_numbers() else { return Err(refused()) };
    let sections: Option<Vec<i128>> = numbers.wholes().collect();
    let sections = sections.filter(|sections| (1..=4).contains(&sections.len()));
    let sections = sections.ok_or_else(refused)?;
    let sane = sections.iter().all(|section| (0..=i128::from(HEAD_MAX)).contains(section));
    if sane && sections.iter().take(3).any(|&section| section > 0) {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Recurrent states: asserts of mamba-base.cpp, and factors of their size.
fn check_states(keys: Keys<'_>) -> Result<(), GgufError> {
    for key in ["ssm.inner_size", "ssm.state_size", "ssm.group_count", "ssm.time_step_rank"] {
        keys.within(key, 0, 1 << 24)?;
    }
    let inner = keys.number("ssm.inner_size")?.unwrap_or(0);
    let groups = keys.number("ssm.group_count")?.unwrap_or(0);
    if groups == 0 {
        return Ok(());
    }
    for key in ["ssm.group_count", "ssm.time_step_rank"] {
        let Some(by) = keys.number(key)? else { continue };
        if by == 0 || inner % by != 0 {
            let limit = format!("a divisor of {inner}, the inner size");
            return Err(GgufError::key(keys.name(key), by, limit));
        }
    }
    Ok(())
}

/// Numbers with fractions: norms assert that their epsilon is not negative.
fn check_fractions(metadata: &Metadata) -> Result<(), GgufError> {
    let prefix = format!("{}.", metadata.architecture());
    for (key, value) in metadata.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        let Some(number) = value.as_f64() else { continue };
        if !number.is_finite() {
            return Err(GgufError::key(key, number, "a finite number"));
        }
        if key.ends_with("epsilon") && number.is_sign_negative() {
            return Err(GgufError::key(key, number, "0 or above"));
        }
    }
    Ok(())
}

/// The architecture's keys.
#[derive(Clone, Copy)]
struct Keys<'file> {
    metadata: &'file Metadata,
}

impl<'file> Keys<'file> {
    fn name(self, key: &str) -> String {
        format!("{}.{key}", self.metadata.architecture())
    }

    fn get(self, key: &str) -> Option<&'file Value> {
        self.metadata.of_architecture(key)
    }

    fn is_array(self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.kind() == ValueType::Array)
    }

    /// The whole number at `key`, if it is there and no array.
    fn number(self, key: &str) -> Result<Option<u64>, GgufError> {
        match self.get(key) {
            Some(value) if value.kind() != ValueType::Array => {
                let number = value.as_u64().filter(|_| value.kind() == ValueType::U32);
                let number = number.ok_or_else(|| {
                    let shown = format!("{value}, of type {}", value.kind());
                    GgufError::key(self.name(key), shown, "a whole number of type u32")
                });
                number.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// As [`Self::number`], with its bounds.
    fn within(self, key: &str, least: u64, most: u64) -> Result<Option<u64>, GgufError> {
        match self.number(key)? {
            Some(number) if !(least..=most).contains(&number) => {
                let limit = format!("from {least} to {most}");
                Err(GgufError::key(self.name(key), number, limit))
            }
            number => Ok(number),
        }
    }

    /// As [`Self::within`], where the key must be there.
    fn required(
        self,
        key: &str,
        purpose: &'static str,
        least: u64,
        most: u64,
    ) -> Result<u64, GgufError> {
        if self.is_array(key) {
            return Err(GgufError::key(self.name(key), "an array", "a whole number"));
        }
        let number = self.within(key, least, most)?;
        number.ok_or_else(|| GgufError::Missing { key: self.name(key), purpose })
    }

    /// The number at `key`, or the numbers where each layer has one.
    fn each(self, key: &str) -> Result<Option<Vec<u64>>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Some(numbers) = value.as_numbers() else {
            if value.kind() == ValueType::Array {
                return Err(GgufError::key(self.name(key), value, "an array of whole numbers"));
            }
            return Ok(self.number(key)?.map(|number| vec![number]));
        };
        let wholes: Option<Vec<u64>> =
            numbers.wholes().map(|number| u64::try_from(number?).ok()).collect();
        let wholes = wholes.filter(|wholes| !wholes.is_empty());
        let refused = || GgufError::key(self.name(key), value, "whole numbers, none below 0");
        wholes.ok_or_else(refused).map(Some)
    }
}
