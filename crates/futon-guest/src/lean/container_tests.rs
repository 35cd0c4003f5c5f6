//! Containers as run scripts see them.

use super::*;
use crate::lean::bundle::End;

#[test]
fn restarts_are_known_while_a_container_is_waited_for() {
    use ready::Subject as _;

    let folder = std::env::temp_dir().join(format!("futon-restarts-{}", std::process::id()));
    let mut waited_for = Supervised::of(Record::in_folder(folder.clone()));
    waited_for.record.create().unwrap();
    assert_eq!(waited_for.facts().unwrap(), ready::Facts::default());
    waited_for.record.add_restart(1).unwrap();
    waited_for.record.add_restart(7).unwrap();
    let facts = waited_for.facts().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!((facts.restarts, facts.last_status), (2, Some(7)));
}

#[test]
fn all_of_a_log_is_looked_at_once_its_lines_are_whole() {
    use ready::Subject as _;

    let folder = std::env::temp_dir().join(format!("futon-looked-at-{}", std::process::id()));
    let mut waited_for = Supervised::of(Record::in_folder(folder.clone()));
    waited_for.record.create().unwrap();
    let mut log = File::options().create(true).append(true).open(waited_for.record.log()).unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let wanted = |line: &str| {
        seen.borrow_mut().push(line.to_owned());
        line == "serving"
    };
    let mut looks_behind = |text: &str| {
        log.write_all(text.as_bytes()).unwrap();
        waited_for.has_line(&wanted).unwrap()
    };
    let much = "x\n".repeat(1 << 20);
    assert!(!looks_behind(&much) && !looks_behind("serv") && !looks_behind("ing"));
    assert!(looks_behind("\n"));
    std::fs::remove_dir_all(folder).unwrap();
    // No line twice.
    assert_eq!(seen.borrow().len(), (1 << 20) + 1);
}

#[test]
fn a_log_that_was_cut_says_so() {
    let folder = std::env::temp_dir().join(format!("futon-cut-{}", std::process::id()));
    let record = Record::in_folder(folder.clone());
    record.create().unwrap();
    std::fs::write(record.log(), "hello\n").unwrap();
    let saved = |limit: u64| {
        let mut out = Vec::new();
        let why = write_log_of(&record, limit, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), why)
    };
    assert_eq!(saved(6), ("hello\n".to_owned(), None));
    let why = "it was cut after 4 bytes";
    assert_eq!(saved(4), (format!("hell{}", not_whole(why)), Some(why.to_owned())));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_containers_state_is_reported_in_the_engines_words() {
    let folder = std::env::temp_dir().join(format!("futon-state-{}", std::process::id()));
    let record = Record::in_folder(folder.clone());
    record.create().unwrap();
    let state = |status: &str, exit_code: Option<i64>, restarts: u64, last_exit: Option<i64>| {
        let (name, status) = ("f".to_owned(), status.to_owned());
        GuestEvent::ContainerState { name, status, exit_code, oom_killed: false, restarts, last_exit }
    };
    assert_eq!(state_of(&record, "f"), state("created", None, 0, None));
    std::fs::write(record.pid_file(), std::process::id().to_string()).unwrap();
    assert_eq!(state_of(&record, "f"), state("running", None, 0, None));
    record.add_restart(3).unwrap();
    assert_eq!(state_of(&record, "f"), state("running", None, 1, Some(3)));
    // No process has a number as large as this: the last one has ended, and the next one is not there yet.
    std::fs::write(record.pid_file(), i32::MAX.to_string()).unwrap();
    assert_eq!(state_of(&record, "f"), state("restarting", None, 1, Some(3)));
    record.set_end(&End { status: 1, oom_killed: false, kernel_said: None }).unwrap();
    assert_eq!(state_of(&record, "f"), state("exited", Some(1), 1, Some(3)));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_kill_says_why() {
    assert_eq!(signal_words(15), "SIGTERM did not end it");
    assert_eq!(signal_words(37), "signal 37 did not end it");
    assert_eq!(signal_words(0), "its stop signal does not exist");
}
