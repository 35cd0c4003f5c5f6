//! Durations of earlier runs: a small file that is made to be committed, or kept in a cache.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use futon_common::{Context, Error, Result, folder_of, require_regular, write_whole};
use serde::{Deserialize, Serialize};

/// Name and version of the file's form.
pub const TIMINGS_SCHEMA: &str = "futon.timings/1";

/// A duration must differ by this part of the known one, and by this many milliseconds, to be worth another line in a commit.
const PART: u64 = 5;
const LEAST_MS: u64 = 500;

/// Longest file that is read, bytes: a hundred thousand functions take a tenth of it.
const LARGEST: u64 = 64 << 20;

/// How often, and with what pause, a lock is tried: others hold it for milliseconds.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Seconds by kind of machine and function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timings {
    schema: String,
    /// A kind of machine is what one can name before a run, such as `qemu/docker`: whether there is KVM would differ between machines that
    /// must come to the same shards.
    machines: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Default for Timings {
    fn default() -> Self {
        Self { schema: TIMINGS_SCHEMA.to_owned(), machines: BTreeMap::new() }
    }
}

impl Timings {
    /// Reads a file; nothing if there is none yet.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let mut text = String::new();
        let open = require_regular(path).and_then(|()| File::open(path));
        // What is cut here is malformed.
        match open.and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
            Ok(_) => Self::parse(&text, &path.display().to_string()).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::usage(format!("cannot read {}", path.display())).caused_by(e)),
        }
    }

    /// Reads a text, which messages call `name`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let refused = |why: String| {
            Error::usage(format!("{name}: {why}"))
                .hint("`futon test --record-timings FILE` makes such a file; remove this one to begin anew")
        };
        let timings: Self = serde_json::from_str(text).map_err(|e| refused(format!("no file of durations: {e}")))?;
        if timings.schema != TIMINGS_SCHEMA {
            return Err(refused(format!("its schema is {:?}, not {TIMINGS_SCHEMA}", timings.schema)));
        }
        for (function, seconds) in timings.machines.values().flatten() {
            if Duration::try_from_secs_f64(*seconds).is_err() {
                return Err(refused(format!("{function}: {seconds} is no duration")));
            }
        }
        Ok(timings)
    }

    /// Milliseconds that a function takes on a kind of machine, if that is known.
    #[must_use]
    pub fn ms(&self, kind: &str, function: &str) -> Option<u64> {
        ms(*self.machines.get(kind)?.get(function)?)
    }

    /// Puts durations, in milliseconds, into a file, which is made if it does not exist. What else is there stays; a known duration stays,
    /// too, if the new one is about the same. Several processes may do so at once.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is malformed.
    pub fn record(path: &Path, kind: &str, durations: &[(&str, u64)]) -> Result<()> {
        let folder = folder_of(path);
        let _lock = lock(folder)?;
        let before = Self::read(path)?;
        let mut timings = before.clone().unwrap_or_default();
        timings.add(kind, durations);
        if before.as_ref() == Some(&timings) {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(&timings).context(|| format!("cannot write {}", path.display()))?;
        text.push(b'\n');
        write_whole(path, &text)
    }

    fn add(&mut self, kind: &str, durations: &[(&str, u64)]) {
        let known = self.machines.entry(kind.to_owned()).or_default();
        for (function, new) in durations {
            let old = known.get(*function).copied().and_then(ms);
            let differs = |old: u64| old.abs_diff(*new) > (old / PART).max(LEAST_MS);
            if old.is_none_or(differs) {
                // Tenths of a second: what is below is chance.
                let tenths = Duration::from_millis(new.div_ceil(100) * 100);
                known.insert((*function).to_owned(), tenths.as_secs_f64());
            }
        }
    }
}

/// Locks a folder of files of durations. It is not waited for without end: a run may hold its own folder.
fn lock(folder: &Path) -> Result<File> {
    let folder_file = File::open(folder)
        .map_err(|e| Error::usage(format!("there is no folder {}", folder.display())).caused_by(e))?;
    for _ in 0..TRIES {
        match folder_file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            // A file system without locks has only one process that writes here.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(folder_file),
        }
    }
    Err(Error::infra(format!("{} is in use by another futon", folder.display()))
        .hint("keep durations in a folder that no run writes to"))
}

fn ms(seconds: f64) -> Option<u64> {
    let exact = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(exact.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn durations_are_kept_sorted_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timings.json");
        assert_eq!(Timings::read(&path).unwrap(), None);
        Timings::record(&path, "qemu/docker", &[("b", 3140), ("a", 9999)]).unwrap();
        Timings::record(&path, "gem5/lean/o3", &[("a", 123_400)]).unwrap();
        Timings::record(&path, "qemu/docker", &[("c", 70)]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = r#"{
  "schema": "futon.timings/1",
  "machines": {
    "gem5/lean/o3": {
      "a": 123.4
    },
    "qemu/docker": {
      "a": 10.0,
      "b": 3.2,
      "c": 0.1
    }
  }
}
"#;
        assert_eq!(text, expected);
        let timings = Timings::read(&path).unwrap().unwrap();
        assert_eq!((timings.ms("qemu/docker", "b"), timings.ms("qemu/docker", "z")), (Some(3200), None));
    }

    #[test]
    fn a_duration_that_is_about_the_same_changes_no_line() {
        let mut timings = Timings::default();
        let mut after = |ms| {
            timings.add("q", &[("a", ms)]);
            timings.ms("q", "a").unwrap()
        };
        assert_eq!([after(10_000), after(11_900), after(8_100)], [10_000; 3]);
        assert_eq!([after(12_100), after(300), after(700), after(900)], [12_100, 300, 300, 900]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timings.json");
        std::thread::scope(|scope| {
            for n in 0..16 {
                let path = &path;
                scope.spawn(move || Timings::record(path, "q", &[(&format!("f{n}"), 1000)]).unwrap());
            }
        });
        let timings = Timings::read(&path).unwrap().unwrap();
        assert!((0..16).all(|n| timings.ms("q", &format!("f{n}")) == Some(1000)), "{timings:?}");
    }

    #[test]
    fn what_is_no_file_of_durations_is_refused_by_name() {
        for (text, why) in [
            ("", "no file of durations"),
            (r#"{"schema": "futon.timings/2", "machines": {}}"#, "futon.timings/2"),
            (r#"{"schema": "futon.timings/1", "machines": {"q": {"a": -1}}}"#, "a: -1 is no duration"),
            (r#"{"schema": "futon.timings/1", "machines": {"q": {"a": "1s"}}}"#, "no file of durations"),
            (r#"{"schema": "futon.timings/1", "seconds": {}}"#, "seconds"),
        ] {
            let error = Timings::parse(text, "ci/timings.json").unwrap_err();
            assert!(error.to_string().starts_with("ci/timings.json: "), "{error}");
            assert!(error.to_string().contains(why) && error.hint_text().is_some(), "{text}: {error}");
        }
    }
}
