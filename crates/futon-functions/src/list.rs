//! `functions.list`: one name per line; `#` begins a comment line.

/// Names in a list file, in order. Blank lines and lines that start with `#` are left out.
#[must_use]
pub fn parse_list(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_left_out() {
        assert_eq!(parse_list("# all\n\nfibonacci-go\n  aes-go  \n  # no\n"), ["fibonacci-go", "aes-go"]);
        assert!(parse_list("# nothing\n\n").is_empty());
    }
}
