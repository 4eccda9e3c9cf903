//! Drafts on the real model: fewer steps where an answer repeats its prompt, and the same answers.

use indwell::{Engine, Speculation};
use indwell_tests::{Score, Scorer, engine, model, stats};

/// A text, begun once more: what the model goes on with is most of it.
const PROMPT: &str = "The harbour master counts the boats at dawn. There are twelve fishing boats, two \
    ferries and one old steamer. The fishing boats leave first, then the ferries, and the steamer \
    leaves when the tide is high. At noon the market opens, and the fish are sold by weight.\n\
    The harbour master counts the boats at dawn. There are twelve fishing boats,";
const TOKENS: u32 = 60;

fn engine_that(speculation: Speculation) -> Engine {
    engine().response_cache_bytes(0).speculation(speculation).build().expect("an engine")
}

#[test]
fn an_answer_that_repeats_its_prompt_takes_fewer_steps_and_is_as_likely() {
    let mut scorer = Scorer::new(&model());
    let mut worst = Score::default();
    for speculation in [Speculation::Auto, Speculation::Off] {
        let engine = engine_that(speculation);
        let reply =
            engine.complete(PROMPT).max_tokens(TOKENS).logprobs(true).run().expect("an answer");
        assert_eq!(reply.logprobs.len() as u32, reply.usage.completion_tokens);
        let score = scorer.score(PROMPT, &reply.logprobs);
        assert!(score.agrees(), "{speculation:?}: {score:?}, {reply:?}");
        worst = worst.worse(score);
        let stats = stats(&engine);
        println!("{speculation:?}: {stats:?}");
        let saved = u64::from(reply.usage.completion_tokens) - stats.accepted_tokens;
        assert_eq!(stats.steps, saved, "each draft that is right saves a step");
        match speculation {
            Speculation::Auto => assert!(stats.accepted_tokens * 4 > u64::from(TOKENS)),
            _ => assert_eq!((stats.drafted_tokens, stats.accepted_tokens), (0, 0)),
        }
    }
    println!("at worst {worst:?}");
}

#[test]
fn a_stop_string_ends_an_answer_within_what_was_verified_at_once() {
    let [with, without] = [Speculation::Auto, Speculation::Off].map(|speculation| {
        let engine = engine_that(speculation);
        let request = engine.complete(PROMPT).max_tokens(TOKENS).stop(["is high"]);
        let reply = request.run().expect("an answer");
        let stats = stats(&engine);
        assert_eq!(stats.completion_tokens, u64::from(reply.usage.completion_tokens));
        assert!(!reply.text.contains("is high"));
        (reply.text, reply.finish_reason, reply.usage.completion_tokens)
    });
    assert_eq!(with, without);
}

#[test]
fn seeded_answers_are_drawn_as_without_drafts() {
    let [with, without] = [Speculation::Auto, Speculation::Off].map(|speculation| {
        let engine = engine_that(speculation);
        let request = engine.complete(PROMPT).max_tokens(TOKENS).temperature(0.3).seed(7);
        request.run().expect("an answer").text
    });
    assert_eq!(with, without);
}

#[test]
fn another_name_is_refused() {
    let error = engine().option("speculation", "always").build().expect_err("no such name");
    assert_eq!(error.kind(), indwell::ErrorKind::InvalidRequest);
    assert_eq!(error.details().field.as_deref(), Some("speculation"));
}
