//! Answers that outlive their engine, and answers to questions that mean the same, on a real model.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indwell::{
    CacheMode, CacheTier, CompletionRequest, Engine, EngineBuilder, ErrorKind, Event, Reply,
    Semantic, SemanticMatch, user,
};
use indwell_tests::{model, wait_until};

/// A folder of its own, gone with its guard.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("indwell-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn engine() -> EngineBuilder {
    indwell_tests::engine().response_cache_bytes(1 << 20)
}

fn ask(engine: &Engine, prompt: &str) -> CompletionRequest {
    engine.complete(prompt).max_tokens(6)
}

fn reply(request: CompletionRequest) -> Reply {
    request.run().expect("an answer")
}

fn in_folder(folder: &Path) -> Engine {
    engine().response_cache_dir(folder).build().expect("an engine")
}

#[test]
fn answers_outlive_their_engine() {
    let folder = Folder::new("answers");
    let first = {
        let engine = in_folder(&folder.0);
        let first = reply(ask(&engine, "A llama is").logprobs(true));
        reply(ask(&engine, "A vicuna is").cache_ttl(Duration::from_millis(1)));
        reply(ask(&engine, "An alpaca is").cache_salt("tenant"));
        engine.close().expect("this process made it");
        first
    };
    let engine = in_folder(&folder.0);
    let steps = engine.stats().expect("this process made it").steps;
    let again = reply(ask(&engine, "A llama is").logprobs(true));
    assert_eq!(again.usage.cache, Some(CacheTier::Response));
    assert_eq!((&again.text, &again.logprobs), (&first.text, &first.logprobs));
    assert_eq!(engine.stats().expect("this process made it").steps, steps);
    let salted = reply(ask(&engine, "An alpaca is").cache_salt("tenant"));
    assert_eq!(salted.usage.cache, Some(CacheTier::Response));
    let stale = ask(&engine, "A vicuna is").cache(CacheMode::OnlyIfCached).run();
    assert_eq!(stale.expect_err("its time is over").kind(), ErrorKind::NotCached);
    assert_eq!(engine.invalidate_responses().expect("an open engine"), 2);
    drop(engine);
    let engine = in_folder(&folder.0);
    assert_eq!(engine.caches().expect("this process made it").response.entries, 0);
}

#[test]
fn one_engine_at_a_time_has_the_folder() {
    let folder = Folder::new("held-answers");
    let first = in_folder(&folder.0);
    let error = engine().response_cache_dir(&folder.0).build().expect_err("held");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains(&*folder.0.to_string_lossy()), "{error}");
    assert!(error.details().remedy.is_some());
    first.close().expect("this process made it");
    in_folder(&folder.0);
}

#[test]
fn another_engine_s_answers_are_not_found() {
    let folder = Folder::new("other-answers");
    let first = in_folder(&folder.0);
    reply(ask(&first, "A llama is"));
    first.close().expect("this process made it");
    // It computes otherwise, and may round otherwise.
    let other = engine().response_cache_dir(&folder.0).flash_attention(false);
    let other = other.build().expect("an engine");
    assert_eq!(other.caches().expect("this process made it").response.entries, 0);
    assert_ne!(reply(ask(&other, "A llama is")).usage.cache, Some(CacheTier::Response));
}

#[test]
fn a_damaged_store_is_set_aside() {
    let folder = Folder::new("damaged-answers");
    let first = in_folder(&folder.0);
    reply(ask(&first, "A llama is"));
    first.close().expect("this process made it");
    let file = folder.0.join("responses.redb");
    assert!(file.is_file());
    std::fs::write(&file, b"this is no store").expect("a file");
    let engine = in_folder(&folder.0);
    assert_eq!(engine.caches().expect("this process made it").response.entries, 0);
    reply(ask(&engine, "A llama is"));
    engine.close().expect("this process made it");
    let aside = std::fs::read_dir(&folder.0).expect("a folder").filter_map(Result::ok);
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"));
    assert_eq!(aside.count(), 1);
    let engine = in_folder(&folder.0);
    assert_eq!(engine.caches().expect("this process made it").response.entries, 1);
}

/// How often each letter occurs.
fn letters(text: &str) -> Vec<f32> {
    let count = |letter| text.chars().filter(|c| c.eq_ignore_ascii_case(&letter)).count();
    ('a'..='z').map(|letter| f32::from(u16::try_from(count(letter)).expect("short"))).collect()
}

fn agreeing() -> Semantic {
    Semantic::new(0.2, |text| Ok(letters(text)), |_| Ok(true))
}

/// Its embedding hangs until the sender is dropped.
fn hanging() -> (Semantic, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let embed = move |text: &str| {
        let _ = released.lock().expect("no panic").recv();
        Ok(letters(text))
    };
    (Semantic::new(0.2, embed, |_| Ok(true)).timeout(Duration::MAX), release)
}

