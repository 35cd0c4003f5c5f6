//! What functions say of themselves, in real machines.

use std::path::Path;

use serde_json::Value;

use crate::real::{Bench, Run, root};

fn samples() -> String {
    root().join("functions/samples.yaml").display().to_string()
}

/// The program with resources of its own, in which nothing is known of any function.
fn run(bench: &Bench, resources: &Path, args: &[&str]) -> Run {
    Run::of(&bench.command(args).env("RESOURCES", resources).output().unwrap())
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_function_with_reflection_needs_no_schema_and_its_scaffold_passes() {
    for base in ["docker", "lean"] {
        let bench = Bench::new();
        let resources = bench.own_resources(&["described"]);
        let (file, out) = (samples(), bench.path("out").display().to_string());
        // Asked once, in a run before the test.
        let test = ["test", "units-rust", "--functions", &file, "--base", base, "--json", "--out", &out];
        let tested = run(&bench, &resources, &test);
        let function = &tested.report["functions"][0];
        assert_eq!((tested.code, function["proof"].as_str()), (Some(0), Some("full")), "{base}: {}", tested.all());
        assert!(function["remarks"].to_string().contains("schema: by reflection"), "{}", tested.all());
        assert!(tested.stderr.contains("schema by reflection, "), "{}", tested.all());
        let again = run(&bench, &resources, &test);
        assert!(again.code == Some(0) && !again.stderr.contains("no schema is given"), "{}", again.all());
        // The same image without its compose file.
        let image = "futon/units-rust:latest";
        let described = run(&bench, &resources, &["describe", image, "--base", base, "--json"]);
        let listener = &described.report["seen"]["listeners"][0];
        let methods: Vec<&Value> = listener["grpc"]["methods"].as_array().unwrap().iter().collect();
        let kinds: Vec<_> = methods.iter().map(|m| format!("{} {}", m["call"], m["kind"]).replace('"', "")).collect();
        assert_eq!(
            kinds,
            [
                "units.Units/Convert unary",
                "units.Units/Schedule unary",
                "units.Units/Table server stream",
                "units.Units/Sum client stream"
            ],
            "{base}: {}",
            described.all()
        );
        assert_eq!((&listener["port"], &listener["grpc"]["reflection"]), (&50051.into(), &"v1".into()));
        let health = listener["grpc"]["health"].to_string();
        assert!(health.contains("{\"service\":\"units.Units\",\"status\":\"SERVING\"}"), "{health}");
        // What is written of it passes as it is.
        let written = bench.path("units.yaml").display().to_string();
        let scaffold = run(&bench, &resources, &["scaffold", image, "--base", base, "-o", &written]);
        assert_eq!(scaffold.code, Some(0), "{}", scaffold.all());
        assert_eq!(run(&bench, &resources, &["calls", "check", &written]).code, Some(0));
        let test = ["test", "units-rust", "--functions", &written, "--base", base, "--json", "--out", &out];
        let tested = run(&bench, &resources, &test);
        assert_eq!(
            (tested.code, &tested.report["functions"][0]["invocations"]["verified"]),
            (Some(0), &4.into()),
            "{}",
            tested.all()
        );
        bench.nothing_left();
    }
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_speaks_no_grpc_or_does_not_come_up_is_told() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["described"]);
    let file = samples();
    for base in ["docker", "lean"] {
        let web = run(
            &bench,
            &resources,
            &["describe", "http-python", "--functions", &file, "--base", base, "--again", "--json"],
        );
        let listener = &web.report["seen"]["listeners"][0];
        assert_eq!((web.code, &listener["port"]), (Some(0), &8080.into()), "{}", web.all());
        assert_eq!(listener["speaks"]["protocol"], "http1", "{}", web.all());
        assert!(listener["speaks"]["line"].as_str().unwrap().starts_with("HTTP/1.1 404"), "{}", web.all());
        let faults =
            ["describe", "fault-exit-at-once", "--functions", "functions/faults.yaml", "--base", base, "--json"];
        let exits = run(&bench, &resources, &faults);
        let failed = &exits.report["failed"];
        assert_eq!((exits.code, &failed["verdict"]["code"]), (Some(1), &"container_exited".into()), "{}", exits.all());
        assert!(!failed["log"].as_array().unwrap().is_empty(), "{}", exits.all());
    }
    bench.nothing_left();
}
