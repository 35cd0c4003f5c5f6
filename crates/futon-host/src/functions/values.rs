//! Values of a compose file in the forms that it allows.

use serde_json::Value;

/// A single value as text.
pub(super) fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(format!("{value} where a single value is wanted")),
    }
}

/// A list of words, or a text that is taken apart as a shell would.
pub(super) fn words(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(list) => list.iter().map(scalar).collect(),
        Value::String(text) => shlex::split(text).ok_or_else(|| format!("{text:?} has a quotation that is not closed")),
        _ => Err(format!("{value} is neither a text nor a list")),
    }
}

/// A size in bytes: a number with one of the units of the Compose specification (`b`, `k`, `m`, `g`, `t`, also as `kb` and `KiB`),
/// which are powers of 1024.
pub(super) fn bytes(value: &Value) -> Result<u64, String> {
    let text = scalar(value)?;
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{text:?} is no size: a whole number and b, k, m, g or t")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no size: it needs a whole number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [("96m", 96 << 20), ("1G", 1 << 30), ("2KiB", 2048), ("7b", 7), ("10 mb", 10 << 20)] {
            assert_eq!(bytes(&json!(text)), Ok(size), "{text}");
        }
        assert_eq!(bytes(&json!(4096)), Ok(4096));
        for text in ["", "m", "1.5g", "-1", "1x", "99999999t"] {
            assert!(bytes(&json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn command_lines() {
        assert_eq!(words(&json!("a 'b c'")).unwrap(), ["a", "b c"]);
        assert_eq!(words(&json!(["a", 1, true])).unwrap(), ["a", "1", "true"]);
        assert!(words(&json!("it's")).unwrap_err().contains("quotation"));
        assert!(words(&json!({"a": 1})).is_err());
    }
}
