//! Charts as SVG in one HTML page that needs nothing else: CPI per invocation, instructions per function.
//! Pure functions of rows; rows of different core models are never drawn on one axis.

use std::fmt::Write;

use futon_common::Result;

use super::rows::{Row, comparable};

pub(super) const WIDTH: f64 = 760.0;
pub(super) const HEIGHT: f64 = 340.0;
pub(super) const LEFT: f64 = 76.0;
pub(super) const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
/// From the axis to the lower edge.
pub(super) const BASE: f64 = 48.0;

/// Colours that stay apart for the colour-blind (Okabe and Ito, 2008), without the yellow, which is lost on white.
pub(super) const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// A drawn chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// What a reader must know to read it.
    pub note: String,
    /// The drawing.
    pub svg: String,
}

/// One HTML page with both charts.
///
/// # Errors
/// When the rows come from different core models.
pub fn charts_page(rows: &[Row]) -> Result<String> {
    comparable(rows)?;
    let mut page = head("Simulated invocations");
    let _ = writeln!(page, "<p>{}</p>", escape(&describe(rows)));
    for chart in [cpi_chart(rows), instructions_chart(rows)] {
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>\n{}", escape(&chart.title), escape(&chart.note), chart.svg);
    }
    page.push_str("</html>\n");
    Ok(page)
}

/// The head of a page, and its heading.
pub(super) fn head(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n\
         body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem; color: #222; background: #fff }}\n\
         h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.2rem; margin-top: 2.5rem }} h3 {{ font-size: 1rem; margin-top: 2rem }}\n\
         p {{ color: #555 }} svg {{ width: 100%; height: auto }} svg text {{ font: 12px system-ui, sans-serif; fill: #444 }}\n\
         .wide {{ overflow-x: auto }} table {{ border-collapse: collapse; font-size: 13px }}\n\
         th, td {{ text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd; white-space: nowrap }}\n</style>\n\
         <h1>{title}</h1>\n"
    )
}

fn describe(rows: &[Row]) -> String {
    let one = |column: &str| {
        let mut values: Vec<&str> = rows.iter().filter_map(|r| r.get(column)).collect();
        values.sort_unstable();
        values.dedup();
        values.join(", ")
    };
    format!(
        "core {} · system {} · gem5 {} · {} invocations",
        one("core"),
        one("system"),
        one("gem5_version"),
        rows.len()
    )
}

/// Rows by function, and by state where the core was not warm, in the order in which they first appear.
fn by_function(rows: &[Row]) -> Vec<(String, Vec<&Row>)> {
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in rows {
        let function = row.get("function").unwrap_or("?");
        let name = match row.get("state").filter(|state| *state != "warm") {
            Some(state) => format!("{function}, {state}"),
            None => function.to_owned(),
        };
        match groups.iter_mut().find(|(n, _)| *n == name) {
            Some((_, group)) => group.push(row),
            None => groups.push((name, vec![row])),
        }
    }
    groups
}

fn cpi_chart(rows: &[Row]) -> Chart {
    let series: Vec<(String, Vec<(f64, f64)>)> = by_function(rows)
        .into_iter()
        .map(|(name, rows)| {
            (name, rows.iter().filter_map(|r| Some((r.number("invocation")?, r.number("cpi")?))).collect::<Vec<_>>())
        })
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || series.iter().flat_map(|(_, points)| points);
    let title = "CPI per invocation".to_owned();
    if series.is_empty() {
        let note = "No row has a CPI: only the timing and O3 cores count meaningful cycles.".into();
        return Chart { title, note, svg: empty() };
    }
    let top = all().map(|p| p.1).fold(0.0, f64::max);
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let ticks = ticks(top);
    let axis = Axis { most: ticks.last().copied().unwrap_or(1.0) };
    let more = if series.len() > 1 { 22.0 } else { 0.0 };
    let mut svg = frame(&ticks, &axis, "cycles per instruction", more);
    let x = |invocation: f64| LEFT + (WIDTH - LEFT - RIGHT) * (invocation + 0.5) / (last + 1.0);
    for i in labelled(last) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(i),
            HEIGHT - BASE + 18.0,
            i + 1.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">invocation</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 8.0
    );
    for ((name, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), axis.y(p.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
            path.join(" ")
        );
        for p in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\" fill=\"{colour}\"><title>{}, invocation {}: {:.3}</title></circle>",
                x(p.0),
                axis.y(p.1),
                escape(name),
                p.0 + 1.0,
                p.1
            );
        }
    }
    let names: Vec<(&str, &str)> =
        series.iter().zip(COLOURS.iter().cycle()).map(|((name, _), colour)| (name.as_str(), *colour)).collect();
    legend(&mut svg, &names, HEIGHT + 10.0);
    svg.push_str("</svg>");
    let note = "Active cycles of the function's core only, without discarded warm-up invocations.".into();
    Chart { title, note, svg }
}

