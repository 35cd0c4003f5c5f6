//! What is going to be done: one function, one machine, steps and limits.

use serde::{Deserialize, Serialize};

use crate::{Code, GenType, ImageReference, Limits, LoadPlan, PlannedImage, Probe};

/// Plan of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `futon.plan/1`.
    pub schema: String,
    /// Name of the function: its compose service, or the image's base name.
    pub function: String,
    /// Whose run script it is, and so how much proof it gives.
    pub script: ScriptKind,
    /// The function image and those of its dependencies, the function's first. Empty for an arbitrary workflow.
    pub images: Vec<PlannedImage>,
    /// How to start the test client; absent for an arbitrary workflow.
    pub client: Option<ClientPlan>,
    /// The machine.
    pub machine: MachinePlan,
    /// Steps that the guest must report, in order.
    pub steps: Vec<PlannedStep>,
    /// The services beside the function's, in the order in which they start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
    /// Ports of the guest on which the engine is to publish containers' ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<u16>,
    /// Limits of all waits.
    pub limits: Limits,
    /// Keys of the services that let a container do in the guest what the run script does, and so speak for it: the run proves less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub powers: Vec<String>,
    /// What logs must or must not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<LogCheck>,
    /// The failure that is known to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_failure: Option<ExpectedFailure>,
    /// Defaults that were taken because no service names the image, and the like; for the report.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// Whose run script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptKind {
    /// Rendered from futon's own template: it reports every step.
    Own,
    /// The user's: nothing is known of it but the seed's conventions.
    Foreign,
}

/// A step that must be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Name of the step.
    pub name: String,
}

/// How the test client is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientPlan {
    /// `-function-name`.
    pub function_name: String,
    /// `-function-method`.
    pub method: String,
    /// `-input`.
    pub input: String,
    /// `-genType`.
    pub gen_type: GenType,
    /// `-n`: measured invocations, each of which must be verified.
    pub invocations: u64,
    /// `-w`: warm-up invocations.
    pub warmup: u64,
    /// `-seed` of random inputs.
    pub seed: Option<u64>,
    /// `-url`: address in the guest under which the function answers.
    #[serde(default = "loopback")]
    pub address: String,
    /// Port on the guest under which the function answers.
    pub port: u16,
    /// The host that declared calls name where they name none: the published port, whatever address they are sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// What the guest must ask the engine before it knows address and port; none where the two above are right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<FindPort>,
    /// Name of the function's container.
    pub container: String,
    /// Compose service of the function.
    pub service: String,
    /// What is called where the calls are declared: `geo.Geo/Nearby`. Then name, method, input and generator above mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Whether no greeting goes before the calls: the first one is to find a process that no call has reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_greeting: bool,
    /// Whether nothing is called: the client finds out what the function offers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub describes: bool,
    /// How the function is waited for.
    #[serde(default, skip_serializing_if = "Probe::is_default")]
    pub probe: Probe,
    /// How calls are sent where it is a load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadPlan>,
    /// The functions that are called in turn, in that order; the client's own function is the first. Empty where it is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnPlan>,
}

/// One of several functions that are called in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnPlan {
    /// Its compose service.
    pub service: String,
    /// Name of its container.
    pub container: String,
    /// Name of its image.
    pub image: ImageReference,
    /// Address in the guest, if the host knows it; else the guest asks the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Port in its container.
    pub port: u16,
}

/// A regular expression on a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCheck {
    /// `console`, `container`, or the name of a file of the results.
    pub file: String,
    /// This must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_match: Option<String>,
    /// This must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_not_match: Option<String>,
    /// What it means when it is otherwise.
    pub level: CheckLevel,
}

/// What a check that does not hold means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// The run fails.
    Fail,
    /// A remark, as a warning.
    Warn,
    /// A remark.
    Info,
}

/// A failure that is known to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedFailure {
    /// The verdict's code.
    pub code: Code,
    /// Why it is known.
    pub why: String,
}

/// Where a function answers, as far as only the engine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindPort {
    /// On the port that the engine chose for this port of the container.
    Published(u16),
    /// On this port of the container's own address.
    Container(u16),
}

/// A service beside the function's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Companion {
    /// Compose service.
    pub service: String,
    /// Name of its container.
    pub container: String,
    /// Whether the run fails when it does: the whole compose file is under test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_not_fail: bool,
}

fn loopback() -> String {
    "127.0.0.1".into()
}

/// What the guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Debian, systemd, Docker Engine.
    #[default]
    Docker,
    /// futon's own kernel and initramfs; crun runs the image as a bundle that the host made.
    Lean,
}

/// Kinds of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MachineKind {
    /// QEMU, x86_64, q35.
    Qemu,
    /// gem5, x86_64, full system.
    Gem5,
    /// No machine: a script of events, for tests of the engine. Never proof of anything.
    Fake,
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU's translator. Times measured under it say nothing about the function's performance.
    Tcg,
    /// gem5's core models: only simulated times mean something.
    Simulated,
    /// None: the fake machine.
    None,
}

impl Accelerator {
    /// The word that QEMU and reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::Simulated => "simulated",
            Self::None => "none",
        }
    }
}

/// What the guest reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The exchange and nothing else.
    #[default]
    Isolated,
    /// All that the host reaches; one machine at a time, on the host's port 3003.
    Host,
}

/// The machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachinePlan {
    /// Kind of machine.
    pub kind: MachineKind,
    /// What the guest is.
    #[serde(default)]
    pub base: Base,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Network.
    pub network: Network,
    /// Base image by name or path, for the report.
    pub base_image: String,
    /// Kernel by name or path, for the report.
    pub kernel: String,
}
