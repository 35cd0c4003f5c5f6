//! The guest's events for the host, one JSON object per line, by `POST /_futon/events`.

use serde::{Deserialize, Serialize};

use crate::Unready;

/// HTTP request header that carries the run's token; what comes without it is kept but proves nothing.
pub const TOKEN_HEADER: &str = "x-futon-token";

/// Header by which a guest says that it waits for work.
pub const PARK_HEADER: &str = "x-futon-park";

/// Header of the answer that has work for it: nanoseconds since 1970.
pub const TIME_HEADER: &str = "x-futon-time";

/// Header of the same answer: 64 random bytes, hexadecimal.
pub const ENTROPY_HEADER: &str = "x-futon-entropy";

/// Text in a run script that the exchange replaces with the run's token in the first `GET /run.sh`
/// and with nothing in every later one.
pub const TOKEN_PLACEHOLDER: &str = "<__FUTON_TOKEN__>";

/// One event in the guest, as reported by `futon-guest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GuestEvent {
    /// A step began.
    StepStarted {
        /// Name of the step.
        name: String,
    },
    /// A step ended.
    StepEnded {
        /// Name of the step.
        name: String,
        /// Exit status of the step's command; absent when a signal or a limit ended it.
        exit_status: Option<i32>,
        /// Signal that ended the command.
        signal: Option<i32>,
        /// True when the step's own limit struck and the guest ended the command.
        timed_out: bool,
        /// Wall-clock time of the step in the guest, milliseconds.
        duration_ms: u64,
        /// Last lines of what the command printed (at most 4 KiB), for people.
        tail: String,
    },
    /// The container that runs, as its engine describes it.
    Container {
        /// Container name.
        name: String,
        /// Image name it was started from.
        image: String,
        /// The engine's id of the image that runs (`sha256:…`).
        image_id: String,
        /// Digests under which the engine pulled the image (`name@sha256:…`), may be empty.
        repo_digests: Vec<String>,
    },
    /// State of a container that is no longer running, or was looked at after the invocations.
    ContainerState {
        /// Container name.
        name: String,
        /// The engine's status word (`running`, `exited` …).
        status: String,
        /// Exit code, where the container has exited.
        exit_code: Option<i64>,
        /// True when the kernel's out-of-memory killer struck in the container.
        oom_killed: bool,
        /// How often it was started again.
        #[serde(default, skip_serializing_if = "is_zero")]
        restarts: u64,
        /// Exit code before it was last started again, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_exit: Option<i64>,
    },
    /// The container does not serve, and why.
    Unready {
        /// Container name.
        name: String,
        /// How long it was waited for, milliseconds.
        waited_ms: u64,
        /// The reason.
        reason: Unready,
    },
    /// A container was stopped.
    Stopped {
        /// Container name.
        name: String,
        /// How long that took, milliseconds.
        took_ms: u64,
        /// Its grace period, milliseconds.
        grace_ms: u64,
        /// True when it did not and was killed.
        killed: bool,
    },
    /// State of a container beside the function's, when the run's calls were over.
    Companion {
        /// Compose service.
        service: String,
        /// Container name.
        name: String,
        /// The engine's status word (`running`, `exited` …).
        status: String,
        /// Exit code, where the container has exited.
        exit_code: Option<i64>,
        /// True when the kernel's out-of-memory killer struck in the container.
        oom_killed: bool,
        /// What its healthcheck says (`starting`, `healthy`, `unhealthy`), where it has one.
        health: Option<String>,
        /// How often it was started again.
        #[serde(default, skip_serializing_if = "is_zero")]
        restarts: u64,
    },
    /// A log that was saved is not all that its container printed.
    LogNotWhole {
        /// Name of the file.
        file: String,
        /// Why.
        why: String,
    },
    /// A port of the guest that a container's was to be published on was taken already: the harness's fault, not the function's.
    PortTaken {
        /// The port.
        port: u16,
        /// By what.
        by: String,
    },
    /// The run script's final report.
    Finish {
        /// 0 when every step succeeded.
        status: i32,
    },
    /// A remark for the report.
    Note {
        /// The remark.
        text: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
