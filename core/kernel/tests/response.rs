//! What has the same answer has the same key, and nothing else has.

use std::collections::BTreeSet;
use std::sync::Arc;

use indwell_kernel::{
    CacheUse, Constraint, Draws, Effect, Goal, Logprobs, Matcher, Namespace, NamespaceField,
    REQUEST_FIELDS, Request, RequestId, ResponseKey, SamplingParams, SemanticSpace, Timestamp,
    Token,
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
        let SamplingParams { temperature, top_k, top_p, min_p, seed, .. } = *sampling;
        let draws = (!sampling.is_greedy()).then_some((temperature, top_k, top_p, min_p, seed));
        let stop: BTreeSet<_> = self.stop.iter().cloned().collect();
        let told = (*logprobs, *prompt_logprobs);
        (self.salt.clone(), prompt.clone(), *max_tokens, draws, told, constraint, stop)
    }
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

/// Requests that differ little, so that many pairs are the same.
fn asked() -> impl Strategy<Value = Asked> {
    let text = || prop::sample::select(vec!["a", "b", "ab", "aa"]).prop_map(str::to_owned);
    let prompt = prop::collection::vec((0..3).prop_map(Token), 1..4);
    let sampling = (
        prop::sample::select(vec![0.0, -0.0, 0.5, 1.0_f32]),
        0..3_u32,
        prop::sample::select(vec![1.0, 0.5_f32]),
        prop::sample::select(vec![0.0, -0.0, 0.1_f32]),
        0..2_u32,
        any::<bool>(),
    );
    let sampling = sampling.prop_map(|(temperature, top_k, top_p, min_p, seed, seeded)| {
        SamplingParams { temperature, top_k, top_p, min_p, seed, seeded }
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
    (asked(), asked(), any::<[bool; 9]>(), any::<[bool; 9]>()).prop_map(|(one, two, a, b)| {
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
            to.temperature = from.temperature;
        }
        if keep() {
            (to.top_k, to.top_p) = (from.top_k, from.top_p);
        }
        if keep() {
            to.min_p = from.min_p;
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
    assert_eq!(hex, "d1ee8ad89cc55bb6");
}
