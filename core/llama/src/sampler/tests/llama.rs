//! What is computed here against llama.cpp's own samplers: penalties, DRY, Mirostat.

use std::collections::HashMap;

use indwell_kernel::{Dry, Mirostat, MirostatVersion, Penalties};
use llama_cpp_sys_2 as sys;

use super::*;
use crate::sampler::dry::Repeats;

/// What one of llama.cpp's samplers leaves of `logits` after `history`, by id.
///
/// # Safety
/// `sampler` is an owned sampler of llama.cpp's, or null.
unsafe fn applied(
    sampler: *mut sys::llama_sampler,
    history: &[Token],
    logits: &[f32],
) -> Vec<(i32, f32)> {
    assert!(!sampler.is_null());
    let mut data: Vec<sys::llama_token_data> =
        (0..).zip(logits).map(|(id, &logit)| sys::llama_token_data { id, logit, p: 0.0 }).collect();
    let mut array = sys::llama_token_data_array {
        data: data.as_mut_ptr(),
        size: data.len(),
        selected: -1,
        sorted: false,
    };
    // SAFETY: the sampler is alive; the array describes `data`.
    unsafe {
        history.iter().for_each(|token| sys::llama_sampler_accept(sampler, token.0));
        sys::llama_sampler_apply(sampler, &raw mut array);
        sys::llama_sampler_free(sampler);
    }
    let mut left: Vec<(i32, f32)> = data[..array.size].iter().map(|d| (d.id, d.logit)).collect();
    left.sort_by_key(|(id, _)| *id);
    left
}

fn assert_close(ours: &[f32], llama: &[(i32, f32)], what: &str) {
    assert_eq!(ours.len(), llama.len());
    for (ours, (id, llama)) in ours.iter().zip(llama) {
        let close = ours == llama || (ours - llama).abs() <= 1e-5 * llama.abs().max(1.0);
        assert!(close, "{what}: token {id} has {ours}, llama.cpp's {llama}");
    }
}

/// Tokens with many repetitions.
fn history(random: &mut Random, length: usize, tokens: usize) -> Vec<Token> {
    let mut said: Vec<Token> = Vec::new();
    while said.len() < length {
        let copied = 1 + random.below(8);
        if said.len() > 4 && random.below(2) == 0 {
            let from = random.below(said.len() - 2);
            let to = (from + copied).min(said.len());
            said.extend_from_within(from..to);
        } else {
            said.push(Token(i32::try_from(random.below(tokens)).expect("few")));
        }
    }
    said.truncate(length);
    said
}

#[test]
fn penalties_are_llamas() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let logits = random.logits(50);
        let length = random.below(120);
        let said = history(&mut random, length, 30);
        let penalties = Penalties {
            last_n: [1, 5, 64, 300][random.below(4)],
            repeat: [1.0, 1.3, 0.8][random.below(3)],
            frequency: [0.0, 0.4, -0.2][random.below(3)],
            presence: [0.0, 0.7][random.below(2)],
        };
        let Penalties { last_n, repeat, frequency, presence } = penalties;
        // SAFETY: plain values in, an owned sampler out.
        let llama = unsafe {
            let last_n = i32::try_from(last_n).expect("small");
            let llama = sys::llama_sampler_init_penalties(50, last_n, repeat, frequency, presence);
            applied(llama, &said, &logits)
        };
        let mut history = History::new(last_n as usize);
        let mut repetition = Repetition::new(penalties);
        for &token in &said {
            repetition.count(token, &history);
            history.push(token);
        }
        let mut ours = logits;
        for (token, &count) in repetition.counts() {
            let logit = &mut ours[token.0 as usize];
            *logit = repetition.penalized(*logit, count);
        }
        assert_close(&ours, &llama, &format!("seed {seed}, {penalties:?}"));
    }
}

#[test]
fn dry_is_llamas() {
    let mut penalized = 0;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let logits = random.logits(30);
        let length = random.below(150);
        let tokens = 1 + random.below(12);
        let said = history(&mut random, length, tokens);
        let dry = Dry {
            multiplier: [0.8, 5.0][random.below(2)],
            base: [1.0, 1.75, 60.0][random.below(3)],
            allowed_length: [0, 1, 2, 5][random.below(4)],
            last_n: [3, 20, 64, 400][random.below(4)],
            breakers: Vec::new(),
        };
        // SAFETY: the vocabulary is read only where there are breakers.
        let llama = unsafe {
            let llama = sys::llama_sampler_init_dry(
                std::ptr::null(),
                dry.multiplier,
                dry.base,
                i32::try_from(dry.allowed_length).expect("small"),
                i32::try_from(dry.last_n).expect("small"),
                std::ptr::null_mut(),
                0,
            );
            applied(llama, &said, &logits)
        };
        let mut repeats = Repeats::new(dry.clone(), Arc::default());
        let window = &said[said.len().saturating_sub(dry.last_n as usize)..];
        let penalties: HashMap<Token, f32> = repeats.penalties(window).clone();
        penalized += penalties.len();
        let mut ours = logits;
        for (token, penalty) in penalties {
            ours[token.0 as usize] -= penalty;
        }
        assert_close(&ours, &llama, &format!("seed {seed}, {dry:?}"));
    }
    assert!(penalized > 400, "{penalized} penalties in all");
}

