//! `indwell serve`: the engine behind a port, in OpenAI's shapes.
//!
//! What is answered is the library's business: this only carries. It listens on this machine alone
//! unless there is a key, [`guard`]s what comes in, and gives up a request whose client has gone.
//! Ctrl-C or SIGTERM lets requests that run end for a while, then ends them with the engine; a second
//! Ctrl-C ends the process. The one asynchronous runtime of this program lives here.
//!
//! | module | owns |
//! |---|---|
//! | [`carry`] | a request in, its answer out, as it comes |
//! | [`guard`] | who may ask: keys, hosts, origins |
//! | [`listen`] | where it listens |

mod carry;
mod guard;
mod listen;

use std::future::{Future, IntoFuture};
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware;
use axum::routing::get;
use indwell::Engine;
use tokio::sync::watch;

use self::guard::Guard;
use crate::arguments::ServeArguments;
use crate::interrupt::Interrupt;
use crate::progress;

/// Threads that carry; the engine has its own that compute.
const THREADS: usize = 2;
/// How long clients may take to read their last words, once the engine is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until it is told to end.
pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let guard = Guard::new(arguments)?;
    // Before loading, which may take long: a port that is taken is told at once.
    let listener = listen::listen(arguments, guard.has_key())?;
    let engine = progress::load(&arguments.model, &arguments.engine)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("no threads could be started")?;
    let _answering = interrupt.answering();
    let grace = Duration::from_millis(arguments.grace_ms);
    let served = runtime.block_on(serve(listener, &engine, guard, grace));
    // Nothing is to be waited for: what still runs belongs to clients that were told the end.
    runtime.shutdown_background();
    engine.close()?;
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(
    listener: TcpListener,
    engine: &Engine,
    guard: Guard,
    grace: Duration,
) -> anyhow::Result<()> {
    let ended = ending()?;
    let listener = tokio::net::TcpListener::from_std(listener).context("the port can't be used")?;
    let app = app(engine.clone(), guard);
    greet(engine, &listener)?;
    let server = axum::serve(listener, app).with_graceful_shutdown(told(ended.clone()));
    let mut server = std::pin::pin!(server.into_future());
    let out_of_time = async {
        told(ended).await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = &mut server => return served.context("serving failed"),
        () = out_of_time => {}
    }
    // Every request that still runs ends at once, with an error that says so.
    let closing = engine.clone();
    tokio::task::spawn_blocking(move || closing.close()).await??;
    match tokio::time::timeout(LAST_WORDS, server).await {
        Ok(served) => served.context("serving failed"),
        Err(_) => Ok(()),
    }
}

fn app(engine: Engine, guard: Guard) -> Router {
    Router::new()
        .route("/health", get(carry::health))
        .route("/metrics", get(carry::metrics))
        .fallback(carry::dispatch)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::pass))
        .with_state(engine)
}

/// One line on standard output: where it listens now, with the port that was found for port 0.
fn greet(engine: &Engine, listener: &tokio::net::TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "serving {} on http://{address}/v1", engine.model().name)?;
    stdout.flush()?;
    Ok(())
}

/// Becomes true once the program is told to end.
fn ending() -> anyhow::Result<watch::Receiver<bool>> {
    let (tell, ended) = watch::channel(false);
    let signal = first_signal()?;
    tokio::spawn(async move {
        signal.await;
        // Nobody is left to be told: then it has ended.
        let _ = tell.send(true);
    });
    Ok(ended)
}

async fn told(mut ended: watch::Receiver<bool>) {
    // An error is a teller that is gone, and it goes only after it told.
    let _ = ended.wait_for(|ended| *ended).await;
}

#[cfg(unix)]
fn first_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let context = "signals could not be taken over";
    let mut interrupt = signal(SignalKind::interrupt()).context(context)?;
    let mut terminate = signal(SignalKind::terminate()).context(context)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn first_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
