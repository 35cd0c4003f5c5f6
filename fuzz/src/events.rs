//! What guests and simulators say: event lines, files, consoles.

use std::fs;

use futon_machine::console::alarm_in;
use futon_model::{EventKind, GuestEvent};

use crate::scratch;

/// The token of the run.
const TOKEN: &str = "5f1e";

/// What has no token proves nothing, an event reads the same when it is written again, and files stay in their folder.
///
/// Input: what a guest under gem5 wrote to its events file. A line `file NAME` also makes a file of that name.
pub fn guest_events(data: &[u8]) {
    for line in data.split(|b| *b == b'\n') {
        if let Ok(event) = serde_json::from_slice::<GuestEvent>(line) {
            let text = serde_json::to_string(&event).expect("an event is text");
            assert_eq!(serde_json::from_str::<GuestEvent>(&text).expect("an event that was written"), event);
        }
        let text = String::from_utf8_lossy(line);
        if let Some(Ok(event)) = futon_gem5::parse_event(&text) {
            assert!(text.starts_with("futon-event: "), "{event:?}");
        }
    }
    let folder = scratch::folder();
    let (outdir, uploads) = (folder.path().join("out"), folder.path().join("uploads"));
    fs::create_dir_all(&outdir).and_then(|()| fs::create_dir(&uploads)).expect("folders");
    fs::write(outdir.join("events.jsonl"), data).expect("a file");
    let mut made = 0;
    for line in data.split(|b| *b == b'\n') {
        let name = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("file "));
        if let Some(name) = name.filter(|name| !name.contains(['/', '\0']) && *name != "." && *name != "..")
            && name != "events.jsonl"
            && fs::write(outdir.join(name), line).is_ok()
        {
            made += 1;
        }
    }
    let (told, kept) = futon_gem5::fuzzing::said(TOKEN, &outdir, &uploads);
    assert!(kept.len() <= made, "{} files of {made}", kept.len());
    let holds_token = data.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()) || data.contains(&b'\\');
    let lines = data.split(|b| *b == b'\n').count();
    assert!(told.len() <= lines + 1, "{} events of {lines} lines", told.len());
    for event in told.iter().chain(&kept) {
        match event {
            EventKind::Guest { authentic, .. }
            | EventKind::Uploaded { authentic, .. }
            | EventKind::RunScriptRequested { authentic, .. } => {
                assert!(!authentic || holds_token, "believed without the token: {event:?}");
            }
            EventKind::MalformedGuestEvent { authentic, .. } => assert!(!authentic),
            _ => {}
        }
        let text = serde_json::to_string(event).expect("an event is text");
        assert_eq!(&serde_json::from_str::<EventKind>(&text).expect("an event that was written"), event);
    }
    let stored = fs::read_dir(&uploads).expect("the uploads").count();
    let uploaded = kept.iter().filter(|e| matches!(e, EventKind::Uploaded { .. })).count();
    assert_eq!(stored, uploaded, "files that no event tells of");
}

/// Who follows a console and who reads it at its end see the same alarms, and only the kernel's lines are any.
///
/// Input: where the console is cut (2 bytes), the console.
pub fn console(data: &[u8]) {
    let Some((at, text)) = data.split_at_checked(2) else { return };
    let at = usize::from(u16::from_le_bytes([at[0], at[1]])).min(text.len());
    let folder = scratch::folder();
    let (followed, whole) =
        futon_machine::fuzzing::console_lines(&folder.path().join("console.log"), [&text[..at], &text[at..]])
            .expect("a file");
    for line in followed.iter().chain(&whole) {
        if alarm_in(line).is_some() {
            assert!(line.trim_start().starts_with('['), "{line:?} is no kernel's line");
        }
    }
    let alarms = |lines: &[String]| -> Vec<_> { lines.iter().filter_map(|line| alarm_in(line)).collect() };
    // Lines that are longer than anybody keeps are cut by who follows.
    if followed.iter().all(|line| line.len() < 16 << 10) {
        assert_eq!(alarms(&followed), alarms(&whole));
    }
}
