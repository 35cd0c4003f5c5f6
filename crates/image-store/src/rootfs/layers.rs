//! An image's open layers, and the tree that they form.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use super::bounds::Bounds;
use super::disk::Disk;
use super::fault::Fault;
use super::tree::{Content, Kind, Tree};
use super::{RootfsError, overlay, unpack};
use crate::packed::{UNPACKED_MAX, unpacked_within, words};
use crate::{Compression, ImageStore, StoredImage, is_cut, is_too_large};

/// The engine's most layers.
const LAYERS_MAX: usize = 125;
/// Longest file that is read as text, bytes.
const TEXT_MAX: u64 = 1 << 20;
/// Bytes that are copied at once.
const PIECE: usize = 256 << 10;

/// An image's file tree, with its uncompressed layers open.
#[derive(Debug)]
pub struct Rootfs {
    tree: Tree,
    files: Vec<File>,
}

impl Rootfs {
    /// Opens an image's layers and merges them. Compressed layers go to unnamed temporary files.
    ///
    /// # Errors
    /// When a layer cannot be read, or is one that an engine refuses.
    pub fn open(store: &ImageStore, image: &StoredImage) -> Result<Self, RootfsError> {
        let layers = image.layers.iter().map(|layer| {
            let open = || File::open(store.blob_path(&layer.digest));
            (layer.digest.to_string(), open)
        });
        Self::of_layers(layers)
    }

    /// Merges layers, lowest first: each one's name, for errors, and how to open it.
    /// Compressed layers go to unnamed temporary files.
    ///
    /// # Errors
    /// When a layer cannot be read, or is one that an engine refuses.
    pub fn of_layers(
        layers: impl IntoIterator<Item = (String, impl FnOnce() -> io::Result<File>)>,
    ) -> Result<Self, RootfsError> {
        Self::within(layers, Bounds::default())
    }

    pub(super) fn within(
        layers: impl IntoIterator<Item = (String, impl FnOnce() -> io::Result<File>)>,
        mut bounds: Bounds,
    ) -> Result<Self, RootfsError> {
        let mut last = String::new();
        let mut files = Vec::new();
        let mut disks: Vec<Disk> = Vec::new();
        for (number, (layer, open)) in layers.into_iter().enumerate() {
            if number == LAYERS_MAX {
                return Err(RootfsError::Refused { layer, why: "max depth exceeded".into() });
            }
            last.clone_from(&layer);
            let read = || -> Result<(File, Disk), Fault> {
                let file = uncompressed(open().map_err(Fault::Io)?, &mut bounds)?;
                let disk = unpack::unpack(&file, number, &mut bounds)?;
                Ok((file, disk))
            };
            match read() {
                Ok((file, disk)) => {
                    files.push(file);
                    disks.push(disk);
                }
                Err(fault) => return Err(fault.of(layer)),
            }
        }
        let tree = overlay::merge(&disks, &mut bounds).map_err(|fault| fault.of(last))?;
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
    pub fn reader<'a>(&'a self, content: &'a Content) -> io::Result<Reader<'a>> {
        let file = self.files.get(content.layer).ok_or_else(|| io::Error::other("no such layer"))?;
        Ok(Reader { file, content, at: 0, piece: 0 })
    }

    /// A small file whole, as text; links to it are followed within the tree.
    #[must_use]
    pub fn text(&self, path: &[u8]) -> Option<String> {
        let (_, node) = self.tree.resolve(path)?;
        let Kind::File(content) = &node.kind else { return None };
        let mut text = Vec::new();
        self.reader(content).ok()?.take(TEXT_MAX).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Reads a file's parts from a layer, and the zeros between them.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a File,
    content: &'a Content,
    /// How much was read.
    at: u64,
    /// The part that comes next, or is being read.
    piece: usize,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.content.pieces.get(self.piece).is_some_and(|piece| piece.at + piece.length <= self.at) {
            self.piece += 1;
        }
        let piece = self.content.pieces.get(self.piece);
        let data = piece.filter(|piece| piece.at <= self.at);
        let end = match (data, piece) {
            (Some(piece), _) => piece.at + piece.length,
            (None, Some(next)) => next.at,
            (None, None) => self.content.size,
        };
        let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = match data {
            _ if most == 0 => 0,
            Some(piece) => match self.file.read_at(&mut buffer[..most], piece.from + (self.at - piece.at))? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "a layer is shorter than its recorded size",
                    ));
                }
                read => read,
            },
            None => {
                buffer[..most].fill(0);
                most
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

/// A layer's archive: the file itself, or, where it is compressed, an unnamed temporary file.
fn uncompressed(mut file: File, bounds: &mut Bounds) -> Result<File, Fault> {
    let (compression, mut content) = unpacked_within(file.try_clone()?, bounds.packed)?;
    if compression == Compression::None {
        drop(content);
        file.seek(SeekFrom::Start(0))?;
        return Ok(file);
    }
    let mut archive = tempfile::tempfile()?;
    let mut buffer = vec![0; PIECE];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(archive),
            Ok(read) => {
                archive.write_all(&buffer[..read]).map_err(Fault::Io)?;
                bounds.unpacked(read as u64);
            }
            Err(error) if error.raw_os_error().is_some() => return Err(Fault::Io(error)),
            Err(error) if is_cut(&error) => return Err(Fault::cut()),
            Err(error) if is_too_large(&error) => {
                let most = words(UNPACKED_MAX);
                return Err(Fault::Unsupported(format!("the image unpacks to more than {most}, futon's limit")));
            }
            // An error here is the content's fault.
            Err(error) => return Err(Fault::Refused(format!("{compression:?}: {error}").to_lowercase())),
        }
    }
}
