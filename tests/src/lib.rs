//! What the tests with a real model share: the model, an engine, and waiting for a condition.

mod child;
mod score;

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use indwell::{Engine, EngineBuilder, EngineStats, ErrorKind};

pub use child::{child, tell, told};
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

/// The bytes that an engine takes without caches, as the error says that refuses it.
///
/// # Panics
/// When nothing is refused, or without a limit in bytes.
#[must_use]
pub fn least_memory_bytes(builder: EngineBuilder) -> u64 {
    const TOO_LITTLE: u64 = 64 << 20;
    let error = builder.memory_bytes(TOO_LITTLE).build().expect_err("the weights alone are larger");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    let details = error.details();
    assert_eq!(details.field.as_deref(), Some("memory_bytes"));
    assert_eq!(details.value.as_deref(), Some(TOO_LITTLE.to_string().as_str()));
    let least = details.limit.as_deref().and_then(|limit| limit.strip_prefix("at least "));
    least.expect("a limit").parse().expect("in bytes")
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
