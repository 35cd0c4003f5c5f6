//! Ways of calling: two at once in one folder, machines that do not exist, folders that cannot be written to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Project, text};

/// Waits for a condition.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run that hangs in its pull.
fn hanging(project: &Project, args: &[&str], events: &str) -> Child {
    let events = project.path(events);
    let _ = std::fs::remove_file(&events);
    let child = project.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the pull", || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("step_started")));
    child
}

#[test]
fn json_on_the_command_line_has_each_key_once() {
    let project = Project::new();
    for (flag, json, said) in [
        ("--data", r#"{"name": "x", "name": "y"}"#, "--data: the key \"name\" comes twice at line 1"),
        ("--expect", r#"{"a": {"b": 1, "b": 1}}"#, "--expect: the key \"b\" comes twice"),
        ("--expect", "{name: x}", "--expect: not JSON"),
    ] {
        let output = project.futon(&["test", "fibonacci-go", "--on", "fake", "--call", "a.B/C", flag, json]);
        let told = text(&output);
        assert!(output.status.code() == Some(2) && told.contains(said), "{told}");
    }
}

#[test]
fn a_working_directory_that_runs_is_left_alone() {
    let project = Project::new();
    let done = |args: &[&str]| {
        let output = project.futon(args);
        (output.status.code(), text(&output))
    };
    assert_eq!(done(&["build", "fibonacci-go", "--on", "fake:hang:pull"]).0, Some(0));
    let mut running = hanging(&project, &["run"], "test_dir/results/events.jsonl");
    for args in [&["run"][..], &["build", "aes-go", "--on", "fake"], &["check"]] {
        let (code, said) = done(args);
        let holder = format!("test_dir is in use: futon run, process {} since 20", running.id());
        assert!(code == Some(3) && said.contains(&holder) && said.contains("hint:"), "{args:?}: {code:?} {said}");
    }
    assert!(project.path("test_dir/results/events.jsonl").exists(), "the run's results are still there");
    running.kill().unwrap();
    running.wait().unwrap();
    // The kernel has released what was killed.
    let (code, said) = done(&["build", "aes-go", "--on", "fake"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(done(&["run"]).0, Some(0));
    assert_eq!(done(&["check"]).0, Some(0));
}

#[test]
fn two_tests_do_not_share_a_folder() {
    let project = Project::new();
    let args = ["test", "--on", "fake:hang:pull", "fibonacci-go", "--out", "same"];
    let mut running = hanging(&project, &args, "same/fibonacci-go/results/events.jsonl");
    let second = |args: &[&str]| {
        let output = project.futon(args);
        (output.status.code(), text(&output))
    };
    let (code, said) = second(&["test", "--on", "fake", "aes-go", "--out", "same"]);
    let holder = format!("same is in use: futon test, process {}", running.id());
    assert!(code == Some(3) && said.contains(&holder), "{code:?} {said}");
    // Nor does a run in one of its working directories.
    let (code, said) = second(&["run", "--dir", "same/fibonacci-go"]);
    assert!(code == Some(3) && said.contains("fibonacci-go is in use: futon test"), "{code:?} {said}");
    assert_eq!(second(&["test", "--on", "fake", "aes-go", "--out", "other"]).0, Some(0));
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(second(&["test", "--on", "fake", "aes-go", "--out", "same"]).0, Some(0));
}

#[test]
fn the_fake_machine_is_for_tests_alone() {
    let project = Project::new();
    // As a user calls it.
    let user = |args: &[&str]| {
        let output = project.command(args).env_remove("FUTON_TEST_FAKE_MACHINE").output().unwrap();
        (output.status.code(), text(&output))
    };
    for args in [&["test", "--on", "fake", "fibonacci-go"][..], &["build", "--on", "fake:pass", "fibonacci-go"]] {
        let (code, said) = user(args);
        assert!(code == Some(2) && said.contains("qemu, gem5"), "{args:?}: {code:?} {said}");
    }
    let help = user(&["test", "--help"]).1;
    assert!(help.contains("--on") && !help.contains("fake"), "{help}");
    // What it has made elsewhere passes here neither.
    assert!(project.futon(&["build", "--on", "fake", "fibonacci-go"]).status.success());
    assert!(project.futon(&["run"]).status.success());
    for args in [&["run"][..], &["check"]] {
        let (code, said) = user(args);
        assert!(
            code == Some(3) && said.contains("proves nothing") && !said.contains("passed"),
            "{args:?}: {code:?} {said}"
        );
    }
}

#[test]
fn a_machine_that_does_not_exist_is_an_error_of_usage_with_near_names() {
    let project = Project::new();
    for (on, near) in [("qmeu", "qemu"), ("gem", "gem5"), ("fakexyz", "qemu")] {
        for verb in ["test", "build", "exec"] {
            let output = project.futon(&[verb, "fibonacci-go", "--on", on]);
            let said = text(&output);
            assert!(output.status.code() == Some(2) && said.contains(near), "{verb} {on}: {said}");
        }
    }
}

#[test]
fn what_the_lean_guest_cannot_do_is_no_failure_of_the_function() {
    let project = Project::new();
    let compose = "services:\n  a:\n    image: vhiveease/fibonacci-go:latest\n    ports: [\"50000:50051\"]\n    \
                   x-futon: {client: fibonacci-go}\n    depends_on: [b]\n  b:\n    image: vhiveease/aes-go:latest\n    init: true\n  \
                   c:\n    image: vhiveease/aes-go:latest\n    networks: [shared]\n    x-futon: {client: aes-go}\n\
                   networks: {shared: {external: true}}\n";
    project.write("functions.yaml", compose);
    for (args, place, why) in [
        (&["test", "--base", "lean", "a"][..], "functions.yaml:9: service b: key `init`", "does not support an init"),
        (&["test", "--on", "gem5", "a"], "functions.yaml:9: service b: key `init`", "does not support an init"),
        (&["test", "--base", "lean", "c"], "functions.yaml: key `networks`", "external"),
    ] {
        let output = project.futon(args);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(
            said.contains(place) && said.contains(why) && said.contains("hint: use the docker base"),
            "{args:?}: {said}"
        );
        assert!(!project.path("runs").exists(), "nothing ran");
    }
    // A neighbour's key is none of its business.
    let output = project.futon(&["test", "--base", "lean", "b", "--client", "aes-go"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn where_nothing_can_be_written_the_hint_names_the_way_out() {
    let project = Project::new();
    // A file in the place of the folder: for root, too, whom no mode keeps out.
    project.write("runs", "");
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output).contains("--out"), "{}", text(&output));
}

/// A call in a mount namespace in which the resources cannot be written, as where a lab shares them; for root, too.
fn with_read_only_resources(project: &Project, script: &str) -> (Option<i32>, String) {
    let home = project.path("home");
    let _ = std::fs::create_dir(&home);
    let script = format!("set -e; mount --bind resources resources; mount -o remount,bind,ro resources; {script}");
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_futon")]);
    command.current_dir(project.path("")).env("HOME", home).env_remove("XDG_DATA_HOME").env_remove("RESOURCES");
    command.env("FUTON_TEST_FAKE_MACHINE", "proves nothing");
    let output = command.output().unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn resources_that_a_lab_shares_are_read_and_ones_own_go_home() {
    let project = Project::new();
    let (code, said) = with_read_only_resources(
        &project,
        "$0 images add layout --name me/fibonacci-go:v1; $0 images list; $0 warm list; $0 resources list
         $0 test --on fake --out a fibonacci-go; $0 test --on fake --out b me/fibonacci-go:v1
         $0 images rm me/fibonacci-go:v1",
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("me/fibonacci-go:v1") && said.contains("vhiveease/aes-go:latest"), "{said}");
    assert!(said.contains("home/.local/share/futon"), "where it went: {said}");
    assert!(project.path("home/.local/share/futon/images/names.json").exists());
    // The lab's own images are not this user's to remove.
    let (code, said) = with_read_only_resources(&project, "$0 images rm vhiveease/aes-go:latest");
    assert!(code == Some(2) && said.contains("resources/images, which you cannot write"), "{code:?} {said}");
    assert!(said.contains("hint:"), "{said}");
    // One's own under the lab's name goes, the lab's stays, and that is said; nothing goes where one of the names is the lab's.
    let (code, said) = with_read_only_resources(
        &project,
        "$0 images add layout --name vhiveease/aes-go:latest; $0 images add layout --name me/kept:v1
         ! $0 images rm me/kept:v1 vhiveease/fibonacci-go:latest; $0 images show me/kept:v1
         $0 images rm vhiveease/aes-go:latest; $0 images show vhiveease/aes-go:latest",
    );
    assert!(code == Some(0) && said.contains("the image with that name in resources/images"), "{code:?} {said}");
    // Elsewhere than at home.
    let (code, said) =
        with_read_only_resources(&project, "FUTON_DATA=$PWD/data $0 images add layout --name me/other:v1");
    assert!(code == Some(0) && project.path("data/images/names.json").exists(), "{said}");
    // What must be written into the resources says so, and what helps.
    let (code, said) = with_read_only_resources(&project, "$0 resources build --tools-only");
    assert!(code == Some(3) && said.contains("hint:"), "{code:?} {said}");
}

/// Nobody's home is one: what only reads reads the lab's, and what must keep something says where it could.
#[test]
fn a_user_without_a_folder_of_their_own_reads_the_labs() {
    let project = Project::new();
    // No folder there, and none can be made: a file is in its place, for root, too.
    project.write("no-home", "");
    for home in ["FUTON_DATA=$PWD/no-home/x", "HOME=$PWD/no-home"] {
        let (code, said) = with_read_only_resources(
            &project,
            &format!(
                "export {home}; $0 images list; $0 images show vhiveease/aes-go:latest; $0 images prune; $0 warm list
                 $0 resources list; $0 doctor --host-only || true; $0 test --on fake --out out-$$ fibonacci-go"
            ),
        );
        assert!(code == Some(0) && said.contains("vhiveease/aes-go:latest"), "{home}: {code:?} {said}");
        let (code, said) =
            with_read_only_resources(&project, &format!("export {home}; $0 images rm vhiveease/aes-go:latest"));
        assert!(code == Some(2) && said.contains("which you cannot write"), "{home}: {code:?} {said}");
        for writes in ["images add layout --name me/x:v1", "images build"] {
            let (code, said) = with_read_only_resources(&project, &format!("export {home}; $0 {writes}"));
            let told = said.contains("neither can") && said.contains("hint: set FUTON_DATA=DIR");
            assert!(code == Some(3) && told, "{home} {writes}: {code:?} {said}");
        }
    }
}

/// One file that is not there keeps no other from being checked, and what was found is on standard output.
#[test]
fn each_call_file_has_its_result() {
    let project = Project::new();
    project.write("ok.yaml", "calls:\n  - {http: GET /, expect: {status: 200}}\n");
    project.write("no-schema.yaml", "schema: {proto: [none.proto]}\ncalls:\n  - {call: a.B/C, expect: {status: OK}}\n");
    let output = project.futon(&["calls", "check", "nosuch.yaml", "ok.yaml", "no-schema.yaml", "--json"]);
    let found: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let checked = found["checked"].as_array().unwrap();
    assert_eq!(checked.iter().map(|one| one["ok"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true, false]);
    assert!(checked[0]["error"].as_str().unwrap().contains("cannot read nosuch.yaml"), "{found:#}");
    let place = "no-schema.yaml:1:18: `schema.proto[0]`: cannot read ";
    assert!(checked[2]["error"].as_str().unwrap().starts_with(place), "{found:#}");
    assert_eq!(output.status.code(), Some(2));
    let output = project.futon(&["calls", "check", "nosuch.yaml", "ok.yaml"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("cannot read nosuch.yaml") && said.contains("ok.yaml: 1 call"), "{said}");
}

/// `futon calls check <(…)`: what a shell gives can be read once.
#[test]
fn calls_are_checked_from_a_pipe() {
    let project = Project::new();
    let mut command = project.command(&["calls", "check", "/dev/stdin"]);
    let mut futon = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let calls = b"calls:\n  - {http: GET /, expect: {status: 200}}\n";
    futon.stdin.take().unwrap().write_all(calls).unwrap();
    let output = futon.wait_with_output().unwrap();
    assert!(output.status.success() && text(&output).contains("1 call"), "{}", text(&output));
}

#[test]
fn what_a_flag_names_is_looked_at_before_anything_runs() {
    let project = Project::new();
    project.write("file", "");
    std::fs::create_dir(project.path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(project.path("pipe")).status().unwrap().success());
    let test = ["test", "--on", "fake", "fibonacci-go"];
    for (flag, given, why) in [
        ("--junit", "folder", "--junit: folder is a folder"),
        ("--record-timings", "folder", "--record-timings: folder is a folder"),
        ("--record-timings", "pipe", "cannot read pipe: it is a device or a pipe"),
        ("--timings", "pipe", "cannot read pipe: it is a device or a pipe"),
        ("--template", "pipe", "cannot read pipe: it is a device or a pipe"),
        ("--out", "file", "cannot make the folder file"),
        ("--file", "nosuch", "--file: cannot read nosuch"),
        ("--file", "folder", "--file: cannot read folder: it is not a file"),
        ("--file", "pipe", "--file: cannot read pipe: it is not a file"),
        ("--file", "../x=file", "\"../x\" is not the name of a file"),
        ("--file", "x/=file", "\"x/\" is not the name of a file"),
        ("--file", "..", "\"\" is not the name of a file"),
        ("--limit", "run=0s", "a limit is at least 1ms"),
    ] {
        let output = project.futon(&[&test[..], &[flag, given]].concat());
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{flag} {given}: {}", text(&output));
    }
    for (words, why) in [
        (&["list", "--file", "nosuch"][..], "--file: cannot read nosuch"),
        (&["plan", "fibonacci-go", "--kernel", "nosuch"], "no such kernel: nosuch"),
        (&["doctor", "--base-image", "nosuch"], "--base-image takes"),
        (&["merge", "file", "--out", "merged"], "name folders that `futon test --out DIR` wrote"),
        (&["scaffold", "fibonacci-go", "--on", "fake", "-o", "no/such.yaml"], "there is no folder no"),
        (&["stats", "chart", "file", "-o", "no/such.html"], "there is no folder no"),
        (&["stats", "check", "folder"], "name gem5's stats.txt"),
        (&["stats", "study", "nosuch"], "name folders that `futon measure --out` wrote"),
    ] {
        let output = project.futon(words);
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{words:?}: {}", text(&output));
    }
    assert!(!project.path("runs").exists());
}
