//! The flags, their defaults and their types.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};

use super::{
    load::LoadFlags,
    values::{boolean, count, int, limit},
};

const AFTER: &str = "\
Flags take one dash or two, and their value after a space or `=`; bools take one only after `=`.
Whole numbers may be written 0x1f, 0o17, 0b101 or 1_000.

Exit status:
  0  every call was made and every reply is right
  1  a call failed, or a reply was wrong
  2  the command line cannot be used
  3  no gRPC server answered within -connect-timeout
  4  a call got no reply within -timeout

Functions: helloworld, fibonacci, aes, auth; the last three also with -go, -python, -nodejs, and
fibonacci-cpp. The language says which text is right; without it, any language's text is.
The helloworld check is weaker: a reply is right if it contains the name that was sent.";

/// Drives a function over gRPC and verifies its replies.
#[derive(Debug, Clone, Parser)]
#[command(name = "test-client", after_help = AFTER, args_override_self = true)]
#[command(disable_version_flag = true)]
pub struct Options {
    /// Function to drive
    #[arg(long, default_value = "helloworld", value_name = "NAME")]
    pub function_name: String,
    /// Method, by name or index
    #[arg(long, default_value = "0", value_name = "METHOD")]
    pub function_method: String,
    /// IP address of the function
    #[arg(long, default_value = "0.0.0.0", value_name = "HOST")]
    pub url: String,
    /// Port of the function
    #[arg(long, default_value = "50051", value_name = "PORT")]
    pub port: String,
    /// Value that `-genType unique` sends to fibonacci
    #[arg(long, default_value = "1", value_name = "VALUE", allow_hyphen_values = true)]
    pub input: String,
    /// unique, linear or random
    #[arg(long = "genType", default_value = "unique", value_name = "TYPE")]
    pub gen_type: String,
    /// Lowest generated value
    #[arg(long = "lowerBound", default_value = "1", value_name = "INT", value_parser = int)]
    pub lower_bound: i64,
    /// Highest generated value (random stays below it)
    #[arg(long = "upperBound", default_value = "100", value_name = "INT", value_parser = int)]
    pub upper_bound: i64,
    /// Measured invocations
    #[arg(long, default_value = "10", value_name = "INT", value_parser = count)]
    pub n: u64,
    /// Warm-up invocations
    #[arg(long, default_value = "0", value_name = "INT", value_parser = count)]
    pub w: u64,
    /// Pause between calls, in microseconds
    #[arg(long, default_value = "0", value_name = "US", value_parser = count)]
    pub delay: u64,
    /// Append the log to this file instead of standard error
    #[arg(long, default_value = "", value_name = "FILE", hide_default_value = true)]
    pub logging: String,
    /// Mark calls with gem5's m5 operations
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub m5ops: bool,
    /// Log at debug level
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub v: bool,
    /// Answer calls on -url and -port instead of making them, each with what it asks: a function to try things with
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub serve: bool,
    /// Print the version and exit
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub version: bool,
    /// Makes `-genType random` reproducible [default: a random seed, which is logged]
    #[arg(long, value_name = "INT", value_parser = count)]
    pub seed: Option<u64>,
    /// How long to keep trying to connect
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = limit)]
    pub connect_timeout: Duration,
    /// How long one call may take
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = limit)]
    pub timeout: Duration,
    /// Write a JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Make the calls of this file, which futon wrote, and no others; -report then takes what they brought, for futon to judge
    #[arg(long, value_name = "FILE", requires = "report")]
    pub calls: Option<PathBuf>,
    /// Addresses of further functions that -calls also calls, with commas between them: 172.18.0.3:50051
    #[arg(long, value_name = "ADDRESSES", requires = "calls", value_delimiter = ',')]
    pub beside: Vec<std::net::SocketAddr>,
    /// Ask the gRPC servers of this file, which futon-guest wrote, what they offer; -report then takes what they say
    #[arg(long, value_name = "FILE", requires = "report", conflicts_with = "calls")]
    pub describe: Option<PathBuf>,
    /// Do not compare replies; the report then says `verified` 0
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub no_verify: bool,
    /// Make no greeting: the first call is the first warm-up or measured one
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = boolean)]
    pub no_greeting: bool,
    #[command(flatten)]
    pub load: LoadFlags,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::normalise;

    fn parse(line: &str) -> Result<Options, clap::Error> {
        let (flags, _) = normalise(line.split_whitespace().map(Into::into)).unwrap();
        Options::try_parse_from(std::iter::once("test-client".to_owned()).chain(flags))
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let o = parse("").unwrap();
        assert_eq!((o.function_name.as_str(), o.function_method.as_str()), ("helloworld", "0"));
        assert_eq!((o.url.as_str(), o.port.as_str(), o.input.as_str()), ("0.0.0.0", "50051", "1"));
        assert_eq!((o.gen_type.as_str(), o.lower_bound, o.upper_bound), ("unique", 1, 100));
        assert_eq!((o.n, o.w, o.delay, o.logging.as_str()), (10, 0, 0, ""));
        assert_eq!((o.m5ops, o.v, o.version, o.no_verify), (false, false, false, false));
        assert_eq!((o.seed, o.report), (None, None));
        assert_eq!((o.connect_timeout.as_secs(), o.timeout.as_secs()), (60, 10));
    }

    #[test]
    fn the_seeds_own_lines_parse() {
        let o = parse("-function-name fibonacci-go -url localhost -port 50000 -n 20 -input 1");
        let o = o.unwrap();
        assert_eq!((o.function_name.as_str(), o.url.as_str()), ("fibonacci-go", "localhost"));
        assert_eq!((o.port.as_str(), o.n, o.input.as_str()), ("50000", 20, "1"));
    }

    #[test]
    fn bools_and_the_last_of_a_flag_given_twice() {
        let o = parse("-v -m5ops=T --no-verify=1 -version=false -n 3 -n=4").unwrap();
        assert_eq!((o.v, o.m5ops, o.no_verify, o.version, o.n), (true, true, true, false, 4));
        assert_eq!(parse("-v=maybe").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn unknown_flags_missing_values_and_bad_values_are_usage_errors() {
        for line in ["-nope", "-nope=1", "-n", "-n x", "-n -1", "-timeout 0s", "-timeout soon"] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        assert!(parse("-nope").unwrap_err().to_string().contains("Usage"));
        assert_eq!(parse("-h").unwrap_err().exit_code(), 0);
    }

    #[test]
    fn a_negative_input_is_a_value() {
        assert_eq!(parse("-input -5").unwrap().input, "-5");
        assert_eq!(parse("-lowerBound -5").unwrap().lower_bound, -5);
    }
}
