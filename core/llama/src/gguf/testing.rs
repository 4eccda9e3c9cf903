//! Model files taken apart and put together, right or wrong: for tests, of this crate and others.
//!
//! A [`Draft`] holds what a file holds in the order in which it is there, so that a test changes
//! one thing and leaves the rest. It checks nothing.

use super::{Gguf, ReadError, TensorType, Value, ValueType};

/// A key with its value, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPair {
    /// The key.
    pub key: Vec<u8>,
    /// The number of the value's type.
    pub kind: u32,
    /// What follows the type in the file.
    pub value: Vec<u8>,
}

/// A tensor's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftTensor {
    /// Its name.
    pub name: Vec<u8>,
    /// Its dimensions.
    pub dimensions: Vec<u64>,
    /// The number of its type.
    pub kind: u32,
    /// Where its data begin, from the beginning of all data.
    pub offset: u64,
}

/// What a file holds before its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The first four bytes.
    pub magic: [u8; 4],
    /// The version.
    pub version: u32,
    /// The number of tensors, if it is not that of [`Self::tensors`].
    pub tensor_count: Option<u64>,
    /// The number of keys, if it is not that of [`Self::pairs`].
    pub pair_count: Option<u64>,
    /// The keys.
    pub pairs: Vec<DraftPair>,
    /// The tensors.
    pub tensors: Vec<DraftTensor>,
    /// To what multiple the data begin.
    pub alignment: u64,
    /// How many bytes of data there are.
    pub data_bytes: u64,
}

impl Draft {
    /// Takes a whole model apart; its data stay where they are.
    ///
    /// # Errors
    /// As [`Gguf::read`].
    pub fn of(file: &[u8]) -> Result<Self, ReadError> {
        let (metadata, tensors) = Gguf::read(file, file.len() as u64)?;
        let mut draft = Self::empty();
        for (key, value) in metadata.iter() {
            draft.pairs.push(DraftPair {
                key: key.as_bytes().to_vec(),
                kind: value.kind().code(),
                value: encoded(value),
            });
        }
        for tensor in &tensors {
            draft.tensors.push(DraftTensor {
                name: tensor.name.clone().into_bytes(),
                dimensions: tensor.dimensions[..tensor.dimension_count as usize].to_vec(),
                kind: tensor.kind.code(),
                offset: tensor.offset,
            });
        }
        let alignment = metadata.get("general.alignment").and_then(Value::as_u64);
        draft.alignment = alignment.unwrap_or(draft.alignment);
        draft.data_bytes = file.len() as u64 - draft.head().len() as u64;
        Ok(draft)
    }

