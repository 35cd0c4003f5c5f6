//! A file system in memory, with the features that unpacking a layer needs: files with several names, and paths through links.
//!
//! The rules are those of Linux 6.12 with ext4 below; the errors are those that root would see.

use std::collections::BTreeMap;

use super::attributes::{CAPABILITY, inherit};
use super::fault::Errno;
use super::inode::{Body, Inode, Number};
use super::path::split;

/// Longest name of a file, bytes.
const NAME_MAX: usize = 255;
/// Longest path and longest target of a symbolic link, bytes, one more than fits.
pub(super) const PATH_MAX: usize = 4096;
/// How many symbolic links are followed on one path.
const LINKS_MAX: usize = 40;
/// The set-group-id bit, which directories pass on.
const SETGID: u32 = 0o2000;

/// The root directory.
pub(super) const ROOT: Number = 0;

/// The file system.
#[derive(Debug)]
pub(super) struct Disk {
    inodes: Vec<Inode>,
}

impl Disk {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { inodes: vec![Inode::new(Body::Directory(BTreeMap::new()), 0o755)] }
    }

    pub(super) fn inode(&self, number: Number) -> &Inode {
        &self.inodes[number]
    }

    pub(super) fn inode_mut(&mut self, number: Number) -> &mut Inode {
        &mut self.inodes[number]
    }

    /// What a directory has, by name.
    pub(super) fn list(&self, number: Number) -> Option<&BTreeMap<Vec<u8>, Number>> {
        match &self.inodes[number].body {
            Body::Directory(names) => Some(names),
            _ => None,
        }
    }

    /// Length of the longest path, with the slash before it, bytes.
    pub(super) fn longest_path(&self) -> usize {
        let mut waiting = vec![(ROOT, 0)];
        let mut longest = 0;
        while let Some((number, length)) = waiting.pop() {
            for (name, number) in self.list(number).into_iter().flatten() {
                let length = length + 1 + name.len();
                longest = longest.max(length);
                if self.inodes[*number].is_directory() {
                    waiting.push((*number, length));
                }
            }
        }
        longest
    }

    /// The file that a path names, the last link not followed.
    pub(super) fn lstat(&self, path: &[u8]) -> Result<Number, Errno> {
        self.walk(path, path.ends_with(b"/"))
    }

    /// The file that a path leads to.
    pub(super) fn stat(&self, path: &[u8]) -> Result<Number, Errno> {
        self.walk(path, true)
    }

    fn walk(&self, path: &[u8], follow_last: bool) -> Result<Number, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::NameTooLong);
        }
        // The remaining parts, last first; a slash at the end requires a directory, like a dot there.
        let mut ahead: Vec<&[u8]> = Vec::new();
        push(&mut ahead, path);
        let mut here = vec![ROOT];
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            let now = here.last().copied().unwrap_or(ROOT);
            let Body::Directory(names) = &self.inodes[now].body else { return Err(Errno::NotDirectory) };
            match part {
                b"." => continue,
                b".." => {
                    if here.len() > 1 {
                        here.pop();
                    }
                    continue;
                }
                _ if part.len() > NAME_MAX => return Err(Errno::NameTooLong),
                _ => {}
            }
            let next = *names.get(part).ok_or(Errno::NoEntry)?;
            if let Body::Symlink(target) = &self.inodes[next].body
                && (follow_last || !ahead.is_empty())
            {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::Loop);
                }
                if target.first() == Some(&b'/') {
                    here.truncate(1);
                }
                push(&mut ahead, target);
                continue;
            }
            here.push(next);
        }
        Ok(here.last().copied().unwrap_or(ROOT))
    }

    /// The directory in which a clean path's last name stands, and that name.
    fn place<'p>(&self, path: &'p [u8]) -> Result<(Number, &'p [u8]), Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::NameTooLong);
        }
        let (folder, name) = split(path);
        let folder = self.stat(folder)?;
        let Some(names) = self.list(folder) else { return Err(Errno::NotDirectory) };
        if name.len() > NAME_MAX {
            return Err(Errno::NameTooLong);
        }
        if name.is_empty() || names.contains_key(name) {
            return Err(Errno::Exists);
        }
        Ok((folder, name))
    }

    /// Makes a file. In a directory with the set-group-id bit it gets the directory's group; a new directory also gets the bit.
    pub(super) fn make(&mut self, path: &[u8], body: Body, mode: u32) -> Result<Number, Errno> {
        let (folder, name) = self.place(path)?;
        let name = name.to_vec();
        let parent = &self.inodes[folder];
        let mut inode = Inode::new(body, mode);
        if parent.mode & SETGID != 0 {
            inode.gid = parent.gid;
            if inode.is_directory() {
                inode.mode |= SETGID;
            }
        }
        inherit(parent, &mut inode);
        let number = self.inodes.len();
        self.inodes.push(inode);
        self.enter(folder, name, number);
        Ok(number)
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(&mut self, target: &[u8], path: &[u8]) -> Result<Number, Errno> {
        match target.len() {
            0 => Err(Errno::NoEntry),
            length if length >= PATH_MAX => Err(Errno::NameTooLong),
            _ => self.make(path, Body::Symlink(target.to_vec()), 0o777),
        }
    }

    /// Gives a file another name.
    pub(super) fn link(&mut self, target: &[u8], path: &[u8]) -> Result<Number, Errno> {
        let number = self.lstat(target)?;
        let (folder, name) = self.place(path)?;
        if self.inodes[number].is_directory() {
            return Err(Errno::Perm);
        }
        let name = name.to_vec();
        self.enter(folder, name, number);
        Ok(number)
    }

    fn enter(&mut self, folder: Number, name: Vec<u8>, number: Number) {
        if let Body::Directory(names) = &mut self.inodes[folder].body {
            names.insert(name, number);
        }
        // A new entry changes the directory's time.
        self.inodes[folder].mtime = None;
    }

    /// Makes a directory and the missing ones above it, as Go's `os.MkdirAll` does. Returns the path and the error of the one
    /// that could not be made.
    pub(super) fn make_all(&mut self, path: &[u8], mode: u32) -> Result<(), (Vec<u8>, Errno)> {
        // From the root down, without recursion; a path may be deep and is not trusted.
        let mut end = 0;
        while end < path.len() {
            end = path[end + 1..].iter().position(|byte| *byte == b'/').map_or(path.len(), |at| end + 1 + at);
            let path = &path[..end];
            let is_directory = |disk: &Self, number: Number| disk.inodes[number].is_directory();
            let failed = |errno| Err((path.to_vec(), errno));
            match self.stat(path) {
                Ok(number) if is_directory(self, number) => continue,
                Ok(_) => return failed(Errno::NotDirectory),
                Err(_) => {}
            }
            if let Err(errno) = self.make(path, Body::Directory(BTreeMap::new()), mode)
                && !self.lstat(path).is_ok_and(|number| is_directory(self, number))
            {
                return failed(errno);
            }
        }
        Ok(())
    }

    /// Removes a name, and everything below it.
    pub(super) fn remove(&mut self, path: &[u8]) {
        let (folder, name) = split(path);
        let Ok(folder) = self.stat(folder) else { return };
        if let Body::Directory(names) = &mut self.inodes[folder].body {
            names.remove(name);
        }
        self.inodes[folder].mtime = None;
    }

    /// Changes owner and group; `u32::MAX` leaves them. Removes set-id bits and capabilities unless it is a directory.
    pub(super) fn chown(&mut self, number: Number, uid: u32, gid: u32) {
        let inode = &mut self.inodes[number];
        if uid != u32::MAX {
            inode.uid = uid;
        }
        if gid != u32::MAX {
            inode.gid = gid;
        }
        if !inode.is_directory() {
            inode.mode &= if inode.mode & 0o010 == 0 { !0o4000 } else { !0o6000 };
            inode.xattrs.remove(CAPABILITY);
        }
    }
}

