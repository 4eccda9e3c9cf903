//! What the tests with a real model share: the model, an engine, and waiting for a condition.

mod score;

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use indwell::{Engine, EngineBuilder, EngineStats};

pub use score::{Score, Scorer};

/// The default model's file: `INDWELL_TEST_MODEL`, or else fetched by its alias.
///
/// # Panics
/// When it can't be fetched: these tests need it.
#[must_use]
pub fn model() -> PathBuf {
    match std::env::var_os("INDWELL_TEST_MODEL") {
        Some(path) => path.into(),
        None => indwell::pull("smollm2-135m", &|_| {}).expect("the default model"),
    }
}

/// An engine on the default model, with a small context. It computes what it was asked before,
/// as its response cache is off. Where it computes, `INDWELL_TEST_ISOLATION` may say, so that
/// every test can be run with a process of its own, too.
pub fn engine() -> EngineBuilder {
    let builder = Engine::builder(model()).context_tokens(2048).response_cache_bytes(0);
    match std::env::var("INDWELL_TEST_ISOLATION") {
        Ok(isolation) => builder.option("isolation", isolation.as_str()),
        Err(_) => builder,
    }
}

/// Polls a future on this thread until it is ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The engine's statistics.
///
/// # Panics
/// In a forked process.
#[must_use]
pub fn stats(engine: &Engine) -> EngineStats {
    engine.stats().expect("this process made the engine")
}

/// KV cells that cached prefixes hold.
///
/// # Panics
/// In a forked process.
#[must_use]
pub fn cached_cells(engine: &Engine) -> u64 {
    engine.caches().expect("this process made the engine").resident.tokens
}

/// Waits until `condition` holds for the engine's statistics, and returns those.
///
/// # Panics
/// When it does not hold within a minute.
pub fn wait_until(engine: &Engine, condition: impl Fn(&EngineStats) -> bool) -> EngineStats {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = stats(engine);
        if condition(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "the condition never held: {now:?}");
        // Statistics are polled, as users poll them; the engine offers nothing to wait on.
        std::thread::park_timeout(Duration::from_micros(200));
    }
}
