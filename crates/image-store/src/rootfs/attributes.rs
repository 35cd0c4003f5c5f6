//! Extended attributes: which may be set where, and what setting them does (`xattr(7)`, Linux 6.12 with ext4).

use super::acl::{ACCESS, Acl, DEFAULT};
use super::fault::Errno;
use super::inode::{Body, Inode};

/// Capabilities of a program.
pub(super) const CAPABILITY: &[u8] = b"security.capability";
/// Longest name and value, bytes.
const NAME_MAX: usize = 255;
const VALUE_MAX: usize = 65536;
/// ext4's room for a file's attributes, in one block, bytes.
const BLOCK_ROOM: usize = 4096 - 32 - 4;

/// Sets an attribute of a file as root.
pub(super) fn set(inode: &mut Inode, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Errno::Range);
    }
    if value.len() > VALUE_MAX {
        return Err(Errno::TooBig);
    }
    if name == ACCESS || name == DEFAULT {
        return set_acl(inode, name, value);
    }
    let is_plain = matches!(inode.body, Body::File(_) | Body::Directory(_));
    match prefix(name) {
        b"user." if !is_plain => return Err(Errno::Perm),
        b"user." | b"trusted." | b"security." => {}
        _ => return Err(Errno::NotSupported),
    }
    if prefix(name).len() == name.len() {
        return Err(Errno::Invalid);
    }
    let value = if name == CAPABILITY { capability(value)? } else { value.to_vec() };
    if 16 + name.len().next_multiple_of(4) + value.len().next_multiple_of(4) > BLOCK_ROOM {
        return Err(Errno::NoSpace);
    }
    inode.xattrs.insert(name.to_vec(), value);
    Ok(())
}

fn prefix(name: &[u8]) -> &[u8] {
    name.iter().position(|byte| *byte == b'.').map_or(name, |dot| &name[..=dot])
}

fn set_acl(inode: &mut Inode, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    let acl = Acl::read(value)?;
    if inode.is_symlink() {
        return Err(Errno::NotSupported);
    }
    if acl.as_ref().is_some_and(|acl| !acl.is_valid()) {
        return Err(Errno::Invalid);
    }
    if name == DEFAULT {
        if !inode.is_directory() {
            return if acl.is_some() { Err(Errno::Access) } else { Ok(()) };
        }
        store(inode, DEFAULT, acl);
        return Ok(());
    }
    if let Some(acl) = &acl {
        inode.mode = inode.mode & !0o777 | acl.mode();
    }
    store(inode, ACCESS, acl.filter(Acl::is_extended));
    Ok(())
}

fn store(inode: &mut Inode, name: &[u8], acl: Option<Acl>) {
    match acl {
        Some(acl) => inode.xattrs.insert(name.to_vec(), acl.write()),
        None => inode.xattrs.remove(name),
    };
}

/// A capability's value as Linux returns it: revision 3 for the first user namespace reads as revision 2.
fn capability(value: &[u8]) -> Result<Vec<u8>, Errno> {
    let revision = value.get(3).copied();
    match (value.len(), revision) {
        // Linux only checks that it is there, and it cannot be read again.
        (0, _) => Ok(Vec::new()),
        (20, Some(2)) => Ok(value.to_vec()),
        (24, Some(3)) if value[20..] == [0; 4] => Ok([&value[..3], &[2], &value[4..20]].concat()),
        (24, Some(3)) if value[20..] != [0xff; 4] => Ok(value.to_vec()),
        _ => Err(Errno::Invalid),
    }
}

/// Changes the mode of a file, and its access list with it.
pub(super) fn chmod(inode: &mut Inode, mode: u32) {
    inode.mode = mode;
    if let Some(value) = inode.xattrs.get(ACCESS)
        && let Ok(Some(mut acl)) = Acl::read(value)
    {
        acl.change_mode(mode);
        store(inode, ACCESS, Some(acl));
    }
}

/// The attributes that a new file inherits from its directory.
pub(super) fn inherit(parent: &Inode, inode: &mut Inode) {
    let Some(value) = parent.xattrs.get(DEFAULT).filter(|_| !inode.is_symlink()) else { return };
    if inode.is_directory() {
        inode.xattrs.insert(DEFAULT.to_vec(), value.clone());
    }
    let Ok(Some(mut acl)) = Acl::read(value) else { return };
    acl.mask(inode.mode);
    inode.mode = inode.mode & !0o777 | acl.mode();
    store(inode, ACCESS, Some(acl).filter(Acl::is_extended));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_name_space_has_its_rules() {
        let mut fifo = Inode::new(Body::Fifo, 0o644);
        let mut d = Inode::new(Body::Directory(BTreeMap::new()), 0o755);
        assert_eq!(set(&mut d, b"user.a", b""), Ok(()));
        assert_eq!(set(&mut fifo, b"user.a", b"1"), Err(Errno::Perm));
        assert_eq!(set(&mut fifo, b"trusted.a", b"1"), Ok(()));
        assert_eq!(set(&mut d, b"nonsense.a", b"1"), Err(Errno::NotSupported));
        assert_eq!(set(&mut d, b"", b"1"), Err(Errno::Range));
        assert_eq!(set(&mut d, b"user.", b"1"), Err(Errno::Invalid));
        assert_eq!(set(&mut d, b"user.big", &[0; 5000]), Err(Errno::NoSpace));
        assert_eq!(set(&mut d, CAPABILITY, &[1, 0, 0, 3]), Err(Errno::Invalid));
        let third = [&[1, 0, 0, 3][..], &[0; 20]].concat();
        assert_eq!(set(&mut d, CAPABILITY, &third), Ok(()));
        assert_eq!(d.xattrs[CAPABILITY], [&[1, 0, 0, 2][..], &[0; 16]].concat());
    }
}
