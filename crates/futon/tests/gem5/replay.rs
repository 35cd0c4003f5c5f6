//! Recorded runs through the whole program: phases, checkpoints, verdict, rows, charts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use calls::wire::{Header, Made, Reply, ReplyList};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::text;
use crate::support::{Simulated, verdict, why};

fn phases(report: &Value) -> Vec<&str> {
    let phases = report["functions"][0]["simulation"]["phases"].as_array().unwrap();
    phases.iter().map(|p| p["name"].as_str().unwrap()).collect()
}

#[test]
fn a_run_on_the_atomic_core_passes_with_full_proof() {
    let simulated = Simulated::new();
    let (code, report) = simulated.test("pass", &["fibonacci-go"]);
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    let function = &report["functions"][0];
    assert_eq!((function["proof"].as_str(), function["machine"]["kind"].as_str()), (Some("full"), Some("gem5")));
    assert_eq!(function["invocations"]["verified"], 5);
    assert_eq!(phases(&report), ["boot", "run"]);
    assert_eq!(function["simulation"]["rows"], 5);
    // Everything is kept, and can be done again by hand.
    for file in ["boot/gem5.command", "run/gem5.command", "run/gem5.log", "config/run.py", "payload"] {
        assert!(simulated.project.path(&format!("out/fibonacci-go/results/gem5/{file}")).exists(), "{file}");
    }
    let console = simulated.read("out/fibonacci-go/results/console.log");
    assert_eq!(console.matches("Linux version").count(), 2, "the consoles of all parts are one");
}

#[test]
fn the_parked_guest_is_booted_once() {
    let simulated = Simulated::new();
    let (_, first) = simulated.test("pass", &["fibonacci-go"]);
    let (code, second) = simulated.test("pass", &["aes-go"]);
    assert_eq!((phases(&second), code), (vec!["run"], Some(0)));
    let key = |report: &Value| report["functions"][0]["simulation"]["parked_checkpoint"].clone();
    assert_eq!(key(&first), key(&second));
    // Another memory is another machine; a limit is not.
    let (_, third) = simulated.test("pass", &["aes-go", "--memory", "512"]);
    assert_eq!(phases(&third), ["boot", "run"]);
    let (_, fourth) = simulated.test("pass", &["aes-go", "--watchdog", "boot=7m", "--limit", "pull=9m"]);
    assert_eq!(phases(&fourth), ["run"]);
    let (_, cold) = simulated.test("pass", &["aes-go", "--cold"]);
    assert_eq!(phases(&cold), ["run"]);
    assert_eq!(key(&cold), Value::Null);
}

#[test]
fn measured_invocations_have_a_row_each_and_warm_ones_none() {
    let simulated = Simulated::new();
    let args = ["fibonacci-go", "--cpu", "o3", "--system", "skylake", "-n", "5", "--software-warmup", "3"];
    let (code, report) = simulated.test("pass", &[&args[..], &["--uarch-warmup", "2", "--sim-seed", "7"]].concat());
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    assert_eq!(phases(&report), ["boot", "setup", "evaluate"]);
    let table = simulated.read("out/invocations.csv");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(lines[0].starts_with("run_id,function,image_digest,language,system,params_hash,"), "{table}");
    assert!(lines[1].contains(",fibonacci-go,sha256:") && lines[1].contains(",go,skylake,"), "{table}");
    assert!(lines[1].contains(",o3,3,2,0,7,,,"), "insts_user and insts_kernel are absent, not 0: {table}");
    assert!(lines[5].ends_with(",true,true,warm"), "converged, verified, in its state: {table}");
    assert!(simulated.read("out/charts.html").contains("<svg"));
    let simulation = &report["functions"][0]["simulation"];
    assert_eq!((simulation["rows"].as_u64(), simulation["converged"].as_bool()), (Some(5), Some(true)));
    assert_eq!(simulation["state"], "warm");
    assert_eq!(report["functions"][0]["invocations"]["planned"], 7, "the client makes the warm-up calls, too");
}

