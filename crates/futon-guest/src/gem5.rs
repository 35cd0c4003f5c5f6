//! The way out on gem5: files of the simulator's output folder in place of requests to an exchange.
//!
//! `events.jsonl` grows by a line an event, each with the run's token: a container can speak to the simulator as well, but does not
//! know it. Uploads are whole files under their names, each followed by a note with its hash, for the same reason.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use futon_model::GuestEvent;
use futon_stage::guest::{Stop, Window};
use guest_net::{Context, Error, Result};
use m5ops::M5;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{cmdline, runlog::RunLog};

/// Set for the run script where the guest runs on gem5.
pub(crate) const VARIABLE: &str = "FUTON_GEM5";

/// Name of the events' file, at the host and, as far as it was written, in the guest.
const EVENTS: &str = "events.jsonl";

/// Takes files for the host.
pub(crate) trait Outlet {
    /// Writes what `source` holds into the file `name`, from `offset` on; offset 0 makes the file anew.
    fn write(&self, name: &str, offset: u64, source: &mut dyn Read) -> Result<()>;
}

impl Outlet for M5 {
    fn write(&self, name: &str, offset: u64, source: &mut dyn Read) -> Result<()> {
        self.write_file_at(name, offset, source)?;
        Ok(())
    }
}

/// On a staging machine, from which the guest goes on in the simulator, the window takes what the simulator would.
impl Outlet for Window {
    fn write(&self, name: &str, offset: u64, source: &mut dyn Read) -> Result<()> {
        self.write_file(name, offset, source)?;
        Ok(())
    }
}

/// The window of a staging machine, where this is one.
pub(crate) fn window() -> Result<Option<Window>> {
    let Some(place) = place()? else { return Ok(None) };
    Ok(Some(Window::open(place).context(WINDOW)?))
}

const WINDOW: &str = "the staging machine's window";

fn place() -> Result<Option<u64>> {
    if !futon_stage::is_here() {
        return Ok(None);
    }
    let Some(at) = cmdline::read().value(futon_stage::PARAMETER).map(str::to_owned) else { return Ok(None) };
    let digits = at.trim_start_matches("0x");
    Ok(Some(u64::from_str_radix(digits, 16).context(format_args!("{}={at}", futon_stage::PARAMETER))?))
}

/// Stops a staging machine, and comes back when the host has put a payload into its window.
pub(crate) fn wait_for_payload() -> Result<()> {
    let Some(place) = place()? else { return Ok(()) };
    let stop = Stop::open().context("the device that stops a staging machine")?;
    // A window that cannot be looked at has no payload that could be read.
    stop.strike_until(|| Window::has_payload(place).unwrap_or(true));
    Ok(())
}

/// Whether what is to leave the guest leaves it by the simulator.
pub(crate) fn is_wanted() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}

/// The simulator, or what stands in for it before the guest gets there, where it is wanted.
pub(crate) fn outlet() -> Result<Option<Box<dyn Outlet>>> {
    if !is_wanted() {
        return Ok(None);
    }
    Ok(Some(match window()? {
        Some(window) => Box::new(window),
        None => Box::new(M5::open()?),
    }))
}

/// Tells the simulator of points in the workflow. One that does not hear is told of in the results log and changes nothing.
pub(crate) fn mark(points: &[i32], log: &RunLog) {
    if points.is_empty() || !is_wanted() {
        return;
    }
    let told = match window() {
        Ok(Some(window)) => points.iter().try_for_each(|point| window.point(*point)).map_err(Error::from),
        Ok(None) => M5::open().map(|m5| points.iter().for_each(|point| m5.fail(0, *point))).map_err(Error::from),
        Err(error) => Err(error),
    };
    if let Err(error) = told {
        drop(log.line(&format!("futon: cannot report {points:?} to the simulator: {error}")));
    }
}

/// The run's token, where there is one.
pub(crate) fn token() -> Option<String> {
    env::var("FUTON_TOKEN").ok().filter(|token| !token.is_empty())
}

