//! What this machine lets the process have.

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes of memory that this process may use: the machine's, or less where its control group
/// allows less. `None` where the system does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let own = Pid::from_u32(std::process::id());
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[own]),
        false,
        ProcessRefreshKind::nothing(),
    );
    let machine = Some(system.total_memory()).filter(|&bytes| bytes > 0);
    let group = system.process(own).and_then(sysinfo::Process::cgroup_limits);
    let root_group = system.cgroup_limits();
    let limits = [group, root_group].into_iter().flatten().map(|limits| limits.total_memory);
    limits.chain(machine).min()
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
}
