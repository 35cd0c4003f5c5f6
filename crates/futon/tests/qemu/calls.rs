//! Declared calls in real machines: what is right passes on both bases, one thing changed fails and is named.

use std::fs;

use crate::real::Bench;

/// fibonacci-go by declared calls.
fn declared(bench: &Bench, expected: &str) -> String {
    let proto = crate::real::root().join("functions/proto/fibonacci.proto");
    let path = bench.path("fib.calls.yaml");
    let text = format!(
        "schema: {{proto: [{}]}}\ncalls:\n  - call: fibonacci.Greeter/SayHello\n    data: {{name: \"10\"}}\n    times: 3\n    \
         expect: {{oracle: fibonacci-go}}\n  - call: fibonacci.Greeter/SayHello\n    data: {{name: \"{{{{n}}}}\"}}\n    \
         expect:\n      matches: {{.message: \"{expected}\"}}\n      cel: [\"reply.message.contains('GoLang')\"]\n",
        proto.display()
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn declared_calls_pass_with_full_proof_and_a_wrong_expectation_is_named() {
    let bench = Bench::new();
    for base in ["docker", "lean"] {
        let right = declared(&bench, "x: 3 y: 2 ");
        let run = bench.test(&["fibonacci-go", "--base", base, "--calls", &right]);
        let function = &run.report["functions"][0];
        assert_eq!((run.code, function["proof"].as_str()), (Some(0), Some("full")), "{base}: {}", run.all());
        assert_eq!(function["invocations"]["verified"], 4, "{base}: {}", run.all());
    }
    let wrong = declared(&bench, "x: 3 y: 3 ");
    let run = bench.test(&["fibonacci-go", "--base", "lean", "--calls", &wrong]);
    let verdict = &run.report["functions"][0]["verdict"];
    assert_eq!((run.code, verdict["code"].as_str()), (Some(1), Some("wrong_reply")), "{}", run.all());
    let why = verdict["why"].as_str().unwrap();
    assert!(why.contains("invocation 4 of 4") && why.contains("/x: 3 y: 3 /") && why.contains("y: 2"), "{why}");
}

/// futon's own samples: streams, metadata, statuses, HTTP, CloudEvents, Lambda, files, companions.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn all_samples_pass_on_both_bases() {
    let bench = Bench::new();
    let file = crate::real::root().join("functions/samples.yaml").display().to_string();
    let names = ["stream-go", "units-rust", "http-python", "lambda-python", "shop-go", "cached-go"];
    for base in ["docker", "lean"] {
        let mut arguments = names.to_vec();
        arguments.extend(["--functions", &file, "--base", base]);
        let run = bench.test(&arguments);
        assert_eq!(run.code, Some(0), "{base}: {}", run.all());
        for (at, name) in names.iter().enumerate() {
            let function = &run.report["functions"][at];
            assert_eq!(
                (function["name"].as_str(), function["proof"].as_str()),
                (Some(*name), Some("full")),
                "{base}: {}",
                run.all()
            );
        }
    }
    bench.nothing_left();
}

/// A compose file whose function depends on nothing and calls another service; `more` is a service besides.
fn whole(bench: &Bench, more: &str) -> String {
    let proto = crate::real::root().join("functions/proto/squares.proto");
    let path = bench.path("whole.yaml");
    let text = format!(
        r#"services:
  front:
    image: futon/cached-go:latest
    ports: ["50000:50051"]
    x-futon:
      schema: {{proto: [{}]}}
      calls:
        - {{call: squares.Squares/Get, data: {{number: 7}}, times: 2, expect: {{cel: [reply.square == 49]}}}}
        - {{call: squares.Squares/Get, data: {{number: 7}}, expect: {{equals: {{square: 49, cached: true}}}}}}
  cache: {{image: "futon/memcached:latest"}}
  fill: {{image: "futon/cached-go:latest", command: ["-fill=3"]}}
  behind: {{image: "futon/cached-go:latest", depends_on: [front]}}
{more}"#,
        proto.display()
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_whole_file_starts_and_none_of_its_services_may_fail() {
    let bench = Bench::new();
    for base in ["docker", "lean"] {
        let file = whole(&bench, "");
        let run = bench.test(&["front", "--whole", "--functions", &file, "--base", base]);
        let function = &run.report["functions"][0];
        assert_eq!((run.code, function["proof"].as_str()), (Some(0), Some("full")), "{base}: {}", run.all());
        let mut beside: Vec<_> =
            function["companions"].as_array().unwrap().iter().map(|c| c["service"].as_str().unwrap()).collect();
        beside.sort_unstable();
        assert_eq!(beside, ["behind", "cache", "fill"], "{base}: {}", run.all());
        let file = whole(&bench, "  dies: {image: \"futon/cached-go:latest\", command: [\"-nonsense\"]}\n");
        let run = bench.test(&["front", "--whole", "--functions", &file, "--base", base]);
        let verdict = run.verdict(0);
        assert_eq!((run.code, verdict["code"].as_str()), (Some(1), Some("companion_failed")), "{base}: {}", run.all());
        assert!(verdict["why"].as_str().unwrap().contains("dies exited with status 2"), "{base}: {verdict}");
    }
    // Without the others it has nobody to call.
    let file = whole(&bench, "");
    let run = bench.test(&["front", "--functions", &file, "--base", "lean"]);
    assert_eq!((run.code, run.verdict(0)["code"].as_str()), (Some(1), Some("call_failed")), "{}", run.all());
    bench.nothing_left();
}

/// A function that prints through its own output opened anew, as shells do for `> /dev/stderr`, and asks for its neighbours by name.
const ENTRY: &str = r#"
import os, socket, stat
print('first', flush=True)
with open('/dev/stderr', 'w') as own: own.write('second\n')
if stat.S_ISFIFO(os.stat('/dev/stdout').st_mode): print('a pipe')
def of(name):
    try: return sorted({i[4][0] for i in socket.getaddrinfo(name, None, socket.AF_INET)})
    except OSError: return []
here = of('db')
print('host', of('dbhost') == here != [], 'long', of('db.names_default') == here, 'fixed', of('cache'), 'other', of('apart'))
about = os.stat('/run/secrets/s')
print(f'secret {about.st_uid}:{about.st_gid} {about.st_mode & 0o777:o}', flush=True)
os.execvp('python', ['python', '/app/server.py', '--addr=0.0.0.0', '--port=50051'])
"#;

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_a_function_prints_and_whom_it_finds_is_the_same_on_both_bases() {
    let bench = Bench::new();
    let path = bench.path("names.yaml");
    let text = serde_json::json!({
        "name": "names",
        "services": {
            "fn": {
                "image": "vhiveease/fibonacci-python:latest",
                "entrypoint": ["python", "-c", ENTRY],
                "ports": ["50000:50051"],
                "depends_on": ["db", "cache", "apart", "loop"],
                "extra_hosts": ["cache:192.0.2.7"],
                "secrets": [{"source": "s", "uid": "1000", "gid": "7", "mode": 0o440}],
                "x-futon": {"client": "fibonacci-python", "checks": [
                    {"file": "container.log", "must_match": "^first$", "level": "fail"},
                    {"file": "container.log", "must_match": "^a pipe$", "level": "fail"},
                    {"file": "container.log", "must_match": "^second$", "level": "fail"},
                    {"file": "container.log", "must_match": "^host True long True fixed \\['192.0.2.7'\\] other \\[\\]$", "level": "fail"},
                    {"file": "container.log", "must_match": "^secret 1000:7 440$", "level": "fail"},
                ]},
            },
            "db": {"image": "futon/memcached:latest", "hostname": "dbhost"},
            "cache": {"image": "futon/memcached:latest"},
            "apart": {"image": "futon/memcached:latest", "network_mode": "bridge"},
            "loop": {"image": "futon/cached-go:latest", "command": ["-nonsense"], "restart": "always"},
        },
        "secrets": {"s": {"environment": "PATH"}},
    });
    fs::write(&path, text.to_string()).unwrap();
    for base in ["lean", "docker"] {
        let run = bench.test(&["fn", "--functions", &path.display().to_string(), "--base", base, "-n", "2"]);
        assert_eq!((run.code, run.report["functions"][0]["proof"].as_str()), (Some(0), Some("full")), "{}", run.all());
        let remarks = run.report["functions"][0]["remarks"].to_string();
        // On a busy host an emulated engine may take seconds to start what ends at once.
        assert!(
            remarks.contains("the service loop keeps exiting") || remarks.contains("loop ended and was started again"),
            "{base}: {remarks}"
        );
    }
    bench.nothing_left();
}
