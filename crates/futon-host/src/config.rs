//! `futon.toml`: limits, machine and client settings of a project. Flags win over it.

use std::path::Path;

use futon_model::{Limits, Network};
use serde::Deserialize;

use crate::{Error, Result};

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
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// `isolated` or `host`.
    pub network: Network,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self { vcpus: 2, memory_mib: 2048, network: Network::Isolated }
    }
}

/// Settings of the test client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Measured invocations a function.
    pub invocations: u64,
    /// Warm-up invocations a function.
    pub warmup: u64,
    /// Method to call, by name or number.
    pub method: String,
    /// Input of the calls.
    pub input: String,
    /// How inputs are made: `unique`, `linear` or `random`.
    pub gen_type: String,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { invocations: 20, warmup: 0, method: "0".into(), input: "1".into(), gen_type: "unique".into() }
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
                .hint("docs/config.md lists every key")
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
        assert_eq!((config.client.invocations, config.machine.vcpus), (3, 2));
        assert!(toml::from_str::<Config>("[limits]\npul = \"5m\"\n").is_err());
    }
}
