//! The bound on an engine's memory is kept under traffic, as the system counts it. A test of its own
//! program, so that nothing else of the process counts.

#![cfg(target_os = "linux")]

use indwell::Engine;
use indwell_tests::{least_memory_bytes, model};

const MIB: u64 = 1 << 20;
/// Of the budget, for both caches: less than what is asked would fill.
const CACHES: u64 = 24 * MIB;
/// Code, stacks, the tokenizer's tables, and compiled grammars: what is not the engine's to bound.
const BESIDE: u64 = 96 * MIB;

/// Bytes of this process in memory, now and at most so far.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let bytes = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).expect("a known line");
        let kib = line.split_whitespace().nth(1).expect("a number");
        1024 * kib.parse::<u64>().expect("a number")
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}

#[test]
fn a_budget_is_kept_whatever_is_asked() {
    let builder = || Engine::builder(model()).threads(2).context_tokens(1024);
    let budget = least_memory_bytes(builder()) + CACHES;
    let (before, _) = resident();
    let engine = builder().memory_bytes(budget).build().expect("an engine");
    let limit = engine.memory().expect("not forked").limit_bytes;
    assert!(limit <= budget, "{limit}");
    // Prompts that share nothing, four times as many tokens as there are cells.
    std::thread::scope(|scope| {
        for client in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..6 {
                    let topic = format!("{client} {round} ").repeat(34);
                    let reply = engine.chat(topic).max_tokens(8).run().expect("a reply");
                    assert!(reply.usage.prompt_tokens > 150, "{:?}", reply.usage);
                }
            });
        }
    });
    let memory = engine.memory().expect("not forked");
    assert!(memory.host_cache_bytes > 0, "prefixes were kept: {memory:?}");
    assert!(memory.total_bytes() <= memory.limit_bytes, "{memory:?}");
    let (_, most) = resident();
    let taken = most - before;
    assert!(taken <= budget + BESIDE, "{} MiB: {memory:?}", taken / MIB);
    println!("{} MiB at most, of {} MiB", taken / MIB, budget / MIB);
    engine.close().expect("closed");
}
