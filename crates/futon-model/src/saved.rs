//! Logs that a guest saves: one that is not all that its container printed says so in its last line, which only the guest writes.

/// Before the reason.
const BEGIN: &str = "\n[futon: this log is not whole: ";
/// Behind it.
const END: &str = "]\n";

/// What stands behind a log that is not whole, for this reason.
#[must_use]
pub fn not_whole(why: &str) -> String {
    format!("{BEGIN}{}{END}", why.replace('\n', " "))
}

/// A saved log as its container printed it, and why that is not all, where it is not.
#[must_use]
pub fn split_not_whole(text: &str) -> (&str, Option<&str>) {
    let last = || {
        let body = text.strip_suffix(END)?;
        // A log of nothing else begins with the mark.
        let at = body.rfind('\n')?;
        let why = text[at..].strip_prefix(BEGIN)?.strip_suffix(END)?;
        Some((&text[..at], why))
    };
    last().map_or((text, None), |(text, why)| (text, Some(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_behind_a_log() {
        for log in ["", "a\nb\n", "a\nno end", "\n"] {
            assert_eq!(split_not_whole(log), (log, None));
            let saved = format!("{log}{}", not_whole("it was cut\nafter 1 MiB"));
            assert_eq!(split_not_whole(&saved), (log, Some("it was cut after 1 MiB")));
            // It counts only at the end.
            let printed = format!("{saved}more\n");
            assert_eq!(split_not_whole(&printed), (printed.as_str(), None));
        }
    }
}
