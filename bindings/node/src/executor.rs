//! A thread that does for requests what takes time. An environment has two: the preparer, where a request
//! is looked at first (templates, tokenization, constraints, admission), and the executor, which waits
//! for outcomes and so must never be kept waiting itself.
//!
//! Any thread may [`Executor::submit`]. Jobs run one after another, each at most until it waits for
//! the engine. After [`Executor::stop`] no job runs and none will.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread::{Builder, JoinHandle},
};

use parking_lot::Mutex;

pub(crate) trait Job: Send + Sync {
    fn run(self: Arc<Self>);
}

pub(crate) struct Executor {
    queue: Mutex<Option<Sender<Arc<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Executor {
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (queue, jobs) = channel::<Arc<dyn Job>>();
        let thread = Builder::new().name(name.into()).spawn(move || {
            for job in jobs {
                job.run();
            }
        })?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a job. Not bounded here: each request has at most one job, and the engine bounds
    /// requests.
    pub(crate) fn submit(&self, job: Arc<dyn Job>) {
        if let Some(queue) = &*self.queue.lock() {
            // Fails only after `stop`.
            let _ = queue.send(job);
        }
    }

    /// Finishes what is queued and ends the thread. Blocks until then.
    pub(crate) fn stop(&self) {
        self.queue.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // A job catches its own panics.
            let _ = thread.join();
        }
    }
}
