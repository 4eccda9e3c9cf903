//! The response cache on a real model: which answers serve which requests, who shares a
//! computation, and what survives.

use std::time::Duration;

use futures_util::future::join_all;
use indwell::{
    CacheMode, CacheTier, CompletionRequest, Engine, EngineBuilder, ErrorKind, Event, Reply,
    ResponseCacheStats, TokenStream,
};
use indwell_tests::{block_on, stats, wait_until};

const PROMPT: &str = "The llama is a domesticated animal of South America. It";

fn engine() -> EngineBuilder {
    indwell_tests::engine().response_cache_bytes(1 << 20)
}

fn ask(engine: &Engine) -> CompletionRequest {
    engine.complete(PROMPT).max_tokens(24)
}

fn reply(request: CompletionRequest) -> Reply {
    request.run().expect("an answer")
}

fn responses(engine: &Engine) -> ResponseCacheStats {
    engine.caches().expect("this process made the engine").response
}

/// Whether a stored answer served it, or a computation that others began.
fn is_hit(reply: &Reply) -> bool {
    assert!(reply.usage.semantic_distance.is_none());
    let is_hit = reply.usage.cache == Some(CacheTier::Response);
    if is_hit {
        assert_eq!(reply.usage.cached_tokens, reply.usage.prompt_tokens);
    } else {
        assert!(reply.usage.cached_tokens < reply.usage.prompt_tokens);
    }
    is_hit
}

#[test]
fn the_same_question_is_answered_once() {
    let engine = engine().build().expect("an engine");
    let first = reply(ask(&engine).logprobs(true));
    let steps = stats(&engine).steps;
    let second = reply(ask(&engine).logprobs(true));
    assert!(!is_hit(&first) && is_hit(&second));
    assert_eq!(stats(&engine).steps, steps, "nothing was computed");
    assert_eq!((&second.text, &second.logprobs), (&first.text, &first.logprobs));
    assert_eq!(second.finish_reason, first.finish_reason);
    assert_eq!(second.usage.completion_tokens, first.usage.completion_tokens);
    assert!(second.timings.total_ms < first.timings.total_ms / 10.0, "{:?}", second.timings);
    assert_eq!(second.timings.ttft_ms, second.timings.total_ms);
    let cache = responses(&engine);
    assert_eq!((cache.hits, cache.misses, cache.entries), (1, 1, 1));
    assert!(cache.bytes > 0 && cache.bytes < cache.capacity_bytes);
    let stats = stats(&engine);
    assert_eq!((stats.response_cache_queries, stats.response_cache_hits), (2, 1));
    assert_eq!(stats.requests_finished, 2);
    assert!((stats.response_cache_hit_rate() - 0.5).abs() < 1e-9);
}

