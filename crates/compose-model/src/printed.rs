//! Compose's YAML: what it does not say as the file does.

/// The service and the key of an extension in Compose's YAML that has a text with a leading blank or line break, or one of Unicode's line
/// breaks. Compose's writer marks the first by the depth of its indentation (`|2`), and leaves a leading line break out; at the others it
/// breaks the line: what the file has cannot be told any more.
pub(crate) fn unprintable(yaml: &str) -> Option<(String, String)> {
    let (mut service, mut key) = ("", None);
    for line in yaml.split('\n') {
        let depth = line.len() - line.trim_start().len();
        let name = || line.trim().trim_end_matches(':').trim_matches('"');
        match depth {
            _ if line.trim().is_empty() => {}
            0 | 2 => (service, key) = (name(), None),
            4 => key = line.trim_start().trim_start_matches('"').starts_with("x-").then(|| line.trim()),
            _ => {}
        }
        if let Some(key) = key
            && (is_marked(line) || line.contains(['\u{85}', '\u{2028}', '\u{2029}']))
        {
            let key = key.split(':').next().unwrap_or(key).trim_matches('"');
            return Some((service.to_owned(), key.to_owned()));
        }
    }
    None
}

/// Whether a line ends with the head of a block whose indentation is written: `key: |2`, `- >2-`.
fn is_marked(line: &str) -> bool {
    let Some((before, mark)) = line.rsplit_once(' ') else { return false };
    let begins = before.trim_end().ends_with(':') || before.split(' ').all(|word| matches!(word, "" | "-"));
    let digits = mark.strip_prefix(['|', '>']).map(|rest| rest.trim_end_matches(['+', '-']));
    begins && digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Compose's YAML with numbers too large for one as texts, which is what they are to Compose: `5e6017`.
pub(crate) fn with_large_numbers_as_texts(yaml: &str) -> String {
    let mut out = String::with_capacity(yaml.len() + 16);
    let mut block: Option<usize> = None;
    for line in yaml.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        let depth = text.len() - text.trim_start().len();
        // A block's lines are deeper than the line of its head.
        if block.is_some_and(|head| text.trim().is_empty() || depth > head) {
            out.push_str(line);
            continue;
        }
        let last = text.rsplit(' ').next().unwrap_or_default();
        block = last.starts_with(['|', '>']).then_some(depth);
        let before = text[..text.len() - last.len()].trim_end();
        let is_value = before.ends_with(':') || before.ends_with('-');
        let is_number =
            last.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
        if is_value && is_number && last.replace('_', "").parse().is_ok_and(f64::is_infinite) {
            out.push_str(&format!("{}\"{last}\"\n", &text[..text.len() - last.len()]));
        } else {
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_compose_does_not_print_as_it_is_is_found() {
        let yaml = |text: &str| {
            format!(
                "name: p\nservices:\n  a:\n    command: |2\n       x\n    image: i\n  lead:\n    image: i\n    x-futon:\n      calls:\n        - expect:\n            text: {text}\n              hello\n"
            )
        };
        assert_eq!(unprintable(&yaml("|2")), Some(("lead".into(), "x-futon".into())));
        assert_eq!(unprintable(&yaml(">2-")), Some(("lead".into(), "x-futon".into())));
        assert_eq!(unprintable(&yaml("|")), None);
        assert_eq!(unprintable(&yaml("|-")), None);
        // A text, and no head of a block.
        assert_eq!(unprintable(&yaml("x >5")), None);
        assert_eq!(unprintable(&yaml("a- |2")), None);
        for broken in ["a\u{2028}b", "a\u{2029}", "\u{85}"] {
            assert!(unprintable(&yaml(broken)).is_some(), "{broken:?}");
        }
    }

    #[test]
    fn numbers_beyond_all_are_texts() {
        let yaml =
            "a: 5e6017\nb:\n  - 1e999\n  - 5e60\nc: |\n  d: 5e6017\n\n  e: 1e999\nf: x 5e6017\ng: -1.5E+400\nh: .inf\n";
        assert_eq!(
            with_large_numbers_as_texts(yaml),
            "a: \"5e6017\"\nb:\n  - \"1e999\"\n  - 5e60\nc: |\n  d: 5e6017\n\n  e: 1e999\nf: x 5e6017\ng: \"-1.5E+400\"\nh: .inf\n"
        );
    }
}
