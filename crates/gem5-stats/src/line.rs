//! One line of `stats.txt`. The format has no grammar but the program that writes it; this is what v19 to v25 write:
//!
//! ```text
//! name  value  [percent  cumulative]  # description (Unit)
//! name  | value percent cumulative | value …  # description (Unit)
//! ---------- Begin Simulation Statistics ----------
//! ```
//!
//! Units came with v21.0. Nothing is allocated: a line is a view of the reader's buffer.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Line<'a> {
    /// A dump begins; newer versions may add a message.
    Begin(&'a str),
    /// A dump ends.
    End,
    /// A statistic.
    Stat(Stat<'a>),
    /// Nothing on it.
    Blank,
    /// None of these.
    Malformed,
}

/// A statistic, or one element of a vector or distribution (`name::element`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stat<'a> {
    /// Full name.
    pub name: &'a str,
    /// The value; for a vector on one line that of its first cell.
    pub value: f64,
    /// Text after `#`, without the unit.
    pub description: &'a str,
    /// Unit, from v21.0 on, without its outer parentheses.
    pub unit: Option<&'a str>,
    columns: &'a str,
}

/// A value with its share of the whole, as vectors and distributions give it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The value.
    pub value: f64,
    /// Share of the sum, percent.
    pub percent: Option<f64>,
    /// Share of the sum up to and with this element, percent.
    pub cumulative: Option<f64>,
}

impl<'a> Stat<'a> {
    /// All cells: one for a scalar or an element, several for a vector on one line.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + use<'a> {
        let columns = self.columns.strip_prefix('|').unwrap_or(self.columns);
        columns.split('|').filter_map(cell)
    }

    /// Whether this is a vector or distribution on one line.
    #[must_use]
    pub fn is_one_line(&self) -> bool {
        self.columns.starts_with('|')
    }
}

/// Units that gem5 names (`base/stats/units.hh`); a description may end with other words in parentheses.
const UNITS: [&str; 12] = [
    "Cycle",
    "Tick",
    "Second",
    "Bit",
    "Byte",
    "Watt",
    "Joule",
    "Volt",
    "Degree Celsius",
    "Count",
    "Ratio",
    "Unspecified",
];

/// Reads a line without its newline.
#[must_use]
pub fn parse_line(line: &str) -> Line<'_> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Line::Blank;
    }
    if line.starts_with("-----") {
        let text = line.trim_matches('-').trim_ascii();
        return match text.strip_prefix("Begin Simulation Statistics") {
            Some(message) => Line::Begin(message.trim_start_matches([':', '-']).trim_ascii()),
            None if text.starts_with("End Simulation Statistics") => Line::End,
            None => Line::Malformed,
        };
    }
    stat(line).map_or(Line::Malformed, Line::Stat)
}

fn stat(line: &str) -> Option<Stat<'_>> {
    let (columns, text) = match line.split_once('#') {
        Some((columns, text)) => (columns, text.trim_ascii()),
        // Descriptions can be switched off.
        None => (line, ""),
    };
    let end = columns.find(|c: char| c.is_ascii_whitespace())?;
    let (name, columns) = (&columns[..end], columns[end..].trim_ascii());
    let mut first = columns.split_ascii_whitespace();
    let value = match first.next()? {
        "|" => first.next()?,
        word => word.strip_prefix('|').unwrap_or(word),
    };
    let value = number(value)?;
    if !is_name(name) {
        return None;
    }
    let (description, unit) = split_unit(text);
    Some(Stat { name, value, description, unit, columns })
}

/// Names are made of object names, dots and `::`; a word of prose before a number is no statistic.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains('|')
}

fn cell(text: &str) -> Option<Cell> {
    let mut words = text.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let mut percent = || words.next()?.strip_suffix('%').and_then(number);
    Some(Cell { value, percent: percent(), cumulative: percent() })
}

/// A number as C++ streams print it.
fn number(word: &str) -> Option<f64> {
    match word {
        "nan" | "-nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        // Rust would also take "infinity", "NaN" and the like, which gem5 never writes.
        _ if word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')) => {
            word.parse().ok()
        }
        _ => None,
    }
}

