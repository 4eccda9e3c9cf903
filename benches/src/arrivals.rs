//! When requests arrive: by a Poisson process, or as they did in a trace, scaled to the machine.

use anyhow::{Context, Result, ensure};

use crate::traffic::Random;

/// The columns of a trace: those of Azure's LLM inference traces of 2023.
pub const TRACE_COLUMNS: &str = "TIMESTAMP,ContextTokens,GeneratedTokens";

/// The arrivals of a Poisson process, in milliseconds: `count` of them, `per_second` on average,
/// the same for the same `seed`. The gaps are exponential, drawn by inversion: -ln(1 - u) / rate.
///
/// # Errors
/// A rate that is not above 0.
pub fn poisson(per_second: f64, count: u32, seed: u32) -> Result<Vec<f64>> {
    ensure!(
        per_second.is_finite() && per_second > 0.0,
        "{per_second} requests per second: a rate must be above 0"
    );
    let mut random = Random::of(seed);
    let mut at_ms = 0.0;
    let arrivals = (0..count).map(|_| {
        at_ms -= (1.0 - random.share()).ln() / per_second * 1000.0;
        at_ms
    });
    Ok(arrivals.collect())
}

/// A request of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// In milliseconds from the first one.
    pub at_ms: f64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
}

/// How a trace is made to fit a small model and machine.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Requests per second on average, instead of the trace's own.
    pub per_second: f64,
    /// What lengths are multiplied with, above 0.
    pub lengths: f64,
    /// Tokens of a prompt, at most.
    pub prompt_tokens_max: u32,
    /// Tokens of an answer, at most.
    pub completion_tokens_max: u32,
}

/// The first `count` requests of a trace.
///
/// # Errors
/// Other columns than [`TRACE_COLUMNS`], no requests, or a line that can't be read, which is named.
pub fn parse_trace(text: &str, count: usize) -> Result<Vec<Arrival>> {
    let mut lines = text.lines();
    let head = lines.next().map(str::trim).unwrap_or_default();
    ensure!(!head.is_empty(), "the trace is empty; its first line must be {TRACE_COLUMNS}");
    ensure!(head == TRACE_COLUMNS, "the trace's columns are {head}; they must be {TRACE_COLUMNS}");
    let mut arrivals = Vec::new();
    let requests = (2..).zip(lines).filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in requests.take(count) {
        let arrival = parse_line(line)
            .with_context(|| format!("line {number} of the trace can't be read: {line:?}"))?;
        arrivals.push(arrival);
    }
    ensure!(!arrivals.is_empty(), "the trace has no requests below its columns");
    let first = arrivals.iter().map(|arrival| arrival.at_ms).fold(f64::INFINITY, f64::min);
    arrivals.iter_mut().for_each(|arrival| arrival.at_ms -= first);
    arrivals.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    Ok(arrivals)
}

/// The trace with the arrivals stretched evenly to the rate, and lengths within their bounds.
///
/// # Errors
/// A rate or a factor that is not above 0.
pub fn scale(trace: &[Arrival], scale: Scale) -> Result<Vec<Arrival>> {
    for (what, value) in [("requests per second", scale.per_second), ("times", scale.lengths)] {
        ensure!(value.is_finite() && value > 0.0, "{value} {what}: it must be above 0");
    }
    let gaps = trace.len().saturating_sub(1) as f64;
    let span = trace.last().map_or(0.0, |arrival| arrival.at_ms);
    let stretch = if span > 0.0 { gaps / scale.per_second * 1000.0 / span } else { 0.0 };
    let length = |tokens: u32, least: u32, most: u32| {
        let scaled = (f64::from(tokens) * scale.lengths).round() as u32;
        scaled.clamp(least, most.max(least))
    };
    let scaled = trace.iter().map(|arrival| Arrival {
        at_ms: arrival.at_ms * stretch,
        prompt_tokens: length(arrival.prompt_tokens, 1, scale.prompt_tokens_max),
        // With fewer than two there is no latency between them.
        completion_tokens: length(arrival.completion_tokens, 2, scale.completion_tokens_max),
    });
    Ok(scaled.collect())
}

fn parse_line(line: &str) -> Result<Arrival> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [timestamp, prompt, completion] = fields.as_slice() else {
        anyhow::bail!("{} fields instead of 3", fields.len())
    };
    Ok(Arrival {
        at_ms: parse_timestamp(timestamp)?,
        prompt_tokens: prompt.parse().context("ContextTokens is no number")?,
        completion_tokens: completion.parse().context("GeneratedTokens is no number")?,
    })
}

