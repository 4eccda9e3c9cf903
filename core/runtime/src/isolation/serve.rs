//! The worker's side: it loads a model, executes plans and answers questions, until its pipe ends.
//!
//! Threads: this one reads, so that an abort and the pipe's end are heard at any time. `engine` loads
//! and computes, one order after the other. Two more answer questions beside it, one those that take
//! long. What is said is written by all of them, each message as a whole.

mod engine;

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use indwell_kernel::SnapshotId;
use indwell_llama::AbortHandle;
use parking_lot::Mutex;

use self::engine::Engine;
pub(super) use self::engine::Unfollowed;
use super::frame::{self, Output};
use super::message::{self, FromWorker, Question, Reply, ToWorker, WirePassage};
use super::program::{self, SERVES_VARIABLE};
use super::{log, pipe};
use crate::model::{LocalModel, Passage, TextModel};

/// A constraint's matcher may go down into a grammar.
const STACK_BYTES: usize = 16 << 20;
/// How long a step that is aborted is waited for at the end.
const END_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether the application is still there: a process that it forked may hold
/// the pipe's other end.
#[cfg(unix)]
const PARENT_WATCH: Duration = Duration::from_secs(2);
/// What a worker ends with where it could not begin.
const NO_PIPE: i32 = 2;

/// Serves an engine of another process, and never returns, if that is what this process was started
/// for. Else it returns at once, and from then on engines of this process with
/// `isolation: "process"` start this very program as their worker.
///
/// A Rust program calls it first in its `main`, before it makes threads and reads its arguments; so
/// it needs no second program beside it.
///
/// ```no_run
/// fn main() -> indwell::Result<()> {
///     indwell::serve_if_worker();
///     let engine = indwell::Engine::builder("smollm2-135m")
///         .isolation(indwell::Isolation::Process)
///         .build()?;
///     println!("{}", engine.chat("Hello").run()?.text);
///     Ok(())
/// }
/// ```
pub fn serve_if_worker() {
    if std::env::var_os(SERVES_VARIABLE).is_none() {
        program::can_serve();
        return;
    }
    std::process::exit(serve());
}

/// Where the worker says things, from any thread.
pub(super) struct Outgoing(Output<Box<dyn Write + Send>>);

impl Outgoing {
    /// Says something. Where nobody hears it, the pipe is at its end, and the reader notices.
    pub(super) fn say(&self, message: &FromWorker) {
        self.say_with(message, &[]);
    }

    /// Says something, with bytes.
    pub(super) fn say_with(&self, message: &FromWorker, body: &[u8]) {
        let _ = self.0.send(message, body);
    }
}

/// What the worker's threads share.
struct Desk {
    out: Arc<Outgoing>,
    model: OnceLock<Arc<LocalModel>>,
    abort: OnceLock<AbortHandle>,
    /// Bytes that the next step restores.
    to_restore: Mutex<HashMap<SnapshotId, Vec<u8>>>,
}

fn serve() -> i32 {
    let ends = match pipe::own_ends() {
        Ok(ends) => ends,
        Err(error) => {
            eprintln!("no pipe to serve on: {error}");
            return NO_PIPE;
        }
    };
    end_with_parent();
    let out = Arc::new(Outgoing(Output::new(ends.write)));
    out.say(&FromWorker::Hello(message::build()));
    let desk = Arc::new(Desk {
        out,
        model: OnceLock::new(),
        abort: OnceLock::new(),
        to_restore: Mutex::default(),
    });
    let (orders, received) = crossbeam_channel::unbounded();
    let (ended, end) = crossbeam_channel::bounded::<()>(0);
    let engine = Engine::new(Arc::clone(&desk));
    spawn("indwell-engine", move || {
        engine.run(&received);
        drop(ended);
    });
    let texts = answering("indwell-tokens", &desk);
    let grammars = answering("indwell-grammars", &desk);
    let mut from = BufReader::new(ends.read);
    while let Ok(Some((message, body))) = frame::read::<ToWorker<'static>>(&mut from) {
        let _ = match message {
            ToWorker::Ask(id, question) => {
                let to = match *question {
                    Question::Tokenize(_) => &texts,
                    Question::Compile(_) => &grammars,
                };
                to.send((id, question.into_owned())).is_ok()
            }
            ToWorker::Abort => desk.abort.get().map(AbortHandle::abort).is_some(),
            ToWorker::Snapshot(snapshot) => {
                desk.to_restore.lock().entry(snapshot).or_default().extend_from_slice(&body);
                true
            }
            order => {
                if let ToWorker::Load { log_level, .. } = order {
                    log::install(log_level, Arc::clone(&desk.out));
                }
                orders.send(order).is_ok()
            }
        };
    }
    // Whoever asked has closed, or is gone.
    if let Some(abort) = desk.abort.get() {
        abort.abort();
    }
    drop(orders);
    // It ends by itself, or is ended with the process.
    let _ = end.recv_timeout(END_WITHIN);
    0
}

/// Starts a thread whose panic ends the worker: nobody could go on with what it leaves.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            std::process::abort();
        }
    });
    if let Err(error) = spawned {
        eprintln!("the thread {name} could not be started: {error}");
        std::process::exit(NO_PIPE);
    }
}

/// A thread that answers questions in the order they come.
fn answering(name: &str, desk: &Arc<Desk>) -> Sender<(u64, Question<'static>)> {
    let (questions, received): (_, Receiver<(u64, Question<'static>)>) =
        crossbeam_channel::unbounded();
    let desk = Arc::clone(desk);
    spawn(name, move || {
        for (id, question) in received {
            // Nothing is asked before it is loaded.
            let Some(model) = desk.model.get() else { return };
            desk.out.say(&FromWorker::Answer(id, reply(model, &question)));
        }
    });
    questions
}

fn reply(model: &LocalModel, question: &Question<'_>) -> Reply {
    match question {
        Question::Tokenize(passages) => {
            let passages: Vec<Passage<'_>> = passages.iter().map(WirePassage::as_passage).collect();
            Reply::Tokens(model.tokenize(&passages).unwrap_or_default())
        }
        Question::Compile(grammar) => {
            Reply::Compiled(model.constraint(grammar).map(drop).map_err(Into::into))
        }
    }
}

/// Ends the worker when the application has ended, though the pipe has not.
fn end_with_parent() {
    #[cfg(unix)]
    {
        let parent = std::os::unix::process::parent_id();
        spawn("indwell-parent", move || {
            while std::os::unix::process::parent_id() == parent {
                thread::sleep(PARENT_WATCH);
            }
            std::process::exit(0);
        });
    }
}