/// Splits `description (Unit)`. The unit's parentheses may be doubled (`((Count/Second))`).
fn split_unit(text: &str) -> (&str, Option<&str>) {
    let none = (text, None);
    if !text.ends_with(')') {
        return none;
    }
    let mut depth = 0_usize;
    let open = text.bytes().rposition(|b| {
        match b {
            b')' => depth += 1,
            b'(' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let Some(open) = open else { return none };
    let unit = &text[open + 1..text.len() - 1];
    if is_unit(unit) { (text[..open].trim_ascii_end(), Some(unit)) } else { none }
}

fn is_unit(text: &str) -> bool {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
    UNITS.contains(&inner) || inner.split('/').map(|part| part.trim_matches(['(', ')'])).all(|p| UNITS.contains(&p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Stat<'_> {
        match parse_line(line) {
            Line::Stat(stat) => stat,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn lines_of_published_outputs() {
        let s = one(
            "hostInstRate                                   247382                       # Simulator instruction rate (inst/s) ((Count/Second))",
        );
        assert_eq!((s.name, s.value, s.unit), ("hostInstRate", 247_382.0, Some("(Count/Second)")));
        assert_eq!(s.description, "Simulator instruction rate (inst/s)");
        let s = one(
            "simSeconds                                   0.000490                       # Number of seconds simulated (Second)",
        );
        assert_eq!((s.value, s.unit), (0.00049, Some("Second")));
        // v20.1 and before: no units, and parentheses that are none.
        let s = one(
            "host_inst_rate                                 247382                       # Simulator instruction rate (inst/s)",
        );
        assert_eq!((s.description, s.unit), ("Simulator instruction rate (inst/s)", None));
        let s = one(
            "system.cpu.dcache.demandMissRate::total      0.064127                       # miss rate for demand accesses (Ratio)",
        );
        assert_eq!((s.name, s.unit), ("system.cpu.dcache.demandMissRate::total", Some("Ratio")));
    }

    #[test]
    fn vectors_distributions_and_odd_numbers() {
        let s = one(
            "system.cpu.statIssuedInstType_0::IntAlu   75  62.50%  75.00% # Number of instructions issued per FU type, per thread (Count)",
        );
        let cells: Vec<Cell> = s.cells().collect();
        assert_eq!(cells, [Cell { value: 75.0, percent: Some(62.5), cumulative: Some(75.0) }]);
        let s = one("system.mem.dist::-5--1  3  1.00%  2.00% # negative buckets (Count)");
        assert_eq!(s.name, "system.mem.dist::-5--1");
        let s = one(
            "system.ruby.outstanding_req_hist_seqr    |        3     30.00%     30.00% |        7     70.00%    100.00% # text (Unspecified)",
        );
        assert!(s.is_one_line());
        assert_eq!(s.cells().map(|c| c.value).collect::<Vec<_>>(), [3.0, 7.0]);
        assert_eq!(s.cells().last().and_then(|c| c.cumulative), Some(100.0));
        assert!(one("system.cpu.mean nan # no sample (Count)").value.is_nan());
        assert_eq!(one("system.cpu.rate inf # divided by zero (Ratio)").value, f64::INFINITY);
        assert_eq!(one("system.cpu.rate -inf").value, f64::NEG_INFINITY);
        assert_eq!(one("system.cpu.numCycles 23016").value, 23016.0);
    }

    #[test]
    fn begin_lines_of_all_versions() {
        assert_eq!(parse_line("---------- Begin Simulation Statistics ----------"), Line::Begin(""));
        assert_eq!(parse_line("---------- Begin Simulation Statistics: roi 3 ----------"), Line::Begin("roi 3"));
        assert_eq!(parse_line("---------- End Simulation Statistics   ----------"), Line::End);
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for line in [
            "one word",
            "alone",
            "name NaN",
            "name infinity",
            "name 1.2.3",
            "name # 5",
            "123 456",
            "name |",
            "| 3 4",
            "------ something",
            "name 0x10",
            "\u{0}\u{1}",
            "n\u{e4}me",
        ] {
            assert_eq!(parse_line(line), Line::Malformed, "{line:?}");
        }
        assert_eq!(parse_line("  \t\r"), Line::Blank);
    }
}
