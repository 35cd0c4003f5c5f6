//! The file tree that an image's layers make together. Pure: layers come as entries, lowest layer first.
//!
//! The rules are those of the OCI image specification ("Layers"): an entry replaces what has its name, except that a directory over a
//! directory only brings new attributes; `.wh.NAME` takes NAME of the layers below away, `.wh..wh..opq` all that is in the directory.

use std::collections::BTreeMap;

/// Name of a whiteout, before the name of what it takes away.
const WHITEOUT: &[u8] = b".wh.";
/// Name of the entry that takes all of a directory away.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Where a regular file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Number of the layer.
    pub layer: usize,
    /// Offset in the uncompressed layer, bytes.
    pub offset: u64,
    /// Length, bytes.
    pub size: u64,
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
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Node {
    /// A directory that no layer describes.
    fn implied() -> Self {
        Self { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() }
    }
}

/// The tree, by path without leading slash; parents sort before what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

/// Paths of an entry that leads out of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPath(pub String);

impl Tree {
    /// Lays a layer over the tree.
    ///
    /// # Errors
    /// When a path or a hard link leads out of the tree.
    pub fn apply(&mut self, layer: Vec<(Vec<u8>, Node)>) -> Result<(), BadPath> {
        let mut added = Vec::new();
        // What a layer takes away is taken from the layers below it, wherever in the layer it is written.
        for (path, node) in layer {
            let path = clean(&path)?;
            let (folder, name) = split(&path);
            if name == OPAQUE {
                self.remove_below(folder);
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                let hidden = if folder.is_empty() { hidden.to_vec() } else { [folder, b"/", hidden].concat() };
                self.remove(&hidden);
            } else {
                added.push((path, node));
            }
        }
        for (path, mut node) in added {
            if path.is_empty() {
                // The root's own attributes.
                if node.kind == Kind::Directory {
                    self.nodes.insert(path, node);
                }
                continue;
            }
            if let Kind::HardLink(target) = &node.kind {
                node.kind = Kind::HardLink(clean(target)?);
            }
            self.make_parents(&path);
            if !(node.kind == Kind::Directory && self.is_directory(&path)) {
                self.remove(&path);
            }
            self.nodes.insert(path, node);
        }
        self.drop_dangling_links();
        Ok(())
    }

    /// All files, parents first; hard links as they are.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// A file by its path.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        self.nodes.get(path).is_some_and(|node| node.kind == Kind::Directory)
    }

    /// Directories on the way to `path`. What is in their place and is none gives way: nothing ever lies below a link.
    fn make_parents(&mut self, path: &[u8]) {
        let slashes: Vec<usize> =
            path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).collect();
        for at in slashes {
            let parent = &path[..at];
            if !self.is_directory(parent) {
                self.remove(parent);
                self.nodes.insert(parent.to_vec(), Node::implied());
            }
        }
    }

    fn remove(&mut self, path: &[u8]) {
        match self.nodes.get(path).map(|node| &node.kind) {
            None => return,
            Some(Kind::Directory) => self.remove_below(path),
            Some(Kind::File(_)) => self.bequeath(&[path.to_vec()]),
            Some(_) => {}
        }
        self.nodes.remove(path);
    }

    fn remove_below(&mut self, folder: &[u8]) {
        let prefix = if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() };
        let below: Vec<Vec<u8>> = self
            .nodes
            .range(prefix.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&prefix))
            .filter(|path| !path.is_empty())
            .cloned()
            .collect();
        self.bequeath(&below);
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// Other names of files that are about to go: one of them becomes the first name, so that the content stays.
    fn bequeath(&mut self, going: &[Vec<u8>]) {
        let target_of = |node: &Node| match &node.kind {
            Kind::HardLink(target) => Some(target.clone()),
            _ => None,
        };
        let links: Vec<(Vec<u8>, Vec<u8>)> = self
            .nodes
            .iter()
            .filter_map(|(name, node)| Some((name.clone(), target_of(node)?)))
            .filter(|(name, target)| going.contains(target) && !going.contains(name))
            .collect();
        let mut heirs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (name, target) in links {
            let moved = match heirs.get(&target) {
                Some(heir) => Node { kind: Kind::HardLink(heir.clone()), ..Node::implied() },
                None => match self.nodes.get(&target) {
                    Some(first) => first.clone(),
                    None => continue,
                },
            };
            heirs.entry(target).or_insert_with(|| name.clone());
            self.nodes.insert(name, moved);
        }
    }

    /// A hard link whose target was never there would stop the guest: an engine refuses such a layer, too, but only when it meets it.
    fn drop_dangling_links(&mut self) {
        let dangling: Vec<Vec<u8>> = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(&node.kind, Kind::HardLink(target) if !self.nodes.contains_key(target)))
            .map(|(path, _)| path.clone())
            .collect();
        for path in dangling {
            self.nodes.remove(&path);
        }
    }
}

