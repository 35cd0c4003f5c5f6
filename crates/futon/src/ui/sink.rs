//! What runs tell as they go on, and those who listen. A new listener is a [`Sink`] in a file of its own and a line in
//! [`Ui::listen`](super::Ui::listen).

use std::path::Path;

use futon_model::{Attempt, Event, FunctionReport, MachineReport, Moved, Report, Turn};

/// Something that happened. Progress on the terminal is shown from the same calls.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// Functions are about to be run.
    RunStarted { functions: &'a [String], machine: &'a MachineReport },
    /// A function's machine is about to start.
    Started(&'a Turn),
    /// An event of a function's run, and how it moved the run on.
    Event { turn: &'a Turn, event: &'a Event, moved: Option<Moved> },
    /// An attempt did not pass, and another one follows.
    AttemptEnded { turn: &'a Turn, result: &'a Attempt },
    /// A function has its verdict.
    Ended { turn: &'a Turn, report: &'a FunctionReport },
    /// All have ended; the report is in the folder.
    RunEnded { report: &'a Report, folder: &'a Path },
}

/// One who listens. It must not wait for anybody: the run waits for it.
pub trait Sink: Send + Sync + std::fmt::Debug {
    /// Takes note of what happened.
    fn tell(&self, told: &Told<'_>);

    /// Nothing more will happen: what is still to be written is written.
    fn finish(&self) {}
}
