//! What a model and a context on it will take of the host's memory, told from the file alone.
//!
//! Sizes of the parts follow llama.cpp's own arithmetic where that is simple, and bound it from
//! above where it is not; a test compares them with what it allocates. What GPUs take is counted
//! too, as if the host had to give it.

use crate::context::{ContextParams, outputs_max};
use crate::gguf::{Gguf, Metadata, TensorType, Value};
use crate::model::kv_bytes_per_token;

/// llama.cpp gives a context's cells in multiples of this.
const CELLS_STEP: u64 = 256;
const FLOAT_BYTES: u64 = 4;
/// What llama.cpp keeps of a token beside its text, which it keeps three times: its entry in a
/// list, in a map by text, and among the texts to print.
const TOKEN_BYTES: u64 = 200;
/// The same of a merge, which it keeps once, in two texts.
const MERGE_BYTES: u64 = 144;
/// Types that ggml may store in another order for the processor at hand: a copy of the file's.
const REPACKED: [&str; 8] = ["q2_K", "q4_0", "q4_K", "q5_K", "q6_K", "q8_0", "iq4_nl", "mxfp4"];

/// Bytes of memory, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// Weights. They are the file's, mapped, or copies of it in another order; never both.
    pub weights_bytes: u64,
    /// The tokens' weights once more, at most: where no tensor gives the output they do, and the
    /// processor at hand may want them in another order for that.
    pub output_copy_bytes: u64,
    /// The vocabulary as llama.cpp keeps it.
    pub vocabulary_bytes: u64,
    /// Keys and values of one token.
    pub kv_bytes_per_token: u64,
    /// Keys and values of all cells.
    pub kv_bytes: u64,
    /// States of recurrent layers, of all sequences; these do not grow with tokens.
    pub state_bytes: u64,
    /// What a step computes with, at most.
    pub compute_bytes: u64,
    /// Logits that a step gives, at most: llama.cpp takes the room when they are asked for.
    pub output_bytes: u64,
}

impl MemoryPlan {
    /// The plan for a context with `params` on the model in `gguf`.
    #[must_use]
    pub fn new(gguf: &Gguf, params: &ContextParams) -> Self {
        let metadata = gguf.metadata();
        let shape = Shape::of(metadata);
        let cells = u64::from(params.context_tokens).next_multiple_of(CELLS_STEP);
        let kv_bytes_per_token = kv_bytes_per_token(metadata);
        // Residents of recurrent models take a state each, and one is for copies.
        let sequences = u64::from(params.sequences_max) + u64::from(params.residents_max) + 1;
        let outputs = u64::from(outputs_max(params.sequences_max));
        Self {
            weights_bytes: gguf.weight_bytes(),
            output_copy_bytes: output_copy_bytes(gguf),
            vocabulary_bytes: vocabulary_bytes(metadata),
            kv_bytes_per_token,
            kv_bytes: kv_bytes_per_token.saturating_mul(cells),
            state_bytes: state_bytes(metadata, shape).saturating_mul(sequences),
            compute_bytes: shape.compute_bytes(params, cells, outputs),
            output_bytes: outputs.saturating_mul(shape.vocabulary).saturating_mul(FLOAT_BYTES),
        }
    }

    /// All parts together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let Self {
            weights_bytes,
            output_copy_bytes,
            vocabulary_bytes,
            kv_bytes_per_token: _,
            kv_bytes,
            state_bytes,
            compute_bytes,
            output_bytes,
        } = *self;
        let weights = weights_bytes.saturating_add(output_copy_bytes);
        let parts = [weights, vocabulary_bytes, kv_bytes, state_bytes, compute_bytes, output_bytes];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

fn output_copy_bytes(gguf: &Gguf) -> u64 {
    let named = |name: &str| gguf.tensors().iter().find(|tensor| tensor.name == name);
    let is_repacked = |kind: TensorType| REPACKED.contains(&kind.to_string().as_str());
    match (named("output.weight"), named("token_embd.weight")) {
        (None, Some(embedding)) if is_repacked(embedding.kind) => embedding.bytes,
        _ => 0,
    }
}

