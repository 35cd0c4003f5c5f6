//! The disk, its partitions, and which of them holds the root.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ext4_view::{Ext4, Ext4Error, Ext4Read};
use futon_common::{Context, Result};
use futon_machine::Tool;
use futon_qemu::{Whose, copy_raw, image_format};

use super::tree::Tree;
use crate::{Finding, missing, note};

/// Limit of tools that read a partition table, or a few blocks.
const LIMIT: Duration = Duration::from_secs(30);
/// Unit of partition tables, bytes.
const SECTOR: u64 = 512;

/// A disk as a raw file.
pub(super) struct Disk {
    raw: PathBuf,
    /// Holds the copy of an image that is not raw.
    _copy: Option<tempfile::TempDir>,
}

/// Where a file system begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the partition; none for the whole disk.
    pub(super) partition: Option<u32>,
    /// First byte.
    pub(super) start: u64,
}

/// The root, or why it is not looked into.
pub(super) enum Root {
    /// It is there.
    Found {
        /// What it holds.
        tree: Box<Tree>,
        /// Where it lies.
        place: Place,
    },
    /// It is not read.
    NotRead(Finding),
}

/// Opens the disk; copies it if it is not raw.
pub(super) async fn open(image: &Path, folder: &Path) -> Result<Disk> {
    if image_format(image, Whose::Users).await? == "raw" {
        return Ok(Disk { raw: image.to_owned(), _copy: None });
    }
    // Beside the resources there is room for disks; a temporary folder may lie in memory.
    let near = tempfile::Builder::new().prefix(".doctor-").tempdir_in(folder);
    let copy =
        near.or_else(|_| tempfile::tempdir()).context(|| "cannot make a folder for a copy of the image".into())?;
    let raw = copy.path().join("disk.raw");
    copy_raw(image, &raw).await?;
    Ok(Disk { raw, _copy: Some(copy) })
}

impl Disk {
    /// The file system that holds the root: the one that the caller names, else the first with a system in it.
    pub(super) async fn root(&self, wanted: Option<&str>) -> Result<Root> {
        let mut places = vec![Place { partition: None, start: 0 }];
        places.extend(self.partitions().await?);
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for place in places {
            match self.load(&place) {
                Ok(files) => found.push((Tree::new(files), place)),
                Err(error) => others.push((place, error)),
            }
        }
        let named = |(tree, place): &(Tree, Place)| {
            wanted.is_some_and(
                |root| if root.starts_with("/dev/") { place.is_meant_by(root) } else { tree.has_name(root) },
            )
        };
        let at = found.iter().position(named).or_else(|| found.iter().position(|(tree, _)| tree.is_root()));
        if let Some(at) = at {
            let (tree, place) = found.swap_remove(at);
            return Ok(Root::Found { tree: Box::new(tree), place });
        }
        for (place, error) in others {
            let kind = self.kind(&place).await?;
            if let Ext4Error::Incompatible(feature) = error {
                return Ok(Root::NotRead(note("root", format!("{place}, with what futon does not read: {feature}"))));
            }
            if matches!(&*kind, "xfs" | "btrfs" | "f2fs" | "erofs" | "squashfs" | "LVM2_member" | "crypto_LUKS") {
                let place = place.partition.map_or_else(|| "the disk".into(), |number| format!("partition {number}"));
                let why =
                    format!("{place} is {kind}; futon looks only into ext4. `futon shell` shows whether it boots");
                return Ok(Root::NotRead(note("root", why)));
            }
        }
        Ok(Root::NotRead(missing(
            "root",
            "no ext4 file system with a system in it, on the whole disk or in a partition",
        )))
    }

    fn load(&self, place: &Place) -> std::result::Result<Ext4, Ext4Error> {
        let file = File::open(&self.raw).map_err(|e| Ext4Error::Io(Box::new(e)))?;
        Ext4::load(Box::new(Part { file, start: place.start }))
    }

    async fn partitions(&self) -> Result<Vec<Place>> {
        let partx = Tool { name: "partx", package: "util-linux", limit: LIMIT, environment: &[] };
        let raw = self.raw.to_string_lossy();
        // A disk without a partition table fails, and has none.
        let output = partx.output(&["--show", "--noheadings", "--output", "NR,START", &raw]).await?;
        let place = |line: &str| {
            let (number, start) = line.trim().split_once(' ')?;
            let start = start.trim().parse::<u64>().ok()?.checked_mul(SECTOR)?;
            Some(Place { partition: Some(number.parse().ok()?), start })
        };
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(place).collect())
    }

    /// What blkid calls what lies there; nothing if it knows no name.
    async fn kind(&self, place: &Place) -> Result<String> {
        let blkid = Tool { name: "blkid", package: "util-linux", limit: LIMIT, environment: &[] };
        let (start, raw) = (place.start.to_string(), self.raw.to_string_lossy());
        let words = ["--probe", "--offset", &start, "--output", "value", "--match-tag", "TYPE", &raw];
        let output = blkid.output(&words).await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Place {
    /// Its device in a guest of QEMU's.
    pub(super) fn device(&self) -> String {
        self.partition.map_or_else(|| "/dev/vda".to_owned(), |number| format!("/dev/vda{number}"))
    }

    /// Whether a device means it, whatever kind of disk that is.
    pub(super) fn is_meant_by(&self, device: &str) -> bool {
        let name = device.trim_start_matches("/dev/");
        let number = match name.strip_prefix("pmem").or_else(|| name.strip_prefix("nvme")) {
            // Digits belong to these disks' own names.
            Some(rest) => rest.split_once('p').map(|(_, number)| number),
            None => Some(name.trim_start_matches(|c: char| !c.is_ascii_digit())),
        };
        number.and_then(|digits| digits.parse::<u32>().ok()) == self.partition
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(number) => write!(f, "ext4 in partition {number}"),
            None => write!(f, "ext4 on the whole disk"),
        }
    }
}

/// A file from `start` on.
struct Part {
    file: File,
    start: u64,
}

impl Ext4Read for Part {
    fn read(
        &mut self,
        from: u64,
        into: &mut [u8],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync + 'static>> {
        Ok(self.file.read_exact_at(into, self.start.saturating_add(from))?)
    }
}
