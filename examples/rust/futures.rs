//! Requests as futures and streams. They need no async runtime; any executor will do, here one
//! of a few lines.
//!
//! `cargo run -p indwell-examples --bin example-futures [MODEL]`

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use indwell::{Engine, Event, Result};

fn main() -> Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    // Loading blocks: in an async program, move it to a thread for blocking work.
    let engine = Engine::builder(model).build()?;
    block_on(answer_all(&engine))
}

async fn answer_all(engine: &Engine) -> Result<()> {
    // A request is made when it is first polled; dropping its future cancels it.
    let colors = ["red", "green", "blue"];
    let replies = join_all(colors.map(|color| {
        let request = engine.complete(format!("Things that are {color}: a")).max_tokens(8);
        request.into_future()
    }));
    for (color, reply) in colors.iter().zip(replies.await) {
        println!("{color}: a{}", reply?.text.replace('\n', " "));
    }

    // Streams of events, merged in the order in which they come.
    let streams = (0..2).map(|n| {
        let stream = engine.chat("Count to five.").max_tokens(8).stream();
        stream.map(|stream| stream.map(move |event| (n, event)))
    });
    let mut events = stream::select_all(streams.collect::<Result<Vec<_>>>()?);
    while let Some((n, event)) = events.next().await {
        match event {
            Event::Text(delta) => println!("stream {n}: {:?}", delta.text),
            Event::Finished(finished) => println!("stream {n}: {}", finished.reason.as_str()),
            Event::Failed(error) => return Err(error),
            _ => println!("stream {n}: cancelled"),
        }
    }
    Ok(())
}

/// The smallest executor: polls, and sleeps until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
