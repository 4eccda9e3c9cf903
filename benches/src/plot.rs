//! Panels of dots, one dot a round and a bar at the median, as SVG; [`curves`] over a run's course;
//! [`distributions`] of single values.

pub mod curves;
pub mod distributions;

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use crate::{Comparison, Series, Summary};

/// One panel: the same figure of several contenders.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What is shown, with its unit.
    pub title: String,
    /// Each contender's values, one a round.
    pub columns: Vec<(String, Vec<f64>)>,
    /// Where a line is drawn across: what is aimed at.
    pub aim: Option<f64>,
}

const PANEL_WIDTH: u32 = 480;
const HEIGHT: u32 = 360;

impl Panel {
    /// The ratios to the baseline, of all others.
    #[must_use]
    pub fn ratios(comparison: &Comparison, title: &str, aim: Option<f64>) -> Self {
        Self::of_others(comparison, title, aim, Series::ratios)
    }

    /// The processor time of an event beyond the baseline's, of all others.
    #[must_use]
    pub fn extra_us_per_event(comparison: &Comparison, title: &str) -> Self {
        Self::of_others(comparison, title, None, Series::extra_us_per_event)
    }

    fn of_others(
        comparison: &Comparison,
        title: &str,
        aim: Option<f64>,
        figure: fn(&Series, &Series) -> Vec<f64>,
    ) -> Self {
        let others = comparison.contenders.iter().skip(1);
        let columns =
            others.map(|series| (series.name.clone(), figure(series, comparison.baseline())));
        Self { title: title.to_owned(), columns: columns.collect(), aim }
    }

    /// The least range that shows every value, the aim, and some room around them.
    fn range(&self) -> (f64, f64) {
        let values = self.columns.iter().flat_map(|(_, values)| values).copied().chain(self.aim);
        let values: Vec<f64> = values.collect();
        let Some(Summary { min, max, .. }) = Summary::of(&values) else { return (0.0, 1.0) };
        let room = ((max - min) * 0.1).max(max.abs() * 0.01).max(1e-3);
        (min - room, max + room)
    }
}

/// Draws `panels` side by side into an SVG file.
///
/// # Errors
/// When the file can't be written.
pub fn draw(path: &Path, panels: &[Panel]) -> Result<()> {
    let count = panels.len().max(1);
    let width = PANEL_WIDTH * u32::try_from(count)?;
    let root = SVGBackend::new(path, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, area) in panels.iter().zip(root.split_evenly((1, count))) {
        draw_panel(panel, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel<DB: DrawingBackend>(
    panel: &Panel,
    area: &DrawingArea<DB, plotters::coord::Shift>,
) -> Result<()>
where
    DB::ErrorType: 'static,
{
    let (low, high) = panel.range();
    let right = panel.columns.len() as f64 - 0.5;
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(48)
        .build_cartesian_2d(-0.5..right, low..high)?;
    let name = |x: &f64| {
        let column = panel.columns.get(x.round() as usize);
        let is_column = (x - x.round()).abs() < 1e-6 && *x > -0.25;
        column.filter(|_| is_column).map_or_else(String::new, |(name, _)| name.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .x_labels(panel.columns.len() * 2 + 1)
        .x_label_formatter(&name)
        .label_style(("sans-serif", 12))
        .draw()?;
    if let Some(aim) = panel.aim {
        let line = [(-0.5, aim), (right, aim)];
        chart.draw_series([PathElement::new(line, RED.stroke_width(1))])?;
    }
    for (column, (_, values)) in (0_u32..).map(f64::from).zip(&panel.columns) {
        let dots =
            values.iter().map(|&value| Circle::new((column, value), 3, BLUE.mix(0.4).filled()));
        chart.draw_series(dots)?;
        if let Some(Summary { median, .. }) = Summary::of(values) {
            let bar = [(column - 0.2, median), (column + 0.2, median)];
            chart.draw_series([PathElement::new(bar, BLACK.stroke_width(2))])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_contenders() {
        let file = tempfile::Builder::new().suffix(".svg").tempfile().expect("a file");
        let columns = ["Python", "Node", "Kotlin"].map(|name| (name.to_owned(), vec![0.97, 1.0]));
        let panel =
            Panel { title: "One stream".to_owned(), columns: columns.to_vec(), aim: Some(0.98) };
        draw(file.path(), &[panel.clone(), Panel { columns: Vec::new(), ..panel }]).expect("drawn");
        let svg = std::fs::read_to_string(file.path()).expect("readable");
        for text in ["One stream", "Python", "Node", "Kotlin"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}
