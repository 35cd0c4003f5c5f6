//! Warm bases and forks, and the short way to a container: what they leave out must not be missing.

use std::fs;
use std::io::Read;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::real::{Bench, Run, root};

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_run_says_whether_it_was_forked() {
    let bench = Bench::new();
    for (more, forked, thaw) in [
        (&[][..], true, false),
        (&["--thaw", "auto"][..], true, true),
        (&["--cold"][..], false, false),
        (&["--base", "lean"][..], true, false),
        (&["--base", "lean", "--thaw", "auto"][..], true, true),
        (&["--base", "lean", "--cold"][..], false, false),
    ] {
        let run = bench.test(&[&["fibonacci-go", "-n", "5"], more].concat());
        assert_eq!(run.code, Some(0), "{}", run.all());
        let function = &run.report["functions"][0];
        assert_eq!(function["proof"], "full");
        assert_eq!(function["machine"]["warm_base"].is_string(), forked, "{}", run.all());
        assert_eq!(function["machine"]["thawed"] == true, thaw && is_emulated(&run), "{}", run.all());
        // A rehearsal that fails costs each fork seconds and nothing else would say so.
        if let Some(base) = function["machine"]["warm_base"].as_str() {
            let console = root().join("resources/warm").join(base).join("console/console.log");
            let console = fs::read_to_string(console).unwrap();
            assert!(!console.contains("the rehearsal failed"), "{console}");
        }
        // A fork of the Docker base has the programs from the machine that was saved, and asks whether the client is still the same.
        let events = fs::read_to_string(bench.path("out/fibonacci-go/results/events.jsonl")).unwrap();
        let asked = |what: &str| events.contains(&format!("\"path\":\"{what}"));
        let docker = !more.contains(&"lean");
        assert_eq!(asked("futon-guest"), docker && !forked, "{events}");
        assert_eq!(asked("test-client\",\"status\":200"), docker && !forked, "{events}");
        assert_eq!(asked("test-client\",\"status\":304"), docker && forked, "{events}");
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
    bench.nothing_left();
}

/// Only an emulator translates, and is frozen.
fn is_emulated(run: &Run) -> bool {
    run.report["functions"][0]["machine"]["accelerator"] == "tcg"
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_frozen_qemu_stays_as_it_is_and_is_not_needed() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["warm"]);
    let test = || {
        let words = ["fibonacci-go", "-n", "5", "--base", "lean", "--accel", "tcg", "--thaw", "auto"];
        let mut command = bench.test_command(&words);
        let run = Run::of(&command.env("RESOURCES", &resources).output().unwrap());
        assert_eq!(run.code, Some(0), "{}", run.all());
        fs::remove_dir_all(bench.path("out")).unwrap();
        run
    };
    let run = test();
    assert!(is_emulated(&run), "{}", run.all());
    let machine = |run: &Run| run.report["functions"][0]["machine"].clone();
    let base = resources.join("warm").join(machine(&run)["warm_base"].as_str().unwrap());
    let hashes = || {
        ["memory", "state", "process", "process.json"].map(|name| {
            let (mut file, mut piece) = (fs::File::open(base.join(name)).unwrap(), vec![0; 1 << 20]);
            let mut hash = Sha256::new();
            loop {
                match file.read(&mut piece).unwrap() {
                    0 => break hex::encode(hash.finalize()),
                    read => hash.update(&piece[..read]),
                }
            }
        })
    };
    let before = hashes();
    let run = test();
    assert_eq!((&machine(&run)["thawed"], hashes()), (&true.into(), before), "{}", run.all());

    // Its description changes, its size and time stamp do not.
    let about = base.join("process.json");
    let change = |from: &str, to: &str| {
        let modified = fs::metadata(&about).unwrap().modified().unwrap();
        let text = fs::read_to_string(&about).unwrap();
        assert!(text.contains(from) && from.len() == to.len());
        fs::write(&about, text.replacen(from, to, 1)).unwrap();
        fs::File::options().append(true).open(&about).unwrap().set_modified(modified).unwrap();
    };
    // What is noticed only when it is to go on. The code begins as all of ELF's does.
    change("\"kernel_code\":\"7f45", "\"kernel_code\":\"7f46");
    let run = test();
    assert!(machine(&run)["warm_base"].is_string() && machine(&run)["thawed"].is_null(), "{}", run.all());
    let remark = run.report["functions"][0]["remarks"][0].as_str().unwrap();
    assert!(
        remark.contains("the frozen QEMU could not continue") && remark.contains("laid out differently"),
        "{remark}"
    );
    // What is noticed before: it was frozen under another kernel. The base itself serves as before.
    let id = machine(&run)["warm_base"].clone();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    change(release.trim(), &"9".repeat(release.trim().len()));
    let run = test();
    let remark = run.report["functions"][0]["remarks"][0].as_str().unwrap();
    assert!(
        remark.contains("no frozen QEMU that can continue here: the host's kernel or processor changed"),
        "{remark}"
    );
    assert_eq!((&machine(&run)["thawed"], &machine(&run)["warm_base"]), (&Value::Null, &id), "{}", run.all());
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn forks_differ_in_their_random_numbers_and_know_the_time() {
    let bench = Bench::new();
    let script = "#!/bin/sh\ncd /root\ndate +%s >answer.txt\nhead -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' >>answer.txt\n\
                  curl -fsS http://10.0.2.2:3003/upload -F 'files=@answer.txt'\n\
                  echo 'SUCCESS: All commands completed successfully' >results.log\n\
                  curl -fsS http://10.0.2.2:3003/upload -F 'files=@results.log'\npoweroff -f\n";
    fs::write(bench.path("work.sh"), script).unwrap();
    let answer = |out: &str| {
        let out = bench.path(out);
        let script = bench.path("work.sh");
        let words = ["exec", script.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
        let run = Run::of(&bench.command(&words).output().unwrap());
        assert_eq!(run.code, Some(0), "{}", run.all());
        assert!(run.report["functions"][0]["machine"]["warm_base"].is_string(), "{}", run.all());
        let text = fs::read_to_string(out.join("answer.txt")).unwrap();
        let (time, random) = text.split_once('\n').unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let time: u64 = time.parse().unwrap();
        assert!(now.abs_diff(time) < 120, "the guest says {time}, the host {now}");
        assert_eq!(random.len(), 64);
        random.to_owned()
    };
    assert_ne!(answer("one"), answer("two"));
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn an_image_from_the_cache_is_not_fetched_again() {
    let bench = Bench::new();
    // The second run at the latest finds it there.
    for _ in 0..2 {
        let run = bench.test(&["fibonacci-nodejs", "-n", "5", "--from-cache"]);
        assert_eq!(run.code, Some(0), "{}", run.all());
        let function = &run.report["functions"][0];
        assert_eq!(function["proof"], "full");
        assert_eq!(function["machine"]["cached_images"][0], "vhiveease/fibonacci-nodejs:latest");
        let cached = |step: &Value| step["cached"] == true;
        let steps: Vec<_> = function["steps"].as_array().unwrap().iter().filter(|step| cached(step)).collect();
        assert_eq!((steps.len(), &steps[0]["name"]), (1, &"pull".into()), "{}", run.all());
        let read = |name: &str| fs::read_to_string(bench.path("out/fibonacci-nodejs/results").join(name)).unwrap();
        assert!(
            read("events.jsonl").contains("\"image_requested\""),
            "the digest was not compared with the exchange's"
        );
        assert!(read("results.log").contains("Image is up to date"), "{}", read("results.log"));
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
    // Where nothing can be kept the plain way is taken.
    let missing = ["fault-missing-image", "--functions", "functions/faults.yaml", "--from-cache"];
    bench.expect(&missing, "failed", Some("pull"), 1);
}

/// What the engine says of a container and cannot be the same twice, and Compose's notes about itself.
const OWN: [&str; 16] = [
    "/Id",
    "/Created",
    "/State",
    "/ResolvConfPath",
    "/HostnamePath",
    "/HostsPath",
    "/LogPath",
    "/GraphDriver",
    "/NetworkSettings/SandboxID",
    "/NetworkSettings/SandboxKey",
    "/Config/Hostname",
    "/Config/Labels/com.docker.compose.config-hash",
    "/Config/Labels/com.docker.compose.image",
    "/Config/Labels/com.docker.compose.version",
    "/NetworkSettings/Networks/vswarmu_default/NetworkID",
    "/NetworkSettings/Networks/vswarmu_default/EndpointID",
];

fn without_own(mut container: Value, id: &str) -> Value {
    for pointer in OWN {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Some(Value::Object(map)) = container.pointer_mut(parent) {
            map.remove(name);
        }
    }
    // Compose hands its variables over in no order.
    container["Config"]["Env"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    // Networks are numbered in the order of their making, and a container's short id is one of its names.
    let network = container.pointer_mut("/NetworkSettings/Networks/vswarmu_default").unwrap().as_object_mut().unwrap();
    for name in ["Gateway", "IPAddress", "MacAddress"] {
        network.remove(name);
    }
    let names = network["DNSNames"].as_array_mut().unwrap();
    names.retain(|name| name != &id[..12]);
    container
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_container_is_the_same_as_composes() {
    let bench = Bench::new();
    let compose = "name: vswarmu\nservices:\n  db:\n    image: vhiveease/fibonacci-go:latest\n    container_name: database\n    \
                   command: [\"-addr=0.0.0.0:50052\"]\n  rich:\n    image: vhiveease/fibonacci-go:latest\n    \
                   container_name: function\n    entrypoint: /app/server \"-addr=0.0.0.0:50051\"\n    user: \"65534:65534\"\n    \
                   working_dir: /tmp\n    cpuset: \"1\"\n    mem_limit: 300m\n    read_only: true\n    environment: [A=1, \"B=two words\"]\n    \
                   depends_on: [db]\n    ports: [\"50000:50051\"]\n    stop_grace_period: 3s\n    restart: \"no\"\n    \
                   x-futon: {client: fibonacci-go}\n";
    fs::write(bench.path("functions.yaml"), compose).unwrap();
    let path = |name: &str| bench.path(name).to_str().unwrap().to_owned();
    let built = bench
        .command(&["build", "rich", "--functions", &path("functions.yaml"), "--dir", &path("built")])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let script = "#!/bin/sh\ncd /run/futon\nU=http://10.0.2.2:3003\nfor f in futon-guest functions.yaml service.json; do curl -fsSO $U/$f; done\n\
                  chmod 755 futon-guest\nC='/usr/libexec/docker/cli-plugins/docker-compose -f functions.yaml'\n\
                  docker pull -q vhiveease/fibonacci-go:latest\n./futon-guest up service.json\n\
                  docker inspect database function >ours.json\ndocker rm -f database function\ndocker network rm vswarmu_default\n\
                  $C up -d --pull never --no-build rich\ndocker inspect database function >composes.json\n\
                  echo 'SUCCESS: All commands completed successfully' >results.log\n\
                  curl -fsS $U/upload -F files=@ours.json -F files=@composes.json -F files=@results.log\npoweroff -f\n";
    fs::write(bench.path("inspect.sh"), script).unwrap();
    let words = [
        "exec",
        &path("inspect.sh"),
        "--file",
        &path("functions.yaml"),
        "--file",
        &path("built/service.json"),
        "--out",
        &path("out"),
        "--json",
    ];
    let run = Run::of(&bench.command(&words).output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.all());
    let read = |name: &str| {
        let all: Vec<Value> = serde_json::from_slice(&fs::read(bench.path("out").join(name)).unwrap()).unwrap();
        all.into_iter()
            .map(|container| {
                let id = container["Id"].as_str().unwrap().to_owned();
                without_own(container, &id)
            })
            .collect::<Vec<_>>()
    };
    let (ours, composes) = (read("ours.json"), read("composes.json"));
    assert_eq!(ours.len(), 2);
    for (ours, composes) in ours.iter().zip(&composes) {
        assert_eq!(
            serde_json::to_string_pretty(ours).unwrap(),
            serde_json::to_string_pretty(composes).unwrap(),
            "the container {} differs from the one that Compose starts",
            ours["Name"]
        );
    }
}
