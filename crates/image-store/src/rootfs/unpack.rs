//! Unpacks a layer into its own file system, step by step as the engine does below `overlay2`
//! (moby 26.1, `pkg/archive`: `Unpack` and `createTarFile` with overlay's form of whiteouts; `pkg/idtools`: `mkdirAs`).
//!
//! The engine unpacks each layer into an empty directory, which it has made its root: links are followed as they are when an entry
//! arrives, and can only point to earlier entries of the same layer.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use super::attributes::{self, chmod};
use super::bounds::Bounds;
use super::disk::{Disk, PATH_MAX, ROOT};
use super::entry::{Entries, Entry};
use super::fault::{Errno, Fault};
use super::inode::{Body, Number};
use super::overlay::OPAQUE;
use super::path::{clean, quoted, rooted, split};
use super::tree::Time;

/// Prefix of a whiteout's name, before the name that it hides.
const WHITEOUT: &[u8] = b".wh.";
/// Name of the entry that hides everything below a directory in lower layers.
const WHITEOUT_ALL: &[u8] = b".wh..wh..opq";
/// Mode of directories that no entry describes.
const IMPLIED: u32 = 0o755;
/// Length of `/var/lib/docker/overlay2/ID/diff`, below which the engine measures the layer afterwards, by whole paths.
const PLACE: usize = 94;
/// Last second that Go's clock has in nanoseconds.
const LAST: Time = Time { seconds: 9_223_372_036, nanoseconds: 854_775_807 };

/// Unpacks an uncompressed layer.
pub(super) fn unpack(file: &File, layer: usize, bounds: &mut Bounds) -> Result<Disk, Fault> {
    let mut unpacker = Unpacker { disk: Disk::new(), folders: Vec::new() };
    let mut entries = Entries::new(file, layer)?;
    let mut names = HashSet::new();
    while let Some(entry) = entries.next()? {
        bounds.take(&entry)?;
        unpacker.take(&entry)?;
        // The engine's record of the archive (tar-split) allows one entry per name, global headers included.
        if !names.insert(clean(&entry.name)) {
            return Err(Fault::Refused("duplicates of file paths not supported".into()));
        }
    }
    unpacker.finish()
}

struct Unpacker {
    disk: Disk,
    /// Directories and their times, which are set at the very end.
    folders: Vec<(Vec<u8>, Time)>,
}

