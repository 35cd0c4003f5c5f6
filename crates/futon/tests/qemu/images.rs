//! Where images come from: registries other than the first, and run scripts that know nothing of futon's files.

use std::fs;
use std::path::Path;

use crate::made::{Layout, layer_that_does_not_unpack};
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

/// Adds a layout under a name to a store of the test's own.
fn add(bench: &Bench, resources: &Path, layout: &Path, name: &str) {
    let mut add = bench.command(&["images", "add", layout.to_str().unwrap(), "--name", name]);
    let added = add.env("RESOURCES", resources).output().unwrap();
    assert!(added.status.success(), "{}", Run::of(&added).all());
}

/// One image under several names in a store of the test's own; its digest.
fn stored(bench: &Bench, resources: &Path, names: &[&str]) -> String {
    let folder = bench.path("layout");
    let layout = Layout::new(&folder);
    let manifest = layout.image("digest", &[]);
    layout.finish(&manifest);
    for name in names {
        add(bench, resources, &folder, name);
    }
    manifest["digest"].as_str().unwrap().to_owned()
}

/// Runs images of the test's own store, on both bases where asked.
fn run_images(bench: &Bench, resources: &Path, names: &[&str], base: &str) -> Run {
    let mut words = names.to_vec();
    words.extend(["--client", "fibonacci-go", "-n", "2", "--base", base]);
    Run::of(&bench.test_command(&words).env("RESOURCES", resources).output().unwrap())
}

/// An engine knows a digest only of what it pulled: other registries' names are led to the exchange while it pulls.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn names_with_a_digest_run_whatever_their_registry() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["images"]);
    let names = ["ghcr.io/me/fib-a:v1", "registry.example:5000/team/fib-b:v1.2", "me/fib-c:v1", "localhost/fib-d:v1"];
    let digest = stored(&bench, &resources, &names);
    let pinned = [
        format!("ghcr.io/me/fib-a@{digest}"),
        format!("registry.example:5000/team/fib-b:v1.2@{digest}"),
        format!("me/fib-c:v1@{digest}"),
        format!("localhost/fib-d@{digest}"),
    ];
    let pinned: Vec<&str> = pinned.iter().map(String::as_str).collect();
    for base in ["docker", "lean"] {
        let run = run_images(&bench, &resources, &pinned, base);
        assert_eq!(run.code, Some(0), "{base}: {}", run.all());
        assert_eq!(run.report["summary"]["passed"], 4, "{base}");
    }
}

/// A base image that is not futon's has no mirror for Docker's own registry: it gets one while it pulls, and keeps its settings.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn names_with_a_digest_run_on_an_engine_without_a_mirror() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["images"]);
    let digest = stored(&bench, &resources, &["me/fib-a:v1", "docker.io/me/fib-b:v2"]);
    // An engine keeps its mirrors where the settings say nothing of any.
    let settings = "sed -i 's|\"registry-mirrors\": .*|\"registry-mirrors\": [],|' /etc/docker/daemon.json && \
                    cp /etc/docker/daemon.json before.json && kill -HUP $(cat /run/docker.pid) && sleep 3
docker info >without.txt 2>&1; futon-guest put without.txt";
    let template = bench.template("futon-guest pull", settings);
    let text = fs::read_to_string(&template).unwrap();
    let kept = "docker info >engine.txt 2>&1; cmp before.json /etc/docker/daemon.json >>engine.txt 2>&1 && echo as before >>engine.txt
                futon-guest put engine.txt\n";
    let at = text.find("if [ $started").unwrap();
    fs::write(&template, format!("{}{kept}{}", &text[..at], &text[at..])).unwrap();
    let names = [format!("me/fib-a@{digest}"), format!("docker.io/me/fib-b:v2@{digest}")];
    let mut words: Vec<&str> = names.iter().map(String::as_str).collect();
    words.extend(["--client", "fibonacci-go", "-n", "2", "--template", &template]);
    let run = Run::of(&bench.test_command(&words).env("RESOURCES", &resources).output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.all());
    for name in ["fib-a", "fib-b"] {
        let said = fs::read_to_string(bench.path(&format!("out/{name}/results/uploads/engine.txt"))).unwrap();
        assert!(said.contains("as before") && !said.contains("10.0.2.2:3003/"), "{said}");
        let begin = fs::read_to_string(bench.path(&format!("out/{name}/results/uploads/without.txt"))).unwrap();
        assert!(begin.contains("Insecure Registries") && !begin.contains("10.0.2.2:3003/"), "{begin}");
    }
    bench.nothing_left();
}

/// What an engine chooses of an index, and what the plan pins, is the same image, in any order of the index.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_engine_takes_the_variant_that_the_plan_has_pinned() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["images"]);
    let mut names = Vec::new();
    for (number, order) in [["", "v3", "v4"], ["v4", "", "v3"], ["v3", "v2", "v4"]].iter().enumerate() {
        let folder = bench.path(&format!("layout-{number}"));
        let layout = Layout::new(&folder);
        let index = layout.variants(order);
        layout.finish(&index);
        let name = format!("me/fib-{number}:v1");
        add(&bench, &resources, &folder, &name);
        // By the index's own digest the engine itself chooses.
        names.push(if number == 1 { format!("{name}@{}", index["digest"].as_str().unwrap()) } else { name });
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ran = Vec::new();
    for base in ["docker", "lean"] {
        let run = run_images(&bench, &resources, &names, base);
        assert_eq!(run.code, Some(0), "{base}: {}", run.all());
        let functions = run.report["functions"].as_array().unwrap();
        ran.push(functions.iter().map(|f| f["digests"][0]["config"].clone()).collect::<Vec<_>>());
    }
    assert_eq!(ran[0], ran[1], "both bases run the same image");
}

/// The reason is that of the registry which had the image, not that of the one which the engine turned to next.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_failed_pull_has_the_engines_own_first_reason() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["images"]);
    let folder = bench.path("layout");
    let layout = Layout::new(&folder);
    let manifest = layout.image("odd", &[layer_that_does_not_unpack()]);
    layout.finish(&manifest);
    add(&bench, &resources, &folder, "me/odd:v1");
    let run = run_images(&bench, &resources, &["me/odd:v1"], "docker");
    let why = run.verdict(0)["why"].as_str().unwrap().to_owned();
    assert_eq!((run.code, &run.verdict(0)["step"]), (Some(1), &"pull".into()), "{}", run.all());
    assert!(why.contains("failed to register layer") && why.contains("nonsense.note"), "{why}");
    assert!(!why.contains("docker.io/v2"), "{why}");
    let journal = fs::read_to_string(bench.path("out/odd/results/uploads/engine.log")).unwrap();
    assert!(journal.contains("nonsense.note"), "{journal}");
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
