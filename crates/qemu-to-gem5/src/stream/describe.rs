//! The description at a stream's end: names, types and sizes of all fields, in JSON.

use std::sync::Arc;

use serde::Deserialize;

use super::format::{DESCRIPTION, PAGE_SIZE, SUBSECTION};
use super::item::{Item, Value};
use super::reader::Reader;
use crate::TransferError;

/// Structures within structures; QEMU's devices have three.
const DEEPEST: usize = 8;
/// Bytes of a field's name; QEMU's longest has 40.
const LONGEST: usize = 80;

#[derive(Debug, Deserialize)]
pub(super) struct Description {
    #[serde(default)]
    page_size: Option<u64>,
    devices: Vec<Device>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Device {
    name: String,
    instance_id: u32,
    #[serde(default)]
    pub(super) version: Option<u32>,
    #[serde(default)]
    fields: Option<Vec<Field>>,
    #[serde(default)]
    subsections: Vec<Subsection>,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Bytes of one element, with what is inside.
    size: usize,
    #[serde(default)]
    array_len: Option<usize>,
    /// Elements of an array that differ in shape are described one by one.
    #[serde(default)]
    index: Option<u32>,
    #[serde(default, rename = "struct")]
    structure: Option<Structure>,
}

#[derive(Debug, Deserialize)]
struct Structure {
    fields: Vec<Field>,
    #[serde(default)]
    subsections: Vec<Subsection>,
}

#[derive(Debug, Deserialize)]
struct Subsection {
    #[serde(rename = "vmsd_name")]
    name: String,
    version: u32,
    fields: Vec<Field>,
    #[serde(default)]
    subsections: Vec<Subsection>,
}

impl Description {
    /// The description and where its marker stands: a byte, the length, then JSON up to the stream's end. JSON has no such byte.
    pub(super) fn find(bytes: &[u8]) -> Result<(usize, Self), TransferError> {
        let wrong = |at, why: String| TransferError::Stream { at, why };
        let Some(marker) = bytes.iter().rposition(|b| *b == DESCRIPTION) else {
            return Err(wrong(bytes.len(), "no description at the end".into()));
        };
        let mut tail = Reader::new(bytes.get(marker + 1..).unwrap_or_default());
        let length = tail.length(4).map_err(|_| wrong(marker, "no description at the end".into()))?;
        if tail.left() != length {
            return Err(wrong(marker, "no description at the end".into()));
        }
        let json = tail.take(length)?;
        let description: Self =
            serde_json::from_slice(json).map_err(|e| wrong(marker, format!("the description: {e}")))?;
        if description.page_size != Some(PAGE_SIZE) {
            return Err(wrong(marker, format!("pages of {:?} bytes", description.page_size)));
        }
        Ok((marker, description))
    }

    pub(super) fn device(&self, name: &str, instance: u32) -> Option<&Device> {
        self.devices.iter().find(|d| d.name == name && d.instance_id == instance)
    }
}

impl Device {
    pub(super) fn read(&self, r: &mut Reader<'_>, name: &str) -> Result<Vec<Item>, TransferError> {
        let Some(fields) = &self.fields else {
            return Err(TransferError::Unknown { what: format!("section {name} has no described fields") });
        };
        let mut items = Vec::new();
        read_fields(r, fields, &self.subsections, "", 0, &mut items)?;
        Ok(items)
    }
}

fn read_fields(
    r: &mut Reader<'_>,
    fields: &[Field],
    subsections: &[Subsection],
    prefix: &str,
    depth: usize,
    items: &mut Vec<Item>,
) -> Result<(), TransferError> {
    if depth > DEEPEST {
        return Err(r.wrong(format!("structures within structures, more than {DEEPEST}")));
    }
    for (place, field) in fields.iter().enumerate() {
        if field.name.len() > LONGEST {
            return Err(r.wrong("a field's name is too long"));
        }
        // QEMU 10 gives an index to all elements of an array but the last.
        let last = || place.checked_sub(1).and_then(|before| fields.get(before));
        let goes_on = || last().is_some_and(|before| before.index.is_some() && before.name == field.name);
        let array = if field.array_len.is_some() || field.index.is_some() || goes_on() { "[]" } else { "" };
        let path: Arc<str> = format!("{}{array}", join(prefix, &field.name)).into();
        let count = field.array_len.unwrap_or(1);
        if count > r.left() {
            return Err(r.wrong(format!("{path}: {count} elements, {} bytes are left", r.left())));
        }
        for _ in 0..count {
            let start = r.at();
            if let Some(inner) = &field.structure {
                read_fields(r, &inner.fields, &inner.subsections, &path, depth + 1, items)?;
            } else if let Some(value) = field.value(r)? {
                items.push(Item {
                    path: Arc::clone(&path),
                    #[cfg(test)]
                    place: start..r.at(),
                    value,
                });
            }
            if r.at() - start != field.size {
                return Err(r.wrong(format!("{path} has {} bytes, not {}", r.at() - start, field.size)));
            }
            if field.size == 0 {
                break;
            }
        }
    }
    for sub in subsections {
        #[cfg(test)]
        let start = r.at();
        if r.number(1)? != SUBSECTION || r.name()? != sub.name || r.number(4)? != u64::from(sub.version) {
            return Err(r.wrong(format!("subsection {} is not where its description says", sub.name)));
        }
        let path = join(prefix, &sub.name);
        items.push(Item {
            path: path.as_str().into(),
            #[cfg(test)]
            place: start..r.at(),
            value: Value::Subsection(sub.version),
        });
        read_fields(r, &sub.fields, &sub.subsections, &path, depth + 1, items)?;
    }
    Ok(())
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl Field {
    /// None for bytes that QEMU itself calls unused.
    fn value(&self, r: &mut Reader<'_>) -> Result<Option<Value>, TransferError> {
        if self.kind == "unused_buffer" {
            r.take(self.size)?;
            return Ok(None);
        }
        if self.size == 0 {
            return Err(r.wrong(format!("{} has no bytes", self.name)));
        }
        if self.kind == "buffer" || !matches!(self.size, 1 | 2 | 4 | 8) {
            return Ok(Some(Value::Bytes(r.take(self.size)?.to_vec())));
        }
        let number = i128::from(r.number(self.size)?);
        let bits = 8 * self.size;
        let negative = self.kind.starts_with("int") && number >> (bits - 1) != 0;
        Ok(Some(Value::Number(if negative { number - (1 << bits) } else { number })))
    }
}
