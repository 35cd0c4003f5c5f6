//! Image configurations, read as the engine reads them.

use std::collections::BTreeMap;

use futon_model::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::StoreError;
use super::go_types::misread;
use super::json::{object_or_default, or_default, respell, texts, words};
use super::platform::Platform;

/// An image's configuration. `null` means absent, and fields that futon does not use are dropped.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    #[serde(flatten)]
    platform: Platform,
    /// How the image is run.
    #[serde(default, deserialize_with = "object_or_default")]
    pub config: RunConfig,
    rootfs: Option<RootFs>,
    #[serde(default)]
    created: Option<GoTime>,
    #[serde(default, deserialize_with = "or_default")]
    history: Vec<Option<Step>>,
}

/// One build step of the image; the engine reads its time.
#[derive(Debug, Clone, Default, Deserialize)]
struct Step {
    created: Option<GoTime>,
}

/// How an image is run, unless a service says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// User and group, by name or number.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// Environment, `NAME=VALUE`.
    #[serde(deserialize_with = "texts")]
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
    /// How the container's health is checked.
    pub healthcheck: Option<Healthcheck>,
}

/// A value that is ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Ignored {}

/// An image's `HEALTHCHECK`. Times are nanoseconds; 0 means the default.
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

/// Keys of a configuration, of its `config` and of the `Healthcheck` there, as the engine spells them.
const KEYS: [&str; 8] = ["architecture", "config", "created", "history", "os", "os.version", "rootfs", "variant"];
const RUN_KEYS: [&str; 11] = [
    "User",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "Volumes",
    "ExposedPorts",
    "Labels",
    "StopSignal",
    "StopTimeout",
    "Healthcheck",
];
const CHECK_KEYS: [&str; 5] = ["Test", "Interval", "Timeout", "StartPeriod", "Retries"];

/// A configuration as JSON, with its keys as they are spelled here.
fn document(bytes: &[u8]) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_slice(bytes)?;
    respell(&mut document, &KEYS);
    if let Some(run) = document.get_mut("config") {
        respell(run, &RUN_KEYS);
        if let Some(check) = run.get_mut("Healthcheck") {
            respell(check, &CHECK_KEYS);
        }
    }
    if let Some(rootfs) = document.get_mut("rootfs") {
        respell(rootfs, &["diff_ids"]);
    }
    for step in document.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten() {
        respell(step, &["created"]);
    }
    Ok(document)
}

/// A time in the format that Go's JSON reader accepts.
#[derive(Debug, Clone, Deserialize)]
struct GoTime(String);

impl GoTime {
    /// Whether it is a valid RFC 3339 time, on a day that exists.
    fn is_one(&self) -> bool {
        let Some((date, rest)) = self.0.split_at_checked(19) else { return false };
        let fraction = rest.strip_prefix('.').map(|digits| digits.trim_start_matches(|c: char| c.is_ascii_digit()));
        let zone = match fraction {
            Some(zone) if zone.len() + 1 < rest.len() => zone,
            Some(_) => return false,
            None => rest,
        };
        let number =
            |text: Option<&str>| text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse::<u8>().ok();
        let within = |text: Option<&str>, most: u8| number(text).is_some_and(|n| n <= most);
        let zone_is_one = zone == "Z"
            || zone.strip_prefix(['+', '-']).is_some_and(|offset| {
                offset.len() == 5
                    && offset.as_bytes()[2] == b':'
                    && within(offset.get(..2), 24)
                    && within(offset.get(3..), 60)
            });
        // The crate only knows the days of years from 1970 on: a year of the same length replaces the given one.
        let (Some(year), Some(day)) = (date.get(..4).and_then(|year| year.parse::<u16>().ok()), date.get(4..)) else {
            return false;
        };
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let as_long = if leap { 2000 } else { 2001 };
        zone_is_one && humantime::parse_rfc3339(&format!("{as_long}{day}Z")).is_ok()
    }
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
    /// An engine would not accept it, or it is for another platform.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let unreadable =
            |why: String| StoreError::not_an_image(what, format!("an engine cannot read its configuration: {why}"));
        let document = document(bytes).map_err(|e| unreadable(e.to_string()))?;
        if let Some(why) = misread(&document) {
            return Err(unreadable(why));
        }
        let config = Self::deserialize(document).map_err(|e| unreadable(e.to_string()))?;
        let steps = config.history.iter().flatten().filter_map(|step| step.created.as_ref());
        if let Some(wrong) = config.created.iter().chain(steps).find(|time| !time.is_one()) {
            return Err(unreadable(format!("{:?} is not a time as in 2026-01-31T12:00:00Z", wrong.0)));
        }
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
        let parsed = ImageConfig::parse(
            "x",
            br#" {"os":null,"architecture":null,"created":null,"history":[null],"rootfs":{}} "#,
        )
        .unwrap();
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
        for text in ["", "{\"rootfs\":{}}{}", "\u{feff}{\"rootfs\":{}}"] {
            assert!(error(text).contains("configuration"), "{text}");
        }
        for time in [
            "\"yesterday\"",
            "\"2026-02-29T00:00:00Z\"",
            "\"1900-02-29T00:00:00Z\"",
            "\"2026-01-31 12:00:00Z\"",
            "\"2026-01-31T12:00:00\"",
            "7",
        ] {
            assert!(error(&format!(r#"{{"rootfs":{{}},"created":{time}}}"#)).contains("configuration"), "{time}");
            assert!(
                error(&format!(r#"{{"rootfs":{{}},"history":[{{"created":{time}}}]}}"#)).contains("configuration"),
                "{time}"
            );
        }
        for time in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59-11:30", "2024-02-29T23:59:59.123456789+05:30"] {
            ImageConfig::parse("x", format!(r#"{{"rootfs":{{}},"created":"{time}"}}"#).as_bytes()).unwrap();
        }
    }

    #[test]
    fn keys_are_found_in_any_case_and_the_last_of_a_name_counts() {
        let text = r#"{"OS":"windows","os":"linux","Architecture":"amd64","Config":{"USER":"a","labels":{"User":"kept"}},"RootFS":{}}"#;
        let parsed = ImageConfig::parse("x", text.as_bytes()).unwrap();
        assert_eq!(parsed.config.user, "a");
        assert!(parsed.config.labels.contains_key("User"));
        let twice = r#"{"config":{"User":"a"},"config":{"User":"b"},"rootfs":{}}"#;
        assert_eq!(ImageConfig::parse("x", twice.as_bytes()).unwrap().config.user, "b");
    }
}