fn instructions_chart(rows: &[Row]) -> Chart {
    let title = "Instructions per function".to_owned();
    let bars: Vec<(String, f64, f64, f64)> = by_function(rows)
        .into_iter()
        .filter_map(|(name, rows)| {
            let insts: Vec<f64> = rows.iter().filter_map(|r| r.insts).collect();
            let count = f64::from(u32::try_from(insts.len()).ok().filter(|n| *n > 0)?);
            let (low, high) = insts.iter().fold((f64::MAX, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
            Some((name, insts.iter().sum::<f64>() / count / 1e6, low / 1e6, high / 1e6))
        })
        .collect();
    if bars.is_empty() {
        return Chart { title, note: "No row says how many instructions were executed.".into(), svg: empty() };
    }
    let ticks = ticks(bars.iter().map(|b| b.3).fold(0.0, f64::max));
    let axis = Axis { most: ticks.last().copied().unwrap_or(1.0) };
    let mut svg = frame(&ticks, &axis, "million instructions per invocation", 0.0);
    let count = f64::from(u32::try_from(bars.len()).unwrap_or(1));
    let slot = (WIDTH - LEFT - RIGHT) / count;
    let thick = (slot * 0.6).min(90.0);
    let mut middle = LEFT + slot / 2.0;
    for (name, mean, low, high) in &bars {
        let (y, base) = (axis.y(*mean), axis.y(0.0));
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{thick:.1}\" height=\"{:.1}\" fill=\"{}\"><title>{}: {mean:.3} million</title></rect>",
            middle - thick / 2.0,
            base - y,
            COLOURS[0],
            escape(name)
        );
        let _ = writeln!(
            svg,
            "<path d=\"M{middle:.1} {:.1}V{:.1}\" stroke=\"#222\" stroke-width=\"1.5\"/>",
            axis.y(*low),
            axis.y(*high)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mean:.2}</text>",
            axis.y(*high) - 5.0
        );
        let _ = writeln!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BASE + 18.0,
            escape(name)
        );
        middle += slot;
    }
    svg.push_str("</svg>");
    let note = "Mean over the measured invocations, on the function's core; the line spans minimum and maximum.".into();
    Chart { title, note, svg }
}

/// The upright axis.
pub(super) struct Axis {
    /// Its highest value.
    pub(super) most: f64,
}

impl Axis {
    /// Where a value lies.
    pub(super) fn y(&self, value: f64) -> f64 {
        let share = if self.most > 0.0 { value / self.most } else { 0.0 };
        (HEIGHT - BASE) - (HEIGHT - BASE - TOP) * share
    }
}

/// Round numbers from 0 to just over `most`.
pub(super) fn ticks(most: f64) -> Vec<f64> {
    if !(most.is_finite() && most > 0.0) {
        return vec![0.0, 1.0];
    }
    let rough = most / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    let mut ticks = vec![0.0];
    let mut next = step;
    // Room above the highest value, for its label.
    while ticks.last().is_some_and(|t| *t < most * 1.05) {
        ticks.push(next);
        next += step;
    }
    ticks
}

/// Invocations that get a label: all of them while there is room.
fn labelled(last: f64) -> impl Iterator<Item = f64> {
    let step = ((last + 1.0) / 20.0).ceil().max(1.0);
    std::iter::successors(Some(0.0), move |i| Some(i + step)).take_while(move |i| *i <= last)
}

