//! Progress and messages.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use futon_host::Error;
use futon_model::{Event, EventKind, GuestEvent};
use indicatif::{ProgressBar, ProgressStyle};

/// The terminal, or a file in its place.
#[derive(Debug)]
pub struct Ui {
    quiet: bool,
    json: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    /// What each function that runs is doing.
    running: Mutex<BTreeMap<String, Running>>,
}

/// How far a function's run is.
#[derive(Debug, Default)]
struct Running {
    /// Whether its boot was told: a second request for run.sh is somebody else's.
    booted: bool,
    now: String,
}

const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

impl Ui {
    /// `json`: standard output is for a program.
    pub fn new(quiet: bool, json: bool) -> Self {
        Self { quiet, json, terminal: std::io::stderr().is_terminal(), bar: None, running: Mutex::default() }
    }

    /// Whether standard output is for a program.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A line on standard error, above the spinner.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        self.always(text);
    }

    fn always(&self, text: &str) {
        let print = || {
            let mut stderr = anstream::stderr().lock();
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(stderr, "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// An error with its hint.
    pub fn error(&mut self, error: &Error) {
        self.stop();
        self.always(&format!("{BAD}error:{BAD:#} {error}"));
        if let Some(hint) = error.hint_text() {
            self.always(&format!("{FAINT}hint:{FAINT:#} {hint}"));
        }
    }

    /// Begins something that takes a while.
    pub fn start(&mut self, what: &str) {
        self.stop();
        if self.quiet {
            return;
        }
        if !self.terminal {
            self.line(what);
            return;
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bar = Some(bar);
    }

    /// Says how far it has come: on the spinner, or as a line where there is none.
    pub fn update(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.line(text),
        }
    }

    /// Ends the spinner.
    pub fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A function's run is over, or about to begin.
    pub fn forget(&self, function: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    /// Notes what a function's run does, and shows what all of them do.
    fn now(&self, function: &str, note: impl FnOnce(&mut Running)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        note(running.entry(function.to_owned()).or_default());
        if let Some(bar) = &self.bar {
            let all: Vec<String> = running.iter().map(|(name, r)| format!("{name}: {}", r.now)).collect();
            bar.set_message(all.join(" · "));
        }
    }

    /// Shows an event of a function's run.
    pub fn event(&self, function: &str, event: &Event) {
        let now = |text: &str| self.now(function, |running| text.clone_into(&mut running.now));
        let seconds = Duration::from_millis(event.at_ms).as_secs_f64();
        match &event.kind {
            EventKind::MachineStarted { .. } => {
                now("boot");
            }
            EventKind::RunScriptRequested { status: 200, .. } => {
                let mut known = true;
                self.now(function, |running| {
                    known = std::mem::replace(&mut running.booted, true);
                    "fetch".clone_into(&mut running.now);
                });
                if !known {
                    self.line(&format!("  {function}: {GOOD}booted{GOOD:#} after {seconds:.1} s"));
                }
            }
            EventKind::Guest { authentic: true, guest: GuestEvent::StepStarted { name } } => now(name),
            EventKind::Guest {
                authentic: true,
                guest: GuestEvent::StepEnded { name, exit_status, duration_ms, timed_out, .. },
            } => {
                let took = futon_host::report::duration(*duration_ms);
                let line = match exit_status {
                    Some(0) => format!("  {function}: {name} {GOOD}ok{GOOD:#} {took}"),
                    _ if *timed_out => {
                        format!("  {function}: {name} {BAD}timed out{BAD:#} after {took}")
                    }
                    Some(status) => {
                        format!("  {function}: {name} {BAD}failed{BAD:#} with status {status} after {took}")
                    }
                    None => format!("  {function}: {name} {BAD}was ended{BAD:#} after {took}"),
                };
                self.line(&line);
            }
            EventKind::Guest { authentic: true, guest: GuestEvent::Finish { .. } } => now("shutdown"),
            EventKind::ConsoleAlarm { line, .. } => {
                self.line(&format!("  {function}: {BAD}console:{BAD:#} {}", line.trim()));
            }
            EventKind::LimitStruck { limit, .. } => {
                self.line(&format!("  {function}: {BAD}limit {limit} struck{BAD:#} after {seconds:.1} s"));
            }
            _ => {}
        }
    }
}
