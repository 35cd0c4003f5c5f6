//! Go's `flag` syntax, turned into the one form that clap reads: `--name=value`.
//! Knows the syntax only: which flags exist is clap's business, except for the boolean ones,
//! which take no value from the next argument.

use std::{error::Error, ffi::OsString, fmt};

/// Flags that need no value.
const BOOLS: [&str; 8] = ["m5ops", "v", "version", "no-verify", "no-greeting", "serve", "load", "json"];

/// An argument that no flag syntax allows.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad(String);

impl fmt::Display for Bad {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl Error for Bad {}

/// Rewrites arguments (without the program's name) for clap, and returns beside them what is
/// left over: as in Go, flags end at `--` or at the first argument that is none.
///
/// # Errors
/// An argument that is not UTF-8, or a flag without a name (`-=3`, `---n`).
pub fn normalise(raw: impl IntoIterator<Item = OsString>) -> Result<(Vec<String>, Vec<String>), Bad> {
    let mut flags = Vec::new();
    let mut raw = raw.into_iter().map(text);
    while let Some(argument) = raw.next() {
        let argument = argument?;
        let Some(body) = argument.strip_prefix('-').filter(|body| !body.is_empty()) else {
            return Ok((flags, rest(argument, raw)?));
        };
        let body = body.strip_prefix('-').unwrap_or(body);
        if body.is_empty() {
            return Ok((flags, raw.collect::<Result<_, _>>()?));
        }
        if body.starts_with(['-', '=']) {
            return Err(Bad(format!("bad flag syntax: {argument}")));
        }
        flags.push(match body {
            "h" | "help" => "--help".to_owned(),
            _ if body.contains('=') => format!("--{body}"),
            _ if BOOLS.contains(&body) => format!("--{body}=true"),
            _ => match raw.next() {
                Some(value) => format!("--{body}={}", value?),
                None => format!("--{body}"),
            },
        });
    }
    Ok((flags, Vec::new()))
}

fn text(argument: OsString) -> Result<String, Bad> {
    argument.into_string().map_err(|argument| Bad(format!("argument is not UTF-8: {}", argument.display())))
}

fn rest(first: String, others: impl Iterator<Item = Result<String, Bad>>) -> Result<Vec<String>, Bad> {
    std::iter::once(Ok(first)).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<(Vec<String>, Vec<String>), Bad> {
        normalise(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn one_or_two_dashes_value_beside_or_after() {
        let (flags, rest) = split("-n 5 --n=6 -input=-3 -port 0x10 --url 1.2.3.4").unwrap();
        assert_eq!(flags, ["--n=5", "--n=6", "--input=-3", "--port=0x10", "--url=1.2.3.4"]);
        assert!(rest.is_empty());
    }

    #[test]
    fn a_value_may_look_like_a_flag_or_hold_an_equals_sign() {
        let (flags, _) = split("-input -5 -logging a=b").unwrap();
        assert_eq!(flags, ["--input=-5", "--logging=a=b"]);
    }

    #[test]
    fn bools_take_a_value_only_with_an_equals_sign() {
        let (flags, rest) = split("-v -m5ops=false --no-verify -n 2").unwrap();
        assert_eq!(flags, ["--v=true", "--m5ops=false", "--no-verify=true", "--n=2"]);
        assert!(rest.is_empty());
        let (flags, rest) = split("-v false -n 2").unwrap();
        assert_eq!(flags, ["--v=true"]);
        assert_eq!(rest, ["false", "-n", "2"]);
    }

    #[test]
    fn flags_end_at_two_dashes_or_a_plain_argument() {
        assert_eq!(split("-n 5 -- -w 2").unwrap().1, ["-w", "2"]);
        assert_eq!(split("-n 5 - -w 2").unwrap().1, ["-", "-w", "2"]);
    }

    #[test]
    fn nameless_flags_are_refused() {
        for line in ["---n 5", "-=5", "--=5"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_missing_value_is_left_for_clap_to_refuse() {
        assert_eq!(split("-n").unwrap().0, ["--n"]);
        assert_eq!(split("-help").unwrap().0, ["--help"]);
    }
}
