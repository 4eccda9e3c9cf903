//! Models of a few thousand random 32-bit weights, for the sorts of memory that no small model
//! at hand has: a sliding window, recurrent state, and attention beside recurrent state.
//!
//! The files are GGUF, version 3: a header, metadata, a table of tensors, and their data,
//! aligned.

use std::io::Write;
use std::sync::Arc;

use indwell_llama::Model;

use crate::fixture::load;

/// The sliding window's length.
pub(crate) const WINDOW: u32 = 96;

const EMBEDDING: u32 = 64;
const INNER: u32 = 2 * EMBEDDING;
const HEADS: u32 = 2;
const STATE: u32 = 8;
const STEP_RANK: u32 = 4;
const CONVOLUTION: u32 = 4;
const FEED_FORWARD: u32 = 96;
/// Three control tokens, the 256 bytes, and words.
const VOCABULARY: u32 = 512;
const ALIGNMENT: usize = 32;

/// Five layers with a window, and one without.
pub(crate) fn window() -> Arc<Model> {
    let mut file = File::new("gemma3", 6);
    file.key("attention.head_count_kv", Value::U32(HEADS));
    file.key("attention.sliding_window", Value::U32(WINDOW));
    for block in 0..6 {
        file.norms(block, &["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"]);
        file.attention(block);
        for part in ["attn_q_norm", "attn_k_norm"] {
            file.vector(&format!("blk.{block}.{part}.weight"), EMBEDDING / HEADS, 1.0);
        }
        file.feed_forward(block);
    }
    file.load()
}

/// Recurrent state in all layers.
pub(crate) fn recurrent() -> Arc<Model> {
    let mut file = File::new("mamba", 2);
    file.state_keys();
    for block in 0..2 {
        file.norms(block, &["attn_norm"]);
        file.state(block);
    }
    file.load()
}

/// Recurrent state in the first layer, attention in the second.
pub(crate) fn hybrid() -> Arc<Model> {
    let mut file = File::new("jamba", 2);
    file.state_keys();
    file.key("attention.head_count_kv", Value::U32s(vec![0, HEADS]));
    file.norms(0, &["attn_norm", "ffn_norm"]);
    file.state(0);
    file.vector("blk.0.ssm_dt_norm.weight", STEP_RANK, 1.0);
    file.vector("blk.0.ssm_b_norm.weight", STATE, 1.0);
    file.vector("blk.0.ssm_c_norm.weight", STATE, 1.0);
    file.feed_forward(0);
    file.norms(1, &["attn_norm", "ffn_norm"]);
    file.attention(1);
    file.feed_forward(1);
    file.load()
}

enum Value {
    U32(u32),
    U32s(Vec<u32>),
    F32(f32),
    F32s(Vec<f32>),
    Text(String),
    Texts(Vec<String>),
}

struct File {
    architecture: &'static str,
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<u32>, Vec<f32>)>,
    random: u64,
}

impl File {
    fn new(architecture: &'static str, blocks: u32) -> Self {
        let mut file =
            Self { architecture, metadata: vec![], tensors: vec![], random: 0x9E37_79B9_7F4A_7C15 };
        file.metadata
            .push(("general.architecture".to_owned(), Value::Text(architecture.to_owned())));
        file.key("context_length", Value::U32(2048));
        file.key("embedding_length", Value::U32(EMBEDDING));
        file.key("block_count", Value::U32(blocks));
        file.key("feed_forward_length", Value::U32(FEED_FORWARD));
        file.key("attention.head_count", Value::U32(HEADS));
        file.key("attention.layer_norm_rms_epsilon", Value::F32(1e-5));
        file.vocabulary();
        file.matrix("token_embd.weight", EMBEDDING, VOCABULARY);
        file.matrix("output.weight", EMBEDDING, VOCABULARY);
        file.vector("output_norm.weight", EMBEDDING, 1.0);
        file
    }

    fn key(&mut self, name: &str, value: Value) {
        self.metadata.push((format!("{}.{name}", self.architecture), value));
    }

    fn vocabulary(&mut self) {
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
        tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
        tokens.extend((tokens.len()..VOCABULARY as usize).map(|at| format!("\u{2581}word{at}")));
        let kinds = (0..VOCABULARY).map(|at| match at {
            0 => 2,
            1 | 2 => 3,
            3..259 => 6,
            _ => 1,
        });
        let keys = [
            ("model", Value::Text("llama".to_owned())),
            ("tokens", Value::Texts(tokens)),
            ("scores", Value::F32s(vec![0.0; VOCABULARY as usize])),
            ("token_type", Value::U32s(kinds.collect())),
        ];
        let named = keys.map(|(name, value)| (format!("tokenizer.ggml.{name}"), value));
        self.metadata.extend(named);
    }

