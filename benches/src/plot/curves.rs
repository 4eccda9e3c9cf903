//! Curves, each with the bound it must stay below, as SVG.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 300;

/// A figure over the course of a run.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What is shown, with its unit.
    pub title: String,
    /// What the first number of a point is, with its unit.
    pub over: String,
    /// In the order of their first number.
    pub points: Vec<(f64, f64)>,
    /// Where a line is drawn across: what must not be exceeded.
    pub bound: Option<f64>,
}

impl Curve {
    /// The range of both numbers, from 0.
    fn ranges(&self) -> (f64, f64) {
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max).max(1e-9);
        let right = largest(&mut self.points.iter().map(|point| point.0));
        let top = largest(&mut self.points.iter().map(|point| point.1).chain(self.bound));
        (right, top * 1.1)
    }
}

/// Draws `curves` below each other, two in a row, into an SVG file.
///
/// # Errors
/// When the file can't be written.
pub fn draw(path: &Path, curves: &[Curve]) -> Result<()> {
    let rows = curves.len().div_ceil(2).max(1);
    let root = SVGBackend::new(path, (2 * WIDTH, HEIGHT * u32::try_from(rows)?));
    let root = root.into_drawing_area();
    root.fill(&WHITE)?;
    for (curve, area) in curves.iter().zip(root.split_evenly((rows, 2))) {
        draw_curve(curve, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw_curve<DB: DrawingBackend>(
    curve: &Curve,
    area: &DrawingArea<DB, plotters::coord::Shift>,
) -> Result<()>
where
    DB::ErrorType: 'static,
{
    let (right, top) = curve.ranges();
    let mut chart = ChartBuilder::on(area)
        .caption(&curve.title, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(&curve.over)
        .label_style(("sans-serif", 12))
        .draw()?;
    chart.draw_series([PathElement::new(curve.points.clone(), BLUE.stroke_width(1))])?;
    if let Some(bound) = curve.bound {
        let line = [(0.0, bound), (right, bound)];
        chart.draw_series([PathElement::new(line, RED.stroke_width(1))])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_curves() {
        let file = tempfile::Builder::new().suffix(".svg").tempfile().expect("a file");
        let curve = |title: &str, points: &[(f64, f64)]| Curve {
            title: title.to_owned(),
            over: "requests".to_owned(),
            points: points.to_vec(),
            bound: Some(3.0),
        };
        let curves = [curve("RSS, MiB", &[(0.0, 1.0), (1.0, 2.0)]), curve("Nothing", &[])];
        draw(file.path(), &curves).expect("drawn");
        let svg = std::fs::read_to_string(file.path()).expect("readable");
        for text in ["RSS, MiB", "Nothing", "requests"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}
