//! Disks: an overlay for each run, made by qemu-img.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use futon_common::{Context, Error, Result, Setup};

/// Limit of one qemu-img call.
const LIMIT: Duration = Duration::from_secs(30);

async fn qemu_img(args: &[&str]) -> Result<Output> {
    let command = Command::new("qemu-img").args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, command)
        .await
        .map_err(|_| Error::infra(format!("qemu-img {} did not end within {LIMIT:?}", args[0])))?;
    output.map_err(|e| {
        let missing = e.kind() == std::io::ErrorKind::NotFound;
        let error = Error::infra("cannot run qemu-img").caused_by(e);
        if missing { error.hint(Setup::here().package("qemu-utils")) } else { error }
    })
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Format of a disk image (`raw`, `qcow2`, …).
///
/// # Errors
/// When the image is missing, or qemu-img finds it damaged.
pub async fn probe_image(image: &Path) -> Result<String> {
    let shown = image.display();
    let metadata = std::fs::metadata(image).map_err(|e| {
        Error::infra(format!("base image missing: {shown}"))
            .caused_by(e)
            .hint("`futon resources build` makes one, or give yours with --base-image")
    })?;
    if metadata.len() == 0 {
        return Err(Error::infra(format!("base image is empty: {shown}"))
            .hint("`futon resources build --force` makes it again"));
    }
    let output = qemu_img(&["info", "--output=json", &image.to_string_lossy()]).await?;
    if !output.status.success() {
        return Err(Error::infra(format!("base image damaged: {shown}: {}", stderr(&output)))
            .hint("`futon resources build --force` makes it again"));
    }
    let info: Value = serde_json::from_slice(&output.stdout).context(|| format!("qemu-img info {shown}"))?;
    let format = info
        .get("format")
        .and_then(Value::as_str)
        .ok_or_else(|| Error::infra(format!("qemu-img reports no format for {shown}")))?;
    if format == "raw" && !looks_like_a_disk(image) {
        return Err(Error::infra(format!(
            "base image damaged: {shown} has neither a partition table nor a file system"
        ))
        .hint("`futon resources build --force` makes it again; `futon resources verify` checks all hashes"));
    }
    Ok(format.to_owned())
}

/// Whether a raw image begins as a disk does: a partition table, or one of the file systems that Linux boots from.
/// qemu-img accepts anything as a raw image.
fn looks_like_a_disk(image: &Path) -> bool {
    const MARKS: [(u64, &[u8]); 4] = [
        (510, &[0x55, 0xAA]),  // MBR, and the one that GPT keeps for protection
        (1080, &[0x53, 0xEF]), // ext2, ext3, ext4
        (0, b"XFSB"),
        (0x1_0040, b"_BHRfS_M"), // btrfs
    ];
    let Ok(file) = std::fs::File::open(image) else { return false };
    MARKS.iter().any(|(offset, mark)| {
        let mut found = vec![0; mark.len()];
        file.read_exact_at(&mut found, *offset).is_ok() && found == *mark
    })
}

/// Makes a qcow2 overlay over a base image, which is never written.
///
/// # Errors
/// As [`probe_image`], and when the overlay cannot be made.
pub async fn make_overlay(base: &Path, overlay: &Path) -> Result<()> {
    let format = probe_image(base).await?;
    let base = std::path::absolute(base).context(|| format!("path of {}", base.display()))?;
    let args =
        ["create", "-q", "-f", "qcow2", "-F", &format, "-b", &base.to_string_lossy(), &overlay.to_string_lossy()];
    let output = qemu_img(&args).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::infra(format!("cannot make the disk {}: {}", overlay.display(), stderr(&output)))
        .hint("is there free space, and can you write there?"))
}

/// Changes the backing file's path in a qcow2 overlay to where the same disk will be.
///
/// # Errors
/// When qemu-img fails.
pub(super) async fn name_base(overlay: &Path, base: &Path) -> Result<()> {
    let shown = overlay.to_string_lossy();
    let output =
        qemu_img(&["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", &base.to_string_lossy(), &shown]).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::infra(format!("cannot write the backing file's name into {shown}: {}", stderr(&output))))
}

/// Copies an empty overlay.
///
/// # Errors
/// When it cannot be read, or the copy cannot be written.
pub(super) fn copy_overlay(overlay: &Path, copy: &Path) -> Result<()> {
    std::fs::copy(overlay, copy)
        .map(|_| ())
        .context(|| format!("cannot copy {} to {}", overlay.display(), copy.display()))
}
