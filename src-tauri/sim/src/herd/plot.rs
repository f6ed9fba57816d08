//! The plot of the herd: dials a second over time, one panel a server.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::number;
use super::{ACCEPTS, AWAY, Outcome, Recipe};

/// What is shown, in seconds.
const SHOWN: usize = 90;
/// The least that is shown, in dials a second. Fewer lie on the axis.
const LEAST: f64 = 100.0;
const MOST: f64 = 3e6;
const SIZE: (u32, u32) = (1_000, 900);
const TITLE: i32 = 20;
const TEXT: i32 = 15;
const INK: RGBColor = RGBColor(34, 34, 34);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Writes the SVG. It brings its own background, so that it can be read on a dark page too.
pub(super) fn draw(outcomes: &[Outcome], clients: u32, file: &Path) -> Drawn {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((2, 1));
    let away = AWAY.as_secs();
    let titles = [
        (None, format!("{} clients, server away for {away} s, then accepting everyone", number(clients))),
        (Some(ACCEPTS), format!("the same, then accepting {} a second", number(ACCEPTS))),
    ];
    for (panel, (accepts, title)) in panels.iter().zip(titles) {
        let shown: Vec<_> = outcomes.iter().filter(|outcome| outcome.accepts == accepts).collect();
        draw_panel(panel, &shown, &title)?;
    }
    area.present()?;
    Ok(())
}

fn draw_panel(panel: &Area<'_>, outcomes: &[&Outcome], title: &str) -> Drawn {
    let end = f64::from(u32::try_from(SHOWN)?);
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", TITLE).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..end, (LEAST..MOST).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("seconds since the server went")
        .y_desc("dials a second (log scale)")
        .x_labels(10)
        .x_label_formatter(&|at| format!("{at:.0}"))
        .y_label_formatter(&|dials| in_words(*dials))
        .label_style(("sans-serif", TEXT).into_font().color(&INK))
        .axis_desc_style(("sans-serif", TEXT).into_font().color(&INK))
        .light_line_style(RGBColor(238, 238, 238))
        .bold_line_style(RGBColor(221, 221, 221))
        .draw()?;
    let back = AWAY.as_secs_f64();
    chart.draw_series([Rectangle::new([(0.0, LEAST), (back, MOST)], RGBColor(120, 120, 120).mix(0.12).filled())])?;
    for outcome in outcomes {
        let style = style(outcome.recipe);
        chart
            .draw_series(LineSeries::new(points(outcome), style))?
            .label(outcome.recipe.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .legend_area_size(32)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(170, 170, 170))
        .label_font(("sans-serif", TEXT).into_font().color(&INK))
        .draw()?;
    Ok(())
}

/// A second is drawn in its middle; the line ends when all are back.
fn points(outcome: &Outcome) -> impl Iterator<Item = (f64, f64)> + '_ {
    let dials = outcome.seconds().chain([0]).take(SHOWN);
    (0_u32..).zip(dials).map(|(second, dials)| (f64::from(second) + 0.5, f64::from(dials).max(LEAST)))
}

/// Colours that people with the common kinds of colour blindness can tell apart (Okabe and Ito), and two widths.
fn style(recipe: Recipe) -> ShapeStyle {
    let (colour, width) = match recipe {
        Recipe::Classic => (RGBColor(150, 150, 150), 1),
        Recipe::SocketIo => (RGBColor(230, 159, 0), 2),
        Recipe::ReconnectingWebSocket => (RGBColor(204, 121, 167), 2),
        Recipe::HeartwireReset => (RGBColor(0, 114, 178), 3),
        Recipe::HeartwireRestart => (RGBColor(0, 158, 115), 3),
    };
    ShapeStyle::from(colour).stroke_width(width)
}

fn in_words(dials: f64) -> String {
    if dials >= 1e6 {
        format!("{:.0} million", dials / 1e6)
    } else if dials >= 1e3 {
        format!("{:.0},000", dials / 1e3)
    } else {
        format!("{dials:.0}")
    }
}