#[test]
fn a_chat_is_answered_once_too_and_its_stream_is_one_text() {
    let engine = engine().build().expect("an engine");
    let chat = || engine.chat("What is a llama?").max_tokens(8);
    let first = chat().run().expect("an answer");
    let events: Vec<Event> = chat().stream().expect("a stream").into_iter().collect();
    let [Event::Text(delta), Event::Finished(finished)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(delta.text, first.text);
    assert_eq!(finished.usage.cache, Some(CacheTier::Response));
}

#[test]
fn only_answers_that_would_be_the_same_again_are_kept() {
    let engine = engine().build().expect("an engine");
    let random = || ask(&engine).temperature(0.8);
    for _ in 0..2 {
        assert!(!is_hit(&reply(random())));
    }
    assert_eq!(
        responses(&engine),
        ResponseCacheStats {
            capacity_bytes: responses(&engine).capacity_bytes,
            ..ResponseCacheStats::default()
        }
    );
    let seeded = reply(random().seed(7));
    let again = reply(random().seed(7));
    assert!(!is_hit(&seeded) && is_hit(&again));
    assert_eq!(again.text, seeded.text);
    assert!(!is_hit(&reply(random().seed(8))));
    // Nothing is drawn for greedy answers, whatever the seed.
    assert!(!is_hit(&reply(ask(&engine).seed(1))));
    assert!(is_hit(&reply(ask(&engine).seed(2).top_k(3))));
}

#[test]
fn whatever_changes_the_answer_asks_anew() {
    let engine = engine().build().expect("an engine");
    reply(ask(&engine));
    assert!(!is_hit(&reply(ask(&engine).max_tokens(23))));
    assert!(!is_hit(&reply(ask(&engine).stop(["zzz"]))));
    assert!(!is_hit(&reply(ask(&engine).logprobs(true))));
    assert!(!is_hit(&reply(ask(&engine).cache_salt("tenant"))));
    assert!(!is_hit(&reply(engine.complete(format!("{PROMPT} ")).max_tokens(24))));
    assert!(is_hit(&reply(ask(&engine).timeout(Duration::from_secs(60)))));
    assert!(is_hit(&reply(ask(&engine).cache_ttl(Duration::from_secs(60)))));
    assert!(is_hit(&reply(ask(&engine).cache_salt("tenant"))));
}

#[test]
fn each_mode_does_what_it_says() {
    let engine = engine().build().expect("an engine");
    let with = |mode| ask(&engine).cache(mode);
    let error = with(CacheMode::OnlyIfCached).run().expect_err("nobody asked");
    assert_eq!(error.kind(), ErrorKind::NotCached);
    assert!(error.details().remedy.is_some());
    assert!(!is_hit(&reply(with(CacheMode::Bypass))));
    assert!(with(CacheMode::OnlyIfCached).run().is_err(), "bypassing leaves nothing");
    assert!(!is_hit(&reply(with(CacheMode::Refresh))));
    assert!(is_hit(&reply(with(CacheMode::OnlyIfCached))));
    assert!(!is_hit(&reply(with(CacheMode::Refresh))), "computed anew");
    assert!(!is_hit(&reply(with(CacheMode::Bypass))));
    let error = with(CacheMode::OnlyIfCached).temperature(1.0).run().expect_err("random");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.details().field.as_deref(), Some("cache"));
    let cache = responses(&engine);
    assert_eq!((cache.hits, cache.misses), (1, 4), "bypassing counts nowhere");
}

#[test]
fn answers_are_kept_for_their_time() {
    let ttl = Duration::from_millis(1);
    let engine = engine().response_cache_ttl(ttl).build().expect("an engine");
    let is_cached = || ask(&engine).cache(CacheMode::OnlyIfCached).run().is_ok();
    reply(ask(&engine).cache_ttl(Duration::from_secs(3600)));
    assert!(is_cached(), "a request's own time counts");
    reply(ask(&engine).cache(CacheMode::Refresh));
    wait_until(&engine, |_| !is_cached());
    let error = ask(&engine).cache_ttl(Duration::ZERO).run().expect_err("no time");
    assert_eq!(error.details().field.as_deref(), Some("cache_ttl_ms"));
}

#[test]
fn a_cache_without_room_is_off() {
    let engine = engine().response_cache_bytes(0).build().expect("an engine");
    for _ in 0..2 {
        assert!(!is_hit(&reply(ask(&engine))));
    }
    assert_eq!(responses(&engine), ResponseCacheStats::default());
    let error = ask(&engine).cache(CacheMode::OnlyIfCached).run().expect_err("nothing is kept");
    assert_eq!(error.kind(), ErrorKind::NotCached);
    assert_eq!(engine.invalidate_responses().expect("an open engine"), 0);
}

#[test]
fn an_answer_larger_than_the_cache_is_not_kept() {
    let engine = engine().response_cache_bytes(300).build().expect("an engine");
    for _ in 0..2 {
        assert!(!is_hit(&reply(ask(&engine))));
    }
    let cache = responses(&engine);
    assert_eq!((cache.entries, cache.bytes, cache.misses), (0, 0, 2));
}

#[test]
fn a_full_cache_stays_within_its_bytes() {
    let engine = engine().response_cache_bytes(4096).build().expect("an engine");
    for number in 0..40 {
        let request = engine.complete(format!("{number} llamas")).max_tokens(2);
        reply(request);
        let cache = responses(&engine);
        assert!(cache.bytes <= 4096, "{cache:?}");
    }
    let cache = responses(&engine);
    assert!(cache.entries > 1 && cache.evictions > 10, "{cache:?}");
}

