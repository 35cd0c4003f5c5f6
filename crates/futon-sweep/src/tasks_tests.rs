use super::*;
use crate::plan::tests::planned;

fn done(sweep: &Sweep, ms: u64) -> BTreeMap<String, Done> {
    let cell = &sweep.plan.cells[0];
    let done = Done {
        digest: cell.digest.clone(),
        outcome: futon_model::Outcome::Passed,
        step: None,
        code: futon_model::Code::AllWitnessesAgree,
        duration_ms: ms,
    };
    BTreeMap::from([(cell.digest.clone(), done)])
}

fn sweep() -> Sweep {
    Sweep::new("x", planned("functions = \"all\"\nseeds = 20\n[sweep]\nmemory = [512, 1024]\n")).unwrap()
}

fn all(sweep: &Sweep) -> Vec<&PlannedCell> {
    sweep.plan.cells.iter().collect()
}

#[test]
fn arrays_are_split_at_slurms_limit_and_share_what_may_run_at_once() {
    let mut sweep = sweep();
    sweep.slurm.at_once = Some(7);
    let batches = batches(&sweep, &all(&sweep), &BTreeMap::new(), 15).unwrap();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.tasks.len()).collect();
    // 40 cells of each amount of memory.
    assert_eq!(sizes, [15, 15, 10, 15, 15, 10]);
    assert_eq!(batches.iter().filter_map(|batch| batch.at_once).sum::<u32>(), 7);
    let memory: Vec<u64> = batches.iter().map(|batch| batch.needs.memory_mib).collect();
    assert_eq!(memory, [1536, 1536, 1536, 2048, 2048, 2048]);
    let mut digests: Vec<&String> = batches.iter().flat_map(|batch| batch.tasks.iter().flatten()).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 80, "every cell is in one task");
    sweep.slurm.at_once = Some(5);
    let error = super::batches(&sweep, &all(&sweep), &BTreeMap::new(), 15).unwrap_err();
    assert!(error.to_string().contains("5 tasks are to run at once, but there are 6 arrays"), "{error}");
}

#[test]
fn what_is_not_said_comes_from_results() {
    let mut sweep = sweep();
    let one = batches(&sweep, &all(&sweep), &BTreeMap::new(), 1000).unwrap();
    assert!(one.iter().all(|b| b.needs.minutes.is_none() && b.tasks.iter().all(|task| task.len() == 1)));
    // A second each: 600 would fill ten minutes, but each of the eight at once is to have something to do.
    sweep.slurm.at_once = Some(8);
    let known = batches(&sweep, &all(&sweep), &done(&sweep, 1000), 1000).unwrap();
    assert_eq!(known[0].tasks[0].len(), 3);
    // The function that was measured has a limit, the other has none.
    let mut minutes: Vec<Option<u64>> = known.iter().map(|batch| batch.needs.minutes).collect();
    minutes.sort_unstable();
    assert_eq!(minutes, [None, None, Some(18), Some(18)]);
    sweep.needs = crate::Resources { cores: Some(4), memory_mib: Some(100), time: Some(Duration::from_secs(90)) };
    sweep.slurm.cells_per_task = Some(10);
    let said = batches(&sweep, &all(&sweep), &done(&sweep, 1000), 1000).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].needs, Needs { cores: 4, memory_mib: 100, minutes: Some(20) });
    assert_eq!(said[0].tasks.len(), 8);
}
