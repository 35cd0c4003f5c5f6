use std::time::Instant;

use super::*;
use crate::claim::Worker;
use crate::plan::tests::planned;
use crate::store::Attempt;
use crate::store::tests::{report, store};

struct Live(bool);

impl Liveness for Live {
    fn is_live(&self, _: &Worker) -> bool {
        self.0
    }
}

fn keep(store: &Store, sweep: &Sweep, at: usize, outcome: &str) {
    let cell = &sweep.plan.cells[at];
    let report = report(&cell.function, outcome, Some("invoke"));
    let made = store.workplace(&cell.digest, "w").unwrap();
    std::fs::write(made.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let done = Done::of(&cell.digest, &report.functions[0]).unwrap();
    assert!(store.keep(&made, &sweep.plan.cell(cell), &done, "w").unwrap());
}

#[test]
fn each_cell_is_somewhere() {
    let (folder, store) = store();
    let dir = folder.path();
    let sweep = Sweep::new("x", planned("functions = \"all\"\nseeds = 4\n")).unwrap();
    let digest = |at: usize| sweep.plan.cells[at].digest.clone();
    keep(&store, &sweep, 0, "passed");
    keep(&store, &sweep, 1, "timed_out");
    crate::claim::tests::yes(store.claim(&digest(2), &Worker::this("r"), &Live(true))).unwrap();
    let tasks = Tasks { run: "r".into(), tasks: vec![vec![digest(1)], vec![digest(2), digest(3)], vec![digest(4)]] };
    assert_eq!(tasks.save(dir).unwrap(), 0);
    store
        .note(&Attempt {
            digest: digest(5),
            worker: "w".into(),
            run: "r".into(),
            ended: String::new(),
            why: "no space".into(),
            stopped: false,
        })
        .unwrap();
    let queued = |task, state: &str, reason: &str| Queued {
        job: "9".into(),
        task,
        state: state.into(),
        reason: reason.into(),
        name: format!("{}0", sweep.jobs()),
    };
    let queue = [
        queued(1, "RUNNING", "None"),
        queued(2, "PENDING", "launch failed requeued held"),
        queued(7, "PENDING", "Resources"),
        queued(8, "PENDING", "Nodes required for job are DOWN"),
    ];
    let status = Status::of(&sweep, dir, &store, &queue, &Live(true)).unwrap();
    assert_eq!(
        status.counts,
        Counts { cells: 8, passed: 1, timed_out: 1, running: 1, queued: 1, open: 4, ..Counts::default() }
    );
    assert_eq!(status.states[3], State::Queued { task: "9_1".into() });
    assert_eq!(status.states[5], State::Open { why: Some("no space".into()), attempts: 1 });
    assert_eq!(status.stuck, ["9_2"]);
    assert_eq!(status.waiting, BTreeMap::from([("Nodes required for job are DOWN".to_owned(), 1)]));
    let open: Vec<String> = status.open(&sweep).iter().map(|cell| cell.digest.clone()).collect();
    assert_eq!(open, [4, 5, 6, 7].map(digest), "a task that Slurm holds makes nothing");
    let gone = Status::of(&sweep, dir, &store, &queue, &Live(false)).unwrap();
    assert_eq!((gone.counts.running, gone.counts.queued), (0, 2), "its task will make it");
}

#[test]
fn ten_thousand_cells_are_counted_in_less_than_a_second() {
    let (folder, store) = store();
    let sweep = Sweep::new("x", planned("functions = \"all\"\nseeds = 5000\n")).unwrap();
    sweep.save(folder.path()).unwrap();
    let mut lines = Vec::new();
    for cell in &sweep.plan.cells {
        // Nothing of a result is read but its name.
        std::fs::create_dir(store.folder(&cell.digest)).unwrap();
        let report = report(&cell.function, "passed", None);
        lines.push(Done::of(&cell.digest, &report.functions[0]).unwrap());
    }
    crate::journal::append_all(&store.root().join("done.jsonl"), &lines).unwrap();
    let begun = Instant::now();
    let sweep = Sweep::open(folder.path()).unwrap();
    let status = Status::of(&sweep, folder.path(), &store, &[], &Live(false)).unwrap();
    assert_eq!(status.counts.done(), 10_000);
    assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
}
