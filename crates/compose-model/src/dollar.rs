//! Dollar signs: a compose file writes `$$` for one that begins no variable, and so does what `docker-compose config` prints.

use serde_json::Value;

/// Doubles each dollar sign, so that Compose takes the text as it stands.
#[must_use]
pub fn escape(value: Value) -> Value {
    map_texts(value, &|text| if text.contains('$') { text.replace('$', "$$") } else { text })
}

/// Takes the doubling back.
#[must_use]
pub fn unescape(value: Value) -> Value {
    map_texts(value, &|text| if text.contains('$') { text.replace("$$", "$") } else { text })
}

/// Changes every text of a document, keys of maps included.
fn map_texts(value: Value, change: &impl Fn(String) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(list) => list.into_iter().map(|v| map_texts(v, change)).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (change(k), map_texts(v, change))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_and_back() {
        let printed = json!({"labels": {"a$$b": "$$x", "c": ["$$$$", 1, null]}});
        let meant = json!({"labels": {"a$b": "$x", "c": ["$$", 1, null]}});
        assert_eq!(unescape(printed.clone()), meant);
        assert_eq!(escape(meant), printed);
    }
}
