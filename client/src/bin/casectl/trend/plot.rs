//! A trend as a drawing for a meeting: SVG, with all that a reader needs to get the same numbers again.

use casebroker_proto::{
    google::r#type::Date,
    v1::{TrendBucket, TrendPlace},
};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{Shown, chart::incidents};
use crate::{
    count::stood,
    failure::{Exit, Failure, Result},
    filter::understood,
    table::{clean, wrap},
    words,
};

/// Width of the drawing, and height of the chart in it, in pixels.
const WIDTH: u32 = 1200;
const CHART: i32 = 480;
/// Room at the sides.
const MARGIN: i32 = 40;
/// Height of a line of small text.
const LINE: i32 = 20;
/// Columns of small text in a line: a letter is about half as wide as it is high, a Chinese character twice that.
const COLUMNS: usize = 150;
/// Height of a line of the title, and columns in it.
const TITLE: i32 = 36;
const TITLE_COLUMNS: usize = 84;
/// Columns of labels below the bars: more of them would run into one another.
const LABEL_COLUMNS: usize = 130;

// Light enough to read a mean's name on it.
const BAR: RGBColor = RGBColor(143, 173, 209);
const HOLDS: RGBColor = RGBColor(170, 180, 190);
const MARK: RGBColor = RGBColor(180, 50, 40);
const MEAN: RGBColor = RGBColor(30, 30, 30);
const GREY: RGBColor = RGBColor(90, 90, 90);

type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// The drawing as text.
pub fn svg(shown: &Shown, title: Option<&str>) -> Result<String> {
    let mut text = String::new();
    draw(shown, title, &mut text)
        .map_err(|e| Failure::new(Exit::Failed, format!("the drawing failed: {e}"), ""))?;
    Ok(text)
}

fn draw(shown: &Shown, title: Option<&str>, text: &mut String) -> Drawn {
    let title = match title {
        Some(title) => title.to_owned(),
        None => format!(
            "Incidents a {} before and after {}",
            shown.period(),
            shown.around()
        ),
    };
    let title = wrap(&clean(&title), TITLE_COLUMNS);
    let filter = understood(&shown.answer.understood, Some(COLUMNS));
    let below = below(shown);
    let rows = |lines: &[String], high: i32| i32::try_from(lines.len()).unwrap_or(0) * high;
    let top = 20 + rows(&title, TITLE) + rows(&filter, LINE);
    let bottom = top + CHART;
    let height = u32::try_from(bottom + rows(&below, LINE) + 20)?;
    let sheet = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    sheet.fill(&WHITE)?;
    lines(&sheet, &title, 20, TITLE, 30.0, &MEAN)?;
    lines(&sheet, &filter, 20 + rows(&title, TITLE), LINE, 17.0, &GREY)?;
    bars(shown, &sheet, top, bottom)?;
    lines(&sheet, &below, bottom, LINE, 17.0, &GREY)?;
    sheet.present()?;
    Ok(())
}

/// Lines of text from a height downwards.
fn lines(
    sheet: &Sheet,
    lines: &[String],
    top: i32,
    high: i32,
    size: f64,
    color: &RGBColor,
) -> Drawn {
    for (i, line) in (0..).zip(lines) {
        write(
            sheet,
            line,
            (MARGIN, top + i * high),
            size,
            color,
            HPos::Left,
        )?;
    }
    Ok(())
}

/// What stands below the bars.
fn below(shown: &Shown) -> Vec<String> {
    let answer = shown.answer;
    let mut paragraphs = vec![format!(
        "Ratio of incidents a day, after to before: {}",
        shown.ratio()
    )];
    if answer.buckets.iter().any(|bucket| bucket.unfinished) {
        let of = words::date(answer.answer_date.as_ref());
        paragraphs.push(format!(
            "Outlined bars: periods that were not over on {of}."
        ));
    }
    paragraphs.extend(
        shown
            .measure()
            .map(|measure| format!("{}: {measure}", shown.around())),
    );
    paragraphs.extend(answer.caveats.iter().cloned());
    let stood = stood(
        answer.as_of_position,
        answer.tree_size,
        answer.standard_version,
    );
    paragraphs.push(format!("Casebroker, {stood}"));
    paragraphs
        .iter()
        .flat_map(|text| wrap(text, COLUMNS))
        .collect()
}

