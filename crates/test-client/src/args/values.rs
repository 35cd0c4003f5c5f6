//! The values of flags as Go writes them.

use std::{num::ParseIntError, time::Duration};

/// `strconv.ParseInt(text, 0, 64)`: sign, base prefix (a leading 0 is octal), underscores
/// between digits.
pub(super) fn int(text: &str) -> Result<i64, String> {
    let (sign, body) = match text.strip_prefix(['-', '+']) {
        Some(body) => (text.get(..1).unwrap_or_default(), body),
        None => ("", text),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)),
        [b'0', b'o', ..] => (8, lower.get(2..)),
        [b'0', b'b', ..] => (2, lower.get(2..)),
        [b'0', _, ..] => (8, lower.get(1..)),
        _ => (10, lower.get(..)),
    };
    let digits = digits.unwrap_or_default();
    // After a base prefix an underscore may come first; nowhere may it come last or twice.
    let misplaced = (radix == 10 && digits.starts_with('_'))
        || digits.ends_with('_')
        || digits.contains("__")
        || digits.starts_with(['-', '+']);
    if misplaced {
        return Err("not a whole number".to_owned());
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix)
        .map_err(|error: ParseIntError| format!("not a whole number: {error}"))
}

pub(super) fn count(text: &str) -> Result<u64, String> {
    u64::try_from(int(text)?).map_err(|_negative| "must not be negative".to_owned())
}

/// What `strconv.ParseBool` takes.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

pub(super) fn limit(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(limit) => Ok(limit),
        Err(error) => Err(format!("{error}; hint: write 500ms, 10s or 2m")),
    }
}

#[cfg(test)]
mod tests {
    use super::int;

    #[test]
    fn numbers_as_go_writes_them() {
        for (text, value) in [
            ("0x1F", 31),
            ("0o17", 15),
            ("0b101", 5),
            ("017", 15),
            ("1_000", 1000),
            ("0x_f", 15),
            ("-0x10", -16),
            ("+7", 7),
            ("0", 0),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(int(text), Ok(value), "{text}");
        }
        for text in ["", "-", "_1", "1_", "1__0", "0x", "08", "1.5", "9223372036854775808", "--1"] {
            assert!(int(text).is_err(), "{text}");
        }
    }
}
