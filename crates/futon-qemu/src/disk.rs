//! Disks: an overlay for each run, made by qemu-img.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use futon_common::{Context, Error, Result};
use futon_machine::Tool;

/// Limit of one qemu-img call.
const LIMIT: Duration = Duration::from_secs(30);

/// Limit of one that copies a disk.
const COPY_LIMIT: Duration = Duration::from_secs(900);

/// Whose a base image is: that decides what helps when it is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Futon's: it lies among the resources, or was made from them.
    Futons,
    /// The user named it.
    Users,
}

impl Whose {
    fn refuse(self, why: String) -> Error {
        match self {
            Self::Futons => Error::infra(why)
                .hint("`futon resources build --force` makes it again; `futon resources verify` checks all hashes"),
            Self::Users => Error::usage(why).hint("check the file's permissions, or name another one"),
        }
    }
}

async fn qemu_img(args: &[&str]) -> Result<Output> {
    qemu_img_within(LIMIT, args).await
}

async fn qemu_img_within(limit: Duration, args: &[&str]) -> Result<Output> {
    Tool { name: "qemu-img", package: "qemu-utils", limit, environment: &[] }.output(args).await
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Copies a raw disk into a compressed qcow2 image, which holds nothing of its holes.
///
/// # Errors
/// When it cannot be read, or there is no room.
pub async fn pack_disk(disk: &Path, image: &Path) -> Result<()> {
    convert(disk, image, &["-c", "-o", "compression_type=zstd", "-f", "raw", "-O", "qcow2"]).await
}

/// Copies a disk image of any format into a raw file, sparse.
///
/// # Errors
/// When it cannot be read, or there is no room.
pub async fn copy_raw(image: &Path, raw: &Path) -> Result<()> {
    convert(image, raw, &["-O", "raw"]).await
}

/// Makes the raw disk again that [`pack_disk`] has packed. An image with a backing file is refused: it would read a file of this host.
///
/// # Errors
/// When the image is damaged, or there is no room.
pub async fn unpack_disk(image: &Path, disk: &Path) -> Result<()> {
    let output = qemu_img(&["info", "--output=json", "-f", "qcow2", &image.to_string_lossy()]).await?;
    let info: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let plain = info.get("backing-filename").is_none()
        && info.pointer("/format-specific/data/data-file").is_none()
        && info.get("format").is_some();
    if !output.status.success() || !plain {
        return Err(
            Error::usage(format!("{} is not a disk that a job may have", image.display())).hint("make the job again")
        );
    }
    convert(image, disk, &["-f", "qcow2", "-O", "raw"]).await
}

async fn convert(from: &Path, to: &Path, how: &[&str]) -> Result<()> {
    let (source, target) = (from.to_string_lossy(), to.to_string_lossy());
    let args = [&["convert"], how, &[&*source, &*target]].concat();
    let output = qemu_img_within(COPY_LIMIT, &args).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::infra(format!("cannot copy the disk {source}: {}", stderr(&output)))
        .hint("is there room for it on that file system?"))
}

/// Format of a disk image (`raw`, `qcow2`, …).
///
/// # Errors
/// When the image is missing, or qemu-img finds it damaged.
pub async fn probe_image(image: &Path, whose: Whose) -> Result<String> {
    let format = image_format(image, whose).await?;
    if format == "raw" && !looks_like_a_disk(image) {
        return Err(whose.refuse(format!(
            "base image damaged: {} has neither a partition table nor a file system",
            image.display()
        )));
    }
    Ok(format)
}

/// Format of a disk image, whatever it holds; everything that qemu-img does not know is `raw`.
///
/// # Errors
/// When the image is missing, or qemu-img finds it damaged.
pub async fn image_format(image: &Path, whose: Whose) -> Result<String> {
    let shown = image.display();
    let metadata = std::fs::metadata(image).map_err(|e| {
        Error::infra(format!("base image missing: {shown}"))
            .caused_by(e)
            .hint("`futon resources build` makes one, or give yours with --base-image")
    })?;
    if metadata.len() == 0 {
        return Err(whose.refuse(format!("base image is empty: {shown}")));
    }
    if metadata.is_file() {
        std::fs::File::open(image)
            .map_err(|e| whose.refuse(format!("cannot read the base image {shown}")).caused_by(e))?;
    }
    let output = qemu_img(&["info", "--output=json", &image.to_string_lossy()]).await?;
    if !output.status.success() {
        return Err(whose.refuse(format!("base image damaged: {shown}: {}", stderr(&output))));
    }
    let info: Value = serde_json::from_slice(&output.stdout).context(|| format!("qemu-img info {shown}"))?;
    let format = info
        .get("format")
        .and_then(Value::as_str)
        .ok_or_else(|| Error::infra(format!("qemu-img reports no format for {shown}")))?;
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
pub async fn make_overlay(base: &Path, whose: Whose, overlay: &Path) -> Result<()> {
    let format = probe_image(base, whose).await?;
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

#[cfg(test)]
mod tests {
    use futon_model::ExitCode;

    use super::*;

    #[tokio::test]
    async fn whose_image_it_is_decides_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("empty.raw");
        std::fs::write(&image, "").unwrap();
        for (whose, code, help) in [
            (Whose::Futons, ExitCode::Infra, "futon resources build --force"),
            (Whose::Users, ExitCode::Usage, "name another one"),
        ] {
            let error = probe_image(&image, whose).await.unwrap_err();
            assert_eq!(error.exit_code(), code);
            assert!(error.hint_text().is_some_and(|hint| hint.contains(help)), "{error}");
        }
    }
}
