//! Semantic mode: the caller's functions are called, and their failures go no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indwell_mobile::cache::NativeCacheTier;
use indwell_mobile::engine::NativeEngine;
use indwell_mobile::error::{NativeError, NativeErrorKind};
use indwell_mobile::options::NativeRequestOptions;
use indwell_mobile::semantic::{
    NativeFunctionError, NativeSemantic, NativeSemanticFunctions, NativeSemanticMatch,
};

use crate::rig::{Answer, keeping, load, parts, read};

/// Every prompt in the same direction; what its verifier says, and how often it was asked.
struct Functions {
    agrees: Result<bool, NativeFunctionError>,
    asked: AtomicUsize,
}

impl Functions {
    fn new(agrees: Result<bool, NativeFunctionError>) -> Arc<Self> {
        Arc::new(Self { agrees, asked: AtomicUsize::new(0) })
    }
}

impl NativeSemanticFunctions for Functions {
    fn embed(&self, prompt: String) -> Result<Vec<f32>, NativeFunctionError> {
        match prompt.as_str() {
            "fail" => Err(NativeFunctionError::Failed { text: "a mistake".to_owned() }),
            _ => Ok(vec![1.0, 0.5]),
        }
    }

    fn verify(&self, candidate: NativeSemanticMatch) -> Result<bool, NativeFunctionError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(candidate.found, "One, two,");
        assert!(!candidate.answer.is_empty() && candidate.distance.abs() < 1e-6, "{candidate:?}");
        self.agrees.clone()
    }
}

fn ask(
    engine: &NativeEngine,
    prompt: &str,
    functions: &Arc<Functions>,
) -> Result<Answer, NativeError> {
    let functions = Arc::clone(functions) as Arc<dyn NativeSemanticFunctions>;
    ask_with(engine, prompt, NativeSemantic { distance_max: 0.1, timeout_ms: 60_000.0, functions })
}

fn ask_with(
    engine: &NativeEngine,
    prompt: &str,
    semantic: NativeSemantic,
) -> Result<Answer, NativeError> {
    let options = NativeRequestOptions {
        max_tokens: Some(4),
        semantic: Some(semantic),
        ..NativeRequestOptions::default()
    };
    Ok(read(&engine.complete(prompt.to_owned(), false, options)?))
}

#[test]
fn what_the_verifier_agrees_to_is_served() {
    let engine = load(keeping());
    let functions = Functions::new(Ok(true));
    let first = ask(&engine, "One, two,", &functions).expect("computed");
    assert_ne!(first.usage.cache, Some(NativeCacheTier::Semantic));
    let second = ask(&engine, "Two, one,", &functions).expect("served");
    assert_eq!(second.usage.cache, Some(NativeCacheTier::Semantic));
    assert!(second.usage.semantic_distance.is_some_and(|distance| distance.abs() < 1e-6));
    assert_eq!(second.text, first.text);
    assert_eq!(functions.asked.load(Ordering::Relaxed), 1);
    assert_eq!(engine.caches().expect("numbers").response.semantic_hits, 1);
}

#[test]
fn functions_that_decline_or_fail_have_their_requests_computed() {
    let engine = load(keeping());
    let failing = Err(NativeFunctionError::Failed { text: "a mistake".to_owned() });
    ask(&engine, "One, two,", &Functions::new(Ok(true))).expect("computed");
    // In this order: what is computed is found by those that come later.
    for (prompt, agrees, asked) in [("fail", Ok(true), 0), ("Two,", Ok(false), 1)] {
        let functions = Functions::new(agrees);
        let answer = ask(&engine, prompt, &functions).expect("computed");
        assert_ne!(answer.usage.cache, Some(NativeCacheTier::Semantic), "{prompt}");
        assert_eq!(answer.usage.semantic_distance, None);
        assert_eq!(functions.asked.load(Ordering::Relaxed), asked, "{prompt}");
    }
    let engine = load(keeping());
    let functions = Functions::new(failing);
    ask(&engine, "One, two,", &functions).expect("computed");
    let answer = ask(&engine, "Two,", &functions).expect("computed");
    assert_ne!(answer.usage.cache, Some(NativeCacheTier::Semantic));
    assert_eq!(functions.asked.load(Ordering::Relaxed), 1);
}

#[test]
fn limits_that_are_none_are_refused_as_they_are_spelled() {
    let engine = load(keeping());
    for (distance_max, timeout_ms, value) in [
        (2.5, 1000.0, "a distanceMax of 2.5"),
        (f64::NAN, 1000.0, "a distanceMax of NaN"),
        (0.1, 0.0, "a timeout of 0"),
        (0.1, -5.0, "a timeout of -5 ms"),
        (0.1, f64::NAN, "a timeout of NaN ms"),
        (0.1, f64::INFINITY, "a timeout of inf ms"),
    ] {
        let functions = Functions::new(Ok(true));
        let semantic = NativeSemantic { distance_max, timeout_ms, functions };
        let (kind, details) = parts(ask_with(&engine, "One,", semantic).expect_err(value));
        assert_eq!(kind, NativeErrorKind::InvalidRequest);
        assert_eq!(details.field.as_deref(), Some("semantic"));
        assert_eq!(details.value.as_deref(), Some(value));
        assert!(details.limit.is_some() && details.remedy.is_some(), "{details:?}");
    }
}

#[test]
fn what_is_thrown_and_was_not_expected_is_an_error_of_the_function() {
    let thrown = uniffi::UnexpectedUniFFICallbackError::new("an exception");
    let NativeFunctionError::Failed { text } = thrown.into();
    assert_eq!(text, "an exception");
}
