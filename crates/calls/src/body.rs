//! Bodies of HTTP replies as JSON.

use serde_json::Value;

/// A body that is JSON. Whole numbers of more than 64 bits are texts: as numbers their last digits would be lost.
pub(crate) fn json_body(body: &[u8]) -> Option<Value> {
    let value = serde_json::from_slice(body).ok()?;
    match with_large_numbers_quoted(body) {
        Some(quoted) => serde_json::from_slice(&quoted).ok(),
        None => Some(value),
    }
}

/// JSON with quotes around its whole numbers of more than 64 bits; nothing where there are none.
fn with_large_numbers_quoted(json: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut found, mut rest) = (Vec::with_capacity(json.len()), false, json);
    while let Some((first, after)) = rest.split_first() {
        let length = match first {
            b'"' => {
                let mut escaped = false;
                let end = after.iter().position(|byte| {
                    let ends = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                let whole = !text.contains(['.', 'e', 'E']);
                if whole && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                    found = true;
                    out.push(b'"');
                    out.extend(&rest[..length]);
                    out.push(b'"');
                    rest = &rest[length..];
                    continue;
                }
                length
            }
            _ => 1,
        };
        out.extend(&rest[..length]);
        rest = &rest[length..];
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_a_double_cannot_hold_keep_their_digits() {
        let body = |text: &str| json_body(text.as_bytes()).unwrap();
        assert_eq!(body("[12345678901234567890123, -1]"), json!(["12345678901234567890123", -1]));
        assert_eq!(body(r#"{"a\"1": 18446744073709551615}"#), json!({"a\"1": u64::MAX}));
        assert_eq!(body(r#""\\""#), json!("\\"));
        assert_eq!(body("[1e300, 0.5, 99999999999999999999.0]"), json!([1e300, 0.5, 1e20]));
        assert_eq!(
            body(r#"["99999999999999999999", -99999999999999999999]"#),
            json!(["99999999999999999999", "-99999999999999999999"])
        );
        assert!(json_body(b"ok").is_none() && json_body(b"").is_none());
    }
}