/// Appends an event, whose copy stands in `folder`.
pub(crate) fn append_event(outlet: &dyn Outlet, folder: &Path, token: Option<&str>, event: &GuestEvent) -> Result<()> {
    let mut line = serde_json::to_value(event).context("event")?;
    if let (Some(token), Value::Object(fields)) = (token, &mut line) {
        fields.insert("token".into(), token.into());
    }
    let line = format!("{line}\n");
    let path = folder.join(EVENTS);
    let mut copy = OpenOptions::new().create(true).append(true).open(&path).context(path.display())?;
    // Two writers at once would write over one another.
    copy.lock().context(path.display())?;
    let offset = copy.metadata().context(path.display())?.len();
    outlet.write(EVENTS, offset, &mut line.as_bytes())?;
    copy.write_all(line.as_bytes()).context(path.display())
}

/// What the exchange would give, the payload has brought.
pub(crate) fn get(names: &[String], folder: &Path) -> Result<()> {
    match names.iter().find(|name| !folder.join(name).is_file()) {
        Some(name) => Err(Error::new(format!("the simulator's payload has no {name}"))),
        None => Ok(()),
    }
}

/// Hands a file over whole, then says, with the token, what was in it. The events' copy stands in `folder`.
pub(crate) fn put(outlet: &dyn Outlet, folder: &Path, token: Option<&str>, file: &Path, name: &str) -> Result<()> {
    let source = File::open(file).context(format_args!("cannot read {}", file.display()))?;
    let length = source.metadata().context(file.display())?.len();
    let mut source = Hashed { source: source.take(length), hash: Sha256::new() };
    outlet.write(name, 0, &mut source)?;
    let hash = source.hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    append_event(outlet, folder, token, &GuestEvent::Note { text: format!("file {name} sha256 {hash}") })
}

/// A source whose bytes are hashed as they go.
struct Hashed<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Nothing of an earlier run is in the way of the first event.
pub(crate) fn forget(folder: &Path) {
    // Usually there is none.
    let _ = fs::remove_file(folder.join(EVENTS));
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, path::PathBuf};

    use super::*;

    /// The simulator's output folder.
    #[derive(Default)]
    struct Fake(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Outlet for Fake {
        fn write(&self, name: &str, offset: u64, source: &mut dyn Read) -> Result<()> {
            let mut files = self.0.borrow_mut();
            let file = files.entry(name.to_owned()).or_default();
            assert!(offset <= file.len() as u64, "gem5 would leave a hole");
            file.truncate(usize::try_from(offset).unwrap());
            source.read_to_end(file).unwrap();
            Ok(())
        }
    }

    impl Fake {
        fn text(&self, name: &str) -> String {
            String::from_utf8(self.0.borrow()[name].clone()).unwrap()
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("futon-gem5-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn events_are_lines_one_behind_the_other() {
        let (fake, folder) = (Fake::default(), folder("events"));
        let begun = GuestEvent::StepStarted { name: "pull".into() };
        append_event(&fake, &folder, Some("secret"), &begun).unwrap();
        append_event(&fake, &folder, None, &GuestEvent::Finish { status: 0 }).unwrap();
        let text = fake.text(EVENTS);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("\"token\":\"secret\"") && !lines[1].contains("token"), "{text}");
        // The token does not keep the line from being the event that it is.
        assert_eq!(serde_json::from_str::<GuestEvent>(lines[0]).unwrap(), begun);
        // A new run begins anew.
        forget(&folder);
        append_event(&fake, &folder, None, &GuestEvent::Finish { status: 1 }).unwrap();
        assert_eq!(fake.text(EVENTS).lines().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_the_payload_has_not_brought_is_named() {
        let folder = folder("get");
        fs::write(folder.join("run.env"), "").unwrap();
        get(&["run.env".to_owned()], &folder).unwrap();
        let error = get(&["run.env".to_owned(), "x".to_owned()], &folder).unwrap_err();
        assert_eq!(error.to_string(), "the simulator's payload has no x");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn files_go_out_whole_under_their_names() {
        let (fake, folder) = (Fake::default(), folder("put"));
        fs::write(folder.join("x"), "long log\n").unwrap();
        put(&fake, &folder, Some("secret"), &folder.join("x"), "results.log").unwrap();
        fs::write(folder.join("x"), "abc").unwrap();
        put(&fake, &folder, Some("secret"), &folder.join("x"), "results.log").unwrap();
        assert_eq!(fake.text("results.log"), "abc");
        let text = fake.text(EVENTS);
        let note: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        // The well-known hash of "abc" (FIPS 180-4).
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(note["text"], format!("file results.log sha256 {hash}"));
        assert_eq!((&note["kind"], &note["token"]), (&"note".into(), &"secret".into()));
        fs::remove_dir_all(&folder).unwrap();
    }
}