/// `YYYY-MM-DD HH:MM:SS.FRACTION` in milliseconds since 1970. Days are counted from the civil date
/// as in Howard Hinnant's `days_from_civil`.
fn parse_timestamp(text: &str) -> Result<f64> {
    let (date, time) = text.split_once(' ').context("TIMESTAMP has no time of day")?;
    let date: Vec<i64> = numbers(date, '-')?;
    let time: Vec<f64> = numbers(time, ':')?;
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice()) else {
        anyhow::bail!("TIMESTAMP must be YYYY-MM-DD HH:MM:SS")
    };
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era - 719_468) as f64;
    Ok((days * 86_400.0 + hour * 3600.0 + minute * 60.0 + second) * 1000.0)
}

fn numbers<T: std::str::FromStr>(text: &str, separator: char) -> Result<Vec<T>> {
    let parsed: Option<Vec<T>> = text.split(separator).map(|part| part.parse().ok()).collect();
    parsed.context("TIMESTAMP must be made of numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                         2023-11-16 18:15:46.5,374,44\n\
                         2023-11-16 18:15:48.5,396,109\n\
                         2023-11-17 00:00:00.0,4000,1\n";

    #[test]
    fn poisson_arrivals_have_their_rate_and_follow_from_their_seed() {
        let arrivals = poisson(4.0, 10_000, 7).expect("a rate");
        assert!(arrivals.windows(2).all(|pair| pair[0] <= pair[1]));
        let gaps: Vec<f64> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        // The mean of 10,000 exponential gaps is within 5% of 250 ms, by five standard errors.
        assert!((mean - 250.0).abs() < 12.5, "{mean}");
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!(
            (square.sqrt() / mean - 1.0).abs() < 0.1,
            "exponential gaps spread like their mean"
        );
        assert_eq!(arrivals, poisson(4.0, 10_000, 7).expect("a rate"));
        assert_ne!(arrivals, poisson(4.0, 10_000, 8).expect("a rate"));
    }

    #[test]
    fn a_rate_is_above_zero() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = poisson(rate, 1, 0).expect_err("no rate");
            assert!(error.to_string().contains("must be above 0"), "{error}");
        }
    }

    #[test]
    fn a_trace_is_read_over_midnight() {
        let trace = parse_trace(TRACE, 10).expect("a trace");
        let at_ms: Vec<f64> = trace.iter().map(|arrival| arrival.at_ms).collect();
        assert_eq!(at_ms, [0.0, 2000.0, 20_653_500.0]);
        assert_eq!((trace[1].prompt_tokens, trace[1].completion_tokens), (396, 109));
        assert_eq!(parse_trace(TRACE, 2).expect("a trace").len(), 2);
    }

    #[test]
    fn a_trace_is_scaled_to_rate_and_bounds() {
        let trace = parse_trace(TRACE, 10).expect("a trace");
        let scale_to = |per_second, lengths| {
            let bounds = (300, 64);
            let to = Scale {
                per_second,
                lengths,
                prompt_tokens_max: bounds.0,
                completion_tokens_max: bounds.1,
            };
            scale(&trace, to)
        };
        let scaled = scale_to(2.0, 0.5).expect("scaled");
        assert_eq!(scaled[2].at_ms, 1000.0);
        let lengths: Vec<_> =
            scaled.iter().map(|one| (one.prompt_tokens, one.completion_tokens)).collect();
        assert_eq!(lengths, [(187, 22), (198, 55), (300, 2)]);
        assert!(scale_to(0.0, 0.5).is_err() && scale_to(2.0, 0.0).is_err());
    }

    #[test]
    fn bad_traces_are_refused_with_what_is_wrong() {
        let wrong = |text: &str| format!("{:#}", parse_trace(text, 10).expect_err("a bad trace"));
        assert!(wrong("").contains("is empty"));
        assert!(wrong("time,in,out\n1,2,3\n").contains("columns are time,in,out; they must be"));
        assert!(wrong(&format!("{TRACE_COLUMNS}\n")).contains("no requests"));
        let many = format!("{TRACE_COLUMNS}\n2023-11-16 18:15:46,many,3\n");
        assert!(wrong(&many).contains("line 2") && wrong(&many).contains("ContextTokens"));
        assert!(wrong(&format!("{TRACE_COLUMNS}\nyesterday,2,3\n")).contains("TIMESTAMP"));
        assert!(wrong(&format!("{TRACE_COLUMNS}\n2023-11-16,2\n")).contains("2 fields"));
    }
}
