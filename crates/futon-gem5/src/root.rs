//! The root of a base image, as it lies in the memory of a staging machine: gem5's side has no disk, and a kernel takes such memory for one.
//!
//! A base image is a large, mostly empty ext4 file system. A copy of it is made small, with some room, and loses its journal, which nothing
//! would ever replay. Its files stay as they are. The copy is kept by what the image holds.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futon_common::{Context, Error, Result, sha256_bytes, sha256_of_data};
use futon_machine::Tool;
use futon_qemu::copy_raw;
use tokio::task::spawn_blocking;

/// Room for images and containers beside the files of the base, MiB.
const ROOM: u64 = 768;
/// Changes when roots are made in another way.
const FORM: &str = "1";
/// Limit of each of e2fsprogs' tools.
const LIMIT: Duration = Duration::from_secs(300);
/// How many are kept: those used last.
const KEPT: usize = 2;
/// The kernel maps such memory in pieces of this size.
const ALIGN: u64 = 2 << 20;
/// Where and how ext4 says that it is there, and how large it is (`struct ext4_super_block`).
const SUPERBLOCK: u64 = 1024;
const MAGIC: (usize, [u8; 2]) = (56, [0x53, 0xEF]);
/// Makes what these tools write independent of the hour.
const HOUR: (&str, &str) = ("E2FSPROGS_FAKE_TIME", "1767225600");

/// A root that lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRoot {
    /// The file system, as a file.
    pub path: PathBuf,
    /// Name of its content.
    pub key: String,
    /// Its size, MiB.
    pub mib: u32,
}

/// The root of a base image, from `folder` where it was made before.
///
/// # Errors
/// When the image is not an ext4 file system on a whole disk, or cannot be made small.
pub async fn memory_root(image: &Path, folder: &Path) -> Result<MemoryRoot> {
    let (hashed, shown) = (image.to_owned(), image.display().to_string());
    let content = spawn_blocking(move || sha256_of_data(&hashed));
    let content = content.await.context(|| format!("reading {shown} was interrupted"))??;
    let key = sha256_bytes(format!("{FORM} {ROOM} {content}"))[..24].to_owned();
    fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
    // Somebody else may be making it: worth waiting for.
    let locked = folder.join("lock");
    let lock = spawn_blocking(move || -> io::Result<File> {
        let file = File::create(&locked)?;
        file.lock()?;
        Ok(file)
    });
    let _lock = lock
        .await
        .context(|| "waiting for the root was interrupted".into())?
        .context(|| folder.display().to_string())?;
    let path = folder.join(format!("{key}.img"));
    if !path.is_file() {
        make(image, &path).await?;
    }
    // For the order in which they are kept.
    let used = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
    used.context(|| format!("cannot use {}", path.display()))?;
    prune(folder, &path);
    let length = fs::metadata(&path).context(|| path.display().to_string())?.len();
    let mib = u32::try_from(length >> 20).context(|| path.display().to_string())?;
    Ok(MemoryRoot { path, key, mib })
}

async fn make(image: &Path, target: &Path) -> Result<()> {
    let part = target.with_extension("part");
    let _ = fs::remove_file(&part);
    let made = shrink(image, &part).await;
    if let Err(error) = made {
        let _ = fs::remove_file(&part);
        return Err(error.hint(
            "with --boot-machine gem5 the image is used as it is, and boots in gem5: hours without KVM; docs/base-images.md says what an image needs",
        ));
    }
    fs::rename(&part, target).context(|| format!("cannot write {}", target.display()))
}

