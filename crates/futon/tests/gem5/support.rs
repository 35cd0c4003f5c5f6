//! A project whose gem5 is a script that plays recorded runs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::{Project, text};

/// A project with dummy kernel and initramfs.
pub struct Simulated {
    pub project: Project,
}

impl Simulated {
    pub fn new() -> Self {
        let project = Project::new();
        project.write("resources/lean-kernel", "kernel");
        project.write("resources/lean-initrd", "initramfs");
        project.write("resources/lean-cmdline", "console=ttyS0 quiet\n");
        project.write("resources/lean-seccomp.json", r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#);
        Self { project }
    }

    /// A call of futon with the script for gem5, in which all of a run happens: staged ones need a real QEMU (`tests/qemu/staged.rs`).
    pub fn command(&self, scenario: &str, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        if matches!(args.first(), Some(&("test" | "setup" | "evaluate" | "measure"))) {
            command.args(["--boot-machine", "gem5"]);
        }
        command.env("GEM5", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gem5/fake.sh")).env("FAKE_GEM5", scenario);
        command
    }

    /// `futon test --on gem5`: exit code and report.
    pub fn test(&self, scenario: &str, args: &[&str]) -> (Option<i32>, Value) {
        let mut words = vec!["test", "--on", "gem5", "--json", "--out", "out"];
        words.extend(args);
        let output = self.command(scenario, &words).output().unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        (output.status.code(), report)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.project.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

/// Outcome, step and code of a report's first verdict.
pub fn verdict(report: &Value) -> (&str, &str, &str) {
    let verdict = &report["functions"][0]["verdict"];
    let word = |name: &str| verdict[name].as_str().unwrap_or("");
    (word("outcome"), word("step"), word("code"))
}

/// Reason and hint of a report's first verdict.
pub fn why(report: &Value) -> String {
    let verdict = &report["functions"][0]["verdict"];
    format!("{} {}", verdict["why"].as_str().unwrap_or(""), verdict["hint"].as_str().unwrap_or(""))
}
