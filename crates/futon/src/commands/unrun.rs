//! Reports of functions that were not run.

use futon_common::Error;
use futon_common::text::one_line;
use futon_model::{Code, ExitCode, FunctionReport, MachineReport, Outcome, Proof, Verdict};

use futon_prepare::prepared::Prepared;

/// The report of a function whose run could not even begin.
pub fn could_not_run(name: &str, prepared: &Prepared, error: &Error) -> FunctionReport {
    let (outcome, code) = match error.exit_code() {
        // The file or the image is at fault: the host works.
        ExitCode::Usage | ExitCode::Failed => (Outcome::Failed, Code::BadInput),
        _ => (Outcome::Infra, Code::HostFailed),
    };
    let verdict = Verdict {
        outcome,
        step: None,
        code,
        why: one_line(&error.to_string()),
        hint: error.hint_text().map(str::to_owned),
    };
    FunctionReport { attempts: 1, ..without_run(name, prepared.machine.report(), verdict) }
}

/// The report of a function whose turn did not come.
pub fn not_run(name: &str, prepared: &Prepared, interrupted: bool) -> FunctionReport {
    let (code, why) = if interrupted {
        (Code::Interrupted, "interrupted before it started")
    } else {
        (Code::StepFailed, "an earlier function did not pass (--fail-fast)")
    };
    let verdict = Verdict { outcome: Outcome::NotRun, step: None, code, why: why.into(), hint: None };
    without_run(name, prepared.machine.report(), verdict)
}

/// A report with a verdict, but without anything that needs a run.
pub fn without_run(name: &str, machine: MachineReport, verdict: Verdict) -> FunctionReport {
    FunctionReport {
        name: name.to_owned(),
        run: None,
        image: None,
        digests: Vec::new(),
        cell: None,
        machine,
        proof: Proof::None,
        verdict,
        steps: Vec::new(),
        invocations: None,
        load: None,
        companions: Vec::new(),
        attempts: 0,
        earlier: Vec::new(),
        remarks: Vec::new(),
        duration_ms: 0,
        folder: String::new(),
        simulation: None,
        console_tail: Vec::new(),
        container_tail: Vec::new(),
        container_crash: Vec::new(),
    }
}
