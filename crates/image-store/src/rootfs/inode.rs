//! A file of a file system in memory: what it is, and its attributes.

use std::collections::BTreeMap;

use super::tree::{Content, Time};

/// Number of a file.
pub(super) type Number = usize;

/// What a file is.
#[derive(Debug)]
pub(super) enum Body {
    Directory(BTreeMap<Vec<u8>, Number>),
    File(Content),
    Symlink(Vec<u8>),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

/// A file and its attributes.
#[derive(Debug)]
pub(super) struct Inode {
    pub body: Body,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Option<Time>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Inode {
    pub(super) fn new(body: Body, mode: u32) -> Self {
        Self { body, mode, uid: 0, gid: 0, mtime: None, xattrs: BTreeMap::new() }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    pub(super) fn is_symlink(&self) -> bool {
        matches!(self.body, Body::Symlink(_))
    }
}
