//! An answer as bytes: a checksum, then its fields as postcard writes them.
//!
//! It knows neither tables nor files. The checksum covers the key too, so an answer that came
//! under another key is damage, as are fields that do not decode and bytes that are left over.
//! The fields' order and types are the format: whoever changes them raises
//! [`FORMAT`](super::store::FORMAT).

use std::borrow::Cow;

use indwell_kernel::{FinishReason, Namespace, ResponseKey, SemanticSpace};
use serde::{Deserialize, Serialize};

use crate::responses::answer::{SemanticNote, StoredAnswer};
use crate::{PromptLogprob, TokenLogprob, TopLogprob};

/// Keeps these digests apart from every other use of blake3.
const CONTEXT: &str = "indwell 2026-11 response store record";

const CHECKSUM_BYTES: usize = 16;

/// What can be said of an answer without reading all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Answers written later have a greater one.
    pub(super) order: u64,
    /// When it is stale: milliseconds since the Unix epoch.
    pub(super) expires_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    head: Head,
    namespace: [u8; 32],
    reason: Reason,
    completion_tokens: u32,
    #[serde(borrow)]
    text: Cow<'a, str>,
    /// Each with the likeliest in its place.
    logprobs: Vec<PlainLogprob>,
    prompt_logprobs: Vec<PlainPromptLogprob>,
    note: Option<Note<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Note<'a> {
    space: [u8; 32],
    #[serde(borrow)]
    text: Cow<'a, str>,
    vector: Cow<'a, [f32]>,
}

#[derive(Serialize, Deserialize)]
enum Reason {
    Stop,
    Length,
}

/// Writes an answer down.
pub(super) fn encode(key: ResponseKey, order: u64, answer: &StoredAnswer) -> Vec<u8> {
    let record = Record {
        head: Head { order, expires_ms: answer.expires_ms },
        namespace: *answer.namespace.as_bytes(),
        reason: match answer.reason {
            FinishReason::Stop => Reason::Stop,
            FinishReason::Length => Reason::Length,
        },
        completion_tokens: answer.completion_tokens,
        text: Cow::Borrowed(&*answer.text),
        logprobs: answer.logprobs.iter().map(plain).collect(),
        prompt_logprobs: answer.prompt_logprobs.iter().map(plain_of_prompt).collect(),
        note: answer.semantic.as_deref().map(|note| Note {
            space: *note.space.as_bytes(),
            text: Cow::Borrowed(&*note.text),
            vector: Cow::Borrowed(&*note.vector),
        }),
    };
    let mut bytes = postcard::to_extend(&record, vec![0; CHECKSUM_BYTES])
        .expect("a vector grows, and no field is of a kind that postcard lacks");
    let checksum = checksum(key, &bytes[CHECKSUM_BYTES..]);
    bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum);
    bytes
}

/// Checks an answer's bytes and reads its head; `None` if they are damaged.
pub(super) fn check(key: ResponseKey, bytes: &[u8]) -> Option<Head> {
    let (head, _) = postcard::take_from_bytes(payload(key, bytes)?).ok()?;
    Some(head)
}

/// Reads an answer; `None` if its bytes are damaged.
pub(super) fn decode(key: ResponseKey, bytes: &[u8]) -> Option<StoredAnswer> {
    let (record, rest): (Record<'_>, _) = postcard::take_from_bytes(payload(key, bytes)?).ok()?;
    if !rest.is_empty() {
        return None;
    }
    Some(StoredAnswer {
        text: record.text.into(),
        logprobs: record.logprobs.into_iter().map(of_plain).collect(),
        prompt_logprobs: record.prompt_logprobs.into_iter().map(prompt_of_plain).collect(),
        reason: match record.reason {
            Reason::Stop => FinishReason::Stop,
            Reason::Length => FinishReason::Length,
        },
        completion_tokens: record.completion_tokens,
        namespace: Namespace::from_bytes(record.namespace),
        expires_ms: record.head.expires_ms,
        semantic: record.note.map(|note| {
            Box::new(SemanticNote {
                space: SemanticSpace::from_bytes(note.space),
                text: note.text.into(),
                vector: note.vector.into(),
            })
        }),
    })
}

type PlainTop = Vec<(i32, f32)>;
type PlainLogprob = (i32, f32, PlainTop);
type PlainPromptLogprob = (i32, Option<f32>, PlainTop);

fn plain(of: &TokenLogprob) -> PlainLogprob {
    (of.token, of.logprob, plain_top(&of.top))
}

fn of_plain((token, logprob, top): PlainLogprob) -> TokenLogprob {
    TokenLogprob { token, logprob, top: top_of_plain(top) }
}

fn plain_of_prompt(of: &PromptLogprob) -> PlainPromptLogprob {
    (of.token, of.logprob, plain_top(&of.top))
}

fn prompt_of_plain((token, logprob, top): PlainPromptLogprob) -> PromptLogprob {
    PromptLogprob { token, logprob, top: top_of_plain(top) }
}

fn plain_top(top: &[TopLogprob]) -> PlainTop {
    top.iter().map(|one| (one.token, one.logprob)).collect()
}

fn top_of_plain(top: PlainTop) -> Box<[TopLogprob]> {
    top.into_iter().map(|(token, logprob)| TopLogprob { token, logprob }).collect()
}

fn payload(key: ResponseKey, bytes: &[u8]) -> Option<&[u8]> {
    let (written, payload) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
    (*written == checksum(key, payload)).then_some(payload)
}

fn checksum(key: ResponseKey, payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(key.as_bytes()).update(payload);
    let mut checksum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}
