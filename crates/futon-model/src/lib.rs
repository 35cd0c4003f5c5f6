//! futon's words as types: plan, step, event, witness, verdict, report and exit codes.
//!
//! This crate does no I/O and depends on serde, its formats and a hash alone. Its JSON forms are the stable contract
//! between the host, the guest and other people's tools; `docs/report.md` explains them to users.
#![warn(missing_docs)]

mod cell;
mod client;
mod cursor;
mod event;
mod exit;
mod guest;
mod image;
mod inputs;
mod judgement;
mod latency;
mod lean;
mod limits;
mod load;
mod plan;
mod probe;
mod processor;
mod registry;
mod report;
#[cfg(test)]
mod report_tests;
mod requests;
mod saved;
mod seen;
mod simulation;
pub mod steps;
mod stream;
mod unready;
mod verdict;

pub use cell::{Cell, beginning};
pub use client::{
    ClientFailure, ClientFailureKind, ClientReport, Greeting, HistogramBucket, LatencyMs, Phase, PhaseCount,
};
pub use cursor::{Cursor, Moved};
pub use event::{Alarm, Event, EventKind, ShutdownReason};
pub use exit::ExitCode;
pub use guest::{ENTROPY_HEADER, GuestEvent, PARK_HEADER, TIME_HEADER, TOKEN_HEADER, TOKEN_PLACEHOLDER};
pub use image::{Digest, DigestError, ImageReference, PlannedImage, ReferenceError};
pub use inputs::GenType;
pub use judgement::Judgement;
pub use latency::{histogram, millis, summary};
pub use lean::{
    LeanAddress, LeanAttachment, LeanBundle, LeanCheck, LeanContainer, LeanHost, LeanNetwork, LeanRefusal, LeanRestart,
};
pub use limits::Limits;
pub use load::{
    LOAD_SCHEMA, LoadLatency, LoadPlan, LoadPoint, LoadReport, LoadSecond, Measure, Rate, RateError, Threshold,
    ThresholdError,
};
pub use plan::{
    Accelerator, Base, CheckLevel, ClientPlan, Companion, ExpectedFailure, FindPort, LogCheck, MachineKind,
    MachinePlan, Network, Plan, PlannedStep, ScriptKind, TurnPlan,
};
pub use probe::Probe;
pub use processor::Amd64Level;
pub use registry::{CarriedManifest, CarriedRegistry};
pub use report::{
    Attempt, CompanionReport, ForkReport, FunctionReport, InvocationReport, MachineReport, OOPS_OF_TRANSLATOR,
    REPORT_SCHEMA, Report, StepReport, StressReport, Summary,
};
pub use requests::{ContainerRequest, EngineRequests, StartAfter, StartCondition};
pub use saved::{not_whole, split_not_whole};
pub use seen::{LISTENING, Listener, Offers, SEEN, Seen, ServiceHealth, Speaks};
pub use simulation::{PhaseReport, SimulationReport};
pub use stream::{EVENT_SCHEMA, RunEvent, RunEventKind, Turn};
pub use unready::{Unready, exit_words, is_loopback};
pub use verdict::{Code, Outcome, Proof, Verdict};