#[test]
fn a_question_that_means_the_same_is_served_and_marked() {
    let engine = engine().build().expect("an engine");
    let seen = Arc::new(Mutex::new(Vec::<SemanticMatch>::new()));
    let semantic = || {
        let seen = Arc::clone(&seen);
        Semantic::new(
            0.2,
            |text| Ok(letters(text)),
            move |question| {
                seen.lock().expect("no panic").push(question.clone());
                Ok(true)
            },
        )
    };
    let chat = |text: &str| engine.chat([user(text)]).max_tokens(6);
    let first = chat("Where do llamas live?").semantic(semantic()).run().expect("an answer");
    assert_eq!(first.usage.semantic_distance, None);
    assert!(seen.lock().expect("no panic").is_empty(), "there was nothing to compare with");
    let second = chat("where do llamas live").semantic(semantic()).run().expect("an answer");
    assert_eq!(second.usage.cache, Some(CacheTier::Semantic));
    assert_eq!(second.usage.cached_tokens, second.usage.prompt_tokens);
    assert_eq!(second.text, first.text);
    let distance = second.usage.semantic_distance.expect("marked");
    assert!((0.0..=0.2).contains(&distance), "{distance}");
    let found = seen.lock().expect("no panic").pop().expect("verified");
    assert_eq!(found.found, "user: Where do llamas live?");
    assert_eq!(found.asked, "user: where do llamas live");
    assert_eq!((found.answer, found.distance), (first.text.clone(), distance));
    // The same question again is exact, and asks nobody.
    let third = chat("Where do llamas live?").semantic(semantic()).run().expect("an answer");
    assert_eq!(
        (third.usage.cache, third.usage.semantic_distance),
        (Some(CacheTier::Response), None)
    );
    assert!(seen.lock().expect("no panic").is_empty());
    let responses = engine.caches().expect("this process made it").response;
    assert_eq!((responses.hits, responses.semantic_hits, responses.misses), (1, 1, 1));
}

#[test]
fn what_is_far_or_declined_or_otherwise_asked_is_computed() {
    let engine = engine().build().expect("an engine");
    let is_served = |request: CompletionRequest, semantic| {
        reply(request.semantic(semantic)).usage.cache == Some(CacheTier::Semantic)
    };
    assert!(!is_served(ask(&engine, "Llamas live in the"), agreeing()));
    let declining = Semantic::new(2.0, |text| Ok(letters(text)), |_| Ok(false));
    assert!(!is_served(ask(&engine, "llamas live in the "), declining));
    assert!(!is_served(ask(&engine, "Zzz qqq xxx"), agreeing()));
    assert!(!is_served(ask(&engine, "llamas live in  the").max_tokens(7), agreeing()));
    assert!(!is_served(ask(&engine, "llamas live in  the").cache_salt("other"), agreeing()));
    assert!(is_served(ask(&engine, "llamas live in  the"), agreeing()));
    let cached = ask(&engine, "LLAMAS live in the").cache(CacheMode::OnlyIfCached);
    assert!(is_served(cached, agreeing()), "only if cached takes semantic answers");
    let cached = ask(&engine, "Zzz qqq xxy zz").cache(CacheMode::OnlyIfCached);
    let error = cached.semantic(Semantic::new(0.0, |text| Ok(letters(text)), |_| Ok(true))).run();
    assert_eq!(error.expect_err("too far").kind(), ErrorKind::NotCached);
}

#[test]
fn functions_that_fail_cost_a_computation_and_no_more() {
    let engine = engine().build().expect("an engine");
    reply(ask(&engine, "Llamas live in the").semantic(agreeing()));
    let bad: [Semantic; 5] = [
        Semantic::new(0.2, |_| Err("no embedding today".into()), |_| Ok(true)),
        Semantic::new(0.2, |_| panic!("it panics"), |_| Ok(true)),
        Semantic::new(0.2, |_| Ok(Vec::new()), |_| Ok(true)),
        Semantic::new(0.2, |text| Ok(letters(text)), |_| Err("no verdict today".into())),
        Semantic::new(0.2, |text| Ok(letters(text)), |_| panic!("it panics too")),
    ];
    for (number, semantic) in bad.into_iter().enumerate() {
        let prompt = format!("llamas live in the{}", " ".repeat(number + 1));
        let reply = reply(ask(&engine, &prompt).semantic(semantic));
        assert_ne!(reply.usage.cache, Some(CacheTier::Semantic), "{number}");
        assert_eq!(reply.usage.completion_tokens, 6);
    }
    for (distance_max, timeout) in [(-0.1, 1), (2.1, 1), (f32::NAN, 1), (0.1, 0)] {
        let semantic = Semantic::new(distance_max, |text| Ok(letters(text)), |_| Ok(true));
        let semantic = semantic.timeout(Duration::from_secs(timeout));
        let error = ask(&engine, "Llamas").semantic(semantic).run().expect_err("out of range");
        assert_eq!(error.details().field.as_deref(), Some("semantic"));
    }
}

#[test]
fn a_function_that_hangs_holds_up_nobody() {
    let engine = engine().build().expect("an engine");
    let (hanging, release) = hanging();
    let slow = ask(&engine, "Llamas live in the").semantic(hanging.clone());
    let slow = slow.stream().expect("a stream");
    let reply_of_another = reply(ask(&engine, "Alpacas live in the"));
    assert_eq!(reply_of_another.usage.completion_tokens, 6);
    // It can be cancelled and its deadline passes, like any other's.
    slow.cancel();
    assert!(matches!(slow.into_iter().last(), Some(Event::Cancelled)));
    let late = ask(&engine, "Llamas live in the").semantic(hanging.clone());
    let late = late.timeout(Duration::from_millis(5)).run().expect_err("too late");
    assert_eq!(late.kind(), ErrorKind::DeadlineExceeded);
    let timed_out =
        ask(&engine, "Llamas live in the").semantic(hanging.timeout(Duration::from_millis(5)));
    assert_eq!(reply(timed_out).usage.completion_tokens, 6, "computed instead");
    wait_until(&engine, |stats| stats.requests_waiting == 0 && stats.requests_running == 0);
    drop(release);
}

#[test]
fn a_closed_engine_ends_who_waits_for_a_function() {
    let engine = Engine::builder(model()).context_tokens(512).build().expect("an engine");
    let (hanging, release) = hanging();
    let waiting = ask(&engine, "Llamas").semantic(hanging);
    let waiting = waiting.stream().expect("a stream");
    engine.close().expect("this process made it");
    assert_eq!(waiting.reply().expect_err("closed").kind(), ErrorKind::EngineClosed);
    drop(release);
}
