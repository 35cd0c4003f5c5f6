//! Load by the real binary, against servers in this process.

use std::{
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use calls::{Declaration, LoadReplies, Options, Sheet, Source};
use serde_json::Value;
use tonic::Status;

use crate::{
    client::{command, fibonacci},
    server::{Deed, Port, Server},
    tls::{before, file},
};

/// Runs the binary: its JSON, its exit status, what it logged.
fn json(mut command: Command) -> (Value, i32, String) {
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {log}", String::from_utf8_lossy(&output.stdout)));
    (report, output.status.code().unwrap(), log)
}

fn load(port: u16, flags: &str) -> (Value, i32, String) {
    let mut command = command("-load -json -connect-timeout 2s -function-name fibonacci-go -duration 300ms");
    command.args(["-port", &port.to_string()]).args(flags.split_whitespace());
    json(command)
}

#[test]
fn a_closed_loop_verifies_every_reply() {
    let server = Server::start(fibonacci);
    let (report, code, log) = load(server.port, "-connections 2 -concurrency 8 -warmup 100ms -genType linear -n 5");
    assert_eq!((code, report["schema"].as_str().unwrap()), (0, "futon.load/1"), "{report} {log}");
    let count = |key: &str| report[key].as_u64().unwrap();
    assert!(count("verified") > 20 && count("warmup_verified") > 5, "{report}");
    assert_eq!((count("failed"), count("distinct_replies"), count("connections")), (0, 5, 2), "{report}");
    assert_eq!(count("verified") + count("warmup_verified"), server.calls(), "{report}");
    let per_s = report["verified"].as_f64().unwrap() / report["duration_s"].as_f64().unwrap();
    assert!((report["verified_per_s"].as_f64().unwrap() - per_s).abs() < 0.01, "{report}");
    let latency = &report["latency_ms"];
    assert!(latency["p50"].as_f64().unwrap() <= latency["p99"].as_f64().unwrap(), "{report}");
}

#[test]
fn one_wrong_reply_of_many_fails_the_load_and_is_shown() {
    let server = Server::start(|path, call, text| {
        if call == 20 {
            Deed::Reply("fn: Fib: y = fib(x) | x: 1 y: 2 | runtime: GoLang".into())
        } else {
            fibonacci(path, call, text)
        }
    });
    let (report, code, _) = load(server.port, "-concurrency 4");
    assert_eq!(
        (code, &report["failed"], &report["errors"]["wrong reply"]),
        (1, &Value::from(1), &Value::from(1)),
        "{report}"
    );
    let failure = &report["first_failure"];
    assert!(
        failure["got"].as_str().unwrap().contains("y: 2") && failure["expected"].as_str().unwrap().contains("y: 1"),
        "{failure}"
    );
}

#[test]
fn errors_are_counted_by_their_status() {
    let server = Server::start(|path, call, text| match call % 10 {
        3 => Deed::Fail(Status::unavailable("not now")),
        7 => Deed::Fail(Status::internal("ouch")),
        _ => fibonacci(path, call, text),
    });
    let (report, code, _) = load(server.port, "-concurrency 4");
    let errors = |name: &str| report["errors"][name].as_u64().unwrap();
    let (some, others, calls) = (errors("UNAVAILABLE"), errors("INTERNAL"), server.calls());
    assert!(code == 1 && some.abs_diff(calls / 10) <= 1 && others.abs_diff(calls / 10) <= 1, "{report}");
    assert_eq!(report["failed"].as_u64().unwrap(), some + others, "{report}");
}

#[test]
fn a_server_that_dies_ends_the_load_and_one_that_never_was_is_status_3() {
    let server = Server::start(|path, call, text| if call == 30 { Deed::Die } else { fibonacci(path, call, text) });
    let (report, code, _) = load(server.port, "-concurrency 4 -duration 20s");
    assert_eq!(code, 1, "{report}");
    assert!(report["ended_early"].as_str().unwrap().contains("reconnecting failed"), "{report}");
    assert!(
        report["errors"]["UNAVAILABLE"].as_u64().unwrap() >= 1 && report["duration_s"].as_f64().unwrap() < 15.0,
        "{report}"
    );
    let port = Port::new();
    let (report, code, log) = load(port.number, "-connect-timeout 200ms");
    assert_eq!((code, &report["verified"]), (3, &Value::from(0)), "{report} {log}");
}

#[test]
fn a_call_that_hangs_is_given_up_and_the_others_go_on() {
    let server = Server::start(|path, call, text| if call == 5 { Deed::Hang } else { fibonacci(path, call, text) });
    let (report, code, _) = load(server.port, "-concurrency 4 -timeout 100ms");
    assert_eq!(
        (code, &report["errors"]["deadline"], &report["failed"]),
        (1, &Value::from(1), &Value::from(1)),
        "{report}"
    );
    assert!(report["verified"].as_u64().unwrap() > 20, "{report}");
}

/// Declared calls: what the host makes of what came, and the client's exit status.
fn declared(port: u16, calls: &str, flags: &str) -> (Vec<String>, LoadReplies, i32) {
    const SCHEMA: &str = "syntax = \"proto3\"; package fibonacci; message Text { string text = 1; } \
                          service Greeter { rpc SayHello(Text) returns (Text); }";
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("f.proto"), SCHEMA).unwrap();
    let text = format!("schema: {{proto: [f.proto]}}\ncalls: {calls}\n");
    let declaration = Declaration::parse(&text, &Source::default()).unwrap();
    let sheet = Sheet::resolve(declaration, folder.path(), &Options::default()).unwrap();
    std::fs::write(path("calls.bin"), sheet.encode().unwrap().to_bytes()).unwrap();
    let mut command = command("-load -json -connect-timeout 2s -duration 300ms -concurrency 4");
    command.args(["-port", &port.to_string(), "-calls"]).arg(path("calls.bin")).arg("-report").arg(path("load.bin"));
    command.args(flags.split_whitespace());
    let (report, code, log) = json(command);
    let replies = LoadReplies::from_bytes(&std::fs::read(path("load.bin")).unwrap()).unwrap();
    assert_eq!((&report["verified"], &report["failed"]), (&Value::from(0), &Value::from(0)), "the host judges: {log}");
    assert_eq!(serde_json::from_str::<Value>(&replies.report).unwrap()["duration_s"], report["duration_s"]);
    let why =
        sheet.judge_load(&replies).into_iter().map(|v| v.reason.map_or_else(|| "right".into(), |r| r.words)).collect();
    (why, replies, code)
}

