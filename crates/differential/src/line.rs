//! A file tree written down, one line a path, so that two can be compared.

use std::collections::BTreeMap;
use std::io::{self, Read};

use image_store::rootfs::{Kind, Rootfs};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A path and all that can be seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Path in hexadecimal digits.
    pub path: String,
    /// What it is: `d`, `f`, `l`, `c`, `b`, `p`.
    pub kind: char,
    /// Mode bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time, seconds and nanoseconds; none where it is that of unpacking.
    pub mtime: Option<(i64, u32)>,
    /// Target of a link in hexadecimal digits, numbers of a device, size and digest of a file.
    pub what: String,
    /// Extended attributes, names and values in hexadecimal digits.
    pub xattrs: BTreeMap<String, String>,
    /// First path of the file, where it has several.
    pub first: Option<String>,
}

/// What an answer is: a tree, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Name of the case.
    pub name: String,
    /// Why the image was refused.
    pub refused: Option<String>,
    /// Its tree.
    pub lines: Vec<Line>,
}

/// Size and digest of a file.
///
/// # Errors
/// When it cannot be read.
pub fn content(file: &mut impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{size} {}", hex::encode(hash.finalize()))),
            read => {
                size += read;
                hash.update(&buffer[..read]);
            }
        }
    }
}

/// The lines of a tree that futon made.
///
/// # Errors
/// When a layer cannot be read.
pub fn of_rootfs(rootfs: &Rootfs) -> io::Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for (path, node) in rootfs.tree().iter() {
        let (kind, what) = match &node.kind {
            Kind::Directory => ('d', String::new()),
            Kind::File(data) => ('f', content(&mut rootfs.reader(data)?)?),
            Kind::Symlink(target) => ('l', hex::encode(target)),
            Kind::CharDevice(major, minor) => ('c', format!("{major}:{minor}")),
            Kind::BlockDevice(major, minor) => ('b', format!("{major}:{minor}")),
            Kind::Fifo => ('p', String::new()),
            Kind::HardLink(first) => {
                let place = places.get(first).copied().ok_or_else(|| io::Error::other("a link to nothing"))?;
                let first = lines[place].path.clone();
                lines[place].first = Some(first);
                let line = Line { path: hex::encode(path), ..lines[place].clone() };
                lines.push(line);
                continue;
            }
        };
        places.insert(path.to_vec(), lines.len());
        lines.push(Line {
            path: hex::encode(path),
            kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime.map(|time| (time.seconds, time.nanoseconds)),
            what,
            xattrs: node.xattrs.iter().map(|(name, value)| (hex::encode(name), hex::encode(value))).collect(),
            first: None,
        });
    }
    Ok(lines)
}

/// A refusal without what only the engine can know: the layer's folder in its own store, and paths that are too long to compare.
fn reason(words: &str) -> String {
    match words.strip_prefix("lstat /var/lib/docker/overlay2/").and_then(|rest| rest.rsplit_once(": ")) {
        Some((_, why)) => format!("lstat: {why}"),
        None => words.to_owned(),
    }
}

/// How two answers differ, for people; nothing when they agree. Times are compared where futon's are known.
#[must_use]
pub fn differences(ours: &Answer, engines: &Answer) -> Vec<String> {
    if ours.refused.is_some() || engines.refused.is_some() {
        return match (&ours.refused, &engines.refused) {
            (Some(a), Some(b)) if reason(a) == reason(b) => Vec::new(),
            (a, b) => vec![format!("futon refuses: {a:?}; the engine refuses: {b:?}")],
        };
    }
    let by_path = |answer: &Answer| -> BTreeMap<String, Line> {
        answer.lines.iter().map(|line| (line.path.clone(), line.clone())).collect()
    };
    let (ours, mut engines) = (by_path(ours), by_path(engines));
    let mut found = Vec::new();
    for (path, mine) in ours {
        let name =
            hex::decode(&path).map_or_else(|_| path.clone(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
        match engines.remove(&path) {
            None => found.push(format!("{name}: only futon has it: {mine:?}")),
            Some(theirs) => {
                let theirs = Line { mtime: mine.mtime.and(theirs.mtime), ..theirs };
                if mine != theirs {
                    found.push(format!("{name}: futon {mine:?}, the engine {theirs:?}"));
                }
            }
        }
    }
    for (path, line) in engines {
        let name = hex::decode(&path).map_or(path, |bytes| String::from_utf8_lossy(&bytes).into_owned());
        found.push(format!("{name}: only the engine has it: {line:?}"));
    }
    found
}
