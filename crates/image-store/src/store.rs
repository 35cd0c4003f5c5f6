//! The store itself: opening, adding, looking up, removing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futon_model::{Amd64Level, Digest, ImageReference};

use super::blobs::{Staging, blob_folder, blob_path, is_present};
use super::choice::candidates;
use super::import::USUAL;
use super::layout::is_index;
use super::lock::lock_store;
use super::manifest::{Descriptor, Document};
use super::names::{Names, StoredImage, key};
use super::platform::Platform;
use super::registry::{self, RegistryOptions};
use super::source::{Folder, Source, Tar};
use super::{StoreError, archive, layout};

/// How often an add is tried again when a removal took blobs that it relied on.
const TRIES: usize = 3;

/// A folder of function images. Cheap to share between threads; safe between processes.
///
/// All methods block: call them from a blocking thread.
#[derive(Debug)]
pub struct ImageStore {
    folder: PathBuf,
    level: Amd64Level,
    /// A second, read-only store: images that this one lacks are looked up there.
    shared: Option<Box<ImageStore>>,
    read_only: bool,
    cache: Mutex<Option<(Stamp, Arc<Names>)>>,
}

/// Identifies a state of the names file, which is always replaced, never written in place.
type Stamp = (u64, u64, SystemTime);

/// An image that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// The image as it is now stored.
    pub image: StoredImage,
    /// The name's previous manifest, if it was different.
    pub replaced: Option<Digest>,
    /// Bytes that the store did not have before; counted once for all images of one add.
    pub new_bytes: u64,
}

/// What a removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whether the name existed.
    pub found: bool,
    /// Number of unused blobs that were removed.
    pub blobs: usize,
    /// Their size, bytes.
    pub bytes: u64,
}

