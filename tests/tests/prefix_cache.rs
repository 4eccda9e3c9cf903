//! The prefix cache on a real model: what is found again, by whom, and what is kept.

use std::time::{Duration, Instant};

use futures_util::future::FutureExt;
use indwell::{
    CacheMode, CacheStats, CacheTier, CacheTierStats, CachedPrefix, ChatRequest, Engine, ErrorKind,
    Message, PendingPrefix, PrefixFuture, PrefixRequest, Usage, system, user,
};
use indwell_tests::{engine, stats};

/// Instructions of a few hundred tokens, which begin with `topic`.
fn instructions(topic: &str) -> Message {
    let rule = "Answer in one short sentence, and say so where you do not know. ";
    system(format!("You know everything about {topic}. {}", rule.repeat(20)))
}

fn ask(engine: &Engine, topic: &str, question: &str) -> ChatRequest {
    engine.chat([instructions(topic), user(question)]).max_tokens(8)
}

fn usage(request: ChatRequest) -> Usage {
    request.run().expect("an answer").usage
}

fn caches(engine: &Engine) -> CacheStats {
    engine.caches().expect("this process made the engine")
}

/// Waits until `condition` holds for what is cached, and returns that.
fn wait_until(engine: &Engine, condition: impl Fn(&CacheStats) -> bool) -> CacheStats {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = caches(engine);
        if condition(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "the condition never held: {now:?}");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

#[test]
fn a_second_request_that_begins_alike_computes_only_the_rest() {
    let engine = engine().build().expect("an engine");
    let first = usage(ask(&engine, "llamas", "What is a llama?"));
    assert!(first.prompt_tokens > 250, "{first:?}");
    assert_eq!((first.cached_tokens, first.cache), (0, None));
    let second = usage(ask(&engine, "llamas", "Where do they live?"));
    assert_eq!(second.cache, Some(CacheTier::Resident));
    assert!(second.cached_tokens > 250, "{second:?}");
    assert!(second.cached_tokens < second.prompt_tokens, "a prompt's last token is computed");
    let stats = stats(&engine);
    assert_eq!(stats.prefix_cache_hits, u64::from(second.cached_tokens));
    let asked = u64::from(first.prompt_tokens) + u64::from(second.prompt_tokens);
    assert_eq!(stats.prefix_cache_queries, asked);
    assert_eq!(stats.prompt_tokens, asked - stats.prefix_cache_hits, "the rest was computed");
    assert!(stats.prefix_cache_hit_rate() > 0.4);
}

#[test]
fn a_hit_changes_no_answer() {
    let engine = engine().build().expect("an engine");
    let answer = |mode| {
        let request = ask(&engine, "alpacas", "What do alpacas eat?").max_tokens(24).cache(mode);
        request.run().expect("an answer")
    };
    let computed = answer(CacheMode::Bypass);
    assert_eq!(answer(CacheMode::Use).text, computed.text, "which leaves it behind");
    let cached = answer(CacheMode::Use);
    assert!(cached.usage.cached_tokens > 250, "{:?}", cached.usage);
    assert_eq!(cached.text, computed.text);
}

#[test]
fn a_request_that_bypasses_the_cache_finds_nothing_and_leaves_nothing() {
    let engine = engine().build().expect("an engine");
    let bypassed = || usage(ask(&engine, "camels", "What is a camel?").cache(CacheMode::Bypass));
    let used = || usage(ask(&engine, "camels", "What is a camel?"));
    assert_eq!(bypassed().cached_tokens, 0);
    assert_eq!(used().cached_tokens, 0, "the other left nothing");
    assert!(used().cached_tokens > 250);
    let again = bypassed();
    assert_eq!((again.cached_tokens, again.cache), (0, None));
    let asked = u64::from(again.prompt_tokens) * 2;
    assert_eq!(stats(&engine).prefix_cache_queries, asked, "of the two that looked");
}

#[test]
fn salts_share_with_nobody_but_themselves() {
    let engine = engine().build().expect("an engine");
    let cached = |salt: Option<&str>| {
        let request = ask(&engine, "vicunas", "What is a vicuna?");
        let request = match salt {
            Some(salt) => request.cache_salt(salt),
            None => request,
        };
        usage(request).cached_tokens
    };
    assert_eq!(cached(None), 0);
    assert_eq!(cached(Some("one")), 0);
    assert_eq!(cached(Some("two")), 0);
    for salt in [None, Some("one"), Some("two")] {
        assert!(cached(salt) > 250, "{salt:?}");
    }
}

#[test]
fn a_prefix_that_is_kept_serves_the_first_chat_that_begins_with_it() {
    let engine = engine().build().expect("an engine");
    let prefix = engine.cache_prefix([instructions("guanacos")]).run().expect("a prefix");
    assert!(prefix.tokens() > 250);
    let pinned = wait_until(&engine, |caches| caches.pinned_tokens > 0);
    assert_eq!(pinned.pinned_tokens, u64::from(prefix.tokens()));
    let usage = usage(ask(&engine, "guanacos", "What is a guanaco?"));
    assert!(usage.cached_tokens >= prefix.tokens(), "{usage:?}, {prefix:?}");
    prefix.unpin();
    wait_until(&engine, |caches| caches.pinned_tokens == 0);
}

#[test]
fn a_prefix_has_a_salt_too() {
    let engine = engine().build().expect("an engine");
    let request = engine.cache_prefix([instructions("sheep")]).cache_salt("one");
    let prefix = request.option("timeout_ms", 60_000).run().expect("a prefix");
    assert_eq!(usage(ask(&engine, "sheep", "What is a sheep?")).cached_tokens, 0);
    let salted = usage(ask(&engine, "sheep", "What is a sheep?").cache_salt("one"));
    assert!(salted.cached_tokens >= prefix.tokens());
}

#[test]
fn the_same_prefix_may_be_kept_twice() {
    let engine = engine().build().expect("an engine");
    let keep = || engine.cache_prefix([instructions("goats")]).run().expect("a prefix");
    let (one, two) = (keep(), keep());
    drop(one);
    // A request that comes after the command: the worker has seen it by then.
    usage(ask(&engine, "goats", "What is a goat?"));
    assert_eq!(caches(&engine).pinned_tokens, u64::from(two.tokens()), "the other keeps it");
    drop(two);
    wait_until(&engine, |caches| caches.pinned_tokens == 0);
}

#[test]
fn who_stops_waiting_for_a_prefix_keeps_nothing() {
    let engine = engine().build().expect("an engine");
    for _ in 0..5 {
        drop(engine.cache_prefix([instructions("deer")]).start().expect("queued"));
        // Polled once, so that the request is made.
        let mut future = engine.cache_prefix([instructions("elk")]).into_future();
        assert!((&mut future).now_or_never().is_none(), "it takes a while");
        drop(future);
    }
    usage(ask(&engine, "deer", "What is a deer?"));
    assert_eq!(caches(&engine).pinned_tokens, 0);
    let cancelled = engine.cache_prefix([instructions("moose")]).start().expect("queued");
    cancelled.canceller().cancel();
    // It may have been quicker.
    match cancelled.wait() {
        Ok(prefix) => assert!(prefix.tokens() > 250),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
    }
}

#[test]
fn what_leaves_the_model_s_memory_is_found_in_the_host_s() {
    let engine = engine().prefix_cache_tokens(400).host_cache_bytes(256 << 20);
    let engine = engine.build().expect("an engine");
    let first = ask(&engine, "topic 0", "What is it?").run().expect("an answer");
    for topic in 1..4 {
        usage(ask(&engine, &format!("topic {topic}"), "What is it?"));
    }
    let held = wait_until(&engine, |caches| caches.host.entries > 0);
    assert!(held.host.tokens > 0 && held.host.bytes > 0, "{held:?}");
    assert!(held.host.bytes <= held.host.capacity_bytes, "{held:?}");
    let restored = ask(&engine, "topic 0", "What is it?").run().expect("an answer");
    assert_eq!(restored.usage.cache, Some(CacheTier::Host), "{:?}", restored.usage);
    assert!(restored.usage.cached_tokens > 250);
    assert_eq!(restored.text, first.text);
    let host = caches(&engine).host;
    assert!(host.hits >= 1 && host.hit_tokens > 250, "{host:?}");
}

#[test]
fn trimming_gives_memory_back() {
    let engine = engine().prefix_cache_tokens(400).host_cache_bytes(256 << 20);
    let engine = engine.build().expect("an engine");
    for topic in 0..4 {
        usage(ask(&engine, &format!("topic {topic}"), "What is it?"));
    }
    // What is over the limit has left by then.
    let settled = |caches: &CacheStats| caches.host.bytes > 0 && caches.resident.tokens <= 400;
    let held = wait_until(&engine, settled);
    let freed = engine.trim(u64::MAX).expect("an open engine");
    assert!(freed >= held.host.bytes, "{freed} of {held:?}");
    // What had not been saved by then may be saved once, between requests; what was given back
    // is not.
    for _ in 0..=caches(&engine).resident.entries {
        engine.trim(u64::MAX).expect("an open engine");
        usage(ask(&engine, "topic 4", "What is it?").cache(CacheMode::Bypass));
    }
    let after = caches(&engine).host;
    assert_eq!((after.entries, after.bytes), (0, 0), "nothing new was there to save");
}

#[test]
fn the_counters_of_the_tiers_add_up() {
    let engine = engine().build().expect("an engine");
    let mut cached = 0;
    for question in ["Who?", "What?", "Where?", "When?"] {
        cached += u64::from(usage(ask(&engine, "yaks", question)).cached_tokens);
    }
    let (caches, stats) = (caches(&engine), stats(&engine));
    assert_eq!((caches.resident.hits, caches.resident.hit_tokens), (3, cached));
    assert_eq!(stats.prefix_cache_hits, cached);
    assert!(caches.resident.entries > 0 && caches.resident.tokens > 250, "{caches:?}");
    assert!(caches.resident.bytes > 0, "{caches:?}");
    assert!(caches.resident.capacity_bytes > 0, "{caches:?}");
    assert_eq!(caches.disk, CacheTierStats::default(), "a tier that is off");
}

#[test]
fn an_engine_without_a_prefix_cache_says_so() {
    let engine = engine().prefix_cache_tokens(0).build().expect("an engine");
    for _ in 0..2 {
        assert_eq!(usage(ask(&engine, "llamas", "What is a llama?")).cached_tokens, 0);
    }
    assert_eq!(stats(&engine).prefix_cache_queries, 0);
    assert_eq!(caches(&engine), CacheStats::default());
    let error = engine.cache_prefix("Hello").run().expect_err("no cache");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.details().remedy.as_deref().is_some_and(|r| r.contains("prefix_cache_tokens")));
}

