//! Where images come from: registries other than the first, and run scripts that know nothing of futon's files.

use std::fs;

use crate::passes::bare_qemu;
use crate::real::{Bench, Run, root};

/// The engine's mirror stands for its own registry only: any other name comes as an archive.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn an_image_of_another_registry_is_loaded() {
    let bench = Bench::new();
    const IMAGE: &str = "ghcr.io/acme/fibonacci:1.0";
    let resources = bench.own_resources(&["images"]);
    let layout = root().join("resources/.work/layouts/fibonacci-go");
    let mut add = bench.command(&["images", "add", layout.to_str().unwrap(), "--name", IMAGE]);
    let added = add.env("RESOURCES", &resources).output().unwrap();
    assert!(added.status.success(), "{}", Run::of(&added).all());
    let compose = bench.path("functions.yaml");
    fs::write(&compose, format!("services:\n  fib:\n    image: {IMAGE}\n    ports:\n      - 50000:50051\n")).unwrap();
    let words = ["fib", "--client", "fibonacci-go", "-n", "5", "--functions", compose.to_str().unwrap()];
    let run = Run::of(&bench.test_command(&words).env("RESOURCES", &resources).output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.all());
    let function = &run.report["functions"][0];
    assert_eq!((&function["proof"], &function["image"]), (&"full".into(), &IMAGE.into()));
    assert_eq!(function["invocations"]["verified"], 5);
    let log = fs::read_to_string(bench.path("out/fib/results/results.log")).unwrap();
    assert!(log.contains("Loaded image"), "it was not loaded: {log}");
    bench.nothing_left();
}

/// The rendered script alone, on a server that gives it no settings and no compose file: `docker run` with the documented defaults.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_run_script_does_with_the_tools_alone() {
    let bench = Bench::new();
    let (served, resources) = (bench.path("tmp"), root().join("resources"));
    fs::create_dir(&served).unwrap();
    let template = fs::read_to_string(root().join("test/run_test.template.sh")).unwrap();
    fs::write(served.join("run.sh"), template.replace("<__IMAGE_NAME__>", "vhiveease/fibonacci-go:latest")).unwrap();
    for tool in ["futon-guest", "test-client"] {
        fs::copy(resources.join(tool), served.join(tool)).unwrap();
    }
    let server = format!(
        "{} serve {} --images --resources {} -q",
        env!("CARGO_BIN_EXE_futon"),
        served.display(),
        resources.display()
    );
    let said = bare_qemu(&bench, &server);
    let log = fs::read_to_string(served.join("results.log")).unwrap_or_default();
    for words in [
        "the defaults will do",
        "--- step start: ok",
        "SUCCESS: Calling functions for 20 times",
        "SUCCESS: All commands",
    ] {
        assert!(log.contains(words), "no {words:?} in results.log: {log}\n{said}");
    }
}
