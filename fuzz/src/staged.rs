//! What comes from a staging machine: QEMU's stream of its state, and the files that its guest has put into the window.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use futon_stage::host::Outbox;
use futon_stage::layout::{END, HEADER, OUTBOX};
use qemu_to_gem5::{Checkpoint, Machine, Stream, Target, convert};

/// What gem5 v24.0 writes for two cores.
pub(crate) const TEMPLATE: &str = include_str!("../../crates/qemu-to-gem5/tests/recorded/gem5-24.0.cpt");

const TARGET: Target = Target { cpus: 2, period_ps: 1000, memory_bytes: 1 << 30 };

/// A stream is refused or becomes a checkpoint with the template's keys and no others; a checkpoint survives being written and read;
/// whatever stands in a window, files are plain ones in their folder.
pub fn staged(data: &[u8]) {
    stream(data);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(checkpoint) = Checkpoint::parse(text)
    {
        written_alike(&checkpoint);
    }
    window(data);
}

fn stream(data: &[u8]) {
    let Ok(machine) = Stream::parse(data).and_then(|stream| Machine::from_stream(&stream, TARGET.cpus)) else { return };
    let template = Checkpoint::parse(TEMPLATE).expect("a recorded checkpoint");
    let Ok(made) = convert(&machine, &template, &TARGET) else { return };
    let keys = |text: &str| text.lines().filter_map(|l| Some(l.split_once('=')?.0.to_owned())).collect::<Vec<_>>();
    let (made_keys, known) = (keys(&made.to_text()), keys(TEMPLATE));
    assert!(made_keys.len() <= known.len() && made_keys.iter().all(|key| known.contains(key)), "a key is added");
    written_alike(&made);
}

fn written_alike(checkpoint: &Checkpoint) {
    let text = checkpoint.to_text();
    let again = Checkpoint::parse(&text).expect("a checkpoint that was written");
    assert_eq!(again.to_text(), text, "a checkpoint changes when it is written and read");
}

fn window(data: &[u8]) {
    let place = crate::scratch::folder();
    let (memory, out) = (place.path().join("memory"), place.path().join("out"));
    fs::create_dir(&out).expect("a folder");
    let file = File::create(&memory).expect("a file");
    file.set_len(OUTBOX).expect("a file with holes");
    file.write_all_at(data, HEADER).expect("records");
    file.write_all_at(&(HEADER + data.len() as u64).to_le_bytes(), END as u64).expect("their end");
    let mut outbox = Outbox::open(&memory, 0, &out).expect("an outbox");
    // An error is as good as an end.
    let _ = outbox.take();
    for entry in fs::read_dir(&out).expect("the folder").flatten() {
        assert!(entry.file_type().is_ok_and(|kind| kind.is_file()), "{entry:?}");
        assert!(entry.metadata().is_ok_and(|data| data.len() <= OUTBOX), "{entry:?}");
    }
    assert_eq!(fs::read_dir(place.path()).expect("the place").count(), 2, "a file outside its folder");
}
