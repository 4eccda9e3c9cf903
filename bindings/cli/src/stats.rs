//! The line that `--stats` adds after an answer.

use std::io::{self, Write};

use indwell::{CacheTier, Finished};

/// Writes the line on standard error.
pub(crate) fn tell(finished: &Finished) {
    // Nobody reads it: then it need not be told.
    let _ = writeln!(io::stderr(), "{}", line(finished));
}

fn line(finished: &Finished) -> String {
    let cached = match finished.usage.cache {
        Some(tier) => format!(", {} of them cached ({tier})", finished.usage.cached_tokens),
        None => String::new(),
    };
    // A stored answer was not decoded: a rate would say nothing.
    let rate = match finished.usage.cache {
        Some(CacheTier::Response | CacheTier::Semantic) => String::new(),
        _ => format!(" at {:.1} tokens/s", finished.decode_tokens_per_second()),
    };
    format!(
        "prompt {} tokens{cached} · TTFT {:.0} ms · {} tokens{rate} · finished: {}",
        finished.usage.prompt_tokens,
        finished.timings.ttft_ms,
        finished.usage.completion_tokens,
        finished.reason.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use indwell::{FinishReason, Timings, Usage};

    use super::*;

    fn finished(usage: Usage) -> Finished {
        Finished {
            reason: FinishReason::Stop,
            usage: Usage { prompt_tokens: 37, completion_tokens: 65, ..usage },
            timings: Timings { ttft_ms: 123.4, decode_ms: 400.0, ..Timings::default() },
        }
    }

    #[test]
    fn the_line_tells_tokens_times_and_the_reason() {
        assert_eq!(
            line(&finished(Usage::default())),
            "prompt 37 tokens · TTFT 123 ms · 65 tokens at 160.0 tokens/s · finished: stop"
        );
    }

    #[test]
    fn cached_tokens_are_told_with_their_tier() {
        let cached = Usage { cached_tokens: 30, cache: Some(CacheTier::Disk), ..Usage::default() };
        let line = line(&finished(cached));
        assert!(line.starts_with("prompt 37 tokens, 30 of them cached (disk) · TTFT"), "{line}");
    }

    #[test]
    fn a_stored_answer_is_told_as_such_and_has_no_rate() {
        let tier = Some(CacheTier::Response);
        let stored = Usage { cached_tokens: 37, cache: tier, ..Usage::default() };
        assert_eq!(
            line(&finished(stored)),
            "prompt 37 tokens, 37 of them cached (response) · TTFT 123 ms · 65 tokens · finished: stop"
        );
    }
}
