//! `logging`: the lean guest keeps a container's whole log whatever its service says. What the engine refuses of it is refused here, and a
//! driver that would send the log elsewhere by name (moby, `daemon/logger`).

use std::collections::BTreeMap;

use compose_model::{Logging, Service};

use super::refused_key::{RefusedKey, refuse};

/// The engine's own driver.
const DEFAULT: &str = "json-file";
/// What can be said of the messages of most drivers.
const ABOUT: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];
/// Options of all drivers.
const OF_ALL: [&str; 6] =
    ["mode", "max-buffer-size", "cache-disabled", "cache-max-file", "cache-max-size", "cache-compress"];
/// Options of drivers that write files.
const FILES: [&str; 3] = ["max-file", "max-size", "compress"];
const SYSLOG: [&str; 7] = [
    "syslog-address",
    "syslog-facility",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
    "syslog-format",
];
/// Sources of messages that syslog knows, beside numbers.
const FACILITIES: [&str; 20] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "local0",
    "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
/// Drivers that send the log to a server, which the lean guest reaches none of.
const REMOTE: [&str; 5] = ["awslogs", "fluentd", "gcplogs", "gelf", "splunk"];

/// What the engine says of a service's logging when it makes the container, and when it starts it.
///
/// # Errors
/// A driver that the engine has and the lean guest has not.
pub(super) fn logging(service: &Service) -> Result<(Option<String>, Option<String>), RefusedKey> {
    let Some(Logging { driver, options, .. }) = &service.logging else { return Ok((None, None)) };
    let driver = driver.as_deref().filter(|driver| !driver.is_empty()).unwrap_or(DEFAULT);
    if driver == "none" {
        return Ok((None, None));
    }
    if let Err(why) = of_all(options) {
        return Ok((Some(why), None));
    }
    if REMOTE.contains(&driver) || options.contains_key("syslog-address") && driver == "syslog" {
        return Err(refuse("logging", format!("{driver}: the lean guest sends no log to a server")));
    }
    let made = known(driver, options).err();
    let started = opened(driver, options).err();
    let started =
        started.map(|why| format!("failed to create task for container: failed to initialize logging driver: {why}"));
    Ok((made, started))
}

/// Options that all drivers have.
fn of_all(options: &BTreeMap<String, String>) -> Result<(), String> {
    let mode = options.get("mode").map_or("", String::as_str);
    if !matches!(mode, "" | "blocking" | "non-blocking") {
        return Err(format!("logger: logging mode not supported: {mode}"));
    }
    if let Some(size) = options.get("max-buffer-size") {
        if mode != "non-blocking" {
            return Err("logger: max-buffer-size option is only supported with 'mode=non-blocking'".into());
        }
        human_size(size, 1024.0).map_err(|why| format!("error parsing option max-buffer-size: {why}"))?;
    }
    match options.get("cache-disabled") {
        Some(word) if !word.is_empty() && boolean(word).is_err() => {
            Err(format!("invalid value for option cache-disabled: {word}"))
        }
        _ => Ok(()),
    }
}

/// Whether the engine has the driver, and the driver all options.
fn known(driver: &str, options: &BTreeMap<String, String>) -> Result<(), String> {
    let (own, of): (Vec<&str>, &str) = match driver {
        "json-file" => ([&FILES[..], &ABOUT].concat(), "for json-file log driver"),
        "local" => (FILES.to_vec(), "for log driver local"),
        "journald" => (ABOUT.to_vec(), "for journald log driver"),
        "syslog" => ([&SYSLOG[..], &ABOUT].concat(), "for syslog log driver"),
        _ => return Err(format!("error looking up logging plugin {driver}: plugin {driver:?} not found")),
    };
    let unknown = options.keys().map(String::as_str).find(|key| !own.contains(key) && !OF_ALL.contains(key));
    if let Some(unknown) = unknown {
        return Err(format!("unknown log opt '{unknown}' {of}"));
    }
    let option = |name: &str| options.get(name).map_or("", String::as_str);
    let facility = option("syslog-facility");
    let numbered = facility.parse::<i64>().is_ok_and(|number| (0..=23).contains(&number));
    if !facility.is_empty() && !FACILITIES.contains(&facility) && !numbered {
        return Err("invalid syslog facility".into());
    }
    match option("syslog-format") {
        "" | "rfc3164" | "rfc5424" | "rfc5424micro" => Ok(()),
        _ => Err("Invalid syslog format".into()),
    }
}

/// Whether the driver starts with its options.
fn opened(driver: &str, options: &BTreeMap<String, String>) -> Result<(), String> {
    let option = |name: &str| options.get(name);
    let local = driver == "local";
    if !local && driver != DEFAULT {
        return Ok(());
    }
    // The driver `local` names the option in its words.
    let named = |name: &str, value: &str, why: String| {
        if local { format!("invalid value for {name}: {value}: {why}") } else { why }
    };
    let size = option("max-size")
        .map(|size| human_size(size, 1000.0).map_err(|why| named("max-size", size, why)))
        .transpose()?;
    if !local && size.is_some_and(|size| size < 1.0) {
        return Err("max-size must be a positive number".into());
    }
    let files = option("max-file")
        .map(|files| {
            let number = files.parse::<i64>();
            number.map_err(|_| named("max-file", files, format!("strconv.Atoi: parsing {files:?}: invalid syntax")))
        })
        .transpose()?;
    if !local && files.is_some_and(|files| files < 1) {
        return Err("max-file cannot be less than 1".into());
    }
    let compress = option("compress")
        .map(|word| boolean(word))
        .transpose()
        .map_err(|why| if local { format!("error reading compress log option: {why}") } else { why })?;
    if local {
        if files.is_some_and(|files| files < 0) {
            return Err("max file count cannot be less than 0".into());
        }
        if compress.unwrap_or(true) && files.is_some_and(|files| files <= 1) {
            return Err("compression cannot be enabled when max file count is 1".into());
        }
    } else if compress == Some(true) && (files.is_none_or(|files| files == 1) || size.is_none()) {
        return Err("compress cannot be true when max-file is less than 2 or max-size is not set".into());
    }
    Ok(())
}

