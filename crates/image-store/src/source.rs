//! Where an image's files are read from: a folder, or a tar archive (plain or gzip).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::manifest::MAX_DOCUMENT;

/// Links that are followed before an archive is taken for a trap.
const MAX_LINKS: usize = 8;

/// A set of named files that can be read in any order.
pub(super) trait Source {
    /// What this is, for errors.
    fn describe(&self) -> String;
    /// Opens a file; `None` when it is not there.
    fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, StoreError>;

    /// Reads a whole small file.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let what = format!("{}: {name}", self.describe());
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", Path::new(&what)))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(StoreError::not_an_image(what, format!("larger than {MAX_DOCUMENT} bytes: not a manifest")));
        }
        Ok(Some(bytes))
    }
}

/// A folder.
#[derive(Debug)]
pub(super) struct Folder(pub PathBuf);

impl Source for Folder {
    fn describe(&self) -> String {
        self.0.display().to_string()
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, StoreError> {
        let path = self.0.join(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("read", &path)(e)),
        }
    }
}

/// A tar archive: nothing is unpacked, members are read where they lie.
#[derive(Debug)]
pub(super) struct Tar {
    path: PathBuf,
    file: Arc<File>,
    members: BTreeMap<String, Member>,
}

#[derive(Debug)]
enum Member {
    Data { at: u64, size: u64 },
    Link(String),
}

impl Tar {
    /// Opens an archive. One that is compressed with gzip is unpacked into `staging` first.
    pub fn open(path: &Path, staging: &Path) -> Result<Self, StoreError> {
        let io = |action| StoreError::io(action, path);
        let mut file = File::open(path).map_err(io("open"))?;
        let mut magic = [0; 6];
        let read = file.read(&mut magic).map_err(io("read"))?;
        file.seek(SeekFrom::Start(0)).map_err(io("read"))?;
        let hint = |how: &str| {
            StoreError::not_an_image(
                path.display().to_string(),
                format!("compressed with {how} (hint: uncompress it first)"),
            )
        };
        match &magic[..read] {
            [0x1f, 0x8b, ..] => {
                let mut plain = tempfile::tempfile_in(staging).map_err(StoreError::io("write in", staging))?;
                io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut plain).map_err(io("uncompress"))?;
                file = plain;
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(hint("xz")),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(hint("zstd")),
            [b'B', b'Z', b'h', ..] => return Err(hint("bzip2")),
            _ => {}
        }
        file.seek(SeekFrom::Start(0)).map_err(io("read"))?;
        let members = list(&mut file).map_err(|e| {
            StoreError::not_an_image(
                path.display().to_string(),
                format!("not a tar archive: {e} (hint: make it with docker save)"),
            )
        })?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), members })
    }
}

fn list(file: &mut File) -> io::Result<BTreeMap<String, Member>> {
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(file).entries_with_seek()? {
        let entry = entry?;
        let name = normal(&entry.path()?.to_string_lossy());
        let kind = entry.header().entry_type();
        let member = match entry.link_name()? {
            Some(to) if kind.is_symlink() => {
                let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                Member::Link(normal(&format!("{parent}/{}", to.to_string_lossy())))
            }
            Some(to) if kind.is_hard_link() => Member::Link(normal(&to.to_string_lossy())),
            _ if kind.is_file() => Member::Data { at: entry.raw_file_position(), size: entry.size() },
            _ => continue,
        };
        members.insert(name, member);
    }
    Ok(members)
}

/// A member name without `.`, `..` and double slashes. Only used to look names up, never as a path.
fn normal(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Source for Tar {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, StoreError> {
        let mut name = normal(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name) {
                None => return Ok(None),
                Some(Member::Link(to)) => name.clone_from(to),
                Some(Member::Data { at, size }) => {
                    return Ok(Some(Box::new(Slice { file: Arc::clone(&self.file), at: *at, left: *size })));
                }
            }
        }
        Err(StoreError::not_an_image(self.describe(), format!("{name} is a link that leads nowhere")))
    }
}

/// A part of a file, read by position.
struct Slice {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..want], self.at)?;
        if n == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short"));
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(path: &Path) {
        let mut tar = tar::Builder::new(File::create(path).unwrap());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, content).unwrap();
        };
        add("./one", b"first");
        add("dir/two", b"second");
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "dir/link", "../one").unwrap();
        tar.append_link(&mut header, "loop", "loop").unwrap();
        tar.finish().unwrap();
    }

    #[test]
    fn members_are_read_in_any_order_links_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        archive(&path);
        let tar = Tar::open(&path, folder.path()).unwrap();
        assert_eq!(tar.read("dir/two").unwrap().unwrap(), b"second");
        assert_eq!(tar.read("one").unwrap().unwrap(), b"first");
        assert_eq!(tar.read("dir/link").unwrap().unwrap(), b"first");
        assert!(tar.read("three").unwrap().is_none());
        assert!(tar.read("loop").is_err());
    }

    #[test]
    fn gzip_is_read_and_other_compressions_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, packed) = (folder.path().join("a.tar"), folder.path().join("a.tar.gz"));
        archive(&path);
        let mut gzip = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        io::copy(&mut File::open(&path).unwrap(), &mut gzip).unwrap();
        gzip.finish().unwrap();
        assert_eq!(Tar::open(&packed, folder.path()).unwrap().read("one").unwrap().unwrap(), b"first");
        std::fs::write(&packed, b"\xfd7zXZ\0rest").unwrap();
        assert!(Tar::open(&packed, folder.path()).unwrap_err().to_string().contains("xz"));
        std::fs::write(&packed, "no archive at all ".repeat(100)).unwrap();
        assert!(Tar::open(&packed, folder.path()).unwrap_err().to_string().contains("not a tar archive"));
    }
}
