//! Runs the real binary and gathers what it leaves.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::server::Deed;

/// What a run of the client left.
#[derive(Debug)]
pub struct Run {
    /// Exit status.
    pub code: i32,
    /// Standard error.
    pub log: String,
    /// Standard output.
    pub stdout: String,
    /// The report; null if there is none.
    pub report: Value,
    /// Wall clock.
    pub took: Duration,
}

/// The binary, with these flags.
pub fn command(flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-client"));
    command.args(flags.split_whitespace()).env_remove("ENABLE_TRACING").stdin(Stdio::null());
    command
}

/// Runs the binary against a port of this machine; `flags` win over the defaults here.
pub fn client(port: u16, flags: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.json");
    let start = Instant::now();
    let output = command("-timeout 10s -connect-timeout=10s")
        .args(["-port", &port.to_string()])
        .arg("-report")
        .arg(&path)
        .args(flags.split_whitespace())
        .output()
        .unwrap();
    let took = start.elapsed();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.len() <= 1, "a temporary file was left behind: {left:?}");
    let report = std::fs::read(&path).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    Run {
        code: output.status.code().unwrap(),
        log: String::from_utf8(output.stderr).unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        report,
        took,
    }
}

/// Replies as fibonacci-go, for the inputs 1 to 5.
pub fn fibonacci(_path: &str, _call: u64, text: &str) -> Deed {
    let y = ["0", "1", "1", "2", "3", "5"][text.parse::<usize>().unwrap()];
    Deed::Reply(format!("fn: Fib: y = fib(x) | x: {text} y: {y} | runtime: GoLang"))
}

/// Seven calls: a greeting and six measured ones.
pub const FIBONACCI: &str = "-function-name fibonacci-go -n 6 -seed 5";
