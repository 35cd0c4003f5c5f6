//! The file tree that an image's layers form: which file is at which path.

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
#[expect(
    clippy::exhaustive_enums,
    reason = "the kinds of tar are all there are: code that forgets one must not compile"
)]
pub enum Kind {
    /// Directory.
    Directory,
    /// Regular file.
    File(Content),
    /// Symbolic link and its target, which may point anywhere: it is only followed inside the container.
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
    /// Modification time; none if an engine leaves the time when it unpacked the layer.
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

    /// Puts a file at a path and replaces what is there. Missing directories on the way are made, root's and with mode 0755; a file
    /// that is not a directory is replaced by one.
    pub fn put(&mut self, path: &[u8], node: Node) {
        for at in path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at) {
            let parent = &path[..at];
            if self.nodes.get(parent).is_none_or(|node| node.kind != Kind::Directory) {
                self.remove(parent);
                let made =
                    Node { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: None, xattrs: BTreeMap::new() };
                self.nodes.insert(parent.to_vec(), made);
            }
        }
        self.remove(path);
        self.nodes.insert(path.to_vec(), node);
    }

    /// Removes a file, and everything below it. Other names of a file keep its content.
    pub fn remove(&mut self, path: &[u8]) {
        let prefix = [path, b"/"].concat();
        let below =
            self.nodes.range(prefix.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&prefix));
        let mut going: Vec<Vec<u8>> = below.cloned().collect();
        going.push(path.to_vec());
        for path in going {
            let Some(node) = self.nodes.remove(&path) else { continue };
            if !matches!(node.kind, Kind::File(_)) {
                continue;
            }
            let names = self.nodes.iter().filter(|(_, other)| other.kind == Kind::HardLink(path.clone()));
            let mut names: Vec<Vec<u8>> = names.map(|(name, _)| name.clone()).collect::<Vec<_>>();
            if names.is_empty() {
                continue;
            }
            // The first of them gets the content.
            let first = names.remove(0);
            for name in names {
                self.nodes.insert(name, Node { kind: Kind::HardLink(first.clone()), ..node.clone() });
            }
            self.nodes.insert(first, node);
        }
    }

    /// Follows symbolic links within the tree: returns the final path and the file, with hard links resolved.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind) -> Node {
        Node { kind, mode: 0o640, uid: 1, gid: 2, mtime: None, xattrs: BTreeMap::new() }
    }

    fn file(size: u64) -> Node {
        node(Kind::File(Content { layer: 0, size, pieces: Vec::new() }))
    }

    #[test]
    fn what_is_put_takes_the_place_of_what_was_there() {
        let mut tree = Tree::default();
        tree.put(b"etc", node(Kind::Symlink(b"/elsewhere".to_vec())));
        tree.put(b"etc/hosts", file(1));
        assert_eq!((&tree.get(b"etc").unwrap().kind, tree.get(b"etc").unwrap().mode), (&Kind::Directory, 0o755));
        tree.put(b"etc", file(2));
        assert!(tree.get(b"etc/hosts").is_none());
    }

    #[test]
    fn other_names_of_a_file_that_goes_keep_its_content() {
        let mut tree = Tree::default();
        tree.put(b"a", file(7));
        tree.put(b"b", node(Kind::HardLink(b"a".to_vec())));
        tree.put(b"c", node(Kind::HardLink(b"a".to_vec())));
        tree.put(b"a", node(Kind::Fifo));
        assert_eq!(tree.get(b"b").unwrap().kind, file(7).kind);
        assert_eq!(tree.get(b"c").unwrap().kind, Kind::HardLink(b"b".to_vec()));
    }
}
