use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::tests::{put, store};

/// Workers of these names are there.
struct Live(Mutex<Vec<String>>);

impl Live {
    fn new(names: &[&str]) -> Self {
        Self(Mutex::new(names.iter().map(|name| (*name).to_owned()).collect()))
    }
}

impl Liveness for Live {
    fn is_live(&self, worker: &Worker) -> bool {
        self.0.lock().unwrap().contains(&worker.name)
    }
}

/// The claim, if there is one.
pub fn yes(claimed: Result<Claimed>) -> Option<Claim> {
    match claimed.unwrap() {
        Claimed::Yes(claim) => Some(claim),
        Claimed::Done | Claimed::Held => None,
    }
}

fn worker(name: &str) -> Worker {
    Worker { name: name.into(), ..Worker::this("run") }
}

#[test]
fn one_worker_has_a_cell_until_it_gives_it_up() {
    let (_folder, store) = store();
    let live = Live::new(&["a", "b"]);
    let claim = yes(store.claim("d", &worker("a"), &live)).unwrap();
    assert!(matches!(store.claim("d", &worker("b"), &live).unwrap(), Claimed::Held));
    assert_eq!(store.all_claims().unwrap(), [("d".to_owned(), worker("a"))]);
    assert!(yes(store.claim("e", &worker("b"), &live)).is_some(), "another cell is free");
    claim.release().unwrap();
    assert!(yes(store.claim("d", &worker("b"), &live)).is_some());
    assert!(store.attempts().unwrap().is_empty());
}

#[test]
fn the_claim_of_a_worker_that_is_gone_is_void_and_its_attempt_is_noted() {
    let (_folder, store) = store();
    let gone = Live::new(&["b"]);
    yes(store.claim("d", &worker("a"), &Live::new(&["a"]))).unwrap();
    let place = store.workplace("d", "a").unwrap();
    fs::write(place.join("futon.log"), "how far it came").unwrap();
    let claim = yes(store.claim("d", &worker("b"), &gone)).unwrap();
    let attempts = store.attempts().unwrap();
    assert_eq!((attempts.len(), attempts[0].worker.as_str()), (1, "a"));
    assert!(!place.exists() && store.root().join("attempts/d/futon.log").exists());
    claim.release().unwrap();
    assert_eq!(names_in(&store.claims()).unwrap(), [""; 0], "the void one is gone, too");
}

#[test]
fn a_cell_with_a_result_is_not_claimed() {
    let (_folder, store) = store();
    let (cell, _) = put(&store, "f", "passed");
    assert!(matches!(store.claim(&cell.digest, &worker("a"), &Live::new(&[])).unwrap(), Claimed::Done));
    assert_eq!(names_in(&store.claims()).unwrap(), [""; 0]);
}

/// Six workers claim the same cells, each of which a dead one had; nobody may have one beside another.
#[test]
fn no_two_have_a_cell_at_once() {
    let (_folder, store) = store();
    let names: Vec<String> = (0..6).map(|n| format!("w{n}")).collect();
    let live = Live::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for cell in 0..8 {
        yes(store.claim(&format!("d{cell}"), &worker("dead"), &Live::new(&["dead"]))).unwrap();
    }
    let holders: Vec<AtomicUsize> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for name in &names {
            let (store, live, holders, taken) = (&store, &live, &holders, &taken);
            scope.spawn(move || {
                for _ in 0..10 {
                    for (cell, holder) in holders.iter().enumerate() {
                        let Some(claim) = yes(store.claim(&format!("d{cell}"), &worker(name), live)) else { continue };
                        assert_eq!(holder.fetch_add(1, Ordering::SeqCst), 0, "d{cell}");
                        std::thread::yield_now();
                        holder.fetch_sub(1, Ordering::SeqCst);
                        taken.fetch_add(1, Ordering::SeqCst);
                        claim.release().unwrap();
                    }
                }
            });
        }
    });
    assert!(taken.into_inner() >= 8);
}

#[test]
fn this_process_is_there_and_one_with_its_number_is_not() {
    let this = Worker::this("run");
    assert_eq!(this.process_is_there(&this), Some(true));
    let later = Worker { began: this.began + 1, ..this.clone() };
    assert_eq!(later.process_is_there(&this), Some(false));
    let elsewhere = Worker { host: "elsewhere".into(), ..this.clone() };
    assert_eq!(elsewhere.process_is_there(&this), None);
}