fn bars(shown: &Shown, sheet: &Sheet, top_edge: i32, bottom_edge: i32) -> Drawn {
    let buckets = &shown.answer.buckets;
    let count = buckets.len().max(1) as f64;
    let means =
        [&shown.answer.before, &shown.answer.after].map(|s| s.as_ref().map_or(0.0, |s| s.mean));
    let most = buckets.iter().map(incidents).max().unwrap_or(0).max(1) as f64;
    let top = means.into_iter().fold(most, f64::max) * 1.08;
    let (_, chart_area) = sheet.split_vertically(top_edge);
    let (chart_area, _) = chart_area.split_vertically(bottom_edge - top_edge - 20);
    let mut chart = ChartBuilder::on(&chart_area)
        .margin_left(MARGIN - 30)
        .margin_right(MARGIN)
        .margin_top(50)
        .x_label_area_size(50)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..count, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(8)
        .max_light_lines(0)
        .y_desc(format!("incidents a {}", shown.period()))
        .y_label_formatter(&|value| format!("{}", (value * 100.0).round() / 100.0))
        .label_style(("sans-serif", 17))
        .light_line_style(RGBColor(240, 240, 240))
        .bold_line_style(RGBColor(225, 225, 225))
        .draw()?;
    chart.draw_series(buckets.iter().enumerate().map(|(i, bucket)| {
        let (left, value) = (i as f64, incidents(bucket) as f64);
        let color = match bucket.place() {
            TrendPlace::Unspecified => HOLDS,
            _ => BAR,
        };
        let corners = [(left + 0.1, 0.0), (left + 0.9, value)];
        match bucket.unfinished {
            true => Rectangle::new(corners, color.stroke_width(2)),
            false => Rectangle::new(corners, color.filled()),
        }
    }))?;
    for (place, mean, name) in [
        (TrendPlace::Before, means[0], "before"),
        (TrendPlace::After, means[1], "after"),
    ] {
        let Some((first, last)) = span(buckets, place) else {
            continue;
        };
        let line = [(first, mean), (last, mean)];
        chart.draw_series([PathElement::new(line, MEAN.stroke_width(2))])?;
        let (x, y) = chart.backend_coord(&(first, mean));
        let text = format!("mean {name} {mean:.2}");
        write(sheet, &text, (x + 4, y - 20), 17.0, &MEAN, HPos::Left)?;
    }
    let at = place_of(buckets, shown.answer.date.as_ref());
    chart.draw_series([PathElement::new(
        [(at, 0.0), (at, top)],
        MARK.stroke_width(2),
    )])?;
    let (x, y) = chart.backend_coord(&(at, top));
    // Towards the middle, so that it stays on the sheet.
    let side = if at > count / 2.0 {
        HPos::Right
    } else {
        HPos::Left
    };
    let x = if at > count / 2.0 { x - 4 } else { x + 4 };
    write(sheet, &shown.around(), (x, y - 22), 18.0, &MARK, side)?;
    labels(shown, sheet, |i| chart.backend_coord(&(i, 0.0)))
}

/// Names of periods below the bars, as many as there is room for.
fn labels(shown: &Shown, sheet: &Sheet, at: impl Fn(f64) -> (i32, i32)) -> Drawn {
    let labels: Vec<_> = shown
        .answer
        .buckets
        .iter()
        .map(|bucket| shown.label(bucket.start_date.as_ref()))
        .collect();
    let columns: usize = labels.iter().map(|label| label.len() + 2).sum();
    let step = columns.div_ceil(LABEL_COLUMNS).max(1);
    for (i, label) in labels.iter().enumerate().step_by(step) {
        let (x, y) = at(i as f64 + 0.5);
        write(sheet, label, (x, y + 8), 16.0, &GREY, HPos::Center)?;
    }
    Ok(())
}

/// From the first bar of a side to the end of its last.
fn span(buckets: &[TrendBucket], place: TrendPlace) -> Option<(f64, f64)> {
    let first = buckets.iter().position(|bucket| bucket.place() == place)?;
    let last = buckets.iter().rposition(|bucket| bucket.place() == place)?;
    Some((first as f64, last as f64 + 1.0))
}

/// Where a date lies among the periods, in periods from the left edge.
fn place_of(buckets: &[TrendBucket], date: Option<&Date>) -> f64 {
    let after = buckets.iter().position(|b| b.place() == TrendPlace::After);
    let end = after.unwrap_or(buckets.len()) as f64;
    let within = |bucket: &TrendBucket| {
        let (start, end) = (
            day(bucket.start_date.as_ref())?,
            day(bucket.end_date.as_ref())?,
        );
        Some(f64::from(day(date)? - start) / f64::from(end + 1 - start))
    };
    let holds = buckets.iter().enumerate();
    let mut holds = holds.filter(|(_, bucket)| bucket.place() == TrendPlace::Unspecified);
    match holds.next() {
        Some((i, bucket)) => i as f64 + within(bucket).unwrap_or(0.5).clamp(0.0, 1.0),
        None => end,
    }
}

/// A date as a number of days.
fn day(date: Option<&Date>) -> Option<i32> {
    let date = date?;
    let month = time::Month::try_from(u8::try_from(date.month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(date.year, month, u8::try_from(date.day).ok()?);
    date.ok().map(time::Date::to_julian_day)
}

/// Writes a line of text. What SVG cannot hold, or what reorders text, is replaced.
fn write(
    sheet: &Sheet,
    text: &str,
    at: (i32, i32),
    size: f64,
    color: &RGBColor,
    side: HPos,
) -> Drawn {
    let style = ("sans-serif", size).into_font().color(color);
    let style = style.pos(Pos::new(side, VPos::Top));
    sheet.draw(&Text::new(clean(text), at, style))?;
    Ok(())
}
