//! Streams: cancelling, slow readers, deadlines, and exactly one terminal event.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::FutureExt;
use indwell::{CacheMode, Engine, ErrorKind, Event, TokenStream, Wait};
use indwell_tests::{block_on, cached_cells, engine, stats, wait_until};

const LONG: &str = "Tell me a very long story about a llama who crosses the Andes.";

fn long_stream(engine: &Engine) -> TokenStream {
    engine.chat(LONG).max_tokens(1500).stream().expect("a stream")
}

fn first_text(stream: &mut TokenStream) {
    let event = stream.next_blocking();
    assert!(matches!(event, Some(Event::Text(_))), "{event:?}");
}

/// Steps that may be counted between a call that cancels and the sequence being free: the one
/// that was running, and one that began before the call reached the worker.
const STEPS_MAX: u64 = 2;

#[test]
fn dropping_a_stream_frees_its_cells_within_a_step() {
    let engine = engine().build().expect("an engine");
    let mut stream = long_stream(&engine);
    first_text(&mut stream);
    assert!(stats(&engine).cells_used > 0);
    let before = stats(&engine).steps;
    drop(stream);
    let after = wait_until(&engine, |stats| stats.requests_running == 0);
    assert_eq!(u64::from(after.cells_used), cached_cells(&engine));
    assert_eq!(after.requests_cancelled, 1);
    assert!(after.steps - before <= STEPS_MAX, "{} steps", after.steps - before);
}

#[test]
fn cancelling_in_the_middle_of_a_prompt_frees_its_cells_within_a_step() {
    let engine = engine().batch_tokens(32).sequences_max(4).build().expect("an engine");
    let prompt = "All work and no play makes a dull day. ".repeat(150);
    let mut stream = engine.complete(prompt).max_tokens(8).stream().expect("a stream");
    let before = wait_until(&engine, |stats| stats.prompt_tokens > 0);
    assert_eq!(before.completion_tokens, 0, "the prompt is still being computed");
    stream.cancel();
    let after = wait_until(&engine, |stats| stats.requests_running == 0);
    assert_eq!(after.completion_tokens, 0);
    assert_eq!(u64::from(after.cells_used), cached_cells(&engine));
    assert!(after.steps - before.steps <= STEPS_MAX, "{} steps", after.steps - before.steps);
    assert!(matches!(stream.next_blocking(), Some(Event::Cancelled)));
    assert!(stream.next_blocking().is_none());
}

#[test]
fn a_request_in_the_queue_is_cancelled_too() {
    let engine = engine().sequences_max(1).build().expect("an engine");
    let mut first = long_stream(&engine);
    first_text(&mut first);
    let mut second = long_stream(&engine);
    wait_until(&engine, |stats| stats.requests_waiting == 1);
    second.cancel();
    assert!(matches!(second.next_blocking(), Some(Event::Cancelled)));
    assert_eq!(stats(&engine).requests_waiting, 0);
    first_text(&mut first);
}

#[test]
fn a_future_that_is_dropped_cancels_its_request() {
    let engine = engine().build().expect("an engine");
    let mut future = std::future::IntoFuture::into_future(engine.chat(LONG).max_tokens(1500));
    assert!((&mut future).now_or_never().is_none(), "1500 tokens take longer than a poll");
    wait_until(&engine, |stats| stats.requests_running == 1);
    drop(future);
    wait_until(&engine, |stats| stats.requests_running == 0 && stats.requests_cancelled == 1);
}

