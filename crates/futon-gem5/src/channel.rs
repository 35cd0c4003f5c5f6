//! What the guest says by `writefile`: files in gem5's output folder, read while they grow.
//!
//! The operation needs no privilege on a simulated core: a container can use it, too. So an event must carry the run's token, and a
//! file is a witness only if an event with the token names its hash: a note `file NAME sha256 HEX`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use futon_model::{EventKind, GuestEvent};
use serde::Deserialize;

use futon_common::sha256_file;
use futon_machine::console::Follower;

/// File of the guest's events, one JSON object a line.
pub(super) const EVENTS: &str = "events.jsonl";

/// Files that gem5 and its configuration write; everything else there is the guest's.
const GEM5S: [&str; 6] =
    ["config.ini", "config.json", "stats.txt", "citations.bib", "boot-parameters.bin", "config.dot"];

/// Largest file of the guest's that is taken.
const UPLOAD_MAX: u64 = 256 << 20;

#[derive(Debug, Deserialize)]
struct GuestLine {
    #[serde(default)]
    token: Option<String>,
    #[serde(flatten)]
    guest: GuestEvent,
}

/// The guest's side of a run, across its processes.
#[derive(Debug)]
pub(super) struct Channel {
    token: String,
    follower: Option<(PathBuf, Follower)>,
    /// Lines of the events file that were already reported, and are there again after a restore.
    told: usize,
    script: bool,
    /// Hashes of files, from events with the token.
    vouched: BTreeMap<String, String>,
}

impl Channel {
    pub(super) fn new(token: String) -> Self {
        Self { token, follower: None, told: 0, script: false, vouched: BTreeMap::new() }
    }

    /// Whether the run script has begun.
    pub(super) fn script_seen(&self) -> bool {
        self.script
    }

    /// What is new since the last call, in the output folder of the process that runs.
    pub(super) fn poll(&mut self, outdir: &Path, last: bool) -> Vec<EventKind> {
        let file = outdir.join(EVENTS);
        let follower = match &mut self.follower {
            Some((known, follower)) if *known == file => follower,
            slot => &mut slot.insert((file.clone(), Follower::new(file))).1,
        };
        let mut events = Vec::new();
        for line in follower.new_lines(last) {
            events.extend(self.take(&line));
        }
        events
    }

    /// The guest's file of events goes with a checkpoint: the restored guest writes on at its end.
    pub(super) fn restored(&mut self, events: &Path, live: bool) {
        // A run that starts from a stored checkpoint has not reported these lines yet.
        self.told = if live { lines_of(events) } else { 0 };
        self.follower = None;
    }

    fn take(&mut self, line: &str) -> Vec<EventKind> {
        if self.told > 0 {
            self.told -= 1;
            return Vec::new();
        }
        if line.trim().is_empty() {
            return Vec::new();
        }
        match serde_json::from_str::<GuestLine>(line) {
            Ok(said) => {
                let authentic = said.token.as_deref() == Some(self.token.as_str());
                let mut events = Vec::new();
                if authentic {
                    events.extend(self.script_began());
                    self.vouch(&said.guest);
                }
                events.push(EventKind::Guest { authentic, guest: said.guest });
                events
            }
            Err(e) => vec![EventKind::MalformedGuestEvent { authentic: false, why: e.to_string() }],
        }
    }

    fn vouch(&mut self, event: &GuestEvent) {
        let GuestEvent::Note { text } = event else { return };
        let words: Vec<&str> = text.split(' ').collect();
        if let ["file", name, "sha256", hash] = words.as_slice() {
            self.vouched.insert((*name).to_owned(), (*hash).to_owned());
        }
    }

    /// The run script begins: by its first point (`m5 fail 1`) or by its first event.
    pub(super) fn script_began(&mut self) -> Option<EventKind> {
        let first = !std::mem::replace(&mut self.script, true);
        first.then_some(EventKind::RunScriptRequested { status: 200, authentic: true })
    }

    /// Takes the guest's files into the folder of uploads.
    pub(super) fn collect(&self, outdir: &Path, uploads: &Path) -> Vec<EventKind> {
        // The events are already reported, one by one.
        let names = guest_files(outdir).into_iter().filter(|name| name != EVENTS);
        names.map(|name| self.take_upload(outdir, uploads, name)).collect()
    }

