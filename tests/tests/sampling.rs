//! Sampling on the real model and its vocabulary: what is never said, what ends an answer, and what is
//! told of probabilities.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use indwell::{CacheMode, CompletionRequest, Engine, ErrorKind, Event, FinishReason, OptionValue};
use indwell_kernel::{Draws, SamplingOptions, Surroundings};
use indwell_llama::{Lexicon, Model, ModelParams, Sampler};
use indwell_tests::{Scorer, engine};

const COUNT: &str = "1, 2, 3, 4, 5, 6, 7,";

/// One engine for all: requests don't disturb each other.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine().build().expect("an engine"));

fn count() -> CompletionRequest {
    ENGINE.complete(COUNT)
}

/// What draws from a model's own vocabulary, on logits of no model.
fn sampler(model: &Model, options: &SamplingOptions) -> Sampler {
    let vocabulary_tokens = model.vocabulary().size();
    let surroundings = Surroundings { fresh_seed: 1, max_tokens: 100_000, vocabulary_tokens };
    let sampling = options.validate(&surroundings).expect("valid");
    let lexicon = Lexicon::of(model, &sampling);
    Sampler::new(&Draws { sampling, ..Draws::greedy() }, lexicon, &[], &[]).expect("a sampler")
}

fn vocabulary_of(path: &Path) -> Model {
    Model::load(path, ModelParams::default(), |_| {}).expect("the model")
}

/// Random logits, a few of which stand out.
fn random_logits(state: &mut u64, logits: &mut [f32]) {
    for logit in logits {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (*state >> 40) as f32 / (1 << 24) as f32;
        *logit = 12.0 * share * share;
    }
}

#[test]
fn banned_strings_never_appear_whatever_the_tokens() {
    let model = vocabulary_of(&indwell_tests::model());
    let vocabulary = model.vocabulary();
    let banned: Vec<String> = [
        "e", "the", " a", "ing", "on ", "\n", "Llama", "12", "é", "🦙", ". ", "http", "你", "ation",
    ]
    .map(str::to_owned)
    .to_vec();
    for seed in 1..=4 {
        // Without the shortest ones too, or no text is long enough to end within a token.
        let banned = if seed % 2 == 0 { &banned[1..] } else { &banned[..] };
        let options = SamplingOptions {
            temperature: Some(1.0),
            seed: Some(seed),
            banned_strings: banned.to_vec(),
            ..Default::default()
        };
        let mut sampler = sampler(&model, &options);
        let mut state = seed.unsigned_abs();
        let mut logits = vec![0.0; vocabulary.size() as usize];
        let mut text = Vec::new();
        for _ in 0..1000 {
            random_logits(&mut state, &mut logits);
            let token = sampler.draw(&logits, None).expect("a token").token;
            sampler.take(token);
            vocabulary.append_piece(token, &mut text);
        }
        let text = String::from_utf8_lossy(&text);
        for ban in banned {
            assert!(!text.contains(ban.as_str()), "seed {seed}: {ban:?} is in the text");
        }
        assert!(text.len() > 2000, "seed {seed}: {} bytes", text.len());
    }
}

#[test]
fn a_banned_string_is_not_in_an_answer_and_the_answer_goes_on() {
    let plain = count().max_tokens(16).run().expect("an answer");
    assert!(plain.text.contains("10"), "{:?}", plain.text);
    let banned = ["10", "9", "1"];
    let reply = count().max_tokens(16).banned_strings(banned).run().expect("an answer");
    assert!(banned.iter().all(|ban| !reply.text.contains(ban)), "{:?}", reply.text);
    assert_eq!(reply.usage.completion_tokens, 16);
    assert!(reply.text.starts_with(" 8"), "{:?}", reply.text);
}

#[test]
fn a_bias_by_token_or_text_decides() {
    let told = |request: CompletionRequest| {
        request.max_tokens(1).logprobs(true).run().expect("an answer").logprobs[0].token
    };
    let usual = told(count());
    let other = usual + 1;
    assert_eq!(told(count().token_bias(other, 100.0)), other);
    assert_ne!(told(count().option("logit_bias", never(usual))), usual);
    let reply = count().max_tokens(3).text_bias(" llama", 1000.0).run().expect("an answer");
    assert!(reply.text.contains("llama"), "{:?}", reply.text);
}

