//! How long to wait before a worker is started again. Pure.

use std::time::Duration;

/// The first wait; each after it is twice as long.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A worker that served for so long was healthy: the next wait is the first again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Waits that grow while workers end soon.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    ends: u32,
}

impl Backoff {
    /// The wait after a worker has ended that served for `served`; nothing for one that never did.
    pub(super) fn after(&mut self, served: Duration) -> Duration {
        if served >= HEALTHY_AFTER {
            self.ends = 0;
        }
        let wait = WAIT_MIN.saturating_mul(1_u32.checked_shl(self.ends).unwrap_or(u32::MAX));
        self.ends = self.ends.saturating_add(1);
        wait.min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_bound_and_begin_anew_after_health() {
        let mut backoff = Backoff::default();
        let mut wait = || backoff.after(Duration::from_secs(1)).as_millis();
        let waits: Vec<u128> = (0..11).map(|_| wait()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        for _ in 0..100 {
            assert_eq!(wait(), 30_000);
        }
        assert_eq!(backoff.after(HEALTHY_AFTER), WAIT_MIN);
        assert_eq!(backoff.after(Duration::ZERO), 2 * WAIT_MIN);
    }
}
