//! Prefixes that are kept, and the prefix cache's numbers.

use std::sync::Arc;

use indwell_mobile::cache::{NativeCacheMode, NativeCacheTier};
use indwell_mobile::engine::NativeEngine;
use indwell_mobile::error::NativeErrorKind;
use indwell_mobile::event::NativeUsage;
use indwell_mobile::message::{NativeMessage, NativeRole};
use indwell_mobile::options::{NativeEngineOptions, NativeRequestOptions};
use indwell_mobile::prefix::NativePrefix;

use crate::rig::{block_on, load, message, parts, read, small, user, wait_for};

#[test]
fn a_prefix_is_kept_until_it_is_unpinned() {
    let engine = load(small());
    let prefix = engine.cache_prefix(vec![instructions("llamas")], None, None).expect("queued");
    let tokens = block_on(Arc::clone(&prefix).cached()).expect("a prefix");
    assert!(tokens > 250, "{tokens}");
    assert_eq!(block_on(Arc::clone(&prefix).cached()), Ok(tokens), "waiting again changes nothing");
    wait_for(&engine, |caches| caches.pinned_tokens == u64::from(tokens));

    let usage = ask(&engine, "llamas", NativeRequestOptions::default());
    assert!(usage.cached_tokens >= tokens, "{usage:?}");
    assert_eq!(usage.cache, Some(NativeCacheTier::Resident));

    prefix.unpin();
    wait_for(&engine, |caches| caches.pinned_tokens == 0);
    prefix.unpin();
    let error = block_on(Arc::clone(&prefix).cached()).expect_err("it is gone");
    assert_eq!(parts(error).0, NativeErrorKind::Cancelled);
}

#[test]
fn a_prefix_that_nobody_holds_is_unpinned() {
    let engine = load(small());
    let prefix = engine.cache_prefix(vec![instructions("alpacas")], None, None).expect("queued");
    block_on(Arc::clone(&prefix).cached()).expect("a prefix");
    wait_for(&engine, |caches| caches.pinned_tokens > 0);
    drop(prefix);
    wait_for(&engine, |caches| caches.pinned_tokens == 0);
}

#[test]
fn who_cancels_a_prefix_hears_of_it_and_keeps_nothing() {
    // Nobody is behind: an answer that never ends has the only sequence, and the prefixes wait.
    let tokens = 1800;
    let capacity = Some(2 * tokens);
    let one = NativeEngineOptions { sequences_max: Some(1), stream_capacity: capacity, ..small() };
    let engine = load(one);
    let endless = NativeRequestOptions {
        ignore_eos: Some(true),
        max_tokens: Some(tokens),
        ..NativeRequestOptions::default()
    };
    let running = engine.chat(vec![user("Tell me a story.")], endless).expect("queued");
    for give_up in [NativePrefix::cancel, NativePrefix::unpin] {
        let prefix = engine.cache_prefix(vec![instructions("deer")], None, None).expect("queued");
        give_up(&prefix);
        let error = block_on(Arc::clone(&prefix).cached()).expect_err("it was cancelled");
        assert_eq!(parts(error).0, NativeErrorKind::Cancelled);
    }
    running.cancel();
    ask(&engine, "deer", NativeRequestOptions::default());
    assert_eq!(engine.caches().expect("numbers").pinned_tokens, 0);
}

#[test]
fn a_prefix_outlives_its_engine_harmlessly() {
    let engine = load(small());
    let prefix = engine.cache_prefix(vec![instructions("goats")], None, None).expect("queued");
    let tokens = block_on(Arc::clone(&prefix).cached()).expect("a prefix");
    engine.shut_down().expect("closed");
    assert_eq!(block_on(Arc::clone(&prefix).cached()), Ok(tokens));
    prefix.unpin();
    let error = engine.cache_prefix(vec![instructions("goats")], None, None).expect_err("closed");
    assert_eq!(parts(error).0, NativeErrorKind::EngineClosed);
    let error = block_on(engine.trim(1)).expect_err("closed");
    assert_eq!(parts(error).0, NativeErrorKind::EngineClosed);
}

