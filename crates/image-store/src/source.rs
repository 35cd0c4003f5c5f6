//! Sources of an image's files: a folder, or a tar archive, compressed or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::manifest::MAX_DOCUMENT;
use super::packed::{Compression, is_cut, is_too_large, unpacked};

/// Size of a tar record, bytes.
const BLOCK: usize = 512;

/// How many links are followed before an archive is considered malicious.
const MAX_LINKS: usize = 8;

/// A set of named files that can be read in any order.
pub(super) trait Source {
    /// What this is, for errors.
    fn describe(&self) -> String;
    /// Hint for when something is missing from it.
    fn again(&self) -> &'static str;
    /// Opens a file; `None` when it does not exist.
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

    fn again(&self) -> &'static str {
        "the copy is not complete; make it again"
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

/// A tar archive: nothing is unpacked, members are read in place.
#[derive(Debug)]
pub(super) struct Tar {
    path: PathBuf,
    file: Arc<File>,
    members: BTreeMap<String, Member>,
    ended: bool,
}

#[derive(Debug)]
enum Member {
    Data { at: u64, size: u64 },
    Link(String),
}

impl Tar {
    /// Opens an archive. One that is compressed is unpacked into `staging` first.
    pub fn open(path: &Path, staging: &Path) -> Result<Self, StoreError> {
        let what = path.display().to_string();
        let io = |action| StoreError::io(action, path);
        let mut file = File::open(path).map_err(io("open"))?;
        let mut broken = None;
        let (compression, mut plain) = unpacked(File::open(path).map_err(io("open"))?).map_err(io("read"))?;
        if compression != Compression::None {
            file = tempfile::tempfile_in(staging).map_err(StoreError::io("write in", staging))?;
            broken = copy(&mut plain, &mut file).map_err(StoreError::io("write in", staging))?;
        }
        drop(plain);
        let length = file.metadata().map_err(io("read"))?.len();
        let listing = list(&mut file, length);
        // Data after the end of an archive is padding, which an engine does not read, either.
        let ended = listing.ended;
        let wrong = if ended { None } else { broken.or(listing.broken) };
        match wrong {
            Some(error) if is_cut(&error) => return Err(cut(&what)),
            Some(error) if is_too_large(&error) => return Err(too_large(&what, &error)),
            Some(error) if listing.members.is_empty() => {
                let why = format!("not a tar archive: {error} (hint: make it with docker save)");
                return Err(StoreError::not_an_image(what, why));
            }
            Some(error) => {
                let why = format!("the archive is damaged: {error} (hint: save or copy it again)");
                return Err(StoreError::not_an_image(what, why));
            }
            None if length == 0 => return Err(StoreError::not_an_image(what, "it is empty (hint: save it again)")),
            None => {}
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(file), members: listing.members, ended })
    }

    /// The error for an archive without `lacking`: if it has no end mark, it was cut.
    pub fn lacks(&self, lacking: &str) -> StoreError {
        if self.ended { StoreError::not_an_image(self.describe(), lacking) } else { cut(&self.describe()) }
    }
}

/// Maximum number of members in an archive; a layer is one member.
const MEMBERS_MAX: usize = 100_000;

/// Longest name or header extension of a member, bytes, as in Go's reader: the library would read it completely.
const SPECIAL_MAX: u64 = 1 << 20;

pub(super) fn too_large(what: &str, error: &io::Error) -> StoreError {
    StoreError::not_an_image(what, format!("{error}, futon's limit (hint: docs/config.md lists the limits)"))
}

fn cut(what: &str) -> StoreError {
    StoreError::not_an_image(what, "unexpected end: the archive is cut short (hint: save or copy it again)")
}

/// Copies as much as can be read, and returns what was wrong with the rest. A failed write is an error.
fn copy(from: &mut dyn Read, to: &mut File) -> io::Result<Option<io::Error>> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(n) => to.write_all(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Ok(Some(e)),
        }
    }
}

/// The members of an archive, as far as it can be read.
struct Listing {
    members: BTreeMap<String, Member>,
    /// Whether the mark of an archive's end was met.
    ended: bool,
    broken: Option<io::Error>,
}

