//! The part of an image's configuration that makes its containers' settings, read as the Docker Engine 26.1 reads it.
//!
//! The engine is a Go program: names of keys in any case, `null` and what is not there are the same, a text where a list of words is
//! wanted is a list of one word. What it cannot read it refuses to load or pull, with its JSON reader's words.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Settings of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// Architecture that it says it is made for; empty where it says none.
    pub architecture: String,
    /// User and group, by name or number.
    pub user: String,
    /// Environment, `NAME=VALUE`.
    pub env: Vec<String>,
    /// Entry point; none and an empty one are different where a service sets its own.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments of the entry point.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Signal that stops the container; empty: the engine's default.
    pub stop_signal: String,
    /// Directories that are volumes.
    pub volumes: Vec<String>,
    /// Ports that it says it serves, as they are written: `PORT` or `PORT/PROTOCOL`.
    pub exposed: Vec<String>,
    /// Healthcheck.
    pub healthcheck: Option<ImageHealthcheck>,
}

/// `Healthcheck` of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageHealthcheck {
    /// `NONE`, `CMD` with words, or `CMD-SHELL` with a line; empty: nothing said.
    pub test: Vec<String>,
    /// Between two checks, nanoseconds; 0: the engine's default, as for all that follow.
    pub interval: i64,
    /// For one check, nanoseconds.
    pub timeout: i64,
    /// In which failures do not count, nanoseconds.
    pub start_period: i64,
    /// Between two checks within the start period, nanoseconds.
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    pub retries: i64,
}

impl ImageSettings {
    /// Reads the text of an image's configuration.
    ///
    /// # Errors
    /// In the words of the engine, why it would not load such an image.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let Some(document) = document.as_object() else { return Err(mismatch(&document, "", "image.Image")) };
        let architecture = text_of(document, "architecture")?;
        if layers_of_history(document) > layers(document) {
            return Err("too many non-empty layers in History section".to_owned());
        }
        let config = match key(document, "config") {
            None => return Ok(Self { architecture, ..Self::default() }),
            Some(Value::Object(config)) => config,
            Some(other) => return Err(mismatch(other, "config", "container.Config")),
        };
        Ok(Self {
            architecture,
            user: text_of(config, "User")?,
            env: texts(config, "Env")?,
            entrypoint: words(config, "Entrypoint")?,
            cmd: words(config, "Cmd")?.unwrap_or_default(),
            working_dir: text_of(config, "WorkingDir")?,
            stop_signal: text_of(config, "StopSignal")?,
            volumes: names(config, "Volumes", "map[string]struct {}")?,
            exposed: names(config, "ExposedPorts", "nat.PortSet")?,
            healthcheck: healthcheck(config)?,
        })
    }
}

/// The port of name servers.
const NAMES: &str = "53";

impl ImageSettings {
    /// Whether it says that it serves names itself.
    #[must_use]
    pub fn serves_names(&self) -> bool {
        self.exposed.iter().any(|port| port.split('/').next() == Some(NAMES))
    }
}

/// How many steps of the history made a layer.
fn layers_of_history(document: &Map<String, Value>) -> usize {
    let steps = key(document, "history").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let made = |step: &&Value| {
        step.as_object().is_some_and(|step| key(step, "empty_layer").and_then(Value::as_bool) != Some(true))
    };
    steps.iter().filter(made).count()
}

/// How many layers the image has.
fn layers(document: &Map<String, Value>) -> usize {
    let root = key(document, "rootfs").and_then(Value::as_object);
    root.and_then(|root| key(root, "diff_ids")).and_then(Value::as_array).map_or(0, Vec::len)
}

/// A key's value as Go's `encoding/json` finds it: by its own name before any other spelling; `null` is as good as nothing.
fn key<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let other = || map.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    map.get(name).or_else(other).filter(|value| !value.is_null())
}

/// The words of Go's JSON reader.
fn mismatch(value: &Value, field: &str, wanted: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if field.is_empty() {
        format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
    } else {
        format!("json: cannot unmarshal {kind} into Go struct field {field} of type {wanted}")
    }
}

fn field(name: &str) -> String {
    format!("Config.V1Image.config.{name}")
}

fn text_of(config: &Map<String, Value>, name: &str) -> Result<String, String> {
    match key(config, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(mismatch(other, &field(name), "string")),
    }
}

/// Elements of a list; `null` is an empty text.
fn elements(list: &[Value], field: &str) -> Result<Vec<String>, String> {
    list.iter()
        .map(|value| match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            other => Err(mismatch(other, field, "string")),
        })
        .collect()
}

fn texts(config: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    match key(config, name) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => elements(list, &field(name)),
        Some(other) => Err(mismatch(other, &field(name), "[]string")),
    }
}