    /// A file of version 3 with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            pair_count: None,
            pairs: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
            data_bytes: 0,
        }
    }

    /// A small model whole in all that is checked: two layers, 260 tokens, and zeros as weights.
    #[must_use]
    pub fn small() -> Self {
        let mut draft = Self::empty();
        draft.set_text("general.architecture", "llama");
        for (key, value) in [
            ("llama.block_count", 2),
            ("llama.context_length", 128),
            ("llama.embedding_length", 64),
            ("llama.feed_forward_length", 64),
            ("llama.attention.head_count", 4),
            ("llama.attention.head_count_kv", 2),
            ("llama.rope.dimension_count", 16),
        ] {
            draft.set_u32(key, value);
        }
        draft.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
        draft.set_text("tokenizer.ggml.model", "llama");
        let words = ["<unk>", "<s>", "</s>", "a"].map(String::from);
        let bytes = (0..=255_u8).map(|byte| format!("<0x{byte:02X}>"));
        let tokens: Vec<String> = words.into_iter().chain(bytes).collect();
        let kinds: Vec<u32> = (0..tokens.len() as u32)
            .map(|at| match at {
                0 => 2,
                1 | 2 => 3,
                3 => 1,
                _ => 6,
            })
            .collect();
        draft.set_texts("tokenizer.ggml.tokens", &tokens);
        let zeros = vec![0; tokens.len()];
        draft.set_numbers("tokenizer.ggml.scores", ValueType::F32, &zeros);
        draft.set_numbers("tokenizer.ggml.token_type", ValueType::I32, &kinds);
        draft.add_tensor("token_embd.weight", &[64, tokens.len() as u64], TensorType::F32);
        draft.add_tensor("output_norm.weight", &[64], TensorType::F32);
        for layer in 0..2 {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            for part in ["attn_norm", "ffn_norm"] {
                draft.add_tensor(&name(part), &[64], TensorType::F32);
            }
            for part in ["attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
                draft.add_tensor(&name(part), &[64, 64], TensorType::F32);
            }
            for part in ["attn_k", "attn_v"] {
                draft.add_tensor(&name(part), &[64, 32], TensorType::F32);
            }
        }
        draft
    }

    /// The pair with `key`.
    pub fn pair(&mut self, key: &str) -> Option<&mut DraftPair> {
        self.pairs.iter_mut().find(|pair| pair.key == key.as_bytes())
    }

    /// Sets a pair, in its place if the key is there.
    pub fn set(&mut self, key: &str, kind: ValueType, value: Vec<u8>) {
        let pair = DraftPair { key: key.as_bytes().to_vec(), kind: kind.code(), value };
        match self.pair(key) {
            Some(place) => *place = pair,
            None => self.pairs.push(pair),
        }
    }

    /// Sets a number of type u32.
    pub fn set_u32(&mut self, key: &str, value: u32) {
        self.set(key, ValueType::U32, value.to_le_bytes().to_vec());
    }

    /// Sets a number of type f32.
    pub fn set_f32(&mut self, key: &str, value: f32) {
        self.set(key, ValueType::F32, value.to_le_bytes().to_vec());
    }

    /// Sets a text.
    pub fn set_text(&mut self, key: &str, text: &str) {
        self.set(key, ValueType::Text, text_bytes(text.as_bytes()));
    }

    /// Sets an array of texts.
    pub fn set_texts<T: AsRef<[u8]>>(&mut self, key: &str, texts: &[T]) {
        let mut value = array_head(ValueType::Text, texts.len());
        value.extend(texts.iter().flat_map(|text| text_bytes(text.as_ref())));
        self.set(key, ValueType::Array, value);
    }

    /// Sets an array of numbers of four bytes.
    pub fn set_numbers(&mut self, key: &str, kind: ValueType, numbers: &[u32]) {
        let mut value = array_head(kind, numbers.len());
        value.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.set(key, ValueType::Array, value);
    }

    /// Removes a pair.
    pub fn remove(&mut self, key: &str) {
        self.pairs.retain(|pair| pair.key != key.as_bytes());
    }

    /// Adds a tensor behind those that are there, with room for its data.
    pub fn add_tensor(&mut self, name: &str, dimensions: &[u64], kind: TensorType) {
        let weights: u64 = dimensions.iter().product();
        let bytes = weights / kind.block() * kind.block_bytes();
        self.tensors.push(DraftTensor {
            name: name.as_bytes().to_vec(),
            dimensions: dimensions.to_vec(),
            kind: kind.code(),
            offset: self.data_bytes,
        });
        self.data_bytes += bytes.next_multiple_of(self.alignment);
    }

    /// The file without its data: they begin where it ends.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        head.extend_from_slice(&self.magic);
        head.extend_from_slice(&self.version.to_le_bytes());
        let tensor_count = self.tensor_count.unwrap_or(self.tensors.len() as u64);
        head.extend_from_slice(&tensor_count.to_le_bytes());
        let pair_count = self.pair_count.unwrap_or(self.pairs.len() as u64);
        head.extend_from_slice(&pair_count.to_le_bytes());
        for pair in &self.pairs {
            head.extend(text_bytes(&pair.key));
            head.extend_from_slice(&pair.kind.to_le_bytes());
            head.extend_from_slice(&pair.value);
        }
        for tensor in &self.tensors {
            head.extend(text_bytes(&tensor.name));
            head.extend_from_slice(&(tensor.dimensions.len() as u32).to_le_bytes());
            for dimension in &tensor.dimensions {
                head.extend_from_slice(&dimension.to_le_bytes());
            }
            head.extend_from_slice(&tensor.kind.to_le_bytes());
            head.extend_from_slice(&tensor.offset.to_le_bytes());
        }
        let length = (head.len() as u64).next_multiple_of(self.alignment);
        head.resize(usize::try_from(length).expect("a file in memory"), 0);
        head
    }

    /// The file with zeros as its data.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let mut file = self.head();
        let length = file.len() + usize::try_from(self.data_bytes).expect("a file in memory");
        file.resize(length, 0);
        file
    }
}

fn text_bytes(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

fn array_head(kind: ValueType, count: usize) -> Vec<u8> {
    [&kind.code().to_le_bytes()[..], &(count as u64).to_le_bytes()].concat()
}

fn encoded(value: &Value) -> Vec<u8> {
    match value {
        Value::Number(number) => number.as_bytes().to_vec(),
        Value::Text(text) => text_bytes(text),
        Value::Numbers(numbers) => {
            [array_head(numbers.kind(), numbers.len()), numbers.as_bytes().to_vec()].concat()
        }
        Value::Texts(texts) => {
            let mut bytes = array_head(ValueType::Text, texts.len());
            bytes.extend(texts.iter().flat_map(text_bytes));
            bytes
        }
    }
}