#[test]
fn a_slow_reader_does_not_slow_the_others() {
    let engine = engine().stream_capacity(4).build().expect("an engine");
    let slow = long_stream(&engine);
    // The slow one's mailbox fills and it is paused, holding its cells.
    let tokens = |engine: &Engine| stats(engine).completion_tokens;
    wait_until(&engine, |stats| stats.completion_tokens >= 4);
    let reply = engine.chat("Hello").max_tokens(64).run().expect("an answer");
    let paused_at = tokens(&engine) - u64::from(reply.usage.completion_tokens);
    for _ in 0..3 {
        let reply = engine.chat("Hello").max_tokens(32).run().expect("an answer");
        assert!(reply.usage.completion_tokens > 0);
    }
    let others: u64 = stats(&engine).completion_tokens - paused_at;
    assert!(others > 0);
    assert!(paused_at <= 8, "{paused_at} tokens were computed for a reader that reads none");
    assert_eq!(stats(&engine).requests_running, 1, "the slow one keeps its place");
    // It goes on where it was as soon as it is read.
    let text: String = slow
        .into_iter()
        .take(40)
        .filter_map(|event| match event {
            Event::Text(delta) => Some(delta.text),
            _ => None,
        })
        .collect();
    assert!(text.len() > 40, "{text:?}");
}

#[test]
fn a_slow_reader_gets_the_text_that_a_quick_one_gets() {
    let engine = engine().stream_capacity(2).build().expect("an engine");
    // A cached prompt was computed in another batch, and may lead to another of two tokens that
    // are almost equally likely.
    let ask = || engine.chat(LONG).max_tokens(48).cache(CacheMode::Bypass);
    let quick = ask().run().expect("an answer");
    let mut slow = ask().stream().expect("a stream");
    let mut text = String::new();
    loop {
        // Lets the mailbox fill up each time before it looks.
        std::thread::park_timeout(Duration::from_millis(5));
        match slow.try_next() {
            Wait::Event(Event::Text(delta)) => text.push_str(&delta.text),
            Wait::Event(Event::Finished(finished)) => {
                assert_eq!(finished.usage, quick.usage);
                break;
            }
            Wait::TimedOut => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, quick.text);
}

#[test]
fn the_stream_is_a_futures_stream() {
    let engine = engine().build().expect("an engine");
    let stream = engine.chat("Hello").max_tokens(8).stream().expect("a stream");
    let events: Vec<Event> = block_on(stream.collect());
    assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    assert!(events.last().is_some_and(Event::is_terminal));
}

#[test]
fn awaiting_and_running_give_the_same_reply() {
    let engine = engine().build().expect("an engine");
    let run = engine.chat("Hello").max_tokens(8).run().expect("an answer");
    let awaited =
        block_on(std::future::IntoFuture::into_future(engine.chat("Hello").max_tokens(8)));
    assert_eq!(awaited.expect("an answer").text, run.text);
}

#[test]
fn a_deadline_ends_requests_that_run_and_requests_that_wait() {
    let engine = engine().sequences_max(1).build().expect("an engine");
    let mut first = long_stream(&engine);
    first_text(&mut first);
    let waits = engine.chat(LONG).timeout(Duration::from_millis(30)).run();
    assert_eq!(waits.expect_err("it never runs").kind(), ErrorKind::DeadlineExceeded);
    drop(first);
    let runs = engine.chat(LONG).max_tokens(1500).timeout(Duration::from_millis(60)).run();
    assert_eq!(runs.expect_err("1500 tokens take longer").kind(), ErrorKind::DeadlineExceeded);
    assert!(engine.chat("Hello").max_tokens(4).run().is_ok());
}

#[test]
fn a_full_queue_is_told_at_once_and_with_a_hint() {
    let engine = engine().sequences_max(1).queue_requests_max(2).build().expect("an engine");
    let mut running = long_stream(&engine);
    first_text(&mut running);
    let _waiting = [long_stream(&engine), long_stream(&engine)];
    let error = engine.chat("Hello").stream().expect_err("the queue is full");
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.details().retry_after_ms.is_some_and(|ms| ms > 0), "{error:?}");
    drop(running);
    wait_until(&engine, |stats| stats.requests_waiting < 2);
    assert!(engine.chat("Hello").stream().is_ok());
}
