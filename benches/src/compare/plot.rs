//! Pictures of a run, as SVG: bars of throughput and processor time, percentiles of latency, curves of what grows.
//!
//! Above: `mod`. Below: rows, crate `plotters`.

use super::{
    field::Contender,
    row::{CPU, Row, THROUGHPUT},
    scenario::{self, Growth, Kind, Scenario},
};
use crate::figure::spread;
use anyhow::anyhow;
use plotters::{coord::Shift, prelude::*};
use std::path::Path;

const SIZE: (u32, u32) = (1200, 600);
/// Where the chart ends and the legend begins.
const CHART: u32 = 1000;
const PERCENTILES: &[(f64, &str)] =
    &[(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (1.0, "max")];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws what there are rows for.
pub(super) fn draw(rows: &[Row], out: &Path) -> anyhow::Result<()> {
    let all = scenario::all();
    let loads: Vec<&Scenario> = all
        .iter()
        .filter(|scenario| scenario.growth.is_none() && !scenario.slow_disk)
        .filter(|scenario| matches!(scenario.kind, Kind::Produce(_) | Kind::Fetch { .. } | Kind::Tail(_)))
        .filter(|scenario| rows.iter().any(|row| row.scenario == scenario.name))
        .collect();
    if !loads.is_empty() {
        picture(&out.join("throughput.svg"), |area| bars(area, rows, &loads, THROUGHPUT))?;
        picture(&out.join("cpu.svg"), |area| bars(area, rows, &loads, CPU))?;
    }
    if rows.iter().any(|row| row.scenario == scenario::PACED) {
        picture(&out.join("latency.svg"), |area| latencies(area, rows, scenario::PACED))?;
    }
    for (growth, name) in [(Growth::Partitions, "partitions"), (Growth::Connections, "connections")] {
        let points: Vec<(&Scenario, usize)> = all
            .iter()
            .filter_map(|scenario| match scenario.growth {
                Some((kind, at)) if kind == growth => Some((scenario, at)),
                _ => None,
            })
            .collect();
        if rows.iter().any(|row| points.iter().any(|(scenario, _)| scenario.name == row.scenario)) {
            let file = out.join(format!("growth-{name}.svg"));
            picture(&file, |area| curve(area, rows, &points, name))?;
        }
    }
    Ok(())
}

fn picture(file: &Path, draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area)?;
    area.present().map_err(|error| anyhow!("writing {}: {error}", file.display()))
}

/// A contestant has one colour in all pictures: grey for limits, blue for ours, orange for Kafka.
fn colour(contender: Contender) -> RGBColor {
    match contender {
        Contender::NullPageCache => RGBColor(150, 150, 150),
        Contender::NullDisk => RGBColor(190, 190, 190),
        Contender::NullTransport => RGBColor(215, 215, 215),
        Contender::NullFetch => RGBColor(120, 120, 120),
        Contender::MainstemPageCache => RGBColor(30, 100, 200),
        Contender::MainstemDisk => RGBColor(110, 165, 235),
        Contender::KafkaPageCache => RGBColor(215, 95, 20),
        Contender::KafkaDisk => RGBColor(240, 165, 105),
    }
}

fn middle(rows: &[Row], scenario: &str, contender: Contender, figure: &str) -> Option<f64> {
    let values = rows
        .iter()
        .filter(|row| row.void.is_none() && row.scenario == scenario && row.contestant == contender.name())
        .filter_map(|row| row.get(figure));
    Some(spread(values)?.0)
}