#[test]
fn requests_say_what_was_cached_and_options_reach_them() {
    let engine = load(small());
    let salted = |salt: &str| NativeRequestOptions {
        cache_salt: Some(salt.to_owned()),
        ..NativeRequestOptions::default()
    };
    let bypass = NativeRequestOptions {
        cache: Some(NativeCacheMode::Bypass),
        ..NativeRequestOptions::default()
    };
    let first = ask(&engine, "camels", salted("one"));
    assert_eq!((first.cached_tokens, first.cache), (0, None));
    assert_eq!(ask(&engine, "camels", salted("two")).cached_tokens, 0);
    assert_eq!(ask(&engine, "camels", bypass).cached_tokens, 0);
    let again = ask(&engine, "camels", salted("one"));
    assert!(again.cached_tokens > 250, "{again:?}");
    assert_eq!(again.cache, Some(NativeCacheTier::Resident));

    let stats = engine.stats().expect("numbers");
    assert_eq!(stats.prefix_cache_hits, u64::from(again.cached_tokens));
    assert_eq!(stats.prefix_cache_queries, u64::from(first.prompt_tokens) * 3);
    assert!((0.25..0.34).contains(&stats.prefix_cache_hit_rate), "{stats:?}");
    let caches = engine.caches().expect("numbers");
    assert_eq!((caches.resident.hits, caches.resident.hit_tokens), (1, stats.prefix_cache_hits));
}

#[test]
fn options_out_of_their_limits_are_refused_as_they_are_spelled() {
    let engine = load(small());
    let refused = |salt: Option<&str>, timeout_ms| {
        let salt = salt.map(str::to_owned);
        engine.cache_prefix(vec![instructions("sheep")], salt, timeout_ms).expect_err("refused")
    };
    for (error, field, value) in [
        (refused(Some(""), None), "cacheSalt", "\"\""),
        (refused(None, Some(-1.0)), "timeout", "-1"),
        (block_on(engine.trim(-1)).expect_err("fewer than no bytes"), "bytes", "-1"),
    ] {
        let (kind, details) = parts(error);
        assert_eq!(kind, NativeErrorKind::InvalidRequest);
        assert_eq!(details.field.as_deref(), Some(field));
        assert_eq!(details.value.as_deref(), Some(value));
        assert!(details.limit.is_some() && details.remedy.is_some(), "{details:?}");
    }
}

#[test]
fn an_engine_without_a_prefix_cache_keeps_none() {
    let engine = load(NativeEngineOptions { prefix_cache_tokens: Some(0), ..small() });
    let error = engine.cache_prefix(vec![instructions("elk")], None, None).expect_err("none");
    let (kind, details) = parts(error);
    assert_eq!(kind, NativeErrorKind::Unsupported);
    assert!(details.remedy.is_some(), "{details:?}");
    assert_eq!(ask(&engine, "elk", NativeRequestOptions::default()).cached_tokens, 0);
    assert_eq!(ask(&engine, "elk", NativeRequestOptions::default()).cached_tokens, 0);
}

#[test]
fn trimming_gives_memory_back() {
    let engine = load(small());
    ask(&engine, "moose", NativeRequestOptions::default());
    wait_for(&engine, |caches| caches.host.bytes > 0);
    assert_eq!(block_on(engine.trim(0)), Ok(0));
    let bytes = block_on(engine.trim(i64::MAX)).expect("an engine that runs");
    assert!(bytes > 0, "what was saved is given back");
    // What had not been saved by then may be saved once; what was given back is not.
    while block_on(engine.trim(i64::MAX)).expect("an engine that runs") > 0 {}
    // Steps that have nothing new to save.
    let bypass = NativeRequestOptions {
        cache: Some(NativeCacheMode::Bypass),
        ..NativeRequestOptions::default()
    };
    ask(&engine, "moose", bypass);
    let host = engine.caches().expect("numbers").host;
    assert_eq!((host.entries, host.bytes), (0, 0));
    let usage = ask(&engine, "moose", NativeRequestOptions::default());
    assert!(usage.cached_tokens > 250, "it is resident: {usage:?}");
}

/// Instructions of a few hundred tokens, which begin with `topic`.
fn instructions(topic: &str) -> NativeMessage {
    let rule = "Answer in one short sentence, and say so where you do not know. ";
    let content = format!("You know everything about {topic}. {}", rule.repeat(20));
    message(NativeRole::System, &content)
}

/// Asks a question after the instructions on `topic`, and reads the answer to its end.
fn ask(engine: &NativeEngine, topic: &str, options: NativeRequestOptions) -> NativeUsage {
    let question = user("Where are they?");
    let options = NativeRequestOptions { max_tokens: Some(4), ..options };
    read(&engine.chat(vec![instructions(topic), question], options).expect("queued")).usage
}
