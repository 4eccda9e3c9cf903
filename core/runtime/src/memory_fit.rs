//! Whether a model fits into memory, told before it is loaded.
//!
//! A process that asks for more than there is may be ended by the system without a word, so what
//! can't fit is refused first. What other programs take meanwhile is not known here.

use indwell_llama::backends::{Backends, DeviceKind};
use indwell_llama::{Allocated, ContextParams, Gguf, MemoryPlan};

use crate::error::{ErrorDetails, ErrorKind};
use crate::options::{Bound, EngineConfig, EngineOptions};
use crate::prefix_cache::setup;
use crate::{Error, Isolation, Result, machine};

/// What an engine takes of a limited address space beside what is planned: the backends' code, the
/// worker's stack and one for a chat template, compiled grammars, what the allocator keeps. Where
/// such a limit is met, llama.cpp, OpenMP and Rust's allocator end the process.
const ADDRESS_SPACE_BESIDE: u64 = 256 << 20;
/// The stacks of one thread that computes and one that samples.
const ADDRESS_SPACE_A_THREAD: u64 = 24 << 20;

/// An engine's options, checked, with which the model in `gguf` fits into the budget and
/// the process's address space, where they are limited, and into the machine.
///
/// # Errors
/// `invalid_request` for options, and `out_of_memory` for what does not fit, with the parts of what
/// it would take.
pub(crate) fn config(gguf: &Gguf, options: &EngineOptions) -> Result<EngineConfig> {
    let trained = gguf.trained_context_tokens();
    let mut config = options.validate(trained)?;
    let address_space = machine::address_space_left().map(|left| {
        let beside = ADDRESS_SPACE_BESIDE + u64::from(config.threads) * ADDRESS_SPACE_A_THREAD;
        Bound::AddressSpace(left.saturating_sub(beside))
    });
    let bounds = config.memory_bytes.map(Bound::Budget).into_iter().chain(address_space);
    if let Some(bound) = bounds.min_by_key(Bound::bytes) {
        let fitted = options.within(bound, trained, |config| needs(gguf, config))?;
        config = fitted.validate(trained)?;
    }
    check(gguf, &config)?;
    Ok(config)
}

/// What an engine takes beside its caches, at most.
fn needs(gguf: &Gguf, config: &EngineConfig) -> Allocated {
    let plan = MemoryPlan::new(gguf, &params(config));
    Allocated {
        mapped_bytes: 0,
        weights_bytes: plan.weights_bytes.saturating_add(plan.vocabulary_bytes),
        memory_bytes: plan.kv_bytes.saturating_add(plan.state_bytes),
        scratch_bytes: plan.compute_bytes.saturating_add(plan.output_bytes),
    }
}

/// Refuses a model that `config` gives more than the machine has.
///
/// # Errors
/// `out_of_memory`, with the parts of what it would take.
fn check(gguf: &Gguf, config: &EngineConfig) -> Result<()> {
    if config.isolation == Isolation::Process {
        // What runs out of memory is the worker's process, and its devices are not known here.
        return Ok(());
    }
    if uses_gpu(config)? {
        // Weights and keys lie on devices whose memory llama.cpp asks for itself.
        return Ok(());
    }
    let plan = MemoryPlan::new(gguf, &params(config));
    match machine::available_bytes() {
        Some(available) if plan.total_bytes() > available => {
            Err(refused(gguf, config, &plan, available))
        }
        _ => Ok(()),
    }
}

fn uses_gpu(config: &EngineConfig) -> Result<bool> {
    if config.gpu_layers == Some(0) {
        return Ok(false);
    }
    let devices = Backends::load()?.devices();
    Ok(devices.iter().any(|device| device.kind == DeviceKind::Gpu))
}

/// The context, with as many residents as there can be: the file alone does not say how its memory
/// is shared.
fn params(config: &EngineConfig) -> ContextParams {
    config.context(if config.prefix_cache.is_on() { setup::RESIDENTS_MAX } else { 0 })
}

fn refused(gguf: &Gguf, config: &EngineConfig, plan: &MemoryPlan, available: u64) -> Error {
    let remedy = "lower context_tokens, give a model of fewer or smaller weights, or free memory";
    let MemoryPlan { kv_bytes, kv_bytes_per_token, .. } = plan;
    let weights_bytes = plan.weights_bytes.saturating_add(plan.output_copy_bytes);
    let MemoryPlan { state_bytes, compute_bytes, output_bytes, vocabulary_bytes, .. } = plan;
    let total = plan.total_bytes();
    let message = format!(
        "{} would take {total} bytes of memory, of which {available} are available: \
         {weights_bytes} for weights, {kv_bytes} for the keys and values of {} tokens \
         ({kv_bytes_per_token} a token), {state_bytes} for states, {compute_bytes} to compute, \
         {output_bytes} for logits, {vocabulary_bytes} for the vocabulary: {remedy}",
        gguf.path().display(),
        config.scheduler.context_tokens,
    );
    let details = ErrorDetails {
        field: Some("context_tokens".to_owned()),
        value: Some(total.to_string()),
        limit: Some(format!("{available} bytes")),
        remedy: Some(remedy.to_owned()),
        retry_after_ms: None,
    };
    Error::with(ErrorKind::OutOfMemory, message, details, None)
}
