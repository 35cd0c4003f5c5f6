//! Values of a sweep: texts, and ranges of numbers with a unit.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Values of a range, at most: more are a mistake.
const MOST: usize = 10_000;

/// Units of memory that can be turned into each other, in bytes.
const BINARY: [(&str, f64); 4] = [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];

/// A value as `futon test` has it on its command line; nothing for what has none.
pub(super) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(i) if i.radix() == 10 => Some(i.as_str().to_owned()),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|n| n.to_string()),
        DeValue::Float(f) => Some(f.as_str().to_owned()),
        DeValue::Boolean(b) => Some(b.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Whether a table is a range and not a flag with parts.
pub(super) fn is_range(table: &DeTable<'_>) -> bool {
    table.iter().any(|(key, _)| key.get_ref() == "from") && table.iter().any(|(key, _)| key.get_ref() == "to")
}

/// The values of `{ from, to, step }` or `{ from, to, times }`.
pub(super) fn range(table: &DeTable<'_>) -> Result<Vec<String>, String> {
    let keys = ["from", "to", "step", "times"];
    if let Some((key, _)) = table.iter().find(|(key, _)| !keys.contains(&key.get_ref().as_ref())) {
        return Err(format!("a range has no {}; it has from, to and step or times", key.get_ref()));
    }
    let get = |name: &str| -> Result<Option<Quantity>, String> {
        let found = table.iter().find(|(key, _)| key.get_ref() == name);
        found.map(|(_, value)| quantity(value).ok_or_else(|| format!("{name} is no number"))).transpose()
    };
    let (Some(from), Some(to)) = (get("from")?, get("to")?) else {
        return Err("a range has from and to, and step or times".into());
    };
    let to = to.number_in(&from).ok_or("from and to have different units")?;
    let next: Box<dyn Fn(f64) -> f64> = match (get("step")?, get("times")?) {
        (Some(step), None) => {
            let by = if step.unit.is_empty() { Some(step.number) } else { step.number_in(&from) };
            let by = by.filter(|by| *by > 0.0).ok_or("step must be more than 0, in the unit of from")?;
            let first = from.number;
            let places = std::cell::Cell::new(0.0);
            // Not by adding up: 0.1 ten times is not 1.
            Box::new(move |_| {
                places.set(places.get() + 1.0);
                first + places.get() * by
            })
        }
        (None, Some(times)) if times.unit.is_empty() && times.number > 1.0 && from.number > 0.0 => {
            Box::new(move |value| value * times.number)
        }
        (None, Some(_)) => return Err("times must be more than 1, and from more than 0".into()),
        (Some(_), Some(_)) => return Err("a range has step or times, not both".into()),
        (None, None) => return Err("a range has step or times, as in {from = 1, to = 8, times = 2}".into()),
    };
    // The last value of a range of fractions may be a hair beyond its end.
    let end = to + to.abs() * 1e-9;
    let mut values = Vec::new();
    let mut value = from.number;
    while value <= end {
        if values.len() == MOST {
            return Err(format!("a range of more than {MOST} values"));
        }
        values.push(format!("{}{}", shown(value), from.unit));
        value = next(value);
    }
    if values.is_empty() { Err("from is larger than to".into()) } else { Ok(values) }
}

/// A number and its unit.
struct Quantity {
    number: f64,
    unit: String,
}

impl Quantity {
    /// The number in another's unit.
    fn number_in(&self, other: &Self) -> Option<f64> {
        if self.unit == other.unit {
            return Some(self.number);
        }
        let bytes = |unit: &str| BINARY.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
        Some(self.number * bytes(&self.unit)? / bytes(&other.unit)?)
    }
}

fn quantity(value: &Spanned<DeValue<'_>>) -> Option<Quantity> {
    let text = scalar(value.get_ref()).filter(|_| !matches!(value.get_ref(), DeValue::Boolean(_)))?;
    let end = text.rfind(|c: char| c.is_ascii_digit()).map(|at| at + 1)?;
    let number: f64 = text.get(..end)?.replace('_', "").parse().ok()?;
    number.is_finite().then(|| Quantity { number, unit: text[end..].trim().to_owned() })
}

/// Without digits that are only the arithmetic's.
fn shown(number: f64) -> String {
    let text = format!("{number:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Memory in MiB; a number alone is in MiB, too.
pub(super) fn mebibytes(text: &str) -> Option<u64> {
    let end = text.rfind(|c: char| c.is_ascii_digit()).map(|at| at + 1)?;
    let number: u64 = text.get(..end)?.trim().parse().ok()?;
    let of_unit = match text[end..].trim() {
        "" | "MiB" | "M" => 1,
        "GiB" | "G" => 1024,
        "TiB" | "T" => 1_048_576,
        _ => return None,
    };
    number.checked_mul(of_unit).filter(|mib| *mib > 0)
}

/// Whether a text can be the name of a sweep and its folder.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 100 && text.chars().all(allowed) && !text.starts_with(['.', '-'])
}

/// The nearest of some names, if one is near.
#[must_use]
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase());
    names
        .map(|name| (edits(name), name))
        .min()
        .filter(|(edits, _)| *edits <= 1 + wanted.len() / 4)
        .map(|(_, name)| name)
}
