//! Engines, and waiting: for futures, for answers, for numbers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use indwell_mobile::cache::NativeCacheStats;
use indwell_mobile::engine::NativeEngine;
use indwell_mobile::error::{NativeError, NativeErrorDetails, NativeErrorKind};
use indwell_mobile::event::{NativeEvent, NativeFinishReason, NativeTokenLogprob, NativeUsage};
use indwell_mobile::message::{NativeMessage, NativeRole};
use indwell_mobile::options::NativeEngineOptions;
use indwell_mobile::stream::NativeStream;

/// An answer that was read to its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) logprobs: Vec<NativeTokenLogprob>,
    pub(crate) reason: NativeFinishReason,
    pub(crate) usage: NativeUsage,
}

/// Options of an engine that keeps no answers: what is asked again is computed again.
pub(crate) fn small() -> NativeEngineOptions {
    NativeEngineOptions {
        context_tokens: Some(2048),
        threads: Some(1),
        response_cache_bytes: Some(0),
        ..NativeEngineOptions::default()
    }
}

/// Options of an engine that keeps answers.
pub(crate) fn keeping() -> NativeEngineOptions {
    NativeEngineOptions { response_cache_bytes: Some(1 << 20), ..small() }
}

pub(crate) fn load(options: NativeEngineOptions) -> Arc<NativeEngine> {
    try_load(options).expect("an engine")
}

pub(crate) fn try_load(options: NativeEngineOptions) -> Result<Arc<NativeEngine>, NativeError> {
    let model = std::env::var("INDWELL_TEST_MODEL").unwrap_or_else(|_| "smollm2-135m".to_owned());
    block_on(NativeEngine::load(model, options, None))
}

/// A message that has a content alone.
pub(crate) fn message(role: NativeRole, content: &str) -> NativeMessage {
    NativeMessage {
        role,
        content: content.to_owned(),
        name: None,
        reasoning: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

pub(crate) fn user(content: &str) -> NativeMessage {
    message(NativeRole::User, content)
}

/// Reads an answer of text alone to its end.
pub(crate) fn read(stream: &Arc<NativeStream>) -> Answer {
    let (mut answer, mut logprobs) = (String::new(), Vec::new());
    for event in batches(stream) {
        match event {
            NativeEvent::Text { text, logprobs: more, .. } => {
                answer.push_str(&text);
                logprobs.extend(more);
            }
            NativeEvent::Finished { reason, usage, .. } => {
                return Answer { text: answer, logprobs, reason, usage };
            }
            other => panic!("an answer ends with what it took, not with {other:?}"),
        }
    }
    panic!("a stream says how it ended")
}

/// Every event, to the end.
pub(crate) fn batches(stream: &Arc<NativeStream>) -> Vec<NativeEvent> {
    let mut events = Vec::new();
    loop {
        let batch = block_on(Arc::clone(stream).next_batch());
        if batch.is_empty() {
            return events;
        }
        events.extend(batch);
    }
}

pub(crate) fn parts(error: NativeError) -> (NativeErrorKind, NativeErrorDetails) {
    let NativeError::Failed { kind, details, .. } = error;
    (kind, details)
}

/// Waits until `condition` holds for what is cached.
pub(crate) fn wait_for(engine: &NativeEngine, condition: impl Fn(&NativeCacheStats) -> bool) {
    wait_until(|| condition(&engine.caches().expect("numbers")));
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition never held");
        // Numbers are polled, as users poll them; the engine offers nothing to wait on.
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
