//! Real gem5. These tests need `GEM5` and the lean guest in the resources; each says by its name that it was left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The resources of this source tree, where gem5 and the lean guest are there.
fn resources(test: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let resources = std::env::var_os("RESOURCES").map_or_else(|| root.join("resources"), PathBuf::from);
    let gem5 = std::env::var_os("GEM5").is_some_and(|p| Path::new(&p).is_file()) || resources.join("gem5").exists();
    let why = if !gem5 {
        "GEM5 names no simulator"
    } else if !resources.join("lean-kernel").exists() || !resources.join("lean-initrd").exists() {
        "the lean guest is not built (`futon resources build kernel lean`)"
    } else {
        return Some(resources);
    };
    // Standard error is shown even for tests that pass.
    std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: {test}: {why}\n").as_bytes()).unwrap();
    None
}

fn futon(resources: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_futon"))
        .args(["test", "--on", "gem5", "--json"])
        .args(args)
        .arg("--resources")
        .arg(resources)
        .arg("--out")
        .arg(folder.path().join("out"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}")))
}

#[test]
fn a_function_passes_on_the_atomic_core() {
    let Some(resources) = resources("a_function_passes_on_the_atomic_core") else { return };
    let (code, report) = futon(&resources, &["fibonacci-go"]);
    assert_eq!((code, report["functions"][0]["proof"].as_str()), (Some(0), Some("full")), "{report:#}");
}

#[test]
fn measured_invocations_repeat_to_the_tick() {
    let Some(resources) = resources("measured_invocations_repeat_to_the_tick") else { return };
    let run = || {
        let (code, report) = futon(&resources, &["fibonacci-go", "--cpu", "timing", "-n", "2", "--sim-seed", "1"]);
        assert_eq!(code, Some(0), "{report:#}");
        report["functions"][0]["simulation"]["phases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["name"].clone(), p["final_tick"].clone(), p["insts"].clone()))
            .filter(|(name, ..)| name != "boot")
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
