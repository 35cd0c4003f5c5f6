//! The entries of a layer's tar archive, as the engine's reader (Go's `archive/tar`, Go 1.24) gives them.
//!
//! The crate `tar` differs from it in many details (sparse files in PAX formats, values with line feeds, contents of links, what it
//! accepts as a name), and each difference would give a different file system than the engine's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::fault::Fault;
use super::field::{BLOCK, Form, form, number, text};
use super::pax::{self, Records, Time};
use super::sparse;
use super::tree::{Content, Piece};

/// Most bytes of an extended header or a long name.
const SPECIAL_MAX: u64 = 1 << 20;

/// One entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub kind: u8,
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub mtime: Time,
    pub major: i64,
    pub minor: i64,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The bytes, or why they cannot be read.
    pub content: Result<Content, &'static str>,
}

/// Reads an uncompressed layer entry by entry.
pub(super) struct Entries<'a> {
    file: BufReader<&'a File>,
    /// Number of the layer.
    layer: usize,
    /// The reader's position.
    at: u64,
    /// Length of the layer.
    length: u64,
    /// Where the last entry's content ends, padding left out.
    end: u64,
}

impl<'a> Entries<'a> {
    /// Begins at the start of the file.
    pub(super) fn new(file: &'a File, layer: usize) -> io::Result<Self> {
        let mut reader = file;
        reader.seek(SeekFrom::Start(0))?;
        let length = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(64 << 10, reader), layer, at: 0, length, end: 0 })
    }

    /// The next entry, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let mut records = Records::new();
        let (mut long_name, mut long_link) = (Vec::new(), Vec::new());
        loop {
            self.leave()?;
            let Some(block) = self.header()? else { return Ok(None) };
            let mut entry = parse(&block)?;
            let mut size = number(&block[124..136])?;
            self.begin(entry.kind, size)?;
            match entry.kind {
                kind @ (b'x' | b'g') => {
                    records = pax::records(&self.special()?)?;
                    if kind == b'g' {
                        merge(&mut entry, &mut size, &records)?;
                        entry.kind = b'g';
                        return Ok(Some(entry));
                    }
                }
                b'L' => long_name = text(&self.special()?),
                b'K' => long_link = text(&self.special()?),
                _ => {
                    merge(&mut entry, &mut size, &records)?;
                    if !long_name.is_empty() {
                        entry.name = long_name;
                    }
                    if !long_link.is_empty() {
                        entry.link = long_link;
                    }
                    if entry.kind == 0 {
                        entry.kind = if entry.name.ends_with(b"/") { b'5' } else { b'0' };
                    }
                    self.begin(entry.kind, size)?;
                    self.content(&mut entry, size, &block, &records)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// Skips the last entry's content and its padding; only the padding may be missing.
    fn leave(&mut self) -> Result<(), Fault> {
        if self.end > self.length {
            return Err(Fault::cut());
        }
        self.go(self.end.next_multiple_of(BLOCK as u64).min(self.length).max(self.at))
    }

    fn go(&mut self, to: u64) -> Result<(), Fault> {
        let far = i64::try_from(to).and_then(|to| Ok(to - i64::try_from(self.at)?)).map_err(|_| Fault::cut())?;
        self.file.seek_relative(far)?;
        self.at = to;
        Ok(())
    }

    /// The next header; none at the end of the file or after two blocks of zeros.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Fault> {
        if self.at == self.length {
            return Ok(None);
        }
        let block = self.block()?;
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        if self.at == self.length || self.block()? == [0; BLOCK] {
            return Ok(None);
        }
        Err(Fault::header())
    }

    fn block(&mut self) -> Result<[u8; BLOCK], Fault> {
        let mut block = [0; BLOCK];
        self.file.read_exact(&mut block)?;
        self.at += BLOCK as u64;
        Ok(block)
    }

    /// An entry's content begins here; for kinds without content the size is ignored.
    fn begin(&mut self, kind: u8, size: i64) -> Result<(), Fault> {
        let size = if has_no_content(kind) { 0 } else { u64::try_from(size).map_err(|_| Fault::header())? };
        self.end = self.at.checked_add(size).ok_or_else(Fault::cut)?;
        Ok(())
    }

    /// The content of an extended header or a long name.
    fn special(&mut self) -> Result<Vec<u8>, Fault> {
        let size = self.end - self.at;
        if size > SPECIAL_MAX {
            return Err(Fault::Refused("archive/tar: header field too long".into()));
        }
        if self.end > self.length {
            return Err(Fault::cut());
        }
        let mut content = Vec::new();
        (&mut self.file).take(size).read_to_end(&mut content)?;
        self.at += content.len() as u64;
        Ok(content)
    }

    /// Finds where the bytes are.
    fn content(&mut self, entry: &mut Entry, size: i64, block: &[u8; BLOCK], records: &Records) -> Result<(), Fault> {
        if entry.kind == b'S' {
            if form(block)? != Form::Gnu {
                return Err(Fault::header());
            }
            return sparse::skip_old(block, || self.block());
        }
        let map = sparse::kind(records);
        if map == sparse::Map::None {
            if !has_no_content(entry.kind) {
                entry.content = self.whole();
            }
            return Ok(());
        }
        let get = |key: &[u8]| records.get(key).filter(|value| !value.is_empty());
        if let Some(name) = get(pax::SPARSE_NAME) {
            entry.name.clone_from(name);
        }
        let mut size = size;
        if let Some(text) = get(pax::SPARSE_SIZE).or_else(|| get(pax::SPARSE_REAL_SIZE)) {
            size = pax::decimal(text).ok_or_else(Fault::header)?;
        }
        let parts = if map == sparse::Map::Records {
            sparse::in_records(records)?
        } else {
            let end = self.end;
            let next = || if self.at + BLOCK as u64 > end { Err(Fault::cut()) } else { self.block() };
            sparse::in_content(next)?.0
        };
        if has_no_content(entry.kind) {
            return Err(Fault::header());
        }
        let parts = sparse::validated(parts, size)?;
        entry.content = self.scattered(&parts, size.unsigned_abs());
        Ok(())
    }

    fn whole(&self) -> Result<Content, &'static str> {
        if self.end > self.length {
            return Err("unexpected EOF");
        }
        let size = self.end - self.at;
        let piece = Piece { at: 0, from: self.at, length: size };
        Ok(Content { layer: self.layer, size, pieces: if size == 0 { Vec::new() } else { vec![piece] } })
    }

    fn scattered(&self, parts: &[sparse::Part], size: u64) -> Result<Content, &'static str> {
        let mut from = self.at;
        let mut pieces = Vec::new();
        for (at, length) in parts {
            let (at, length) = (at.unsigned_abs(), length.unsigned_abs());
            pieces.push(Piece { at, from, length });
            from = from.saturating_add(length);
        }
        if self.end > self.length {
            return Err("unexpected EOF");
        }
        match from.cmp(&self.end) {
            std::cmp::Ordering::Equal => Ok(Content { layer: self.layer, size, pieces }),
            std::cmp::Ordering::Greater => Err("archive/tar: sparse file references non-existent data"),
            std::cmp::Ordering::Less => Err("archive/tar: sparse file contains unreferenced data"),
        }
    }
}

