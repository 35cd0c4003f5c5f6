//! Byte ranges: the one form that clients use to go on with a broken download.

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Everything: no header, or one that is not understood and so ignored.
    Whole,
    /// `size` bytes from `at` on.
    Part { at: u64, size: u64 },
    /// Outside the file.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `total` bytes. Several ranges in one header are ignored.
pub(super) fn parse(header: Option<&str>, total: u64) -> Range {
    let Some((first, last)) = header.and_then(|h| h.trim().strip_prefix("bytes=")).and_then(|r| r.split_once('-'))
    else {
        return Range::Whole;
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (first, last) = (first.trim(), last.trim());
    match (first.is_empty(), number(first), last.is_empty(), number(last)) {
        (true, _, false, Some(0)) => Range::Unsatisfiable,
        (true, _, false, Some(tail)) if total > 0 => {
            let size = tail.min(total);
            Range::Part { at: total - size, size }
        }
        (true, _, false, Some(_)) => Range::Unsatisfiable,
        (false, Some(at), true, _) if at < total => Range::Part { at, size: total - at },
        (false, Some(at), false, Some(end)) if at <= end && at < total => {
            Range::Part { at, size: end.min(total - 1) - at + 1 }
        }
        (false, Some(at), false, Some(end)) if at > end => Range::Whole,
        (false, Some(_), true, _) | (false, Some(_), false, Some(_)) => Range::Unsatisfiable,
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_standard_reads_them() {
        let part = |at, size| Range::Part { at, size };
        for (header, total, expected) in [
            ("bytes=0-", 10, part(0, 10)),
            ("bytes=3-5", 10, part(3, 3)),
            ("bytes=3-99", 10, part(3, 7)),
            ("bytes=-4", 10, part(6, 4)),
            ("bytes=-99", 10, part(0, 10)),
            ("bytes=10-", 10, Range::Unsatisfiable),
            ("bytes=10-12", 10, Range::Unsatisfiable),
            ("bytes=-0", 10, Range::Unsatisfiable),
            ("bytes=0-", 0, Range::Unsatisfiable),
            ("bytes=5-3", 10, Range::Whole),
            ("bytes=0-1,3-4", 10, Range::Whole),
            ("bytes=+1-2", 10, Range::Whole),
            ("bytes=-", 10, Range::Whole),
            ("items=0-1", 10, Range::Whole),
            ("bytes=99999999999999999999-", 10, Range::Whole),
        ] {
            assert_eq!(parse(Some(header), total), expected, "{header} of {total}");
        }
        assert_eq!(parse(None, 10), Range::Whole);
    }
}
