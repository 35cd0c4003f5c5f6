//! What the Docker Engine adds to an image's tree before a container starts: the files of its init layer, and the working directory.
//!
//! The init layer (moby, `daemon/initlayer`) lies between the image and the container: what an image has in the place of its files
//! and is no directory gives way, links included; an image with `/etc` as a link has a directory there in its containers.

use std::collections::BTreeMap;

use image_store::rootfs::{Content, Kind, Node, Tree};

/// Most links that are followed on the way to a file, as in the engine.
const MOST_LINKS: usize = 255;

/// What the init layer has.
enum Own {
    Directory,
    File,
    Link(&'static [u8]),
}

/// The engine's own files.
const OWN: [(&[u8], Own); 10] = [
    (b".dockerenv", Own::File),
    (b"dev/console", Own::File),
    (b"dev/pts", Own::Directory),
    (b"dev/shm", Own::Directory),
    (b"etc/hostname", Own::File),
    (b"etc/hosts", Own::File),
    (b"etc/mtab", Own::Link(b"/proc/mounts")),
    (b"etc/resolv.conf", Own::File),
    (b"proc", Own::Directory),
    (b"sys", Own::Directory),
];

/// Adds the engine's own files.
pub(super) fn add_engine_files(tree: &mut Tree) {
    for (path, own) in &OWN {
        // A directory of the image's in its place stays, whatever was wanted.
        if has_directory(tree, path) {
            continue;
        }
        let (kind, mode) = match own {
            Own::Directory => (Kind::Directory, 0o755),
            Own::File => (Kind::File(Content { layer: 0, size: 0, pieces: Vec::new() }), 0o755),
            Own::Link(to) => (Kind::Symlink(to.to_vec()), 0o777),
        };
        tree.put(path, root_owned(kind, mode));
    }
}

/// Makes the working directory, and whatever lacks on the way to it.
///
/// # Errors
/// In the engine's words, why it cannot be made.
pub(super) fn make_working_dir(tree: &mut Tree, written: &str) -> Result<(), String> {
    if written.is_empty() {
        return Ok(());
    }
    let path = resolve(tree, written.as_bytes())?;
    for end in path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]) {
        let part = &path[..end];
        if part.is_empty() {
            continue;
        }
        match tree.get(part).map(|node| &node.kind) {
            Some(Kind::Directory) => {}
            Some(_) if part == path => return Err(format!("Cannot mkdir: {written} is not a directory")),
            Some(_) => return Err(format!("mkdir /{}: not a directory", String::from_utf8_lossy(part))),
            None => tree.put(part, root_owned(Kind::Directory, 0o755)),
        }
    }
    Ok(())
}

/// A directory of the image's, reached without a link on the way.
fn has_directory(tree: &Tree, path: &[u8]) -> bool {
    tree.get(path).is_some_and(|node| node.kind == Kind::Directory)
}

fn root_owned(kind: Kind, mode: u32) -> Node {
    Node { kind, mode, uid: 0, gid: 0, mtime: None, xattrs: BTreeMap::new() }
}

/// Where a path leads within the tree: links are followed as a process in the container would, the last one, too. What is not there
/// is taken for a name.
///
/// # Errors
/// When the links go round in a circle.
pub(super) fn resolve(tree: &Tree, path: &[u8]) -> Result<Vec<u8>, String> {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
            .map(<[u8]>::to_vec)
            .rev()
            .collect()
    };
    let (mut left, mut done, mut links) = (parts(path), Vec::<Vec<u8>>::new(), 0);
    while let Some(part) = left.pop() {
        if part == b".." {
            done.pop();
            continue;
        }
        done.push(part);
        let here = done.join(&b'/');
        if let Some(Node { kind: Kind::Symlink(to), .. }) = tree.get(&here) {
            links += 1;
            if links > MOST_LINKS {
                return Err(format!("too many links in {}", String::from_utf8_lossy(path)));
            }
            if to.starts_with(b"/") {
                done.clear();
            } else {
                done.pop();
            }
            left.extend(parts(to));
        }
    }
    Ok(done.join(&b'/'))
}

