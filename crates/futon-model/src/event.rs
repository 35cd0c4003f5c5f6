//! The one typed stream of what happened in a run, and what every sink reads.

use serde::{Deserialize, Serialize};

use crate::{Accelerator, Code, Digest, GuestEvent, Outcome};

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the machine was started, host clock.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened in a run. `authentic` always means: it carried the run's token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The machine's process runs.
    MachineStarted {
        /// Accelerator in use.
        accelerator: Accelerator,
    },
    /// Somebody asked for the run script.
    RunScriptRequested {
        /// HTTP status of the answer.
        status: u16,
        /// True for the one answer that carried the token.
        authentic: bool,
    },
    /// The guest asked for work while its warm base was made, and was told to wait.
    Parked,
    /// A file was asked for.
    FileRequested {
        /// Path as requested, percent-decoded.
        path: String,
        /// HTTP status of the answer.
        status: u16,
        /// Bytes of body sent.
        bytes: u64,
    },
    /// A manifest or an image archive was asked for (blobs are not worth an event).
    ImageRequested {
        /// Image name, and tag or digest, as requested.
        reference: String,
        /// Digest of the manifest served.
        digest: Option<Digest>,
        /// HTTP status of the answer.
        status: u16,
    },
    /// A file arrived whole.
    Uploaded {
        /// Name the sender gave.
        name: String,
        /// Name it is stored under in the uploads folder.
        stored_as: String,
        /// Size.
        bytes: u64,
        /// Whether the sender knew the token.
        authentic: bool,
    },
    /// A file did not arrive.
    UploadFailed {
        /// Name the sender gave.
        name: String,
        /// HTTP status of the answer (507: no space left; 413: too large; 400: broken off or bad name).
        status: u16,
        /// Why, for people.
        why: String,
        /// Whether the sender knew the token.
        authentic: bool,
    },
    /// The guest said something.
    Guest {
        /// Whether the sender knew the token.
        authentic: bool,
        /// What it said.
        guest: GuestEvent,
    },
    /// An event was posted that is not one.
    MalformedGuestEvent {
        /// Whether the sender knew the token.
        authentic: bool,
        /// What is wrong with it.
        why: String,
    },
    /// The kernel said on the console that something is badly wrong.
    ConsoleAlarm {
        /// What kind of trouble.
        alarm: Alarm,
        /// The console line.
        line: String,
    },
    /// The machine reported that the guest stopped.
    MachineShutdown {
        /// Who stopped it and how.
        reason: ShutdownReason,
    },
    /// The machine's process ended.
    MachineExited {
        /// Exit status.
        status: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
        /// Last lines of its standard error.
        stderr: String,
    },
    /// The machine ended in a way that it can name.
    MachineFailed {
        /// How the run counts.
        outcome: Outcome,
        /// The reason, for programs.
        code: Code,
        /// The reason, for people.
        why: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// A part of the run on the simulator began: `boot`, `setup`, `evaluate` or `run`.
    SimulationPhase {
        /// Name of the phase.
        phase: String,
        /// What it starts from, for people.
        from: String,
    },
    /// A limit struck and the machine was ended.
    LimitStruck {
        /// Name of the limit (`boot`, `pull`, … `run`).
        limit: String,
        /// Length of the limit, milliseconds.
        after_ms: u64,
        /// The last thing that was seen before.
        last_seen: String,
    },
    /// Somebody stopped futon (Ctrl-C, SIGTERM).
    Interrupted,
    /// futon or the host failed.
    HostFailed {
        /// Step or part that failed.
        step: String,
        /// Why.
        why: String,
        /// What the user can do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// Trouble that the kernel reports on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// `Kernel panic - not syncing`.
    KernelPanic,
    /// An oops, a BUG or a general protection fault.
    KernelOops,
    /// The out-of-memory killer ended a process.
    OutOfMemoryKill,
}

/// Why the machine stopped, after QMP's `SHUTDOWN` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownReason {
    /// The guest powered off.
    GuestShutdown,
    /// The guest reset itself (also how `panic=-1` ends a panic).
    GuestReset,
    /// The machine noticed a guest panic.
    GuestPanic,
    /// The host asked for it.
    Host,
}
