//! Merges layers as overlayfs does (Linux 6.12, `Documentation/filesystems/overlayfs.rst`).

use std::collections::{BTreeMap, HashMap};

use super::bounds::Bounds;
use super::disk::{Disk, ROOT};
use super::fault::Fault;
use super::inode::{Body, Inode, Number};
use super::tree::{Kind, Node, Tree};

/// Attribute of a directory that hides all below it.
pub(super) const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// Attribute of an empty file that hides what lower layers have at its path.
const WHITEOUT: &[u8] = b"trusted.overlay.whiteout";
/// Attributes that overlayfs keeps for itself.
const PRIVATE: &[u8] = b"trusted.overlay.";
/// A private attribute's name inside another overlay.
const ESCAPED: &[u8] = b"trusted.overlay.overlay.";

/// Attributes that redirect one file to another: they get into a layer when an overlay's upper directory is packed.
const ELSEWHERE: [&[u8]; 2] = [b"trusted.overlay.redirect", b"trusted.overlay.metacopy"];
/// Value of [`OPAQUE`] of a directory whose whiteouts are attributes.
const WITH_WHITEOUTS: &[u8] = b"x";

/// A directory of one layer.
type Place = (usize, Number);

/// Merges layers, lowest first.
pub(super) fn merge(layers: &[Disk], bounds: &mut Bounds) -> Result<Tree, Fault> {
    let mut files: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
    // The root is merged from all layers, whatever marks it has. Directories wait here: they may be deep.
    let roots: Vec<Place> = (0..layers.len()).rev().map(|layer| (layer, ROOT)).collect();
    let mut waiting = vec![(Vec::new(), roots)];
    while let Some((path, places)) = waiting.pop() {
        for (path, found) in listed(layers, &path, &places) {
            bounds.text(path.len())?;
            found.iter().try_for_each(|place| require_plain(&path, inode(layers, *place)))?;
            let Some(top) = found.first().copied().filter(|top| !is_whiteout(inode(layers, *top))) else { continue };
            if inode(layers, top).is_directory() {
                waiting.push((path.clone(), merged(layers, &found)));
            }
            files.insert(path, top);
        }
    }
    let mut tree = Tree::default();
    let mut names: HashMap<Place, Vec<u8>> = HashMap::new();
    for (path, place) in files {
        let inode = inode(layers, place);
        let kind = match (&inode.body, names.get(&place)) {
            (Body::Directory(_), _) => Kind::Directory,
            (_, Some(first)) => Kind::HardLink(first.clone()),
            (Body::File(content), None) => Kind::File(content.clone()),
            (Body::Symlink(target), None) => Kind::Symlink(target.clone()),
            (Body::CharDevice(major, minor), None) => Kind::CharDevice(*major, *minor),
            (Body::BlockDevice(major, minor), None) => Kind::BlockDevice(*major, *minor),
            (Body::Fifo, None) => Kind::Fifo,
        };
        names.entry(place).or_insert_with(|| path.clone());
        tree.nodes.insert(path, node(inode, kind));
    }
    Ok(tree)
}

/// Refuses attributes that overlayfs interprets and this module does not: ignoring them would give a different tree.
fn require_plain(path: &[u8], inode: &Inode) -> Result<(), Fault> {
    let refused = |name: &[u8]| {
        let (path, name) = (String::from_utf8_lossy(path), String::from_utf8_lossy(name));
        Fault::Unsupported(format!("/{path} has the attribute {name}, which belongs to overlayfs"))
    };
    if let Some(name) = ELSEWHERE.into_iter().find(|name| inode.xattrs.contains_key(*name)) {
        return Err(refused(name));
    }
    match inode.xattrs.get(OPAQUE) {
        Some(value) if inode.is_directory() && value == WITH_WHITEOUTS => Err(refused(OPAQUE)),
        _ => Ok(()),
    }
}

fn inode(layers: &[Disk], (layer, number): Place) -> &Inode {
    layers[layer].inode(number)
}

/// The entries of a directory in one or more layers, topmost first: each path, and what the layers have there.
fn listed(layers: &[Disk], folder: &[u8], places: &[Place]) -> BTreeMap<Vec<u8>, Vec<Place>> {
    let mut found: BTreeMap<Vec<u8>, Vec<Place>> = BTreeMap::new();
    for (layer, number) in places {
        for (name, number) in layers[*layer].list(*number).into_iter().flatten() {
            let path = if folder.is_empty() { name.clone() } else { [folder, b"/", name].concat() };
            found.entry(path).or_default().push((*layer, *number));
        }
    }
    found
}

/// The directories that are merged: down to the first that is not a directory, or is opaque.
fn merged(layers: &[Disk], found: &[Place]) -> Vec<Place> {
    let mut places = Vec::new();
    for place in found.iter().copied().take_while(|place| inode(layers, *place).is_directory()) {
        places.push(place);
        if inode(layers, place).xattrs.get(OPAQUE).is_some_and(|value| value == b"y") {
            break;
        }
    }
    places
}

/// A device with number 0, or an empty file with the attribute for it (Linux 6.7): it can never be opened.
fn is_whiteout(inode: &Inode) -> bool {
    match &inode.body {
        Body::CharDevice(0, 0) => true,
        Body::File(content) => content.size == 0 && inode.xattrs.contains_key(WHITEOUT),
        _ => false,
    }
}

fn node(inode: &Inode, kind: Kind) -> Node {
    let visible = |(name, value): (&Vec<u8>, &Vec<u8>)| {
        let name = match name.strip_prefix(ESCAPED) {
            Some(rest) => [PRIVATE, rest].concat(),
            None if name.starts_with(PRIVATE) => return None,
            None => name.clone(),
        };
        Some((name, value.clone()))
    };
    Node {
        kind,
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        mtime: inode.mtime,
        xattrs: inode.xattrs.iter().filter_map(visible).collect(),
    }
}
