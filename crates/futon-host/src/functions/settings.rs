//! Keys of a compose service that say how its container is run: read only where no engine in the guest does it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::values;
use crate::bundle::ServiceSettings;

/// Keys that change nothing for one short run in a machine of its own.
const HARMLESS: [&str; 12] = [
    "build",
    "container_name",
    "expose",
    "image",
    "labels",
    "logging",
    "networks",
    "ports",
    "profiles",
    "pull_policy",
    "restart",
    "stdin_open",
];

/// Reads the keys that are not read elsewhere.
///
/// # Errors
/// What is wrong with a key's value.
pub(super) fn service_settings(keys: &BTreeMap<String, Value>) -> Result<ServiceSettings, String> {
    let mut settings = ServiceSettings::default();
    for (key, value) in keys {
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "entrypoint" => settings.entrypoint = Some(words(key, value)?),
            "command" => settings.command = Some(words(key, value)?),
            "environment" => settings.environment = assignments(key, value)?,
            "user" => settings.user = Some(scalar(key, value)?),
            "working_dir" => settings.working_dir = Some(scalar(key, value)?),
            "hostname" => settings.hostname = Some(scalar(key, value)?),
            "cpuset" => settings.cpuset = Some(scalar(key, value)?),
            "mem_limit" => {
                settings.memory_bytes = Some(values::bytes(value).map_err(|e| format!("`{key}`: {e}"))?);
            }
            "stop_signal" => settings.stop_signal = Some(scalar(key, value)?),
            "stop_grace_period" => {
                let text = scalar(key, value)?;
                let grace = humantime::parse_duration(&text).map_err(|e| format!("`{key}` is {text:?}: {e}"))?;
                settings.stop_grace_ms = Some(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
            }
            known if HARMLESS.contains(&known) || known.starts_with("x-") => {}
            other => settings.unknown.push(other.to_owned()),
        }
    }
    Ok(settings)
}

fn assignments(key: &str, value: &Value) -> Result<Vec<(String, Option<String>)>, String> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(|line| {
                let line = scalar(key, line)?;
                Ok(match line.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (line, None),
                })
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| {
                let value = if value.is_null() { None } else { Some(scalar(key, value)?) };
                Ok((name.clone(), value))
            })
            .collect(),
        _ => Err(format!("`{key}` is {value}, neither a list nor a map")),
    }
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    values::scalar(value).map_err(|e| format!("`{key}`: {e}"))
}

fn words(key: &str, value: &Value) -> Result<Vec<String>, String> {
    values::words(value).map_err(|e| format!("`{key}`: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<ServiceSettings, String> {
        service_settings(&serde_saphyr::from_str(text).unwrap())
    }

    #[test]
    fn all_forms() {
        let made = settings(
            "entrypoint: /app/server --name 'a b'\ncommand: [1, two]\nenvironment: [A=1, B, C=]\nuser: 33\ncpuset: 0-1\nmem_limit: 64m\n\
             stop_grace_period: 1m30s\nlabels: {a: b}\nx-own: 1\nvolumes: [a:b]\n",
        )
        .unwrap();
        assert_eq!(made.entrypoint.unwrap(), ["/app/server", "--name", "a b"]);
        assert_eq!(made.command.unwrap(), ["1", "two"]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(made.environment, [("A".into(), some("1")), ("B".into(), None), ("C".into(), some(""))]);
        assert_eq!((made.user.as_deref(), made.cpuset.as_deref()), (Some("33"), Some("0-1")));
        assert_eq!(made.memory_bytes, Some(64 << 20));
        assert_eq!((made.stop_grace_ms, made.unknown), (Some(90_000), vec!["volumes".to_owned()]));
        let map = settings("environment: {A: 1, B: null}\n").unwrap();
        assert_eq!(map.environment, [("A".into(), some("1")), ("B".into(), None)]);
    }

    #[test]
    fn nonsense_is_named() {
        assert!(settings("entrypoint: {a: b}\n").unwrap_err().contains("entrypoint"));
        assert!(settings("command: \"it's\"\n").unwrap_err().contains("quotation"));
        assert!(settings("stop_grace_period: soon\n").unwrap_err().contains("soon"));
    }
}
