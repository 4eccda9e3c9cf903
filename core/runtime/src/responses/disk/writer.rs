//! The background thread: it alone writes the store, once it is open.
//!
//! It ends when it is told to, or when the store can't be used any more: then persistence is off,
//! with one warning, and the engine serves on from memory. A store that is given up does not stay:
//! damaged, it is set aside; else it is deleted, because answers that are invalidated from now on
//! would come back with it.
//!
//! However it ends, it first ends the queue, then closes the store, then gives the folder back.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use parking_lot::Mutex;

use super::directory::Directory;
use super::fault::Fault;
use super::queue::Queue;
use super::store::{Store, guarded};

/// How much longer than its deadline a close waits for the thread, which may be in the middle of
/// a system call. Then it is left behind.
const GRACE: Duration = Duration::from_millis(200);

/// The thread, to be ended.
#[derive(Debug)]
pub(super) struct Writer {
    running: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn spawn(
        store: Store,
        directory: Directory,
        queue: Arc<Queue>,
    ) -> std::io::Result<Self> {
        let (ended, end) = bounded(0);
        let thread =
            std::thread::Builder::new().name("indwell-responses".to_owned()).spawn(move || {
                run(store, &directory, &queue);
                // In this order: whoever sees the end finds the folder free.
                drop(directory);
                drop(ended);
            })?;
        Ok(Self { running: Mutex::new(Some((thread, end))) })
    }

    /// Ends the thread after what is queued, or at the deadline.
    pub(super) fn close(&self, queue: &Queue, within: Duration) {
        queue.close(within);
        let Some((thread, end)) = self.running.lock().take() else { return };
        match end.recv_timeout(within.saturating_add(GRACE)) {
            // Nothing is ever sent: the other end is dropped when the thread is over.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let _ = thread.join();
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("stored answers do not get written: their thread is left behind");
            }
        }
    }
}

fn run(mut store: Store, directory: &Directory, queue: &Queue) {
    let is_late = || queue.is_past_deadline();
    let served = guarded(|| {
        // Many answers may have been dropped in opening it.
        store.compact_if_large()?;
        while let Some(batch) = queue.next() {
            store.apply(&batch, &is_late)?;
        }
        Ok(())
    });
    if let Err(fault) = served {
        queue.end();
        give_up(store, directory, &fault);
        return;
    }
    if let Err(error) = store.close() {
        // Everything is in the file; the next engine only takes longer to open it.
        tracing::debug!(%error, "the store of answers was not closed in order");
    }
}

fn give_up(store: Store, directory: &Directory, fault: &Fault) {
    let path = directory.store();
    let path = path.display();
    match fault {
        Fault::Damaged(_) => {
            let _ = store.close();
            match directory.set_aside() {
                Ok(aside) => tracing::warn!(
                    %path,
                    aside = %aside.display(),
                    %fault,
                    "the store of answers is damaged and set aside: answers are kept in memory only"
                ),
                Err(error) => tracing::warn!(
                    %path,
                    %fault,
                    %error,
                    "the store of answers is damaged: answers are kept in memory only"
                ),
            }
        }
        Fault::Io(_) | Fault::InUse => {
            let deleted = store.delete();
            tracing::warn!(
                %path,
                %fault,
                deleted,
                "the store of answers can't be written: answers are kept in memory only"
            );
        }
    }
}