/// A word as Go's `strconv.ParseBool` reads it.
fn boolean(word: &str) -> Result<bool, String> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {word:?}: invalid syntax")),
    }
}

/// A size as people write it (docker/go-units).
fn human_size(text: &str, kilo: f64) -> Result<f64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(invalid)?;
    let (number, suffix) = (&text[..=last], &text[last + 1..]);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let size: f64 = number.parse().map_err(|_| format!("strconv.ParseFloat: parsing {number:?}: invalid syntax"))?;
    if size < 0.0 {
        return Err(invalid());
    }
    let lower = suffix.to_ascii_lowercase();
    let wrong = || format!("invalid suffix: '{}'", if suffix.len() > 3 { suffix } else { &lower });
    let unit = match lower.as_str() {
        "" | "b" => return Ok(size.trunc()),
        unit => unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit),
    };
    let power = match unit {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    Ok((size * kilo.powi(power)).trunc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tried(written: &serde_json::Value) -> (Option<String>, Option<String>) {
        logging(&serde_json::from_value(json!({ "logging": written.clone() })).unwrap()).unwrap()
    }

    #[test]
    fn what_the_engine_refuses_when_it_makes_the_container() {
        for (written, why) in [
            (json!({"driver": "nosuch"}), r#"error looking up logging plugin nosuch: plugin "nosuch" not found"#),
            (json!({"options": {"nosuch": "1"}}), "unknown log opt 'nosuch' for json-file log driver"),
            (json!({"driver": "local", "options": {"tag": "x"}}), "unknown log opt 'tag' for log driver local"),
            (
                json!({"driver": "journald", "options": {"max-size": "1m"}}),
                "unknown log opt 'max-size' for journald log driver",
            ),
            (json!({"driver": "syslog", "options": {"x": "1"}}), "unknown log opt 'x' for syslog log driver"),
            (json!({"driver": "syslog", "options": {"syslog-facility": "24"}}), "invalid syslog facility"),
            (json!({"driver": "syslog", "options": {"syslog-format": "x"}}), "Invalid syslog format"),
            (json!({"options": {"mode": "x"}}), "logger: logging mode not supported: x"),
            (
                json!({"options": {"max-buffer-size": "1m"}}),
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            ),
            (
                json!({"options": {"mode": "non-blocking", "max-buffer-size": "much"}}),
                "error parsing option max-buffer-size: invalid size: 'much'",
            ),
            (json!({"options": {"cache-disabled": "no"}}), "invalid value for option cache-disabled: no"),
        ] {
            assert_eq!(tried(&written).0.as_deref(), Some(why), "{written}");
        }
    }

    #[test]
    fn what_the_engine_refuses_when_it_starts_the_container() {
        for (written, why) in [
            (json!({"options": {"max-size": "big"}}), "invalid size: 'big'"),
            (json!({"options": {"max-size": "1x"}}), "invalid suffix: 'x'"),
            (json!({"options": {"max-size": "1kbytes"}}), "invalid suffix: 'kbytes'"),
            (json!({"options": {"max-size": "0"}}), "max-size must be a positive number"),
            (json!({"options": {"max-file": "0"}}), "max-file cannot be less than 1"),
            (json!({"options": {"max-file": "few"}}), r#"strconv.Atoi: parsing "few": invalid syntax"#),
            (json!({"options": {"compress": "yes"}}), r#"strconv.ParseBool: parsing "yes": invalid syntax"#),
            (
                json!({"options": {"compress": "true", "max-size": "1m"}}),
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ),
            (
                json!({"driver": "local", "options": {"max-size": "x1"}}),
                r#"invalid value for max-size: x1: strconv.ParseFloat: parsing "x1": invalid syntax"#,
            ),
            (
                json!({"driver": "local", "options": {"max-file": "1"}}),
                "compression cannot be enabled when max file count is 1",
            ),
        ] {
            let (made, started) = tried(&written);
            let begin = "failed to create task for container: failed to initialize logging driver: ";
            assert_eq!((made, started), (None, Some(format!("{begin}{why}"))), "{written}");
        }
    }

    #[test]
    fn what_the_engine_has() {
        for written in [
            json!(null),
            json!({}),
            json!({"driver": "none", "options": {"nosuch": "1"}}),
            json!({"driver": "json-file", "options": {"max-size": "10m", "max-file": "3", "compress": "true", "tag": "x"}}),
            json!({"driver": "local", "options": {"max-size": "1.5 GiB", "max-file": "1", "compress": "false"}}),
            json!({"driver": "journald", "options": {"mode": "non-blocking", "max-buffer-size": "4m"}}),
            json!({"driver": "syslog", "options": {"syslog-facility": "local0", "cache-max-size": "1m"}}),
        ] {
            assert_eq!(tried(&written), (None, None), "{written}");
        }
    }

    #[test]
    fn a_server_for_logs_is_refused_by_name() {
        for driver in ["fluentd", "gelf", "awslogs"] {
            let service = serde_json::from_value(json!({"logging": {"driver": driver}})).unwrap();
            assert_eq!(logging(&service).unwrap_err().key, "logging");
        }
    }
}
