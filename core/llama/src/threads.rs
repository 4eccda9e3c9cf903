//! The machine's processors, and whether threads can be started.

/// OpenMP's threads have the system's usual stack.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// Starts as many threads at once as compute a batch, and ends them. OpenMP starts its own at the
/// first batch, and ends the process where it can't.
///
/// # Errors
/// Why there can't be so many.
pub(crate) fn try_threads(count: u32) -> std::io::Result<()> {
    let gate = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        // All wait until the last one is there, or can't be.
        let closed = gate.lock();
        let started = (0..count).try_for_each(|index| {
            let thread = std::thread::Builder::new().name(format!("indwell-try-{index}"));
            let thread = thread.stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, || drop(gate.lock())).map(drop)
        });
        drop(closed);
        started
    })
}

/// Cores that this process may use.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}
