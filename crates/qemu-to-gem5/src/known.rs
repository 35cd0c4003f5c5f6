//! What is known of each field of the migration stream, and the check that nothing else is there and that the machine is at rest.
//!
//! To move machines of another QEMU: add its sections' versions, and a line for each field and subsection that it has more.

mod board;
mod cpu;
mod idle;

pub(crate) use cpu::{HARD, POLL};

use crate::TransferError;
use crate::stream::{Item, Section, Stream, Value};

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// Moved; each value has a place in gem5.
    Used,
    /// Does not matter.
    Ignored,
    /// At rest when 0 (numbers, or all bytes).
    Zero,
    /// The same, for what older releases of QEMU do not have.
    ZeroOrAbsent,
    /// At rest at this value.
    Is(i128),
    /// At rest at one of these values.
    OneOf(&'static [i128]),
    /// At rest when the bits of the mask (first) are these (second). The others are moved or do not matter.
    Bits(u64, u64),
    /// At rest at one of these texts.
    Text(&'static [&'static str]),
    /// A subsection of this version; it may be absent.
    Subsection(u32),
    /// A subsection that is there only when something is under way.
    Never,
}

/// One line: the field's path, what becomes of it, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field(&'static str, Rule, &'static str);

/// How often a section is there.
#[derive(Clone, Copy, Debug)]
enum Times {
    EachCore,
    Exactly(u32),
    AtMost(u32),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    section: &'static str,
    versions: &'static [u32],
    times: Times,
    fields: &'static [Field],
}

const SECTIONS: &[&[Known]] = &[cpu::SECTIONS, board::SECTIONS, idle::SECTIONS];

fn known() -> impl Iterator<Item = &'static Known> {
    SECTIONS.iter().copied().flatten()
}

/// Refuses what has no rule and what is not at rest.
pub(crate) fn check(stream: &Stream, cpus: u32) -> Result<(), TransferError> {
    for section in stream.sections() {
        let title = section.title();
        let Some(rules) = known().find(|k| k.section == section.device()) else {
            return Err(TransferError::Unknown { what: format!("section {title}, version {}", section.version) });
        };
        if !rules.versions.contains(&section.version) {
            let what = format!("section {title} is version {}; known: {:?}", section.version, rules.versions);
            return Err(TransferError::Unknown { what });
        }
        let most = match rules.times {
            Times::EachCore => cpus,
            Times::Exactly(n) | Times::AtMost(n) => n,
        };
        if section.instance >= most {
            return Err(TransferError::Unknown {
                what: format!("section {title}: at most {most} of its kind are known"),
            });
        }
        rules.check(section)?;
    }
    for rules in known() {
        let least = match rules.times {
            Times::EachCore => cpus,
            Times::Exactly(n) => n,
            Times::AtMost(_) => 0,
        };
        for instance in 0..least {
            if !stream.sections().iter().any(|s| s.device() == rules.section && s.instance == instance) {
                return Err(TransferError::Unknown {
                    what: format!("the stream has no section {} {instance}", rules.section),
                });
            }
        }
    }
    Ok(())
}

impl Known {
    fn check(&self, section: &Section) -> Result<(), TransferError> {
        for item in &section.items {
            let Some(field) = self.fields.iter().find(|f| *f.0 == *item.path) else {
                let kind = if matches!(item.value, Value::Subsection(_)) { "subsection" } else { "field" };
                return Err(TransferError::Unknown { what: format!("{}: {kind} {}", section.title(), item.path) });
            };
            field.check(section, item)?;
        }
        for Field(path, rule, _) in self.fields {
            // What is inside subsections, or does not matter, may be absent.
            let may_be_absent = matches!(rule, Rule::Ignored | Rule::ZeroOrAbsent | Rule::Subsection(_) | Rule::Never)
                || path.contains('/');
            if !may_be_absent && !section.items.iter().any(|item| *item.path == **path) {
                return Err(TransferError::Unknown { what: format!("{} has no field {path}", section.title()) });
            }
        }
        Ok(())
    }
}

impl Field {
    fn check(&self, section: &Section, item: &Item) -> Result<(), TransferError> {
        let rests = match (self.1, &item.value) {
            (Rule::Subsection(version), Value::Subsection(found)) => {
                if version != *found {
                    let what =
                        format!("{}: subsection {} is version {found}; known: {version}", section.title(), self.0);
                    return Err(TransferError::Unknown { what });
                }
                true
            }
            (Rule::Never, _) | (Rule::Subsection(_), _) | (_, Value::Subsection(_)) => false,
            (Rule::Used | Rule::Ignored, _) => true,
            (Rule::Zero | Rule::ZeroOrAbsent, Value::Number(n)) => *n == 0,
            (Rule::Zero | Rule::ZeroOrAbsent, Value::Bytes(b)) => b.iter().all(|b| *b == 0),
            (Rule::Is(wanted), Value::Number(n)) => wanted == *n,
            (Rule::OneOf(wanted), Value::Number(n)) => wanted.contains(n),
            (Rule::Bits(mask, wanted), Value::Number(n)) => n & i128::from(mask) == i128::from(wanted),
            (Rule::Text(wanted), Value::Bytes(b)) => {
                let text = b.split(|b| *b == 0).next().unwrap_or_default();
                wanted.iter().any(|w| w.as_bytes() == text)
            }
            (Rule::Is(_) | Rule::OneOf(_) | Rule::Bits(..), Value::Bytes(_)) | (Rule::Text(_), Value::Number(_)) => {
                false
            }
        };
        if rests { Ok(()) } else { Err(not_at_rest(section, self.0, &shown(&item.value), self.2)) }
    }
}

pub(crate) fn not_at_rest(section: &Section, field: &str, value: &str, why: &str) -> TransferError {
    TransferError::NotAtRest { section: section.title(), field: field.into(), value: value.into(), why: why.into() }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(n) if (-9..=9).contains(n) => n.to_string(),
        Value::Number(n) if *n < 0 => n.to_string(),
        Value::Number(n) => format!("{n:#x}"),
        Value::Bytes(b) => match std::str::from_utf8(b) {
            Ok(text) if text.starts_with(|c: char| c.is_ascii_graphic()) => text.trim_end_matches('\0').to_owned(),
            _ => format!("{b:02x?}"),
        },
        Value::Subsection(_) => "there".into(),
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
