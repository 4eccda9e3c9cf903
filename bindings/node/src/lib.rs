//! The private native module under the Node package `indwell`.
//!
//! JavaScript starts an operation and gets a handle at once; the handle's `take` never blocks. When
//! there is something to take, the operation's key is posted to the JavaScript thread, which
//! resumes whoever waits for that key.
//!
//! ```text
//! JavaScript thread        preparer, executor          engine's worker
//! Engine.reply ──request──▶ prepares it
//!                           polls the reply ──────────▶ (wakes the executor)
//! Engine.stream ─request──▶ opens the stream
//! Stream.take ◀──────────────── mailbox: keys ◀──────── (rings the stream's bell)
//! ```
//!
//! What the preparer does for a request, the JavaScript thread does itself for a short one: a stored
//! answer is then there without any other thread.
//!
//! - [`environment`]: one per JavaScript thread; owns its threads and ends them with it
//! - [`mailbox`]: how other threads wake the JavaScript thread
//! - [`executor`]: the threads that do for requests what takes time
//! - [`engine`], [`pending`], [`stream`], [`exchange`], [`prefix`]: the handles; [`request`]: what runs
//!   behind them; [`slot`]: where what is read in batches is handed over
//! - [`questions`]: what JavaScript's own functions are asked
//! - [`options`], [`objects`], [`answer`]: values on their way in and out
//!
//! This crate does not know what a good JavaScript interface is: `lib/` does.

#![expect(
    missing_debug_implementations,
    reason = "handles and plain objects on their way to JavaScript; nothing in Rust prints them"
)]

mod answer;
mod engine;
mod environment;
mod exchange;
mod executor;
mod mailbox;
mod objects;
mod options;
mod pending;
mod prefix;
mod questions;
mod request;
mod slot;
mod stream;
