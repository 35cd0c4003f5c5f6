//! Rules: what becomes of a field, and whether it is at rest.

use crate::TransferError;
use crate::stream::{Item, Section, Value};

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
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
pub(super) struct Field(pub(super) &'static str, pub(super) Rule, pub(super) &'static str);

/// How often a section is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    EachCore,
    Exactly(u32),
    AtMost(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) section: &'static str,
    pub(super) versions: &'static [u32],
    pub(super) times: Times,
    pub(super) fields: &'static [Field],
}

impl Known {
    pub(super) fn check(&self, section: &Section) -> Result<(), TransferError> {
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
    pub(super) fn check(&self, section: &Section, item: &Item) -> Result<(), TransferError> {
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
