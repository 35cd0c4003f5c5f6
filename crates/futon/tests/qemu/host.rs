//! Faults of the host: never blamed on the function, and nothing is left behind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::real::{Bench, Run, root, wait_for};

const BOOTED: Duration = Duration::from_secs(150);

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_script_is_missing() {
    let bench = Bench::new();
    let dir = bench.path("work");
    let dir = dir.to_str().unwrap();
    let built = bench.command(&["build", "fibonacci-go", "--dir", dir]).output().unwrap();
    assert!(built.status.success(), "{}", Run::of(&built).stderr);
    fs::remove_file(bench.path("work/run.sh")).unwrap();
    let run = Run::of(&bench.command(&["run", "--dir", dir, "--json"]).output().unwrap());
    assert_eq!(
        (&run.verdict(0)["outcome"], &run.verdict(0)["step"]),
        (&"infra".into(), &"fetch".into()),
        "{}",
        run.all()
    );
    assert_eq!(run.code, Some(3));
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn qemu_is_killed() {
    let bench = Bench::new();
    let child = bench.test_command(&["fibonacci-go"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let qemu = || bench.processes().into_iter().find(|p| p.contains("qemu-system-x86_64 -name"));
    // Not before the guest runs its script: a fork that fails is replaced by a machine that boots from nothing.
    let events = bench.path("out/fibonacci-go/results/events.jsonl");
    let begun = || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("step_started"));
    assert!(wait_for(Duration::from_secs(200), begun));
    let pid: i32 = qemu().unwrap().split(':').next().unwrap().parse().unwrap();
    // It has confined itself: a filter of system calls, and no way to more rights. What it may open is tested in confined.rs.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"), "{status}");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!((&run.verdict(0)["outcome"], run.code), (&"infra".into(), Some(3)), "{}", run.all());
    assert_eq!(run.verdict(0)["code"], "machine_died");
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn qemu_is_missing() {
    let bench = Bench::new();
    let output = bench.test_command(&["fibonacci-go"]).env("PATH", "/nowhere").output().unwrap();
    let run = Run::of(&output);
    assert_eq!(run.code, Some(3), "{}", run.all());
    assert!(run.stderr.contains("qemu-system-x86_64") && run.stderr.contains("hint:"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_base_image_is_missing_or_damaged() {
    let bench = Bench::new();
    let run = bench.test(&["fibonacci-go", "--base-image", "/nowhere/disk.img"]);
    assert_eq!(run.code, Some(2), "{}", run.all());
    assert!(run.stderr.contains("/nowhere/disk.img") && run.stderr.contains("hint:"), "{}", run.all());
    let damaged = bench.path("damaged.img");
    fs::write(&damaged, vec![0xA5; 4 << 20]).unwrap();
    let run = bench.expect(&["fibonacci-go", "--base-image", damaged.to_str().unwrap()], "infra", Some("boot"), 3);
    assert!(run.verdict(0)["why"].as_str().unwrap().contains("damaged"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_stranger_on_port_3003_survives() {
    let bench = Bench::new();
    // Without a namespace of its own the machine's exchange is on the host's port.
    let run = bench.expect(&["fibonacci-go", "-n", "8", "--network", "host"], "passed", None, 0);
    assert!(run.report["functions"][0]["machine"]["warm_base"].is_null(), "{}", run.all());
    fs::remove_dir_all(bench.path("out")).unwrap();
    // Another program of this machine may hold the port already: that is a stranger, too.
    let stranger = TcpListener::bind(("127.0.0.1", 3003));
    bench.expect(&["fibonacci-go", "-n", "8"], "passed", None, 0);
    assert!(TcpListener::bind(("127.0.0.1", 3003)).is_err(), "the stranger is gone");
    drop(stranger);
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn no_space_for_uploads_on_the_host() {
    let bench = Bench::new();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let futon = env!("CARGO_BIN_EXE_futon");
    // The overlay fits, and nothing more: the guest's own writes go to another folder than its uploads.
    let script = format!(
        "mount -t tmpfs -o size=24m tmpfs {out} && mkdir -p {out}/w && {futon} build fibonacci-go --dir {out}/w --template {template} && \
         rm -f {out}/w/disk.qcow2 && ln -s {disk} {out}/w/disk.qcow2 && {futon} run --dir {out}/w --json",
        out = out.display(),
        template = bench.template(
            "if [ $started = yes ]",
            "dd if=/dev/zero of=filler bs=1M count=30 2>/dev/null; futon-guest put filler"
        ),
        disk = disk(&bench),
    );
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .current_dir(root())
        .env("RESOURCES", root().join("resources"))
        .output()
        .unwrap();
    let run = Run::of(&output);
    assert_eq!(
        (&run.verdict(0)["outcome"], &run.verdict(0)["step"]),
        (&"infra".into(), &"upload".into()),
        "{}",
        run.all()
    );
    assert_eq!((&run.verdict(0)["code"], run.code), (&"host_disk_full".into(), Some(3)));
    bench.nothing_left();
}

/// A disk outside the output folder.
fn disk(bench: &Bench) -> String {
    let disk = bench.path("disk.qcow2");
    let base = root().join("resources/base-disk-image.img");
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b", base.to_str().unwrap(), disk.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(status.success());
    disk.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn ctrl_c_leaves_nothing() {
    let bench = Bench::new();
    let mut command = bench.test_command(&["fibonacci-go", "aes-go"]);
    // A process group of its own, to which the terminal's Ctrl-C goes.
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = bench.path("out/fibonacci-go/results/events.jsonl");
    let booted = || fs::read_to_string(&journal).is_ok_and(|t| t.contains("run_script_requested"));
    assert!(wait_for(BOOTED, booted), "no boot");
    nix::sys::signal::killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{}", run.all());
    assert_eq!(run.verdict(0)["code"], "interrupted", "{}", run.all());
    assert_eq!(run.verdict(1)["outcome"], "not_run");
    bench.nothing_left();
}

/// A guest that dies in its boot becomes no warm base; what it said is told and kept, and the function's own machine is tried all the same.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_warm_base_that_panics_is_tried_once_more_and_its_console_kept() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["warm"]);
    let mut command = bench.test_command(&["fibonacci-go", "--append", "rdinit=/nowhere init=/nowhere"]);
    let run = Run::of(&command.env("RESOURCES", &resources).output().unwrap());
    let all = run.all();
    assert_eq!((&run.verdict(0)["outcome"], &run.verdict(0)["step"]), (&"crashed".into(), &"boot".into()), "{all}");
    assert!(all.contains("retrying") && all.contains("Kernel panic - not syncing"), "{all}");
    let kept = resources.join("warm/failed-console.log");
    assert!(all.contains(kept.to_str().unwrap()), "{all}");
    assert!(fs::read_to_string(&kept).unwrap().contains("Kernel panic"), "{all}");
    bench.nothing_left();
}

/// Kills futon while it makes a warm base, restores it, runs and uploads; what it leaves must neither run nor be trusted.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn kill_minus_nine_at_any_time_does_no_harm() {
    let bench = Bench::new();
    let resources = bench.own_resources(&["warm"]);
    // Milliseconds, from clock and process id: another choice each time, told when the test fails.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut state = u64::from(seed) | 1;
    let mut within = |longest: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((state >> 33) % longest)
    };
    let mut told = Vec::new();
    let warm: Vec<&str> = vec!["warm", "make", "--force"];
    let out = bench.path("out");
    let test = vec!["test", "fibonacci-go", "-n", "5", "--out", out.to_str().unwrap()];
    let plan = [(&warm, 40_000); 3].into_iter().chain([(&test, 25_000); 7]);
    for (words, longest) in plan {
        let delay = within(longest);
        told.push(format!("{} after {delay:?}", words[0]));
        let mut command = bench.command(words);
        let mut child =
            command.env("RESOURCES", &resources).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        bench.nothing_left();
        let _ = fs::remove_dir_all(&out);
    }
    let run = Run::of(&bench.test_command(&["fibonacci-go"]).env("RESOURCES", &resources).output().unwrap());
    assert_eq!(run.code, Some(0), "{told:?} {}", run.all());
    assert!(run.report["functions"][0]["machine"]["warm_base"].is_string(), "{told:?} {}", run.all());
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn kill_minus_nine_leaves_nothing() {
    let bench = Bench::new();
    let mut child = bench.test_command(&["fibonacci-go"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = || bench.processes().iter().any(|p| p.contains("qemu-system-x86_64 -name"));
    assert!(wait_for(Duration::from_secs(30), running));
    child.kill().unwrap();
    child.wait().unwrap();
    bench.nothing_left();
}

/// A guard that is stopped answers nothing, and its machine says nothing: the run's limit ends both.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_stopped_guard_does_not_hold_a_run_beyond_its_limit() {
    let bench = Bench::new();
    let programs = bench.path("bin");
    fs::create_dir(&programs).unwrap();
    let qemu = programs.join("qemu-system-x86_64");
    let script = "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'QEMU emulator version 7.2'; exit; }\nkill -STOP $PPID\nexec sleep 600\n";
    fs::write(&qemu, script).unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = bench.test_command(&["fibonacci-go", "--cold", "--accel", "tcg", "--limit", "run=4s"]);
    command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    let begin = Instant::now();
    let run = Run::of(&command.output().unwrap());
    let took = begin.elapsed();
    assert_eq!(
        (&run.verdict(0)["outcome"], &run.verdict(0)["code"]),
        (&"timed_out".into(), &"run_timed_out".into()),
        "{}",
        run.all()
    );
    assert!(took < Duration::from_secs(14), "{took:?}: {}", run.all());
    bench.nothing_left();
}

/// A guest finds its exchange and nothing else: not the host's ports by any of the host's addresses, no name server, no IPv6.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_guest_reaches_its_exchange_and_nothing_else() {
    let bench = Bench::new();
    let bound = |address: &str| TcpListener::bind((address, 0)).ok();
    let (all, loopback, six) = (bound("0.0.0.0").unwrap(), bound("127.0.0.1").unwrap(), bound("::1"));
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    // The address that the host would send from, if it has any but the loopback's. Nothing is sent.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let own = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let own = own.map_or_else(|_| "127.0.0.1".into(), |address| address.ip().to_string());
    let script = format!(
        "#!/bin/bash\ncd /root\n\
         try() {{ if timeout 3 bash -c \": </dev/tcp/$2/$3\" 2>/dev/null; then echo \"$1 yes\"; else echo \"$1 no\"; fi >>said.txt; }}\n\
         try exchange 10.0.2.2 3003\ntry loopback 10.0.2.2 {loopback}\ntry gateway 10.0.2.2 {all}\ntry host {own} {all}\n\
         try name-server 10.0.2.3 53\ntry six fec0::2 {six}\ntry six-exchange fec0::2 3003\ntry outside 192.0.2.1 80\n\
         if timeout 5 getent hosts example.com >/dev/null; then echo name yes; else echo name no; fi >>said.txt\n\
         curl -fsS http://10.0.2.2:3003/upload -F files=@said.txt\n\
         echo 'SUCCESS: All commands completed successfully' >results.log\n\
         curl -fsS http://10.0.2.2:3003/upload -F files=@results.log\npoweroff -f\n",
        loopback = port(&loopback),
        all = port(&all),
        six = six.as_ref().map_or(9, port),
    );
    fs::write(bench.path("reach.sh"), script).unwrap();
    let (script, out) = (bench.path("reach.sh"), bench.path("out"));
    let words = ["exec", script.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
    let run = Run::of(&bench.command(&words).output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.all());
    assert_eq!(
        fs::read_to_string(out.join("said.txt")).unwrap(),
        "exchange yes\nloopback no\ngateway no\nhost no\nname-server no\nsix no\nsix-exchange no\noutside no\nname no\n"
    );
    // On the host all of them answer.
    for address in [("127.0.0.1", port(&loopback)), (own.as_str(), port(&all))] {
        std::net::TcpStream::connect(address).unwrap();
    }
    bench.nothing_left();
}
