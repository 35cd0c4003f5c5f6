//! Texts quoted as Go does.

/// Quotes as Go's `%q`.
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            c if is_printable(c) => quoted.push(c),
            c => quoted.push_str(&match u32::from(c) {
                code @ 0..0x80 => format!("\\x{code:02x}"),
                code @ 0x80..0x1_0000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    quoted.push('"');
    quoted
}

/// Near to Go's `unicode.IsPrint`: the only blank is the space; no control or format characters.
fn is_printable(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}');
    c == ' ' || !(c.is_control() || c.is_whitespace() || format)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left: what Go 1.26 printed with `%q`.
    #[test]
    fn quotes_as_go() {
        assert_eq!(
            go_quote("a\u{a0}b\u{200b}\u{301}é\u{1}\u{7f}\t\u{2028}😀\u{7}\u{b}\u{c}'\"\\"),
            "\"a\\u00a0b\\u200b\u{301}é\\x01\\x7f\\t\\u2028😀\\a\\v\\f'\\\"\\\\\""
        );
        assert_eq!(go_quote("Connection established.\n"), "\"Connection established.\\n\"");
    }
}