    fn state_keys(&mut self) {
        self.key("ssm.conv_kernel", Value::U32(CONVOLUTION));
        self.key("ssm.inner_size", Value::U32(INNER));
        self.key("ssm.state_size", Value::U32(STATE));
        self.key("ssm.time_step_rank", Value::U32(STEP_RANK));
    }

    fn norms(&mut self, block: u32, parts: &[&str]) {
        for part in parts {
            self.vector(&format!("blk.{block}.{part}.weight"), EMBEDDING, 1.0);
        }
    }

    fn attention(&mut self, block: u32) {
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            self.matrix(&format!("blk.{block}.{part}.weight"), EMBEDDING, EMBEDDING);
        }
    }

    fn feed_forward(&mut self, block: u32) {
        for part in ["ffn_gate", "ffn_up"] {
            self.matrix(&format!("blk.{block}.{part}.weight"), EMBEDDING, FEED_FORWARD);
        }
        self.matrix(&format!("blk.{block}.ffn_down.weight"), FEED_FORWARD, EMBEDDING);
    }

    fn state(&mut self, block: u32) {
        let name = |part: &str| format!("blk.{block}.{part}");
        self.matrix(&name("ssm_in.weight"), EMBEDDING, 2 * INNER);
        self.matrix(&name("ssm_conv1d.weight"), CONVOLUTION, INNER);
        self.vector(&name("ssm_conv1d.bias"), INNER, 0.0);
        self.matrix(&name("ssm_x.weight"), INNER, STEP_RANK + 2 * STATE);
        self.matrix(&name("ssm_dt.weight"), STEP_RANK, INNER);
        self.vector(&name("ssm_dt.bias"), INNER, 0.0);
        // Decay: negative, so that states stay bounded, and slow, so that they last.
        self.tensors.push((
            name("ssm_a"),
            vec![STATE, INNER],
            vec![-0.05; (STATE * INNER) as usize],
        ));
        self.vector(&name("ssm_d"), INNER, 1.0);
        self.matrix(&name("ssm_out.weight"), INNER, EMBEDDING);
    }

    fn vector(&mut self, name: &str, length: u32, value: f32) {
        self.tensors.push((name.to_owned(), vec![length], vec![value; length as usize]));
    }

    /// Evenly random, so scaled that a row keeps the size of what it is multiplied with.
    fn matrix(&mut self, name: &str, row: u32, rows: u32) {
        let scale = (3.0 / row as f32).sqrt();
        let values = (0..row * rows).map(|_| self.next() * scale).collect();
        self.tensors.push((name.to_owned(), vec![row, rows], values));
    }

    /// Evenly from -1 to 1.
    fn next(&mut self) -> f32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1_u32 << 23) as f32 - 1.0
    }

    fn load(self) -> Arc<Model> {
        let mut file = tempfile::Builder::new().suffix(".gguf").tempfile().expect("a file");
        file.write_all(&self.bytes()).expect("written");
        load(file.path())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Bytes(b"GGUF".to_vec());
        bytes.u32(3);
        bytes.u64(self.tensors.len());
        bytes.u64(self.metadata.len());
        for (key, value) in &self.metadata {
            bytes.text(key);
            bytes.value(value);
        }
        let mut offset = 0;
        for (name, shape, values) in &self.tensors {
            bytes.text(name);
            bytes.u32(shape.len() as u32);
            shape.iter().for_each(|&size| bytes.u64(size as usize));
            bytes.u32(0);
            bytes.u64(offset);
            offset += (values.len() * size_of::<f32>()).next_multiple_of(ALIGNMENT);
        }
        for (_, _, values) in &self.tensors {
            bytes.0.resize(bytes.0.len().next_multiple_of(ALIGNMENT), 0);
            values.iter().for_each(|value| bytes.0.extend(value.to_le_bytes()));
        }
        bytes.0
    }
}

/// Bytes in GGUF's order: the smallest first.
struct Bytes(Vec<u8>);

impl Bytes {
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: usize) {
        self.0.extend((value as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len());
        self.0.extend(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::U32(number) => [4, *number].into_iter().for_each(|word| self.u32(word)),
            Value::F32(number) => [6, number.to_bits()].into_iter().for_each(|word| self.u32(word)),
            Value::Text(text) => {
                self.u32(8);
                self.text(text);
            }
            Value::U32s(numbers) => {
                self.list(5, numbers.len());
                numbers.iter().for_each(|&number| self.u32(number));
            }
            Value::F32s(numbers) => {
                self.list(6, numbers.len());
                numbers.iter().for_each(|number| self.u32(number.to_bits()));
            }
            Value::Texts(texts) => {
                self.list(8, texts.len());
                texts.iter().for_each(|text| self.text(text));
            }
        }
    }

    fn list(&mut self, kind: u32, length: usize) {
        self.u32(9);
        self.u32(kind);
        self.u64(length);
    }
}
