//! The workers of this process, as the system shows them, and engines that have one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use indwell::{Engine, EngineBuilder, Isolation};
use parking_lot::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::new(());

/// An engine on the default model whose worker is the only one until the guard is dropped.
pub(crate) fn isolated() -> (MutexGuard<'static, ()>, EngineBuilder) {
    let guard = ALONE.lock();
    (guard, indwell_tests::engine().isolation(Isolation::Process))
}

/// The one worker of this process.
pub(crate) fn worker() -> u32 {
    let all = workers_of(std::process::id());
    let [worker] = all[..] else { panic!("workers of this process: {all:?}") };
    worker
}

/// The processes below `parent` that serve, ended ones that nobody reaped included.
pub(crate) fn workers_of(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("on Linux");
    let ids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| is_worker_of(id, parent)).collect()
}

fn is_worker_of(id: u32, parent: u32) -> bool {
    // "id (name) state parent ...": processes come and go while they are listed.
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    let Some((name, rest)) = stat.rsplit_once(')') else { return false };
    let above = rest.split_whitespace().nth(1).and_then(|above| above.parse().ok());
    name.ends_with("(indwell-worker") && above == Some(parent)
}

/// Sends a signal, as `kill -NAME` does.
pub(crate) fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(status.expect("kill is there").success(), "kill -{name} {process}");
}

/// Ends the worker as nothing can prevent; returns when the system says so.
pub(crate) fn kill_worker() {
    let worker = worker();
    signal("KILL", worker);
    until(|| !is_alive(worker));
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Whether the system knows a process at all, as a zombie too.
pub(crate) fn is_known(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

/// Waits until `condition` holds.
pub(crate) fn until(condition: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < late, "the condition never held");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Waits until a worker serves that is not `before`.
pub(crate) fn next_worker(engine: &Engine, before: u64) {
    indwell_tests::wait_until(engine, |stats| stats.restarts > before);
}
