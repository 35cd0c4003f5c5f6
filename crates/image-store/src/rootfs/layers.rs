//! Reading an image's layers: entries for the tree, and the files their contents are read from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::RootfsError;
use super::tree::{Content, Kind, Node, Tree};
use crate::{ImageStore, StoredImage};

/// Extended attributes in a tar archive's extended headers.
const XATTR: &str = "SCHILY.xattr.";
/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What a zstd file begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An image's file tree, with its uncompressed layers open.
#[derive(Debug)]
pub struct Rootfs {
    tree: Tree,
    files: Vec<File>,
}

impl Rootfs {
    /// Opens an image's layers and lays them over one another. Compressed layers go to unnamed temporary files.
    ///
    /// # Errors
    /// When a layer cannot be read, or is one that an engine refuses.
    pub fn open(store: &ImageStore, image: &StoredImage) -> Result<Self, RootfsError> {
        let mut tree = Tree::default();
        let mut files = Vec::new();
        for (number, layer) in image.layers.iter().enumerate() {
            let failed = |cause| RootfsError::Read { layer: layer.digest.to_string(), cause };
            let file = uncompressed(&store.blob_path(&layer.digest)).map_err(failed)?;
            let entries = read_layer(&file, number).map_err(failed)?;
            tree.apply(entries).map_err(|bad| RootfsError::Refused {
                layer: layer.digest.to_string(),
                why: format!("the path {:?} leads out of the image", bad.0),
            })?;
            files.push(file);
        }
        Ok(Self { tree, files })
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When the content is of another image.
    pub fn reader(&self, content: Content) -> io::Result<Piece<'_>> {
        let file = self.files.get(content.layer).ok_or_else(|| io::Error::other("no such layer"))?;
        Ok(Piece { file, at: content.offset, left: content.size })
    }

    /// A small file whole, as text.
    #[must_use]
    pub fn text(&self, path: &[u8]) -> Option<String> {
        let Kind::File(content) = self.tree.get(path)?.kind else { return None };
        let mut text = Vec::new();
        self.reader(content).ok()?.take(1 << 20).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Part of a layer, read without moving the file's own position.
#[derive(Debug)]
pub struct Piece<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a layer is shorter than it says"));
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

fn uncompressed(path: &Path) -> io::Result<File> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    if magic.starts_with(&ZSTD) {
        return Err(io::Error::other(
            "it is compressed with zstd, which futon does not unpack (hint: skopeo copy --dest-compress-format gzip)",
        ));
    }
    if !magic.starts_with(&GZIP) {
        return Ok(file);
    }
    let mut unpacked = tempfile::tempfile()?;
    io::copy(&mut flate2::read::MultiGzDecoder::new(BufReader::new(file)), &mut unpacked)?;
    unpacked.flush()?;
    Ok(unpacked)
}

fn read_layer(file: &File, layer: usize) -> io::Result<Vec<(Vec<u8>, Node)>> {
    let mut reader = file;
    reader.seek(SeekFrom::Start(0))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(64 << 10, reader));
    let mut entries = Vec::new();
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        let mut xattrs = BTreeMap::new();
        if let Some(extensions) = entry.pax_extensions()? {
            for extension in extensions {
                // The crate reads line by line: a value with a line feed in it looks malformed.
                let extension = extension.map_err(|e| {
                    let name = String::from_utf8_lossy(&path);
                    io::Error::other(format!("{name}: {e}, or an extended attribute with a line feed in it"))
                })?;
                if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(XATTR)) {
                    xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
                }
            }
        }
        let header = entry.header();
        let target = || entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let device = || -> io::Result<(u32, u32)> {
            Ok((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)))
        };
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                Kind::File(Content { layer, offset: entry.raw_file_position(), size: entry.size() })
            }
            tar::EntryType::Symlink => Kind::Symlink(target()),
            tar::EntryType::Link => Kind::HardLink(target()),
            tar::EntryType::Char => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
            tar::EntryType::Block => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::XGlobalHeader => continue,
            other => {
                let name = String::from_utf8_lossy(&path).into_owned();
                return Err(io::Error::other(format!("{name}: tar entries of type {other:?} are not supported")));
            }
        };
        let node = Node {
            kind,
            mode: header.mode()? & 0o7777,
            uid: header.uid()?,
            gid: header.gid()?,
            mtime: header.mtime().unwrap_or(0),
            xattrs,
        };
        entries.push((path, node));
    }
    Ok(entries)
}
