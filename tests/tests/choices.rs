//! Several answers to one request: told apart, one prompt for all, the best of them, and their ends.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use indwell::{CacheMode, ErrorKind, Event, FinishReason, Reply, Wait};
use indwell_tests::{block_on, engine, stats, wait_until};

const PROMPT: &str = "Once upon a time in the high mountains there lived a young llama who";

fn texts(reply: &Reply) -> Vec<&str> {
    let others = reply.alternatives.iter().map(|choice| choice.text.as_str());
    std::iter::once(reply.text.as_str()).chain(others).collect()
}

#[test]
fn several_answers_have_one_prefill_and_each_its_own_seed() {
    let engine = engine().build().expect("an engine");
    // Long enough that waiting for it is worth more than computing it again.
    let prompt = format!("{} {PROMPT}", "Llamas are animals of the high mountains. ".repeat(16));
    let asked = |seed: u32| {
        let request = engine.complete(prompt.as_str()).max_tokens(12).ignore_eos(true);
        request.temperature(1.0).seed(seed)
    };
    let reply = asked(7).n(4).run().expect("four answers");
    assert_eq!(texts(&reply).len(), 4);
    assert_eq!(reply.usage.completion_tokens, 48);
    // Each answer computes the prompt's last token anew, for its logits.
    let prompt = u64::from(reply.usage.prompt_tokens);
    assert_eq!(stats(&engine).prompt_tokens, prompt + 3);
    let different: BTreeSet<&str> = texts(&reply).into_iter().collect();
    assert!(different.len() > 1, "{different:?}");
}

#[test]
fn each_answer_is_the_stored_one_to_its_own_seed() {
    let engine = engine().response_cache_bytes(1 << 20).build().expect("an engine");
    let asked = |seed: u32| engine.complete(PROMPT).max_tokens(8).temperature(1.0).seed(seed);
    let reply = asked(7).n(3).run().expect("three answers");
    for (seed, text) in (7..).zip(texts(&reply)) {
        let alone = asked(seed).cache(CacheMode::OnlyIfCached).run().expect("a stored answer");
        assert_eq!(alone.text, text);
    }
}

#[test]
fn a_stream_tells_which_answer_each_event_is_of_and_ends_once() {
    let engine = engine().build().expect("an engine");
    let asked = || engine.complete(PROMPT).max_tokens(8).temperature(1.0).seed(3).n(3);
    let mut texts = [String::new(), String::new(), String::new()];
    let (mut ended, mut finished) = (Vec::new(), 0);
    for event in asked().stream().expect("a stream") {
        match event {
            Event::Text(delta) => texts[delta.choice as usize].push_str(&delta.text),
            Event::ChoiceFinished(end) => {
                assert_eq!(end.reason, FinishReason::Length);
                ended.push(end.choice);
            }
            Event::Finished(end) => {
                assert_eq!((ended.len(), end.usage.completion_tokens), (3, 24));
                finished += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    ended.sort_unstable();
    assert_eq!((ended, finished), (vec![0, 1, 2], 1));
    assert!(texts.iter().all(|text| !text.is_empty()));
    let awaited = block_on(asked().stream().expect("a stream").collect::<Vec<Event>>());
    let terminal = awaited.iter().filter(|event| event.is_terminal()).count();
    assert_eq!((terminal, awaited.last().map(Event::is_terminal)), (1, Some(true)));
}

#[test]
fn without_anything_random_all_answers_are_one_computation() {
    let engine = engine().response_cache_bytes(1 << 20).build().expect("an engine");
    let reply = engine.complete(PROMPT).max_tokens(6).n(3).run().expect("three answers");
    let different: BTreeSet<&str> = texts(&reply).into_iter().collect();
    assert_eq!((texts(&reply).len(), different.len()), (3, 1));
    assert_eq!(stats(&engine).completion_tokens, 6);
}

#[test]
fn the_best_of_several_is_told_and_they_are_those_of_n() {
    let engine = engine().build().expect("an engine");
    let asked = || engine.complete(PROMPT).max_tokens(10).temperature(1.5).seed(11);
    let all = asked().n(5).logprobs(true).run().expect("five answers");
    let mean = |logprobs: &[indwell::TokenLogprob]| {
        let sum: f64 = logprobs.iter().map(|token| f64::from(token.logprob)).sum();
        sum / logprobs.len() as f64
    };
    let others = all.alternatives.iter().map(|choice| (mean(&choice.logprobs), &choice.text));
    let mut ranked: Vec<_> = others.chain([(mean(&all.logprobs), &all.text)]).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let best = asked().n(2).best_of(5).run().expect("the best two");
    // The other run of five may differ in arithmetic, not in which answers are far ahead.
    let gap = ranked[0].0 - ranked[1].0;
    if gap > 0.05 {
        assert_eq!(&best.text, ranked[0].1, "{ranked:?}");
    }
    assert_eq!(best.alternatives.len(), 1);
    assert!(best.logprobs.is_empty(), "nobody asked for them");
    assert_eq!(best.usage.completion_tokens, 50, "all five were computed");
    let told = asked().n(2).best_of(5).logprobs(true).run().expect("the best two");
    assert!(mean(&told.logprobs) >= mean(&told.alternatives[0].logprobs));
}

#[test]
fn a_cancelled_or_dropped_request_ends_all_its_answers() {
    let engine = engine().build().expect("an engine");
    let asked = || {
        let request = engine.complete(PROMPT).max_tokens(400).ignore_eos(true);
        request.temperature(1.0).seed(1).n(4)
    };
    let mut stream = asked().stream().expect("a stream");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    stream.cancel();
    let last = std::iter::from_fn(|| stream.next_blocking()).last();
    assert!(matches!(last, Some(Event::Cancelled)), "{last:?}");
    wait_until(&engine, |stats| stats.requests_running == 0);
    let mut stream = asked().stream().expect("a stream");
    assert!(matches!(stream.next_timeout(Duration::from_secs(60)), Wait::Event(_)));
    drop(stream);
    let after = wait_until(&engine, |stats| stats.requests_running == 0);
    assert_eq!(after.requests_cancelled, 8);
}

#[test]
fn without_room_for_all_answers_none_is_computed() {
    let engine = engine().queue_requests_max(2).sequences_max(1).build().expect("an engine");
    let mut first = engine.complete(PROMPT).max_tokens(500).stream().expect("a stream");
    assert!(matches!(first.next_blocking(), Some(Event::Text(_))));
    let refused = engine.complete(PROMPT).temperature(1.0).n(3).stream().expect_err("a full queue");
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    wait_until(&engine, |stats| stats.requests_waiting == 0);
    first.cancel();
}

#[test]
fn a_slow_reader_of_several_answers_gets_all_of_them() {
    let engine = engine().stream_capacity(1).build().expect("an engine");
    let asked =
        engine.complete(PROMPT).max_tokens(40).ignore_eos(true).temperature(1.0).seed(5).n(3);
    let mut stream = asked.stream().expect("a stream");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    // All three are behind by now, and pause.
    let other = engine.complete("1, 2, 3,").max_tokens(60).run().expect("an answer");
    assert_eq!(other.usage.completion_tokens, 60);
    let reply = stream.reply().expect("all answers");
    assert_eq!((reply.alternatives.len(), reply.usage.completion_tokens), (2, 120));
}
