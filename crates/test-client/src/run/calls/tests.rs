//! Runs over a scripted transport, with every mark written down.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::*;
use calls::oracle::find;
use futon_model::ClientReport as Report;

use futon_model::GenType;

use crate::{generate::Recipe, grpc::Reply, run::Verdict};

type Story = Rc<RefCell<Vec<String>>>;

/// Replies with what the story's script says for each call; writes down what happens.
struct Scripted(Story, fn(u64, &str) -> Result<String, CallError>, u64);

impl Transport for Scripted {
    async fn call(&mut self, text: &str, _limit: Duration) -> Result<Reply, CallError> {
        self.2 += 1;
        self.0.borrow_mut().push(format!("call {text}"));
        (self.1)(self.2, text).map(|text| Reply { text, took: Duration::from_millis(self.2) })
    }
}

struct Recorder(Story);

impl Marks for Recorder {
    fn point(&self, code: i32) {
        self.0.borrow_mut().push(format!("point {code}"));
    }
    fn measuring(&self) {
        self.0.borrow_mut().push("measuring".to_owned());
    }
    fn begin(&self, work_item: u64) {
        self.0.borrow_mut().push(format!("begin {work_item}"));
    }
    fn end(&self, work_item: u64) {
        self.0.borrow_mut().push(format!("end {work_item}"));
    }
}

fn right(_call: u64, text: &str) -> Result<String, CallError> {
    let y = match text {
        "1" | "2" => "1",
        "3" => "2",
        "4" => "3",
        _ => "5",
    };
    Ok(format!("fn: Fib: y = fib(x) | x: {text} y: {y} | runtime: GoLang"))
}

fn lost() -> CallError {
    CallError::Status { code: "UNAVAILABLE", message: "gone".to_owned() }
}

fn play(
    (warmups, measured): (u64, u64),
    verify: bool,
    script: fn(u64, &str) -> Result<String, CallError>,
) -> (Vec<String>, Report, Verdict, String) {
    let function = find("fibonacci-go").unwrap();
    let (pause, limit) = (Duration::ZERO, Duration::from_secs(1));
    play_plan(&Plan { function, measured, warmups, pause, limit, verify, greets: true }, script)
}

fn play_plan(
    plan: &Plan,
    script: fn(u64, &str) -> Result<String, CallError>,
) -> (Vec<String>, Report, Verdict, String) {
    let function = plan.function;
    let recipe =
        Recipe { service: function.service, gen_type: GenType::Linear, input: "1".to_owned(), lower: 1, upper: 100 };
    let story = Story::default();
    let mut tally = Tally::new(plan);
    let log = Log::open("/dev/null", false).unwrap();
    let mut transport = Scripted(Rc::clone(&story), script, 0);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(
        plan,
        &mut transport,
        &mut Generator::new(recipe, 0),
        &Recorder(Rc::clone(&story)),
        &log,
        &mut tally,
    ));
    let story = story.borrow().clone();
    (story, tally.report(&function, 0), tally.verdict(), tally.complaint())
}

#[test]
fn without_a_greeting_the_first_call_is_a_measured_one() {
    let function = find("fibonacci-go").unwrap();
    let (pause, limit) = (Duration::ZERO, Duration::from_secs(1));
    let plan = Plan { function, measured: 1, warmups: 0, pause, limit, verify: true, greets: false };
    let (story, report, verdict, _) = play_plan(&plan, right);
    assert_eq!(story, ["measuring", "begin 100", "call 1", "end 100"]);
    assert_eq!((report.greeting, report.verified, verdict), (futon_model::Greeting::None, 1, Verdict::Right));
    let (_, report, verdict, complaint) = play_plan(&plan, |_, _| Err(lost()));
    assert_eq!((report.verified, verdict), (0, Verdict::Wrong));
    assert!(complaint.starts_with("FAIL: 1 of 1 calls failed"), "{complaint}");
}