#[test]
fn declared_calls_go_round_and_each_distinct_reply_comes_back_once() {
    let server =
        Server::start(|_, call, text| Deed::Reply(if call == 40 { "no".into() } else { format!("is {text}") }));
    let calls = "[{call: fibonacci.Greeter/SayHello, times: 3, data: {text: 'n{{n}}'}, expect: {text: 'is n{{n}}'}}]";
    let (why, replies, code) = declared(server.port, calls, "");
    assert_eq!(code, 0, "the client has no opinion");
    assert_eq!((why.iter().filter(|why| *why == "right").count(), why.len()), (3, 4), "{why:?}");
    let wrong = why.iter().find(|why| *why != "right").unwrap();
    assert!(wrong.contains("expected \"is n") && wrong.contains("got \"no\""), "{wrong}");
    let counted: u64 = replies.counted.iter().map(|counted| counted.measured).sum();
    assert_eq!((counted, replies.beyond.len()), (server.calls(), 0));
}

#[test]
fn a_load_goes_over_tls_to_who_has_the_certificate() {
    let server = Server::start(fibonacci);
    let port = before(server.port, "own");
    let calls = |ca: &str| {
        let ca = file(ca).display().to_string();
        format!(
            "[{{call: fibonacci.Greeter/SayHello, data: {{text: '5'}}, expect: {{oracle: fibonacci-go}}}}]\ntls: {{ca: {ca}}}"
        )
    };
    let (why, replies, code) = declared(port, &calls("own.pem"), "");
    assert_eq!((why, code), (vec!["right".to_owned()], 0), "{}", replies.not_connected);
    assert!(replies.counted[0].measured > 20 && replies.counted[0].measured == server.calls());
    let (_, replies, code) = declared(port, &calls("authority.pem"), "-connect-timeout 300ms");
    assert!(code == 3 && replies.not_connected.contains("invalid peer certificate"), "{}", replies.not_connected);
}

#[test]
fn more_different_replies_than_are_kept_are_counted_as_such() {
    let server = Server::start(|_, call, _| Deed::Reply(call.to_string()));
    let calls = "[{call: fibonacci.Greeter/SayHello, expect: {status: OK}}]";
    let (why, replies, _) = declared(server.port, calls, "");
    let beyond: u64 = replies.beyond.iter().map(|beyond| beyond.measured).sum();
    assert_eq!((why.len(), beyond), (16, server.calls() - 16));
}

