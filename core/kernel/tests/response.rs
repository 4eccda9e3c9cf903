//! What has the same answer has the same key, and nothing else has.

use std::collections::BTreeSet;
use std::sync::Arc;

use indwell_kernel::{
    CacheUse, Constraint, Draws, Dry, Effect, Goal, Logprobs, Matcher, Mirostat, MirostatVersion,
    Namespace, NamespaceField, Penalties, REQUEST_FIELDS, Request, RequestId, ResponseKey,
    SamplerKind, SamplingParams, SemanticSpace, Temperature, Timestamp, Token, TokenRules, Xtc,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A request with what surrounds it.
#[derive(Clone, Debug)]
struct Asked {
    salt: Option<String>,
    request: Request,
    stop: Vec<String>,
}

impl Asked {
    fn namespace(&self) -> Namespace {
        let model = Namespace::builder().field(NamespaceField::Model, b"model");
        model.salted(self.salt.as_deref())
    }

    fn key(&self) -> ResponseKey {
        ResponseKey::of(self.namespace(), &self.request, &self.stop)
    }

    fn space(&self) -> SemanticSpace {
        SemanticSpace::of(self.namespace(), &self.request, &self.stop)
    }

    /// All that changes the answer, written down plainly: what the key must tell apart.
    fn essence(&self) -> impl PartialEq + std::fmt::Debug {
        let Request { prompt, max_tokens, draws, prompt_logprobs, .. } = &self.request;
        let Draws { sampling, logprobs, constraint } = &**draws;
        let constraint = constraint.as_ref().map(|constraint| constraint.digest());
        let draws = (acting(sampling), ruled(&sampling.tokens));
        let stop: BTreeSet<_> = self.stop.iter().cloned().collect();
        let told = (*logprobs, *prompt_logprobs);
        (self.salt.clone(), prompt.clone(), *max_tokens, draws, told, constraint, stop)
    }
}

/// What draws, in words, in its order.
fn acting(sampling: &SamplingParams) -> Vec<String> {
    let Temperature { value: temperature, range, exponent } = sampling.temperature;
    let one = sampling.top_k == 1 && sampling.order.as_slice() == SamplerKind::DEFAULT_ORDER;
    let greedy = temperature == 0.0 || one && sampling.mirostat.is_none();
    let mut acting = Vec::new();
    let mut act = |condition: bool, what: String| {
        if condition {
            acting.push(what);
        }
    };
    act(greedy, "greedy".to_owned());
    act(!greedy, format!("seed {}", sampling.seed));
    act(!greedy, format!("{:?}", sampling.mirostat));
    let filters = !greedy && sampling.mirostat.is_none();
    let scales = !greedy && sampling.order.contains(&SamplerKind::Temperature);
    for kind in &sampling.order {
        let Penalties { last_n, repeat, frequency, presence } = sampling.penalties;
        let (dry, xtc) = (&sampling.dry, sampling.xtc);
        let what = format!("{kind}");
        let edits = greedy || sampling.mirostat.is_none();
        match kind {
            SamplerKind::Penalties => act(
                edits && last_n > 0 && (repeat, frequency, presence) != (1.0, 0.0, 0.0),
                format!("{what} {last_n} {repeat} {frequency} {presence}"),
            ),
            SamplerKind::Dry => {
                act(edits && dry.multiplier > 0.0 && dry.last_n > 0, format!("{what} {dry:?}"));
            }
            SamplerKind::TopNSigma => {
                let sigmas = sampling.top_n_sigma;
                act(filters && sigmas > 0.0, format!("{what} {sigmas}"));
            }
            SamplerKind::TopK => {
                act(filters && sampling.top_k > 0, format!("{what} {}", sampling.top_k));
            }
            SamplerKind::TypicalP => {
                act(filters && sampling.typical_p < 1.0, format!("{what} {}", sampling.typical_p));
            }
            SamplerKind::TopP => {
                act(filters && sampling.top_p < 1.0, format!("{what} {}", sampling.top_p));
            }
            SamplerKind::MinP => {
                act(filters && sampling.min_p > 0.0, format!("{what} {}", sampling.min_p));
            }
            SamplerKind::Xtc => act(
                filters && xtc.probability > 0.0 && xtc.threshold <= 0.5,
                format!("{what} {xtc:?}"),
            ),
            SamplerKind::Temperature if range > 0.0 => {
                act(scales, format!("{what} {temperature} {range} {exponent}"));
            }
            SamplerKind::Temperature => {
                act(scales && temperature != 1.0, format!("{what} {temperature}"));
            }
        }
    }
    acting
}

/// Which tokens may be said, and when it ends.
fn ruled(rules: &TokenRules) -> impl PartialEq + std::fmt::Debug {
    let TokenRules { biases, banned, stop_tokens, min_tokens, ignore_eos } = rules.clone();
    (biases, banned, stop_tokens, min_tokens, ignore_eos)
}

/// A constraint of one kind or the other.
#[derive(Debug)]
struct Kind(u8);

impl Constraint for Kind {
    fn digest(&self) -> [u8; 32] {
        [self.0; 32]
    }

    fn start(&self) -> Box<dyn Matcher> {
        unreachable!("nothing is computed here")
    }
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

/// Temperatures, filters and Mirostat.
fn filters() -> impl Strategy<Value = SamplingParams> {
    let mirostat = Mirostat { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 };
    let mirostats = [None, None, None, Some(mirostat), Some(Mirostat { eta: 0.2, ..mirostat })];
    let first = (one_of(&[0.0, -0.0, 0.5, 1.0_f32]), one_of(&[0.0, 0.0, 0.3]), one_of(&[1.0, 2.0]));
    let kept = (0..3_u32, one_of(&[1.0, 0.5]), one_of(&[0.0, -0.0, 0.1]));
    let rest = (one_of(&[1.0, 0.9]), one_of(&[0.0, 1.5]), one_of(&[0.0, 0.5]), one_of(&[0.1, 0.6]));
    (first, kept, rest, one_of(&mirostats)).prop_map(|(first, kept, rest, mirostat)| {
        let (value, range, exponent) = first;
        let (top_k, top_p, min_p) = kept;
        let (typical_p, top_n_sigma, probability, threshold) = rest;
        SamplingParams {
            temperature: Temperature { value, range, exponent },
            top_k,
            top_p,
            min_p,
            typical_p,
            top_n_sigma,
            xtc: Xtc { probability, threshold },
            mirostat,
            ..SamplingParams::greedy()
        }
    })
}

/// Penalties.
fn edits() -> impl Strategy<Value = SamplingParams> {
    let penalties = (one_of(&[0, 64_u32]), one_of(&[1.0, 1.0, 1.1]), one_of(&[0.0, 0.5_f32]));
    let dry = (one_of(&[0.0, 0.0, 0.8_f32]), one_of(&[1.75, 2.0]), 1..3_u32, any::<bool>());
    (penalties, dry).prop_map(
        |((last_n, repeat, presence), (multiplier, base, allowed, breaks))| {
            let breakers = if breaks { vec![":".to_owned()] } else { Vec::new() };
            let dry = Dry { multiplier, base, allowed_length: allowed, last_n: 64, breakers };
            let penalties = Penalties { last_n, repeat, frequency: 0.0, presence };
            SamplingParams { penalties, dry, ..SamplingParams::greedy() }
        },
    )
}

fn token_rules() -> impl Strategy<Value = TokenRules> {
    let biases = prop::collection::btree_map(0..3_i32, one_of(&[1.0, f32::NEG_INFINITY]), 0..2);
    let banned = prop::collection::btree_set(one_of(&["a", "b"]), 0..2);
    let stop_tokens = prop::collection::btree_set(0..3_i32, 0..2);
    (biases, banned, stop_tokens, 0..2_u32, any::<bool>()).prop_map(
        |(biases, banned, stop_tokens, min_tokens, ignore_eos)| TokenRules {
            biases: biases.into_iter().map(|(id, bias)| (Token(id), bias)).collect(),
            banned: banned.into_iter().map(str::to_owned).collect(),
            stop_tokens: stop_tokens.into_iter().map(Token).collect(),
            min_tokens,
            ignore_eos,
        },
    )
}

/// llama.cpp's order, another one, and some of the samplers.
fn order() -> impl Strategy<Value = Vec<SamplerKind>> {
    let usual = SamplerKind::DEFAULT_ORDER.to_vec();
    let turned = usual.iter().rev().copied().collect();
    let some = vec![SamplerKind::TopK, SamplerKind::Temperature, SamplerKind::Dry];
    one_of(&[usual.clone(), usual, turned, some])
}

/// Requests that differ little, so that many pairs are the same.
fn asked() -> impl Strategy<Value = Asked> {
    let text = || prop::sample::select(vec!["a", "b", "ab", "aa"]).prop_map(str::to_owned);
    let prompt = prop::collection::vec((0..3).prop_map(Token), 1..4);
    let sampling = (filters(), edits(), token_rules(), order(), 0..2_u32, any::<bool>());
    let sampling = sampling.prop_map(|(filters, edits, tokens, order, seed, seeded)| {
        let SamplingParams { penalties, dry, .. } = edits;
        SamplingParams { penalties, dry, tokens, order, seed, seeded, ..filters }
    });
    let logprobs = vec![Logprobs::None, Logprobs::Chosen, Logprobs::Top(1), Logprobs::Top(2)];
    let told = (prop::sample::select(logprobs), any::<bool>());
    let constraint = prop::option::of((0..2_u8).prop_map(|kind| Arc::new(Kind(kind)) as _));
    let first = (prop::option::of(text()), prompt, 1..3_u32, sampling, told, constraint);
    let rest = (
        prop::collection::vec(text(), 0..3),
        any::<bool>(),
        any::<u64>(),
        prop::collection::vec(1..4_u32, 0..2),
        prop::option::of(any::<u32>()),
    );
    (first, rest).prop_map(|((salt, prompt, max_tokens, sampling, told, constraint), rest)| {
        let (logprobs, prompt_logprobs): (Logprobs, bool) = told;
        let constraint: Option<Arc<dyn Constraint>> = constraint;
        let (stop, bypasses, id, boundaries, deadline) = rest;
        let namespace = Namespace::builder().finish();
        let deadline = deadline.map(|ms| Timestamp(std::time::Duration::from_millis(ms.into())));
        let request = Request {
            id: RequestId(id),
            prompt,
            boundaries,
            goal: Goal::Generate,
            cache: if bypasses { CacheUse::Bypass } else { CacheUse::Use(namespace) },
            max_tokens,
            draws: Arc::new(Draws { sampling, logprobs, constraint }),
            prompt_logprobs,
            deadline,
        };
        Asked { salt, request, stop }
    })
}

/// Two requests of which about every second pair differs in something, and that seldom in much.
fn pair() -> impl Strategy<Value = (Asked, Asked)> {
    (asked(), asked(), any::<[bool; 12]>(), any::<[bool; 12]>()).prop_map(|(one, two, a, b)| {
        let mut other = two.clone();
        let mut keep = a.iter().zip(b).map(|(a, b)| *a || b);
        let mut keep = move || keep.next().unwrap_or(true);
        if keep() {
            other.salt.clone_from(&one.salt);
        }
        if keep() {
            other.stop.clone_from(&one.stop);
        }
        let (from, to) = (&one.request, &mut other.request);
        if keep() {
            to.prompt.clone_from(&from.prompt);
        }
        if keep() {
            to.max_tokens = from.max_tokens;
        }
        if keep() {
            to.prompt_logprobs = from.prompt_logprobs;
        }
        let (from, to) = (&*from.draws, Arc::make_mut(&mut to.draws));
        if keep() {
            to.logprobs = from.logprobs;
        }
        if keep() {
            to.constraint.clone_from(&from.constraint);
        }
        let (from, to) = (&from.sampling, &mut to.sampling);
        if keep() {
            let SamplingParams { penalties, dry, tokens, order, seed, .. } = to.clone();
            *to = SamplingParams { penalties, dry, tokens, order, seed, ..from.clone() };
        }
        if keep() {
            (to.penalties, to.dry) = (from.penalties, from.dry.clone());
        }
        if keep() {
            to.tokens.clone_from(&from.tokens);
        }
        if keep() {
            to.order.clone_from(&from.order);
        }
        if keep() {
            to.seed = from.seed;
        }
        (one, other)
    })
}

fn check(property: impl Fn(&Asked, &Asked) -> (bool, bool)) {
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..Default::default() };
    let (mut same, mut different) = (0, 0);
    let mut runner = TestRunner::new(config);
    let counts = std::cell::RefCell::new((&mut same, &mut different));
    runner
        .run(&pair(), |(one, other)| {
            let (digests, answers) = property(&one, &other);
            prop_assert_eq!(digests, answers);
            let mut counts = counts.borrow_mut();
            *(if answers { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            Ok(())
        })
        .unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(same > 2000 && different > 2000, "{same} pairs the same, {different} different");
}

/// No two requests that differ in anything that changes the answer ever share one; and those that
/// don't, do.
#[test]
fn keys_are_equal_exactly_when_answers_are() {
    check(|one, other| (one.key() == other.key(), one.essence() == other.essence()));
}

/// Prompts can be compared exactly when all else is the same.
#[test]
fn spaces_are_equal_exactly_when_all_but_the_prompt_is() {
    check(|one, other| {
        let mut same_prompt = other.clone();
        same_prompt.request.prompt.clone_from(&one.request.prompt);
        (one.space() == other.space(), one.essence() == same_prompt.essence())
    });
}

#[test]
fn every_field_is_classified_once() {
    let names: BTreeSet<_> = REQUEST_FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(names.len(), REQUEST_FIELDS.len());
    assert!(REQUEST_FIELDS.iter().any(|field| field.effect == Effect::ChangesNothing));
}

#[test]
fn digests_can_be_written_down() {
    let asked = Asked {
        salt: None,
        request: Request {
            id: RequestId(1),
            prompt: vec![Token(1), Token(2)],
            boundaries: Vec::new(),
            goal: Goal::Generate,
            cache: CacheUse::Bypass,
            max_tokens: 4,
            draws: Draws::greedy().into(),
            prompt_logprobs: false,
            deadline: None,
        },
        stop: Vec::new(),
    };
    assert_eq!(ResponseKey::from_bytes(*asked.key().as_bytes()), asked.key());
    assert_eq!(SemanticSpace::from_bytes(*asked.space().as_bytes()), asked.space());
    // Answers on disk are found by it: it must be the same in every build and on every machine.
    let hex: String = asked.key().as_bytes()[..8].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "98d834f364d2d03b");
}