fn list(file: &mut File, length: u64) -> Listing {
    let mut members = BTreeMap::new();
    let mut end = 0;
    let read = (|| {
        file.seek(SeekFrom::Start(0))?;
        for (number, entry) in tar::Archive::new(&mut *file).entries_with_seek()?.raw(true).enumerate() {
            // Damage is reported below, with the members before it.
            let Ok(entry) = entry else { break };
            let header = entry.header();
            let kind = header.entry_type();
            let special = kind.is_gnu_longname()
                || kind.is_gnu_longlink()
                || kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions();
            if special && header.entry_size()? > SPECIAL_MAX {
                return Err(io::Error::other("a name of more than 1 MiB"));
            }
            if number >= MEMBERS_MAX {
                return Err(io::Error::other(format!("more than {MEMBERS_MAX} members")));
            }
        }
        file.seek(SeekFrom::Start(0))?;
        for entry in tar::Archive::new(&mut *file).entries_with_seek()? {
            let entry = entry?;
            let (at, size) = (entry.raw_file_position(), entry.header().entry_size()?.max(entry.size()));
            if entry.header().entry_type().is_file() && at.saturating_add(entry.size()) > length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            end = at.saturating_add(size).next_multiple_of(BLOCK as u64);
            let name = normal(&entry.path()?.to_string_lossy());
            let kind = entry.header().entry_type();
            let member = match entry.link_name()? {
                Some(to) if kind.is_symlink() && to.is_absolute() => Member::Link(normal(&to.to_string_lossy())),
                Some(to) if kind.is_symlink() => {
                    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                    Member::Link(normal(&format!("{parent}/{}", to.to_string_lossy())))
                }
                Some(to) if kind.is_hard_link() => Member::Link(normal(&to.to_string_lossy())),
                _ if kind.is_file() => Member::Data { at, size: entry.size() },
                _ => continue,
            };
            members.insert(name, member);
        }
        Ok(())
    })();
    let mut block = [1; BLOCK];
    let ended = read.is_ok() && file.read_exact_at(&mut block, end).is_ok() && block.iter().all(|b| *b == 0);
    // The library's own words for a header of which only a part is there.
    let cut = |e: io::Error| {
        if e.to_string().contains("failed to read entire block") { io::ErrorKind::UnexpectedEof.into() } else { e }
    };
    Listing { members, ended, broken: read.err().map(cut) }
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

    fn again(&self) -> &'static str {
        "save it again with --platform linux/amd64"
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, StoreError> {
        let mut name = normal(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name) {
                None => match self.through_a_link(&name) {
                    Some(other) => name = other,
                    None => return Ok(None),
                },
                Some(Member::Link(to)) => name.clone_from(to),
                Some(Member::Data { at, size }) => {
                    return Ok(Some(Box::new(Slice { file: Arc::clone(&self.file), at: *at, left: *size })));
                }
            }
        }
        Err(StoreError::not_an_image(self.describe(), format!("{name} is a dangling link")))
    }
}

impl Tar {
    /// Another name of a member whose folder is a link.
    fn through_a_link(&self, name: &str) -> Option<String> {
        name.match_indices('/').find_map(|(at, _)| match self.members.get(&name[..at]) {
            Some(Member::Link(to)) => Some(normal(&format!("{to}{}", &name[at..]))),
            _ => None,
        })
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

    fn packed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(bytes).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
        [("gzip", gzip.finish().unwrap()), ("bzip2", bzip2.finish().unwrap()), ("zstd", zstd)]
    }

    #[test]
    fn compressed_archives_are_read_and_cut_ones_are_called_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        archive(&path);
        let plain = std::fs::read(&path).unwrap();
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Tar::open(&path, folder.path())
        };
        for (name, packed) in packed(&plain) {
            assert_eq!(open(&packed).unwrap().read("one").unwrap().unwrap(), b"first", "{name}");
            let error = open(&packed[..packed.len() / 2]).unwrap_err().to_string();
            assert!(error.contains("cut short") && error.contains("hint:"), "{name}: {error}");
        }
        for end in [plain.len() / 2 - 700, 515, 700, 100] {
            let error = match open(&plain[..end]) {
                Ok(tar) => tar.lacks("x").to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains("cut short"), "{end}: {error}");
        }
        let mut odd = plain.clone();
        odd.extend(b"padding that is not of the archive");
        assert!(open(&odd).unwrap().lacks("x").to_string().ends_with(": x"), "the archive itself is whole");
        for (name, mut packed) in packed(&plain) {
            packed.extend([0; 700]);
            assert!(open(&packed).unwrap().read("one").unwrap().is_some(), "{name}: padding behind it");
        }
        let mut damaged = plain.clone();
        damaged[1024 + 150] ^= 1;
        assert!(open(&damaged).unwrap_err().to_string().contains("damaged"));
        assert!(open(&b"no archive at all ".repeat(100)).unwrap_err().to_string().contains("not a tar archive"));
        assert!(open(b"").unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn a_member_is_found_behind_a_linked_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        tar.append_data(&mut header, "real/layer.tar", &b"x"[..]).unwrap();
        for (name, to) in [("alias", "real"), ("sub/absolute", "/alias"), ("sub/up", "../alias/layer.tar")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, to).unwrap();
        }
        tar.finish().unwrap();
        let tar = Tar::open(&path, folder.path()).unwrap();
        for name in ["alias/layer.tar", "./sub/absolute/layer.tar", "sub/up"] {
            assert_eq!(tar.read(name).unwrap().unwrap(), b"x", "{name}");
        }
    }
}
