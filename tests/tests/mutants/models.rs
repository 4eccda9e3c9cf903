//! The models that mutants are made of.

use std::path::{Path, PathBuf};

use indwell_llama::gguf::testing::Draft;

/// Where a model lies; `None` where it is not here.
pub(crate) type Open = fn() -> Option<PathBuf>;

/// A model to make mutants of.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) open: Open,
    /// How many mutants the ordinary run makes of it.
    pub(crate) share: u64,
    /// How many there are in all.
    pub(crate) all: u64,
}

/// Each has something that the others have not: SentencePiece, byte pairs and word pieces;
/// quantized weights; a sliding window.
pub(crate) const ALL: [Source; 5] = [
    source("stories260k", || shared("stories260K.gguf"), 120, 2000),
    source("smollm2", || Some(indwell_tests::model()), 60, 1000),
    source("stories15m", || shared("stories15M-f16.gguf"), 60, 1000),
    source("minilm", || shared("all-minilm-l6-v2-f16.gguf"), 60, 1000),
    // A quarter of a million tokens take a second each time.
    source("gemma3", || std::env::var_os("INDWELL_TEST_SWA_MODEL").map(PathBuf::from), 0, 200),
];

const fn source(name: &'static str, open: Open, share: u64, all: u64) -> Source {
    Source { name, open, share, all }
}

fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    Some(folder.join(name)).filter(|path| path.is_file())
}

/// A model taken apart.
pub(crate) struct Base {
    /// What it holds.
    pub(crate) draft: Draft,
    /// Its beginning as it is in the file, up to the data.
    pub(crate) head: Vec<u8>,
    /// Its data, in memory once.
    pub(crate) data: Vec<u8>,
    /// Whether it generates text.
    pub(crate) generates: bool,
}

impl Base {
    /// Reads the model at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut head = std::fs::read(path)?;
        let draft = Draft::of(&head)?;
        let data = head.split_off(draft.head().len());
        let generates = !path.to_string_lossy().contains("minilm");
        Ok(Self { draft, head, data, generates })
    }
}
