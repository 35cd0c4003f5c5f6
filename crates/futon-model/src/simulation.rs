//! What a report says of a simulated run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A simulated run: everything that its figures depend on, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SimulationReport {
    /// gem5's version.
    pub gem5: String,
    /// System that was simulated.
    pub system: String,
    /// Core model of the measured invocations.
    pub core: String,
    /// Core model of everything before them; `qemu` where that was prepared there.
    pub boot_core: String,
    /// Version of the QEMU in which the guest booted and warmed up; absent when it did so in gem5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_in: Option<String>,
    /// Parameters of the system, by name.
    pub params: BTreeMap<String, String>,
    /// Digest of those parameters, short.
    pub params_hash: String,
    /// Seed of the guest's token, time and entropy.
    pub seed: String,
    /// Invocations before the checkpoint.
    pub software_warmup: u64,
    /// Invocations after the restore that were discarded.
    pub uarch_warmup: u64,
    /// State in which each measured invocation found the core: `warm`, or `lukewarm:` and what was emptied before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Measured invocations that have no row, because they were not found in that state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_in_state: u64,
    /// Key of the checkpoint of the booted guest.
    pub parked_checkpoint: Option<String>,
    /// Key of the function's checkpoint, from which the measured invocations started.
    pub function_checkpoint: Option<String>,
    /// What the simulated processor reports to programs.
    pub cpuid: String,
    /// True with one core, which client and function share: the figures are for tests only.
    pub test_only: bool,
    /// False if gem5 was not confined and could write anywhere.
    pub confined: bool,
    /// Parts of the run, in order.
    pub phases: Vec<PhaseReport>,
    /// Rows of measured invocations written.
    pub rows: usize,
    /// Whether the last five measured invocations agree within 2 per cent; absent with fewer than five.
    pub converged: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One part of a simulated run: one process, of gem5 or (the stage) of QEMU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PhaseReport {
    /// `boot`, `template`, `stage`, `setup`, `evaluate` or `run`.
    pub name: String,
    /// Host seconds.
    pub host_s: f64,
    /// Simulated seconds.
    pub sim_s: Option<f64>,
    /// Simulated instructions of all cores.
    pub insts: Option<u64>,
    /// Tick at its end.
    pub final_tick: Option<u64>,
    /// Simulated instructions when the run script began, counted from the start of this phase.
    pub insts_to_script: Option<u64>,
}
