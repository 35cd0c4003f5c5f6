use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::host::{Outbox, length_for, write_window};
use crate::layout::{END, HEADER, Kind, MAGIC, OUTBOX, PAYLOAD_LENGTH, record_header, record_length};

const BASE: u64 = 1 << 20;

/// A memory file with a window and a payload, and a guest's hand on it.
struct Memory {
    folder: tempfile::TempDir,
    file: File,
    end: u64,
}

impl Memory {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let payload = folder.path().join("payload");
        fs::write(&payload, "#!/bin/sh\n").unwrap();
        let path = folder.path().join("memory");
        let file = File::options().create_new(true).read(true).write(true).open(path).unwrap();
        file.set_len(BASE + length_for(&payload).unwrap()).unwrap();
        write_window(&file, BASE, &payload).unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        Self { folder, file, end: HEADER }
    }

    fn outbox(&self) -> Outbox {
        Outbox::open(&self.folder.path().join("memory"), BASE, &self.out()).unwrap()
    }

    fn out(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }

    fn put(&mut self, kind: Kind, name: &str, offset: u64, data: &[u8]) {
        let header = record_header(kind, u32::try_from(name.len()).unwrap(), offset, data.len() as u64);
        self.file.write_all_at(&[&header[..], name.as_bytes(), data].concat(), BASE + self.end).unwrap();
        self.end += record_length(name.len() as u64, data.len() as u64);
        self.ends_at(self.end);
    }

    fn ends_at(&self, end: u64) {
        self.file.write_all_at(&end.to_le_bytes(), BASE + END as u64).unwrap();
    }
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn files_and_points_come_out_in_their_order() {
    let mut memory = Memory::new();
    let mut outbox = memory.outbox();
    assert_eq!(outbox.take().unwrap(), Vec::<i64>::new());
    memory.put(Kind::File, "events.jsonl", 0, b"one\n");
    memory.put(Kind::Point, "", (-1_i64).cast_unsigned(), b"");
    memory.put(Kind::File, "events.jsonl", 4, b"two\n");
    assert_eq!(outbox.take().unwrap(), [-1]);
    assert_eq!(text(&memory.out(), "events.jsonl"), "one\ntwo\n");
    memory.put(Kind::File, "events.jsonl", 0, b"anew\n");
    memory.put(Kind::Point, "", 7, b"");
    assert_eq!(outbox.take().unwrap(), [7]);
    assert_eq!(text(&memory.out(), "events.jsonl"), "anew\n");
}

#[test]
fn the_payload_and_its_length_are_in_the_window() {
    let memory = Memory::new();
    let mut bytes = [0; 10];
    memory.file.read_exact_at(&mut bytes, BASE + OUTBOX).unwrap();
    assert_eq!(&bytes, b"#!/bin/sh\n");
    let mut header = [0; 32];
    memory.file.read_exact_at(&mut header, BASE).unwrap();
    assert_eq!(&header[..8], &MAGIC);
    assert_eq!(&header[PAYLOAD_LENGTH..], &10_u64.to_le_bytes());
}

#[test]
fn what_cannot_be_is_refused() {
    type Harm = fn(&mut Memory);
    let harms: [(Harm, &str); 8] = [
        (|m| m.put(Kind::File, "../x", 0, b"x"), "plain component"),
        (|m| m.put(Kind::File, "", 0, b"x"), "plain component"),
        (|m| m.put(Kind::File, ".hidden", 0, b"x"), "plain component"),
        (|m| m.put(Kind::File, "x", 5, b"x"), "No such file"),
        (|m| m.ends_at(OUTBOX + 1), "ends at"),
        (|m| m.ends_at(HEADER - 8), "ends at"),
        (|m| m.ends_at(HEADER + 8), "cut short"),
        (
            |m| {
                m.put(Kind::File, "x", 0, b"x");
                m.file.write_all_at(&u64::MAX.to_le_bytes(), BASE + HEADER + 16).unwrap();
            },
            "longer than",
        ),
    ];
    for (harm, why) in harms {
        let mut memory = Memory::new();
        harm(&mut memory);
        let error = memory.outbox().take().unwrap_err().to_string();
        assert!(error.contains(why), "{error}, not {why}");
        assert!(!memory.folder.path().join("x").exists());
    }
    let mut memory = Memory::new();
    memory.put(Kind::File, "x", 0, b"x");
    memory.file.write_all_at(&9_u32.to_le_bytes(), BASE + HEADER).unwrap();
    assert!(memory.outbox().take().unwrap_err().to_string().contains("kind 9"));
}
