//! Layers laid over one another.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use image_store::rootfs::{Kind, Rootfs};

use crate::layers::layers;
use crate::scratch;

/// However layers are made, the tree they give is one that a guest can make, holds nothing that a whiteout is, and is the same
/// when it is read again, when an empty layer comes on top, and when the last layer comes twice.
///
/// Input: layers as text (`layers.rs`); with `raw:` at the start the bytes of one layer.
pub fn rootfs(data: &[u8]) {
    let (written, raw) = match data.strip_prefix(b"raw:") {
        Some(raw) => (vec![raw.to_vec()], true),
        None => (layers(data), false),
    };
    let folder = scratch::folder();
    let Some(tree) = paths(folder.path(), &written) else { return };
    assert_eq!(paths(folder.path(), &written).as_ref(), Some(&tree), "read again, the tree is another one");
    if raw {
        return;
    }
    let mut empty = written.clone();
    empty.push(vec![0; 1024]);
    assert_eq!(paths(folder.path(), &empty).as_ref(), Some(&tree), "an empty layer changes the tree");
    let mut twice = written.clone();
    twice.extend(written.last().cloned());
    if let Some(twice) = paths(folder.path(), &twice) {
        assert_eq!(twice, tree, "a layer that comes twice changes the tree");
    }
}

/// Paths of the tree, and what kind of file each is. Nothing where the image is refused.
fn paths(folder: &Path, written: &[Vec<u8>]) -> Option<BTreeSet<(Vec<u8>, char)>> {
    let layers = written.iter().enumerate().map(|(number, layer)| {
        let path = folder.join(number.to_string());
        (number.to_string(), move || fs::write(&path, layer).and_then(|()| fs::File::open(&path)))
    });
    let rootfs = Rootfs::of_layers(layers).ok()?;
    let tree = rootfs.tree();
    let mut known = BTreeSet::new();
    for (path, node) in tree.iter() {
        let shown = String::from_utf8_lossy(path);
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        assert!(parts.iter().all(|p| !p.is_empty() && *p != b"." && *p != b".."), "{shown:?} is no path in an image");
        assert!(!path.contains(&0), "{shown:?} has a NUL in it");
        if parts.len() > 1 {
            let parent = parts[..parts.len() - 1].join(&b'/');
            let kind = tree.get(&parent).map(|node| &node.kind);
            assert_eq!(kind, Some(&Kind::Directory), "{shown:?} lies in no directory");
        }
        let letter = match &node.kind {
            Kind::Directory => 'd',
            Kind::File(content) => {
                let reader = rootfs.reader(content).expect("content of this image");
                // A sparse file may be larger than any disk: what it is, its beginning shows.
                let read = std::io::copy(&mut reader.take(1 << 20), &mut std::io::sink());
                assert_eq!(read.ok(), Some(content.size.min(1 << 20)), "{shown:?} does not give what it has");
                'f'
            }
            // Of names that are hard links, any one may be the first: they are told apart by their kind alone.
            Kind::HardLink(target) => match tree.get(target).map(|node| &node.kind) {
                Some(Kind::File(_)) => 'f',
                Some(Kind::Symlink(_)) => 'l',
                Some(Kind::CharDevice(..)) => 'c',
                Some(Kind::BlockDevice(..)) => 'b',
                Some(Kind::Fifo) => 'p',
                of => panic!("{shown:?} is a hard link to {of:?}"),
            },
            Kind::Symlink(_) => 'l',
            Kind::CharDevice(..) => 'c',
            Kind::BlockDevice(..) => 'b',
            Kind::Fifo => 'p',
        };
        // A whiteout is no file; a directory on the way to a file may be called like one.
        let name = parts.last().copied().unwrap_or_default();
        assert!(!name.starts_with(b".wh.") || letter == 'd', "{shown:?} is a whiteout, and in the tree");
        let _ = tree.resolve(path);
        known.insert((path.to_vec(), letter));
    }
    Some(known)
}
