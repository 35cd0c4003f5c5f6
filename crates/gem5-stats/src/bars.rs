//! Bars with intervals: means of groups, side by side, as an SVG that stands by itself.

use std::fmt::Write;

use super::chart::{Axis, BASE, COLOURS, Chart, HEIGHT, LEFT, RIGHT, WIDTH, empty, escape, frame, legend, ticks};

/// Width of a character of a label.
const CHARACTER: f64 = 6.6;
/// Height of a legend.
const LEGEND: f64 = 22.0;

/// A mean and half of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// The mean.
    pub mean: f64,
    /// Half of the interval.
    pub half: f64,
}

/// The bars at one place of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct BarGroup {
    /// What they have in common: a function.
    pub name: String,
    /// One for each series; none where it was not measured.
    pub bars: Vec<Option<Bar>>,
}

/// Groups of bars of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Heading.
    pub title: String,
    /// What the axis counts.
    pub unit: String,
    /// What a reader must know to read it.
    pub note: String,
    /// Names of the series, in the order of each group's bars.
    pub series: Vec<String>,
    /// The groups.
    pub groups: Vec<BarGroup>,
}

/// Draws bars. A mean below 0 is drawn as 0: the figures of statistics are counts and ratios.
#[must_use]
pub fn bar_chart(bars: &Bars) -> Chart {
    let (title, note) = (bars.title.clone(), bars.note.clone());
    let known = || bars.groups.iter().flat_map(|group| group.bars.iter().flatten());
    if known().next().is_none() || known().any(|bar| !bar.mean.is_finite() || !bar.half.is_finite()) {
        return Chart { title, note, svg: empty() };
    }
    let ticks = ticks(known().map(|bar| bar.mean + bar.half).fold(0.0, f64::max));
    let axis = Axis { most: ticks.last().copied().unwrap_or(1.0) };
    let count = |length: usize| f64::from(u32::try_from(length).unwrap_or(u32::MAX));
    let slot = (WIDTH - LEFT - RIGHT) / count(bars.groups.len());
    let longest = bars.groups.iter().map(|group| count(group.name.chars().count())).fold(0.0, f64::max) * CHARACTER;
    // Names that do not fit side by side are turned by 35 degrees.
    let turned = longest > slot - 4.0;
    let below = if turned { longest * 0.58 - 14.0 } else { 0.0 }.max(0.0);
    let key = if bars.series.len() > 1 { LEGEND } else { 0.0 };
    let mut svg = frame(&ticks, &axis, &bars.unit, below + key);
    let thick = (slot * 0.8 / count(bars.series.len().max(1))).min(46.0);
    for (place, group) in bars.groups.iter().enumerate() {
        let middle = LEFT + slot * (count(place) + 0.5);
        let first = middle - thick * count(bars.series.len()) / 2.0;
        for (at, bar) in group.bars.iter().enumerate() {
            let Some(Bar { mean, half }) = bar else { continue };
            let x = first + thick * count(at);
            let (top, base) = (axis.y(mean.max(0.0)), axis.y(0.0));
            let series = bars.series.get(at).map_or("", String::as_str);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"><title>{}, {}: {mean:.3} ± {half:.3}</title></rect>",
                thick * 0.92,
                base - top,
                COLOURS[at % COLOURS.len()],
                escape(&group.name),
                escape(series)
            );
            let (low, high) = (axis.y((mean - half).max(0.0)), axis.y((mean + half).max(0.0)));
            let (centre, cap) = (x + thick * 0.46, thick * 0.18);
            let _ = writeln!(
                svg,
                "<path d=\"M{centre:.1} {low:.1}V{high:.1}M{0:.1} {low:.1}H{1:.1}M{0:.1} {high:.1}H{1:.1}\" stroke=\"#222\" stroke-width=\"1.3\" fill=\"none\"/>",
                centre - cap,
                centre + cap
            );
        }
        let y = HEIGHT - BASE + 18.0;
        let _ = if turned {
            writeln!(
                svg,
                "<text transform=\"translate({:.1} {y:.1}) rotate(-35)\" text-anchor=\"end\">{}</text>",
                middle + 4.0,
                escape(&group.name)
            )
        } else {
            writeln!(svg, "<text x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escape(&group.name))
        };
    }
    let names: Vec<(&str, &str)> =
        bars.series.iter().map(String::as_str).zip(COLOURS.iter().cycle().copied()).collect();
    legend(&mut svg, &names, HEIGHT + below + 10.0);
    svg.push_str("</svg>");
    Chart { title, note, svg }
}

