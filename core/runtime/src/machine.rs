//! What this machine lets the process have.

use sysinfo::{
    CGroupLimits, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};

/// Bytes of memory that this process may use: the machine's, or less where its control group
/// allows less. `None` where the system does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    let memory = Memory::read()?;
    let limits = memory.groups.iter().map(|limits| limits.total_memory);
    limits.chain(memory.machine).min()
}

/// Bytes of memory that this process could have now: what the machine has left, or less where its
/// control group leaves less. What the system keeps of files counts as left, as it gives that back.
/// `None` where the system does not say.
pub(crate) fn available_bytes() -> Option<u64> {
    let memory = Memory::read()?;
    let left = memory.groups.iter().map(|group| group.total_memory.saturating_sub(group.rss));
    left.chain(memory.available).min()
}

/// Bytes of address space that this process may still take: what its limit leaves (`ulimit -v`).
/// `None` without a limit.
#[cfg(unix)]
pub(crate) fn address_space_left() -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let mut system = System::new().ok()?;
    let own = Pid::from_u32(std::process::id());
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, memory);
    Some(limit.saturating_sub(system.process(own)?.virtual_memory()))
}

/// Bytes of address space that this process may still take; no limit is known here.
#[cfg(not(unix))]
pub(crate) fn address_space_left() -> Option<u64> {
    None
}

/// What the system says.
struct Memory {
    machine: Option<u64>,
    available: Option<u64>,
    /// The process's control group, and the one at the root of what it sees.
    groups: Vec<CGroupLimits>,
}

impl Memory {
    fn read() -> Option<Self> {
        let mut system = System::new().ok()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let own = Pid::from_u32(std::process::id());
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[own]),
            false,
            ProcessRefreshKind::nothing(),
        );
        let group = system.process(own).and_then(sysinfo::Process::cgroup_limits);
        let known = |bytes: u64| Some(bytes).filter(|&bytes| bytes > 0);
        Some(Self {
            machine: known(system.total_memory()),
            available: known(system.available_memory()),
            groups: [group, system.cgroup_limits()].into_iter().flatten().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
    fn a_machine_that_runs_tests_has_memory() {
        let bytes = memory_bytes().expect("known here");
        assert!(bytes > 64 << 20, "{bytes} bytes");
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
    fn no_more_is_available_than_there_is() {
        let (all, left) = (memory_bytes().expect("known"), available_bytes().expect("known"));
        assert!((1 << 20..=all).contains(&left), "{left} of {all}");
    }
}