#[test]
fn http_calls_are_loaded_over_connections_that_servers_keep_or_close() {
    for close in [false, true] {
        let (port, served) = http(close);
        let calls = "[{http: POST /fn, json: {a: 1}, expect: {status: 200, equals: {b: 2}}}]";
        let (why, replies, code) = declared(port, calls, "-duration 200ms");
        assert_eq!((why, code), (vec!["right".to_owned()], 0), "close: {close}");
        assert!(replies.counted[0].measured > 8 && replies.counted[0].measured <= served.load(Ordering::SeqCst));
    }
}

/// A server of HTTP/1.1 for as long as the process lives.
fn http(close: bool) -> (u16, std::sync::Arc<AtomicU64>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, served) = (listener.local_addr().unwrap().port(), std::sync::Arc::new(AtomicU64::new(0)));
    let counter = std::sync::Arc::clone(&served);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, counter) = (stream.unwrap(), std::sync::Arc::clone(&counter));
            std::thread::spawn(move || {
                let (mut text, mut buffer) = (String::new(), [0; 4096]);
                while let Ok(got @ 1..) = stream.read(&mut buffer) {
                    text.push_str(&String::from_utf8_lossy(&buffer[..got]));
                    if !text.ends_with("{\"a\":1}") {
                        continue;
                    }
                    text.clear();
                    counter.fetch_add(1, Ordering::SeqCst);
                    let how = if close { "close" } else { "keep-alive" };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nConnection: {how}\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{{\"b\": 2}}\r\n0\r\n\r\n"
                    );
                    if stream.write_all(answer.as_bytes()).is_err() || close {
                        return;
                    }
                }
            });
        }
    });
    (port, served)
}

/// From when to when the server of the next test stands still, from its first call on.
const STALL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// A stall of the server shows in the latencies of an open loop, for each call that was due in it; a closed loop, which sends nothing
/// while it waits, hides it (coordinated omission).
#[test]
fn an_open_loop_tells_the_truth_about_a_stall_where_a_closed_loop_lies() {
    // 20 calls a second for 6 s. A call that is due in the stall waits for its end, the others take next to nothing.
    let (begin, end) = (STALL.0.as_secs_f64() * 1000.0, STALL.1.as_secs_f64() * 1000.0);
    let due = (0..120_u32).map(|n| f64::from(n) * 50.0);
    let mut truth: Vec<f64> = due.map(|due| if (begin..end).contains(&due) { end - due } else { 0.0 }).collect();
    truth.sort_by(f64::total_cmp);
    let truth = [("p90", truth[107]), ("p99", truth[118]), ("max", truth[119])];
    assert_eq!(truth.map(|(_, ms)| ms), [2400.0, 2950.0, 3000.0]);
    let run = |flags: &str| {
        let server = Server::start(stalling);
        BEGIN.store(0, Ordering::SeqCst);
        load(server.port, flags)
    };
    let off = |report: &Value| {
        let off = truth.map(|(name, wanted)| (report["latency_ms"][name].as_f64().unwrap() - wanted).abs() / wanted);
        off.into_iter().fold(0.0, f64::max)
    };
    // What else the machine does may delay a run, and three in a row hardly.
    let mut tries = (0..3).map(|_| run("-duration 6s -rate 20 -timeout 10s"));
    let (open, code, log) =
        tries.find(|(report, ..)| off(report) <= 0.02).unwrap_or_else(|| run("-duration 6s -rate 20 -timeout 10s"));
    assert_eq!((code, &open["verified"], &open["not_sent"]), (0, &Value::from(120), &Value::from(0)), "{open} {log}");
    assert!(off(&open) <= 0.02, "{truth:?} is the truth: {open}");

    let (closed, code, _) = run("-duration 5s -concurrency 1 -timeout 10s");
    assert_eq!(code, 0, "{closed}");
    let latency = |name: &str| closed["latency_ms"][name].as_f64().unwrap();
    assert!(latency("p99") < 300.0 && latency("max") > 2700.0, "it saw the stall in one call of many: {closed}");
}

/// Milliseconds of the process's clock at which the first call came.
static BEGIN: AtomicU64 = AtomicU64::new(0);

/// Blocks the server's only thread: nothing is read or written meanwhile.
fn stalling(path: &str, call: u64, text: &str) -> Deed {
    use std::sync::OnceLock;
    static CLOCK: OnceLock<Instant> = OnceLock::new();
    let now = CLOCK.get_or_init(Instant::now).elapsed() + Duration::from_millis(1);
    let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap();
    if call == 1 {
        BEGIN.store(millis(now), Ordering::SeqCst);
    }
    let since = now.saturating_sub(Duration::from_millis(BEGIN.load(Ordering::SeqCst)));
    if (STALL.0..STALL.1).contains(&since) {
        std::thread::sleep(STALL.1 - since);
    }
    fibonacci(path, call, text)
}
