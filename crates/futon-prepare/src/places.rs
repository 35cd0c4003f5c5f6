//! Where stores are: in the resources folder, and where that cannot be written in the user's own.

use std::path::{Path, PathBuf};

use futon_common::Result;
use futon_qemu::WarmStore;
use futon_resources::{Digests, FUTON_GUEST, IMAGES, TEST_CLIENT, can_be_written, folders, own_folder};
use futon_workdir::GuestTools;
use image_store::ImageStore;

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

/// The file with the KVM probe's result. If it cannot be written, the probe just runs again: no folder is made for it.
pub fn probe_file(resources: &Path) -> PathBuf {
    const FILE: &str = ".kvm-probe.json";
    let (own, shared) = folders(resources);
    let file = own.join(FILE);
    shared.filter(|_| !own.is_dir()).map_or(file, |shared| shared.join(FILE))
}

/// The guest tools in a resources folder.
pub fn tools(resources: &Path) -> GuestTools {
    GuestTools { futon_guest: resources.join(FUTON_GUEST), test_client: resources.join(TEST_CLIENT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_folder_is_made_for_a_probes_result() {
        let folder = tempfile::tempdir().unwrap();
        let resources = folder.path().join("none");
        assert_eq!(probe_file(&resources), resources.join(".kvm-probe.json"));
        assert!(!resources.exists());
    }
}
