//! Layers written down as text, so that mutations make other layers and not broken archives.
//!
//! One entry a line, words apart by one space: `f PATH CONTENT` file, `d PATH` directory, `l PATH TARGET` symbolic link,
//! `h PATH TARGET` hard link, `c PATH` character device, `p PATH` pipe, `x PATH KEY=VALUE` a file with an extended attribute,
//! `m OCTAL`, `u UID`, `t SECONDS` for the entries from here on, `n` for the next layer. `.wh.` names are names like others.

/// Content of a layer, uncompressed.
pub type Layer = Vec<u8>;

/// Reads the text. Lines that are none of these are passed over.
pub fn layers(text: &[u8]) -> Vec<Layer> {
    let mut all = Vec::new();
    let mut writer = Writer::default();
    for line in text.split(|b| *b == b'\n') {
        let mut words = line.splitn(3, |b| *b == b' ');
        let (verb, first, second) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match verb {
            b"n" => all.push(std::mem::take(&mut writer).finish()),
            b"m" => writer.mode = octal(first),
            b"u" => writer.uid = decimal(first),
            b"t" => writer.mtime = decimal(first),
            b"f" => writer.entry(b'0', first, b"", second, &[]),
            b"d" => writer.entry(b'5', first, b"", b"", &[]),
            b"l" => writer.entry(b'2', first, second, b"", &[]),
            b"h" => writer.entry(b'1', first, second, b"", &[]),
            b"c" => writer.entry(b'3', first, b"", b"", &[]),
            b"p" => writer.entry(b'6', first, b"", b"", &[]),
            b"x" => {
                let at = second.iter().position(|b| *b == b'=').unwrap_or(second.len());
                let key = [b"SCHILY.xattr.", &second[..at]].concat();
                writer.entry(b'0', first, b"", b"", &[(&key, second.get(at + 1..).unwrap_or_default())]);
            }
            _ => {}
        }
    }
    all.push(writer.finish());
    all
}

fn octal(text: &[u8]) -> u64 {
    text.iter().take(12).filter(|b| (b'0'..b'8').contains(b)).fold(0, |n, b| n << 3 | u64::from(b - b'0'))
}

fn decimal(text: &[u8]) -> u64 {
    text.iter().take(12).filter(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + u64::from(b - b'0'))
}

/// Writes a tar archive, of names that no careful writer would take.
struct Writer {
    out: Vec<u8>,
    mode: u64,
    uid: u64,
    mtime: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self { out: Vec::new(), mode: 0o644, uid: 0, mtime: 1 }
    }
}

impl Writer {
    fn entry(&mut self, kind: u8, name: &[u8], target: &[u8], content: &[u8], pax: &[(&[u8], &[u8])]) {
        if !pax.is_empty() {
            let records: Vec<u8> = pax.iter().flat_map(|(key, value)| record(key, value)).collect();
            self.block(b'x', b"pax", b"", &records);
        }
        for (long, kind) in [(name, b'L'), (target, b'K')] {
            if long.len() > 100 {
                self.block(kind, b"././@LongLink", b"", &[long, b"\0"].concat());
            }
        }
        self.block(kind, &name[..name.len().min(100)], &target[..target.len().min(100)], content);
    }

    fn block(&mut self, kind: u8, name: &[u8], target: &[u8], content: &[u8]) {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        let number = |width: usize, n: u64| format!("{n:0width$o}\0").into_bytes();
        header[100..108].copy_from_slice(&number(7, self.mode & 0o7_777_777));
        header[108..116].copy_from_slice(&number(7, self.uid & 0o7_777_777));
        header[116..124].copy_from_slice(&number(7, self.uid & 0o7_777_777));
        header[124..136].copy_from_slice(&number(11, content.len() as u64));
        header[136..148].copy_from_slice(&number(11, self.mtime & 0o77_777_777_777));
        header[148..156].fill(b' ');
        header[156] = kind;
        header[157..157 + target.len()].copy_from_slice(target);
        header[257..265].copy_from_slice(b"ustar  \0");
        header[329..337].copy_from_slice(&number(7, 1));
        header[337..345].copy_from_slice(&number(7, 3));
        let sum: u64 = header.iter().map(|b| u64::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(content);
        self.out.resize(self.out.len().next_multiple_of(512), 0);
    }

    fn finish(mut self) -> Layer {
        self.out.resize(self.out.len() + 1024, 0);
        self.out
    }
}

/// A record of an extended header: its own length, key and value.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}
