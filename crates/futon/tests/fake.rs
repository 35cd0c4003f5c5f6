//! The whole program on the fake machine: engine, exchange, verdict, report and exit code in milliseconds.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Project, text};
use serde_json::Value;
use sha2::Digest as _;

fn verdict(report: &Value, index: usize) -> (&str, Option<&str>, &str) {
    let verdict = &report["functions"][index]["verdict"];
    (verdict["outcome"].as_str().unwrap(), verdict["step"].as_str(), verdict["code"].as_str().unwrap())
}

#[test]
fn every_scenario_has_its_verdict() {
    let project = Project::new();
    for (scenario, expected, exit) in [
        ("pass", ("passed", None, "all_witnesses_agree"), 0),
        ("no-boot", ("timed_out", Some("boot"), "no_boot"), 3),
        ("fail:start", ("failed", Some("start"), "step_failed"), 1),
        ("fail:ready", ("failed", Some("ready"), "never_ready"), 1),
        ("wrong-reply", ("failed", Some("invoke"), "wrong_reply"), 1),
        ("wrong-image", ("failed", Some("start"), "wrong_image"), 1),
        ("no-log", ("failed", Some("upload"), "no_results_log"), 1),
        ("power-off:pull", ("crashed", Some("pull"), "guest_powered_off"), 1),
        ("panic:invoke", ("crashed", Some("invoke"), "guest_panic"), 1),
        ("killed:invoke", ("infra", Some("invoke"), "machine_died"), 3),
        ("forge", ("crashed", Some("invoke"), "guest_powered_off"), 1),
        ("slow-call", ("timed_out", Some("invoke"), "call_timed_out"), 1),
        ("hang:pull", ("timed_out", Some("pull"), "run_timed_out"), 1),
    ] {
        // Short limits only where one is to strike: this host may be busy.
        let limits: &[&str] = match scenario {
            "no-boot" => &["--limit", "boot=300ms"],
            "hang:pull" => &["--limit", "run=2s"],
            _ => &[],
        };
        let (code, report) = project.fake(scenario, &[limits, &["fibonacci-go"]].concat());
        assert_eq!(verdict(&report, 0), expected, "{scenario}: {report:#}");
        assert_eq!(code, Some(exit), "{scenario}");
        assert_eq!(report["schema"], "futon.report/1");
        assert_eq!(report["summary"]["exit_code"], exit);
        assert_eq!(report["functions"][0]["machine"]["kind"], "fake");
        if exit != 0 {
            assert!(!report["functions"][0]["verdict"]["why"].as_str().unwrap().is_empty(), "{scenario}");
        }
    }
}

/// What a load cannot have is refused before a machine starts.
#[test]
fn a_load_says_what_it_cannot_have() {
    let project = Project::new();
    for (more, words) in [
        (&["--max", "p99=1ms"][..], "--emulated if you know"),
        (&["--accept"], "--accept is for single calls"),
        (&["--max", "p98=1ms"], "as in p99=20ms"),
        (&["--rate", "0"], "is not a rate"),
        (&["--concurrency", "0"], "0 is not in 1..=10000"),
        (&["--emulated"], "--max"),
        (&["--duration", "0s"], "must be more than 0"),
    ] {
        let arguments = [&["load", "fibonacci-go", "--on", "fake"][..], more].concat();
        let output = project.futon(&arguments);
        assert!(output.status.code() == Some(2) && text(&output).contains(words), "{more:?}: {}", text(&output));
    }
}

/// Each wait that hangs is ended by its own limit, which the verdict names.
#[test]
fn every_limit_strikes_and_is_named() {
    let project = Project::new();
    let hangs = ["fetch", "pull", "start", "ready", "invoke", "log", "stop", "upload", "shutdown"];
    let cases = hangs.map(|limit| (limit, format!("hang:{limit}")));
    let others = [("boot", "no-boot".to_owned()), ("run", "hang:invoke".to_owned())];
    for (limit, scenario) in cases.into_iter().chain(others) {
        let (code, report) = project.fake(&scenario, &["fibonacci-go", "--limit", &format!("{limit}=250ms")]);
        let verdict = &report["functions"][0]["verdict"];
        assert_eq!(verdict["outcome"], "timed_out", "{limit}: {verdict}");
        let why = verdict["why"].as_str().unwrap();
        assert!(why.contains("within 250 ms") && why.contains(&format!("(limit {limit})")), "{limit}: {verdict}");
        // The fake machine has no console: what the hint says of boot is that.
        let hint = verdict["hint"].as_str().unwrap();
        assert!(limit == "boot" || hint.contains(&format!("--limit {limit}=")), "{limit}: {verdict}");
        assert_eq!(code, Some(if limit == "boot" { 3 } else { 1 }), "{limit}");
    }
    let (_, report) = project.fake("slow-call", &["fibonacci-go", "--limit", "call=250ms"]);
    let verdict = &report["functions"][0]["verdict"];
    assert!(verdict["why"].as_str().unwrap().contains("no reply within 250ms (limit call)"), "{verdict}");
    assert!(verdict["hint"].as_str().unwrap().contains("--limit call="), "{verdict}");
}