impl Unpacker {
    fn take(&mut self, entry: &Entry) -> Result<(), Fault> {
        if entry.kind == b'g' {
            return Ok(());
        }
        let name = clean(&entry.name);
        let path = rooted(&name);
        if name != b"/" {
            self.make_parents(split_name(&name))?;
        }
        if let Ok(there) = self.disk.lstat(&path) {
            let is_directory = self.disk.inode(there).is_directory();
            if is_directory && name == b"." {
                return Ok(());
            }
            if !(is_directory && entry.kind == b'5') {
                if there == ROOT {
                    return Err(Fault::Refused("unlinkat .//: device or resource busy".into()));
                }
                self.disk.remove(&path);
            }
        }
        if self.whiteout(entry, &path)? {
            return Ok(());
        }
        let is_folder = entry.kind == b'5';
        let mtime = entry.mtime;
        self.make(entry, &path)?;
        if is_folder {
            self.folders.push((path, mtime));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Disk, Fault> {
        for (path, mtime) in std::mem::take(&mut self.folders) {
            self.set_time(&path, mtime)?;
        }
        if self.disk.longest_path() + PLACE >= PATH_MAX {
            let words = "lstat /var/lib/docker/overlay2/…/diff/…: file name too long";
            return Err(Fault::Refused(words.into()));
        }
        Ok(self.disk)
    }

    /// Makes the directories above an entry.
    fn make_parents(&mut self, folder: &[u8]) -> Result<(), Fault> {
        let folder = rooted(folder);
        if self.disk.lstat(&folder) != Err(Errno::NoEntry) {
            return Ok(());
        }
        // Missing directories are root's afterwards, whatever they inherit from the one above them.
        let mut new = Vec::new();
        let mut above = folder.as_slice();
        while above != b"/" {
            if self.disk.stat(above) == Err(Errno::NoEntry) {
                new.push(above);
            }
            above = split(above).0;
        }
        let made = self.disk.make_all(&folder, IMPLIED);
        made.map_err(|(path, errno)| refused("mkdir", &path, errno))?;
        for path in new {
            let number = self.disk.stat(path).map_err(|errno| refused("stat", path, errno))?;
            let inode = self.disk.inode(number);
            if inode.mode & 0o777 != IMPLIED {
                chmod(self.disk.inode_mut(number), IMPLIED);
            }
            self.disk.chown(number, 0, 0);
        }
        Ok(())
    }

    /// Handles an entry that hides others; false when it is not one.
    fn whiteout(&mut self, entry: &Entry, path: &[u8]) -> Result<bool, Fault> {
        let (folder, name) = split(path);
        if name == WHITEOUT_ALL {
            let set =
                self.disk.stat(folder).and_then(|folder| attributes::set(self.disk.inode_mut(folder), OPAQUE, b"y"));
            let words = |errno| format!("setxattr({}, trusted.overlay.opaque=y): {errno}", quoted(folder));
            return set.map(|()| true).map_err(|errno| Fault::Refused(words(errno)));
        }
        let Some(hidden) = name.strip_prefix(WHITEOUT) else { return Ok(false) };
        let hidden = clean(&[folder, b"/", hidden].concat());
        let made = self.disk.make(&hidden, Body::CharDevice(0, 0), 0);
        let words = |errno| format!("failed to mknod({}, S_IFCHR, 0): {errno}", quoted(&hidden));
        let number = made.map_err(|errno| Fault::Refused(words(errno)))?;
        self.disk.chown(number, id(entry.uid), id(entry.gid));
        Ok(true)
    }

    fn make(&mut self, entry: &Entry, path: &[u8]) -> Result<(), Fault> {
        let mode = mode_of(entry);
        let disk = &mut self.disk;
        let number = match entry.kind {
            b'5' => match disk.lstat(path) {
                Ok(number) if disk.inode(number).is_directory() => number,
                _ => disk
                    .make(path, Body::Directory(BTreeMap::new()), mode)
                    .map_err(|errno| refused("mkdir", path, errno))?,
            },
            b'0' => {
                let content = entry.content.as_ref().map_err(|why| Fault::Refused((*why).into()));
                // The file is made before its content is read.
                let empty = super::tree::Content { layer: 0, size: 0, pieces: Vec::new() };
                let number = disk.make(path, Body::File(empty), mode).map_err(|errno| refused("open", path, errno))?;
                disk.inode_mut(number).body = Body::File(content?.clone());
                number
            }
            b'1' => {
                let target = rooted(&entry.link);
                disk.link(&target, path).map_err(|errno| refused_link("link", &target, path, errno))?
            }
            b'2' => {
                disk.symlink(&entry.link, path).map_err(|errno| refused_link("symlink", &entry.link, path, errno))?
            }
            b'3' | b'4' | b'6' => {
                let body = match (entry.kind, device(entry.major, entry.minor)) {
                    (b'3', (major, minor)) => Body::CharDevice(major, minor),
                    (b'4', (major, minor)) => Body::BlockDevice(major, minor),
                    _ => Body::Fifo,
                };
                disk.make(path, body, mode).map_err(|errno| Fault::Refused(errno.to_string()))?
            }
            other => return Err(Fault::Refused(format!("unhandled tar header type {other}"))),
        };
        disk.chown(number, id(entry.uid), id(entry.gid));
        self.set_attributes(entry, path, number)?;
        self.set_mode_and_time(entry, path, number, mode)
    }

    fn set_attributes(&mut self, entry: &Entry, path: &[u8], number: Number) -> Result<(), Fault> {
        for (name, value) in &entry.xattrs {
            match attributes::set(self.disk.inode_mut(number), name, value) {
                // The engine continues if it may not set an attribute: `user.` on anything but files and directories.
                Ok(()) | Err(Errno::Perm) => {}
                Err(errno) => {
                    let operation = format!("lsetxattr {}", String::from_utf8_lossy(name));
                    return Err(refused(&operation, path, errno));
                }
            }
        }
        Ok(())
    }

    fn set_mode_and_time(&mut self, entry: &Entry, path: &[u8], number: Number, mode: u32) -> Result<(), Fault> {
        match entry.kind {
            b'2' => {
                self.disk.inode_mut(number).mtime = Some(unbounded(entry.mtime));
                return Ok(());
            }
            b'1' => {
                // The engine checks the target as written, from the root.
                let raw = if entry.link.first() == Some(&b'/') || entry.link.is_empty() {
                    entry.link.clone()
                } else {
                    [b"/", entry.link.as_slice()].concat()
                };
                if !self.disk.lstat(&raw).is_ok_and(|target| !self.disk.inode(target).is_symlink()) {
                    return Ok(());
                }
            }
            _ => {}
        }
        // Both follow links, which a hard link to one is.
        let number = self.disk.stat(path).map_err(|errno| refused("chmod", path, errno))?;
        chmod(self.disk.inode_mut(number), mode);
        self.set_time(path, entry.mtime)
    }

    fn set_time(&mut self, path: &[u8], mtime: Time) -> Result<(), Fault> {
        let number = self.disk.stat(path).map_err(|errno| refused("chtimes", path, errno))?;
        let epoch = Time::default();
        self.disk.inode_mut(number).mtime = Some(if mtime < epoch || mtime > LAST { epoch } else { mtime });
        Ok(())
    }
}

/// The path before a clean name's last part.
fn split_name(name: &[u8]) -> &[u8] {
    name.iter().rposition(|byte| *byte == b'/').map_or(&b"."[..], |at| &name[..at])
}

fn refused(operation: &str, path: &[u8], errno: Errno) -> Fault {
    Fault::Refused(format!("{operation} {}: {errno}", String::from_utf8_lossy(path)))
}

fn refused_link(operation: &str, target: &[u8], path: &[u8], errno: Errno) -> Fault {
    let (target, path) = (String::from_utf8_lossy(target), String::from_utf8_lossy(path));
    Fault::Refused(format!("{operation} {target} {path}: {errno}"))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the system call takes the low bits")]
fn mode_of(entry: &Entry) -> u32 {
    entry.mode as u32 & 0o7777
}

/// A user's or group's number, as the system call takes it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the system call takes the low bits")]
fn id(number: i64) -> u32 {
    number as u32
}

/// Major and minor number as far as an inode keeps them: 12 and 20 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the system call takes the low bits")]
fn device(major: i64, minor: i64) -> (u32, u32) {
    (major as u32 & 0xfff, minor as u32 & 0xf_ffff)
}

/// The time of a symbolic link: nanoseconds in 64 bits, then as far as ext4's inodes reach.
fn unbounded(time: Time) -> Time {
    const PER_SECOND: i64 = 1_000_000_000;
    let all = time.seconds.wrapping_mul(PER_SECOND).wrapping_add(i64::from(time.nanoseconds));
    let seconds = all.div_euclid(PER_SECOND);
    let nanoseconds = u32::try_from(all.rem_euclid(PER_SECOND)).unwrap_or(0);
    let first = i64::from(i32::MIN);
    if seconds < first { Time { seconds: first, nanoseconds: 0 } } else { Time { seconds, nanoseconds } }
}