/// The node a path leads to; a hard link's is the file itself.
pub(super) fn find<'a>(tree: &'a Tree, path: &[u8]) -> Option<&'a Node> {
    let node = tree.get(&resolve(tree, path).ok()?)?;
    match &node.kind {
        Kind::HardLink(target) => tree.get(target),
        _ => Some(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(&str, Kind)]) -> Tree {
        let mut tree = Tree::default();
        for (path, kind) in nodes {
            tree.put(path.as_bytes(), root_owned(kind.clone(), 0o700));
        }
        tree
    }

    fn file() -> Kind {
        Kind::File(Content { layer: 0, size: 7, pieces: Vec::new() })
    }

    fn link(to: &str) -> Kind {
        Kind::Symlink(to.into())
    }

    #[test]
    fn an_empty_image_gets_all_of_them() {
        let mut made = Tree::default();
        add_engine_files(&mut made);
        let paths: Vec<_> = made.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect();
        assert_eq!(
            paths,
            [
                ".dockerenv",
                "dev",
                "dev/console",
                "dev/pts",
                "dev/shm",
                "etc",
                "etc/hostname",
                "etc/hosts",
                "etc/mtab",
                "etc/resolv.conf",
                "proc",
                "sys"
            ]
        );
        assert_eq!(made.get(b"etc/mtab").unwrap().kind, link("/proc/mounts"));
        assert_eq!(made.get(b"etc").unwrap().mode, 0o755);
    }

    #[test]
    fn what_an_image_has_in_their_place_gives_way_but_for_directories() {
        let mut made = tree(&[
            (".dockerenv", file()),
            ("etc/mtab", Kind::Directory),
            ("etc/hosts", link("/elsewhere")),
            ("proc", Kind::Directory),
            ("sys", file()),
            ("dev", link("/tmp")),
        ]);
        add_engine_files(&mut made);
        assert_eq!(
            made.get(b".dockerenv").unwrap().kind,
            Kind::File(Content { layer: 0, size: 0, pieces: Vec::new() })
        );
        assert_eq!(made.get(b"etc/mtab").unwrap().kind, Kind::Directory);
        assert!(matches!(made.get(b"etc/hosts").unwrap().kind, Kind::File(_)));
        assert_eq!(made.get(b"proc").unwrap().mode, 0o700);
        assert_eq!(
            (&made.get(b"sys").unwrap().kind, &made.get(b"dev").unwrap().kind),
            (&Kind::Directory, &Kind::Directory)
        );
    }

    #[test]
    fn links_are_followed_within_the_root() {
        let made = tree(&[
            ("a/l", link("../../../b")),
            ("b/c", file()),
            ("abs", link("/a/l/c")),
            ("x", link("y")),
            ("y", link("x")),
            ("twin", Kind::HardLink(b"b/c".to_vec())),
        ]);
        assert_eq!(resolve(&made, b"/abs").unwrap(), b"b/c");
        assert_eq!(resolve(&made, b"a/l/new/../n").unwrap(), b"b/n");
        assert!(resolve(&made, b"x").is_err());
        assert_eq!(find(&made, b"twin").unwrap().kind, file());
    }

    #[test]
    fn the_working_directory_is_made_where_links_lead() {
        let mut made = tree(&[("real", Kind::Directory), ("l", link("/real")), ("f", file())]);
        make_working_dir(&mut made, "/l/x//y/").unwrap();
        assert_eq!(made.get(b"real/x/y").unwrap().mode, 0o755);
        // What is there keeps its mode.
        assert_eq!(made.get(b"real").unwrap().mode, 0o700);
        assert_eq!(make_working_dir(&mut made, "/f").unwrap_err(), "Cannot mkdir: /f is not a directory");
        assert!(make_working_dir(&mut made, "/f/x").unwrap_err().contains("not a directory"));
        make_working_dir(&mut made, "").unwrap();
    }
}
