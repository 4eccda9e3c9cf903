//! The vocabulary: arrays that fit each other, and nothing on which llama.cpp's tokenizers throw
//! or assert, at load or at any text later.

use std::borrow::Cow;
use std::collections::HashSet;

use super::metadata::Metadata;
use super::value::{Texts, Value, ValueType};
use super::{GgufError, charsmap};

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
/// What the names of chat templates begin with.
const TEMPLATES: &str = "tokenizer.chat_template";

/// `LLAMA_TOKEN_TYPE_BYTE`.
const BYTE_TYPE: i128 = 6;

/// The bytes of `<0x`.
const BYTE_PREFIX: usize = 3;

/// The tokenizers that llama.cpp has, with what must be there for each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tokenizer {
    /// SentencePiece's byte pairs: what is no token is spelled in tokens of bytes.
    Spm,
    /// Byte pairs with a list of merges.
    Bpe,
    /// BERT's word pieces.
    Wpm,
    /// SentencePiece's unigrams.
    Ugm,
    /// RWKV's longest matches, of tokens with escapes.
    Rwkv,
    /// Others, which need nothing more.
    Other,
}

/// Checks the tokenizer.
pub(super) fn check(metadata: &Metadata) -> Result<(), GgufError> {
    let tokenizer = tokenizer(metadata)?;
    let value = required(metadata, TOKENS, "is the vocabulary")?;
    let tokens = value.as_texts().filter(|tokens| !tokens.is_empty());
    let tokens = tokens.ok_or_else(|| GgufError::key(TOKENS, value, "an array of texts"))?;
    if i32::try_from(tokens.len()).is_err() {
        return Err(GgufError::key(TOKENS, tokens.len(), format!("at most {}", i32::MAX)));
    }
    let names = check_distinct(tokens)?;
    check_parallel(metadata, SCORES, &[ValueType::F32, ValueType::I32], tokens.len())?;
    check_parallel(metadata, TYPES, &[ValueType::I32], tokens.len())?;
    check_bytes(metadata, tokenizer, tokens)?;
    match tokenizer {
        Tokenizer::Spm => check_spelling(&names)?,
        Tokenizer::Bpe => check_merges(metadata)?,
        Tokenizer::Ugm => {
            if let Some(value) = metadata.get(CHARSMAP) {
                charsmap::check(CHARSMAP, value)?;
            }
        }
        Tokenizer::Rwkv => check_beginnings(tokens)?,
        Tokenizer::Wpm | Tokenizer::Other => {}
    }
    check_templates(metadata)
}

fn required<'file>(
    metadata: &'file Metadata,
    key: &str,
    purpose: &'static str,
) -> Result<&'file Value, GgufError> {
    metadata.get(key).ok_or_else(|| GgufError::Missing { key: key.to_owned(), purpose })
}

fn tokenizer(metadata: &Metadata) -> Result<Tokenizer, GgufError> {
    let value = required(metadata, MODEL, "says how text becomes tokens")?;
    Ok(match value.as_text() {
        Some("llama") => Tokenizer::Spm,
        Some("gpt2" | "hybriddna" | "whitespace" | "gemma4") => Tokenizer::Bpe,
        Some("bert") => Tokenizer::Wpm,
        Some("t5") => Tokenizer::Ugm,
        Some("rwkv") => Tokenizer::Rwkv,
        Some("plamo2") => Tokenizer::Other,
        // Without a vocabulary every call that asks for one asserts; the third is llama.cpp's own
        // for tests, and has no texts of its tokens.
        Some("no_vocab" | "none" | "test") | None => {
            return Err(GgufError::key(MODEL, value, "the name of a tokenizer with a vocabulary"));
        }
        // llama.cpp says that it does not know it.
        Some(_) => Tokenizer::Other,
    })
}

/// The tokens' names as llama.cpp has them, which asserts that they differ
/// (`id_to_token.size() == token_to_id.size()`).
fn check_distinct(tokens: &Texts) -> Result<HashSet<Cow<'_, [u8]>>, GgufError> {
    let mut names = HashSet::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        // It takes them as C strings, and names those that are empty.
        let end = token.iter().position(|&byte| byte == 0).unwrap_or(token.len());
        let name = match &token[..end] {
            [] => Cow::Owned(format!("[EMPTY_{at}]").into_bytes()),
            name => Cow::Borrowed(name),
        };
        if let Some(name) = names.replace(name) {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(GgufError::Duplicate { what: "the token", name });
        }
    }
    Ok(names)
}

/// Checks that `key`, if it is there, has a value for each token.
fn check_parallel(
    metadata: &Metadata,
    key: &str,
    kinds: &[ValueType],
    tokens: usize,
) -> Result<(), GgufError> {
    let Some(value) = metadata.get(key) else { return Ok(()) };
    let numbers = value.as_numbers().filter(|numbers| kinds.contains(&numbers.kind()));
    if numbers.is_some_and(|numbers| numbers.len() >= tokens) {
        return Ok(());
    }
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let limit = format!("an array of {tokens} {}, one for each token", kinds.join(" or "));
    Err(GgufError::key(key, value, limit))
}

