//! Where things are read from and written to: the resources folder, and where that is a lab's and cannot be written, a folder of the user's
//! own, which is looked into first.

use std::path::{Path, PathBuf};

use futon_host::machine::qemu::WarmStore;
use futon_host::resources::IMAGES;
use futon_host::{Error, Result};
use image_store::ImageStore;
use nix::unistd::{AccessFlags, access, getuid};

/// Names the user's own folder.
const VARIABLE: &str = "FUTON_DATA";

/// The folder that images, warm bases and checkpoints are written to.
///
/// # Errors
/// When the resources folder cannot be written, and nothing says where the user's own folder is.
pub fn own_folder(resources: &Path) -> Result<PathBuf> {
    if can_be_written(resources) {
        return Ok(resources.to_owned());
    }
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = given(VARIABLE)
        .or_else(|| given("XDG_DATA_HOME").map(|data| data.join("futon")))
        .or_else(|| given("HOME").or_else(home).map(|home| home.join(".local/share/futon")));
    own.ok_or_else(|| {
        Error::infra(format!(
            "{} cannot be written, and there is no home for a folder of your own",
            resources.display()
        ))
        .hint(format!("{VARIABLE}=DIR names a folder for images, warm bases and checkpoints"))
    })
}

/// Refuses to build resources into a folder that cannot be written.
///
/// # Errors
/// When it is one.
pub fn writable(resources: &Path) -> Result<()> {
    if can_be_written(resources) {
        return Ok(());
    }
    Err(Error::infra(format!("{} cannot be written", resources.display()))
        .hint("--resources DIR, or RESOURCES, names a folder of your own"))
}

/// One that is not there yet is the user's to make.
fn can_be_written(resources: &Path) -> bool {
    !resources.exists() || access(resources, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// The home that /etc/passwd gives this user. A static program has no other name service.
fn home() -> Option<PathBuf> {
    let (text, uid) = (std::fs::read_to_string("/etc/passwd").ok()?, getuid().to_string());
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields
        .filter(|fields| fields.get(2) == Some(&uid.as_str()))
        .find_map(|fields| fields.get(5).map(PathBuf::from));
    home.filter(|home| home.is_dir())
}

/// The resources folder, where it is another one than the user's own.
fn shared<'a>(resources: &'a Path, own: &Path) -> Option<&'a Path> {
    (own != resources).then_some(resources)
}

/// The image store.
///
/// # Errors
/// When a store cannot be opened.
pub fn store(resources: &Path) -> Result<ImageStore> {
    let own = own_folder(resources)?;
    Ok(match shared(resources, &own) {
        Some(shared) => ImageStore::open_over(own.join(IMAGES), shared.join(IMAGES))?,
        None => ImageStore::open(own.join(IMAGES))?,
    })
}

/// The warm bases.
///
/// # Errors
/// When there is no folder to keep them in.
pub fn warm_bases(resources: &Path) -> Result<WarmStore> {
    let own = own_folder(resources)?;
    Ok(match shared(resources, &own) {
        Some(shared) => WarmStore::of(&own).over(shared),
        None => WarmStore::of(&own),
    })
}

/// Folders of checkpoints: the one that is written to, and the lab's.
///
/// # Errors
/// When there is no folder to keep them in.
pub fn checkpoints(resources: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    const FOLDER: &str = "checkpoints";
    let own = own_folder(resources)?;
    Ok((own.join(FOLDER), shared(resources, &own).map(|shared| shared.join(FOLDER))))
}

/// The file that keeps what a probe for KVM has found.
///
/// # Errors
/// When the folder for it cannot be made.
pub fn probe_file(resources: &Path) -> Result<PathBuf> {
    let own = own_folder(resources)?;
    // Without it the probe is merely made again.
    let _ = std::fs::create_dir_all(&own);
    Ok(own.join(".kvm-probe.json"))
}
