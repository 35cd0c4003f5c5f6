//! Maps of sparse files: where the written parts are in the file.

use super::fault::Fault;
use super::field::{BLOCK, number};
use super::pax::{self, Records};

/// Most entries of a map, and most bytes of one that stands before the content, as Go has them.
const MOST: usize = 1 << 20;

/// A part of a file: its offset and length, bytes.
pub(super) type Part = (i64, i64);

/// Which map the records of an extended header announce.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Map {
    /// None: the file is not sparse.
    None,
    /// The records have it (forms 0.0 and 0.1).
    Records,
    /// It stands before the content (form 1.0).
    Content,
}

/// Finds which map there is.
pub(super) fn kind(records: &Records) -> Map {
    let get = |key: &[u8]| records.get(key).map_or(&b""[..], Vec::as_slice);
    match (get(pax::SPARSE_MAJOR), get(pax::SPARSE_MINOR)) {
        (b"0", b"0" | b"1") => Map::Records,
        (b"1", b"0") => Map::Content,
        (b"", b"") if !get(pax::SPARSE_MAP).is_empty() => Map::Records,
        _ => Map::None,
    }
}

/// The map in the records.
///
/// # Errors
/// When it is malformed.
pub(super) fn in_records(records: &Records) -> Result<Vec<Part>, Fault> {
    let count = records.get(pax::SPARSE_BLOCKS).and_then(|text| pax::decimal(text)).ok_or_else(Fault::header)?;
    let map = records.get(pax::SPARSE_MAP).map_or(&b""[..], Vec::as_slice);
    let numbers: Vec<&[u8]> = if map.is_empty() { Vec::new() } else { map.split(|byte| *byte == b',').collect() };
    if usize::try_from(count).ok().and_then(|count| count.checked_mul(2)) != Some(numbers.len()) {
        return Err(Fault::header());
    }
    if numbers.len() / 2 > MOST {
        return Err(too_long());
    }
    pairs(&numbers)
}

/// The map before the content, one decimal number per line, padded to whole blocks; `next` gives the content's next block.
/// Returns the length of the map, too.
///
/// # Errors
/// When it is malformed, or `next` fails.
pub(super) fn in_content(mut next: impl FnMut() -> Result<[u8; BLOCK], Fault>) -> Result<(Vec<Part>, u64), Fault> {
    let mut text: Vec<u8> = Vec::new();
    let mut lines = 0;
    let mut feed = |text: &mut Vec<u8>, wanted: usize| -> Result<(), Fault> {
        while lines < wanted {
            if text.len() + BLOCK > MOST {
                return Err(too_long());
            }
            let block = next()?;
            lines += block.iter().filter(|byte| **byte == b'\n').count();
            text.extend_from_slice(&block);
        }
        Ok(())
    };
    feed(&mut text, 1)?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = pax::decimal(first).and_then(|count| usize::try_from(count).ok()).ok_or_else(Fault::header)?;
    let wanted = count.checked_mul(2).ok_or_else(Fault::header)?;
    // The first line is read, as Go counts.
    feed(&mut text, wanted.saturating_add(1))?;
    let numbers: Vec<&[u8]> = text.split(|byte| *byte == b'\n').skip(1).take(wanted).collect();
    Ok((pairs(&numbers)?, text.len() as u64))
}

/// GNU's old map in the header, and in blocks behind it.
///
/// # Errors
/// When a number is malformed, or `next` fails.
pub(super) fn skip_old(
    header: &[u8; BLOCK],
    mut next: impl FnMut() -> Result<[u8; BLOCK], Fault>,
) -> Result<(), Fault> {
    number(&header[483..495])?;
    let check = |map: &[u8]| -> Result<(), Fault> {
        for entry in map.chunks_exact(24).take_while(|entry| entry[0] != 0) {
            number(&entry[..12])?;
            number(&entry[12..])?;
        }
        Ok(())
    };
    check(&header[386..482])?;
    let mut more = header[482] > 0;
    while more {
        let block = next()?;
        check(&block[..504])?;
        more = block[504] > 0;
    }
    Ok(())
}

/// The parts that have bytes, when all lie in order within `size`.
///
/// # Errors
/// When they do not fit.
pub(super) fn validated(parts: Vec<Part>, size: i64) -> Result<Vec<Part>, Fault> {
    let mut end = 0;
    for (offset, length) in &parts {
        let next = offset.checked_add(*length).ok_or_else(Fault::header)?;
        if *offset < 0 || *length < 0 || next > size || end > *offset {
            return Err(Fault::header());
        }
        end = next;
    }
    if size < 0 {
        return Err(Fault::header());
    }
    Ok(parts.into_iter().filter(|(_, length)| *length > 0).collect())
}

fn pairs(numbers: &[&[u8]]) -> Result<Vec<Part>, Fault> {
    let pair = |pair: &[&[u8]]| Some((pax::decimal(pair[0])?, pax::decimal(pair[1])?));
    numbers.chunks_exact(2).map(|two| pair(two).ok_or_else(Fault::header)).collect()
}

fn too_long() -> Fault {
    Fault::Refused("archive/tar: sparse map too long".into())
}
