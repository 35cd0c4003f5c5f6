//! Unpacks a tar archive into a folder, with owners, modes, times, links, devices and extended attributes as it has them.
//!
//! The archive comes from futon's host, which has seen to it that nothing lies below a link and parents come first.
#![warn(missing_docs)]

use std::{
    ffi::{CString, OsStr},
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink},
        },
    },
    path::{Component, Path, PathBuf},
};

use futon_model::LeanBundle;
use guest_net::{Context, Error, Result};
use nix::{
    sys::stat::{Mode, SFlag, makedev, mknod, umask},
    unistd::geteuid,
};
use tar::{Archive, Entry, EntryType};

/// Extended attribute of a directory from which all that is made in it inherits.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
/// Bytes copied at once.
const PIECE: usize = 256 * 1024;

/// Unpacks an archive and returns the bytes of its files.
pub fn unpack(archive: &mut dyn Read, folder: &Path) -> Result<u64> {
    // Modes are the archive's.
    let before = umask(Mode::empty());
    let result = unpack_all(archive, folder);
    umask(before);
    result
}

fn unpack_all(archive: &mut dyn Read, folder: &Path) -> Result<u64> {
    fs::create_dir_all(folder).context(format_args!("cannot make {}", folder.display()))?;
    let mut target = Target { folder: folder.to_owned(), root: geteuid().is_root(), buffer: vec![0; PIECE] };
    let mut archive = Archive::new(archive);
    let mut folders = Vec::new();
    let mut length = 0;
    for entry in archive.entries().context("the archive")? {
        let mut entry = entry.context("the archive ended early")?;
        let path = target.path_of(&entry.path_bytes())?;
        length += entry.size();
        let made = target.make(&mut entry, &path).context(format_args!("cannot unpack {}", path.display()))?;
        if let Made::Folder(more) = made {
            // What comes into a folder changes its time, and would inherit its list: set when all is there.
            folders.push((path, more));
        }
    }
    for (path, more) in folders.iter().rev() {
        set_xattrs(path, more.xattrs.iter().filter(|(name, _)| name == DEFAULT_ACL)).context(path.display())?;
        set_mtime(path, more.mtime).context(path.display())?;
    }
    Ok(length)
}

#[derive(Debug)]
enum Made {
    Folder(More),
    Other,
}

/// What an entry says beside its header.
#[derive(Debug)]
struct More {
    mtime: libc::timespec,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl More {
    fn of(entry: &mut Entry<'_, impl Read>) -> Result<Self> {
        let seconds = entry.header().mtime().unwrap_or(0);
        let mut more = Self { mtime: timespec(i64::try_from(seconds).unwrap_or(0), 0), xattrs: Vec::new() };
        let Some(extensions) = entry.pax_extensions()? else { return Ok(more) };
        for extension in extensions {
            let extension = extension?;
            let (Ok(key), Ok(value)) = (extension.key(), extension.value()) else { continue };
            let parts = value.split_once(' ').ok_or_else(|| Error::new(format!("{key}: {value} is malformed")));
            if key == LeanBundle::MTIME {
                let (seconds, nanoseconds) = parts?;
                let seconds = seconds.parse().context("seconds")?;
                more.mtime = timespec(seconds, nanoseconds.parse().context("nanoseconds")?);
            } else if key == LeanBundle::XATTR {
                let (name, value) = parts?;
                more.xattrs.push((bytes(name)?, bytes(value)?));
            }
        }
        Ok(more)
    }
}

/// Bytes from hexadecimal digits.
fn bytes(digits: &str) -> Result<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16);
    digits.as_bytes().chunks(2).map(pair).collect::<std::result::Result<_, _>>().context("an attribute's digits")
}

fn timespec(seconds: i64, nanoseconds: u32) -> libc::timespec {
    libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() }
}

struct Target {
    folder: PathBuf,
    root: bool,
    buffer: Vec<u8>,
}