/// A list of words or one word.
fn words(config: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, String> {
    match key(config, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
        Some(value @ Value::Array(list)) => {
            elements(list, "").map(Some).map_err(|_| mismatch(value, &field(name), "string"))
        }
        Some(other) => Err(mismatch(other, &field(name), "string")),
    }
}

/// Keys of a map, in order; `wanted` is its type in Go.
fn names(config: &Map<String, Value>, name: &str, wanted: &str) -> Result<Vec<String>, String> {
    match key(config, name) {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => {
            if let Some(odd) = map.values().find(|value| !(value.is_object() || value.is_null())) {
                return Err(mismatch(odd, &field(name), "struct {}"));
            }
            Ok(map.keys().cloned().collect())
        }
        Some(other) => Err(mismatch(other, &field(name), wanted)),
    }
}

fn healthcheck(config: &Map<String, Value>) -> Result<Option<ImageHealthcheck>, String> {
    let map = match key(config, "Healthcheck") {
        None => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(mismatch(other, &field("Healthcheck"), "container.HealthConfig")),
    };
    let number = |name: &str, wanted: &str| match key(map, name) {
        None => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| mismatch(value, &field(&format!("Healthcheck.{name}")), wanted)),
    };
    let test = match key(map, "Test") {
        None => Vec::new(),
        Some(Value::Array(list)) => elements(list, &field("Healthcheck.Test"))?,
        Some(other) => return Err(mismatch(other, &field("Healthcheck.Test"), "[]string")),
    };
    Ok(Some(ImageHealthcheck {
        test,
        interval: number("Interval", "time.Duration")?,
        timeout: number("Timeout", "time.Duration")?,
        start_period: number("StartPeriod", "time.Duration")?,
        start_interval: number("StartInterval", "time.Duration")?,
        retries: number("Retries", "int")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str) -> Result<ImageSettings, String> {
        ImageSettings::read(format!("{{\"config\": {config}}}").as_bytes())
    }

    #[test]
    fn null_and_nothing_are_the_same() {
        let nothing = ImageSettings::default();
        assert_eq!(ImageSettings::read(b"{}").unwrap(), nothing);
        for config in [
            "null",
            "{}",
            r#"{"User": null, "Env": null, "Cmd": null, "WorkingDir": null, "Volumes": null,
            "StopSignal": null, "Healthcheck": null, "Entrypoint": null}"#,
        ] {
            assert_eq!(read(config).unwrap(), nothing, "{config}");
        }
    }

    #[test]
    fn a_text_is_a_list_of_one_word_where_the_engine_takes_it() {
        let made = read(r#"{"Entrypoint": "/a b", "Cmd": "-c", "Env": ["A=1", null]}"#).unwrap();
        assert_eq!((made.entrypoint, made.cmd), (Some(vec!["/a b".to_owned()]), vec!["-c".to_owned()]));
        assert_eq!(made.env, ["A=1", ""]);
        assert_eq!(read(r#"{"Entrypoint": []}"#).unwrap().entrypoint, Some(Vec::new()));
    }

    #[test]
    fn a_history_with_more_layers_than_there_are_is_refused() {
        let image = |history: &str| {
            let text = format!(r#"{{"rootfs": {{"type": "layers", "diff_ids": ["sha256:0"]}}, "history": {history}}}"#);
            ImageSettings::read(text.as_bytes())
        };
        for history in ["null", "[]", "[{}]", r#"[{"created_by": "a"}, {"empty_layer": true}]"#] {
            assert!(image(history).is_ok(), "{history}");
        }
        for history in ["[{}, {}]", r#"[{}, {"empty_layer": false}]"#] {
            assert!(image(history).unwrap_err().starts_with("too many non-empty layers"), "{history}");
        }
    }

    #[test]
    fn keys_are_found_in_any_case() {
        let made = read(r#"{"user": "a", "USER": "b", "workingdir": "/w"}"#).unwrap();
        assert_eq!((made.user.as_str(), made.working_dir.as_str()), ("a", "/w"));
        assert_eq!(read(r#"{"User": "c", "user": "a"}"#).unwrap().user, "c");
    }

    #[test]
    fn what_the_engine_does_not_load_is_said_in_its_words() {
        for (config, why) in [
            (
                r#"{"User": 1}"#,
                "json: cannot unmarshal number into Go struct field Config.V1Image.config.User of type string",
            ),
            (
                r#"{"Env": "A=1"}"#,
                "json: cannot unmarshal string into Go struct field Config.V1Image.config.Env of type []string",
            ),
            (
                r#"{"Cmd": ["a", 1]}"#,
                "json: cannot unmarshal array into Go struct field Config.V1Image.config.Cmd of type string",
            ),
            (
                r#"{"ExposedPorts": ["53/udp"]}"#,
                "json: cannot unmarshal array into Go struct field Config.V1Image.config.ExposedPorts of type nat.PortSet",
            ),
            (
                r#"{"Volumes": ["/x"]}"#,
                "json: cannot unmarshal array into Go struct field Config.V1Image.config.Volumes of type map[string]struct {}",
            ),
        ] {
            assert_eq!(read(config).unwrap_err(), why, "{config}");
        }
        assert!(ImageSettings::read(b"{").is_err());
    }

    #[test]
    fn healthchecks_and_volumes() {
        let made = read(
            r#"{"Volumes": {"/b": {}, "/a": null}, "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "Retries": 2}}"#,
        )
        .unwrap();
        assert_eq!(made.volumes.len(), 2);
        let check = made.healthcheck.unwrap();
        assert_eq!(
            (check.test.as_slice(), check.interval, check.retries),
            (&["CMD".to_owned(), "x".to_owned()][..], 5, 2)
        );
    }
}