/// A page's parts, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A heading.
    Heading(String),
    /// Text.
    Text(String),
    /// A chart, with its own heading and note.
    Chart(Chart),
    /// A table; its first line is the head.
    Table(Vec<Vec<String>>),
}

/// One HTML page that needs nothing else.
#[must_use]
pub fn page(title: &str, parts: &[Part]) -> String {
    let mut page = super::chart::head(title);
    for part in parts {
        let _ = match part {
            Part::Heading(text) => writeln!(page, "<h2>{}</h2>", escape(text)),
            Part::Text(text) => writeln!(page, "<p>{}</p>", escape(text)),
            Part::Chart(Chart { title, note, svg }) => {
                writeln!(page, "<h3>{}</h3>\n<p>{}</p>\n{svg}", escape(title), escape(note))
            }
            Part::Table(lines) => writeln!(page, "{}", table(lines)),
        };
    }
    page.push_str("</html>\n");
    page
}

fn table(lines: &[Vec<String>]) -> String {
    let mut text = String::from("<div class=\"wide\"><table>");
    for (at, line) in lines.iter().enumerate() {
        let cell = if at == 0 { "th" } else { "td" };
        text.push_str("<tr>");
        for value in line {
            let _ = write!(text, "<{cell}>{}</{cell}>", escape(value));
        }
        text.push_str("</tr>\n");
    }
    text + "</table></div>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(groups: usize, series: &[&str]) -> Bars {
        let bar = |at: usize| Some(Bar { mean: 1.0 + at as f64 / 10.0, half: 0.05 });
        let group = |g: usize| BarGroup {
            name: format!("function-number-{g}"),
            bars: (0..series.len()).map(|at| if g == 1 && at == 1 { None } else { bar(at) }).collect(),
        };
        Bars {
            title: "CPI <of> all".into(),
            unit: "cycles & instructions".into(),
            note: String::new(),
            series: series.iter().map(|s| (*s).to_owned()).collect(),
            groups: (0..groups).map(group).collect(),
        }
    }

    #[test]
    fn each_figure_is_a_bar_with_its_interval() {
        let chart = bar_chart(&bars(3, &["warm", "lukewarm"]));
        // One was not measured.
        assert_eq!((chart.svg.matches("<rect").count(), chart.svg.matches("stroke=\"#222\"").count()), (5, 5));
        assert!(chart.svg.contains("lukewarm: 1.100 ± 0.050") && chart.svg.contains("cycles &amp; instructions"));
        // It stands by itself, with its fonts.
        assert!(chart.svg.starts_with("<svg xmlns=") && chart.svg.contains("<style>") && !chart.svg.contains("NaN"));
        assert!(!chart.svg.contains("rotate(-35)"), "three names fit");
    }

    #[test]
    fn long_names_are_turned_and_nothing_is_no_chart() {
        assert!(bar_chart(&bars(9, &["warm"])).svg.contains("rotate(-35)"));
        assert!(bar_chart(&bars(0, &["warm"])).svg.contains("no data"));
        let mut infinite = bars(1, &["warm"]);
        infinite.groups[0].bars[0] = Some(Bar { mean: 1.0, half: f64::INFINITY });
        assert!(bar_chart(&infinite).svg.contains("no data"));
    }

    #[test]
    fn a_page_has_its_parts_and_no_foreign_markup() {
        let parts = [
            Part::Heading("<b>".into()),
            Part::Chart(bar_chart(&bars(2, &["warm"]))),
            Part::Table(vec![vec!["a".into()], vec!["<i>".into()]]),
        ];
        let page = page("a <page>", &parts);
        assert!(page.contains("<title>a &lt;page&gt;</title>") && page.contains("<h2>&lt;b&gt;</h2>"), "{page}");
        assert!(
            page.contains("<th>a</th>") && page.contains("<td>&lt;i&gt;</td>") && page.contains("CPI &lt;of&gt; all")
        );
    }
}
