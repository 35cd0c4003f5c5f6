//! Progress and messages.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use futon_common::text::{duration, log_line, one_line};
use futon_common::{Error, Result};
use futon_model::{Cursor, Event, EventKind, GuestEvent, Moved, Plan};
use indicatif::{ProgressBar, ProgressStyle};

use super::events::{EventStream, is_standard_output};
use super::sink::{Sink, Told};

/// The terminal, or a file in its place.
#[derive(Debug)]
pub struct Ui {
    quiet: bool,
    json: bool,
    terminal: bool,
    /// Standard output has events.
    events_out: bool,
    /// A file in place of standard error.
    file: Option<File>,
    bar: Option<ProgressBar>,
    /// What each function that runs is doing.
    running: Mutex<BTreeMap<String, Running>>,
    /// Who else listens.
    sinks: Vec<Box<dyn Sink>>,
}

/// How far a function's run is.
#[derive(Debug)]
struct Running {
    cursor: Cursor,
    /// The part of a simulation that goes on, where that says more than the step.
    phase: Option<String>,
}

impl Running {
    fn now(&self) -> &str {
        self.phase.as_deref().unwrap_or_else(|| self.cursor.step())
    }
}

const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

impl Ui {
    /// `json`: standard output is for a program.
    pub fn new(quiet: bool, json: bool) -> Self {
        Self {
            quiet,
            json,
            terminal: std::io::stderr().is_terminal(),
            events_out: false,
            file: None,
            bar: None,
            running: Mutex::default(),
            sinks: Vec::new(),
        }
    }

    /// All lines go to a file.
    pub fn to_file(file: File) -> Self {
        Self { terminal: false, file: Some(file), ..Self::new(false, true) }
    }

    /// Whether progress is shown on a terminal, in one line that changes.
    pub fn on_terminal(&self) -> bool {
        self.terminal
    }

    /// Lets a stream of events listen, if a file is named for it.
    ///
    /// # Errors
    /// When one cannot: a file cannot be written, or two want standard output.
    pub fn listen(&mut self, events: Option<&Path>) -> Result<()> {
        if let Some(path) = events {
            self.events_out = is_standard_output(path);
            if self.events_out && self.json {
                return Err(Error::usage("--events - and --json both want standard output")
                    .hint("name a file for the events: --events FILE"));
            }
            self.sinks.push(Box::new(EventStream::open(path)?));
        }
        Ok(())
    }

    /// Tells those who listen.
    pub fn tell(&self, told: &Told<'_>) {
        self.sinks.iter().for_each(|sink| sink.tell(told));
    }

    /// Nothing more will happen.
    pub fn finish(&self) {
        self.sinks.iter().for_each(|sink| sink.finish());
    }

    /// Whether results go to standard error, because standard output has events.
    pub(crate) fn results_aside(&self) -> bool {
        self.events_out
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
        if let Some(mut file) = self.file.as_ref() {
            // A full disk is found where the result is written.
            let _ = writeln!(file, "{}", anstream::adapter::strip_str(text));
            return;
        }
        let print = || {
            let mut stderr = anstream::stderr().lock();
            // Ignore a closed standard error.
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

    /// Shows progress: on the spinner, or as a line if there is none.
    pub fn update(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.line(text),
        }
    }

    /// Shows how far something has come, where a spinner does.
    pub fn tick(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Ends the spinner.
    pub fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A function's run is about to begin.
    pub fn begin(&self, called: &str, plan: &Plan) {
        let begun = Running { cursor: Cursor::new(plan), phase: None };
        self.lock().insert(called.to_owned(), begun);
    }

    /// A function's run is over.
    pub fn forget(&self, called: &str) {
        self.lock().remove(called);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event, shows what all functions do, and says how it moved this one on.
    fn follow(&self, function: &str, event: &EventKind) -> Option<Moved> {
        let mut running = self.lock();
        let this = running.get_mut(function)?;
        let moved = this.cursor.observe(event);
        if let EventKind::SimulationPhase { phase, .. } = event {
            this.phase = Some(phase.clone());
        } else if moved.is_some() {
            this.phase = None;
        }
        if let Some(bar) = &self.bar {
            let all: Vec<String> = running.iter().map(|(name, r)| format!("{name}: {}", r.now())).collect();
            bar.set_message(one_line(&all.join(" · ")));
        }
        moved
    }

    /// Shows an event of a function's run, and says how it moved the run on.
    pub fn event(&self, function: &str, event: &Event) -> Option<Moved> {
        let seconds = Duration::from_millis(event.at_ms).as_secs_f64();
        let moved = self.follow(function, &event.kind);
        if let Some(Moved::Fetched | Moved::Script) = moved {
            self.line(&format!("  {function}: {GOOD}booted{GOOD:#} after {seconds:.1} s"));
        }
        match &event.kind {
            EventKind::Guest {
                authentic: true,
                guest: GuestEvent::StepEnded { name, exit_status, duration_ms, timed_out, .. },
            } => {
                let (name, took) = (one_line(name), duration(*duration_ms));
                let line = match exit_status {
                    Some(0) => format!("  {function}: {name} {GOOD}ok{GOOD:#} {took}"),
                    _ if *timed_out => {
                        format!("  {function}: {name} {BAD}timed out{BAD:#} after {took}")
                    }
                    Some(status) => {
                        format!("  {function}: {name} {BAD}failed{BAD:#} with status {status} after {took}")
                    }
                    None => format!("  {function}: {name} {BAD}was stopped{BAD:#} after {took}"),
                };
                self.line(&line);
            }
            EventKind::ConsoleAlarm { line, .. } => {
                self.line(&format!("  {function}: {BAD}console:{BAD:#} {}", log_line(line.trim())));
            }
            EventKind::SimulationPhase { phase, from } => {
                self.line(&format!("  {function}: {phase}, from {from}"));
            }
            EventKind::LimitStruck { limit, .. } => {
                self.line(&format!("  {function}: {BAD}limit {limit} reached{BAD:#} after {seconds:.1} s"));
            }
            _ => {}
        }
        moved
    }
}