/// Kinds whose size means nothing: links, devices, directories, pipes.
fn has_no_content(kind: u8) -> bool {
    (b'1'..=b'6').contains(&kind)
}

fn parse(block: &[u8; BLOCK]) -> Result<Entry, Fault> {
    let form = form(block)?;
    let name = text(&block[..100]);
    let (mut major, mut minor) = (0, 0);
    let mut prefix = Vec::new();
    if form != Form::V7 {
        (major, minor) = (number(&block[329..337])?, number(&block[337..345])?);
        match form {
            Form::Ustar => prefix = text(&block[345..500]),
            Form::Star => {
                prefix = text(&block[345..476]);
                number(&block[476..488])?;
                number(&block[488..500])?;
            }
            // Invalid times are the prefix from an old Go writer.
            _ if [345..357, 357..369].into_iter().any(|at| block[at.start] != 0 && number(&block[at]).is_err()) => {
                prefix = text(&block[345..500]);
                if !prefix.is_ascii() {
                    prefix.clear();
                }
            }
            _ => {}
        }
    }
    Ok(Entry {
        kind: block[156],
        name: if prefix.is_empty() { name } else { [prefix.as_slice(), &name].join(&b'/') },
        link: text(&block[157..257]),
        mode: number(&block[100..108])?,
        uid: number(&block[108..116])?,
        gid: number(&block[116..124])?,
        mtime: Time { seconds: number(&block[136..148])?, nanoseconds: 0 },
        major,
        minor,
        xattrs: BTreeMap::new(),
        content: Ok(Content { layer: 0, size: 0, pieces: Vec::new() }),
    })
}

/// Applies an extended header to the header. Empty values only change attributes.
fn merge(entry: &mut Entry, size: &mut i64, records: &Records) -> Result<(), Fault> {
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(pax::XATTR) {
            entry.xattrs.insert(name.to_vec(), value.clone());
        }
        if value.is_empty() {
            continue;
        }
        let number = || pax::decimal(value).ok_or_else(Fault::header);
        let time = || pax::time(value).ok_or_else(Fault::header);
        match key.as_slice() {
            b"path" => entry.name.clone_from(value),
            b"linkpath" => entry.link.clone_from(value),
            b"uid" => entry.uid = number()?,
            b"gid" => entry.gid = number()?,
            b"size" => *size = number()?,
            b"mtime" => entry.mtime = time()?,
            b"atime" | b"ctime" => drop(time()?),
            _ => {}
        }
    }
    Ok(())
}