#[test]
fn mirostat_keeps_what_llamas_keeps() {
    let mut unequal = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let count = [2, 30, 400, 2000][random.below(4)];
        let logits = random.logits(count);
        let version = [MirostatVersion::V1, MirostatVersion::V2][random.below(2)];
        // As surprising as llama.cpp's `int` can follow.
        let tau = [0.5, 1.0, 2.0, 3.0][random.below(4)];
        // SAFETY: plain values in, an owned sampler out.
        let llama = unsafe {
            let llama = match version {
                MirostatVersion::V1 => {
                    let tokens = i32::try_from(count).expect("small");
                    sys::llama_sampler_init_mirostat(tokens, 1, tau, 0.1, 100)
                }
                MirostatVersion::V2 => sys::llama_sampler_init_mirostat_v2(1, tau, 0.1),
            };
            applied(llama, &[], &logits)
        };
        let surprise = Surprise::new(Mirostat { version, tau, eta: 0.1 }, count);
        let mut candidates = Candidates::default();
        candidates.fill(&logits, None).expect("logits");
        surprise.keep(&mut candidates);
        let ours = candidates.left().len();
        // At a limit the last bit of a sum decides.
        assert!(ours.abs_diff(llama.len()) <= 1, "seed {seed}: {ours} for {}", llama.len());
        unequal += ours.abs_diff(llama.len());
    }
    assert!(unequal <= 4, "{unequal} of 200 differ");
}

#[test]
fn mirostat_holds_the_surprise_at_its_target() {
    for version in [MirostatVersion::V1, MirostatVersion::V2] {
        let mirostat = Some(Mirostat { version, tau: 3.0, eta: 0.1 });
        let mut sampler = sampler(SamplingParams { mirostat, ..random(1.0, 8) }, 2000);
        let logits = Random::new(1).logits(2000);
        let mut surprise = 0.0;
        for step in 0..400 {
            let token = next(&mut sampler, &logits);
            if step >= 100 {
                let (logprob, _) = logprobs::score(&logits, token, 0).expect("a score");
                surprise -= f64::from(logprob) / std::f64::consts::LN_2;
            }
        }
        let mean = surprise / 300.0;
        // Of the model's own distribution, which is wider than what is kept.
        assert!((2.0..4.5).contains(&mean), "{version:?}: {mean} bits");
    }
}

/// llama.cpp's own becomes greedy for good here.
#[test]
fn mirostat_may_be_ever_more_surprising() {
    let mirostat = Some(Mirostat { version: MirostatVersion::V1, tau: 100.0, eta: 100.0 });
    let mut sampler = sampler(SamplingParams { mirostat, ..random(1.0, 8) }, 50);
    let logits: Vec<f32> = (0..50_u8).map(|id| f32::from(id) * 0.02).collect();
    let tokens: Vec<Token> = (0..200).map(|_| next(&mut sampler, &logits)).collect();
    let last: std::collections::BTreeSet<i32> = tokens[150..].iter().map(|t| t.0).collect();
    assert!(last.len() > 3, "{last:?}");
}

/// The vocabulary of the developers' small model, if it is there.
fn stories() -> Option<Model> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../../../shared/models/stories15M-f16.gguf");
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Model::load(&path, crate::ModelParams::default(), |_| {}).expect("the model"))
}

#[test]
fn sequence_breakers_are_llamas() {
    let Some(model) = stories() else { return };
    let vocabulary = model.vocabulary();
    let breakers = ["\n", "\"", "*", ":", ". The", "ed a"].map(str::to_owned).to_vec();
    let ours = model.breakers(&breakers);
    assert!(Arc::ptr_eq(&ours, &model.breakers(&breakers)), "they are kept");
    let texts = breakers.iter().map(|text| std::ffi::CString::new(text.as_str()).expect("no NUL"));
    let texts: Vec<std::ffi::CString> = texts.collect();
    let mut pointers: Vec<*const std::ffi::c_char> = texts.iter().map(|t| t.as_ptr()).collect();
    let sentences = [
        "One day a cat walked. The cat walked and stopped a bit. The cat",
        "\"A dog\" : \"A dog\" : \"A dog\" and a dog and a dog and",
        "He liked a ball. The ball liked a ball. The ball",
        "line\nline\nline\nline and line and line",
    ];
    let mut penalized = 0;
    for sentence in sentences {
        let said = vocabulary.tokenize(sentence, false, false);
        for length in 3..=said.len() {
            let said = &said[..length];
            let logits = vec![1.0; vocabulary.size() as usize];
            let dry = Dry { multiplier: 0.8, allowed_length: 1, ..Dry::off() };
            // SAFETY: the model outlives the call, and the texts end with NULs.
            let llama = unsafe {
                let llama = sys::llama_sampler_init_dry(
                    sys::llama_model_get_vocab(model.as_ptr()),
                    dry.multiplier,
                    dry.base,
                    1,
                    64,
                    pointers.as_mut_ptr(),
                    pointers.len(),
                );
                applied(llama, said, &logits)
            };
            let mut repeats = Repeats::new(dry, Arc::clone(&ours));
            let penalties = repeats.penalties(said).clone();
            penalized += penalties.len();
            let mut ours = logits;
            for (token, penalty) in penalties {
                ours[token.0 as usize] -= penalty;
            }
            assert_close(&ours, &llama, &format!("{sentence:?} to token {length}"));
        }
    }
    assert!(penalized > 20, "{penalized} penalties in all");
}
