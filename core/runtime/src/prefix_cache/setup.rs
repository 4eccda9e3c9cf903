//! What the prefix cache of an engine can be, found out as the engine starts: the model's memory
//! says where prefixes can be shared, the options how much is kept.

use std::sync::Arc;

use crossbeam_channel::Sender;
use indwell_kernel::{NamespaceBuilder, PrefixConfig, Reuse};
use indwell_llama::{MemoryKind, build_id, residents_possible};

use super::namespace::{base_namespace, digest_identity, file_identity};
use crate::model::ModelFacts;
use crate::options::{EngineConfig, PrefixCacheConfig};
use crate::shared::Command;
use crate::tiers::{DiskConfig, Fingerprint, Tiers, TiersConfig};

/// Prefixes that are resident at once, unless llama.cpp keeps fewer sequences apart. Each costs
/// nothing but its number; past some dozens, what is cached is bounded by its tokens.
pub(crate) const RESIDENTS_MAX: u32 = 128;

/// While anything is computed, this share of the idle tokens stays resident: every row of a batch
/// passes over them (half a millisecond for a thousand, measured with one), and restoring them
/// takes 8 to 16 µs a token, once.
const BESIDE_BATCH_DIVISOR: u32 = 4;

/// But so many may stay in any case: they are the prefixes that small engines use again at once.
const BESIDE_BATCH_TOKENS_MIN: u32 = 1024;

/// The kernel's bounds for a memory of this kind.
pub(crate) fn prefix_config(config: &EngineConfig, kind: MemoryKind) -> PrefixConfig {
    let options = &config.prefix_cache;
    let sequences_max = config.scheduler.sequences_max;
    let residents_max = residents_possible(kind, sequences_max, RESIDENTS_MAX);
    match kind.reuse().filter(|_| options.is_on()) {
        Some(reuse) if residents_max > 0 => PrefixConfig {
            reuse,
            residents_max,
            idle_tokens_max: options.idle_tokens_max,
            idle_tokens_beside_batch_max: beside_batch(options.idle_tokens_max),
            snapshots: reuse == Reuse::AnyPosition && keeps_snapshots(options),
            ..PrefixConfig::OFF
        },
        _ => PrefixConfig::OFF,
    }
}

/// Says in one line what the cache can do on this model.
pub(crate) fn log(config: &EngineConfig, prefix: &PrefixConfig, kind: MemoryKind) {
    let options = &config.prefix_cache;
    if prefix.is_on() {
        tracing::info!(
            resident_tokens = prefix.idle_tokens_max,
            residents = prefix.residents_max,
            host_bytes = if prefix.snapshots { options.host_bytes } else { 0 },
            disk = prefix.snapshots && options.disk.is_some(),
            "{}",
            kind.describe()
        );
    } else if options.is_on() {
        let sequences_max = config.scheduler.sequences_max;
        tracing::info!(sequences_max, "the prefix cache is off: {}", kind.describe());
    }
}

/// What a model is known by, to whatever keeps what it computed.
#[derive(Debug)]
pub(crate) struct Identity {
    bytes: Vec<u8>,
    /// Whether it is a digest of the whole file, as files that outlive the process need.
    is_lasting: bool,
}

impl Identity {
    /// Finds it out. Where anything is to outlive the process, `digest` gives the digest of the whole
    /// file.
    pub(crate) fn of(
        config: &EngineConfig,
        model: &ModelFacts,
        digest: impl FnOnce() -> std::io::Result<[u8; 32]>,
    ) -> Self {
        let responses = config.response_cache.as_ref().and_then(|cache| cache.dir.as_ref());
        let outlives = config.prefix_cache.disk.is_some() || responses.is_some();
        let digest = outlives.then(digest).transpose();
        let digest = digest.unwrap_or_else(|error| {
            tracing::warn!(%error, "nothing is kept on disk: the model's file could not be read");
            None
        });
        Self {
            bytes: digest.map_or_else(|| file_identity(model), digest_identity),
            is_lasting: digest.is_some(),
        }
    }

    /// Whether it is the same for the same model in another process.
    pub(crate) fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// The namespace of what is computed without a salt, in a memory laid out so.
    pub(crate) fn namespace(&self, model: &ModelFacts, layout: &str) -> NamespaceBuilder {
        base_namespace(model, &self.bytes, layout)
    }
}

/// The prefix cache's other tiers, if it has any.
pub(crate) fn tiers(
    config: &EngineConfig,
    prefix: &PrefixConfig,
    identity: &Identity,
    layout: &str,
    commands: &Sender<Command>,
) -> Option<Arc<Tiers>> {
    if !prefix.snapshots {
        return None;
    }
    let options = &config.prefix_cache;
    let disk = options.disk.clone().filter(|_| identity.is_lasting);
    let disk = disk.map(|(directory, bytes)| DiskConfig::new(directory, bytes));
    let fingerprint = fingerprint(&identity.bytes, layout);
    let tiers = TiersConfig { host_bytes: options.host_bytes, disk, fingerprint };
    let commands = commands.clone();
    Some(Tiers::new(tiers, move |event| {
        // A worker that is gone needs to know nothing.
        let _ = commands.send(Command::Tier(event));
    }))
}

fn beside_batch(idle_tokens_max: u32) -> u32 {
    (idle_tokens_max / BESIDE_BATCH_DIVISOR).max(BESIDE_BATCH_TOKENS_MIN).min(idle_tokens_max)
}

fn keeps_snapshots(options: &PrefixCacheConfig) -> bool {
    options.host_bytes > 0 || options.disk.is_some()
}

/// A digest of all that a snapshot's bytes depend on besides its tokens.
fn fingerprint(model: &[u8], layout: &str) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("indwell 2026-11 snapshot fingerprint");
    for part in [model, build_id().as_bytes(), layout.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Fingerprint(*hasher.finalize().as_bytes())
}
