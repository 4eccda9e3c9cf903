//! Models, contexts on them, and texts of any length.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indwell_kernel::{SeqId, Token};
use indwell_llama::{Batch, Context, ContextParams, DecodeError, Model, ModelParams};

/// Two computations of the same logits differ by less than this share of the logits' spread.
/// Where cells lie in the same order they are equal; in another order sums of 16-bit values round
/// otherwise, which quantized weights magnify, since what is multiplied with them is rounded to 8 bits.
/// `the_tolerance_tells_another_prefix` shows what it tells apart.
pub(crate) fn tolerance(model: &Model) -> f32 {
    let quantized = model.size_bytes() < 4 * model.parameters();
    if quantized { 0.1 } else { 0.005 }
}

/// A context and its batch.
pub(crate) struct Run {
    pub(crate) context: Context,
    pub(crate) batch: Batch,
}

pub(crate) fn params() -> ContextParams {
    ContextParams {
        context_tokens: 2048,
        batch_tokens: 512,
        sequences_max: 4,
        residents_max: 8,
        threads: 2,
        flash_attention: None,
    }
}

impl Run {
    pub(crate) fn new(model: &Arc<Model>) -> Self {
        Self::with(model, params())
    }

    pub(crate) fn with(model: &Arc<Model>, params: ContextParams) -> Self {
        let batch = Batch::new(params.batch_tokens as usize);
        Self { context: Context::new(Arc::clone(model), params).expect("a context"), batch }
    }

    /// The id of the resident `index`.
    pub(crate) fn resident(&self, index: u32) -> SeqId {
        SeqId(self.context.params().sequences_max + index)
    }

    /// Computes `tokens` of `seq` from `start` on, in batches; the logits after the last one.
    pub(crate) fn decode(&mut self, seq: SeqId, start: u32, tokens: &[Token]) -> Vec<f32> {
        let mut position = start;
        let size = self.context.params().batch_tokens as usize;
        for chunk in tokens.chunks(size) {
            self.try_decode(seq, position, chunk).expect("computed");
            position += u32::try_from(chunk.len()).expect("short");
        }
        let last = self.batch.len() - 1;
        self.context.logits(&self.batch, last).expect("asked for").to_vec()
    }

    /// One decode call.
    pub(crate) fn try_decode(
        &mut self,
        seq: SeqId,
        start: u32,
        tokens: &[Token],
    ) -> Result<(), DecodeError> {
        self.batch.clear();
        for (position, (at, &token)) in (start..).zip(tokens.iter().enumerate()) {
            let last = at + 1 == tokens.len();
            self.batch.push(seq, position, token, last).expect("it fits");
        }
        self.context.decode(&mut self.batch)
    }

    /// How many cells are used.
    pub(crate) fn used(&self) -> u32 {
        self.context.cells().expect("cells are followed").used()
    }
}

/// The logits after `tokens`, computed by themselves: first `prefix` of them, then the rest, so
/// that the last batch has the shape of the one it is compared with.
pub(crate) fn anew(model: &Arc<Model>, tokens: &[Token], prefix: usize) -> Vec<f32> {
    anew_with(model, params(), tokens, prefix)
}

pub(crate) fn anew_with(
    model: &Arc<Model>,
    params: ContextParams,
    tokens: &[Token],
    prefix: usize,
) -> Vec<f32> {
    let mut run = Run::with(model, params);
    run.decode(SeqId(0), 0, &tokens[..prefix]);
    run.decode(SeqId(0), u32::try_from(prefix).expect("short"), &tokens[prefix..])
}

const WORDS: [&str; 24] = [
    "the", "child", "saw", "a", "small", "bird", "in", "old", "garden", "and", "it", "sang",
    "under", "tree", "while", "mother", "read", "her", "book", "about", "rain", "that", "fell",
    "slowly",
];

/// A text of `length` tokens; another for each `seed`.
pub(crate) fn text(model: &Model, seed: u64, length: usize) -> Vec<Token> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        WORDS[usize::try_from(state >> 40).expect("24 bits") % WORDS.len()]
    };
    let text: String = (0..length).flat_map(|_| [next(), " "]).collect();
    let mut tokens = model.vocabulary().tokenize(&text, true, false);
    assert!(tokens.len() >= length, "a word is a token at least");
    tokens.truncate(length);
    tokens
}

/// The root mean square of two rows' difference, as a share of the first one's spread.
pub(crate) fn difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let count = one.len() as f32;
    let mean = one.iter().sum::<f32>() / count;
    let spread = one.iter().map(|a| (a - mean).powi(2)).sum::<f32>();
    let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    (squares / spread).sqrt()
}

/// Asserts that two rows of logits are of the same tokens.
#[track_caller]
pub(crate) fn assert_same(model: &Model, what: &str, one: &[f32], other: &[f32]) {
    let difference = difference(one, other);
    eprintln!("{what}: logits differ by {difference} of their spread");
    assert!(difference <= tolerance(model), "{what}: {difference}");
}

/// The models there are.
pub(crate) fn models() -> Vec<Arc<Model>> {
    paths().iter().map(|path| load(path)).collect()
}

/// Where these lie.
pub(crate) fn paths() -> Vec<PathBuf> {
    [stories_path(), default_path()].into_iter().flatten().collect()
}

/// The smallest model.
pub(crate) fn stories() -> Option<Arc<Model>> {
    stories_path().map(|path| load(&path))
}

pub(crate) fn stories_path() -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/stories260K.gguf");
    found(path, "no folder `shared` with models beside the checkout")
}

pub(crate) fn load(path: &Path) -> Arc<Model> {
    Arc::new(Model::load(path, ModelParams::default(), |_| {}).expect("a model"))
}

fn default_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("INDWELL_TEST_MODEL") {
        return Some(path.into());
    }
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let models = std::fs::read_dir(home.join(".cache/indwell/models")).into_iter().flatten();
    let path = models.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("smollm2-135m-") && name.len() == "smollm2-135m-.gguf".len() + 12
        })
    });
    found(path.unwrap_or_default(), "the default model was not fetched")
}

fn found(path: PathBuf, reason: &str) -> Option<PathBuf> {
    let exists = path.is_file();
    if !exists {
        eprintln!("skipped: {reason}");
    }
    exists.then_some(path)
}
