//! `--events`: what happens, for programs, one JSON object per line.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use futon_common::text::one_line;
use futon_common::{Error, Result};
use futon_model::{EVENT_SCHEMA, Event, EventKind, GuestEvent, Moved, RunEvent, RunEventKind, Turn, steps};

use super::sink::{Sink, Told};

/// How long a reader that is behind may keep the program from ending.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes events. A thread of its own does it: a reader that is slow, or gone, does not hold a run up.
#[derive(Debug)]
pub struct EventStream {
    begin: Instant,
    /// Gone once the stream is finished.
    lines: Mutex<Option<Sender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EventStream {
    /// Opens a file, or standard output for `-`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let out: Box<dyn Write + Send> = if is_standard_output(path) {
            Box::new(std::io::stdout())
        } else {
            Box::new(File::create(path).map_err(|e| {
                Error::usage(format!("--events: cannot write {}", path.display()))
                    .caused_by(e)
                    .hint("name a file in a folder that exists, or - for standard output")
            })?)
        };
        Ok(Self::to(out, path.display().to_string()))
    }

    fn to(out: Box<dyn Write + Send>, name: String) -> Self {
        let (sender, lines) = channel();
        let writer = thread::spawn(move || write_all(lines, out, &name));
        Self { begin: Instant::now(), lines: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)) }
    }

    fn write(&self, what: RunEventKind) {
        // Whoever has the lock is next: lines are in the order of their times.
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lines) = &*lines else { return };
        let line = RunEvent {
            schema: EVENT_SCHEMA.to_owned(),
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            ms: u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            what,
        };
        if let Ok(mut text) = serde_json::to_string(&line) {
            text.push('\n');
            // Nobody reads any more: the run goes on.
            let _ = lines.send(text);
        }
    }
}

/// Whether the events go to standard output.
pub fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes lines until there are no more, or nobody takes them.
fn write_all(lines: Receiver<String>, mut out: Box<dyn Write + Send>, name: &str) {
    for line in lines {
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // The reader has seen enough.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return,
            Err(e) => {
                let _ = writeln!(anstream::stderr(), "--events: no more is written to {name}: {e}");
                return;
            }
        }
    }
}

impl Sink for EventStream {
    fn tell(&self, told: &Told<'_>) {
        if let Some(what) = public(told) {
            self.write(what);
        }
    }

    fn finish(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let deadline = Instant::now() + PATIENCE;
        while !writer.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What programs are told of it, if anything.
fn public(told: &Told<'_>) -> Option<RunEventKind> {
    Some(match *told {
        Told::RunStarted { functions, machine } => RunEventKind::RunStarted {
            futon: env!("CARGO_PKG_VERSION").to_owned(),
            functions: functions.to_vec(),
            machine: machine.clone(),
        },
        Told::Started(turn) => RunEventKind::FunctionStarted { turn: turn.clone() },
        Told::Event { turn, event, moved } => return of_a_run(turn, event, moved),
        Told::AttemptEnded { turn, result } => {
            RunEventKind::AttemptEnded { turn: turn.clone(), result: result.clone() }
        }
        Told::Ended { turn, report } => RunEventKind::FunctionEnded {
            turn: turn.clone(),
            verdict: report.verdict.clone(),
            flaky: report.is_flaky(),
            duration_ms: report.duration_ms,
            folder: report.folder.clone(),
        },
        Told::RunEnded { report, folder } => RunEventKind::RunEnded {
            summary: report.summary,
            duration_ms: report.duration_ms,
            report: folder.join("report.json").display().to_string(),
        },
    })
}

fn of_a_run(turn: &Turn, event: &Event, moved: Option<Moved>) -> Option<RunEventKind> {
    let ended = |step: &str, duration_ms, exit_status, timed_out| RunEventKind::StepEnded {
        turn: turn.clone(),
        step: one_line(step),
        duration_ms,
        exit_status,
        timed_out,
    };
    match (&event.kind, moved) {
        (EventKind::SimulationPhase { phase, .. }, _) => {
            Some(RunEventKind::PhaseStarted { turn: turn.clone(), phase: phase.clone() })
        }
        // The host sees the end of the boot: the guest has asked for its script.
        (_, Some(Moved::Fetched | Moved::Script)) => Some(ended(steps::BOOT, event.at_ms, Some(0), false)),
        (
            EventKind::Guest { guest: GuestEvent::StepEnded { name, exit_status, duration_ms, timed_out, .. }, .. },
            Some(Moved::Ended),
        ) => Some(ended(name, *duration_ms, *exit_status, *timed_out)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Takes what it is given; after `good` lines it fails.
    struct Reader {
        good: usize,
        kept: Arc<Mutex<Vec<u8>>>,
        fails: ErrorKind,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.good == 0 {
                return Err(self.fails.into());
            }
            self.good -= 1;
            self.kept.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_ends_nothing() {
        for fails in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            let kept = Arc::new(Mutex::new(Vec::new()));
            let stream = EventStream::to(Box::new(Reader { good: 1, kept: Arc::clone(&kept), fails }), "x".into());
            for _ in 0..3 {
                stream.tell(&Told::Started(&Turn::first("f")));
            }
            stream.finish();
            stream.tell(&Told::Started(&Turn::first("f")));
            let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
            assert_eq!(text.lines().count(), 1, "{text}");
            let event: RunEvent = serde_json::from_str(&text).unwrap();
            assert_eq!(event.what, RunEventKind::FunctionStarted { turn: Turn::first("f") });
        }
    }

    #[test]
    fn what_is_not_the_guests_own_word_is_not_told() {
        let turn = Turn::first("f");
        let step = GuestEvent::StepEnded {
            name: "pull".into(),
            exit_status: Some(0),
            signal: None,
            timed_out: false,
            duration_ms: 5,
            tail: String::new(),
        };
        let event = Event { at_ms: 9, kind: EventKind::Guest { authentic: false, guest: step } };
        // The cursor moves only for what came with the token.
        assert_eq!(of_a_run(&turn, &event, None), None);
        let told = of_a_run(&turn, &event, Some(Moved::Ended));
        assert!(matches!(told, Some(RunEventKind::StepEnded { duration_ms: 5, exit_status: Some(0), .. })), "{told:?}");
    }
}
