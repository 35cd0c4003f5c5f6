//! Which workers are there: by their process on this host, by Slurm's queue elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::claim::{Liveness, Worker};
use crate::slurm::{Queued, Slurm};

/// How long an answer of Slurm's is good.
const FRESH: Duration = Duration::from_secs(10);

/// Looks for workers, as one of them or beside them.
#[derive(Debug)]
pub struct Others {
    here: Worker,
    queue: Mutex<Option<(Instant, Option<Vec<Queued>>)>>,
}

impl Others {
    /// As seen from a worker.
    #[must_use]
    pub fn seen_from(here: &Worker) -> Self {
        Self { here: here.clone(), queue: Mutex::default() }
    }

    /// All tasks of this user, or nothing where Slurm does not answer.
    fn ask(&self) -> Option<Vec<Queued>> {
        let mut known = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((at, queue)) if at.elapsed() < FRESH => queue.clone(),
            _ => {
                let queue = Slurm::find().and_then(|slurm| slurm.queue("")).ok();
                *known = Some((Instant::now(), queue.clone()));
                queue
            }
        }
    }

    fn task_is_there(&self, worker: &Worker) -> Option<bool> {
        let task = worker.task.as_ref()?;
        let of_here = self.here.task.as_ref();
        if of_here.is_some_and(|here| here.id == task.id && here.cluster == task.cluster) {
            // Slurm has started this task again: the one before is over.
            return Some(of_here == Some(task));
        }
        // Another user's tasks are not shown, and another cluster has other numbers.
        if worker.uid != self.here.uid || of_here.is_some_and(|here| here.cluster != task.cluster) {
            return None;
        }
        let queue = self.ask()?;
        Some(queue.iter().any(|queued| queued.id() == task.id && queued.is_running()))
    }
}

impl Liveness for Others {
    fn is_live(&self, worker: &Worker) -> bool {
        worker.process_is_there(&self.here).or_else(|| self.task_is_there(worker)).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Task;

    fn others(here: &Worker, queue: Option<Vec<Queued>>) -> Others {
        Others { here: here.clone(), queue: Mutex::new(Some((Instant::now() + FRESH, queue))) }
    }

    fn queued(state: &str) -> Queued {
        Queued { job: "5".into(), task: 1, state: state.into(), reason: "None".into(), name: "x".into() }
    }

    #[test]
    fn a_worker_elsewhere_is_there_as_long_as_its_task_runs() {
        let here = Worker { task: None, ..Worker::this("r") };
        let task = |id: &str| Some(Task { id: id.into(), cluster: String::new(), restarts: 0 });
        let there = Worker { host: "node7".into(), task: task("5_1"), ..here.clone() };
        let live = |queue: Option<Vec<Queued>>| others(&here, queue).is_live(&there);
        assert!(live(Some(vec![queued("RUNNING")])) && live(Some(vec![queued("COMPLETING")])));
        assert!(!live(Some(vec![queued("PENDING")])), "it will be started anew");
        assert!(!live(Some(Vec::new())));
        assert!(live(None), "nobody knows");
        let stranger = Worker { uid: here.uid + 1, ..there.clone() };
        assert!(others(&here, Some(Vec::new())).is_live(&stranger), "his tasks are not shown");
        let no_task = Worker { task: None, ..there };
        assert!(others(&here, Some(Vec::new())).is_live(&no_task), "a machine that nobody can ask");
    }

    #[test]
    fn what_slurm_has_started_again_is_over_there() {
        let task = |restarts| Some(Task { id: "5_1".into(), cluster: String::new(), restarts });
        let here = Worker { task: task(1), ..Worker::this("r") };
        let before = Worker { host: "node7".into(), task: task(0), ..here.clone() };
        assert!(!others(&here, None).is_live(&before));
    }
}
