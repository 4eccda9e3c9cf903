//! Contenders on one kind of schedule, in turns, and the section of the report that it makes.

use anyhow::{Context, Result, anyhow};
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::machine::{Usage, peak_resident_bytes};
use indwell_benches::plot::Panel;
use indwell_benches::schedule::{Done, Targets};
use indwell_benches::{Client, Schedule, Summary, rounds};
use serde::Serialize;

use crate::contenders::ENGINE;
use crate::figures::{Figures, Percentiles, Seen};

/// The figures of all contenders.
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

/// What a section says besides its table.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) title: String,
    pub(crate) notes: Vec<String>,
    /// Whether others' work tells something of the machine: not where we made some on purpose.
    pub(crate) tells_noise: bool,
}

/// Lets a client serve a schedule to its end.
///
/// # Errors
/// When an answer fails, or too many are short.
pub(crate) fn serve(client: &mut Client, schedule: &Schedule) -> Result<(Done, Seen)> {
    let before = Usage::of_process(client.pid());
    let line = client.exchange(&serde_json::to_string(schedule)?)?;
    let others_share = Usage::of_process(client.pid()).others_since(&before);
    let done: Done = serde_json::from_str(&line)
        .map_err(|_| anyhow!("it answered {line}"))
        .with_context(|| format!("the client of {}", client.name()))?;
    schedule.check(&done).with_context(|| client.name().to_owned())?;
    Ok((done, Seen { others_share, peak_bytes: peak_resident_bytes(client.pid()) }))
}

/// Lets every client serve `schedule`, which does not count. A peer that can't is taken out, and
/// the notes say why.
///
/// # Errors
/// When the engine can't.
pub(crate) fn warm_up(
    clients: &mut Vec<Client>,
    schedule: &Schedule,
    notes: &mut Vec<String>,
) -> Result<()> {
    for mut client in std::mem::take(clients) {
        match serve(&mut client, schedule) {
            Ok(_) => clients.push(client),
            Err(error) if client.name() == ENGINE => return Err(error),
            Err(error) => notes.push(format!("{} was left out: {error:#}.", client.name())),
        }
    }
    Ok(())
}

impl Contest {
    /// Lets every contender serve what `schedule` gives for the round, from 1 on.
    ///
    /// # Errors
    /// The first that a contender gives.
    pub(crate) fn run(
        what: &str,
        clients: &mut [Client],
        rounds: u32,
        targets: Option<Targets>,
        schedule: impl Fn(u32) -> Result<Schedule>,
    ) -> Result<Self> {
        let names: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
        let measured = rounds::turns(clients.len(), 0, rounds, |contender, round| {
            let (done, seen) = serve(&mut clients[contender], &schedule(round + 1)?)?;
            let figures = Figures::of(&done, seen, targets);
            eprintln!(
                "{what}, round {round}, {}: {:.1} output tokens/s, TTFT p50 {:.0} ms",
                names[contender], figures.output_tokens_per_second, figures.ttft_ms.p50
            );
            Ok(figures)
        })?;
        Ok(Self::of(names, measured))
    }

    /// What was measured already.
    pub(crate) fn of(names: Vec<String>, measured: Vec<Vec<Figures>>) -> Self {
        let serving = |(name, rounds)| Serving { name, rounds };
        Self { contenders: names.into_iter().zip(measured).map(serving).collect() }
    }

    /// The engine's figure by `other`'s of the same round.
    pub(crate) fn ratios(&self, other: &str, figure: fn(&Figures) -> f64) -> Vec<f64> {
        let rounds = |name: &str| {
            let found = self.contenders.iter().find(|contender| contender.name == name);
            found.map_or(&[][..], |contender| contender.rounds.as_slice())
        };
        rounds(ENGINE)
            .iter()
            .zip(rounds(other))
            .map(|(own, base)| figure(own) / figure(base))
            .collect()
    }

    /// One expectation for each contender but the engine; `aim` says what is expected of it.
    pub(crate) fn expectations(
        &self,
        what: &str,
        figure: fn(&Figures) -> f64,
        aim: impl Fn(&str) -> Aim,
    ) -> Vec<Expectation> {
        let others = self.contenders.iter().filter(|contender| contender.name != ENGINE);
        let expectation = |other: &Serving| Expectation {
            what: format!("The engine's {what} by {}'s", other.name),
            aim: aim(&other.name),
            values: self.ratios(&other.name, figure),
        };
        others.map(expectation).collect()
    }

    /// Every contender's figure, for a plot.
    pub(crate) fn panel(&self, title: &str, figure: fn(&Figures) -> f64) -> Panel {
        let columns = self.contenders.iter().map(|contender| {
            (contender.name.clone(), contender.rounds.iter().map(figure).collect())
        });
        Panel { title: title.to_owned(), columns: columns.collect(), aim: None }
    }

    /// The contest as a section.
    ///
    /// # Errors
    /// When the figures can't be written as JSON.
    pub(crate) fn section(&self, words: Words, expectations: Vec<Expectation>) -> Result<Section> {
        let Words { title, mut notes, tells_noise } = words;
        let all = || self.contenders.iter().flat_map(|contender| &contender.rounds);
        let has_goodput = all().any(|figures| figures.goodput.is_some());
        if tells_noise {
            let shares: Vec<f64> = all().filter_map(|figures| figures.others_share).collect();
            notes.push(noise(&shares));
        }
        let mut columns = vec![
            "contender",
            "req/s",
            "output tok/s",
            "TTFT, ms",
            "ITL, ms",
            "TPOT, ms",
            "peak RSS, MiB",
            "steps",
            "cached tokens",
        ];
        if has_goodput {
            columns.push("goodput, %");
        }
        Ok(Section {
            title,
            columns: columns.into_iter().map(str::to_owned).collect(),
            rows: self.contenders.iter().map(|contender| contender.row(has_goodput)).collect(),
            expectations,
            notes,
            data: serde_json::to_value(self)?,
        })
    }
}

impl Serving {
    fn row(&self, has_goodput: bool) -> Vec<String> {
        let values = |figure: &dyn Fn(&Figures) -> Option<f64>| -> Vec<f64> {
            self.rounds.iter().filter_map(figure).collect()
        };
        let latency = |of: fn(&Figures) -> Percentiles| {
            let median = |at: fn(&Percentiles) -> f64| {
                let found = values(&|figures| Some(at(&of(figures))));
                Summary::of(&found).map_or_else(String::new, |found| format!("{:.1}", found.median))
            };
            [median(|all| all.p50), median(|all| all.p90), median(|all| all.p99)].join(" / ")
        };
        let mut row = vec![
            self.name.clone(),
            cell(&values(&|figures| Some(figures.requests_per_second)), 2),
            cell(&values(&|figures| Some(figures.output_tokens_per_second)), 1),
            latency(|figures| figures.ttft_ms),
            latency(|figures| figures.itl_ms),
            latency(|figures| figures.tpot_ms),
            cell(&values(&|figures| figures.peak_rss_mib), 0),
            cell(&values(&|figures| figures.steps.map(|steps| steps as f64)), 0),
            cell(&values(&|figures| figures.cached_tokens.map(|tokens| tokens as f64)), 0),
        ];
        if has_goodput {
            row.push(cell(&values(&|figures| figures.goodput.map(|share| share * 100.0)), 0));
        }
        row
    }
}
