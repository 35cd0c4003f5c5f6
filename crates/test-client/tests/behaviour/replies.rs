//! Replies: right, wrong, errors, none.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Status;

use crate::{
    client::{FIBONACCI, client, fibonacci},
    server::{Deed, Server},
};

#[test]
fn right_replies() {
    let server = Server::start(|path, call, text| {
        assert_eq!(path, "/fibonacci.Greeter/SayHello");
        fibonacci(path, call, text)
    });
    let run = client(server.port, "-function-name fibonacci-go -n 20 -w 3 -input 5 -v");
    assert_eq!(run.code, 0, "{}", run.log);
    assert_eq!(server.calls(), 24);
    assert_eq!(run.stdout, "");
    let messages: Vec<_> = run
        .log
        .lines()
        .map(|line| line.split_once(" msg=").unwrap().1)
        .filter(|line| !line.starts_with("\"Invocation "))
        .collect();
    let reply = "fn: Fib: y = fib(x) | x: 5 y: 5 | runtime: GoLang";
    let expected = format!(
        "\"-- Invokation test --\"\n\"Tracing is disabled.\"\n\"Found fibonacci client\"\n\
         \"Connect to  0.0.0.0:{}\"\n\"Connection established.\\n\"\n\"Greeting: {reply}\"\n\
         \"Invoke functions 3 times for warming\"\n\"Invoked for 0 times\\n\"\n\
         \"Invoked for 4 times\\n\"\n\"Invoked for 8 times\\n\"\n\"Invoked for 12 times\\n\"\n\
         \"Invoked for 16 times\\n\"\n\"Finished invoking: {reply}\"\n\
         \"SUCCESS: Calling functions for 20 times\"",
        server.port
    );
    assert_eq!(messages.join("\n"), expected);
    assert!(run.log.contains(&format!("level=debug msg=\"Invocation 19: {reply}\"")));

    let mut report = run.report;
    for (key, kind) in [("seed", "number"), ("connect_ms", "number"), ("latency_ms", "object")] {
        let taken = report.as_object_mut().unwrap().remove(key).unwrap();
        assert!(if kind == "number" { taken.is_number() } else { taken.is_object() }, "{key}");
    }
    let latencies = report.as_object_mut().unwrap().remove("latencies_ms").unwrap();
    assert!(latencies.as_array().unwrap().iter().all(|ms| ms.as_f64().unwrap() > 0.0));
    assert_eq!(latencies.as_array().unwrap().len(), 20);
    let histogram = report.as_object_mut().unwrap().remove("histogram").unwrap();
    let counted: u64 = histogram.as_array().unwrap().iter().map(|b| b["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 20);
    assert_eq!(
        report,
        json!({
            "schema": "futon.client/1", "function": "fibonacci-go", "service": "fibonacci",
            "method": "SayHello", "planned": 20, "verified": 20, "failed": 0, "not_made": 0,
            "warmup": {"planned": 3, "verified": 3, "failed": 0},
            "greeting": "verified", "first_failure": null
        })
    );
}

#[test]
fn a_wrong_reply() {
    let server = Server::start(|_, _, _| Deed::Reply("fn: Fib: y = fib(x) | x: 1 y: 2 | runtime: GoLang".to_owned()));
    let run = client(server.port, FIBONACCI);
    assert_eq!(run.code, 1, "{}", run.log);
    assert!(!run.log.contains("SUCCESS"), "{}", run.log);
    assert!(run.log.contains("level=error msg=\"FAIL: 7 of 7 calls failed: call 1 (greeting)"));
    assert_eq!(run.report["failed"], 6);
    assert_eq!(run.report["greeting"], "failed");
    assert_eq!(run.report["latencies_ms"], json!([null, null, null, null, null, null]));
    assert_eq!(run.report["latency_ms"], Value::Null);
}

#[test]
fn right_for_three_calls_then_wrong() {
    let server = Server::start(|path, call, text| {
        if call > 3 { Deed::Reply("SUCCESS: Calling functions".to_owned()) } else { fibonacci(path, call, text) }
    });
    let run = client(server.port, FIBONACCI);
    assert_eq!(run.code, 1, "{}", run.log);
    assert!(!run.log.contains("msg=\"SUCCESS"), "{}", run.log);
    assert!(run.log.contains("level=error msg=\"call 4 (invocation 3)"), "{}", run.log);
    assert_eq!((&run.report["verified"], &run.report["failed"]), (&json!(2), &json!(4)));
    let first = &run.report["first_failure"];
    assert_eq!(first["call"], 4);
    assert_eq!(first["invocation"], 3);
    assert_eq!((&first["phase"], &first["kind"]), (&json!("measured"), &json!("wrong_reply")));
    assert_eq!(first["got"], "SUCCESS: Calling functions");
    assert!(first["expected"].as_str().unwrap().contains("x: 1 y: 1 | runtime: GoLang"));
    assert_eq!(first["status"], Value::Null);
}

#[test]
fn dies_after_three_calls() {
    let server = Server::start(|path, call, text| if call > 3 { Deed::Die } else { fibonacci(path, call, text) });
    let run = client(server.port, FIBONACCI);
    assert_eq!(run.code, 1, "{}", run.log);
    let report = &run.report;
    assert_eq!((&report["verified"], &report["failed"], &report["not_made"]), (&json!(2), &json!(2), &json!(2)));
    let first = &report["first_failure"];
    assert_eq!((&first["call"], &first["kind"]), (&json!(4), &json!("rpc_error")));
    assert_eq!(first["status"], "UNAVAILABLE", "{}", run.log);
    assert!(run.log.contains("2 calls not made"), "{}", run.log);
    assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
}

#[test]
fn hangs_on_the_fifth_call() {
    let server = Server::start(|path, call, text| if call == 5 { Deed::Hang } else { fibonacci(path, call, text) });
    let run = client(server.port, &format!("{FIBONACCI} -timeout 300ms"));
    assert_eq!(run.code, 4, "{}", run.log);
    assert_eq!(server.calls(), 5);
    let report = &run.report;
    assert_eq!((&report["verified"], &report["failed"], &report["not_made"]), (&json!(3), &json!(1), &json!(2)));
    let first = &report["first_failure"];
    assert_eq!((&first["invocation"], &first["kind"]), (&json!(4), &json!("deadline")));
    assert!(run.took < Duration::from_secs(4), "{:?}", run.took);
}

#[test]
fn an_error_status() {
    let server = Server::start(|path, call, text| match call {
        3 => Deed::Fail(Status::unknown("Exception calling application: boom")),
        _ => fibonacci(path, call, text),
    });
    let run = client(server.port, FIBONACCI);
    assert_eq!(run.code, 1, "{}", run.log);
    assert!(run.log.contains("level=warning msg=\"Fail to invoke: call 3 (invocation 2)"));
    assert!(run.log.contains("status UNKNOWN: Exception calling application: boom"));
    let first = &run.report["first_failure"];
    assert_eq!((&first["kind"], &first["status"]), (&json!("rpc_error"), &json!("UNKNOWN")));
    assert_eq!((&run.report["verified"], &run.report["failed"]), (&json!(5), &json!(1)));
}

#[test]
fn the_wrong_service() {
    // What the seed's client takes for a success.
    let server = Server::start(|_, _, _| Deed::Fail(Status::unimplemented("unknown service")));
    let run = client(server.port, "-n 3");
    assert_eq!(run.code, 1, "{}", run.log);
    assert!(run.log.contains("level=error msg=\"Fail to send request: "), "{}", run.log);
    assert!(run.log.contains("msg=\"Greeting: \""), "{}", run.log);
    assert_eq!(run.report["first_failure"]["status"], "UNIMPLEMENTED");
}

#[test]
fn the_other_services() {
    let server = Server::start(|path, _, text| {
        assert_eq!(text, "A unique message");
        Deed::Reply(match path {
            "/aes.Aes/ShowEncryption" => "fn: AES | plaintext: A unique message | ciphertext: \
                 fd4b8dc72677cafa719c946be09d1bb8 | runtime: golang"
                .to_owned(),
            "/auth.Greeter/SayHello" => "Unauthorized".to_owned(),
            "/helloworld.Greeter/SayHello" => format!("Hello {text}"),
            _ => panic!("{path}"),
        })
    });
    for (function, code) in [
        ("aes", 0),
        ("aes-go", 0),
        ("aes-python", 1),
        ("auth", 0),
        ("auth-python", 0),
        ("auth-go", 1),
        ("helloworld", 0),
    ] {
        let run = client(server.port, &format!("-function-name {function} -n 2"));
        assert_eq!(run.code, code, "{function}: {}", run.log);
        assert_eq!(run.log.contains("SUCCESS: Calling functions for 2 times"), code == 0);
        assert_eq!(run.report["function"], function);
    }
}
