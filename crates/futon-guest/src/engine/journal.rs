//! What the engine wrote into the system's journal: its reasons, where its answers keep only the last one.

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Lines that are kept.
const LINES: &str = "--lines=1500";

/// Most of the journal that is kept, bytes.
const LARGEST: usize = 256 << 10;

/// How long the journal may take to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// The journal of the engine and of containerd from `since` on (to the second), else of this boot; its end where it is long. `None` where
/// there is no journal.
pub(crate) fn journal(since: Option<SystemTime>) -> Option<String> {
    let units = ["--unit=docker", "--unit=containerd"];
    let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok());
    let since = since.map(|since| format!("--since=@{}", since.as_secs()));
    let mut child = Command::new("journalctl")
        .args(["--boot", "--no-pager", "--quiet", "--output=short-precise", LINES])
        .args(units)
        .args(since)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        // What was read until then is better than nothing.
        let _ = stdout.read_to_end(&mut text);
        text
    });
    let end = Instant::now() + LIMIT;
    while !reading.is_finished() && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    // It is over, or takes too long.
    let _ = child.kill();
    let _ = child.wait();
    let text = reading.join().ok()?;
    let from = text.len().saturating_sub(LARGEST);
    let text = String::from_utf8_lossy(&text[from..]).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

/// Says that the engine turned to the next registry, and before it why.
const NEXT: &str = "Attempting next endpoint for pull after error: ";

/// The engine's first reason for turning to another registry.
pub(super) fn first_turn(journal: &str) -> Option<String> {
    let reason = |line: &str| {
        let (_, rest) = line.split_once(NEXT)?;
        // The message is quoted, and so are the quotes in it.
        let mut reason = String::new();
        let mut characters = rest.chars();
        while let Some(c) = characters.next() {
            match c {
                '"' => break,
                '\\' => reason.extend(characters.next()),
                c => reason.push(c),
            }
        }
        Some(reason)
    };
    journal.lines().find_map(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_read() {
        let journal = "Nov 27 03:00:00.000001 futon dockerd[96]: time=\"2026-11-27T03:00:00Z\" level=info msg=\"Attempting next endpoint for pull after error: failed to register layer: max depth exceeded\" spanID=1\n\
            Nov 27 03:00:01.000001 futon dockerd[96]: time=\"2026-11-27T03:00:01Z\" level=info msg=\"other\"\n\
            Nov 27 03:00:02.000001 futon dockerd[96]: time=\"2026-11-27T03:00:02Z\" level=info msg=\"Attempting next endpoint for pull after error: Get \\\"https://registry-1.docker.io/v2/\\\": dial tcp 127.0.0.1:443: connect: connection refused\"\n";
        assert_eq!(first_turn(journal).unwrap(), "failed to register layer: max depth exceeded");
        let last = journal.lines().last().unwrap();
        let refused = "Get \"https://registry-1.docker.io/v2/\": dial tcp 127.0.0.1:443: connect: connection refused";
        assert_eq!(first_turn(last).unwrap(), refused);
        assert!(first_turn("").is_none());
    }
}