impl ImageStore {
    /// Opens the store at `folder`. If the folder does not exist, adding the first image creates it.
    ///
    /// # Errors
    /// Its names file cannot be read, or is not futon's.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store =
            Self { folder: folder.into(), level: USUAL, shared: None, read_only: false, cache: Mutex::new(None) };
        store.names()?;
        Ok(store)
    }

    /// Opens the store at `folder` read-only.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_read_only(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self { read_only: true, ..Self::open(folder)? })
    }

    /// Opens the store at `folder` over a read-only one, for instance shared by a lab: images are looked up in the first, then in the
    /// other; adding and removing changes only the first.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_over(folder: impl Into<PathBuf>, shared: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self { shared: Some(Box::new(Self::open_read_only(shared)?)), ..Self::open(folder)? })
    }

    /// The store for a machine with a processor of this level: an index gives the image that an engine would choose there.
    #[must_use]
    pub fn for_processor(mut self, level: Amd64Level) -> Self {
        self.level = level;
        self.shared = self.shared.map(|shared| Box::new(shared.for_processor(level)));
        self
    }

    /// Level of the processor that images are looked up for; default x86-64-v3, that of QEMU's TCG.
    #[must_use]
    pub fn level(&self) -> Amd64Level {
        self.level
    }

    /// The store's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a blob, whether or not it exists.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let own = blob_path(&self.folder, digest);
        match &self.shared {
            Some(shared) if !own.exists() => Some(shared.blob_path(digest)).filter(|path| path.exists()).unwrap_or(own),
            _ => own,
        }
    }

    /// Adds the image of an OCI layout folder under `name`.
    ///
    /// # Errors
    /// The folder holds no usable linux/amd64 image, or a digest is wrong.
    pub fn add_oci_layout(&self, layout_folder: &Path, name: &ImageReference) -> Result<Added, StoreError> {
        only(self.add_layout(layout_folder, Some(name))?)
    }

    /// Adds all images of an OCI layout folder under the names that it gives them.
    ///
    /// # Errors
    /// No image in it has a name; or as for [`Self::add_oci_layout`].
    pub fn add_named_oci_layout(&self, layout_folder: &Path) -> Result<Vec<Added>, StoreError> {
        self.add_layout(layout_folder, None)
    }

    fn add_layout(&self, layout_folder: &Path, name: Option<&ImageReference>) -> Result<Vec<Added>, StoreError> {
        let source = Folder(layout_folder.to_owned());
        self.add(|staging, now| {
            let entries = layout::entries(&source)?.ok_or_else(|| {
                let why = "no index.json in it: not an OCI layout (hint: make one with buildah push … oci:FOLDER)";
                StoreError::not_an_image(source.describe(), why)
            })?;
            layout::stage(&source, &entries, staging, name, &now)
        })
    }

    /// Adds an image of another store under the name that it has there.
    ///
    /// # Errors
    /// The other store has no such image, or its content is damaged.
    pub fn adopt(&self, other: &Self, reference: &ImageReference) -> Result<Added, StoreError> {
        let what = || format!("{reference} in {}", other.folder.display());
        let image =
            other.resolve(reference)?.ok_or_else(|| StoreError::not_an_image(what(), "no image of that name"))?;
        let added = self.add(|staging, _now| {
            for blob in image.descriptors() {
                let path = other.blob_path(&blob.digest);
                let open = || Ok(Box::new(File::open(&path).map_err(StoreError::io("read", &path))?) as Box<dyn Read>);
                staging.add(&what(), blob, open)?;
            }
            Ok(vec![image.clone()])
        })?;
        only(added)
    }

    /// Adds the images of a `docker save` archive (old or OCI form) or an OCI archive, compressed or not:
    /// the one meant by `name`, or all under the names they carry.
    ///
    /// # Errors
    /// The archive holds no usable linux/amd64 image, carries no name where none is given, or a digest is wrong.
    pub fn add_docker_archive(&self, tar: &Path, name: Option<&ImageReference>) -> Result<Vec<Added>, StoreError> {
        self.add(|staging, now| archive::stage(&Tar::open(tar, staging.folder())?, staging, name, &now))
    }

    /// Fetches an image from its registry with skopeo and adds it under `name`, else under the name as written.
    /// Each line of skopeo's progress goes to `progress`.
    ///
    /// # Errors
    /// skopeo is missing, the registry refuses or cannot be reached, or has no linux/amd64 image.
    pub fn add_registry(
        &self,
        reference: &ImageReference,
        name: Option<&ImageReference>,
        options: &RegistryOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Added, StoreError> {
        let pulled = Staging::new(&self.folder)?;
        let fetched = registry::fetch(reference, options, pulled.folder(), progress)?;
        let added = self.add(|staging, now| {
            let mut image = fetched.import().stage(staging, name.unwrap_or(reference), now)?;
            image.source = format!("docker://{reference}");
            Ok(vec![image])
        })?;
        only(added)
    }

    /// The image that a name means: by tag, or by digest where the name carries one.
    ///
    /// # Errors
    /// The names file cannot be read, or the image has nothing for the processor.
    pub fn resolve(&self, reference: &ImageReference) -> Result<Option<StoredImage>, StoreError> {
        let Some(image) = self.names()?.resolve(reference) else {
            return self.shared.as_ref().map_or(Ok(None), |shared| shared.resolve(reference));
        };
        if let (Some(digest), Some(index)) = (reference.digest(), &image.index)
            && *digest == index.digest
        {
            self.require_choice(reference, &image, index)?;
        }
        let fitting = image.at(self.level);
        let refused = || StoreError::Processor {
            what: reference.to_string(),
            level: self.level,
            offered: image.platforms().join(", "),
        };
        fitting.map(Some).ok_or_else(refused)
    }

    /// Given an index's digest, an engine chooses itself: its choice must be in the store.
    fn require_choice(
        &self,
        reference: &ImageReference,
        image: &StoredImage,
        index: &Descriptor,
    ) -> Result<(), StoreError> {
        let path = blob_path(&self.folder, &index.digest);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let Document::Index { entries, .. } = Document::parse(&reference.to_string(), &bytes)? else { return Ok(()) };
        // Nested indexes were checked when they were added.
        let chosen = candidates(&reference.to_string(), &entries, self.level).ok();
        let Some(chosen) = chosen.as_ref().and_then(|found| found.first()).filter(|entry| !is_index(&entry.media_type))
        else {
            return Ok(());
        };
        if image.documents().any(|known| known.digest == chosen.digest) {
            return Ok(());
        }
        let platform = chosen.platform.as_ref().map_or_else(|| "no platform".to_owned(), Platform::to_string);
        Err(StoreError::Missing {
            what: reference.to_string(),
            blob: format!(
                "the image for {platform}, which an engine chooses for this digest on a processor with {},",
                self.level
            ),
            again: "use its tag instead, or add it with all its platforms",
        })
    }

    /// The folder of the read-only store, if it has a name.
    ///
    /// # Errors
    /// The names file cannot be read.
    pub fn kept_by_others(&self, reference: &ImageReference) -> Result<Option<&Path>, StoreError> {
        let read_only = if self.read_only { Some(self) } else { self.shared.as_deref() };
        let Some(read_only) = read_only else { return Ok(None) };
        Ok(read_only.names()?.resolve(reference).map(|_| read_only.folder()))
    }

    /// Whether a name is in the writable store.
    ///
    /// # Errors
    /// The names file cannot be read.
    pub fn is_own(&self, reference: &ImageReference) -> Result<bool, StoreError> {
        Ok(!self.read_only && self.names()?.resolve(reference).is_some())
    }

    /// Names in the store that are similar to this one, the likeliest first.
    ///
    /// # Errors
    /// The names file cannot be read.
    pub fn near(&self, reference: &ImageReference) -> Result<Vec<String>, StoreError> {
        let mut near = self.names()?.near(reference);
        let more = self.shared.as_ref().map(|shared| shared.near(reference)).transpose()?;
        near.extend(more.into_iter().flatten());
        Ok(near)
    }

    /// Removes blobs that no image refers to; blobs that another process is adding are safe.
    ///
    /// # Errors
    /// The store cannot be locked or changed.
    pub fn prune(&self) -> Result<Removed, StoreError> {
        if !self.has_own() {
            return Ok(Removed { found: false, blobs: 0, bytes: 0 });
        }
        // This also removes leftovers of killed adds.
        drop(Staging::new(&self.folder)?);
        let _lock = lock_store(&self.folder)?;
        let names = Names::read(&self.names_path())?;
        self.collect_garbage(&names, true)
    }

    /// All images, sorted by canonical name.
    ///
    /// # Errors
    /// The names file cannot be read.
    pub fn list(&self) -> Result<Vec<StoredImage>, StoreError> {
        let own = self.names()?;
        let Some(shared) = &self.shared else { return Ok(own.images.values().cloned().collect()) };
        let mut all = shared.names()?.images.clone();
        all.extend(own.images.clone());
        Ok(all.into_values().collect())
    }

    /// The images of a name's registry and repository, whatever their tags.
    ///
    /// # Errors
    /// The names file cannot be read.
    pub fn of_repository(&self, reference: &ImageReference) -> Result<Vec<StoredImage>, StoreError> {
        Ok(self.list()?.into_iter().filter(|image| image.is_of(reference)).collect())
    }

    /// Removes a name, and the blobs that no other image refers to. An image of the shared store is not found.
    ///
    /// # Errors
    /// The store cannot be locked or changed.
    pub fn remove(&self, reference: &ImageReference) -> Result<Removed, StoreError> {
        if !self.has_own() {
            return Ok(Removed { found: false, blobs: 0, bytes: 0 });
        }
        let _lock = lock_store(&self.folder)?;
        let mut names = Names::read(&self.names_path())?;
        let found =
            names.resolve(reference).map(|i| key(&i.reference)).is_some_and(|k| names.images.remove(&k).is_some());
        if found {
            names.write(&self.names_path())?;
        }
        self.collect_garbage(&names, found)
    }

    /// The state of the names file, read again only when it changed.
    pub(super) fn names(&self) -> Result<Arc<Names>, StoreError> {
        let path = self.names_path();
        let stamp = match fs::metadata(&path) {
            Ok(m) => (std::os::unix::fs::MetadataExt::ino(&m), m.len(), m.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(e) => return Err(StoreError::io("read", &path)(e)),
        };
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((known, names)) = &*cache
            && *known == stamp
        {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(Names::read(&path)?);
        *cache = Some((stamp, Arc::clone(&names)));
        Ok(names)
    }

    /// Whether there is a folder of its own to remove something from.
    fn has_own(&self) -> bool {
        !self.read_only && self.folder.exists()
    }

    fn names_path(&self) -> PathBuf {
        self.folder.join("names.json")
    }

    /// Stages images, then makes them visible in one step under the lock.
    fn add(
        &self,
        mut stage: impl FnMut(&mut Staging, String) -> Result<Vec<StoredImage>, StoreError>,
    ) -> Result<Vec<Added>, StoreError> {
        if self.read_only {
            let refused = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
            return Err(StoreError::io("write to", &self.folder)(refused));
        }
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        for _ in 0..TRIES {
            let mut staging = Staging::new(&self.folder)?;
            let images = stage(&mut staging, now.clone())?;
            images.iter().try_for_each(has_its_digest)?;
            let _lock = lock_store(&self.folder)?;
            let new_bytes = staging.commit()?;
            let whole = |image: &StoredImage| image.descriptors().all(|d| is_present(&self.folder, d));
            if !images.iter().all(whole) {
                // Another process removed blobs that were there when this add looked.
                continue;
            }
            let mut names = Names::read(&self.names_path())?;
            let mut added = Vec::new();
            for image in images {
                let before = names.images.insert(key(&image.reference), image.clone());
                let replaced = before.map(|b| b.manifest.digest).filter(|d| *d != image.manifest.digest);
                added.push(Added { image, replaced, new_bytes });
            }
            names.write(&self.names_path())?;
            return Ok(added);
        }
        Err(StoreError::Changed { path: self.folder.clone() })
    }

    fn collect_garbage(&self, names: &Names, found: bool) -> Result<Removed, StoreError> {
        let used: BTreeSet<&str> =
            names.images.values().flat_map(StoredImage::descriptors).map(|d| d.digest.hex()).collect();
        let folder = blob_folder(&self.folder);
        let mut removed = Removed { found, blobs: 0, bytes: 0 };
        let entries = match fs::read_dir(&folder) {
            // Nothing was added yet.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(removed),
            entries => entries.map_err(StoreError::io("read", &folder))?,
        };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| used.contains(name)) {
                continue;
            }
            let size = entry.metadata().map_or(0, |m| m.len());
            fs::remove_file(entry.path()).map_err(StoreError::io("remove", &entry.path()))?;
            removed.blobs += 1;
            removed.bytes += size;
        }
        Ok(removed)
    }
}

/// A digest in an image's name must be the image's own, else it could not be found by that name.
fn has_its_digest(image: &StoredImage) -> Result<(), StoreError> {
    match image.reference.digest() {
        Some(named) if image.pinned(named).is_none() => Err(StoreError::not_an_image(
            image.reference.to_string(),
            format!(
                "the image's digest is {}, not the one in its name (hint: leave the digest out of the name)",
                image.manifest.digest
            ),
        )),
        _ => Ok(()),
    }
}

fn only(mut added: Vec<Added>) -> Result<Added, StoreError> {
    added.pop().ok_or_else(|| StoreError::not_an_image("the add", "brought no image"))
}