#[test]
fn answers_are_invalidated_for_all_or_for_one() {
    let engine = engine().build().expect("an engine");
    let salted = |salt| ask(&engine).cache_salt(salt);
    for request in [ask(&engine), salted("one"), salted("two")] {
        reply(request);
    }
    assert_eq!(engine.invalidate_responses_of("one").expect("a salt"), 1);
    assert_eq!(engine.invalidate_responses_of("three").expect("a salt"), 0);
    assert!(is_hit(&reply(ask(&engine))) && is_hit(&reply(salted("two"))));
    assert!(!is_hit(&reply(salted("one"))));
    assert_eq!(engine.invalidate_responses().expect("an open engine"), 3);
    assert_eq!(responses(&engine).entries, 0);
    assert!(!is_hit(&reply(ask(&engine))));
    assert!(engine.invalidate_responses_of("").is_err());
    engine.close().expect("this process made it");
    assert_eq!(engine.invalidate_responses().expect_err("closed").kind(), ErrorKind::EngineClosed);
}

#[test]
fn what_is_being_computed_when_all_is_invalidated_is_not_kept() {
    let engine = engine().build().expect("an engine");
    let mut stream = ask(&engine).max_tokens(100).stream().expect("a stream");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    engine.invalidate_responses().expect("an open engine");
    stream.reply().expect("an answer all the same");
    assert_eq!(responses(&engine).entries, 0);
}

#[test]
fn identical_requests_at_once_are_one_computation() {
    let engine = engine().build().expect("an engine");
    // The others come while this one is being computed.
    let leader = ask(&engine).max_tokens(200).logprobs(true).stream().expect("a stream");
    let followers: Vec<TokenStream> = (0..63)
        .map(|_| ask(&engine).max_tokens(200).logprobs(true).stream().expect("a stream"))
        .collect();
    let first = leader.reply().expect("an answer");
    assert!(!is_hit(&first));
    for follower in followers {
        let reply = follower.reply().expect("an answer");
        assert!(is_hit(&reply));
        assert_eq!((&reply.text, &reply.logprobs), (&first.text, &first.logprobs));
        assert_eq!(reply.finish_reason, first.finish_reason);
        assert!(reply.timings.total_ms <= first.timings.total_ms);
    }
    let stats = stats(&engine);
    assert_eq!(stats.prompt_tokens, u64::from(first.usage.prompt_tokens), "computed once");
    assert_eq!(stats.completion_tokens, u64::from(first.usage.completion_tokens));
    assert_eq!(stats.requests_finished, 64);
    let cache = responses(&engine);
    assert_eq!((cache.misses, cache.shared + cache.hits), (1, 63));
    assert!(cache.shared > 0, "{cache:?}");
}

#[test]
fn more_may_follow_than_may_wait() {
    let engine = engine().queue_requests_max(2).build().expect("an engine");
    let streams: Vec<TokenStream> = (0..100)
        .map(|_| ask(&engine).max_tokens(100).stream().expect("followers need no place"))
        .collect();
    for stream in streams {
        stream.reply().expect("an answer");
    }
    assert_eq!(responses(&engine).misses, 1);
}

#[test]
fn a_leader_that_leaves_hands_the_work_on() {
    let engine = engine().build().expect("an engine");
    let expected = reply(ask(&engine).max_tokens(200).cache(CacheMode::Bypass)).text;
    let mut leader = ask(&engine).max_tokens(200).stream().expect("a stream");
    let followers: Vec<TokenStream> =
        (0..9).map(|_| ask(&engine).max_tokens(200).stream().expect("a stream")).collect();
    leader.next_blocking().expect("it has begun");
    leader.cancel();
    let end = leader.into_iter().last().expect("a terminal event");
    assert!(matches!(end, Event::Cancelled), "{end:?}");
    let mut computed = 0;
    for (at, follower) in followers.into_iter().enumerate() {
        if at % 3 == 0 {
            drop(follower);
            continue;
        }
        let reply = follower.reply().expect("an answer");
        assert_eq!(reply.text, expected);
        computed += u32::from(!is_hit(&reply));
    }
    assert_eq!(computed, 1, "the one that leads now");
    assert_eq!(responses(&engine).misses, 1);
    assert!(is_hit(&reply(ask(&engine).max_tokens(200))), "and the answer is kept");
}

