//! A model is loaded, used and closed, over and over: closing gives everything back.

use anyhow::Result;
use indwell::Engine;
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::plot::curves::Curve;
use serde_json::json;

use crate::traffic::median;
use crate::{Arguments, Found, resident_mib};

/// By then, what is made once a process has been made.
const WARM_UP: usize = 20;
/// More than this above the memory of the load that ends warming up is a leak.
const GROWTH_MAX: f64 = 0.02;

pub(crate) fn run(arguments: &Arguments) -> Result<Found> {
    let mut resident = Vec::new();
    for load in 0..arguments.reloads {
        let engine =
            Engine::builder(arguments.model.as_str()).context_tokens(1024).threads(2).build()?;
        engine.chat("Say hello.").max_tokens(8).run()?;
        engine.complete("1 2 3").max_tokens(4).regex("[0-9 ]{1,8}").run()?;
        engine.close()?;
        resident.push(resident_mib());
        if load % 20 == 19 {
            eprintln!("reloads: {} of {}, {:.1} MiB", load + 1, arguments.reloads, resident_mib());
        }
    }
    let warm = resident.get(WARM_UP - 1).copied().unwrap_or_default();
    let last = median(&resident[resident.len().saturating_sub(5)..]);
    let growth = Expectation {
        what: format!("resident memory after the last loads, by that after the {WARM_UP}th"),
        aim: Aim::AtMost(1.0 + GROWTH_MAX),
        values: vec![last / warm],
    };
    let points = (1..).map(f64::from).zip(resident.iter().copied());
    Ok(Found {
        curve: Curve {
            title: "Resident memory after a close, MiB".to_owned(),
            over: "loads".to_owned(),
            points: points.collect(),
            bound: Some(warm * (1.0 + GROWTH_MAX)),
        },
        section: Section {
            title: "Loading, using and closing".to_owned(),
            columns: ["loads", "MiB after the first", "after the 20th", "at the end"]
                .map(str::to_owned)
                .to_vec(),
            rows: vec![vec![
                arguments.reloads.to_string(),
                format!("{:.1}", resident.first().copied().unwrap_or_default()),
                format!("{warm:.1}"),
                format!("{last:.1}"),
            ]],
            expectations: vec![growth],
            notes: vec!["Memory is read when the engine is closed.".to_owned()],
            data: json!({"resident_mib": resident}),
        },
        faults: Vec::new(),
    })
}
