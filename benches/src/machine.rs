//! What the processors did: one process's work and everybody's.
//!
//! Known on Linux alone, from `/proc`; elsewhere every answer is `None`. Both are counted in ticks
//! of a hundredth of a second, which Linux shows user programs whatever its own are.

use std::fs;
use std::time::Instant;

const TICKS_PER_SECOND: f64 = 100.0;

/// The processors' clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    process_seconds: Option<f64>,
    machine_seconds: Option<f64>,
    at: Instant,
}

impl Usage {
    /// The clocks now, for process `pid`.
    #[must_use]
    pub fn of_process(pid: u32) -> Self {
        let read = |path: &str, parse: fn(&str) -> Option<u64>| {
            let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND;
            fs::read_to_string(path).ok().as_deref().and_then(parse).map(seconds)
        };
        Self {
            process_seconds: read(&format!("/proc/{pid}/stat"), process_ticks),
            machine_seconds: read("/proc/stat", machine_ticks),
            at: Instant::now(),
        }
    }

    /// Processor time of the process since `earlier`.
    #[must_use]
    pub fn process_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.process_seconds? - earlier.process_seconds?)
    }

    /// The share of all processors, 0 to 1, that others used since `earlier`.
    #[must_use]
    pub fn others_since(&self, earlier: &Self) -> Option<f64> {
        let others =
            (self.machine_seconds? - earlier.machine_seconds?) - self.process_since(earlier)?;
        let elapsed = self.at.duration_since(earlier.at).as_secs_f64();
        let all = elapsed * processors()? as f64;
        Some((others / all).clamp(0.0, 1.0))
    }
}

/// The memory of this process that is in RAM, in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    status_kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:").map(|kib| kib * 1024)
}

/// The most memory that process `pid` has had in RAM, in bytes, files that it maps included.
#[must_use]
pub fn peak_resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status_kib(&status, "VmHWM:").map(|kib| kib * 1024)
}

/// What it is measured on, in a few words.
#[must_use]
pub fn description() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let count = processors().map_or_else(String::new, |count| format!(", {count} processors"));
    format!("{model}{count}, {}", std::env::consts::OS)
}

fn processors() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

/// A line of `/proc/PID/status`.
fn status_kib(status: &str, label: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// User and system time in `/proc/PID/stat`, after the program's name in parentheses.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The busy time in `/proc/stat`: all states but idle and waiting for a disk.
fn machine_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    Some(ticks.get(..8)?.iter().sum::<u64>() - ticks[3] - ticks[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "17 (a) b (c) S 1 17 17 0 -1 4194304 9 0 0 0 250 50 1 2 20 0 4 0 100";
        assert_eq!(process_ticks(stat), Some(300));
    }

    #[test]
    fn idle_time_is_not_busy() {
        assert_eq!(machine_ticks("cpu  10 1 5 1000 200 2 3 4 99 0\ncpu0 1"), Some(25));
        assert_eq!(machine_ticks("nothing"), None);
    }

    #[test]
    fn memory_in_ram_is_one_line_of_many() {
        let status = "Name:\tbench\nVmPeak:\t   9999 kB\nVmRSS:\t   1234 kB\nThreads:\t4\n";
        assert_eq!(status_kib(status, "VmRSS:"), Some(1234));
        assert_eq!(status_kib("VmRSS: much", "VmRSS:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_work_is_counted() {
        let pid = std::process::id();
        let (before, started) = (Usage::of_process(pid), Instant::now());
        while started.elapsed().as_millis() < 100 {
            std::hint::spin_loop();
        }
        let used = Usage::of_process(pid).process_since(&before).expect("Linux knows");
        assert!((0.0..10.0).contains(&used), "{used}");
    }
}
