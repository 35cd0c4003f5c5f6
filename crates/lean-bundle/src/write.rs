//! The tree as a tar stream.

use std::io::{self, Read, Write};

use futon_model::LeanBundle;
use image_store::rootfs::{Kind, Node, Rootfs, Tree};
use tar::{Builder, EntryType, Header};

/// Appends a tree below `folder`, with contents of the root that it was made from. Hard links come last: what they name is there then.
pub(super) fn append_tree(
    archive: &mut Builder<impl Write>,
    folder: &str,
    tree: &Tree,
    rootfs: &Rootfs,
) -> io::Result<()> {
    let is_link = |node: &Node| matches!(node.kind, Kind::HardLink(_));
    let first = tree.iter().filter(|(_, node)| !is_link(node));
    let last = tree.iter().filter(|(_, node)| is_link(node));
    append_folder(archive, folder, 0o755)?;
    for (path, node) in first.chain(last) {
        let path = below(folder, path);
        append_node(archive, folder, &path, node, rootfs)?;
    }
    Ok(())
}

/// Appends a directory of root's.
pub(super) fn append_folder(archive: &mut Builder<impl Write>, path: &str, mode: u32) -> io::Result<()> {
    let header = of_root(EntryType::Directory, mode, 0);
    append(archive, header, path.as_bytes(), &mut io::empty())
}

/// Appends a small file of root's.
pub(super) fn append_text(archive: &mut Builder<impl Write>, path: &str, mode: u32, text: &[u8]) -> io::Result<()> {
    append_owned(archive, path, mode, (0, 0), text)
}

/// Appends a file that belongs to a user and a group.
pub(super) fn append_owned(
    archive: &mut Builder<impl Write>,
    path: &str,
    mode: u32,
    (uid, gid): (u64, u64),
    text: &[u8],
) -> io::Result<()> {
    let mut header = of_root(EntryType::Regular, mode, text.len());
    header.set_uid(uid);
    header.set_gid(gid);
    append(archive, header, path.as_bytes(), &mut &text[..])
}

fn of_root(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

fn below(folder: &str, path: &[u8]) -> Vec<u8> {
    [folder.as_bytes(), b"/", path].concat()
}

fn append_node(
    archive: &mut Builder<impl Write>,
    folder: &str,
    path: &[u8],
    node: &Node,
    rootfs: &Rootfs,
) -> io::Result<()> {
    let mtime = node.mtime.unwrap_or_default();
    let plain = u64::try_from(mtime.seconds).ok().filter(|_| mtime.nanoseconds == 0);
    let mut more: Vec<(&str, String)> = Vec::new();
    if plain.is_none() {
        more.push((LeanBundle::MTIME, format!("{} {}", mtime.seconds, mtime.nanoseconds)));
    }
    for (name, value) in &node.xattrs {
        more.push((LeanBundle::XATTR, format!("{} {}", hex::encode(name), hex::encode(value))));
    }
    if !more.is_empty() {
        archive.append_pax_extensions(more.iter().map(|(key, value)| (*key, value.as_bytes())))?;
    }
    let mut header = Header::new_gnu();
    header.set_mode(node.mode);
    header.set_uid(node.uid.into());
    header.set_gid(node.gid.into());
    header.set_mtime(plain.unwrap_or(0));
    header.set_size(0);
    let device = |header: &mut Header, kind: EntryType, major: u32, minor: u32| -> io::Result<()> {
        header.set_entry_type(kind);
        header.set_device_major(major)?;
        header.set_device_minor(minor)
    };
    match &node.kind {
        Kind::Directory => header.set_entry_type(EntryType::Directory),
        Kind::File(content) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(content.size);
            // One that the host made is of no layer.
            if content.size == 0 {
                return append(archive, header, path, &mut io::empty());
            }
            return append(archive, header, path, &mut rootfs.reader(content)?);
        }
        Kind::Symlink(target) => return append_link(archive, header, EntryType::Symlink, path, target),
        Kind::HardLink(target) => {
            return append_link(archive, header, EntryType::Link, path, &below(folder, target));
        }
        Kind::CharDevice(major, minor) => device(&mut header, EntryType::Char, *major, *minor)?,
        Kind::BlockDevice(major, minor) => device(&mut header, EntryType::Block, *major, *minor)?,
        Kind::Fifo => header.set_entry_type(EntryType::Fifo),
    }
    append(archive, header, path, &mut io::empty())
}

/// Length of a name in the header itself; longer ones go before it, in an entry of their own.
const NAME_MAX: usize = 100;

/// Appends what a header describes. It has the size already.
pub(super) fn append(
    archive: &mut Builder<impl Write>,
    mut header: Header,
    path: &[u8],
    data: &mut dyn Read,
) -> io::Result<()> {
    long(archive, EntryType::GNULongName, path)?;
    put(&mut header.as_old_mut().name, path);
    header.set_cksum();
    archive.append(&header, data)
}

/// Appends a link, with its target as it is.
pub(super) fn append_link(
    archive: &mut Builder<impl Write>,
    mut header: Header,
    kind: EntryType,
    path: &[u8],
    target: &[u8],
) -> io::Result<()> {
    header.set_entry_type(kind);
    long(archive, EntryType::GNULongLink, target)?;
    put(&mut header.as_old_mut().linkname, target);
    append(archive, header, path, &mut io::empty())
}

fn put(field: &mut [u8; NAME_MAX], name: &[u8]) {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
}

/// GNU's way to write a name that is too long for the header: the crate's own takes only paths that it likes.
fn long(archive: &mut Builder<impl Write>, kind: EntryType, name: &[u8]) -> io::Result<()> {
    if name.len() <= NAME_MAX {
        return Ok(());
    }
    let mut header = of_root(kind, 0o644, name.len() + 1);
    put(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_cksum();
    archive.append(&header, (&[name, b"\0"].concat()[..]).take(u64::MAX))
}
