//! What differs between a good run and a failed one, in words.

use std::collections::BTreeMap;
use std::fs;

use futon_model::{ImageReference, beginning};
use image_store::ImageStore;

use super::side::Side;

/// Packages that are named; of more the number is given.
const NAMED: usize = 12;

/// One line per input that differs, then layers and packages.
pub fn changes(good: &Side, bad: &Side) -> Vec<String> {
    let (then, now) = (&good.function.cell.inputs, &bad.function.cell.inputs);
    let mut lines: Vec<String> = good
        .function
        .cell
        .differences(&bad.function.cell)
        .into_iter()
        .map(|name| format!("{name}: {} → {}", short(then.get(&name)), short(now.get(&name))))
        .collect();
    for image in &bad.function.plan.images {
        lines.extend(layers(good, bad, &image.reference));
    }
    lines.extend(packages(good, bad));
    lines
}

fn short(value: Option<&String>) -> &str {
    value.map_or("none", |value| beginning(value))
}

/// How many layers an image shares with the good one.
fn layers(good: &Side, bad: &Side, reference: &ImageReference) -> Option<String> {
    let of = |side: &Side| {
        let image = ImageStore::open_read_only(side.job.images()?).ok()?.resolve(reference).ok()??;
        Some(image.layers.iter().map(|layer| (layer.digest.clone(), layer.size)).collect::<Vec<_>>())
    };
    let (then, now) = (of(good)?, of(bad)?);
    if then == now {
        return None;
    }
    let same = then.iter().zip(&now).take_while(|(then, now)| then == now).count();
    let bytes: u64 = now[same..].iter().map(|(_, size)| size).sum();
    Some(format!(
        "layers of {}: the first {same} of {} are the same, {} other with {} KiB",
        reference.written(),
        now.len(),
        now.len() - same,
        bytes.div_ceil(1024)
    ))
}

/// Packages of the base that are other ones, or in other versions.
fn packages(good: &Side, bad: &Side) -> Vec<String> {
    let of = |side: &Side| -> BTreeMap<String, String> {
        let lists = side.job.job.resources.iter().filter(|(name, _)| name.ends_with("packages.txt"));
        let texts = lists.filter_map(|(name, blob)| {
            let file = tempfile::NamedTempFile::new().ok()?;
            side.job.extract(name, blob, file.path()).ok()?;
            fs::read_to_string(file.path()).ok()
        });
        let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.iter().filter_map(|line| line.split_once('\t')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    };
    let (then, now) = (of(good), of(bad));
    if then.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differ: Vec<String> = names
        .into_iter()
        .filter(|name| then.get(*name) != now.get(*name))
        .map(|name| format!("package {name}: {} → {}", short(then.get(name)), short(now.get(name))))
        .collect();
    let more = differ.len().saturating_sub(NAMED);
    let mut lines: Vec<String> = differ.into_iter().take(NAMED).collect();
    if more > 0 {
        lines.push(format!("and {more} other packages"));
    }
    lines
}
