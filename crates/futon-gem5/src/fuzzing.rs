//! Entry points for the fuzz targets (`fuzz/`), compiled only for them.

use std::path::Path;

use futon_model::EventKind;

use super::channel::Channel;

/// What a guest that wrote these files into gem5's output folder `outdir` has said, and what is kept of its files in `uploads`.
#[must_use]
pub fn said(token: &str, outdir: &Path, uploads: &Path) -> (Vec<EventKind>, Vec<EventKind>) {
    let mut channel = Channel::new(token.to_owned());
    let mut told = channel.poll(outdir, false);
    told.extend(channel.poll(outdir, true));
    let kept = channel.collect(outdir, uploads);
    (told, kept)
}
