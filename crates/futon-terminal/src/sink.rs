//! What runs tell as they go on, and those who listen. A new listener is a [`Sink`] in a file of its own and a line in
//! [`Ui::listen`](super::Ui::listen).

use std::path::Path;

use futon_model::{Attempt, Event, FunctionReport, MachineReport, Moved, Report, Turn};

/// Something that happened. Progress on the terminal is shown from the same calls.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// Functions are about to be run.
    RunStarted {
        /// Their names.
        functions: &'a [String],
        /// Where they run.
        machine: &'a MachineReport,
    },
    /// A function's machine is about to start.
    Started(&'a Turn),
    /// An event of a function's run, and how it moved the run on.
    Event {
        /// The function's turn.
        turn: &'a Turn,
        /// The event.
        event: &'a Event,
        /// The step that began or ended by it.
        moved: Option<Moved>,
    },
    /// An attempt did not pass, and another one follows.
    AttemptEnded {
        /// The function's turn.
        turn: &'a Turn,
        /// The attempt that ended.
        result: &'a Attempt,
    },
    /// A function has its verdict.
    Ended {
        /// The function's turn.
        turn: &'a Turn,
        /// Its part of the report.
        report: &'a FunctionReport,
    },
    /// All have ended; the report is in the folder.
    RunEnded {
        /// The report.
        report: &'a Report,
        /// The folder.
        folder: &'a Path,
    },
}

/// One who listens. It must not wait for anybody: the run waits for it.
pub trait Sink: Send + Sync + std::fmt::Debug {
    /// Takes note of what happened.
    fn tell(&self, told: &Told<'_>);

    /// Nothing more will happen: what is still to be written is written.
    fn finish(&self) {}
}