    fn take_upload(&self, outdir: &Path, uploads: &Path, name: String) -> EventKind {
        let (source, target) = (outdir.join(&name), uploads.join(&name));
        let size = fs::metadata(&source).map_or(0, |m| m.len());
        let hash = if size <= UPLOAD_MAX { sha256_file(&source).ok() } else { None };
        let authentic = hash.is_some() && hash.as_ref() == self.vouched.get(&name);
        let failed = |status, why: String, name: String| EventKind::UploadFailed { name, status, why, authentic };
        if size > UPLOAD_MAX {
            return failed(413, format!("{size} bytes are too many"), name);
        }
        match fs::copy(&source, &target) {
            Ok(bytes) => EventKind::Uploaded { stored_as: name.clone(), name, bytes, authentic },
            Err(e) if e.kind() == std::io::ErrorKind::StorageFull => failed(507, e.to_string(), name),
            Err(e) => failed(400, e.to_string(), name),
        }
    }
}

/// How many whole lines a file of events has; none where it is not there.
pub(super) fn lines_of(events: &Path) -> usize {
    fs::read(events).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// Names of the guest's files in an output folder.
pub(super) fn guest_files(outdir: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(outdir) else { return BTreeSet::new() };
    let plain = |name: &str| !name.starts_with('.') && !name.starts_with("config.") && !name.ends_with(".device");
    entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_file()))
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| plain(name) && !GEM5S.contains(&name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(token: &str, kind: &str) -> String {
        format!("{{\"token\":\"{token}\",{kind}}}\n")
    }

    #[test]
    fn events_are_believed_with_the_token_only() {
        let folder = tempfile::tempdir().unwrap();
        let started = r#""kind":"step_started","name":"pull""#;
        let text =
            format!("{}{}{{\"kind\":\"finish\",\"status\":0}}\nno json\n", line("t", started), line("x", started));
        fs::write(folder.path().join(EVENTS), text).unwrap();
        let mut channel = Channel::new("t".into());
        let events = channel.poll(folder.path(), false);
        assert_eq!(events[0], EventKind::RunScriptRequested { status: 200, authentic: true });
        let said: Vec<bool> = events
            .iter()
            .filter_map(|e| match e {
                EventKind::Guest { authentic, .. } => Some(*authentic),
                _ => None,
            })
            .collect();
        assert_eq!(said, [true, false, false]);
        assert!(matches!(events.last(), Some(EventKind::MalformedGuestEvent { .. })));
        assert!(channel.poll(folder.path(), true).is_empty(), "nothing is told twice");
        assert_eq!(channel.script_began(), None);
    }

    #[test]
    fn after_a_restore_the_file_goes_on() {
        let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = line("t", r#""kind":"note","text":"one""#);
        fs::write(before.path().join(EVENTS), &one).unwrap();
        fs::write(after.path().join(EVENTS), format!("{one}{}", line("t", r#""kind":"note","text":"two""#))).unwrap();
        let notes = |events: Vec<EventKind>| events.iter().filter(|e| matches!(e, EventKind::Guest { .. })).count();
        let mut live = Channel::new("t".into());
        assert_eq!(notes(live.poll(before.path(), true)), 1);
        live.restored(&before.path().join(EVENTS), true);
        assert_eq!(notes(live.poll(after.path(), true)), 1);
        let mut fresh = Channel::new("t".into());
        fresh.restored(&before.path().join(EVENTS), false);
        assert_eq!(notes(fresh.poll(after.path(), true)), 2);
    }

    #[test]
    fn the_guests_files_are_told_from_gem5s() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["results.log", "client.json", "stats.txt", "config.ini", "config.dot.svg", "system.pc.com_1.device"]
        {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("checkpoint")).unwrap();
        let uploads = tempfile::tempdir().unwrap();
        let hash = sha256_file(&folder.path().join("results.log")).unwrap();
        let note =
            |token: &str, name: &str| line(token, &format!(r#""kind":"note","text":"file {name} sha256 {hash}""#));
        fs::write(folder.path().join(EVENTS), note("t", "results.log") + &note("x", "client.json")).unwrap();
        let mut channel = Channel::new("t".into());
        channel.poll(folder.path(), true);
        let events = channel.collect(folder.path(), uploads.path());
        let believed: Vec<_> = events
            .iter()
            .filter_map(|e| match e {
                EventKind::Uploaded { name, authentic, .. } => Some((name.as_str(), *authentic)),
                _ => None,
            })
            .collect();
        assert_eq!(believed, [("client.json", false), ("results.log", true)]);
        assert!(uploads.path().join("results.log").exists() && !uploads.path().join("stats.txt").exists());
    }
}