#[test]
fn the_limit_of_the_stop_follows_the_services_grace() {
    let project = Project::new();
    for (grace, limit) in [("1m30s", "1m 50s"), ("3s", "1m")] {
        project.write(
            "functions.yaml",
            &format!(
                "services:\n  fibonacci-go:\n    image: vhiveease/fibonacci-go:latest\n    stop_grace_period: {grace}\n"
            ),
        );
        let (code, _) = project.fake("pass", &["fibonacci-go"]);
        assert_eq!(code, Some(0), "{grace}");
        let plan = std::fs::read(project.path("out/fibonacci-go/plan.json")).unwrap();
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        assert_eq!(plan["limits"]["stop"], limit, "{grace}");
    }
}

#[test]
fn forgery_is_reported() {
    let project = Project::new();
    let (_, report) = project.fake("forge", &["fibonacci-go"]);
    let remarks = report["functions"][0]["remarks"].to_string();
    assert!(remarks.contains("forgery: 1 guest events") && remarks.contains("results.log"), "{remarks}");
    assert!(project.path("out/fibonacci-go/results/uploads/results.log").exists(), "forged uploads are kept");
}

#[test]
fn all_of_the_list_by_default_and_json_alone_on_standard_output() {
    let project = Project::new();
    let (code, report) = project.fake("pass", &[]);
    assert_eq!(code, Some(0));
    let names: Vec<_> = report["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fibonacci-go", "aes-go"]);
    let saved: Value = serde_json::from_slice(&std::fs::read(project.path("out/report.json")).unwrap()).unwrap();
    assert_eq!(saved, report);
    // The page for people, in the same folder, with links that lead from there to the logs.
    let page = std::fs::read_to_string(project.path("out/report.html")).unwrap();
    assert!(page.contains("2 functions: 2 passed"), "{page}");
    let link = "fibonacci-go/results/results.log";
    assert!(page.contains(&format!("href=\"{link}\"")) == project.path("out").join(link).exists(), "{page}");
    assert!(page.contains("href=\"aes-go/results/events.jsonl\""), "{page}");
}

