//! What is served: the same answers, from the same caches, by the same options.

use indwell::{CacheTier, Engine, ErrorKind, Event, Isolation, system, user};
use indwell_tests::{engine, model, stats, wait_until};
use serde_json::json;

use crate::workers::{isolated, kill_worker, next_worker, worker};

const INSTRUCTIONS: &str = "You are a terse assistant. You answer in one short sentence, in plain \
    words, without lists, without apologies, and you never repeat the question that you were asked.";

/// Greedy, seeded, bound to a schema, and scored: each alone, so that batches are the same.
fn answers(engine: &Engine) -> Vec<String> {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}},
        "required": ["city", "large"],
        "additionalProperties": false,
    });
    let ask = || engine.chat("Name a city.").max_tokens(24);
    let greedy = ask().run().expect("an answer");
    let seeded = ask().temperature(0.9).top_p(0.9).seed(11).run().expect("an answer");
    let bound = ask().max_tokens(48).json_schema(schema).run().expect("an answer");
    let scored = ask().logprobs(true).top_logprobs(3).run().expect("an answer");
    let prompt = engine.complete("1, 2, 3,").max_tokens(4).prompt_logprobs(true);
    let prompt = prompt.run().expect("an answer");
    vec![
        greedy.text,
        seeded.text,
        bound.text,
        format!("{:?}", scored.logprobs),
        format!("{:?}", prompt.prompt_logprobs),
    ]
}

#[test]
fn answers_are_the_same_to_the_last_bit() {
    let here = answers(&engine().build().expect("an engine"));
    let (_alone, builder) = isolated();
    let apart = answers(&builder.build().expect("an engine"));
    assert_eq!(apart, here);
    assert!(here[2].contains("city"), "{}", here[2]);
}

#[test]
fn the_weights_are_not_in_this_process() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    engine.chat("Hello").max_tokens(4).run().expect("an answer");
    let file = model().file_name().expect("a file").to_string_lossy().into_owned();
    let mapped = |process: String| {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("on Linux");
        maps.lines().any(|line| line.ends_with(&file))
    };
    assert!(mapped(worker().to_string()));
    // Other tests of this program may have the model loaded here; this engine's facts are there all
    // the same.
    assert_eq!(engine.model().name, indwell_of(&engine));
}

fn indwell_of(isolated: &Engine) -> String {
    let here = engine().build().expect("an engine");
    assert_eq!(here.model(), isolated.model());
    here.model().name.clone()
}

#[test]
fn a_cancelled_answer_ends_and_the_next_is_served() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let mut stream =
        engine.chat("Tell me a very long story.").max_tokens(500).stream().expect("one");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    let steps = stats(&engine).steps;
    stream.cancel();
    let last = stream.into_iter().last().expect("a terminal event");
    assert!(matches!(last, Event::Cancelled), "{last:?}");
    let after = wait_until(&engine, |stats| stats.requests_running == 0);
    assert!(after.steps <= steps + 3, "{steps} steps before, {} after", after.steps);
    engine.chat("Hello").max_tokens(4).run().expect("an answer");
}

#[test]
fn prefixes_are_shared_and_answers_stored() {
    let (_alone, builder) = isolated();
    let engine = builder.response_cache_bytes(1 << 20).build().expect("an engine");
    let ask = |question: &str| {
        let request = engine.chat([system(INSTRUCTIONS), user(question)]).max_tokens(8);
        request.run().expect("an answer")
    };
    let first = ask("Name a city.");
    assert_eq!(first.usage.cached_tokens, 0);
    let second = ask("Name a river.");
    assert_eq!(second.usage.cache, Some(CacheTier::Resident));
    let steps = stats(&engine).steps;
    let again = ask("Name a city.");
    assert_eq!((again.text, again.usage.cache), (first.text, Some(CacheTier::Response)));
    assert_eq!(stats(&engine).steps, steps, "nothing was computed");
}

/// The host's memory keeps what the worker computed, and the next worker goes on with it.
#[test]
fn snapshots_outlive_the_worker() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let ask = |question: &str| {
        let request = engine.chat([system(INSTRUCTIONS), user(question)]).max_tokens(8);
        request.run().expect("an answer")
    };
    let first = ask("Name a city.");
    let saved = || engine.caches().expect("this process made it").host.entries > 0;
    crate::workers::until(saved);
    kill_worker();
    next_worker(&engine, 0);
    assert_eq!(indwell_tests::cached_cells(&engine), 0, "nothing is resident in a new process");
    let again = ask("Name a city.");
    assert_eq!(again.usage.cache, Some(CacheTier::Host));
    assert!(again.usage.cached_tokens > 20, "{:?}", again.usage);
    assert_eq!(again.text, first.text);
}

#[test]
fn a_bad_grammar_is_refused_in_the_same_words() {
    let here = engine().build().expect("an engine");
    let (_alone, builder) = isolated();
    let apart = builder.build().expect("an engine");
    let refused = |engine: &Engine| {
        let error = engine.chat("Hello").lark("start: missing").run().expect_err("no such rule");
        (error.kind(), error.message().to_owned(), error.details().clone())
    };
    assert_eq!(refused(&apart), refused(&here));
    assert_eq!(refused(&apart).0, ErrorKind::InvalidRequest);
}

#[test]
fn the_option_has_two_values() {
    let error =
        Engine::builder(model()).option("isolation", "thread").build().expect_err("no such");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.details().limit.as_deref(), Some("in_process or process"));
    assert_eq!(Isolation::default().as_str(), "in_process");
}
