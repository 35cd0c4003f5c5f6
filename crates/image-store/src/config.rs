//! Image configurations, read as the engine reads them.

use std::collections::BTreeMap;

use futon_model::Digest;
use serde::Deserialize;

use super::StoreError;
use super::json::{first_value, object_or_default, or_default, words};
use super::platform::Platform;

/// An image's configuration. `null` is the same as absent, and what futon has no use for is not kept.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    #[serde(flatten)]
    platform: Platform,
    /// How the image is run.
    #[serde(default, deserialize_with = "object_or_default")]
    pub config: RunConfig,
    rootfs: Option<RootFs>,
}

/// How an image is run, unless a service says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// User and group, by name or number.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// Environment, `NAME=VALUE`.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// Entry point.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments of the entry point.
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    /// Working directory.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// Folders that are volumes.
    #[serde(deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, Option<Ignored>>,
    /// Ports that the image says it serves on, as `50051/tcp`.
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, Option<Ignored>>,
    /// Labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, Option<String>>,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// Seconds between that signal and the one that kills.
    pub stop_timeout: Option<i64>,
    /// How the container is asked for its health.
    pub healthcheck: Option<Healthcheck>,
}

/// A value in which nothing is of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Ignored {}

/// An image's `HEALTHCHECK`. Times are nanoseconds, 0 where the default is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a text.
    #[serde(deserialize_with = "or_default")]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(deserialize_with = "or_default")]
    pub interval: i64,
    /// How long a check may take.
    #[serde(deserialize_with = "or_default")]
    pub timeout: i64,
    /// Time after the start in which failures do not count.
    #[serde(deserialize_with = "or_default")]
    pub start_period: i64,
    /// Failures in a row that make the container unhealthy.
    #[serde(deserialize_with = "or_default")]
    pub retries: i64,
}

/// Digests of the uncompressed layers.
#[derive(Debug, Clone, Default, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "or_default")]
    diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a configuration. `what` names it in errors.
    ///
    /// # Errors
    /// It is not one that an engine takes, or it is for another platform.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let config: Self = first_value(bytes).map_err(|e| {
            StoreError::not_an_image(what, format!("its configuration is not one that an engine reads: {e}"))
        })?;
        if config.rootfs.is_none() {
            return Err(StoreError::not_an_image(what, "invalid image JSON, no RootFS key"));
        }
        if config.platform.can_run() {
            Ok(config)
        } else {
            Err(StoreError::Platform { what: what.to_owned(), offered: config.platform.to_string() })
        }
    }

    /// Digests of the layers as they are when they are not compressed, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        self.rootfs.as_ref().map_or(&[], |rootfs| &rootfs.diff_ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: &str) -> Result<RunConfig, String> {
        let text = format!(r#"{{"config":{config},"rootfs":{{"type":"layers","diff_ids":null}}}}"#);
        ImageConfig::parse("x", text.as_bytes()).map(|c| c.config).map_err(|e| e.to_string())
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let nulls = r#"{"User":null,"Env":null,"Entrypoint":null,"Cmd":null,"WorkingDir":null,"Volumes":null,"ExposedPorts":null,
            "Labels":null,"OnBuild":null,"StopSignal":null,"StopTimeout":null,"Healthcheck":null}"#;
        for text in ["null", "{}", nulls] {
            assert_eq!(run(text).unwrap(), RunConfig::default(), "{text}");
        }
        let parsed = ImageConfig::parse("x", br#"{"os":null,"architecture":null,"rootfs":{}}  trailing"#).unwrap();
        assert!(parsed.diff_ids().is_empty());
    }

    #[test]
    fn a_text_stands_for_a_list_where_the_engine_takes_one() {
        let config = run(r#"{"Entrypoint":"/app/server","Cmd":"-a b","Volumes":{"/data":{},"/x":null}}"#).unwrap();
        assert_eq!(config.entrypoint.unwrap(), ["/app/server"]);
        assert_eq!(config.cmd.unwrap(), ["-a b"]);
        assert_eq!(config.volumes.len(), 2);
        assert_eq!(run(r#"{"Cmd":[]}"#).unwrap().cmd.unwrap(), [""; 0]);
        let health =
            run(r#"{"Healthcheck":{"Test":["CMD","/x"],"Interval":1000000000}}"#).unwrap().healthcheck.unwrap();
        assert_eq!((health.test.len(), health.interval, health.retries), (2, 1_000_000_000, 0));
        for text in [r#"{"Env":"A=1"}"#, r#"{"User":7}"#, r#"{"Cmd":{}}"#, r#"{"Volumes":["/data"]}"#, "[]"] {
            assert!(run(text).unwrap_err().contains("configuration"), "{text}");
        }
    }

    #[test]
    fn what_no_engine_loads_is_refused() {
        let error = |text: &str| ImageConfig::parse("x", text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"os":"linux"}"#).contains("no RootFS key"));
        assert!(error(r#"{"rootfs":null}"#).contains("no RootFS key"));
        assert!(error(r#"{"os":"windows","architecture":"amd64","rootfs":{}}"#).contains("only for windows/amd64"));
        assert!(error("").contains("configuration"));
    }
}