/// Puts a path's parts before the remaining ones.
fn push<'p>(ahead: &mut Vec<&'p [u8]>, path: &'p [u8]) {
    if path.ends_with(b"/") {
        ahead.push(b".");
    }
    ahead.extend(path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).rev());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(disk: &mut Disk, path: &str) -> Number {
        disk.make(path.as_bytes(), Body::Directory(BTreeMap::new()), 0o755).unwrap()
    }

    #[test]
    fn paths_lead_over_links() {
        let mut disk = Disk::new();
        let usr = folder(&mut disk, "/usr");
        let lib = folder(&mut disk, "/usr/lib");
        disk.symlink(b"usr/lib/", b"/lib").unwrap();
        disk.symlink(b"/lib/../../..", b"/usr/lib/top").unwrap();
        disk.symlink(b"loop", b"/loop").unwrap();
        let fifo = disk.make(b"/lib/pipe", Body::Fifo, 0o644).unwrap();
        assert_eq!(disk.lstat(b"/usr/lib/pipe"), Ok(fifo));
        assert_eq!(disk.stat(b"/lib"), Ok(lib));
        assert_eq!(disk.lstat(b"/lib/"), Ok(lib));
        assert!(disk.inode(disk.lstat(b"/lib").unwrap()).is_symlink());
        assert_eq!(disk.stat(b"/lib/top/usr"), Ok(usr));
        assert_eq!(disk.stat(b"/loop"), Err(Errno::Loop));
        assert_eq!(disk.stat(b"/lib/pipe/x"), Err(Errno::NotDirectory));
        assert_eq!(disk.lstat(b"/lib/pipe/"), Err(Errno::NotDirectory));
        assert_eq!(disk.stat(b"/none"), Err(Errno::NoEntry));
        assert_eq!(disk.link(b"/usr", b"/again"), Err(Errno::Perm));
        assert_eq!(disk.link(b"/lib/pipe", b"/usr"), Err(Errno::Exists));
        assert_eq!(disk.make(&[b"/", &[b'n'; 256][..]].concat(), Body::Fifo, 0), Err(Errno::NameTooLong));
    }

    #[test]
    fn directories_are_made_where_links_lead_and_not_where_they_dangle() {
        let mut disk = Disk::new();
        let d = folder(&mut disk, "/d");
        disk.inode_mut(d).mode = 0o2775;
        disk.inode_mut(d).gid = 7;
        disk.symlink(b"d", b"/link").unwrap();
        disk.symlink(b"none", b"/dangling").unwrap();
        disk.make_all(b"/link/a/b", 0o755).unwrap();
        let made = disk.inode(disk.lstat(b"/d/a/b").unwrap());
        assert_eq!((made.mode, made.gid), (0o2755, 7));
        assert_eq!(disk.make_all(b"/dangling/a", 0o755), Err((b"/dangling".to_vec(), Errno::Exists)));
    }

    #[test]
    fn a_change_of_owner_takes_set_id_bits_and_capabilities() {
        let mut disk = Disk::new();
        let fifo = disk.make(b"/pipe", Body::Fifo, 0o6755).unwrap();
        disk.inode_mut(fifo).xattrs.insert(CAPABILITY.to_vec(), vec![0; 20]);
        disk.chown(fifo, 5, u32::MAX);
        let inode = disk.inode(fifo);
        assert_eq!((inode.mode, inode.uid, inode.gid), (0o755, 5, 0));
        assert!(inode.xattrs.is_empty());
    }
}
