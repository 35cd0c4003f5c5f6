//! The run script that parks a guest.

use std::fs;
use std::path::Path;

use futon_common::{Context, Result};
use futon_model::PlannedImage;

/// The run script that parks, `test/park.sh`.
pub(super) const PARK_SCRIPT: &str = include_str!("../../../../test/park.sh");

/// Its name in the folder of an unfinished warm base.
pub(super) const SCRIPT: &str = "park.sh";

/// Placeholders in the script for the images' names, and for whether it rehearses a run.
const IMAGES_PLACEHOLDER: &str = "<__IMAGES__>";
const REHEARSE_PLACEHOLDER: &str = "<__REHEARSE__>";

/// When the guest rehearses.
#[derive(Clone, Copy)]
pub(super) enum Rehearse {
    Now,
    /// When its machine was saved and taken over.
    Later,
    Never,
}

/// Writes the script into the folder of an unfinished warm base.
pub(super) fn write_script(folder: &Path, images: &[PlannedImage], rehearse: Rehearse) -> Result<()> {
    let script = folder.join(SCRIPT);
    let images: Vec<&str> = images.iter().map(|image| image.reference.written()).collect();
    let rehearse = match rehearse {
        Rehearse::Now => "yes",
        Rehearse::Later => "later",
        Rehearse::Never => "never",
    };
    // A reference has no characters that are special to a shell.
    let text = PARK_SCRIPT.replace(IMAGES_PLACEHOLDER, &images.join(" ")).replace(REHEARSE_PLACEHOLDER, rehearse);
    fs::write(&script, text).context(|| format!("cannot write {}", script.display()))
}