#[test]
fn a_call_in_another_state_has_no_row() {
    let simulated = Simulated::new();
    let args = ["fibonacci-go", "--cpu", "o3", "-n", "3", "--uarch-warmup", "2", "--flush", "l1d,l1i"];
    let (code, report) = simulated.test("pass", &args);
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    let table = simulated.read("out/invocations.csv");
    assert_eq!(table.lines().filter(|line| line.ends_with(",lukewarm:l1i+l1d")).count(), 3, "{table}");
    let command = simulated.read("out/fibonacci-go/results/gem5/evaluate/gem5.command");
    assert!(command.contains("--discarded") && command.contains("l1i,l1d"), "{command}");

    let (_, report) = simulated.test("evaluate:unflushed", &args);
    let simulation = &report["functions"][0]["simulation"];
    assert_eq!((&simulation["state"], &simulation["not_in_state"]), (&"lukewarm:l1i+l1d".into(), &1.into()));
    assert!(report["functions"][0]["remarks"].to_string().contains("1 measured call was not found in the state"));
    assert_eq!(simulated.read("out/invocations.csv").lines().count(), 1 + 2);
}

#[test]
fn states_that_the_machine_cannot_have_are_refused() {
    let simulated = Simulated::new();
    for (words, why) in [
        (&["--cpu", "o3", "--flush", "l2"][..], "has no l2"),
        (&["--cpu", "o3", "--state", "warm", "--flush", "l1i"], "no effect without the lukewarm state"),
        (&["--cpu", "o3", "--state", "warm,lukewarm"], "one state"),
        (&["--cpu", "o3", "--state", "lukewarm", "-n", "65"], "a core of its own for each"),
        (&["--state", "lukewarm"], "nothing to flush"),
        (&["--cpu", "o3", "--state", "cold", "-n", "2"], "only a process's first call is cold"),
        (&["--cpu", "o3", "--state", "cold", "--software-warmup", "1"], "no call goes before a cold one"),
        (&["--cpu", "o3", "--state", "cold", "--uarch-warmup", "1"], "no call goes before a cold one"),
        (&["--cpu", "o3", "--state", "cold", "--flush", "l1i"], "no effect without the lukewarm state"),
        (&["--cpu", "o3", "--flush", "l9"], "there is no structure \"l9\""),
    ] {
        let words = [&["test", "--on", "gem5", "fibonacci-go", "--out", "out"], words].concat();
        let output = simulated.command("pass", &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output));
        assert!(text(&output).contains(why), "{words:?}: {}", text(&output));
    }
}

#[test]
fn two_states_are_measured_from_one_checkpoint_and_compared() {
    let simulated = Simulated::new();
    let words = ["measure", "fibonacci-go", "-n", "2", "--runs", "2", "--state", "warm,lukewarm", "--flush", "l1i"];
    let measure = |scenario: &str, out: &str| {
        simulated.command(scenario, &[&words[..], &["--out", out]].concat()).output().unwrap()
    };
    let output = measure("pass", "m");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Each call of 1,900,000 instructions takes as many cycles more.
    assert!(said.contains("1.000 ± 0.000 (+5") && said.contains("no difference shown (0 ± 0)"), "{said}");
    assert!(simulated.read("m/differences.csv").contains(",cycles,per call,warm,lukewarm:l1i,2,1900000,0,0,true,0\n"));
    let key = |state: &str| {
        let report: Value = serde_json::from_str(&simulated.read(&format!("m/run-2/{state}/report.json"))).unwrap();
        let simulation = &report["functions"][0]["simulation"];
        (simulation["function_checkpoint"].clone(), simulation["seed"].clone())
    };
    assert_eq!(key("warm"), key("lukewarm"));
    // The second state needs no setup of its own.
    assert!(!simulated.project.path("m/run-2/lukewarm/fibonacci-go/results/gem5/setup").exists());
    let rows = simulated.read("m/invocations.csv");
    assert_eq!(rows.lines().filter(|line| line.ends_with(",lukewarm:l1i")).count(), 2 * 2, "{rows}");

    let output = measure("evaluate:unflushed", "u");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("were not found in the state lukewarm:l1i"), "{}", text(&output));
}