#[test]
fn a_bad_prefix_is_told_as_a_bad_request_is() {
    let engine = engine().build().expect("an engine");
    let refused = |request: PrefixRequest| request.start().expect_err("refused");
    let none = refused(engine.cache_prefix(Vec::new()));
    assert_eq!(none.details().field.as_deref(), Some("messages"));
    let salt = refused(engine.cache_prefix("Hello").cache_salt(""));
    assert_eq!(salt.details().field.as_deref(), Some("cache_salt"));
    let unknown = refused(engine.cache_prefix("Hello").option("max_tokens", 5));
    assert_eq!(unknown.details().field.as_deref(), Some("max_tokens"));
    let long = refused(engine.cache_prefix("word ".repeat(5000)));
    assert_eq!(long.kind(), ErrorKind::ContextOverflow);
    let late = engine.cache_prefix([instructions("snails")]).timeout(Duration::from_nanos(1));
    assert_eq!(late.run().expect_err("too late").kind(), ErrorKind::DeadlineExceeded);
}

#[test]
fn a_closed_engine_keeps_nothing_and_its_handles_do_no_harm() {
    let engine = engine().build().expect("an engine");
    let prefix = engine.cache_prefix([instructions("cats")]).run().expect("a prefix");
    let pending = engine.cache_prefix([instructions("dogs")]).start().expect("queued");
    engine.close().expect("this process made it");
    let kind = pending.wait().map(drop).expect_err("it did not come to it").kind();
    assert_eq!(kind, ErrorKind::EngineClosed);
    for error in [
        engine.cache_prefix("Hello").run().map(drop).expect_err("closed"),
        engine.trim(1).map(drop).expect_err("closed"),
    ] {
        assert_eq!(error.kind(), ErrorKind::EngineClosed);
    }
    assert_eq!(caches(&engine).pinned_tokens, 0);
    assert!(prefix.tokens() > 250, "it still knows its length");
    drop(engine);
    prefix.unpin();
}

#[test]
fn handles_go_from_thread_to_thread() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Sync>() {}
    sent::<PrefixRequest>();
    sent::<PendingPrefix>();
    sent::<PrefixFuture>();
    sent::<CachedPrefix>();
    shared::<CachedPrefix>();
}
