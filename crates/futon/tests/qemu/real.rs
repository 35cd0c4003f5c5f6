//! A real run of the program in this repository, with its resources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Output folder of one test; at the end nothing may run that has to do with it.
pub struct Bench {
    folder: tempfile::TempDir,
    begun: Instant,
}

/// Keeps the time of the test, for `make test`: these are its slowest ones.
impl Drop for Bench {
    fn drop(&mut self) {
        let times = root().join("target/test-logs/vm-times");
        let line =
            format!("{:6.1} s  {}\n", self.begun.elapsed().as_secs_f64(), std::thread::current().name().unwrap_or("?"));
        let file = fs::File::options().create(true).append(true).open(times);
        // The folder is there when `make test` runs.
        let _ = file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
    }
}

impl Bench {
    /// A folder for the test that asks.
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("futon-test-").tempdir().unwrap(), begun: Instant::now() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, with this test's output folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
        command.args(args).current_dir(root()).env("RESOURCES", root().join("resources"));
        command.stdin(Stdio::null());
        command
    }

    /// `futon test NAME --json …`, started. Two tests run at a time, each with its part of a small host's two processors: with two virtual
    /// ones each, they would take turns, and the suite a third longer (docs/decisions/fork.md).
    pub fn test_command(&self, args: &[&str]) -> Command {
        let out = self.path("out");
        let mut words = vec!["test", "--json", "--out", out.to_str().unwrap(), "--vcpus", "1"];
        words.extend(args);
        self.command(&words)
    }

    /// `futon test NAME --json …`.
    pub fn test(&self, args: &[&str]) -> Run {
        Run::of(&self.test_command(args).output().unwrap())
    }

    /// Runs one fault and compares outcome, step and exit code. A verdict that is no pass must come with a hint.
    pub fn expect(&self, args: &[&str], outcome: &str, step: Option<&str>, exit: i32) -> Run {
        let run = self.test(args);
        let verdict = run.verdict(0);
        assert_eq!((verdict["outcome"].as_str(), verdict["step"].as_str()), (Some(outcome), step), "{}", run.all());
        assert_eq!(run.code, Some(exit), "{}", run.all());
        if outcome != "passed" {
            assert!(verdict["hint"].as_str().is_some_and(|h| !h.is_empty()), "no hint: {verdict}");
        }
        self.nothing_left();
        run
    }

    /// A variant of the run script: `text` put before the line that contains `before`.
    pub fn template(&self, before: &str, text: &str) -> String {
        let template = fs::read_to_string(root().join("test/run_test.template.sh")).unwrap();
        let at = template.find(before).unwrap_or_else(|| panic!("no {before:?} in the template"));
        let line = template[..at].rfind('\n').unwrap() + 1;
        let path = self.path("template.sh");
        fs::write(&path, format!("{}{text}\n{}", &template[..line], &template[line..])).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Resources of the test's own: links to the shared ones, but for what is named.
    pub fn own_resources(&self, own: &[&str]) -> PathBuf {
        let resources = self.path("resources");
        fs::create_dir(&resources).unwrap();
        for entry in fs::read_dir(root().join("resources")).unwrap().flatten() {
            let name = entry.file_name();
            if name != ".lock" && !own.iter().any(|own| name == *own) {
                std::os::unix::fs::symlink(entry.path(), resources.join(name)).unwrap();
            }
        }
        resources
    }

    /// Processes whose command line names this test's folder.
    pub fn processes(&self) -> Vec<String> {
        let needle = self.folder.path().to_str().unwrap().to_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&needle) && pid != std::process::id() {
                found.push(format!("{pid}: {line}"));
            }
        }
        found
    }

    /// Nothing may be left running, at the latest after a short while.
    pub fn nothing_left(&self) {
        let gone = wait_for(Duration::from_secs(10), || self.processes().is_empty());
        assert!(gone, "left running: {:?}", self.processes());
    }
}

/// Waits for a condition; false when it did not come true in time.
pub fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    condition()
}

/// What a call of `futon test --json` gave.
pub struct Run {
    pub code: Option<i32>,
    pub report: Value,
    pub stderr: String,
}

impl Run {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            report: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn verdict(&self, index: usize) -> &Value {
        &self.report["functions"][index]["verdict"]
    }

    pub fn all(&self) -> String {
        format!("exit {:?}\n{:#}\n{}", self.code, self.report, self.stderr)
    }
}