/// Contenders that appear in these scenarios and have a figure.
fn present(rows: &[Row], scenarios: &[&Scenario], figure: &str) -> Vec<Contender> {
    let mut all: Vec<Contender> = scenarios
        .iter()
        .flat_map(|scenario| scenario.contenders.iter().map(move |contender| (scenario, *contender)))
        .filter(|(scenario, contender)| middle(rows, &scenario.name, *contender, figure).is_some())
        .map(|(_, contender)| contender)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Bars from left to right in the order of the scenarios, as shares of the largest of each.
fn bars(area: &Area<'_>, rows: &[Row], scenarios: &[&Scenario], figure: &str) -> anyhow::Result<()> {
    let contenders = present(rows, scenarios, figure);
    let width = 1.0 / (contenders.len() + 1) as f64;
    let (area, beside) = area.split_horizontally(CHART);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{figure}, of the greatest in its scenario"), ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(270)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..scenarios.len() as f64, 0.0..1.08)?;
    chart.configure_mesh().disable_x_mesh().disable_x_axis().y_desc("share").draw()?;
    for (index, scenario) in scenarios.iter().enumerate() {
        let greatest = contenders
            .iter()
            .filter_map(|contender| middle(rows, &scenario.name, *contender, figure))
            .fold(f64::MIN_POSITIVE, f64::max);
        for (place, contender) in contenders.iter().enumerate() {
            let Some(value) = middle(rows, &scenario.name, *contender, figure) else { continue };
            let left = index as f64 + width * (place as f64 + 0.5);
            let bar = Rectangle::new(
                [(left, 0.0), (left + width * 0.9, value / greatest)],
                colour(*contender).filled(),
            );
            chart.draw_series([bar])?;
        }
        let (x, y) = chart.backend_coord(&(index as f64 + 0.45, 0.0));
        let style = ("sans-serif", 11).into_font().transform(FontTransform::Rotate90).color(&BLACK);
        area.draw_text(&scenario.name, &style, (x, y + 6))?;
    }
    legend(&beside, &contenders)
}

/// Colours and names, in an area of their own beside a chart.
fn legend(area: &Area<'_>, contenders: &[Contender]) -> anyhow::Result<()> {
    for (place, contender) in (0..).zip(contenders) {
        let y = 60 + 22 * place;
        area.draw(&Rectangle::new([(4, y), (16, y + 10)], colour(*contender).filled()))?;
        area.draw(&Text::new(contender.name(), (22, y), ("sans-serif", 13)))?;
    }
    Ok(())
}

/// The merged distribution of all rounds of each contender.
fn latencies(area: &Area<'_>, rows: &[Row], name: &str) -> anyhow::Result<()> {
    let scenarios = scenario::all();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name);
    let scenario = scenario.ok_or_else(|| anyhow!("no scenario {name}"))?;
    let lines: Vec<(Contender, Vec<(f64, f64)>)> = scenario
        .contenders
        .iter()
        .map(|contender| (*contender, merged(rows, name, *contender)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let greatest = lines.iter().flat_map(|(_, line)| line).map(|(_, ms)| *ms).fold(1.0, f64::max);
    let (area, beside) = area.split_horizontally(CHART);
    let mut chart = ChartBuilder::on(&area)
        .caption(name, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..(PERCENTILES.len() - 1) as f64, (0.05..greatest * 1.2).log_scale())?;
    chart
        .configure_mesh()
        .x_labels(PERCENTILES.len())
        .x_label_formatter(&|at| PERCENTILES.get(*at as usize).map_or_else(String::new, |it| it.1.to_owned()))
        .x_desc("percentile")
        .y_desc("ms")
        .draw()?;
    let contenders: Vec<Contender> = lines.iter().map(|(contender, _)| *contender).collect();
    for (contender, line) in lines {
        chart.draw_series(LineSeries::new(line, colour(contender).stroke_width(2)))?;
    }
    legend(&beside, &contenders)
}

/// Place on the axis and milliseconds, for each percentile.
fn merged(rows: &[Row], scenario: &str, contender: Contender) -> Vec<(f64, f64)> {
    let mut all: Vec<(u64, u64)> = rows
        .iter()
        .filter(|row| row.void.is_none() && row.scenario == scenario && row.contestant == contender.name())
        .flat_map(|row| row.latencies.iter().copied())
        .collect();
    all.sort_unstable();
    let count: u64 = all.iter().map(|(_, count)| count).sum();
    let at = |share: f64| -> Option<f64> {
        let mut below = (count as f64 * share).ceil() as u64;
        all.iter().find_map(|(micros, count)| {
            if below <= *count {
                return Some(*micros as f64 / 1000.0);
            }
            below -= count;
            None
        })
    };
    PERCENTILES
        .iter()
        .enumerate()
        .filter_map(|(place, (share, _))| Some((place as f64, at(*share)?)))
        .collect()
}

fn curve(area: &Area<'_>, rows: &[Row], points: &[(&Scenario, usize)], what: &str) -> anyhow::Result<()> {
    let scenarios: Vec<&Scenario> = points.iter().map(|(scenario, _)| *scenario).collect();
    let contenders = present(rows, &scenarios, THROUGHPUT);
    let line = |contender: Contender| -> Vec<(f64, f64)> {
        points
            .iter()
            .filter_map(|(scenario, at)| {
                Some((*at as f64, middle(rows, &scenario.name, contender, THROUGHPUT)?))
            })
            .collect()
    };
    let greatest = contenders.iter().flat_map(|it| line(*it)).map(|(_, value)| value).fold(1.0, f64::max);
    let last = points.iter().map(|(_, at)| *at).max().unwrap_or(1) as f64;
    let (area, beside) = area.split_horizontally(CHART);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("produce 16 KiB, by {what}"), ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((1.0..last.max(2.0)).log_scale(), 0.0..greatest * 1.1)?;
    let whole = |at: &f64| format!("{at:.0}");
    chart.configure_mesh().x_label_formatter(&whole).x_desc(what).y_desc(THROUGHPUT).draw()?;
    for contender in &contenders {
        let style = colour(*contender).stroke_width(2);
        chart.draw_series(LineSeries::new(line(*contender), style).point_size(4))?;
    }
    legend(&beside, &contenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_rounds_together() {
        let row = |round, latencies: &[(u64, u64)]| Row {
            scenario: "s".into(),
            contestant: Contender::NullPageCache.name().into(),
            round,
            latencies: latencies.to_vec(),
            ..Row::default()
        };
        let rows = [row(1, &[(1_000, 50)]), row(2, &[(2_000, 49), (9_000, 1)])];
        let line = merged(&rows, "s", Contender::NullPageCache);
        let ms: Vec<f64> = line.iter().map(|(_, ms)| *ms).collect();
        assert_eq!(ms, [1.0, 2.0, 2.0, 9.0, 9.0, 9.0]);
    }
}