fn vocabulary_bytes(metadata: &Metadata) -> u64 {
    let texts = |key: &str| {
        let texts = metadata.get(key).and_then(Value::as_texts);
        texts.map_or((0, 0), |texts| (texts.len() as u64, texts.bytes() as u64))
    };
    let (tokens, token_bytes) = texts("tokenizer.ggml.tokens");
    let (merges, merge_bytes) = texts("tokenizer.ggml.merges");
    tokens * TOKEN_BYTES + 3 * token_bytes + merges * MERGE_BYTES + merge_bytes
}

/// The bytes of one sequence's states (`n_embd_r` and `n_embd_s` of llama-hparams.cpp), as if all
/// layers had one.
fn state_bytes(metadata: &Metadata, shape: Shape) -> u64 {
    let number = |key: &str| metadata.of_architecture(key).and_then(Value::as_u64);
    let product = |factors: &[u64]| factors.iter().fold(1, |a: u64, &b| a.saturating_mul(b));
    let embedding = shape.embedding;
    let convolved = number("ssm.conv_kernel").unwrap_or(1).saturating_sub(1);
    let numbers = if let Some(head) = number("wkv.head_size") {
        let shifts = number("token_shift_count").unwrap_or(2);
        product(&[embedding, shifts]).saturating_add(product(&[embedding, head]))
    } else if let Some(kept) = number("shortconv.l_cache") {
        product(&[embedding, kept.saturating_sub(1)])
    } else if let Some(head) = number("kda.head_dim") {
        let conv = product(&[3, convolved.max(3), shape.heads, head]);
        conv.saturating_add(product(&[head, head, shape.heads]))
    } else if let Some(inner) = number("ssm.inner_size") {
        let state = number("ssm.state_size").unwrap_or(0);
        let grouped = product(&[2, number("ssm.group_count").unwrap_or(0), state]);
        let conv = product(&[convolved, inner.saturating_add(grouped)]);
        conv.saturating_add(product(&[state, inner]))
    } else {
        0
    };
    product(&[numbers, shape.layers, FLOAT_BYTES])
}

/// The numbers of a model that size its computation.
#[derive(Clone, Copy)]
struct Shape {
    layers: u64,
    embedding: u64,
    heads: u64,
    head: u64,
    feed_forward: u64,
    vocabulary: u64,
}

impl Shape {
    fn of(metadata: &Metadata) -> Self {
        // Where layers differ, the largest.
        let most = |key: &str| {
            let value = metadata.of_architecture(key)?;
            let Some(numbers) = value.as_numbers() else { return value.as_u64() };
            numbers.wholes().filter_map(|number| u64::try_from(number?).ok()).max()
        };
        let number = |key: &str| most(key).unwrap_or(0);
        let heads = number("attention.head_count");
        let each = number("embedding_length").checked_div(heads).unwrap_or(0);
        let experts = number("expert_used_count").max(1);
        let tokens = metadata.get("tokenizer.ggml.tokens").and_then(Value::as_texts);
        Self {
            layers: number("block_count"),
            embedding: number("embedding_length"),
            heads,
            head: most("attention.key_length").unwrap_or(each),
            feed_forward: number("feed_forward_length")
                .max(number("expert_feed_forward_length").saturating_mul(experts))
                .max(number("ssm.inner_size").saturating_mul(2)),
            vocabulary: tokens.map_or(0, |tokens| tokens.len() as u64),
        }
    }

    /// A bound of the buffer of intermediate results: what a token is and becomes in a layer, the
    /// mask of who attends to whom, the scores of attention where they are kept whole, and the
    /// logits before they are handed out.
    fn compute_bytes(self, params: &ContextParams, cells: u64, outputs: u64) -> u64 {
        let batch = u64::from(params.batch_tokens);
        let queries = self.heads.saturating_mul(self.head);
        let a_token = (self.embedding.saturating_mul(4))
            .saturating_add(self.feed_forward.saturating_mul(3))
            .saturating_add(queries.saturating_mul(4));
        let mask = cells.saturating_mul(batch);
        let scores = match params.flash_attention {
            Some(false) => mask.saturating_mul(self.heads).saturating_mul(2),
            None | Some(true) => 0,
        };
        let logits = outputs.saturating_mul(self.vocabulary);
        let numbers = [batch.saturating_mul(a_token), mask.saturating_mul(2), scores, logits];
        let numbers = numbers.into_iter().fold(0, u64::saturating_add);
        numbers.saturating_mul(FLOAT_BYTES)
    }
}
