//! Stored answers: their options, their marks, their numbers and their end.

use indwell_mobile::cache::{NativeCacheMode, NativeCacheTier};
use indwell_mobile::engine::NativeEngine;
use indwell_mobile::error::{NativeError, NativeErrorKind};
use indwell_mobile::options::{NativeEngineOptions, NativeRequestOptions, NativeSampling};

use crate::rig::{Answer, block_on, keeping, load, parts, read, try_load, wait_until};

fn options() -> NativeRequestOptions {
    NativeRequestOptions {
        max_tokens: Some(8),
        logprobs: Some(true),
        ..NativeRequestOptions::default()
    }
}

fn mode(mode: NativeCacheMode) -> NativeRequestOptions {
    NativeRequestOptions { cache: Some(mode), ..options() }
}

fn ask(engine: &NativeEngine, options: NativeRequestOptions) -> Result<Answer, NativeError> {
    Ok(read(&engine.complete("One, two, three,".to_owned(), false, options)?))
}

fn is_stored(answer: &Answer) -> bool {
    answer.usage.cache == Some(NativeCacheTier::Response)
}

#[test]
fn the_same_question_is_answered_once() {
    let engine = load(keeping());
    let first = ask(&engine, options()).expect("computed");
    assert!(!is_stored(&first), "{first:?}");
    let second = ask(&engine, options()).expect("stored");
    assert!(is_stored(&second), "{second:?}");
    assert_eq!(second.usage.cached_tokens, second.usage.prompt_tokens);
    assert_eq!(second.usage.semantic_distance, None);
    assert_eq!(second.logprobs.len(), 8);
    assert_eq!(
        (&second.text, &second.logprobs, second.reason),
        (&first.text, &first.logprobs, first.reason)
    );

    let stats = engine.stats().expect("numbers");
    assert_eq!((stats.response_cache_queries, stats.response_cache_hits), (2, 1));
    assert!((stats.response_cache_hit_rate - 0.5).abs() < f64::EPSILON, "{stats:?}");
    let response = engine.caches().expect("numbers").response;
    assert_eq!((response.entries, response.hits, response.misses), (1, 1, 1));
    assert_eq!((response.shared, response.semantic_hits, response.evictions), (0, 0, 0));
    assert_eq!(response.capacity_bytes, 1 << 20);
    assert!((1..=response.capacity_bytes).contains(&response.bytes), "{response:?}");
}

#[test]
fn modes_and_salts_reach_the_engine() {
    let engine = load(keeping());
    let missing = ask(&engine, mode(NativeCacheMode::OnlyIfCached)).expect_err("nothing stored");
    let (kind, details) = parts(missing);
    assert_eq!(kind, NativeErrorKind::NotCached);
    assert!(details.remedy.is_some(), "{details:?}");

    let sampling = NativeSampling { temperature: Some(1.0), ..NativeSampling::default() };
    let random = NativeRequestOptions { sampling, ..mode(NativeCacheMode::OnlyIfCached) };
    let (kind, details) = parts(ask(&engine, random).expect_err("never stored"));
    assert_eq!((kind, details.field.as_deref()), (NativeErrorKind::InvalidRequest, Some("cache")));

    assert!(!is_stored(&ask(&engine, mode(NativeCacheMode::Refresh)).expect("computed")));
    assert!(is_stored(&ask(&engine, mode(NativeCacheMode::Use)).expect("stored")));
    assert!(!is_stored(&ask(&engine, mode(NativeCacheMode::Refresh)).expect("computed")));
    assert!(!is_stored(&ask(&engine, mode(NativeCacheMode::Bypass)).expect("computed")));
    let salted =
        |salt: &str| NativeRequestOptions { cache_salt: Some(salt.to_owned()), ..options() };
    for is_first in [true, false] {
        for salt in ["one", "two"] {
            assert_eq!(is_stored(&ask(&engine, salted(salt)).expect("an answer")), !is_first);
        }
    }

    assert_eq!(block_on(engine.invalidate_responses(Some("one".to_owned()))), Ok(1));
    assert_eq!(block_on(engine.invalidate_responses(None)), Ok(2));
    assert_eq!(block_on(engine.invalidate_responses(None)), Ok(0));
    let refused = block_on(engine.invalidate_responses(Some(String::new()))).expect_err("no salt");
    assert_eq!(parts(refused).1.field.as_deref(), Some("cacheSalt"));
    engine.shut_down().expect("closed");
    let error = block_on(engine.invalidate_responses(None)).expect_err("closed");
    assert_eq!(parts(error).0, NativeErrorKind::EngineClosed);
}

#[test]
fn answers_are_kept_for_their_time() {
    let brief = NativeEngineOptions { response_cache_ttl_ms: Some(1.0), ..keeping() };
    let engine = load(brief);
    let long = NativeRequestOptions { cache_ttl_ms: Some(3_600_000.0), ..options() };
    ask(&engine, options()).expect("computed");
    wait_until(|| ask(&engine, mode(NativeCacheMode::OnlyIfCached)).is_err());
    ask(&engine, long).expect("computed");
    assert!(is_stored(&ask(&engine, mode(NativeCacheMode::OnlyIfCached)).expect("stored")));
}

#[test]
fn answers_outlive_their_engine_in_a_folder_of_one_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display().to_string();
    let kept = NativeEngineOptions { response_cache_dir: Some(dir.clone()), ..keeping() };
    let engine = load(kept.clone());
    let first = ask(&engine, options()).expect("computed");
    let NativeError::Failed { kind, text, .. } = try_load(kept.clone()).expect_err("in use");
    assert_eq!(kind, NativeErrorKind::Io);
    assert!(text.contains(&dir), "{text}");
    engine.shut_down().expect("closed");

    let second = ask(&load(kept), mode(NativeCacheMode::OnlyIfCached)).expect("stored");
    assert_eq!((second.text, second.logprobs), (first.text, first.logprobs));
}

#[test]
fn options_out_of_their_limits_are_refused_as_they_are_spelled() {
    let base = NativeEngineOptions::default;
    for (options, field) in [
        (NativeEngineOptions { response_cache_bytes: Some(-1), ..base() }, "responseCacheBytes"),
        (NativeEngineOptions { response_cache_ttl_ms: Some(0.0), ..base() }, "responseCacheTtl"),
        (
            NativeEngineOptions { response_cache_dir: Some(String::new()), ..base() },
            "responseCacheDir",
        ),
    ] {
        let (kind, details) = parts(try_load(options).expect_err(field));
        assert_eq!(kind, NativeErrorKind::InvalidRequest);
        assert_eq!(details.field.as_deref(), Some(field));
    }
    let engine = load(keeping());
    let refused = NativeRequestOptions { cache_ttl_ms: Some(-1.0), ..options() };
    let (_, details) = parts(ask(&engine, refused).expect_err("no time"));
    assert_eq!(details.field.as_deref(), Some("cacheTtl"));
}
