//! Traffic served by one contender after the other, round by round, and what follows from it.

use anyhow::Result;
use indwell_benches::contender::{Contender, Measured};
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::plot::Panel;
use indwell_benches::traffic::{Answer, Traffic};
use indwell_benches::{percentile, rounds};
use serde::Serialize;

/// What the others are compared with, and what with them.
pub(crate) const CACHED: &str = "engine";
pub(crate) const UNCACHED: &str = "engine, no prefix cache";
pub(crate) const PEER: &str = "llama-server";

/// The figures of one contender in one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests_per_second: f64,
    pub(crate) tokens_per_second: f64,
    pub(crate) ttft_p50_ms: f64,
    pub(crate) ttft_p90_ms: f64,
    /// Of the prompts' tokens, 0 to 1.
    pub(crate) cached_share: f64,
    pub(crate) cached_tokens: u64,
    pub(crate) others_share: Option<f64>,
}

/// Contenders on one kind of traffic.
#[derive(Debug, Serialize)]
pub(crate) struct Contest {
    pub(crate) contenders: Vec<Serving>,
}

/// One contender's figures, one a round.
#[derive(Debug, Serialize)]
pub(crate) struct Serving {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Figures>,
}

/// What is expected of the engine against llama-server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The least ratio of requests per second.
    pub(crate) requests_ratio: f64,
    /// The largest ratio of the median times to first token.
    pub(crate) ttft_ratio: Option<f64>,
}

impl Contest {
    /// Lets every contender serve what `traffic` gives for it and the round. Round 0 warms up.
    ///
    /// # Errors
    /// The first that a contender gives.
    pub(crate) fn run(
        title: &str,
        contenders: &mut [Contender],
        rounds: u32,
        traffic: impl Fn(&str, u32) -> Traffic,
    ) -> Result<Self> {
        let names: Vec<String> = contenders.iter().map(|one| one.name().to_owned()).collect();
        let measured = rounds::turns(names.len(), 1, rounds, |turn, round| {
            let name = &names[turn];
            let figures = Figures::of(&contenders[turn].measure(&traffic(name, round))?);
            eprintln!(
                "{title}, round {round}, {name}: {:.2} requests/s, TTFT {:.0} ms (p90 {:.0}), \
                 {:.0}% of the prompts cached",
                figures.requests_per_second,
                figures.ttft_p50_ms,
                figures.ttft_p90_ms,
                figures.cached_share * 100.0
            );
            Ok(figures)
        })?;
        let serving = |(name, rounds)| Serving { name, rounds };
        Ok(Self { contenders: names.into_iter().zip(measured).map(serving).collect() })
    }

    /// The contest as a section.
    ///
    /// # Errors
    /// When the figures can't be written as JSON.
    pub(crate) fn section(
        &self,
        title: &str,
        expected: Expected,
        mut notes: Vec<String>,
    ) -> Result<Section> {
        let columns = [
            "contender",
            "requests/s",
            "output tokens/s",
            "TTFT p50, ms",
            "TTFT p90, ms",
            "cached, % of prompts",
            "cached tokens",
        ];
        notes.push(self.noise());
        Ok(Section {
            title: title.to_owned(),
            columns: columns.map(str::to_owned).to_vec(),
            rows: self.contenders.iter().map(Serving::row).collect(),
            expectations: self.expectations(expected),
            notes,
            data: serde_json::to_value(self)?,
        })
    }

    /// The engine's figure by `other`'s of the same round; empty where one of them is missing.
    pub(crate) fn ratios(&self, other: &str, figure: fn(&Figures) -> f64) -> Vec<f64> {
        let rounds = |name: &str| {
            let found = self.contenders.iter().find(|contender| contender.name == name);
            found.map_or(&[][..], |contender| contender.rounds.as_slice())
        };
        rounds(CACHED)
            .iter()
            .zip(rounds(other))
            .map(|(own, other)| figure(own) / figure(other))
            .collect()
    }

    /// Requests per second by the others', for a plot.
    pub(crate) fn panel(&self, title: &str, expected: Expected) -> Panel {
        let columns = [PEER, UNCACHED].map(|other| {
            (format!("by {other}'s"), self.ratios(other, |figures| figures.requests_per_second))
        });
        Panel {
            title: format!("{title}: requests/s"),
            columns: columns.into_iter().filter(|(_, values)| !values.is_empty()).collect(),
            aim: Some(expected.requests_ratio),
        }
    }