#[test]
fn nothing_is_computed_for_nobody() {
    let engine = engine().build().expect("an engine");
    let streams: Vec<TokenStream> =
        (0..5).map(|_| ask(&engine).max_tokens(1000).stream().expect("a stream")).collect();
    drop(streams);
    let stats = wait_until(&engine, |stats| stats.requests_cancelled == 5);
    assert_eq!((stats.requests_running, stats.requests_waiting), (0, 0));
    assert_eq!(responses(&engine).entries, 0);
    assert!(!is_hit(&reply(ask(&engine))));
}

#[test]
fn each_caller_has_its_own_deadline() {
    let engine = engine().build().expect("an engine");
    let long = || ask(&engine).max_tokens(400);
    let patient = long().stream().expect("a stream");
    let hasty: Vec<TokenStream> = (0..4)
        .map(|_| long().timeout(Duration::from_millis(20)).stream().expect("a stream"))
        .collect();
    for stream in hasty {
        let error = stream.reply().expect_err("too late");
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    }
    patient.reply().expect("an answer");
    // And the leader's own does not end its followers.
    let leader =
        long().cache_salt("other").timeout(Duration::from_millis(20)).stream().expect("a stream");
    let follower = long().cache_salt("other").stream().expect("a stream");
    assert_eq!(leader.reply().expect_err("too late").kind(), ErrorKind::DeadlineExceeded);
    assert!(!is_hit(&follower.reply().expect("an answer")), "it leads now");
}

#[test]
fn a_slow_reader_slows_nobody_and_misses_nothing() {
    let engine = engine().stream_capacity(4).build().expect("an engine");
    let mut slow = ask(&engine).max_tokens(200).stream().expect("a stream");
    assert!(matches!(slow.next_blocking(), Some(Event::Text(_))));
    let quick = ask(&engine).max_tokens(200).stream().expect("a stream");
    let late = ask(&engine).max_tokens(200).stream().expect("a stream");
    let quick = quick.reply().expect("an answer while the other reads nothing");
    let late = late.reply().expect("an answer");
    let mut text = String::new();
    for event in slow {
        if let Event::Text(delta) = event {
            text.push_str(&delta.text);
        }
    }
    assert!(quick.text.ends_with(&text), "the first event was read before");
    assert!(text.len() + 20 > quick.text.len());
    assert_eq!(late.text, quick.text);
    assert_eq!(responses(&engine).misses, 1);
}

#[test]
fn when_all_readers_stand_still_so_does_the_computation() {
    let engine = engine().stream_capacity(4).build().expect("an engine");
    let streams: Vec<TokenStream> =
        (0..3).map(|_| ask(&engine).max_tokens(500).stream().expect("a stream")).collect();
    // An engine that is asked something else meanwhile computes no more for those.
    let before = wait_until(&engine, |stats| stats.completion_tokens >= 4);
    for number in 0..10 {
        reply(engine.complete(format!("Number {number}")).max_tokens(4));
    }
    let after = stats(&engine);
    let others = 40;
    let computed = after.completion_tokens - before.completion_tokens;
    assert!(computed <= others + 8, "{computed} tokens, {others} of them for others");
    let texts: Vec<String> =
        streams.into_iter().map(|stream| stream.reply().expect("an answer").text).collect();
    assert!(texts.iter().all(|text| *text == texts[0] && !text.is_empty()));
}

#[test]
fn futures_share_a_computation_like_threads() {
    let engine = engine().build().expect("an engine");
    let requests = (0..8).map(|_| ask(&engine).into_future());
    let replies = block_on(join_all(requests));
    let replies: Vec<Reply> = replies.into_iter().map(|reply| reply.expect("an answer")).collect();
    assert!(replies.iter().all(|reply| reply.text == replies[0].text));
    assert_eq!(responses(&engine).misses, 1);
}

#[test]
fn an_engine_that_closes_ends_all_who_wait() {
    let engine = engine().build().expect("an engine");
    let streams: Vec<TokenStream> =
        (0..8).map(|_| ask(&engine).max_tokens(1000).stream().expect("a stream")).collect();
    engine.close().expect("this process made it");
    for stream in streams {
        assert_eq!(stream.reply().expect_err("closed").kind(), ErrorKind::EngineClosed);
    }
    assert_eq!(responses(&engine).entries, 0);
}
