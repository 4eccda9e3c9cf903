//! Where a figure is found in what a program wrote.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use indwell_benches::Summary;
use serde_json::Value;

/// Which figure, of which program.
pub(crate) enum Source {
    /// An expectation of a section: the first whose title and name contain these.
    Section { program: &'static str, title: &'static str, what: &'static str },
    /// A contender's rate by the first contender's, on the workload where it is worst, those that
    /// contain `unlike` left out.
    Ratios { program: &'static str, contender: &'static str, unlike: &'static str },
    /// No program measures it yet.
    Nobody,
}

/// The figure's values, one a round; none where it was not measured.
///
/// # Errors
/// Results that can't be read.
pub(crate) fn find(source: &Source, directory: &Path) -> Result<Vec<f64>> {
    let read = |program: &str| {
        let path = directory.join(format!("{program}.json"));
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Value::Null),
            read => read.with_context(|| format!("{} could not be read", path.display()))?,
        };
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    };
    Ok(match *source {
        Source::Section { program, title, what } => of_section(&read(program)?, title, what),
        Source::Ratios { program, contender, unlike } => {
            worst_ratios(&read(program)?, contender, unlike)
        }
        Source::Nobody => Vec::new(),
    })
}

fn of_section(results: &Value, title: &str, what: &str) -> Vec<f64> {
    let named = |value: &Value, key: &str, part: &str| {
        value[key].as_str().is_some_and(|name| name.contains(part))
    };
    let sections = list(&results["sections"]).filter(|section| named(section, "title", title));
    let mut expectations = sections.flat_map(|section| list(&section["expectations"]));
    let found = expectations.find(|expectation| named(expectation, "what", what));
    found.map_or_else(Vec::new, |found| list(&found["values"]).filter_map(Value::as_f64).collect())
}

fn worst_ratios(results: &Value, contender: &str, unlike: &str) -> Vec<f64> {
    let workloads = list(&results["comparisons"]).filter(|comparison| {
        comparison["workload"].as_str().is_some_and(|workload| !workload.contains(unlike))
    });
    let ratios = workloads.filter_map(|comparison| {
        let first = list(&comparison["contenders"]).next()?;
        let own = list(&comparison["contenders"]).find(|series| series["name"] == contender)?;
        let pairs = rates(own).zip(rates(first)).map(|(own, first)| own / first);
        Some(pairs.collect::<Vec<f64>>())
    });
    let median = |values: &Vec<f64>| Summary::of(values).map_or(f64::INFINITY, |all| all.median);
    ratios.min_by(|one, other| median(one).total_cmp(&median(other))).unwrap_or_default()
}

fn rates(series: &Value) -> impl Iterator<Item = f64> + '_ {
    list(&series["measurements"])
        .filter_map(|measured| Some(measured["tokens"].as_f64()? / measured["seconds"].as_f64()?))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sections_expectation_is_found_by_its_names() {
        let results = json!({"sections": [
            {"title": "One", "expectations": [{"what": "tok/s by A's", "values": [9.0]}]},
            {"title": "Two", "expectations": [
                {"what": "TTFT by A's", "values": [1.0]},
                {"what": "tok/s by A's", "values": [2.0, null, 3.0]},
            ]},
        ]});
        assert_eq!(of_section(&results, "Two", "tok/s by A's"), [2.0, 3.0]);
        assert!(of_section(&results, "Three", "tok/s").is_empty());
        assert!(of_section(&Value::Null, "Two", "tok/s").is_empty());
    }

    #[test]
    fn the_worst_workload_counts() {
        let series = |name: &str, seconds: f64| json!({"name": name, "measurements": [{"tokens": 10, "seconds": seconds}]});
        let workload = |name: &str, seconds: f64| json!({"workload": name, "contenders": [series("a", 1.0), series("b", seconds)]});
        let results = json!({"comparisons": [
            workload("x", 2.0), workload("y", 4.0), workload("tiny z", 8.0),
        ]});
        assert_eq!(worst_ratios(&results, "b", "tiny"), [0.25]);
        assert!(worst_ratios(&results, "c", "tiny").is_empty());
    }

    #[test]
    fn a_program_that_has_not_run_measured_nothing_and_a_damaged_file_is_an_error() {
        let directory = tempfile::tempdir().expect("a folder");
        let source = Source::Section { program: "serving", title: "", what: "" };
        assert!(find(&source, directory.path()).expect("no file").is_empty());
        fs::write(directory.path().join("serving.json"), "{").expect("written");
        let error = find(&source, directory.path()).expect_err("no JSON");
        assert!(error.to_string().contains("serving.json is no JSON"), "{error}");
    }
}
