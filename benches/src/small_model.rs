//! A model file that makes a step cheap: a llama with random weights that computes a token in a
//! fraction of a millisecond on one thread, so that what surrounds the step shows.
//!
//! Its greedy answers never end early, and every token is a word, hence an event: the rows of
//! all other tokens in the output matrix are zero, which some random row always beats.
//!
//! The file is GGUF, version 3: a header, metadata, a table of tensors, and their data, aligned.

use std::io::{self, Write};

/// The longest request.
pub const CONTEXT_TOKENS: u32 = 4096;

const EMBEDDING: u32 = 128;
const HEADS: u32 = 2;
const BLOCKS: u32 = 4;
const FEED_FORWARD: u32 = 256;
const VOCABULARY: u32 = 512;
/// The first token that is a word: before it stand three control tokens and the 256 bytes.
const FIRST_WORD: u32 = 3 + 256;

/// Tensors begin at multiples of this many bytes.
const ALIGNMENT: usize = 32;

/// Writes the model. Every call writes the same bytes.
///
/// # Errors
/// Those of `output`.
pub fn write(mut output: impl Write) -> io::Result<()> {
    let metadata = metadata();
    let tensors = tensors();
    let mut head = Bytes::default();
    head.0.extend(b"GGUF");
    head.u32(3);
    head.u64(tensors.len() as u64);
    head.u64(metadata.len() as u64);
    for (key, value) in &metadata {
        head.text(key);
        head.u32(value.type_id());
        head.value(value);
    }
    let mut offset = 0;
    for tensor in &tensors {
        head.text(&tensor.name);
        head.u32(tensor.shape.len() as u32);
        tensor.shape.iter().for_each(|&size| head.u64(size.into()));
        head.u32(0); // f32
        head.u64(offset as u64);
        offset += (tensor.values.len() * size_of::<f32>()).next_multiple_of(ALIGNMENT);
    }
    head.align();
    output.write_all(&head.0)?;
    for tensor in tensors {
        let mut data = Bytes::default();
        tensor.values.iter().for_each(|value| data.0.extend(value.to_le_bytes()));
        data.align();
        output.write_all(&data.0)?;
    }
    output.flush()
}

/// A value of the metadata.
enum Value {
    U32(u32),
    F32(f32),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

fn metadata() -> Vec<(&'static str, Value)> {
    let head_size = EMBEDDING / HEADS;
    vec![
        ("general.architecture", Value::Text("llama".to_owned())),
        ("general.name", Value::Text("small random llama".to_owned())),
        ("llama.context_length", Value::U32(CONTEXT_TOKENS)),
        ("llama.embedding_length", Value::U32(EMBEDDING)),
        ("llama.block_count", Value::U32(BLOCKS)),
        ("llama.feed_forward_length", Value::U32(FEED_FORWARD)),
        ("llama.attention.head_count", Value::U32(HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.dimension_count", Value::U32(head_size)),
        ("tokenizer.ggml.model", Value::Text("llama".to_owned())),
        ("tokenizer.ggml.tokens", Value::Texts(vocabulary().map(|token| token.0).collect())),
        ("tokenizer.ggml.scores", Value::F32s(vec![0.0; VOCABULARY as usize])),
        ("tokenizer.ggml.token_type", Value::I32s(vocabulary().map(|token| token.1).collect())),
        ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
    ]
}

/// Each token with its kind: 1 for a word, 2 for unknown, 3 for control, 6 for a byte.
fn vocabulary() -> impl Iterator<Item = (String, i32)> {
    let control = [("<unk>", 2), ("<s>", 3), ("</s>", 3)];
    let control = control.into_iter().map(|(text, kind)| (text.to_owned(), kind));
    let bytes = (0..=255).map(|byte| (format!("<0x{byte:02X}>"), 6));
    // U+2581 stands for a space.
    let words = (FIRST_WORD..VOCABULARY).map(|token| (format!("\u{2581}word{token}"), 1));
    control.chain(bytes).chain(words)
}

/// A matrix or vector of 32-bit floats; `shape` begins with the length of a row.
struct Tensor {
    name: String,
    shape: Vec<u32>,
    values: Vec<f32>,
}

fn tensors() -> Vec<Tensor> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let ones = |name: String| Tensor {
        name,
        shape: vec![EMBEDDING],
        values: vec![1.0; EMBEDDING as usize],
    };
    let mut tensors = vec![
        random.matrix("token_embd.weight".to_owned(), EMBEDDING, VOCABULARY),
        ones("output_norm.weight".to_owned()),
    ];
    let mut output = random.matrix("output.weight".to_owned(), EMBEDDING, VOCABULARY);
    output.values[..(FIRST_WORD * EMBEDDING) as usize].fill(0.0);
    tensors.push(output);
    for block in 0..BLOCKS {
        let name = |part: &str| format!("blk.{block}.{part}.weight");
        tensors.extend([ones(name("attn_norm")), ones(name("ffn_norm"))]);
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            tensors.push(random.matrix(name(part), EMBEDDING, EMBEDDING));
        }
        for part in ["ffn_gate", "ffn_up"] {
            tensors.push(random.matrix(name(part), EMBEDDING, FEED_FORWARD));
        }
        tensors.push(random.matrix(name("ffn_down"), FEED_FORWARD, EMBEDDING));
    }
    tensors
}

/// xorshift64*: weights need no better randomness, but the same in every run.
struct Random(u64);

impl Random {
    fn matrix(&mut self, name: String, row: u32, rows: u32) -> Tensor {
        let scale = 1.0 / (row as f32).sqrt();
        let values = (0..row * rows).map(|_| self.next() * scale).collect();
        Tensor { name, shape: vec![row, rows], values }
    }

    /// Evenly from -1 to 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1_u32 << 23) as f32 - 1.0
    }
}

impl Value {
    fn type_id(&self) -> u32 {
        match self {
            Value::U32(_) => 4,
            Value::F32(_) => 6,
            Value::Text(_) => 8,
            Value::Texts(_) | Value::F32s(_) | Value::I32s(_) => 9,
        }
    }
}

/// Bytes in GGUF's order: the smallest first.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::U32(number) => self.u32(*number),
            Value::F32(number) => self.0.extend(number.to_le_bytes()),
            Value::Text(text) => self.text(text),
            Value::Texts(texts) => {
                self.array(8, texts.len());
                texts.iter().for_each(|text| self.text(text));
            }
            Value::F32s(numbers) => {
                self.array(6, numbers.len());
                numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
            }
            Value::I32s(numbers) => {
                self.array(5, numbers.len());
                numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
            }
        }
    }

    fn array(&mut self, type_id: u32, length: usize) {
        self.u32(type_id);
        self.u64(length as u64);
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use indwell::{Engine, Event, FinishReason};

    use super::*;

    #[test]
    fn every_token_is_an_event_and_no_answer_ends_early() {
        let mut file = tempfile::Builder::new().suffix(".gguf").tempfile().expect("a file");
        write(&mut file).expect("written");
        let engine = Engine::builder(file.path()).context_tokens(512).threads(1);
        let engine = engine.response_cache_bytes(0).build();
        let engine = engine.expect("a model that loads");
        let stream = engine.complete("1 2 3").max_tokens(200).stream().expect("accepted");
        let mut events: Vec<Event> = stream.into_iter().collect();
        let Some(Event::Finished(finished)) = events.pop() else { panic!("{events:?}") };
        assert_eq!(finished.reason, FinishReason::Length);
        assert_eq!((finished.usage.completion_tokens, events.len()), (200, 200));
    }
}