/// The beginning of a drawing, with its upright axis; `more` is room below it.
pub(super) fn frame(ticks: &[f64], axis: &Axis, label: &str, more: f64) -> String {
    // The style also serves a drawing that leaves its page.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\">\n\
         <style>text {{ font: 12px system-ui, sans-serif; fill: #444 }}</style>\n",
        HEIGHT + more
    );
    let digits = if ticks.get(1).is_some_and(|t| *t < 0.1) {
        3
    } else if ticks.iter().all(|t| t.fract() == 0.0) {
        0
    } else {
        2
    };
    for tick in ticks {
        let y = axis.y(*tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick:.digits$}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let middle = f64::midpoint(TOP, HEIGHT - BASE);
    let _ = writeln!(
        svg,
        "<text transform=\"translate(18 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        escape(label)
    );
    svg
}

/// The names of series, with their colours, at this height; a single one needs none.
pub(super) fn legend(svg: &mut String, names: &[(&str, &str)], y: f64) {
    if names.len() < 2 {
        return;
    }
    let slot = (WIDTH - LEFT - RIGHT) / f64::from(u32::try_from(names.len()).unwrap_or(1));
    let mut x = LEFT;
    for (name, colour) in names {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            x + 4.0,
            y - 4.0,
            x + 13.0,
            escape(name)
        );
        x += slot;
    }
}

pub(super) fn empty() -> String {
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 40\" role=\"img\"><text x=\"8\" y=\"24\">no data</text></svg>".into()
}

/// Text for HTML and SVG: names come from compose files and must not become markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_rows, write_rows};

    fn some_rows(functions: &[&str], core: &str) -> Vec<Row> {
        rows_in(functions, core, "warm")
    }

    fn rows_in(functions: &[&str], core: &str, state: &str) -> Vec<Row> {
        let mut header = Vec::new();
        write_rows(&mut header, &[]).unwrap();
        let mut text = String::from_utf8(header).unwrap();
        for (f, name) in functions.iter().enumerate() {
            for i in 0..7_usize {
                let cycles = 3_000_000 + f * 900_000 + 400_000 / (i + 1);
                let cpi = 1.5 + f as f64 * 0.4 + 0.5 / (i + 1) as f64;
                text.push_str(&format!(
                    "r,\"{}\",,go,skylake,,24.0,,{core},0,0,{i},1,,,{cycles},,,{cpi},,,,,,,,,,,,true,{state}\n",
                    name.replace('"', "\"\"")
                ));
            }
        }
        read_rows(text.as_bytes(), "test").unwrap()
    }

    #[test]
    fn states_are_drawn_apart() {
        let rows = [some_rows(&["f"], "o3"), rows_in(&["f"], "o3", "lukewarm:l1i")].concat();
        let page = charts_page(&rows).unwrap();
        assert_eq!(page.matches("<polyline").count(), 2);
        assert!(page.contains(">f, lukewarm:l1i<") && page.contains(">f<"), "{page}");
    }

    #[test]
    fn a_page_holds_both_charts_and_well_formed_markup() {
        let page = charts_page(&some_rows(&["fibonacci-go", "aes-go"], "o3")).unwrap();
        assert_eq!(page.matches("<svg").count(), 2);
        assert_eq!(page.matches("<polyline").count(), 2);
        assert_eq!(page.matches("<circle").count(), 2 * 7 + 2);
        assert_eq!(page.matches("<rect").count(), 2);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        if let Ok(folder) = std::env::var("FUTON_TEST_KEEP") {
            std::fs::write(format!("{folder}/charts.html"), &page).unwrap();
        }
    }

    #[test]
    fn names_do_not_become_markup() {
        let page = charts_page(&some_rows(&["<script>alert(\"1\")</script>&"], "o3")).unwrap();
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    }

    #[test]
    fn two_models_are_refused_and_nothing_is_no_crash() {
        let mut rows = some_rows(&["a"], "o3");
        rows.extend(some_rows(&["a"], "timing"));
        assert!(charts_page(&rows).is_err());
        assert!(charts_page(&[]).unwrap().contains("no data"));
    }

    #[test]
    fn ticks_are_round_and_reach_over_the_highest() {
        assert_eq!(ticks(2.0), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        assert_eq!(ticks(f64::NAN), [0.0, 1.0]);
        for most in [0.003, 0.7, 9.99, 123_456.0] {
            let ticks = ticks(most);
            assert!(ticks.len() <= 8 && ticks.last().is_some_and(|t| *t > most), "{most}: {ticks:?}");
        }
    }
}