fn never(token: i32) -> OptionValue {
    OptionValue::Object(vec![(token.to_string(), OptionValue::Bool(false))])
}

#[test]
fn a_token_that_does_not_exist_is_refused_and_others_are_served() {
    let error = count().token_bias(1_000_000, 1.0).run().expect_err("no such token");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("49152"), "{error}");
    let stops: Vec<String> = (0..10_000).map(|i| format!("stop {i}")).collect();
    let error = count().stop(stops).run().expect_err("too many");
    assert_eq!(error.details().field.as_deref(), Some("stop"));
    count().max_tokens(1).run().expect("an answer");
}

#[test]
fn a_stop_token_ends_the_answer_and_is_no_part_of_it() {
    let plain = count().max_tokens(12).logprobs(true).run().expect("an answer");
    let tokens: Vec<i32> = plain.logprobs.iter().map(|one| one.token).collect();
    let stop = tokens[7];
    let first = tokens.iter().position(|&token| token == stop).expect("it is there");
    let reply = count().max_tokens(12).stop_tokens([stop]).run().expect("an answer");
    assert_eq!(reply.finish_reason, FinishReason::Stop);
    assert_eq!(reply.usage.completion_tokens as usize, first);
    assert!(plain.text.starts_with(&reply.text) && reply.text.len() < plain.text.len());
    // A minimum keeps it from ending the answer.
    let longer = count().max_tokens(12).stop_tokens([stop]).min_tokens(11);
    let longer = longer.run().expect("an answer");
    assert!(longer.usage.completion_tokens >= 11, "{}", longer.usage.completion_tokens);
}

#[test]
fn a_minimum_and_an_ignored_end_make_answers_longer() {
    let ask = || ENGINE.chat("Say only the word yes.").max_tokens(120);
    let plain = ask().run().expect("an answer");
    assert_eq!(plain.finish_reason, FinishReason::Stop, "{:?}", plain.text);
    let short = plain.usage.completion_tokens;
    let least = ask().min_tokens(short + 20).run().expect("an answer");
    assert!(least.usage.completion_tokens >= short + 20);
    assert!(least.text.starts_with(&plain.text), "{:?} and {:?}", plain.text, least.text);
    let endless = ask().ignore_eos(true).run().expect("an answer");
    assert_eq!(endless.usage.completion_tokens, 120);
    assert_eq!(endless.finish_reason, FinishReason::Length);
}

#[test]
fn penalties_keep_an_answer_from_repeating() {
    // A bias makes one word by far the likeliest, until it is penalized.
    let ask = || {
        let request = ENGINE.complete("go go go go go go go go go go go").max_tokens(24);
        request.text_bias(" go", 8.0)
    };
    let distinct = |request: CompletionRequest| {
        let reply = request.logprobs(true).run().expect("an answer");
        reply.logprobs.iter().map(|one| one.token).collect::<BTreeSet<_>>().len()
    };
    let plain = distinct(ask());
    assert!(plain <= 3, "{plain}");
    for (name, request) in [
        ("repeat", ask().repeat_penalty(1.8)),
        ("frequency", ask().frequency_penalty(3.0)),
        ("presence", ask().presence_penalty(10.0)),
        ("dry", ask().dry_multiplier(5.0).dry_allowed_length(1)),
    ] {
        let penalized = distinct(request);
        assert!(penalized > plain + 4, "{name}: {penalized} for {plain}");
    }
    // The prompt counts as well, but no further back than is said.
    let nothing = distinct(ask().repeat_penalty(1.8).repeat_last_n(0));
    assert_eq!(nothing, plain);
}

#[test]
fn a_seed_draws_the_same_again_and_another_does_not() {
    // Alone on its engine: in other batches the logits differ a little.
    let engine = engine().build().expect("an engine");
    let ask = |seed: u32| {
        let request = engine.complete("The llama").max_tokens(32).cache(CacheMode::Bypass);
        let request = request.temperature(1.0).seed(seed).xtc(0.3, 0.1).min_p(0.02);
        request.run().expect("an answer").text
    };
    let first = ask(7);
    assert_eq!(ask(7), first);
    assert_ne!(ask(8), first);
}