    fn expectations(&self, expected: Expected) -> Vec<Expectation> {
        let mut all = Vec::new();
        for (other, requests, ttft) in [
            (
                PEER,
                Aim::AtLeast(expected.requests_ratio),
                expected.ttft_ratio.map_or(Aim::None, Aim::AtMost),
            ),
            (UNCACHED, Aim::None, Aim::None),
        ] {
            let requests_ratios = self.ratios(other, |figures| figures.requests_per_second);
            if requests_ratios.is_empty() {
                continue;
            }
            all.push(Expectation {
                what: format!("The engine's requests/s by those of {other}"),
                aim: requests,
                values: requests_ratios,
            });
            all.push(Expectation {
                what: format!("The engine's median TTFT by that of {other}"),
                aim: ttft,
                values: self.ratios(other, |figures| figures.ttft_p50_ms),
            });
        }
        all
    }

    /// Says how much of the machine others used.
    fn noise(&self) -> String {
        let all = self.contenders.iter().flat_map(|contender| &contender.rounds);
        let shares: Vec<f64> = all.filter_map(|figures| figures.others_share).collect();
        noise(&shares)
    }
}

impl Serving {
    fn row(&self) -> Vec<String> {
        let values =
            |figure: fn(&Figures) -> f64| -> Vec<f64> { self.rounds.iter().map(figure).collect() };
        vec![
            self.name.clone(),
            cell(&values(|figures| figures.requests_per_second), 2),
            cell(&values(|figures| figures.tokens_per_second), 1),
            cell(&values(|figures| figures.ttft_p50_ms), 0),
            cell(&values(|figures| figures.ttft_p90_ms), 0),
            cell(&values(|figures| figures.cached_share * 100.0), 1),
            cell(&values(|figures| figures.cached_tokens as f64), 0),
        ]
    }
}

impl Figures {
    fn of(measured: &Measured) -> Self {
        let Measured { served, others_share } = measured;
        let cached = |answer: &Answer| u64::from(answer.cached_tokens);
        Self {
            requests_per_second: served.answers.len() as f64 / served.seconds,
            tokens_per_second: served.tokens() as f64 / served.seconds,
            ttft_p50_ms: percentile(served.answers.iter().map(|answer| answer.ttft_ms), 0.5),
            ttft_p90_ms: percentile(served.answers.iter().map(|answer| answer.ttft_ms), 0.9),
            cached_share: served.cached_share(),
            cached_tokens: served.answers.iter().map(cached).sum(),
            others_share: *others_share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(requests_per_second: f64, ttft_p50_ms: f64) -> Figures {
        Figures {
            requests_per_second,
            tokens_per_second: 32.0 * requests_per_second,
            ttft_p50_ms,
            ttft_p90_ms: 2.0 * ttft_p50_ms,
            cached_share: 0.9,
            cached_tokens: 100,
            others_share: Some(0.01),
        }
    }

    fn contest() -> Contest {
        let serving = |name: &str, rounds: &[Figures]| Serving {
            name: name.to_owned(),
            rounds: rounds.to_vec(),
        };
        Contest {
            contenders: vec![
                serving(CACHED, &[figures(8.0, 50.0), figures(4.0, 100.0)]),
                serving(PEER, &[figures(2.0, 500.0), figures(1.0, 1000.0)]),
            ],
        }
    }

    #[test]
    fn ratios_are_of_the_same_round_and_missing_contenders_have_none() {
        assert_eq!(contest().ratios(PEER, |figures| figures.requests_per_second), [4.0, 4.0]);
        assert!(contest().ratios(UNCACHED, |figures| figures.ttft_p50_ms).is_empty());
    }

    #[test]
    fn a_section_judges_what_was_expected_of_the_peer() {
        let expected = Expected { requests_ratio: 3.0, ttft_ratio: Some(0.2) };
        let section = contest().section("Shared prefix", expected, Vec::new()).expect("a section");
        assert_eq!((section.rows.len(), section.expectations.len()), (2, 2));
        assert!(section.expectations.iter().all(Expectation::is_met));
        assert!(section.notes[0].starts_with("Others used 1% of the processors"));
    }
}
