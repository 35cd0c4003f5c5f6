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
        software_warmup: run.plan.client.as_ref().map_or(0, |c| c.warmup) / members(run).len() as u64,
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
    let members = members(run);
    let (labels, not_in_state) =
        labels(&finished.events, run.settings.uarch_warmup, &run.settings.state, members.len());
    let stats = finished.outdir.join("stats.txt");
    if labels.iter().all(Vec::is_empty) || !stats.is_file() {
        return Ok(Written { not_in_state, ..Written::default() });
    }
    let layout = layout(finished);
    let verified = verified(run);
    let mut all = Vec::new();
    let mut converged = Some(true);
    for (at, (member, labels)) in members.iter().zip(&labels).enumerate() {
        let own = verified.iter().skip(at).step_by(members.len()).copied();
        let own = own.skip(usize::try_from(run.settings.uarch_warmup).unwrap_or(usize::MAX)).collect();
        let context = context(run, report, results, member, own);
        let file = File::open(&stats).context(|| format!("cannot read {}", stats.display()))?;
        let (rows, _) = rows(file, &layout, labels, &context).context(|| format!("cannot read {}", stats.display()))?;
        let own = rows.last().and_then(|r| r.get("converged")).and_then(|c| c.parse::<bool>().ok());
        converged = converged.zip(own).map(|(all, own)| all && own);
        all.extend(rows);
    }
    let target = results.join(ROWS);
    let out = File::create(&target).context(|| format!("cannot write {}", target.display()))?;
    write_rows(std::io::BufWriter::new(out), &all).context(|| format!("cannot write {}", target.display()))?;
    Ok(Written { rows: all.len(), converged, not_in_state })
}

/// A function that was called: the only one, or one of those that took turns.
struct Called {
    name: String,
    image: Option<futon_model::ImageReference>,
}

/// The functions that were called, in the order of their turns.
fn members(run: &Run) -> Vec<Called> {
    let turns = run.plan.client.as_ref().map_or(&[][..], |client| &client.turns);
    if turns.is_empty() {
        let image = run.plan.images.first().map(|image| image.reference.clone());
        return vec![Called { name: run.plan.function.clone(), image }];
    }
    turns.iter().map(|turn| Called { name: turn.service.clone(), image: Some(turn.image.clone()) }).collect()
}

/// What all rows of a function have in common.
fn context(
    run: &Run,
    report: &SimulationReport,
    results: &Path,
    member: &Called,
    verified: Vec<Option<bool>>,
) -> RowContext {
    let image = run.plan.images.iter().find(|image| Some(&image.reference) == member.image.as_ref());
    RowContext {
        run_id: results
            .parent()
            .and_then(Path::parent)
            .and_then(Path::file_name)
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        function: member.name.clone(),
        image_digest: image.and_then(|i| i.manifest.as_ref()).map(ToString::to_string).unwrap_or_default(),
        language: language(&member.name),
        system: report.system.clone(),
        params_hash: report.params_hash.clone(),
        gem5_version: report.gem5.clone(),
        checkpoint_key: outcomes_key(report),
        software_warmup: report.software_warmup,
        uarch_warmup: report.uarch_warmup,
        seed: report.seed.clone(),
        state: report.state.clone().unwrap_or_default(),
        verified,
    }
}

fn outcomes_key(report: &SimulationReport) -> Option<String> {
    report.function_checkpoint.clone().or_else(|| report.parked_checkpoint.clone())
}

/// Work items 100, 101, … are the client's calls, which go to so many functions in turn; the first ones to each only warm the core up. Of the
/// others those count that were found in the state asked for, in a list for each function; the second figure says how many were not.
fn labels(events: &[SimEvent], uarch_warmup: u64, state: &CoreState, functions: usize) -> (Vec<Vec<DumpLabel>>, u64) {
    const FIRST: u64 = 100;
    let turns = functions as u64;
    let mut flushed: Option<(u64, &[String])> = None;
    let (mut labels, mut not_in_state) = (vec![Vec::new(); functions], 0);
    // The item that ended last: a call that takes its turn comes right after the one before it.
    let mut ended = None;
    for event in events {
        match &event.kind {
            // What was flushed for an item is of no use to the next.
            SimEventKind::Workbegin { .. } => flushed = None,
            SimEventKind::Flushed { id, names } => flushed = Some((*id, names)),
            SimEventKind::Workend { id, dump, core } => {
                let own = flushed.take().filter(|(of, _)| of == id).map(|(_, names)| names);
                let call = id.checked_sub(FIRST);
                let in_turn = turns == 1 || ended == id.checked_sub(1);
                ended = Some(*id);
                match call.and_then(|call| Some((call, (call / turns).checked_sub(uarch_warmup)?))) {
                    Some((call, invocation)) if in_turn && state.is_met_by(own, call) => {
                        let member = usize::try_from(call % turns).unwrap_or_default();
                        labels[member].push(DumpLabel { dump: *dump, invocation, core: *core });
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

/// Which replies on the measured core were verified, by the client's own report.
fn verified(run: &Run) -> Vec<Option<bool>> {
    let read = |name: &str| fs::read(run.uploads.join(name)).ok();
    let report: Option<ClientReport> = match &run.sheet {
        Some(sheet) => read(REPLIES)
            .and_then(|bytes| ReplyList::from_bytes(&bytes).ok())
            .map(|replies| client_report(sheet, &replies)),
        None => read("client.json").and_then(|text| serde_json::from_slice(&text).ok()),
    };
    report.map_or_else(Vec::new, |r| r.latencies_ms.iter().map(|l| Some(l.is_some())).collect())
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
        let (labels, dropped) = labels(&events, 1, state, 1);
        (labels[0].iter().map(|label| label.invocation).collect(), dropped)
    }

    #[test]
    fn each_function_has_its_turns_and_a_call_out_of_turn_is_dropped() {
        let state = CoreState::Interleaved(vec!["a".into(), "b".into()]);
        // The first call to each is discarded. Of the item 106 nothing is known, so 107 does not follow a call of the other function.
        let items = [100, 101, 102, 103, 104, 105, 107, 108];
        let kinds = items.into_iter().zip(0..).map(|(id, dump)| end(id, dump));
        let events: Vec<SimEvent> = kinds.map(|kind| SimEvent { kind, tick: 0, insts: 0 }).collect();
        let (labels, dropped) = labels(&events, 1, &state, 2);
        let of = |member: usize| labels[member].iter().map(|l| (l.invocation, l.dump)).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), dropped), (vec![(0, 2), (1, 4), (3, 7)], vec![(0, 3), (1, 5)], 1));
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