/// Tokens that stand for a byte say which behind their first three characters, as in `<0x0A>`:
/// `token_to_byte` throws for shorter ones, and aborts for all word pieces.
fn check_bytes(metadata: &Metadata, tokenizer: Tokenizer, tokens: &Texts) -> Result<(), GgufError> {
    let types = metadata.get(TYPES).and_then(Value::as_numbers);
    let asks = !matches!(tokenizer, Tokenizer::Rwkv | Tokenizer::Other);
    let Some(types) = types.filter(|_| asks) else { return Ok(()) };
    for (token, kind) in tokens.iter().zip(types.wholes()) {
        let is_byte = kind == Some(BYTE_TYPE);
        if is_byte && (tokenizer == Tokenizer::Wpm || token.len() < BYTE_PREFIX) {
            let shown = super::error::shown(&String::from_utf8_lossy(token));
            let value = format!("{BYTE_TYPE} (a byte) for the token {shown}");
            return Err(GgufError::key(TYPES, value, "that for tokens such as <0x0A> alone"));
        }
    }
    Ok(())
}

/// Every byte must have a token: `byte_to_token` throws for one that has none, at the first text
/// with a character that is no token.
fn check_spelling(names: &HashSet<Cow<'_, [u8]>>) -> Result<(), GgufError> {
    for byte in 0..=u8::MAX {
        let named = format!("<0x{byte:02X}>");
        // The byte itself will do, as a C string.
        let itself: &[u8] = if byte == 0 { &[] } else { &[byte] };
        if !names.contains(named.as_bytes()) && !names.contains(itself) {
            let value = format!("without {named}");
            return Err(GgufError::key(TOKENS, value, "a vocabulary with a token for every byte"));
        }
    }
    Ok(())
}

/// A byte with which a token begins must be a token: where nothing that begins so matches, the
/// tokenizer begins the text again, and again, until the memory is full.
fn check_beginnings(tokens: &Texts) -> Result<(), GgufError> {
    let alone: HashSet<u8> =
        tokens.iter().filter_map(beginning).filter(|first| first.is_all).map(|f| f.byte).collect();
    for first in tokens.iter().filter_map(beginning) {
        if !alone.contains(&first.byte) {
            let value = format!("without the byte {:#04x}, with which tokens begin", first.byte);
            return Err(GgufError::key(
                TOKENS,
                value,
                "a vocabulary with a token for each of these",
            ));
        }
    }
    Ok(())
}

/// The first byte of a token, and whether it is all of it.
struct Beginning {
    byte: u8,
    is_all: bool,
}

/// How a token begins, after its escapes (`llama_unescape_rwkv_token`).
fn beginning(token: &[u8]) -> Option<Beginning> {
    let (byte, length) = match *token {
        [b'\\', b'x', high, low, ..] => {
            let digit = |c: u8| if c >= b'a' { c - b'a' + 10 } else { c.wrapping_sub(b'0') };
            ((digit(high) << 4).wrapping_add(digit(low)), 4)
        }
        [b'\\', b'x', ..] | [b'\\'] | [] => return None,
        [b'\\', b't', ..] => (b'\t', 2),
        [b'\\', b'n', ..] => (b'\n', 2),
        [b'\\', b'r', ..] => (b'\r', 2),
        [b'\\', byte, ..] => (byte, 2),
        [byte, ..] => (byte, 1),
    };
    Some(Beginning { byte, is_all: token.len() == length })
}

fn check_merges(metadata: &Metadata) -> Result<(), GgufError> {
    let Some(value) = metadata.get(MERGES) else {
        let pre = metadata.get("tokenizer.ggml.pre").and_then(Value::as_text);
        return match pre {
            Some("kimi-k2") => Ok(()),
            _ => required(metadata, MERGES, "says which tokens are put together").map(|_| ()),
        };
    };
    match value.as_texts() {
        Some(merges) if i32::try_from(merges.len()).is_ok() => Ok(()),
        _ => Err(GgufError::key(MERGES, value, "an array of texts")),
    }
}

fn check_templates(metadata: &Metadata) -> Result<(), GgufError> {
    for (key, value) in metadata.iter().filter(|(key, _)| key.starts_with(TEMPLATES)) {
        // `tokenizer.chat_templates` lists the names of further ones.
        let is_list = key == "tokenizer.chat_templates" && value.as_texts().is_some();
        if value.as_text().is_none() && !is_list {
            return Err(GgufError::key(key, value, "a text in UTF-8"));
        }
    }
    Ok(())
}