#[test]
fn likely_alternatives_come_with_each_token() {
    let reply = count().max_tokens(6).top_logprobs(5).run().expect("an answer");
    assert_eq!(reply.logprobs.len(), 6);
    for told in &reply.logprobs {
        assert_eq!(told.top.len(), 5);
        assert!(told.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
        // Greedy takes the likeliest.
        assert_eq!((told.top[0].token, told.top[0].logprob), (told.token, told.logprob));
    }
}

#[test]
fn a_prompts_log_probabilities_are_those_of_computing_it_alone() {
    // More tokens than a step scores, three times over.
    let prompt = "The llama crosses the Andes at dawn, and the river sings below. ".repeat(8);
    let ask = || ENGINE.complete(prompt.as_str()).max_tokens(2);
    // Its prefix is cached, and must not be used.
    let plain = ask().run().expect("an answer");
    let reply = ask().prompt_logprobs(true).top_logprobs(3).run().expect("an answer");
    assert_eq!(reply.usage.cached_tokens, 0);
    assert_eq!(reply.prompt_logprobs.len(), reply.usage.prompt_tokens as usize);
    assert!(reply.prompt_logprobs.len() > 100);
    assert_eq!(reply.text, plain.text);
    let tokens: Vec<i32> = reply.prompt_logprobs.iter().map(|one| one.token).collect();
    let due = Scorer::new(&indwell_tests::model()).prompt(&tokens);
    assert_eq!(reply.prompt_logprobs[0].logprob, None);
    let mut difference = 0.0_f32;
    for (told, due) in reply.prompt_logprobs[1..].iter().zip(due) {
        let own = told.logprob.expect("all but the first have one");
        difference = difference.max((own - due).abs());
        assert_eq!(told.top.len(), 3);
        assert!(told.top[0].logprob >= own);
    }
    // Alone it is computed a token at a time: other sums, rounded otherwise.
    assert!(difference < 0.7, "{difference}");
    // What it left is used by the next one.
    let next = ask().run().expect("an answer");
    assert!(next.usage.cached_tokens > 0);
}

#[test]
fn a_prompts_log_probabilities_come_first_and_once() {
    let stream = count().max_tokens(3).prompt_logprobs(true).stream().expect("a stream");
    let events: Vec<Event> = stream.into_iter().collect();
    let scores = |event: &Event| matches!(event, Event::PromptLogprobs(_));
    assert!(scores(&events[0]), "{events:?}");
    assert_eq!(events.iter().filter(|event| scores(event)).count(), 1);
}

#[test]
fn an_answer_with_its_prompts_log_probabilities_is_stored_whole() {
    let engine = Engine::builder(indwell_tests::model()).context_tokens(1024);
    let engine = engine.response_cache_bytes(1 << 20).build().expect("an engine");
    let ask = || engine.complete(COUNT).max_tokens(3).prompt_logprobs(true).top_logprobs(2);
    let first = ask().run().expect("an answer");
    let again = ask().run().expect("an answer");
    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens);
    assert_eq!(again.prompt_logprobs, first.prompt_logprobs);
    assert_eq!(again.logprobs, first.logprobs);
    let without = engine.complete(COUNT).max_tokens(3).run().expect("an answer");
    assert!(without.prompt_logprobs.is_empty() && without.logprobs.is_empty());
}

/// Several threads at once, each with other options: nobody disturbs anybody.
#[test]
fn every_sampler_serves_beside_every_other() {
    let engine = Arc::new(engine().build().expect("an engine"));
    let requests: [(&str, OptionValue); 8] = [
        ("top_k", OptionValue::Int(5)),
        ("typical_p", OptionValue::Float(0.9)),
        ("top_n_sigma", OptionValue::Float(1.5)),
        ("mirostat", OptionValue::Int(1)),
        ("mirostat", OptionValue::Int(2)),
        ("dry_multiplier", OptionValue::Float(0.8)),
        ("dynatemp_range", OptionValue::Float(0.5)),
        ("xtc_probability", OptionValue::Float(0.5)),
    ];
    let threads = requests.map(|(name, value)| {
        let engine = Arc::clone(&engine);
        std::thread::spawn(move || {
            let request = engine.complete("The llama").temperature(0.8).max_tokens(24);
            let reply = request.option(name, value).ignore_eos(true).run().expect(name);
            assert_eq!(reply.usage.completion_tokens, 24, "{name}");
        })
    });
    threads.into_iter().for_each(|thread| thread.join().expect("an answer"));
}