#[test]
fn zero_functions_unknown_ones_and_malformed_files_are_told_apart() {
    let project = Project::new();
    project.write("functions.list", "# none\n");
    let output = project.futon(&["test", "--on", "fake"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("hint:"));

    let output = project.futon(&["test", "--on", "fake", "fibonaci-go"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("did you mean fibonacci-go?"), "{}", text(&output));

    // Two of one name would share a folder.
    for (names, why) in [
        (["fibonacci-go", "fibonacci-go"], "named twice"),
        (["me/f:v1", "me/f:v2"], "both have the name f"),
        (["me/f", "me/f.attempt-1"], "an earlier run of f"),
    ] {
        let output = project.futon(&["test", "--on", "fake", "--client", "fibonacci-go", names[0], names[1]]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains(why) && text(&output).contains("hint:"), "{}", text(&output));
    }
    // What only gem5 understands must not be taken in silence.
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go", "--uarch-warmup", "3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("--uarch-warmup") && text(&output).contains("--on gem5"), "{}", text(&output));

    project.write("bad.yaml", "services:\n  a: [\n");
    let output = project.futon(&["test", "--on", "fake", "--functions", "bad.yaml", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("bad.yaml") && text(&output).contains("hint:"), "{}", text(&output));
}

#[test]
fn build_run_and_check_are_the_parts_of_test() {
    let project = Project::new();
    let step = |args: &[&str]| {
        let output = project.futon(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
        text(&output)
    };
    step(&["build", "fibonacci-go", "--on", "fake"]);
    for file in ["run.sh", "plan.json", "disk.qcow2", "functions.yaml", "run.env"] {
        assert!(project.path("test_dir").join(file).exists(), "{file}");
    }
    let script = std::fs::read_to_string(project.path("test_dir/run.sh")).unwrap();
    assert!(script.contains("vhiveease/fibonacci-go:latest") && !script.contains("<__IMAGE_NAME__>"));
    step(&["run", "--on", "fake"]);
    assert!(step(&["check"]).contains("passed"));
    // The verdict is made from the witnesses, each time anew: without one it is no pass.
    std::fs::remove_file(project.path("test_dir/results/uploads/client.json")).unwrap();
    let output = project.futon(&["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("the client's report did not arrive"));
}

#[test]
fn an_image_that_no_service_names_runs_with_defaults_and_says_so() {
    let project = Project::new();
    let output = project.futon(&["images", "add", "layout", "--name", "me/fibonacci-go:v1"]);
    assert!(output.status.success(), "{}", text(&output));
    let (code, report) = project.fake("pass", &["me/fibonacci-go:v1"]);
    assert_eq!(code, Some(0));
    assert!(report["functions"][0]["remarks"].to_string().contains("using defaults"), "{report:#}");
}

#[test]
#[ignore = "needs skopeo: make test runs it"]
fn skopeo_adds_an_image_from_a_registry() {
    let project = Project::new();
    // futon's own exchange is a registry: without TLS, like many in a laboratory.
    let mut server =
        project.command(&["serve", ".", "--images", "--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = said.next().unwrap().unwrap();
    let address = address.split_once("http://").and_then(|(_, rest)| rest.split_once('/')).unwrap().0.to_owned();
    let source = format!("docker://{address}/vhiveease/aes-go:latest");
    let add = |more: &[&str]| {
        let words = [&["images", "add", &source, "--name", "me/aes-go:v1", "--resources", "other"], more].concat();
        project.futon(&words)
    };
    let (refused, added) = (add(&[]), add(&["--insecure"]));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("--insecure"), "{}", text(&refused));
    assert!(added.status.success(), "{}", text(&added));
    let list = |folder: &str| {
        let output = project.futon(&["images", "list", "--json", "--resources", folder]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
    };
    let original = list("resources").into_iter().find(|i| i["reference"] == "vhiveease/aes-go:latest").unwrap();
    let copy = &list("other")[0];
    assert_eq!((&copy["reference"], &copy["manifest"]), (&"me/aes-go:v1".into(), &original["manifest"]));
}

#[test]
fn the_first_that_fails_does_not_hide_behind_the_second() {
    let project = Project::new();
    let (code, report) = project.fake("fail:invoke", &["fibonacci-go", "aes-go", "--fail-fast", "--jobs", "1"]);
    assert_eq!(code, Some(1));
    assert_eq!(verdict(&report, 0).0, "failed");
    assert_eq!(verdict(&report, 1).0, "not_run");
}

#[test]
fn several_at_once_have_a_verdict_each() {
    let project = Project::new();
    let (code, report) = project.fake("pass", &["fibonacci-go", "aes-go", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{report:#}");
    for (i, name) in ["fibonacci-go", "aes-go"].iter().enumerate() {
        assert_eq!(report["functions"][i]["name"], *name, "the order is the one that was asked for");
        assert_eq!(report["functions"][i]["attempts"], 1);
    }
}

#[test]
fn another_attempt_is_counted_and_the_earlier_one_kept() {
    let project = Project::new();
    let (code, report) = project.fake("fail:invoke", &["fibonacci-go", "--retries", "1"]);
    assert_eq!(code, Some(1));
    assert_eq!(report["functions"][0]["attempts"], 2, "{report:#}");
    assert_eq!(report["summary"]["flaky"], 0, "what never passed is not flaky");
    assert!(project.path("out/fibonacci-go.attempt-1/results/events.jsonl").is_file());
    assert!(project.path("out/fibonacci-go/results/events.jsonl").is_file());
}

#[test]
fn a_working_directory_of_somebody_else_is_left_alone() {
    let project = Project::new();
    std::fs::create_dir(project.path("home")).unwrap();
    project.write("home/thesis.tex", "precious");
    let output = project.futon(&["build", "fibonacci-go", "--on", "fake", "--dir", "home"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(project.path("home/thesis.tex").exists());
}

#[test]
fn a_container_that_could_speak_for_the_guest_proves_less() {
    let project = Project::new();
    for (key, proof) in [("mem_limit: 100m", "full"), ("privileged: true", "log"), ("network_mode: host", "log")] {
        let service = format!(
            "services:\n  fibonacci-go:\n    image: vhiveease/fibonacci-go:latest\n    container_name: function\n    {key}\n"
        );
        project.write("functions.yaml", &service);
        let (code, report) = project.fake("pass", &["fibonacci-go"]);
        let function = &report["functions"][0];
        assert_eq!((code, function["proof"].as_str()), (Some(0), Some(proof)), "{key}");
        let remarks = function["remarks"].to_string();
        assert_eq!(remarks.contains("could forge the guest's reports"), proof == "log", "{key}: {remarks}");
    }
}

/// Whether suites and suite have one test, and so many failures and errors.
fn counted(xml: &str, failures: u32, errors: u32) -> bool {
    let twice = |words: String| xml.matches(&words).count() == 2;
    twice(" tests=\"1\"".into()) && twice(format!(" failures=\"{failures}\"")) && twice(format!(" errors=\"{errors}\""))
}

#[test]
fn junit_counts_what_the_report_counts() {
    let project = Project::new();
    let (_, _) = project.fake("fail:invoke", &["fibonacci-go", "--junit", "junit.xml"]);
    let xml = std::fs::read_to_string(project.path("junit.xml")).unwrap();
    assert!(counted(&xml, 1, 0) && xml.contains("<failure"), "{xml}");
    let (_, _) = project.fake("no-boot", &["fibonacci-go", "--junit", "junit.xml", "--limit", "boot=1s"]);
    let xml = std::fs::read_to_string(project.path("junit.xml")).unwrap();
    assert!(counted(&xml, 0, 1) && xml.contains("<error"), "{xml}");
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go", "--junit", "no/such/junit.xml"]);
    assert!(output.status.code() == Some(2) && text(&output).contains("no/such"), "{}", text(&output));
}

#[test]
fn a_file_that_cannot_be_filled_costs_no_verdict() {
    let project = Project::new();
    let words = ["test", "--on", "fake", "fibonacci-go", "--junit", "/dev/full", "--json", "--events", "events"];
    let output = project.futon(&words);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write /dev/full"), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["passed"], 1, "{report:#}");
    let events = std::fs::read_to_string(project.path("events")).unwrap();
    assert!(events.lines().last().unwrap().contains("run_ended"), "{events}");
}

#[test]
fn completions_go_where_results_go() {
    let project = Project::new();
    let to = |output: std::process::Stdio| project.command(&["completions", "bash"]).stdout(output).output().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(to(writer.into()).status.code(), Some(0));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = to(full.into());
    assert!(output.status.code() == Some(3) && text(&output).contains("standard output"), "{}", text(&output));
}

#[test]
fn help_and_completions_are_there() {
    let project = Project::new();
    for args in [&["--help"][..], &["test", "--help"], &["completions", "bash"], &["--version"]] {
        let output = project.futon(args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
    assert!(text(&project.futon(&["--help"])).contains("nothing to run"), "exit codes are in the help");
}

#[test]
fn an_archive_is_added_and_tested() {
    let project = Project::new();
    // As `docker save` writes it.
    let layer = tar(&[("bin/app", b"app")]);
    let diff_id = hex::encode(sha2::Sha256::digest(&layer));
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/app"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]}});
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": ["me/saved:v1"], "Layers": ["layer.tar"]}]);
    let (config, manifest) = (config.to_string(), manifest.to_string());
    let archive =
        tar(&[("config.json", config.as_bytes()), ("layer.tar", &layer), ("manifest.json", manifest.as_bytes())]);
    std::fs::write(project.path("saved.tar"), archive).unwrap();
    let (code, report) = project.fake("pass", &["saved.tar", "--client", "fibonacci-go"]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["functions"][0]["image"], "me/saved:v1");
    let output = project.futon(&["test", "--on", "fake:pass", "./missing.tar"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// CI sets a variable to nothing where an input is not given.
#[test]
fn an_empty_variable_is_none() {
    let project = Project::new();
    for name in ["GEM5", "FUTON_PROFILE", "WORKING_DIR", "RESOURCES"] {
        let output = project.command(&["test", "--on", "fake", "fibonacci-go"]).env(name, "").output().unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output));
    }
    let output =
        project.command(&["test", "--on", "fake", "fibonacci-go"]).env("FUTON_PROFILE", "no").output().unwrap();
    assert!(text(&output).contains("there is no profile \"no\""), "{}", text(&output));
}
