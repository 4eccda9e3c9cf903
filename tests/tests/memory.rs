//! An engine's memory: what it says it takes is what llama.cpp allocates, one bound holds for all of
//! it, and what does not fit is told before anything is allocated.

use indwell::{Engine, EngineBuilder, ErrorKind};
use indwell_llama::{Model, ModelParams};
use indwell_tests::{least_memory_bytes, model, stats};

const MIB: u64 = 1 << 20;

fn builder() -> EngineBuilder {
    Engine::builder(model()).threads(2)
}

#[test]
fn each_part_is_what_is_allocated() {
    let engine = builder().context_tokens(1000).build().expect("an engine");
    let memory = engine.memory().expect("not forked");
    assert_eq!(memory.budget_bytes, None);
    // Metadata are not among the weights, and buffers are told to a hundredth of a MiB.
    let weights = engine.model().size_bytes;
    assert!(memory.weights_bytes.abs_diff(weights) < 2 * MIB + weights / 20, "{memory:?}");
    let file = Model::load(&model(), ModelParams::default(), |_| {}).expect("a model");
    let cells = 1024 * file.kv_bytes_per_token();
    assert!(memory.kv_bytes.abs_diff(cells) < MIB / 100, "{memory:?}");
    // 64 rows of logits at least.
    assert!(memory.scratch_bytes > 64 * 4 * u64::from(engine.model().vocabulary_size));
    assert_eq!((memory.host_cache_bytes, memory.response_cache_bytes), (0, 0));
    assert!(memory.total_bytes() < memory.limit_bytes);

    engine.complete("Llamas live in").max_tokens(4).run().expect("a reply");
    let memory = engine.memory().expect("not forked");
    assert!(memory.response_cache_bytes > 0, "the answer is stored: {memory:?}");

    engine.close().expect("closed");
    assert_eq!(engine.memory().expect("not forked").total_bytes(), 0);
}

#[test]
fn a_budget_cuts_what_was_not_asked_for() {
    let fixed = least_memory_bytes(builder().context_tokens(8192));

    // The caches give way, and the cells stay.
    let budget = fixed + 8 * MIB;
    let engine = builder().memory_bytes(budget).build().expect("an engine");
    let memory = engine.memory().expect("not forked");
    assert_eq!(memory.budget_bytes, Some(budget));
    assert!(memory.limit_bytes <= budget, "{memory:?}");
    assert_eq!(stats(&engine).cells_total, 8192);
    let host = engine.caches().expect("not forked").host.capacity_bytes;
    assert!((MIB..8 * MIB).contains(&host), "{host}");
    engine.close().expect("closed");

    // So do cells.
    let budget = fixed - 64 * MIB;
    let engine = builder().memory_bytes(budget).build().expect("an engine");
    let memory = engine.memory().expect("not forked");
    assert!(memory.limit_bytes <= budget, "{memory:?}");
    assert!((512..8192).contains(&stats(&engine).cells_total), "{memory:?}");
    engine.chat("Say hello.").max_tokens(4).run().expect("it serves");
}

#[test]
fn what_does_not_fit_is_told_at_once() {
    let least = least_memory_bytes(builder());
    let engine = builder().memory_bytes(least).build().expect("what is said to fit fits");
    assert!(engine.memory().expect("not forked").limit_bytes <= least);

    let stated = builder().context_tokens(100_000).memory_bytes(512 * MIB).build();
    let error = stated.expect_err("what is asked for is not cut");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.message().contains("lower context_tokens"), "{error}");
}