#[test]
fn marks_stand_around_the_measured_calls_only() {
    let (story, report, verdict, complaint) = play((2, 2), true, right);
    assert_eq!(
        story,
        [
            "call 1",
            "point 31",
            "call 2",
            "call 3",
            "point 32",
            "measuring",
            "begin 100",
            "call 4",
            "end 100",
            "begin 101",
            "call 5",
            "end 101"
        ]
    );
    assert_eq!((report.verified, report.warmup.verified, report.not_made), (2, 2, 0));
    assert_eq!((report.greeting.word(), verdict), ("verified", Verdict::Right));
    assert_eq!(report.latencies_ms, [Some(4.0), Some(5.0)]);
    assert_eq!(complaint, "");
}

#[test]
fn without_warm_up_there_are_no_points() {
    assert_eq!(play((0, 1), true, right).0, ["call 1", "measuring", "begin 100", "call 2", "end 100"]);
}

#[test]
fn a_failed_call_ends_its_work_item_and_the_run_goes_on() {
    let (story, report, verdict, complaint) =
        play((0, 3), true, |call, text| if call == 3 { Err(lost()) } else { right(call, text) });
    assert_eq!(story.iter().filter(|line| line.starts_with("end")).count(), 3);
    assert_eq!((report.verified, report.failed, report.not_made), (2, 1, 0));
    assert_eq!(report.latencies_ms, [Some(2.0), None, Some(4.0)]);
    assert_eq!(verdict, Verdict::Wrong);
    assert!(complaint.starts_with("FAIL: 1 of 4 calls failed: call 3 (invocation 2)"));
}

#[test]
fn a_lost_server_ends_the_run_at_the_second_call() {
    let (story, report, verdict, complaint) =
        play((3, 5), true, |call, text| if call > 2 { Err(lost()) } else { right(call, text) });
    assert_eq!(story, ["call 1", "point 31", "call 2", "call 3", "call 4"]);
    assert_eq!((report.warmup.verified, report.warmup.failed), (1, 2));
    assert_eq!((report.verified, report.failed, report.not_made), (0, 0, 5));
    assert_eq!(verdict, Verdict::Wrong);
    assert!(complaint.ends_with("; 5 calls not made"), "{complaint}");
}

#[test]
fn a_deadline_ends_the_run_at_once() {
    let (_, report, verdict, _) = play((0, 5), true, |call, text| match call {
        3 => Err(CallError::Deadline(Duration::from_secs(1))),
        _ => right(call, text),
    });
    assert_eq!((report.verified, report.failed, report.not_made), (1, 1, 3));
    assert_eq!(report.first_failure.unwrap().kind, Kind::Deadline);
    assert_eq!(verdict, Verdict::Deadline);
}

#[test]
fn wrong_replies_count_in_every_phase() {
    for bad in 1..=3 {
        let script: fn(u64, &str) -> _ = match bad {
            1 => |call, text| {
                if call == 1 { Ok(String::new()) } else { right(call, text) }
            },
            2 => |call, text| {
                if call == 2 { Ok("x".to_owned()) } else { right(call, text) }
            },
            _ => |call, text| {
                if call == 3 { Ok("y".to_owned()) } else { right(call, text) }
            },
        };
        let (_, report, verdict, _) = play((1, 1), true, script);
        let first = report.first_failure.unwrap();
        assert_eq!((first.call, first.kind, verdict), (bad, Kind::WrongReply, Verdict::Wrong));
        assert!(first.expected.unwrap().contains("runtime: GoLang"));
    }
}

#[test]
fn without_verification_nothing_is_verified() {
    let (_, report, verdict, _) = play((1, 2), false, |_, _| Ok("anything".to_owned()));
    assert_eq!((report.verified, report.warmup.verified, report.failed), (0, 0, 0));
    assert_eq!((report.greeting.word(), verdict), ("unverified", Verdict::Right));
    assert_eq!(report.latencies_ms.len(), 2);
}

#[test]
fn no_measured_calls_still_means_a_greeting() {
    let (story, report, verdict, _) = play((0, 0), true, right);
    assert_eq!(story, ["call 1"]);
    assert_eq!((report.planned, report.latency_ms, verdict), (0, None, Verdict::Right));
}
