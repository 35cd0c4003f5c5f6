//! What futon concludes from the witnesses of one run.

use serde::{Deserialize, Serialize};

use crate::steps;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every witness agrees that the function works.
    Passed,
    /// A step failed.
    Failed,
    /// A limit was reached.
    TimedOut,
    /// The guest or its kernel went down in the middle of a step.
    Crashed,
    /// The harness, the host or the base image failed.
    Infra,
    /// The run was not made, or not finished.
    NotRun,
}

impl Outcome {
    /// The word that reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
            Self::Infra => "infra",
            Self::NotRun => "not_run",
        }
    }
}

/// The reason of a verdict, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// All proof is there.
    AllWitnessesAgree,
    /// A step's command exited with a status other than 0.
    StepFailed,
    /// A planned step is missing, doubled or out of order.
    StepMissing,
    /// A step's limit was reached.
    StepTimedOut,
    /// The image is neither in the store nor in an allowed registry.
    ImageNotFound,
    /// A port needed to publish a container's port was in use by the guest itself.
    GuestPortTaken,
    /// No space left in the guest.
    GuestDiskFull,
    /// The container exited before it was ready.
    ContainerExited,
    /// The container keeps exiting and restarting.
    ContainerRestarts,
    /// The container's program could not be executed.
    NotExecutable,
    /// The container's program used an instruction that the machine's processor does not have.
    IllegalInstruction,
    /// Nothing in the container listens.
    NotListening,
    /// The container listens only on its own loopback address.
    ListensOnLoopback,
    /// The container listens on other ports than the one that is called.
    ListensOnOtherPort,
    /// The container speaks HTTP/1, not HTTP/2.
    SpeaksHttp1,
    /// The container expects TLS.
    WantsTls,
    /// The container accepts connections and does not answer.
    AnswersNothing,
    /// The container closes each connection.
    ClosesConnections,
    /// The container runs but does not serve, for another reason.
    NeverReady,
    /// A reply differs from the expected one.
    WrongReply,
    /// A call ended with an error.
    CallFailed,
    /// The function does not have the method that was called.
    Unimplemented,
    /// A reply is larger than the client accepts.
    ReplyTooLarge,
    /// A call got no answer within its deadline.
    CallTimedOut,
    /// Fewer replies verified than planned, or no client report.
    NotVerified,
    /// A service beside the function's failed, and none may (`--whole`).
    CompanionFailed,
    /// A latency of a load is above its threshold.
    ThresholdExceeded,
    /// A check of a log failed: a forbidden text occurs, or a required one is missing.
    CheckFailed,
    /// The run failed as expected.
    FailedAsExpected,
    /// The run was expected to fail, but passed.
    PassedUnexpectedly,
    /// The image that ran is not the planned one.
    WrongImage,
    /// The results log of this run did not arrive.
    NoResultsLog,
    /// The results log does not end with the success line.
    LogSaysFailed,
    /// The guest powered off before the run script had finished.
    GuestPoweredOff,
    /// The guest reset itself.
    GuestReset,
    /// The guest's kernel panicked.
    GuestPanic,
    /// The guest's kernel reported an oops.
    GuestOops,
    /// The guest's kernel killed a process because memory ran out.
    OutOfMemory,
    /// The guest did not come up.
    NoBoot,
    /// The guest came up, but its run script was not available.
    NoRunScript,
    /// The machine's process ended by itself or was killed.
    MachineDied,
    /// The machine could not be started.
    MachineNotStarted,
    /// A resource is missing or damaged.
    BadResource,
    /// The compose file or the image cannot be run.
    BadInput,
    /// No space left on the host.
    HostDiskFull,
    /// Something else on the host failed.
    HostFailed,
    /// The whole run's limit was reached.
    RunTimedOut,
    /// The simulation ran without any progress.
    NoProgress,
    /// The simulator's processors stood still: they committed no instruction.
    Gem5Stalled,
    /// The guest tried to write outside its folder.
    ForbiddenWrite,
    /// The simulator ended for an unknown reason.
    UnknownExit,
    /// The guest could not be prepared in QEMU for the simulator.
    StagingFailed,
    /// The user stopped futon.
    Interrupted,
}

/// How a run ended, where and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// The step that decided it; absent for a pass.
    pub step: Option<String>,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people: one sentence or two.
    pub why: String,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Code {
    /// The code as reports write it: `wrong_reply`.
    #[must_use]
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Verdict {
    /// True for a pass and nothing else.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.outcome == Outcome::Passed
    }

    /// Whether the guest never came up: such a run says nothing about the function, and counts as a failure of the host.
    #[must_use]
    pub fn never_came_up(&self) -> bool {
        never_came_up(self.outcome, self.step.as_deref())
    }
}

/// Whether a run ended before the guest had fetched its run script: then it says nothing about the function.
pub(crate) fn never_came_up(outcome: Outcome, step: Option<&str>) -> bool {
    matches!(outcome, Outcome::TimedOut | Outcome::Crashed) && step == Some(steps::BOOT)
}

/// How well the verdict is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Every witness of futon's own run script.
    Full,
    /// The closing line of the results log, a clean shutdown, a clean console: all that a foreign script can prove.
    Log,
    /// Nothing; the run did not get that far.
    None,
}
