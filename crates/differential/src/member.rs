//! Members of a layer's tar archive, each byte as the test wants it.

/// Length of a header, bytes.
const BLOCK: usize = 512;

/// A member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Type, as the header has it.
    pub kind: u8,
    /// Path.
    pub name: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Mode.
    pub mode: i64,
    /// Owner.
    pub uid: i64,
    /// Group.
    pub gid: i64,
    /// Time, seconds since 1970.
    pub mtime: i64,
    /// Major and minor number of a device.
    pub device: (i64, i64),
    /// Content.
    pub data: Vec<u8>,
    /// Size that the header gives, where it is not the content's.
    pub size: Option<i64>,
    /// Records of an extended header before it.
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
    /// Magic and version.
    pub magic: [u8; 8],
    /// What else is written over the header: offset and bytes. The checksum is made afterwards.
    pub patch: Vec<(usize, Vec<u8>)>,
}

impl Member {
    /// A member of a kind.
    #[must_use]
    pub fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        Self {
            kind,
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_700_000_000,
            device: (0, 0),
            data: Vec::new(),
            size: None,
            pax: Vec::new(),
            magic: *b"ustar\x0000",
            patch: Vec::new(),
        }
    }

    /// A directory.
    #[must_use]
    pub fn folder(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name)
    }

    /// A file whose content is its name.
    #[must_use]
    pub fn file(name: impl AsRef<[u8]>) -> Self {
        let data = name.as_ref().to_vec();
        Self::new(b'0', name).data(data)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), mode: 0o777, ..Self::new(b'2', name) }
    }

    /// A hard link.
    #[must_use]
    pub fn hard(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'1', name) }
    }

    /// A character device.
    #[must_use]
    pub fn char(name: impl AsRef<[u8]>, major: i64, minor: i64) -> Self {
        Self { device: (major, minor), ..Self::new(b'3', name) }
    }

    /// A named pipe.
    #[must_use]
    pub fn fifo(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'6', name)
    }

    /// With content.
    #[must_use]
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// With a mode.
    #[must_use]
    pub fn mode(mut self, mode: i64) -> Self {
        self.mode = mode;
        self
    }

    /// With an owner and a group.
    #[must_use]
    pub fn owner(mut self, uid: i64, gid: i64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// With a time.
    #[must_use]
    pub fn at(mut self, mtime: i64) -> Self {
        self.mtime = mtime;
        self
    }

    /// With a record of an extended header.
    #[must_use]
    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// With an extended attribute.
    #[must_use]
    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    /// With bytes over its header.
    #[must_use]
    pub fn patch(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patch.push((at, bytes.as_ref().to_vec()));
        self
    }

    /// GNU's form of header.
    #[must_use]
    pub fn gnu(mut self) -> Self {
        self.magic = *b"ustar  \0";
        self
    }

    /// Version 7's form of header.
    #[must_use]
    pub fn v7(mut self) -> Self {
        self.magic = [0; 8];
        self
    }

    /// With a size that is not its content's.
    #[must_use]
    pub fn size(mut self, size: i64) -> Self {
        self.size = Some(size);
        self
    }

    /// Its bytes: an extended header where it needs one, the header, the content, padding.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut pax = self.pax.clone();
        // What does not fit a header goes before it, unless the test does that itself.
        for (key, value) in [("path", &self.name), ("linkpath", &self.link)] {
            if value.len() > 100 && !pax.iter().any(|(k, _)| k == key.as_bytes()) {
                pax.push((key.into(), value.clone()));
            }
        }
        let mut out = Vec::new();
        if !pax.is_empty() {
            let records: Vec<u8> = pax.iter().flat_map(|(key, value)| record(key, value)).collect();
            out.extend(Self::new(b'x', "pax").data(records).bytes());
        }
        let mut header = [0; BLOCK];
        put(&mut header[..100], &self.name);
        number(&mut header[100..108], self.mode);
        number(&mut header[108..116], self.uid);
        number(&mut header[116..124], self.gid);
        let size = self.size.unwrap_or_else(|| i64::try_from(self.data.len()).unwrap_or(0));
        number(&mut header[124..136], size);
        number(&mut header[136..148], self.mtime);
        header[156] = self.kind;
        put(&mut header[157..257], &self.link);
        header[257..265].copy_from_slice(&self.magic);
        if self.magic != [0; 8] {
            number(&mut header[329..337], self.device.0);
            number(&mut header[337..345], self.device.1);
        }
        for (at, bytes) in &self.patch {
            header[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        if !self.patch.iter().any(|(at, _)| *at == 148) {
            seal(&mut header, i64::from);
        }
        out.extend(header);
        out.extend(&self.data);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }
}

/// Writes a header's checksum, with bytes counted as `value` says.
pub fn seal(header: &mut [u8], value: impl Fn(u8) -> i64) {
    header[148..156].fill(b' ');
    let sum: i64 = header.iter().map(|byte| value(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A record of an extended header.
#[must_use]
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length += 1;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// An archive of members, with its end.
#[must_use]
pub fn archive(members: &[Member]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(Member::bytes).collect();
    out.extend([0; 2 * BLOCK]);
    out
}

fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Octal where it fits, else base 256.
fn number(field: &mut [u8], value: i64) {
    let digits = field.len() - 1;
    let fits = u64::try_from(value).is_ok_and(|v| digits >= 21 || v >> (3 * digits) == 0);
    if fits {
        field[..digits].copy_from_slice(format!("{value:0digits$o}").as_bytes());
        field[digits] = 0;
        return;
    }
    let bytes = value.to_be_bytes();
    let fill = if value < 0 { 0xff } else { 0 };
    let length = field.len();
    for (place, byte) in field.iter_mut().enumerate() {
        *byte = (place + bytes.len()).checked_sub(length).map_or(fill, |at| bytes[at]);
    }
    field[0] |= 0x80;
}
