//! Reports for the tests.

use futon_model::Report;
use serde_json::{Value, json};

/// A function: its outcome, code and attempts.
pub(crate) fn function(name: &str, outcome: &str, code: &str, attempts: u32) -> Value {
    let step = if outcome == "passed" { Value::Null } else { "invoke".into() };
    json!({"name": name, "image": "me/f", "digests": [], "proof": "full",
        "machine": {"kind": "qemu", "version": "QEMU 7.2", "accelerator": "kvm", "accelerator_reason": "", "vcpus": 2,
            "memory_mib": 2048, "base_image": "b", "kernel": "k"},
        "verdict": {"outcome": outcome, "step": step, "code": code, "why": "w"},
        "steps": [], "invocations": null, "attempts": attempts, "remarks": [], "duration_ms": 1000, "folder": ""})
}

/// A report of functions.
pub(crate) fn report(started: &str, functions: Vec<Value>) -> Report {
    let summary = json!({"total": functions.len(), "passed": 0, "failed": 0, "infra": 0, "not_run": 0, "exit_code": 0});
    let report = json!({"schema": "futon.report/1", "futon": "0.2.0", "started": started, "duration_ms": 1, "summary": summary,
        "functions": Value::from(functions)});
    serde_json::from_value(report).unwrap()
}