#[test]
fn a_cold_call_is_the_first_of_its_process() {
    let simulated = Simulated::new();
    let (code, report) = simulated.test("pass", &["fibonacci-go", "--cpu", "o3", "--state", "cold"]);
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    let function = &report["functions"][0];
    assert_eq!(
        (&function["invocations"]["planned"], &function["simulation"]["software_warmup"]),
        (&1.into(), &0.into())
    );
    let table = simulated.read("out/invocations.csv");
    assert_eq!(table.lines().skip(1).filter(|line| line.ends_with(",cold")).count(), 1, "{table}");

    let words = ["measure", "fibonacci-go", "-n", "2", "--runs", "2", "--state", "warm,cold", "--out", "m"];
    let output = simulated.command("pass", &words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let rows = simulated.read("m/invocations.csv");
    let count = |state: &str| rows.lines().filter(|line| line.ends_with(state)).count();
    assert_eq!((count(",warm"), count(",cold")), (4, 2), "{rows}");
    // Warm-ups are in the guest's memory: a cold function has a checkpoint of its own.
    let key = |state: &str| {
        let report: Value = serde_json::from_str(&simulated.read(&format!("m/run-1/{state}/report.json"))).unwrap();
        report["functions"][0]["simulation"]["function_checkpoint"].clone()
    };
    assert_ne!(key("warm"), key("cold"));
    for more in [["-n", "3"], ["--software-warmup", "1"], ["--uarch-warmup", "1"]] {
        let words = [&["measure", "aes-go", "--state", "cold"][..], &more].concat();
        let output = simulated.command("pass", &words).output().unwrap();
        assert!(output.status.code() == Some(2) && text(&output).contains("a run has one call"), "{}", text(&output));
    }
}

/// Replies to so many calls of each of these functions in turn, as a file for the stand-in; the last one is wrong where that is wanted.
fn replies_in_turn(names: &[&str], calls: usize, warmups: usize, wrong: bool) -> Vec<u8> {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let reply = |name: &&str| {
        let input = if name.starts_with("fibonacci") { "1" } else { "A unique message" };
        let expected = calls::oracle::expected(&calls::oracle::find(name).unwrap(), input).describe();
        // Of several right texts the first.
        let text = expected.split(" (or) ").next().unwrap_or_default().to_owned();
        let mut message = vec![0x0a, u8::try_from(text.len()).unwrap()];
        message.extend(text.bytes());
        Reply {
            status: 200,
            headers: vec![header("content-type", "application/grpc")],
            messages: vec![message],
            trailers: vec![header("grpc-status", "0")],
            ..Reply::default()
        }
    };
    let mut replies: Vec<Reply> = names.iter().map(reply).collect();
    replies.push(Reply { messages: vec![vec![0x0a, 1, b'x']], ..replies[0].clone() });
    let made = |count: usize| -> Vec<Made> {
        let turns = (0..count * names.len()).map(|call| call % names.len());
        turns.map(|turn| Made { reply: u32::try_from(turn).unwrap(), took_ns: 1000 }).collect()
    };
    let mut sequence = made(calls);
    if wrong {
        sequence.last_mut().unwrap().reply = u32::try_from(names.len()).unwrap();
    }
    ReplyList { replies, warmup: made(warmups), sequence, connect_ns: 1, ..ReplyList::default() }.to_bytes()
}

#[test]
fn functions_take_turns_on_one_core_and_each_has_its_rows() {
    let simulated = Simulated::new();
    let folder = simulated.project.path("replies");
    fs::create_dir(&folder).unwrap();
    let play = |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{name}.bin")), bytes).unwrap();
    let (both, flags) =
        (["fibonacci-go", "aes-go"], ["--cpu", "o3", "--software-warmup", "1", "--uarch-warmup", "1", "-n", "2"]);
    let test = || {
        let words = ["test", "--on", "gem5", "--json", "--out", "out", "--interleave", "fibonacci-go,aes-go"];
        let output =
            simulated.command("pass", &[&words[..], &flags].concat()).env("FAKE_REPLIES", &folder).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        (output.status.code(), report)
    };
    play("fibonacci-go+aes-go", replies_in_turn(&both, 3, 1, false));
    let (code, report) = test();
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    let function = &report["functions"][0];
    assert_eq!((&function["name"], &function["invocations"]["planned"]), (&"fibonacci-go+aes-go".into(), &6.into()));
    assert_eq!((&function["simulation"]["software_warmup"], &function["simulation"]["rows"]), (&1.into(), &4.into()));
    let table = simulated.read("out/invocations.csv");
    let state = ",interleaved:fibonacci-go+aes-go";
    for name in both {
        let own: Vec<&str> = table.lines().filter(|line| line.split(',').nth(1) == Some(name)).collect();
        assert!(
            own.len() == 2 && own.iter().all(|row| row.contains(",true,interleaved") && row.ends_with(state)),
            "{table}"
        );
    }
    // The wrong reply is named with its function; it is the last call.
    play("fibonacci-go+aes-go", replies_in_turn(&both, 3, 1, true));
    let (code, report) = test();
    assert_eq!((code, verdict(&report).2), (Some(1), "wrong_reply"), "{report:#}");
    assert!(why(&report).contains("aes-go: "), "{}", why(&report));

    // Beside each function alone, by the same calls.
    play("fibonacci-go+aes-go", replies_in_turn(&both, 3, 1, false));
    play("fibonacci-go", replies_in_turn(&both[..1], 3, 1, false));
    play("aes-go", replies_in_turn(&both[1..], 3, 1, false));
    let words = ["measure", "--runs", "2", "--out", "m", "--interleave", "fibonacci-go,aes-go", "--state", "warm"];
    let measure = |warmup: &str| {
        let words = [&words[..], &flags]
            .concat()
            .into_iter()
            .map(|word| if word == "1" { warmup } else { word })
            .collect::<Vec<_>>();
        simulated.command("pass", &words).env("FAKE_REPLIES", &folder).output().unwrap()
    };
    let output = measure("1");
    let said = text(&output);
    // Each run has one warm-up call more than the one before it, and the replies at hand are for the first.
    assert!(said.contains("run 2 did not pass"), "{said}");
    let csv = simulated.read("m/run-1/warm/invocations.csv") + &simulated.read("m/run-1/interleaved/invocations.csv");
    let count = |end: &str| csv.lines().filter(|line| line.ends_with(end)).count();
    assert_eq!((count(",warm"), count(state)), (4, 4), "{csv}");

    for (words, why) in [
        (&["test", "--on", "gem5", "--interleave", "fibonacci-go,aes-go"][..], "atomic core"),
        (&["test", "--on", "gem5", "--cpu", "o3", "--interleave", "fibonacci-go"], "one function alone"),
        (&["measure", "fibonacci-go", "--interleave", "fibonacci-go,aes-go"], "names the functions itself"),
        (&["measure", "--interleave", "fibonacci-go,aes-go", "--state", "lukewarm"], "only the warm state"),
        (&["measure", "--interleave", "fibonacci-go,aes-go", "--client", "aes-go"], "--client is for one function"),
    ] {
        let words: Vec<&str> = words.iter().copied().chain(["--out", "refused"]).collect();
        let output = simulated.command("pass", &words).output().unwrap();
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{words:?}: {}", text(&output));
    }
    let words = ["test", "--interleave", "fibonacci-go,aes-go", "--out", "refused"];
    let output = simulated.project.command(&words).output().unwrap();
    assert!(text(&output).contains("--interleave has no effect on this machine"), "{}", text(&output));
}

#[test]
fn setup_and_evaluate_are_the_halves_of_test() {
    let simulated = Simulated::new();
    let shared = ["fibonacci-go", "--cpu", "o3", "--sim-seed", "7"];
    let evaluate = || {
        simulated.command("pass", &[&["evaluate", "--json", "--out", "out"], &shared[..]].concat()).output().unwrap()
    };
    let none = evaluate();
    let report: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert!(report["functions"][0]["verdict"]["hint"].as_str().unwrap().contains("futon setup"), "{report:#}");

    let made = simulated.command("pass", &[&["setup", "--out", "s"], &shared[..]].concat()).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    assert!(text(&made).contains("fibonacci-go: checkpoint "), "{}", text(&made));
    let run = evaluate();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((run.status.code(), verdict(&report).0), (Some(0), "passed"), "{report:#}");
    assert_eq!(phases(&report), ["evaluate"]);
    // Other parameters of the system start from the same checkpoint.
    let words = [&["evaluate", "--json", "--out", "out2"], &shared[..], &["--param", "llc.size=1MiB"]].concat();
    assert_eq!(simulated.command("pass", &words).output().unwrap().status.code(), Some(0));
}

#[test]
fn rows_of_different_core_models_are_not_drawn_together() {
    let simulated = Simulated::new();
    for (core, out) in [("o3", "a"), ("timing", "b")] {
        let words = ["test", "--on", "gem5", "fibonacci-go", "--cpu", core, "--out", out];
        assert_eq!(simulated.command("pass", &words).output().unwrap().status.code(), Some(0));
    }
    let chart = |files: &[&str]| simulated.project.futon(&[&["stats", "chart", "-o", "c.html"], files].concat());
    assert_eq!(chart(&["a/invocations.csv"]).status.code(), Some(0));
    let mixed = chart(&["a/invocations.csv", "b/invocations.csv"]);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(text(&mixed).contains("different core models (o3, timing)"), "{}", text(&mixed));
    let stats = "a/fibonacci-go/results/gem5/evaluate/m5out/stats.txt";
    let checked = simulated.project.futon(&["stats", "check", stats]);
    assert!(text(&checked).starts_with("5 dumps (0 truncated)"), "{}", text(&checked));
}

#[test]
fn one_core_is_for_tests_only() {
    let simulated = Simulated::new();
    let (_, report) = simulated.test("pass", &["fibonacci-go", "--vcpus", "1"]);
    assert_eq!(report["functions"][0]["simulation"]["test_only"], true);
    assert!(report["functions"][0]["remarks"].to_string().contains("tests only"), "{report:#}");
}

#[test]
fn a_measurement_is_several_runs_and_an_interval() {
    let simulated = Simulated::new();
    let measure = |scenario: &str, out: &str, more: &[&str]| {
        let words = ["measure", "fibonacci-go", "-n", "2", "--runs", "3", "--out", out];
        simulated.command(scenario, &[&words[..], more].concat()).output().unwrap()
    };
    let output = measure("pass", "m", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // What is played is the same in each run: two calls of 3,600,000 + 100,000 / n cycles, less what is not active.
    assert!(said.contains("fibonacci-go: 3 runs, means with 95% intervals"), "{said}");
    assert!(said.contains("instructions  1900000 ± 0 (0.0%)") && said.contains("do not quote"), "{said}");
    let table = simulated.read("m/measure.csv");
    let cpi = table.lines().find(|line| line.starts_with("fibonacci-go,cpi,")).unwrap();
    assert!(cpi.starts_with("fibonacci-go,cpi,cycles per instruction,3,1.9") && cpi.ends_with(",warm"), "{table}");
    let known: Value = serde_json::from_str(&simulated.read("m/measure.json")).unwrap();
    assert_eq!((known["schema"].as_str(), known["intervals"][0]["runs"].as_u64()), (Some("futon.measure/1"), Some(3)));
    assert_eq!(known["intervals"][0]["values"].as_array().unwrap().len(), 3);
    // Each run has another seed and another number of warm-up calls, and three calls that are discarded.
    let rows = simulated.read("m/invocations.csv");
    assert_eq!(rows.lines().count(), 1 + 3 * 2, "{rows}");
    for wanted in [",o3,20,3,0,1,", ",o3,21,3,0,2,", ",o3,22,3,0,3,"] {
        assert!(rows.contains(wanted), "{wanted}: {rows}");
    }

    let output = measure("pass", "j", &["--json", "--ci", "3%", "--sim-seed", "mine"]);
    let known: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    assert_eq!(known["intervals"][0]["metric"], "instructions");
    assert!(simulated.read("j/invocations.csv").contains(",minex3,"));

    let output = measure("evaluate:crash", "c", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("run 1 did not pass: nothing is measured"), "{}", text(&output));
    assert!(!simulated.project.path("c/measure.csv").exists());

    let output = measure("pass", "a", &["--cpu", "atomic"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("counts no cycles"), "{}", text(&output));
}

/// Ctrl-C after an hour must not cost the hour.
#[test]
fn an_interrupted_measurement_keeps_the_runs_that_are_whole() {
    let simulated = Simulated::new();
    let words = ["measure", "fibonacci-go", "-n", "2", "--runs", "1000", "--state", "warm,lukewarm", "--out", "m"];
    let mut futon = simulated.command("pass", &words).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(futon.stderr.take().unwrap()).lines();
    // The third run has begun.
    let begun = lines.find(|line| line.as_ref().unwrap().contains("run 3, warm: CPI"));
    assert!(begun.is_some());
    kill(Pid::from_raw(i32::try_from(futon.id()).unwrap()), Signal::SIGINT).unwrap();
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(futon.wait().unwrap().code(), Some(130), "{said:#?}");
    let said = said.join("\n");
    let number = said.split("interrupted in run ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
    let whole = number.parse::<u64>().unwrap() - 1;
    assert!(whole >= 2 && said.contains(&format!("the figures are those of the {whole} before it")), "{said}");
    let known: Value = serde_json::from_str(&simulated.read("m/measure.json")).unwrap();
    for interval in known["intervals"].as_array().unwrap() {
        assert_eq!(interval["runs"], whole, "{interval}");
    }
    assert_eq!(simulated.read("m/invocations.csv").lines().count() as u64, 1 + whole * 2 * 2);
}
