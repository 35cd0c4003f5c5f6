//! The file tree that an image's layers make together: what stands at which path.

use std::collections::BTreeMap;

pub use super::pax::Time;

/// Where a regular file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Number of the layer.
    pub layer: usize,
    /// Length of the file, bytes.
    pub size: u64,
    /// The parts that a layer has, in order; between them are zeros.
    pub pieces: Vec<Piece>,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the file, bytes.
    pub at: u64,
    /// Offset in the uncompressed layer, bytes.
    pub from: u64,
    /// Length, bytes.
    pub length: u64,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Directory.
    Directory,
    /// Regular file.
    File(Content),
    /// Symbolic link and its target, which may lead anywhere: it is only ever followed inside the container.
    Symlink(Vec<u8>),
    /// Another name of the file with this path.
    HardLink(Vec<u8>),
    /// Character device, major and minor number.
    CharDevice(u32, u32),
    /// Block device, major and minor number.
    BlockDevice(u32, u32),
    /// Named pipe.
    Fifo,
}

/// A file and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions, with set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time; none where an engine leaves the time at which it unpacked the layer.
    pub mtime: Option<Time>,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The tree, by path without leading slash; parents sort before what is in them. The root itself is not in it: a container's root is
/// root's and has mode 0755, whatever layers say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub(super) nodes: BTreeMap<Vec<u8>, Node>,
}

/// How many symbolic links Linux follows on one path.
const LINKS_MAX: usize = 40;

impl Tree {
    /// All files, parents first. A file with several names has its content at the first of them; the others are hard links to it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// A file by its path.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// What a path leads to when symbolic links are followed within the tree: the path and the file, hard links resolved.
    #[must_use]
    pub fn resolve(&self, path: &[u8]) -> Option<(Vec<u8>, &Node)> {
        let mut ahead: Vec<Vec<u8>> = reversed(path);
        let mut here: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let mut found = None;
        while let Some(part) = ahead.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    here.pop();
                    found = None;
                    continue;
                }
                _ => {}
            }
            here.push(part);
            let path = here.join(&b'/');
            let mut node = self.nodes.get(&path)?;
            if let Kind::HardLink(first) = &node.kind {
                node = self.nodes.get(first)?;
            }
            if let Kind::Symlink(target) = &node.kind {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                here.pop();
                if target.first() == Some(&b'/') {
                    here.clear();
                }
                ahead.extend(reversed(target));
            } else if node.kind != Kind::Directory && !ahead.is_empty() {
                return None;
            } else {
                found = Some((path, node));
            }
        }
        found.or_else(|| {
            let path = here.join(&b'/');
            self.nodes.get(&path).map(|node| (path, node))
        })
    }
}

fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
}
