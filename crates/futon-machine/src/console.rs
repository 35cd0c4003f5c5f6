//! The guest's console: followed for kernel alarms while it is written.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_model::{Alarm, EventKind};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// How often the console file is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// Longest line that is kept whole; a longer one is cut.
const LINE_MAX: usize = 16 << 10;

/// Kernel messages that mean trouble. Text that a container prints never gets to the console by futon's run
/// script, and kernel lines carry a time stamp that a program's own output has no reason to have.
const ALARMS: [(&str, Alarm); 7] = [
    ("Kernel panic - not syncing", Alarm::KernelPanic),
    ("Out of memory: Killed process", Alarm::OutOfMemoryKill),
    ("Memory cgroup out of memory: Killed process", Alarm::OutOfMemoryKill),
    ("Oops:", Alarm::KernelOops),
    ("BUG: unable to handle", Alarm::KernelOops),
    ("BUG: kernel NULL pointer", Alarm::KernelOops),
    ("kernel BUG at", Alarm::KernelOops),
];

/// The alarm in a console line, if it is a kernel message (`[   12.345678] …`) that is one.
#[must_use]
pub fn alarm_in(line: &str) -> Option<Alarm> {
    let stamp = line.trim_start().strip_prefix('[')?;
    let (time, text) = stamp.split_once(']')?;
    let time = time.trim_start();
    if time.is_empty() || !time.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    ALARMS.iter().find(|(pattern, _)| text.contains(pattern)).map(|(_, alarm)| *alarm)
}

/// Lines of a console that are not empty.
pub fn lines_of(console: &Path) -> Vec<String> {
    let text = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The first line of a console that tells of a kernel in trouble. A machine with one is not worth saving: what continues it could
/// pass, and not say so.
pub fn alarm_on(console: &Path) -> Option<String> {
    lines_of(console).into_iter().find(|line| alarm_in(line).is_some())
}

/// Follows a console file until `stop`, then reads what is left.
pub async fn follow(file: PathBuf, events: UnboundedSender<EventKind>, stop: CancellationToken) {
    let mut follower = Follower::new(file);
    loop {
        let last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(PERIOD) => false,
        };
        for line in follower.new_lines(last) {
            if let Some(alarm) = alarm_in(&line) {
                // The receiver goes away only when the run is over.
                let _ = events.send(EventKind::ConsoleAlarm { alarm, line });
            }
        }
        if last {
            return;
        }
    }
}

/// Reads a file that grows, line by line.
#[derive(Debug)]
pub struct Follower {
    file: PathBuf,
    offset: u64,
    partial: Vec<u8>,
}

impl Follower {
    /// Follows a file from its beginning.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file, offset: 0, partial: Vec::new() }
    }

    /// Lines that were completed since the last call; with `last` also the one that has no end yet.
    pub fn new_lines(&mut self, last: bool) -> Vec<String> {
        let mut fresh = Vec::new();
        let read = std::fs::File::open(&self.file).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_end(&mut fresh)
        });
        if let Ok(bytes) = read {
            self.offset += bytes as u64;
        }
        let mut lines = Vec::new();
        for byte in fresh {
            if byte == b'\n' {
                lines.push(self.take());
            } else if self.partial.len() < LINE_MAX {
                self.partial.push(byte);
            }
        }
        if last && !self.partial.is_empty() {
            lines.push(self.take());
        }
        lines
    }

    fn take(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_owned();
        self.partial.clear();
        line
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn kernel_trouble_is_recognised() {
        for (line, alarm) in [
            ("[    2.218] Kernel panic - not syncing: VFS: Unable to mount root fs", Alarm::KernelPanic),
            ("[   41.999999] Out of memory: Killed process 812 (server) total-vm:1kB", Alarm::OutOfMemoryKill),
            ("[   41.9] Memory cgroup out of memory: Killed process 812 (server)", Alarm::OutOfMemoryKill),
            ("[   10.1] Oops: 0002 [#1] PREEMPT SMP", Alarm::KernelOops),
            // A line that is cut there, and trimmed.
            ("[   10.1] kernel BUG at", Alarm::KernelOops),
        ] {
            assert_eq!(alarm_in(line), Some(alarm), "{line}");
        }
    }

    #[test]
    fn harmless_and_forged_lines_are_not() {
        for line in [
            "Kernel panic - not syncing: printed by a program",
            "[futon] Kernel panic - not syncing",
            "[   10.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
            "[  OK  ] Started gem5.service",
            "",
        ] {
            assert_eq!(alarm_in(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_counts_when_it_is_whole_or_the_console_has_ended() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::new(file.path().to_owned());
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(follower.new_lines(false), ["one"]);
        file.write_all(b"o\nthree").unwrap();
        assert_eq!(follower.new_lines(false), ["two"]);
        assert_eq!(follower.new_lines(true), ["three"]);
    }
}
