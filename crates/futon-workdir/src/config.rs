//! What a project's settings are: limits, machine, client, tests. Flags win over them; [`Settings`](crate::settings::Settings) reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futon_model::{Base, GenType, Limits, Network};
use serde::{Deserialize, Serialize};

/// Settings of a project; `docs/config.md` explains every key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The machine.
    pub machine: MachineConfig,
    /// How tests are run.
    pub test: TestConfig,
    /// The test client.
    pub client: ClientConfig,
    /// Limits of all waits: durations as in 90s or 5m.
    #[serde(deserialize_with = "limits")]
    #[cfg_attr(test, schemars(schema_with = "schema::limits"))]
    pub limits: Limits,
    /// The simulated machine.
    pub gem5: Gem5Config,
}

/// Limits as somebody chooses them; those that a plan has are sums.
fn limits<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    let limits = Limits::deserialize(deserializer)?;
    for name in Limits::NAMES {
        Limits::check(limits.of(name)).map_err(serde::de::Error::custom)?;
    }
    Ok(limits)
}

/// Settings of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MachineConfig {
    /// Machine to run on: qemu or gem5.
    #[cfg_attr(test, schemars(schema_with = "schema::on"))]
    pub on: Option<OnMachine>,
    /// The guest: docker or lean.
    #[cfg_attr(test, schemars(schema_with = "schema::base"))]
    pub base: Option<Base>,
    /// Accelerator: auto, kvm or tcg.
    #[cfg_attr(test, schemars(schema_with = "schema::accel"))]
    pub accel: Option<AccelWanted>,
    /// Virtual processors; if not given, machines side by side share the host's.
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub vcpus: Option<u32>,
    /// Memory, MiB.
    #[cfg_attr(test, schemars(range(min = 128)))]
    pub memory_mib: u32,
    /// What the guest reaches: isolated (only its exchange) or host.
    #[cfg_attr(test, schemars(schema_with = "schema::network"))]
    pub network: Network,
    /// Whether forks under TCG go on as a QEMU that was frozen with the warm base: off or auto.
    #[cfg_attr(test, schemars(schema_with = "schema::thaw"))]
    pub thaw: Thaw,
    /// Boot each machine from scratch.
    pub cold: bool,
    /// Your own base image; a path from the folder of this file.
    pub base_image: Option<PathBuf>,
    /// Your own kernel; a path from the folder of this file.
    pub kernel: Option<PathBuf>,
    /// Initrd for your own kernel; a path from the folder of this file.
    pub initrd: Option<PathBuf>,
    /// More kernel arguments.
    pub append: Option<String>,
}

/// Settings of tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TestConfig {
    /// Number of machines side by side; if not given, as many as processors and free memory allow.
    #[cfg_attr(test, schemars(range(min = 1, max = 256)))]
    pub jobs: Option<u32>,
    /// If a function does not pass, try again up to so many times.
    #[cfg_attr(test, schemars(range(max = 10)))]
    pub retries: u32,
    /// Stop after the first function that does not pass.
    pub fail_fast: bool,
}

/// Settings of the simulated machine; they have no effect on others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Gem5Config {
    /// System to simulate.
    pub system: Option<String>,
    /// Parameters of the system, as in {"l2.size" = "2MiB"}.
    pub params: BTreeMap<String, String>,
    /// Core for the measured invocations: atomic, timing or o3.
    pub cpu: Option<String>,
    /// Core for everything before: atomic or kvm.
    pub boot_cpu: Option<String>,
    /// Invocations before the function's checkpoint.
    pub software_warmup: Option<u64>,
    /// Discarded invocations on the measured core.
    pub uarch_warmup: Option<u64>,
}

/// Machines of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMachine {
    /// QEMU.
    Qemu,
    /// gem5.
    Gem5,
}

/// Accelerators that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccelWanted {
    /// KVM if a probe shows that it helps, else TCG.
    Auto,
    /// Always KVM.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// When forks go on as a frozen QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thaw {
    /// Never: forks are new processes that take over a saved state.
    #[default]
    Off,
    /// Where it works.
    Auto,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            on: None,
            base: None,
            accel: None,
            vcpus: None,
            memory_mib: 2048,
            network: Network::Isolated,
            thaw: Thaw::Off,
            cold: false,
            base_image: None,
            kernel: None,
            initrd: None,
            append: None,
        }
    }
}

impl MachineConfig {
    /// Default number of virtual processors, as in the seed's documentation.
    const VCPUS: u32 = 2;

    /// Virtual processors.
    #[must_use]
    pub fn vcpus(&self) -> u32 {
        self.vcpus.unwrap_or(Self::VCPUS)
    }

    /// Unless a number was given, gives each of `machines` that run side by side its share of the host's processors. More
    /// virtual processors than real ones take turns, and their communication costs twice what a single one needs
    /// (docs/decisions/fork.md).
    pub fn share(&mut self, processors: usize, machines: usize) {
        let part = u32::try_from(processors / machines.max(1)).unwrap_or(Self::VCPUS);
        self.vcpus.get_or_insert_with(|| part.clamp(1, Self::VCPUS));
    }
}

/// Settings of the test client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Measured invocations per function; each must be verified.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub invocations: u64,
    /// Warm-up invocations per function.
    pub warmup: u64,
    /// Method to call, by name or number.
    pub method: String,
    /// Input of the calls.
    pub input: String,
    /// How inputs are made: unique, linear or random.
    #[cfg_attr(test, schemars(schema_with = "schema::gen_type"))]
    pub gen_type: GenType,
    /// Whether no greeting goes before the calls: not a setting, but what a cold state wants.
    #[serde(skip)]
    pub no_greeting: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            invocations: 20,
            warmup: 0,
            method: "0".into(),
            input: "1".into(),
            gen_type: GenType::Unique,
            no_greeting: false,
        }
    }
}

#[cfg(test)]
mod schema;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_side_by_side_share_the_processors_unless_told() {
        let share = |given: Option<u32>, processors, machines| {
            let mut machine = MachineConfig { vcpus: given, ..MachineConfig::default() };
            machine.share(processors, machines);
            machine.vcpus()
        };
        assert_eq!(share(None, 2, 1), 2);
        assert_eq!(share(None, 2, 2), 1);
        assert_eq!(share(None, 2, 3), 1);
        assert_eq!(share(None, 4, 3), 1);
        assert_eq!(share(None, 64, 3), 2);
        assert_eq!(share(None, 1, 1), 1);
        assert_eq!(share(Some(4), 2, 2), 4);
    }
}
