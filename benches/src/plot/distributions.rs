//! Distributions as curves, the share of values below each value, as SVG.
//!
//! The values are on a logarithmic axis: what is found and what is computed are thousands of times
//! apart.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

const WIDTH: u32 = 560;
const HEIGHT: u32 = 360;

/// The same figure of several contenders.
#[derive(Clone, Debug)]
pub struct Distributions {
    /// What is shown.
    pub title: String,
    /// The unit.
    pub over: String,
    /// Each contender's values, above 0, in any order.
    pub series: Vec<(String, Vec<f64>)>,
}

impl Distributions {
    /// Whole powers of ten around all values.
    fn range(&self) -> (f64, f64) {
        let values = || self.series.iter().flat_map(|(_, values)| values).copied();
        let least = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let most = values().fold(0.0, f64::max);
        if !least.is_finite() {
            return (1.0, 10.0);
        }
        let (low, high) = (least.log10().floor(), most.log10().ceil());
        (10_f64.powf(low), 10_f64.powf(high.max(low + 1.0)))
    }
}

/// Draws `all` side by side into an SVG file.
///
/// # Errors
/// When the file can't be written.
pub fn draw(path: &Path, all: &[Distributions]) -> Result<()> {
    let count = all.len().max(1);
    let width = WIDTH * u32::try_from(count)?;
    let root = SVGBackend::new(path, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    for (distributions, area) in all.iter().zip(root.split_evenly((1, count))) {
        draw_one(distributions, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw_one<DB: DrawingBackend>(
    distributions: &Distributions,
    area: &DrawingArea<DB, Shift>,
) -> Result<()>
where
    DB::ErrorType: 'static,
{
    let (low, high) = distributions.range();
    let mut chart = ChartBuilder::on(area)
        .caption(&distributions.title, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d((low..high).log_scale(), 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc(&distributions.over)
        .x_label_formatter(&|value| format!("{value}"))
        .y_label_formatter(&|share| format!("{:.0}%", share * 100.0))
        .label_style(("sans-serif", 12))
        .light_line_style(BLACK.mix(0.05))
        .draw()?;
    for (at, (name, values)) in distributions.series.iter().enumerate() {
        let style = Palette99::pick(at).stroke_width(2);
        let series = chart.draw_series([PathElement::new(steps(values, low), style)])?;
        let key = move |(x, y): (i32, i32)| PathElement::new([(x, y), (x + 16, y)], style);
        series.label(name.as_str()).legend(key);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

/// The stairs of the share of values at or below each value, from `low` on.
fn steps(values: &[f64], low: f64) -> Vec<(f64, f64)> {
    let mut sorted: Vec<f64> = values.iter().map(|value| value.max(low)).collect();
    sorted.sort_by(f64::total_cmp);
    let mut points = vec![(low, 0.0)];
    for (at, value) in sorted.iter().enumerate() {
        points.push((*value, at as f64 / sorted.len() as f64));
        points.push((*value, (at + 1) as f64 / sorted.len() as f64));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stairs_reach_every_share_at_its_value() {
        let points = steps(&[4.0, 2.0], 1.0);
        assert_eq!(points, [(1.0, 0.0), (2.0, 0.0), (2.0, 0.5), (4.0, 0.5), (4.0, 1.0)]);
    }

    #[test]
    fn a_plot_names_its_contenders() {
        let file = tempfile::Builder::new().suffix(".svg").tempfile().expect("a file");
        let one = |title: &str, values: &[f64]| Distributions {
            title: title.to_owned(),
            over: "ms".to_owned(),
            series: vec![("engine".to_owned(), values.to_vec())],
        };
        draw(file.path(), &[one("Latency", &[0.02, 0.5, 900.0]), one("Nothing", &[])])
            .expect("drawn");
        let svg = std::fs::read_to_string(file.path()).expect("readable");
        for text in ["Latency", "Nothing", "engine", "50%"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}
