//! Limits on an image's use of the host: layers are read into memory, and a few KiB can expand to any amount.

use super::entry::Entry;
use super::fault::Fault;
use super::tree::Piece;
use crate::UNPACKED_MAX;
use crate::packed::words;

/// Most entries of an image's layers together.
const ENTRIES: u64 = 2_000_000;
/// Maximum text of an image, bytes: names, targets of links, attributes, and the paths of the merged tree.
const TEXT: u64 = 512 << 20;

/// How much is left of each.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    entries: u64,
    text: u64,
    /// Bytes that layers unpack to.
    pub packed: u64,
    /// Bytes of files, holes counted.
    files: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: ENTRIES, text: TEXT, packed: UNPACKED_MAX, files: UNPACKED_MAX }
    }
}

impl Bounds {
    /// Counts an entry.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| too_large(&format!("more than {ENTRIES} entries")))?;
        let attributes: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let (size, pieces) = entry.content.as_ref().map_or((0, 0), |content| (content.size, content.pieces.len()));
        self.text(entry.name.len() + entry.link.len() + attributes + pieces * size_of::<Piece>())?;
        let left = self.files.checked_sub(size);
        self.files = left.ok_or_else(|| too_large(&format!("files of more than {}", words(UNPACKED_MAX))))?;
        Ok(())
    }

    /// Counts text.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.text.checked_sub(bytes as u64);
        self.text = left.ok_or_else(|| too_large(&format!("more than {} of names and attributes", words(TEXT))))?;
        Ok(())
    }

    /// Counts bytes that a layer was unpacked to.
    pub(super) fn unpacked(&mut self, bytes: u64) {
        self.packed = self.packed.saturating_sub(bytes);
    }
}

fn too_large(what: &str) -> Fault {
    Fault::Unsupported(format!("it has {what}, futon's limit"))
}

#[cfg(test)]
mod tests {
    use super::super::RootfsError;
    use super::super::layers::Rootfs;
    use super::*;

    fn opened(layers: Vec<Vec<u8>>, bounds: Bounds) -> Result<Rootfs, RootfsError> {
        let open = |bytes: Vec<u8>| {
            move || {
                let mut file = tempfile::tempfile()?;
                std::io::Write::write_all(&mut file, &bytes)?;
                std::io::Seek::rewind(&mut file)?;
                Ok(file)
            }
        };
        Rootfs::within(layers.into_iter().map(|layer| ("layer".to_owned(), open(layer))), bounds)
    }

    fn layer(members: &[(&str, u64)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, size) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size);
            header.set_mode(0o644);
            let content = vec![0; usize::try_from(*size).unwrap()];
            tar.append_data(&mut header, name, &content[..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn said(layers: Vec<Vec<u8>>, bounds: Bounds) -> String {
        match opened(layers, bounds).unwrap_err() {
            error @ RootfsError::Unsupported { .. } => error.to_string(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn each_bound_is_of_the_whole_image() {
        let (one, two) = (layer(&[("a", 10), ("b", 10)]), layer(&[("c", 10), ("d", 10)]));
        let layers = || vec![one.clone(), two.clone()];
        assert!(opened(layers(), Bounds { entries: 4, files: 40, ..Bounds::default() }).is_ok());
        let bounds = Bounds { entries: 3, ..Bounds::default() };
        assert!(said(layers(), bounds).contains("more than 2000000 entries"));
        assert!(said(layers(), Bounds { files: 39, ..Bounds::default() }).contains("files of more than 16 GiB"));
        // Four names, where their content is, and the four paths of the tree.
        let text = 8 + 4 * size_of::<Piece>() as u64;
        assert!(opened(layers(), Bounds { text, ..Bounds::default() }).is_ok());
        assert!(said(layers(), Bounds { text: text - 1, ..Bounds::default() }).contains("names and attributes"));
        let packed = || vec![gzip(&one), gzip(&two)];
        let room = (one.len() + two.len()) as u64;
        assert!(opened(packed(), Bounds { packed: room, ..Bounds::default() }).is_ok());
        let error = said(packed(), Bounds { packed: room - 1, ..Bounds::default() });
        assert!(error.contains("unpacks to more than"), "{error}");
    }

    #[test]
    fn paths_that_grow_by_links_are_counted_as_long_as_they_are() {
        // A short name for a long path, and many files below it: each path of the tree is a long one.
        let long = vec!["directory"; 30].join("/");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        tar.append_data(&mut header, format!("{long}/"), std::io::empty()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "l", &long).unwrap();
        for number in 0..1000 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(0);
            tar.append_data(&mut header, format!("l/{number}"), std::io::empty()).unwrap();
        }
        let layer = tar.into_inner().unwrap();
        let paths = 1000 * long.len() as u64;
        assert!(opened(vec![layer.clone()], Bounds { text: paths + 20_000, ..Bounds::default() }).is_ok());
        let error = said(vec![layer], Bounds { text: paths, ..Bounds::default() });
        assert!(error.contains("512 MiB of names and attributes"), "{error}");
    }
}
