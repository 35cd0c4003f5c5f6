//! Where things are read from and written to: the resources folder, and where that is a lab's and cannot be written, a folder of the user's
//! own, which is looked into first.

use std::path::{Path, PathBuf};

use futon_common::{Error, Result, installed_root};
use futon_qemu::WarmStore;
use futon_resources::{Digests, IMAGES};
use image_store::ImageStore;
use nix::unistd::{AccessFlags, access, getuid};

/// Names the user's own folder.
const VARIABLE: &str = "FUTON_DATA";

/// The folder that images, warm bases and checkpoints are written to.
///
/// # Errors
/// When neither the resources folder nor the user's own can be written.
pub fn own_folder(resources: &Path) -> Result<PathBuf> {
    if can_be_written(resources) {
        return Ok(resources.to_owned());
    }
    let refused = |why: String| {
        Error::infra(format!("{} cannot be written, and {why}", resources.display()))
            .hint(format!("set {VARIABLE}=DIR to a folder for images, warm bases and checkpoints"))
    };
    match users_folder() {
        None => Err(refused("there is no home directory for your own folder".into())),
        Some(own) if can_be_made(&own) => Ok(own),
        Some(own) => Err(refused(format!("neither can {}", own.display()))),
    }
}

/// The default for resources: `resources` here, and for an installed futon the user's own folder.
pub fn default_resources() -> PathBuf {
    let here = PathBuf::from("resources");
    if installed_root().is_none() || here.join("manifest.json").is_file() {
        return here;
    }
    users_folder().unwrap_or(here)
}

/// The user's own folder, whether or not it is there.
fn users_folder() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given(VARIABLE)
        .or_else(|| given("XDG_DATA_HOME").map(|data| data.join("futon")))
        .or_else(|| given("HOME").or_else(home).map(|home| home.join(".local/share/futon")))
}

/// The folders to look into: the first, which is written to where it can be, and where that is the user's own the resources, which are only
/// read.
fn folders(resources: &Path) -> (PathBuf, Option<PathBuf>) {
    let own = || users_folder().filter(|own| own.is_dir() || can_be_made(own));
    match if can_be_written(resources) { None } else { own() } {
        Some(own) => (own, Some(resources.to_owned())),
        None => (resources.to_owned(), None),
    }
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
        .hint("choose your own folder with --resources DIR or RESOURCES"))
}

/// One that is not there yet is the user's to make.
fn can_be_written(resources: &Path) -> bool {
    !resources.exists() || access(resources, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// Whether a folder can be written, or made if it does not exist.
fn can_be_made(folder: &Path) -> bool {
    let there = folder.ancestors().find(|folder| folder.exists());
    there.is_some_and(|there| there.is_dir() && access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_ok())
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

/// The image store, to look into. Nothing is made by looking: a user without a folder of their own sees the lab's images.
///
/// # Errors
/// When a store cannot be read.
pub fn store(resources: &Path) -> Result<ImageStore> {
    let (own, shared) = folders(resources);
    Ok(match shared {
        Some(shared) => ImageStore::open_over(own.join(IMAGES), shared.join(IMAGES))?,
        None if can_be_written(resources) => ImageStore::open(own.join(IMAGES))?,
        None => ImageStore::open_read_only(own.join(IMAGES))?,
    })
}

/// The image store, to add images to.
///
/// # Errors
/// When it cannot be read, or there is no folder to keep images in.
pub fn store_to_add_to(resources: &Path) -> Result<ImageStore> {
    own_folder(resources)?;
    store(resources)
}

/// The warm bases, to look for one. To make one, call [`own_folder`] first.
pub fn warm_bases(resources: &Path) -> WarmStore {
    let (own, shared) = folders(resources);
    match shared {
        Some(shared) => WarmStore::of(&own).over(&shared),
        None => WarmStore::of(&own),
    }
}

/// Folders of checkpoints: the one that is written to, and the lab's.
///
/// # Errors
/// When there is no folder to keep them in.
pub fn checkpoints(resources: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    const FOLDER: &str = "checkpoints";
    own_folder(resources)?;
    let (own, shared) = folders(resources);
    Ok((own.join(FOLDER), shared.map(|shared| shared.join(FOLDER))))
}

/// Folders of descriptions: the writable one, and the shared one.
pub fn descriptions(resources: &Path) -> (PathBuf, Option<PathBuf>) {
    const FOLDER: &str = "described";
    let (own, shared) = folders(resources);
    (own.join(FOLDER), shared.map(|shared| shared.join(FOLDER)))
}

/// Digests of files, kept where there is room for them.
///
/// # Errors
/// When the resources' manifest cannot be read.
pub fn digests(resources: &Path) -> Result<Digests> {
    Digests::open(resources, &folders(resources).0)
}

/// The file with the KVM probe's result. If it cannot be written, the probe just runs again.
pub fn probe_file(resources: &Path) -> PathBuf {
    const FILE: &str = ".kvm-probe.json";
    let (own, shared) = folders(resources);
    let _ = std::fs::create_dir_all(&own);
    let file = own.join(FILE);
    shared.filter(|_| !own.is_dir()).map_or(file, |shared| shared.join(FILE))
}
