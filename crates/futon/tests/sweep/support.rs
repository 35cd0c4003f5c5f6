//! What tests of sweeps share: a project with three functions, and what its sweeps have come to.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Project, oci_layout, text};

/// The same moments each time.
pub struct Chance(pub u64);

impl Chance {
    /// A number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Sends a signal; the process may be gone.
pub fn kill(pid: u32, signal: Signal) {
    let _ = nix::sys::signal::kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

/// A project with three functions.
pub struct Sweeps {
    pub project: Project,
}

impl Sweeps {
    pub fn new() -> Self {
        let project = Project::new();
        oci_layout(&project.path("layout"), "auth-go");
        let output = project.futon(&["images", "add", "layout", "--name", "vhiveease/auth-go:latest"]);
        assert!(output.status.success(), "{}", text(&output));
        let compose = fs::read_to_string(project.path("functions.yaml")).unwrap();
        let third = "  auth-go:\n    image: vhiveease/auth-go:latest\n    container_name: function\n    ports: [\"50000:50051\"]\n";
        project.write("functions.yaml", &(compose + third));
        Self { project }
    }

    /// Three functions, two inputs, two seeds; each takes so many milliseconds.
    pub fn twelve(&self, milliseconds: u32) -> String {
        format!(
            "functions = \"all\"\nseeds = 2\n[flags]\non = \"fake:takes:{milliseconds}\"\n[sweep]\ninput = [1, 2]\n"
        )
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.project.command(words);
        command.env_remove("SLURM_ARRAY_TASK_ID");
        command
    }

    /// The same project for another program.
    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.project.path(""))
            .env("FUTON_TEST_FAKE_MACHINE", "proves nothing")
            .env_remove("RESOURCES")
    }

    pub fn futon(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn json(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.project.path(name)).ok()?).ok()
    }

    /// The merged report.
    pub fn report(&self, dir: &str) -> Value {
        self.json(&format!("{dir}/report.json")).unwrap()
    }

    /// Outcome and code of each function of the merged report, by its cell's digest.
    pub fn verdicts(&self, dir: &str) -> BTreeMap<String, (String, String, String)> {
        let report = self.report(dir);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |f: &Value| {
            let verdict = &f["verdict"];
            (word(&f["cell"]["digest"]), (word(&f["name"]), word(&verdict["outcome"]), word(&verdict["code"])))
        };
        report["functions"].as_array().unwrap().iter().map(one).collect()
    }

    pub fn status(&self, dir: &str) -> Value {
        let output = self.futon(&["sweep", "status", dir, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.project.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Who has made each result, by digest.
    pub fn makers(&self, dir: &str) -> BTreeMap<String, String> {
        let cells = format!("{dir}/cells");
        let results = self.names(&cells).into_iter().filter(|name| !name.starts_with('.'));
        let made = |digest: String| {
            let mark = self.json(&format!("{cells}/{digest}/cell.json")).unwrap();
            (digest, mark["worker"].as_str().unwrap().to_owned())
        };
        results.map(made).collect()
    }

    /// Claims that are there: digest and process.
    pub fn claims(&self, dir: &str) -> Vec<(String, u32)> {
        let claims = format!("{dir}/claims");
        let names = self.names(&claims).into_iter().filter(|name| !name.starts_with('.'));
        let read = |name: String| {
            let worker = self.json(&format!("{claims}/{name}"))?;
            Some((name[..64].to_owned(), u32::try_from(worker["pid"].as_u64()?).ok()?))
        };
        names.filter_map(read).collect()
    }

    /// What workers have left where nothing may be left.
    pub fn leavings(&self, dir: &str) -> Vec<String> {
        let hidden = self.names(&format!("{dir}/cells")).into_iter().filter(|name| name.starts_with('.'));
        let of = |folder: &str| self.names(&format!("{dir}/{folder}"));
        hidden.chain(of("claims")).chain(of("drivers")).collect()
    }

    /// Attempts without a verdict, by cell.
    pub fn attempts(&self, dir: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.project.path(&format!("{dir}/attempts.jsonl"))).unwrap_or_default();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for line in text.lines() {
            let attempt: Value = serde_json::from_str(line).unwrap();
            *counts.entry(attempt["digest"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts.into_values().collect()
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait_for(&self, dir: &str, results: usize) {
        self.wait("results", || self.makers(dir).len() >= results);
    }

    pub fn wait_for_claims(&self, dir: &str, claims: usize) {
        self.wait("claims", || self.claims(dir).len() >= claims);
    }

    /// All cells have a result, each once, those that were kept before among them, and each is whole.
    pub fn is_whole(&self, dir: &str, cells: usize, kept: &BTreeMap<String, String>) {
        let now = self.makers(dir);
        assert_eq!(now.len(), cells);
        for (digest, maker) in kept {
            assert_eq!(now.get(digest), Some(maker), "{digest} was made again");
        }
        for digest in now.keys() {
            let report = self.json(&format!("{dir}/cells/{digest}/report.json")).unwrap();
            assert_eq!(report["functions"][0]["cell"]["digest"], digest.as_str());
            assert_eq!(report["functions"][0]["verdict"]["outcome"], "passed", "{digest}");
        }
    }
}
