//! A mirror, for as long as it is there: an engine that has none for Docker's own registry is told of the exchange.
//!
//! A name with a digest is known to an engine only when it was pulled, and Docker's own registry is asked over TLS alone: no detour leads
//! there. But an engine reads its mirrors anew when it is told to.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use guest_net::{Context, Error, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Map, Value, json};

use super::Engine;

/// The engine's process.
const PID_FILE: &str = "/run/docker.pid";

/// The engine's key for it.
const MIRRORS: &str = "registry-mirrors";

/// How long an engine may take to read its settings.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// The exchange as the engine's mirror; ends with the value.
#[derive(Debug)]
pub(super) struct Mirror<'e> {
    engine: &'e Engine,
    base: String,
    settings: PathBuf,
    before: Option<String>,
}

impl<'e> Mirror<'e> {
    /// Makes `base` (an address as `http://10.0.2.2:3003`) the engine's first mirror.
    pub fn begin(engine: &'e Engine, base: &str, settings: &Path) -> Result<Self> {
        let before = match fs::read_to_string(settings) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(format_args!("cannot read {}", settings.display())),
        };
        let text = with_mirror(before.as_deref(), Some(base)).context(format_args!("{}", settings.display()))?;
        // From here on what was there before comes back with the value.
        let mirror = Self { engine, base: base.to_owned(), settings: settings.to_owned(), before };
        if let Some(folder) = settings.parent() {
            fs::create_dir_all(folder).context(format_args!("cannot make {}", folder.display()))?;
        }
        fs::write(settings, text).context(format_args!("cannot write {}", settings.display()))?;
        reload()?;
        let began = Instant::now();
        while !engine.info()?.has_mirror(base) {
            if began.elapsed() > LIMIT {
                return Err(Error::new(format!(
                    "the engine does not use {base} as mirror; hint: journalctl -u docker"
                )));
            }
            thread::sleep(PAUSE);
        }
        Ok(mirror)
    }
}

impl Drop for Mirror<'_> {
    fn drop(&mut self) {
        // An engine keeps the mirrors that it has where its settings say nothing of any: they must say that there are none.
        if let Ok(text) = with_mirror(self.before.as_deref(), None)
            && fs::write(&self.settings, text).is_ok()
            && reload().is_ok()
        {
            let began = Instant::now();
            while self.engine.info().is_ok_and(|info| info.has_mirror(&self.base)) && began.elapsed() < LIMIT {
                thread::sleep(PAUSE);
            }
        }
        // What stays names a mirror that is there as long as the machine.
        let _ = match &self.before {
            Some(text) => fs::write(&self.settings, text),
            None => fs::remove_file(&self.settings),
        };
    }
}

/// Has the engine read its settings.
fn reload() -> Result<()> {
    let text = fs::read_to_string(PID_FILE).context(format_args!("cannot read {PID_FILE}"))?;
    let pid: i32 = text.trim().parse().context(format_args!("{PID_FILE} contains no number"))?;
    kill(Pid::from_raw(pid), Signal::SIGHUP).context("cannot make the engine reload its settings")
}

/// An engine's settings with one more mirror, which is asked first, or with those alone that they name.
fn with_mirror(settings: Option<&str>, base: Option<&str>) -> Result<String> {
    let text = settings.filter(|text| !text.trim().is_empty());
    let mut settings: Map<String, Value> = match text {
        Some(text) => serde_json::from_str(text).context("not an engine's settings")?,
        None => Map::new(),
    };
    let mut mirrors: Vec<Value> = base.iter().map(|base| json!(base)).collect();
    if let Some(Value::Array(others)) = settings.get(MIRRORS) {
        mirrors.extend(others.iter().cloned());
    }
    settings.insert(MIRRORS.to_owned(), mirrors.into());
    Ok(Value::Object(settings).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_all_that_they_had() {
        let with =
            |text| serde_json::from_str::<Value>(&with_mirror(text, Some("http://10.0.2.2:3003")).unwrap()).unwrap();
        let alone = json!({"registry-mirrors": ["http://10.0.2.2:3003"]});
        assert_eq!((with(None), with(Some(" \n"))), (alone.clone(), alone));
        assert_eq!(
            with(Some(r#"{"debug": true, "registry-mirrors": ["https://mirror.example"]}"#)),
            json!({"debug": true, "registry-mirrors": ["http://10.0.2.2:3003", "https://mirror.example"]})
        );
        assert_eq!(with_mirror(None, None).unwrap(), r#"{"registry-mirrors":[]}"#);
        assert!(with_mirror(Some("[1]"), Some("x")).is_err());
    }
}
