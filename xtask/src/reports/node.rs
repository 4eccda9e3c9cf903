//! Node's runner ends with one line for each outcome: `# pass 12` in its TAP form, with another
//! sign in front (`ℹ pass 12`) in the one for people.

use super::Tally;

/// Adds up the summary lines of one `node --test`.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    tally: Tally,
}

impl Counter {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let plain = console::strip_ansi_codes(line);
        let Some(summary) = plain.strip_prefix("# ").or(plain.strip_prefix("ℹ ")) else {
            return;
        };
        let Some((outcome, number)) = summary.trim_end().split_once(' ') else {
            return;
        };
        let Ok(number) = number.parse::<u64>() else {
            return;
        };
        match outcome {
            "pass" => self.tally.passed += number,
            "fail" | "cancelled" => self.tally.failed += number,
            "skipped" | "todo" => self.tally.skipped += number,
            _ => {}
        }
    }

    /// What was reported.
    pub(crate) fn finish(self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> (u64, u64, u64) {
        let mut counter = Counter::default();
        lines.iter().for_each(|line| counter.line(line));
        let tally = counter.finish();
        (tally.passed, tally.failed, tally.skipped)
    }

    #[test]
    fn both_forms_of_the_summary_are_read() {
        let tap = [
            "ok 1 - chat",
            "# tests 16",
            "# suites 2",
            "# pass 12",
            "# fail 1",
            "# cancelled 1",
            "# skipped 1",
            "# todo 1",
            "# duration_ms 420.5",
        ];
        assert_eq!(count(&tap), (12, 2, 2));
        let people = ["✔ chat (3.1ms)", "\u{1b}[34mℹ pass 3\u{1b}[39m", "ℹ fail 0"];
        assert_eq!(count(&people), (3, 0, 0));
    }
}
