//! Answers of the default model within a form: through the engine, blocking and streamed, alone and
//! beside others.

use indwell::{CacheMode, Engine, FinishReason};
use indwell_tests::{engine, stats};
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name_of_the_animal": {"type": "string", "maxLength": 12},
            "number_of_its_legs": {"type": "integer", "minimum": 0, "maximum": 9},
            "is_it_a_camelid": {"type": "boolean"},
        },
        "required": ["name_of_the_animal", "number_of_its_legs", "is_it_a_camelid"],
        "additionalProperties": false,
    })
}

fn check(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
    let validator = jsonschema::validator_for(&llama()).expect("a schema");
    assert!(validator.is_valid(&value), "{text}");
}

#[test]
fn an_answer_fits_its_schema_and_ends_by_itself() {
    let engine = engine().build().expect("an engine");
    for seed in 0..4 {
        let reply = engine
            .chat("Describe a llama in JSON.")
            .json_schema(llama())
            .temperature(1.5)
            .seed(seed)
            .max_tokens(128)
            .run()
            .expect("an answer");
        check(&reply.text);
        assert_eq!(reply.finish_reason, FinishReason::Stop, "{}", reply.text);
    }
}

#[test]
fn forced_tokens_are_computed_together() {
    let engine = engine().build().expect("an engine");
    let ask = || engine.chat("Describe a llama in JSON.").json_schema(llama()).max_tokens(128);
    let before = stats(&engine).steps;
    let forced = ask().run().expect("an answer");
    let steps = stats(&engine).steps - before;
    let tokens = u64::from(forced.usage.completion_tokens);
    assert!(steps * 3 < tokens * 2, "{steps} steps for {tokens} tokens");
    // With log-probabilities each token is drawn, and is the same one but for rounding: what is
    // forced is what the mask leaves.
    let drawn = ask().logprobs(true).run().expect("an answer");
    assert_eq!(drawn.logprobs.len(), drawn.usage.completion_tokens as usize);
    check(&drawn.text);
}

#[test]
fn constrained_answers_run_beside_free_ones() {
    let engine = engine().sequences_max(6).build().expect("an engine");
    let streams: Vec<_> = (0..6)
        .map(|n| {
            let chat = engine.chat(format!("Describe animal {n}.")).cache(CacheMode::Bypass);
            let chat = if n % 2 == 0 { chat.json_schema(llama()) } else { chat };
            chat.temperature(0.8).seed(n).max_tokens(96).stream().expect("a stream")
        })
        .collect();
    for (n, stream) in streams.into_iter().enumerate() {
        let reply = stream.reply().expect("an answer");
        if n % 2 == 0 {
            check(&reply.text);
        } else {
            assert!(!reply.text.starts_with('{'), "{}", reply.text);
        }
    }
}

#[test]
fn a_choice_is_one_of_the_texts() {
    let engine = engine().build().expect("an engine");
    let texts = ["a llama", "a lion", "a fish"];
    for seed in 0..3 {
        let chat = engine.chat("Which animal lives in the Andes?").choice(texts);
        let reply = chat.temperature(1.0).seed(seed).run().expect("an answer");
        assert!(texts.contains(&reply.text.as_str()), "{}", reply.text);
        assert_eq!(reply.finish_reason, FinishReason::Stop);
    }
}

#[test]
fn max_tokens_and_stop_strings_cut_a_constrained_answer_short() {
    let engine = engine().build().expect("an engine");
    let ask = || engine.chat("Describe a llama.").json_schema(llama());
    for max_tokens in [1, 2, 5, 9] {
        let reply = ask().max_tokens(max_tokens).run().expect("an answer");
        assert_eq!(reply.usage.completion_tokens, max_tokens);
        assert_eq!(reply.finish_reason, FinishReason::Length);
        assert!(reply.text.starts_with('{'), "{}", reply.text);
    }
    // In the midst of what is forced.
    let reply = ask().stop(["of_the"]).run().expect("an answer");
    assert_eq!((reply.text.as_str(), reply.finish_reason), (r#"{"name_"#, FinishReason::Stop));
}

#[test]
fn the_same_question_with_another_form_is_another_question() {
    let engine = Engine::builder(indwell_tests::model()).context_tokens(2048).build();
    let engine = engine.expect("an engine");
    let ask = |texts: [&str; 2]| engine.chat("Yes or no?").choice(texts).run().expect("an answer");
    let first = ask(["yes", "no"]);
    assert_eq!(ask(["yes", "no"]).text, first.text);
    assert_eq!(engine.caches().expect("open").response.hits, 1);
    let other = ask(["ja", "nein"]);
    assert!(["ja", "nein"].contains(&other.text.as_str()));
}
