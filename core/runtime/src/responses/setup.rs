//! Opening the response cache as an engine starts: whose answers they are.

use indwell_kernel::{NamespaceBuilder, NamespaceField};
use indwell_llama::build_id;

use super::Responses;
use crate::options::EngineConfig;
use crate::prefix_cache::setup::Identity;
use crate::{Result, VERSION};

/// The response cache, if the engine has one. `namespace` is that of the model and its memory's
/// layout.
///
/// # Errors
/// `io` if its directory can't be used, or another engine uses it.
pub(crate) fn open(
    config: &EngineConfig,
    identity: &Identity,
    namespace: NamespaceBuilder,
) -> Result<Option<Responses>> {
    let Some(mut options) = config.response_cache.clone() else { return Ok(None) };
    if !identity.is_lasting() {
        options.dir = None;
    }
    let namespace = namespace.field(NamespaceField::Build, build(config).as_bytes());
    let responses = Responses::open(&options, namespace)?;
    tracing::info!(
        bytes = options.bytes,
        disk = options.dir.is_some(),
        found = responses.stats().entries,
        "the response cache is on"
    );
    Ok(Some(responses))
}

/// What computes: two builds, or two ways through one of them, may round differently, and so choose
/// another token now and then.
fn build(config: &EngineConfig) -> String {
    let gpu_layers = config.gpu_layers.map_or_else(|| "all".to_owned(), |n| n.to_string());
    let flash_attention = config.flash_attention;
    format!("{VERSION} {} {gpu_layers} {flash_attention:?}", build_id())
}
