//! Changes to a model's metadata that keep its structure: the file can be read, and says something
//! wrong.

use indwell_llama::gguf::testing::{Draft, DraftPair};
use indwell_llama::gguf::{TensorType, ValueType};

use crate::random::Random;

/// Numbers where mistakes are.
const NUMBERS: [i64; 22] = [
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    8,
    31,
    32,
    63,
    64,
    100,
    255,
    256,
    511,
    1025,
    65_536,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    i64::MAX,
];

/// The same with fractions.
const FRACTIONS: [f32; 9] =
    [0.0, -0.0, 1.0, -1.0, 1e30, -1e-30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Keys of architectures that may be there, whether or not the model at hand has them.
const FURTHER_KEYS: [&str; 46] = [
    "attention.causal",
    "attention.clamp_kqv",
    "attention.group_norm_epsilon",
    "attention.group_norm_groups",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.key_length_mla",
    "attention.key_length_swa",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.max_alibi_bias",
    "attention.scale",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.temperature_length",
    "attention.temperature_scale",
    "attention.value_length",
    "attention.value_length_swa",
    "attn_logit_softcapping",
    "classifier.pooling_type",
    "decoder_block_count",
    "embedding_length_out",
    "embedding_scale",
    "expert_count",
    "expert_feed_forward_length",
    "expert_gating_func",
    "expert_group_count",
    "expert_group_used_count",
    "expert_shared_count",
    "expert_used_count",
    "final_logit_softcapping",
    "interleave_moe_layer_step",
    "leading_dense_block_count",
    "logit_scale",
    "nextn_predict_layers",
    "pooling_type",
    "residual_scale",
    "rope.dimension_count_swa",
    "rope.dimension_sections",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "ssm.inner_size",
    "vocab_size",
];

/// Keys of tokenizers.
const TOKENIZER_KEYS: [&str; 18] = [
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_sep_token",
    "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.precompiled_charsmap",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.suppress_tokens",
    "tokenizer.ggml.token_type_count",
    "tokenizer.ggml.unknown_token_id",
];

/// Architectures that a model may claim to be of.
const ARCHITECTURES: [&str; 30] = [
    "arctic",
    "baichuan",
    "bert",
    "bloom",
    "clip",
    "cohere2",
    "deepseek2",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gpt2",
    "gptneox",
    "granite",
    "grok",
    "jamba",
    "lfm2",
    "llama",
    "llama4",
    "mamba",
    "mamba2",
    "minicpm",
    "mpt",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen3",
    "rwkv6",
    "stablelm",
    "t5",
];

const TOKENIZERS: [&str; 11] = [
    "llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "gemma4", "none", "no_vocab", "test", "other",
];

const PRE_TOKENIZERS: [&str; 9] = [
    "default",
    "llama-bpe",
    "tekken",
    "chameleon",
    "gemma4",
    "kimi-k2",
    "whitespace",
    "smollm",
    "x",
];

/// Texts where mistakes are.
const TEXTS: [&[u8]; 8] =
    [b"", b"\0", b"\xff\xfe", b" ", b"yarn", b"<0x0A>", b"[EMPTY_0]", b"longrope"];

/// Words where there may be other ones.
const WORDS: [&str; 4] = ["yarn", "linear", "x", ""];

/// Changes one thing of `draft`, and says which.
pub(crate) fn edit(draft: &mut Draft, random: &mut Random) -> String {
    match random.below(16) {
        0..=3 => number(draft, random),
        4 => kind(draft, random),
        5 | 6 => array(draft, random),
        7 => text(draft, random),
        8 => presence(draft, random),
        9 | 10 => further(draft, random),
        11 => claim(draft, random),
        12 => tokenizer(draft, random),
        13 => header(draft, random),
        _ => tensor(draft, random),
    }
}

/// Gives every tensor the place that its type and shape ask for.
pub(crate) fn lay_out(draft: &mut Draft) {
    let mut offset = 0_u64;
    for tensor in &mut draft.tensors {
        tensor.offset = offset;
        let weights = tensor.dimensions.iter().try_fold(1_u64, |all, &by| all.checked_mul(by));
        let bytes = TensorType::of(tensor.kind).zip(weights).map_or(0, |(kind, weights)| {
            (weights / kind.block()).saturating_mul(kind.block_bytes())
        });
        // What is larger than any model is refused before the place matters.
        offset = offset.saturating_add(bytes.min(1 << 32).next_multiple_of(draft.alignment));
    }
    draft.data_bytes = offset.min(1 << 30);
}

fn name(pair: &DraftPair) -> String {
    String::from_utf8_lossy(&pair.key).chars().take(60).collect()
}

fn architecture(draft: &mut Draft) -> String {
    let pair = draft.pair("general.architecture");
    pair.map(|pair| String::from_utf8_lossy(pair.value.get(8..).unwrap_or_default()).into_owned())
        .unwrap_or_default()
}

/// One of the pairs with a number.
fn number(draft: &mut Draft, random: &mut Random) -> String {
    let is_number =
        |pair: &&mut DraftPair| ValueType::of(pair.kind).is_some_and(|kind| kind.bytes().is_some());
    let mut pairs: Vec<&mut DraftPair> = draft.pairs.iter_mut().filter(is_number).collect();
    if pairs.is_empty() {
        return "no numbers".to_owned();
    }
    let at = random.below(pairs.len());
    let pair = &mut pairs[at];
    set_number(&mut pair.value, ValueType::of(pair.kind).expect("filtered"), random);
    format!("{} = {:?}", name(pair), pair.value)
}

/// Sets the bytes of a number to one where mistakes are, or next to what it was.
fn set_number(bytes: &mut [u8], kind: ValueType, random: &mut Random) {
    if kind == ValueType::F32 {
        let fraction = random.pick(&FRACTIONS).to_le_bytes();
        bytes.copy_from_slice(&fraction);
        return;
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let was = i64::from_le_bytes(wide);
    let now = match random.below(4) {
        0 => was.wrapping_add(*random.pick(&[1, -1, 2, -2])),
        1 => was.wrapping_mul(2),
        _ => *random.pick(&NUMBERS),
    };
    bytes.copy_from_slice(&now.to_le_bytes()[..bytes.len()]);
}

/// The type of a value, with or without the value in its form.
fn kind(draft: &mut Draft, random: &mut Random) -> String {
    let at = random.below(draft.pairs.len());
    let pair = &mut draft.pairs[at];
    let code = u32::try_from(random.below(14)).expect("small");
    let was = pair.kind;
    pair.kind = code;
    match ValueType::of(code) {
        Some(ValueType::Text) => pair.value = [&3_u64.to_le_bytes()[..], b"abc"].concat(),
        Some(ValueType::Array) => {
            let inner = u32::try_from(random.below(13)).expect("small");
            let width = ValueType::of(inner).and_then(ValueType::bytes).unwrap_or(8);
            pair.value = [&inner.to_le_bytes()[..], &4_u64.to_le_bytes()].concat();
            pair.value.resize(12 + 4 * width, 0);
        }
        Some(kind) => pair.value.resize(kind.bytes().unwrap_or(1), 0),
        None => {}
    }
    format!("{} of type {code}, was {was}", name(pair))
}

/// An element of an array, or how many there are.
fn array(draft: &mut Draft, random: &mut Random) -> String {
    let is_array = |pair: &&mut DraftPair| pair.kind == ValueType::Array.code();
    let mut pairs: Vec<&mut DraftPair> = draft.pairs.iter_mut().filter(is_array).collect();
    if pairs.is_empty() {
        return "no arrays".to_owned();
    }
    let at = random.below(pairs.len());
    let pair = &mut pairs[at];
    let what = match elements(&pair.value) {
        Some(Elements { kind, width: Some(width), count }) if count > 0 => {
            numbers(pair, kind, width, count, random)
        }
        Some(Elements { width: None, .. }) => texts(pair, random),
        _ => "left as it is".to_owned(),
    };
    format!("{}: {what}", name(pair))
}

struct Elements {
    kind: ValueType,
    /// `None` for texts.
    width: Option<usize>,
    count: usize,
}

fn elements(value: &[u8]) -> Option<Elements> {
    let kind = ValueType::of(u32::from_le_bytes(value.get(..4)?.try_into().ok()?))?;
    let count = u64::from_le_bytes(value.get(4..12)?.try_into().ok()?);
    let count = usize::try_from(count).ok()?;
    let width = kind.bytes();
    let is_whole = match width {
        Some(width) => value.len() == 12 + width * count,
        None => kind == ValueType::Text,
    };
    is_whole.then_some(Elements { kind, width, count })
}

fn numbers(
    pair: &mut DraftPair,
    kind: ValueType,
    width: usize,
    count: usize,
    random: &mut Random,
) -> String {
    match random.below(4) {
        0 => {
            let kept = *random.pick(&[0, 1, count / 2, count - 1]);
            pair.value.truncate(12 + kept * width);
            pair.value[4..12].copy_from_slice(&(kept as u64).to_le_bytes());
            format!("{kept} of {count} kept")
        }
        1 => {
            pair.value.extend(std::iter::repeat_n(0, width));
            pair.value[4..12].copy_from_slice(&(count as u64 + 1).to_le_bytes());
            "one more".to_owned()
        }
        _ => {
            let element = random.below(count);
            let start = 12 + element * width;
            set_number(&mut pair.value[start..start + width], kind, random);
            format!("number {element} changed")
        }
    }
}

/// An array of texts, taken apart and put together.
fn texts(pair: &mut DraftPair, random: &mut Random) -> String {
    let Some(mut texts) = split_texts(&pair.value) else { return "left as it is".to_owned() };
    if texts.is_empty() {
        return "empty already".to_owned();
    }
    let (one, other) = (random.below(texts.len()), random.below(texts.len()));
    let what = match random.below(7) {
        0 => {
            texts.swap(one, other);
            format!("{one} and {other} swapped")
        }
        1 => {
            texts[one] = texts[other].clone();
            format!("{one} is {other}")
        }
        2 => {
            texts[one] = random.pick(&TEXTS).to_vec();
            format!("{one} is odd")
        }
        3 => {
            texts[one] = vec![b'x'; 1 << 16];
            format!("{one} is long")
        }
        4 => {
            texts.remove(one);
            format!("{one} removed")
        }
        5 => {
            texts.push(b"one more".to_vec());
            "one more".to_owned()
        }
        _ => {
            texts[one].push(*random.pick(b"\0 \xffa\n"));
            format!("{one} with one more byte")
        }
    };
    let mut value = pair.value[..4].to_vec();
    value.extend_from_slice(&(texts.len() as u64).to_le_bytes());
    for text in &texts {
        value.extend_from_slice(&(text.len() as u64).to_le_bytes());
        value.extend_from_slice(text);
    }
    pair.value = value;
    what
}

fn split_texts(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let count = u64::from_le_bytes(value.get(4..12)?.try_into().ok()?);
    let mut rest = value.get(12..)?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        texts.push(behind.get(..length)?.to_vec());
        rest = &behind[length..];
    }
    Some(texts)
}

/// One of the pairs with a text.
fn text(draft: &mut Draft, random: &mut Random) -> String {
    let is_text = |pair: &&mut DraftPair| pair.kind == ValueType::Text.code();
    let mut pairs: Vec<&mut DraftPair> = draft.pairs.iter_mut().filter(is_text).collect();
    if pairs.is_empty() {
        return "no texts".to_owned();
    }
    let at = random.below(pairs.len());
    let pair = &mut pairs[at];
    let text = random.pick(&TEXTS);
    pair.value = [&(text.len() as u64).to_le_bytes()[..], text].concat();
    format!("{} = {text:?}", name(pair))
}

/// Pairs that are not there, are there twice, or have another's name.
fn presence(draft: &mut Draft, random: &mut Random) -> String {
    let (one, other) = (random.below(draft.pairs.len()), random.below(draft.pairs.len()));
    let named = name(&draft.pairs[one]);
    match random.below(4) {
        0 => {
            let pair = draft.pairs[one].clone();
            draft.pairs.push(pair);
            format!("{named} twice")
        }
        1 => {
            let key = draft.pairs[other].key.clone();
            draft.pairs[other].key = std::mem::replace(&mut draft.pairs[one].key, key);
            format!("{named} and pair {other} with each other's names")
        }
        _ => {
            draft.pairs.remove(one);
            format!("no {named}")
        }
    }
}

/// A key that the model has not, or another value for one that it has.
fn further(draft: &mut Draft, random: &mut Random) -> String {
    let key = if random.once_in(3) {
        (*random.pick(&TOKENIZER_KEYS)).to_owned()
    } else {
        format!("{}.{}", architecture(draft), random.pick(&FURTHER_KEYS))
    };
    let number = *random.pick(&NUMBERS);
    let low = number as u32;
    match random.below(8) {
        0 => draft.set_f32(&key, *random.pick(&FRACTIONS)),
        1 => draft.set(&key, ValueType::Bool, vec![u8::from(random.once_in(2))]),
        2 => {
            let word: &&str = random.pick(&WORDS);
            draft.set_text(&key, word);
        }
        3 => draft.set_numbers(&key, ValueType::I32, &[low; 5]),
        4 => draft.set_numbers(&key, ValueType::U32, &[low, 1, 0, 0]),
        _ => draft.set_u32(&key, low),
    }
    let value = draft.pair(&key).map(|pair| (pair.kind, pair.value.clone()));
    format!("{key} = {value:?}")
}

/// Another architecture, with the model's keys renamed to its own.
fn claim(draft: &mut Draft, random: &mut Random) -> String {
    let (was, now) = (architecture(draft), *random.pick(&ARCHITECTURES));
    draft.set_text("general.architecture", now);
    let prefix = format!("{was}.");
    for pair in &mut draft.pairs {
        if let Some(rest) = pair.key.strip_prefix(prefix.as_bytes()) {
            pair.key = [now.as_bytes(), b".", rest].concat();
        }
    }
    format!("as {now}")
}

fn tokenizer(draft: &mut Draft, random: &mut Random) -> String {
    if random.once_in(3) {
        let pre = *random.pick(&PRE_TOKENIZERS);
        draft.set_text("tokenizer.ggml.pre", pre);
        return format!("split as {pre}");
    }
    let model = *random.pick(&TOKENIZERS);
    draft.set_text("tokenizer.ggml.model", model);
    format!("tokenized as {model}")
}

fn header(draft: &mut Draft, random: &mut Random) -> String {
    let number = *random.pick(&NUMBERS);
    match random.below(4) {
        0 => draft.version = number as u32,
        1 => draft.pair_count = Some(number as u64),
        2 => draft.tensor_count = Some(number as u64),
        _ => draft.set_u32("general.alignment", number as u32),
    }
    format!("{number} in the header")
}

/// A tensor's name, shape, type or place.
fn tensor(draft: &mut Draft, random: &mut Random) -> String {
    if draft.tensors.is_empty() {
        return "no tensors".to_owned();
    }
    let (one, other) = (random.below(draft.tensors.len()), random.below(draft.tensors.len()));
    let other_name = draft.tensors[other].name.clone();
    let tensor = &mut draft.tensors[one];
    let named = String::from_utf8_lossy(&tensor.name).into_owned();
    let what = match random.below(9) {
        0 | 1 => {
            let axis = random.below(tensor.dimensions.len().max(1));
            if let Some(dimension) = tensor.dimensions.get_mut(axis) {
                let was = i64::from_le_bytes(dimension.to_le_bytes());
                let near = was.wrapping_add(*random.pick(&[1, -1, 32, -32]));
                let now = if random.once_in(2) { near } else { *random.pick(&NUMBERS) };
                *dimension = now as u64;
            }
            format!("dimensions {:?}", tensor.dimensions)
        }
        2 => {
            tensor.dimensions.reverse();
            format!("dimensions {:?}", tensor.dimensions)
        }
        3 => {
            let count = random.below(6);
            tensor.dimensions.resize(count, 1);
            format!("{count} dimensions")
        }
        4 | 5 => {
            tensor.kind = u32::try_from(random.below(45)).expect("small");
            format!("of type {}", tensor.kind)
        }
        6 => {
            tensor.offset = tensor.offset.wrapping_add(*random.pick(&[1, 32, 64, u64::MAX - 31]));
            format!("at {}", tensor.offset)
        }
        7 => {
            let mine = std::mem::replace(&mut tensor.name, other_name);
            if random.once_in(2) {
                draft.tensors[other].name = mine;
            }
            format!("named as tensor {other}")
        }
        _ => {
            draft.tensors.remove(one);
            "removed".to_owned()
        }
    };
    format!("{named} {what}")
}
