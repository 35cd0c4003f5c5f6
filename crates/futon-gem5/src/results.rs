//! Rows and report of a simulated run, from its statistics and events.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::PoisonError;

use calls::wire::ReplyList;
use futon_common::{Context, Result};
use futon_model::{ClientReport, SimulationReport};
use futon_workdir::{REPLIES, client_report};
use gem5_stats::{DumpLabel, Layout, RowContext, rows, write_rows};
use sha2::{Digest, Sha256};

use super::event::{SimEvent, SimEventKind};
use super::phases::{Outcomes, Run};
use super::session::Finished;
use super::state::CoreState;

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
        state: s.has_region_of_interest().then(|| s.state.to_string()),
        not_in_state: 0,
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
        && let Ok(written) = write(run, finished, &report, results)
    {
        (report.rows, report.converged, report.not_in_state) = (written.rows, written.converged, written.not_in_state);
        remark_not_in_state(run, written.not_in_state);
    }
    report
}

fn remark_not_in_state(run: &Run, dropped: u64) {
    if dropped == 0 {
        return;
    }
    let calls = if dropped == 1 { "call was" } else { "calls were" };
    let remark = format!("{dropped} measured {calls} not found in the state {}, and dropped", run.settings.state);
    run.shared.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
}

/// What came of the measured invocations.
#[derive(Debug, Default)]
struct Written {
    rows: usize,
    converged: Option<bool>,
    not_in_state: u64,
}

fn write(run: &Run, finished: &Finished, report: &SimulationReport, results: &Path) -> Result<Written> {
    let (labels, not_in_state) = labels(&finished.events, run.settings.uarch_warmup, &run.settings.state);
    let stats = finished.outdir.join("stats.txt");
    if labels.is_empty() || !stats.is_file() {
        return Ok(Written { not_in_state, ..Written::default() });
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
        state: report.state.clone().unwrap_or_default(),
        verified: verified(run, run.settings.uarch_warmup),
    };
    let file = File::open(&stats).context(|| format!("cannot read {}", stats.display()))?;
    let (rows, _) = rows(file, &layout, &labels, &context).context(|| format!("cannot read {}", stats.display()))?;
    let target = results.join(ROWS);
    let out = File::create(&target).context(|| format!("cannot write {}", target.display()))?;
    write_rows(std::io::BufWriter::new(out), &rows).context(|| format!("cannot write {}", target.display()))?;
    let converged = rows.last().and_then(|r| r.get("converged")).and_then(|c| c.parse().ok());
    Ok(Written { rows: rows.len(), converged, not_in_state })
}

fn outcomes_key(report: &SimulationReport) -> Option<String> {
    report.function_checkpoint.clone().or_else(|| report.parked_checkpoint.clone())
}

/// Work items 100, 101, … are the client's calls; the first ones only warm the core up. Of the others those count that were found in the
/// state asked for; the second figure says how many were not.
fn labels(events: &[SimEvent], uarch_warmup: u64, state: &CoreState) -> (Vec<DumpLabel>, u64) {
    const FIRST: u64 = 100;
    let mut flushed: Option<(u64, &[String])> = None;
    let (mut labels, mut not_in_state) = (Vec::new(), 0);
    for event in events {
        match &event.kind {
            // What was flushed for an item is of no use to the next.
            SimEventKind::Workbegin { .. } => flushed = None,
            SimEventKind::Flushed { id, names } => flushed = Some((*id, names)),
            SimEventKind::Workend { id, dump, core } => {
                let own = flushed.take().filter(|(of, _)| of == id).map(|(_, names)| names);
                let call = id.checked_sub(FIRST);
                match call.and_then(|call| Some((call, call.checked_sub(uarch_warmup)?))) {
                    Some((call, invocation)) if state.is_met_by(own, call) => {
                        labels.push(DumpLabel { dump: *dump, invocation, core: *core });
                    }
                    Some(_) => not_in_state += 1,
                    None => {}
                }
            }
            _ => {}
        }
    }
    (labels, not_in_state)
}

fn layout(finished: &Finished) -> Layout {
    finished
        .events
        .iter()
        .find_map(|event| match &event.kind {
            SimEventKind::Start { measured, llc, stand_ins, .. } => {
                Some(Layout { core: measured.clone(), llc: llc.clone(), stand_ins: stand_ins.clone() })
            }
            _ => None,
        })
        .unwrap_or_else(|| Layout { core: "system.cpu1".into(), llc: None, stand_ins: Vec::new() })
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

#[cfg(test)]
mod tests {
    use gem5_stats::CoreModel;

    use super::*;

    fn begin(id: u64) -> SimEventKind {
        SimEventKind::Workbegin { id }
    }

    fn flushed(id: u64, names: &[&str]) -> SimEventKind {
        SimEventKind::Flushed { id, names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn end(id: u64, dump: u64) -> SimEventKind {
        SimEventKind::Workend { id, dump, core: CoreModel::O3 }
    }

    fn found(kinds: Vec<SimEventKind>, state: &CoreState) -> (Vec<u64>, u64) {
        let events: Vec<SimEvent> = kinds.into_iter().map(|kind| SimEvent { kind, tick: 0, insts: 0 }).collect();
        let (labels, dropped) = labels(&events, 1, state);
        (labels.iter().map(|label| label.invocation).collect(), dropped)
    }

    #[test]
    fn a_call_that_was_not_flushed_is_dropped_and_counted() {
        let state = CoreState::lukewarm(&"l1i,l1d".parse().unwrap(), "simple", CoreModel::O3).unwrap();
        let l1 = ["l1i", "l1d"];
        let kinds = vec![
            // Discarded, and so in no state.
            begin(100),
            end(100, 0),
            begin(101),
            flushed(101, &l1),
            end(101, 1),
            begin(102),
            end(102, 2),
            begin(103),
            flushed(103, &["l1i"]),
            end(103, 3),
            // An event of another item is none.
            begin(104),
            flushed(101, &l1),
            end(104, 4),
            // Nor is one from before the item.
            flushed(105, &l1),
            begin(105),
            end(105, 5),
            begin(106),
            flushed(106, &l1),
            end(106, 6),
        ];
        assert_eq!(found(kinds, &state), (vec![0, 5], 4));
    }

    #[test]
    fn a_warm_call_was_not_flushed() {
        let kinds = vec![begin(100), end(100, 0), begin(101), end(101, 1), begin(102), flushed(102, &[]), end(102, 2)];
        assert_eq!(found(kinds, &CoreState::Warm), (vec![0], 1));
    }
}
