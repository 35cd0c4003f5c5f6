//! Rows and report of a simulated run, from its statistics and events.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use calls::wire::ReplyList;
use futon_common::{Context, Result};
use futon_model::{ClientReport, SimulationReport};
use futon_workdir::{REPLIES, client_report};
use gem5_stats::{DumpLabel, Layout, RowContext, rows, write_rows};
use sha2::{Digest, Sha256};

use super::event::SimEventKind;
use super::phases::{Outcomes, Run};
use super::session::Finished;

/// File of the rows in a run's results.
pub(super) const ROWS: &str = "invocations.csv";

/// What programs in the guest learn about the processor, on every version and core model (`docs/gem5.md`).
const CPUID: &str = "x86-64 v1 with SSE3 and SSSE3; no SSE4.1, POPCNT, AES-NI, AVX, RDRAND";

/// Makes the report, and the rows where invocations were measured.
pub(super) fn results(run: &Run, outcomes: &Outcomes, results: &Path) -> SimulationReport {
    let s = &run.settings;
    let params = outcomes.measured.as_ref().map(parameters).unwrap_or_default();
    let mut report = SimulationReport {
        gem5: s.gem5.version.clone(),
        system: s.system.clone(),
        core: s.core.word().into(),
        boot_core: if s.stage.is_some() { "qemu".into() } else { s.boot_core.model().word().into() },
        staged_in: s.stage.clone(),
        params_hash: hash(&params, &s.system),
        params,
        seed: run.seed.to_string(),
        software_warmup: run.plan.client.as_ref().map_or(0, |c| c.warmup),
        uarch_warmup: s.uarch_warmup,
        parked_checkpoint: outcomes.parked.clone(),
        function_checkpoint: outcomes.function.clone(),
        cpuid: CPUID.into(),
        test_only: s.cpus == 1,
        confined: !s.unconfined,
        phases: outcomes.phases.clone(),
        rows: 0,
        converged: None,
    };
    if let Some(finished) = &outcomes.measured
        && let Ok((count, converged)) = write(run, finished, &report, results)
    {
        (report.rows, report.converged) = (count, converged);
    }
    report
}

fn write(run: &Run, finished: &Finished, report: &SimulationReport, results: &Path) -> Result<(usize, Option<bool>)> {
    let labels = labels(finished, run.settings.uarch_warmup);
    let stats = finished.outdir.join("stats.txt");
    if labels.is_empty() || !stats.is_file() {
        return Ok((0, None));
    }
    let layout = layout(finished);
    let context = RowContext {
        run_id: results
            .parent()
            .and_then(Path::parent)
            .and_then(Path::file_name)
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        function: run.plan.function.clone(),
        image_digest: run
            .plan
            .images
            .first()
            .and_then(|i| i.manifest.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        language: language(&run.plan.function),
        system: report.system.clone(),
        params_hash: report.params_hash.clone(),
        gem5_version: report.gem5.clone(),
        checkpoint_key: outcomes_key(report),
        software_warmup: report.software_warmup,
        uarch_warmup: report.uarch_warmup,
        seed: report.seed.clone(),
        verified: verified(run, run.settings.uarch_warmup),
    };
    let file = File::open(&stats).context(|| format!("cannot read {}", stats.display()))?;
    let (rows, _) = rows(file, &layout, &labels, &context).context(|| format!("cannot read {}", stats.display()))?;
    let target = results.join(ROWS);
    let out = File::create(&target).context(|| format!("cannot write {}", target.display()))?;
    write_rows(std::io::BufWriter::new(out), &rows).context(|| format!("cannot write {}", target.display()))?;
    let converged = rows.last().and_then(|r| r.get("converged")).and_then(|c| c.parse().ok());
    Ok((rows.len(), converged))
}

fn outcomes_key(report: &SimulationReport) -> Option<String> {
    report.function_checkpoint.clone().or_else(|| report.parked_checkpoint.clone())
}

/// Work items 100, 101, … are the client's calls; the first ones only warm the core up.
fn labels(finished: &Finished, uarch_warmup: u64) -> Vec<DumpLabel> {
    const FIRST: u64 = 100;
    finished
        .events
        .iter()
        .filter_map(|event| match event.kind {
            SimEventKind::Workend { id, dump, core } => {
                let invocation = id.checked_sub(FIRST)?.checked_sub(uarch_warmup)?;
                Some(DumpLabel { dump, invocation, core })
            }
            _ => None,
        })
        .collect()
}

fn layout(finished: &Finished) -> Layout {
    finished
        .events
        .iter()
        .find_map(|event| match &event.kind {
            SimEventKind::Start { measured, llc, .. } => Some(Layout { core: measured.clone(), llc: llc.clone() }),
            _ => None,
        })
        .unwrap_or_else(|| Layout { core: "system.cpu1".into(), llc: None })
}

fn parameters(finished: &Finished) -> BTreeMap<String, String> {
    let start = finished.events.iter().find_map(|event| match &event.kind {
        SimEventKind::Start { params, .. } => Some(params),
        _ => None,
    });
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    start.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn hash(params: &BTreeMap<String, String>, system: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(system);
    for (name, value) in params {
        hash.update(format!("\n{name}={value}"));
    }
    hex::encode(hash.finalize())[..12].to_owned()
}

/// vSwarm's functions carry their language in their names.
fn language(function: &str) -> Option<String> {
    let last = function.rsplit('-').next()?;
    ["go", "python", "nodejs", "java", "rust"].contains(&last).then(|| last.to_owned())
}

/// Which measured replies were verified, by the client's own report.
fn verified(run: &Run, uarch_warmup: u64) -> Vec<Option<bool>> {
    let read = |name: &str| fs::read(run.uploads.join(name)).ok();
    let report: Option<ClientReport> = match &run.sheet {
        Some(sheet) => read(REPLIES)
            .and_then(|bytes| ReplyList::from_bytes(&bytes).ok())
            .map(|replies| client_report(sheet, &replies)),
        None => read("client.json").and_then(|text| serde_json::from_slice(&text).ok()),
    };
    let skip = usize::try_from(uarch_warmup).unwrap_or(usize::MAX);
    report.map_or_else(Vec::new, |r| r.latencies_ms.iter().skip(skip).map(|l| Some(l.is_some())).collect())
}
