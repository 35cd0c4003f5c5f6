//! `futon.toml`: limits, machine and client settings of a project. Flags win over it.

use std::path::Path;

use futon_model::{GenType, Limits, Network};
use serde::Deserialize;

use futon_common::{Error, Result};

/// Settings of a project; `docs/config.md` explains every key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Limits of all waits.
    pub limits: Limits,
    /// The machine.
    pub machine: MachineConfig,
    /// The test client.
    pub client: ClientConfig,
}

/// Settings of the machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineConfig {
    /// Virtual processors; [`MachineConfig::vcpus`] has the default.
    pub vcpus: Option<u32>,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// `isolated` or `host`.
    pub network: Network,
    /// Whether forks under TCG go on as a QEMU that was frozen with the warm base.
    pub thaw: Thaw,
}

/// When forks go on as a frozen QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
        Self { vcpus: None, memory_mib: 2048, network: Network::Isolated, thaw: Thaw::Off }
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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Measured invocations per function.
    pub invocations: u64,
    /// Warm-up invocations per function.
    pub warmup: u64,
    /// Method to call, by name or number.
    pub method: String,
    /// Input of the calls.
    pub input: String,
    /// How inputs are made.
    pub gen_type: GenType,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { invocations: 20, warmup: 0, method: "0".into(), input: "1".into(), gen_type: GenType::Unique }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or has an unknown or malformed key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::usage(format!("cannot read {}", path.display())).caused_by(e))?;
        toml::from_str(&text).map_err(|e| {
            Error::usage(format!("malformed configuration {}", path.display()))
                .caused_by(e)
                .hint("docs/config.md lists all keys")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_are_checked_and_the_rest_is_default() {
        let config: Config = toml::from_str("[limits]\npull = \"5m\"\n[client]\ninvocations = 3\n").unwrap();
        assert_eq!(config.limits.pull, Duration::from_secs(300));
        assert_eq!(config.limits.boot, Limits::default().boot);
        assert_eq!((config.client.invocations, config.machine.vcpus()), (3, 2));
        assert!(toml::from_str::<Config>("[limits]\npul = \"5m\"\n").is_err());
    }

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
