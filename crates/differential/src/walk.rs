//! A file tree as a mount shows it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::line::{Line, content};

/// Writes down all that is below a folder, in the order of the paths.
///
/// # Errors
/// When something there cannot be read.
pub fn walk(root: &Path) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    folder(root, b"", &mut lines)?;
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    mark_links(&mut lines);
    Ok(lines.into_iter().map(|found| found.line).collect())
}

struct Found {
    path: Vec<u8>,
    /// Device and inode, where the file has several names.
    inode: Option<(u64, u64)>,
    line: Line,
}

fn folder(root: &Path, below: &[u8], lines: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = if below.is_empty() { name.as_bytes().to_vec() } else { [below, b"/", name.as_bytes()].concat() };
        let full = entry.path();
        let about = match fs::symlink_metadata(&full) {
            Ok(about) => about,
            // Overlayfs lists a whiteout in a folder that only one layer has; nobody can open it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let kind = about.file_type();
        let (kind, what) = if kind.is_dir() {
            ('d', String::new())
        } else if kind.is_file() {
            ('f', content(&mut fs::File::open(&full)?)?)
        } else if kind.is_symlink() {
            ('l', hex::encode(fs::read_link(&full)?.as_os_str().as_bytes()))
        } else if kind.is_fifo() {
            ('p', String::new())
        } else {
            let numbers = format!("{}:{}", major(about.rdev()), minor(about.rdev()));
            (if kind.is_char_device() { 'c' } else { 'b' }, numbers)
        };
        let mut xattrs = BTreeMap::new();
        for name in xattr::list(&full)? {
            let value = match xattr::get(&full, &name) {
                // An empty capability can be set, and not be read.
                Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Vec::new(),
                other => other?.unwrap_or_default(),
            };
            xattrs.insert(hex::encode(name.as_bytes()), hex::encode(value));
        }
        let line = Line {
            path: hex::encode(&path),
            kind,
            mode: about.mode() & 0o7777,
            uid: about.uid(),
            gid: about.gid(),
            mtime: Some((about.mtime(), u32::try_from(about.mtime_nsec()).unwrap_or(0))),
            what,
            xattrs,
            first: None,
        };
        let inode = (kind != 'd' && about.nlink() > 1).then(|| (about.dev(), about.ino()));
        lines.push(Found { path: path.clone(), inode, line });
        if kind == 'd' {
            folder(&full, &path, lines)?;
        }
    }
    Ok(())
}

/// Names the first path of files that have several in this tree; links that another layer hides do not count.
fn mark_links(lines: &mut [Found]) {
    let mut first: BTreeMap<(u64, u64), (String, usize)> = BTreeMap::new();
    for found in lines.iter() {
        if let Some(inode) = found.inode {
            first.entry(inode).or_insert_with(|| (found.line.path.clone(), 0)).1 += 1;
        }
    }
    for found in lines.iter_mut() {
        let several = found.inode.and_then(|inode| first.get(&inode)).filter(|(_, count)| *count > 1);
        found.line.first = several.map(|(path, _)| path.clone());
    }
}

/// The parts of a device's number, as Linux's C libraries take them apart.
fn major(device: u64) -> u64 {
    device >> 8 & 0xfff | device >> 32 & 0xffff_f000
}

fn minor(device: u64) -> u64 {
    device & 0xff | device >> 12 & 0xffff_ff00
}