impl Target {
    fn path_of(&self, name: &[u8]) -> Result<PathBuf> {
        let name = Path::new(OsStr::from_bytes(name));
        if name.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Error::new(format!("{} points outside the archive", name.display())));
        }
        Ok(self.folder.join(name))
    }

    fn make(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path) -> Result<Made> {
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode()? & 0o7777);
        let (uid, gid) = (number(entry.header().uid()?)?, number(entry.header().gid()?)?);
        let more = More::of(entry)?;
        let mtime = more.mtime;
        let owned = self.root && (uid, gid) != (0, 0);
        match kind {
            EntryType::Directory => match fs::DirBuilder::new().mode(mode).create(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            },
            EntryType::Regular | EntryType::Continuous => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(path)?;
                self.copy(entry, &mut file)?;
                if owned {
                    fchown(&file, Some(uid), Some(gid))?;
                }
                if mode > 0o777 {
                    file.set_permissions(fs::Permissions::from_mode(mode))?;
                }
                set_xattrs(path, &more.xattrs)?;
                set_file_mtime(&file, mtime)?;
                return Ok(Made::Other);
            }
            EntryType::Symlink => {
                let to = entry.link_name_bytes().unwrap_or_default();
                symlink(OsStr::from_bytes(&to), path)?;
                if owned {
                    lchown(path, Some(uid), Some(gid))?;
                }
                set_xattrs(path, &more.xattrs)?;
                set_mtime(path, mtime)?;
                return Ok(Made::Other);
            }
            EntryType::Link => {
                let to = entry.link_name_bytes().unwrap_or_default().into_owned();
                fs::hard_link(self.path_of(&to)?, path)?;
                return Ok(Made::Other);
            }
            EntryType::Char => self.device(entry, path, SFlag::S_IFCHR, mode)?,
            EntryType::Block => self.device(entry, path, SFlag::S_IFBLK, mode)?,
            EntryType::Fifo => {
                mknod(path, SFlag::S_IFIFO, Mode::from_bits_truncate(mode), 0).map_err(io::Error::from)?;
            }
            EntryType::XGlobalHeader => return Ok(Made::Other),
            other => return Err(Error::new(format!("entries of type {other:?} are not supported"))),
        }
        if owned {
            lchown(path, Some(uid), Some(gid))?;
        }
        // Taking ownership away takes special bits away, too; a folder that was there may have had other bits.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        if kind == EntryType::Directory {
            set_xattrs(path, more.xattrs.iter().filter(|(name, _)| name != DEFAULT_ACL))?;
            return Ok(Made::Folder(more));
        }
        set_xattrs(path, &more.xattrs)?;
        set_mtime(path, mtime)?;
        Ok(Made::Other)
    }

    fn copy(&mut self, from: &mut impl Read, to: &mut File) -> io::Result<()> {
        loop {
            match from.read(&mut self.buffer)? {
                0 => return Ok(()),
                read => io::Write::write_all(to, &self.buffer[..read])?,
            }
        }
    }

    fn device(&self, entry: &Entry<'_, impl Read>, path: &Path, kind: SFlag, mode: u32) -> Result<()> {
        if !self.root {
            return Err(Error::new("only root can make devices"));
        }
        let major = entry.header().device_major()?.unwrap_or(0);
        let minor = entry.header().device_minor()?.unwrap_or(0);
        let device = makedev(u64::from(major), u64::from(minor));
        mknod(path, kind, Mode::from_bits_truncate(mode), device).map_err(io::Error::from)?;
        Ok(())
    }
}

fn number(id: u64) -> Result<u32> {
    u32::try_from(id).context("a user's or group's number is too large")
}

fn set_xattrs<'a>(path: &Path, xattrs: impl IntoIterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Result<()> {
    for (name, value) in xattrs {
        let file = CString::new(path.as_os_str().as_bytes()).context("path")?;
        let name = CString::new(name.as_slice()).context("attribute")?;
        // SAFETY: two zero-ended strings, and a buffer as long as it says.
        let done = unsafe { libc::lsetxattr(file.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        if done != 0 {
            let error = io::Error::last_os_error();
            // A security module that this kernel lacks has no use for its label.
            if error.raw_os_error() != Some(libc::EOPNOTSUPP) {
                return Err(Error::from(error)).context(format_args!("attribute {}", name.to_string_lossy()));
            }
        }
    }
    Ok(())
}

fn set_file_mtime(file: &File, mtime: libc::timespec) -> io::Result<()> {
    let times = [mtime, mtime];
    // SAFETY: an open descriptor and two time stamps.
    if unsafe { libc::futimens(file.as_raw_fd(), times.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_mtime(path: &Path, mtime: libc::timespec) -> io::Result<()> {
    let file = CString::new(path.as_os_str().as_bytes())?;
    let times = [mtime, mtime];
    // SAFETY: a zero-ended string and two time stamps.
    let done = unsafe { libc::utimensat(libc::AT_FDCWD, file.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