async fn shrink(image: &Path, part: &Path) -> Result<()> {
    let (from, file) = (image.display().to_string(), part.display().to_string());
    copy_raw(image, part).await?;
    size_of(part)
        .map_err(|why| Error::usage(format!("{from} cannot be the root in a staging machine's memory: {why}")))?;
    tool("e2fsck").run(&["-fy", &file], &[0, 1]).await?;
    tool("tune2fs").run(&["-O", "^has_journal", &file], &[0]).await?;
    tool("resize2fs").run(&["-M", &file], &[0]).await?;
    let least = size_of(part).map_err(Error::infra)?;
    let wanted = (least + (ROOM << 20)).next_multiple_of(ALIGN);
    let raw = File::options().write(true).open(part).context(|| file.clone())?;
    raw.set_len(wanted).context(|| format!("cannot write {file}"))?;
    tool("resize2fs").run(&[&file, &format!("{}K", wanted >> 10)], &[0]).await?;
    raw.set_len(wanted).context(|| format!("cannot write {file}"))
}

fn tool(name: &str) -> Tool<'_> {
    Tool { name, package: "e2fsprogs", limit: LIMIT, environment: &[HOUR] }
}

/// Size of an ext4 file system, bytes; else what the file is.
fn size_of(file: &Path) -> std::result::Result<u64, String> {
    let mut block = [0; 512];
    let read = File::open(file).and_then(|file| file.read_exact_at(&mut block, SUPERBLOCK));
    read.map_err(|e| e.to_string())?;
    let number = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    if block[MAGIC.0..MAGIC.0 + 2] != MAGIC.1 {
        return Err("it is no ext4 file system on a whole disk (a partition table, or another file system)".to_owned());
    }
    let blocks = u64::from(number(4)) | u64::from(number(0x150)) << 32;
    // No more than the format allows.
    Ok(blocks << (10 + number(24).min(6)))
}

/// Removes those that were not used for the longest time.
fn prune(folder: &Path, used: &Path) {
    let of = |entry: fs::DirEntry| {
        let path = entry.path();
        let known = path.extension().is_some_and(|extension| extension == "img") && path != used;
        known.then(|| Some((entry.metadata().ok()?.modified().ok()?, path)))?
    };
    let mut others: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(of).collect();
    others.sort();
    for (_, path) in others.iter().rev().skip(KEPT - 1) {
        // What cannot be removed is tried again the next time.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command as Plain;

    use super::*;

    fn disk(folder: &Path, file: &str) -> PathBuf {
        let (tree, image) = (folder.join("tree"), folder.join(file));
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("hello"), "world").unwrap();
        let path = "/usr/bin:/bin:/usr/sbin:/sbin";
        let made = Plain::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&tree, &image])
            .arg("300M")
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        image
    }

    #[tokio::test]
    async fn a_small_copy_has_the_files_some_room_and_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let image = disk(folder.path(), "disk.img");
        let roots = folder.path().join("roots");
        let root = memory_root(&image, &roots).await.unwrap();
        let mib = u64::from(root.mib);
        assert!(mib > ROOM && mib < ROOM + 40 && mib % 2 == 0, "{root:?}");
        assert_eq!(size_of(&root.path).unwrap(), mib << 20);
        let about = |what: &str| {
            let output = Plain::new("/usr/sbin/debugfs").args(["-R", what]).arg(&root.path).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(about("cat hello"), "world");
        assert!(!about("features").contains("has_journal"));
        assert_eq!(memory_root(&image, &roots).await.unwrap(), root, "it is found again");
        let made = fs::metadata(&root.path).unwrap().len();
        assert_eq!(made, mib << 20);
    }

    #[tokio::test]
    async fn what_is_no_file_system_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (image, roots) = (folder.path().join("disk"), folder.path().join("roots"));
        fs::write(&image, vec![1; 1 << 20]).unwrap();
        let error = memory_root(&image, &roots).await.unwrap_err().to_string();
        assert!(error.contains("no ext4 file system"), "{error}");
        assert_eq!(fs::read_dir(&roots).unwrap().count(), 1, "the lock alone");
    }

    #[test]
    fn two_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            let file = File::create(folder.path().join(format!("{name}.img"))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
        }
        prune(folder.path(), &folder.path().join("a.img"));
        let there = |name: &str| folder.path().join(format!("{name}.img")).exists();
        assert_eq!([there("a"), there("b"), there("c")], [true, false, true]);
    }
}