/// A path without leading and double slashes and dots.
fn clean(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) || path.contains(&0) {
        return Err(BadPath(String::from_utf8_lossy(path).into_owned()));
    }
    Ok(parts.join(&b'/'))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind, mode: u32) -> Node {
        Node { kind, mode, uid: 1, gid: 2, mtime: 3, xattrs: BTreeMap::new() }
    }

    fn file(path: &str, offset: u64) -> (Vec<u8>, Node) {
        (path.into(), node(Kind::File(Content { layer: 0, offset, size: 1 }), 0o644))
    }

    fn folder(path: &str, mode: u32) -> (Vec<u8>, Node) {
        (path.into(), node(Kind::Directory, mode))
    }

    fn link(path: &str, kind: Kind) -> (Vec<u8>, Node) {
        (path.into(), node(kind, 0o777))
    }

    fn tree(layers: Vec<Vec<(Vec<u8>, Node)>>) -> Tree {
        let mut tree = Tree::default();
        for layer in layers {
            tree.apply(layer).unwrap();
        }
        tree
    }

    fn paths(tree: &Tree) -> Vec<String> {
        tree.iter().map(|(path, _)| String::from_utf8(path.to_vec()).unwrap()).collect()
    }

    #[test]
    fn upper_layers_replace_and_directories_merge() {
        let lower = vec![folder("./etc/", 0o755), file("etc/a", 1), file("etc/b", 2), file("data", 3)];
        let upper = vec![folder("etc", 0o700), file("/etc/a", 9), folder("data", 0o755), file("data/x", 4)];
        let tree = tree(vec![lower, upper]);
        assert_eq!(paths(&tree), ["data", "data/x", "etc", "etc/a", "etc/b"]);
        assert_eq!(tree.get(b"etc").unwrap().mode, 0o700);
        assert!(matches!(tree.get(b"etc/a").unwrap().kind, Kind::File(Content { offset: 9, .. })));
    }

    #[test]
    fn whiteouts_take_away_what_is_below_and_not_beside_them() {
        let lower =
            vec![folder("d", 0o755), file("d/a", 1), folder("d/sub", 0o755), file("d/sub/x", 1), file("d/sub2", 1)];
        // In whatever order the layer has them.
        let upper = vec![file("d/a", 2), file("d/.wh.a", 0), file("d/.wh.sub", 0)];
        assert_eq!(paths(&tree(vec![lower.clone(), upper])), ["d", "d/a", "d/sub2"]);
        let opaque = vec![file("d/new", 2), file("d/.wh..wh..opq", 0)];
        assert_eq!(paths(&tree(vec![lower, opaque])), ["d", "d/new"]);
        // At the root.
        assert_eq!(paths(&tree(vec![vec![file("a", 1), file("b", 1)], vec![file(".wh.a", 0)]])), ["b"]);
    }

    #[test]
    fn nothing_lies_below_a_link() {
        let lower = vec![link("bin", Kind::Symlink(b"/etc".to_vec())), file("etc/passwd", 1)];
        let tree = tree(vec![lower, vec![file("bin/passwd", 2)]]);
        assert_eq!(tree.get(b"bin").unwrap().kind, Kind::Directory);
        assert!(matches!(tree.get(b"etc/passwd").unwrap().kind, Kind::File(Content { offset: 1, .. })));
    }

    #[test]
    fn the_other_names_of_a_file_keep_its_content() {
        let lower = vec![
            file("a", 7),
            link("b", Kind::HardLink(b"./a".to_vec())),
            link("c", Kind::HardLink(b"a".to_vec())),
            link("lost", Kind::HardLink(b"nowhere".to_vec())),
        ];
        let tree = tree(vec![lower, vec![file("a", 8)]]);
        assert_eq!(paths(&tree), ["a", "b", "c"]);
        assert!(matches!(tree.get(b"a").unwrap().kind, Kind::File(Content { offset: 8, .. })));
        assert!(matches!(tree.get(b"b").unwrap().kind, Kind::File(Content { offset: 7, .. })));
        assert_eq!(tree.get(b"c").unwrap().kind, Kind::HardLink(b"b".to_vec()));
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        assert!(Tree::default().apply(vec![file("../etc/passwd", 1)]).is_err());
        assert!(Tree::default().apply(vec![link("a", Kind::HardLink(b"../../b".to_vec()))]).is_err());
    }
}
