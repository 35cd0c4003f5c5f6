//! What differs between a good run and a failed one, in words.

use std::fs;

use futon_model::{ImageReference, beginning};
use futon_resources::{LEAN_PACKAGES, PACKAGES};
use image_store::ImageStore;
use report_diff::{Packages, package_changes};

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

/// Whether a resource is a list for people, which nothing runs.
pub fn is_list(name: &str) -> bool {
    [PACKAGES, LEAN_PACKAGES].contains(&name)
}

/// Packages of the base that are other ones, or in other versions.
fn packages(good: &Side, bad: &Side) -> Vec<String> {
    let of = |side: &Side| -> Packages {
        let mut lists = side.job.job.resources.iter().filter(|(name, _)| is_list(name));
        let text = lists.find_map(|(name, blob)| {
            let file = tempfile::NamedTempFile::new().ok()?;
            side.job.extract(name, blob, file.path()).ok()?;
            fs::read_to_string(file.path()).ok()
        });
        report_diff::packages(&text.unwrap_or_default())
    };
    let differ = package_changes(&of(good), &of(bad));
    let more = differ.len().saturating_sub(NAMED);
    let mut lines: Vec<String> = differ
        .iter()
        .take(NAMED)
        .map(|change| format!("package {}: {} → {}", change.name, short(change.a.as_ref()), short(change.b.as_ref())))
        .collect();
    if more > 0 {
        lines.push(format!("and {more} other packages"));
    }
    lines
}
