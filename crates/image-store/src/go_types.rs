//! Keys of an image's configuration of which futon has no use, and an engine reads all the same: one of another type, and it refuses the
//! image (moby 26.1: `image.Image`, `image.V1Image`, `image.History`, `container.Config`). `null` is absent.

use serde_json::Value;

/// What Go reads a value into.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Integer,
    Texts,
    /// Texts, or one alone.
    Words,
    Object(&'static [(&'static str, Kind)]),
    Objects(&'static [(&'static str, Kind)]),
}
use Kind::{Flag, Integer, Object, Objects, Text, Texts, Words};

const IMAGE: &[(&str, Kind)] = &[
    ("id", Text),
    ("parent", Text),
    ("comment", Text),
    ("container", Text),
    ("docker_version", Text),
    ("author", Text),
    ("variant", Text),
    ("Size", Integer),
    ("os.version", Text),
    ("os.features", Texts),
    ("config", Object(CONFIG)),
    ("container_config", Object(CONFIG)),
    ("history", Objects(STEP)),
];

const CONFIG: &[(&str, Kind)] = &[
    ("Hostname", Text),
    ("Domainname", Text),
    ("AttachStdin", Flag),
    ("AttachStdout", Flag),
    ("AttachStderr", Flag),
    ("Tty", Flag),
    ("OpenStdin", Flag),
    ("StdinOnce", Flag),
    ("ArgsEscaped", Flag),
    ("Image", Text),
    ("NetworkDisabled", Flag),
    ("MacAddress", Text),
    ("OnBuild", Texts),
    ("Shell", Words),
];

const STEP: &[(&str, Kind)] = &[("author", Text), ("created_by", Text), ("comment", Text), ("empty_layer", Flag)];

/// The first key of a configuration that an engine could not read.
pub(crate) fn misread(image: &Value) -> Option<String> {
    of_keys(image, IMAGE, "")
}

fn of_keys(object: &Value, keys: &[(&str, Kind)], place: &str) -> Option<String> {
    let members = object.as_object()?;
    members.iter().find_map(|(name, value)| {
        // Go takes a key in any case.
        let (key, kind) = keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        of_kind(value, *kind, &format!("{place}{key}"))
    })
}

fn of_kind(value: &Value, kind: Kind, place: &str) -> Option<String> {
    let (wanted, fits) = match kind {
        _ if value.is_null() => return None,
        Text => ("a text", value.is_string()),
        Flag => ("true or false", value.is_boolean()),
        Integer => ("a whole number", value.is_i64()),
        Texts => ("a list of texts", is_list(value, |one| one.is_string() || one.is_null())),
        Words if value.is_string() => return None,
        Words => ("a list of texts", is_list(value, |one| one.is_string() || one.is_null())),
        Object(keys) if value.is_object() => return of_keys(value, keys, &format!("{place}.")),
        Object(_) => ("an object", false),
        Objects(keys) if is_list(value, |one| one.is_object() || one.is_null()) => {
            return value.as_array()?.iter().find_map(|one| of_keys(one, keys, &format!("{place}: ")));
        }
        Objects(_) => ("a list of objects", false),
    };
    (!fits).then(|| format!("{place} is not {wanted}"))
}

fn is_list(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(fits))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::misread;

    #[test]
    fn what_go_cannot_read_is_named() {
        for (image, said) in [
            (json!({"author": 1}), "author is not a text"),
            (json!({"Docker_Version": 5}), "docker_version is not a text"),
            (json!({"container_config": "x"}), "container_config is not an object"),
            (json!({"config": {"Tty": "yes"}}), "config.Tty is not true or false"),
            (json!({"config": {"OnBuild": ["a", 1]}}), "config.OnBuild is not a list of texts"),
            (json!({"container_config": {"Shell": 1}}), "container_config.Shell is not a list of texts"),
            (
                json!({"history": [{"created_by": "x"}, {"empty_layer": 1}]}),
                "history: empty_layer is not true or false",
            ),
            (json!({"Size": 1.5}), "Size is not a whole number"),
        ] {
            assert_eq!(misread(&image).as_deref(), Some(said), "{image}");
        }
        let right = json!({"author": null, "Size": 5, "os.features": [null, "x"], "config": null, "history": [null, {}], "other": 1,
            "container_config": {"Tty": false, "Shell": "sh"}});
        assert_eq!(misread(&right), None);
    }
}
