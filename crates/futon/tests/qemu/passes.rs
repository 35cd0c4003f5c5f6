//! What must pass: all nine functions, as anybody, side by side, and the seed's own way.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::real::{Bench, Run, root, wait_for};

pub const NINE: [&str; 9] = [
    "fibonacci-go",
    "fibonacci-python",
    "fibonacci-nodejs",
    "aes-go",
    "aes-python",
    "aes-nodejs",
    "auth-go",
    "auth-python",
    "auth-nodejs",
];

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn all_nine_functions_pass() {
    let bench = Bench::new();
    let run = bench.test(&NINE);
    assert_eq!(run.code, Some(0), "{}", run.all());
    for (i, name) in NINE.iter().enumerate() {
        let function = &run.report["functions"][i];
        assert_eq!(function["name"], *name);
        assert_eq!(function["verdict"]["outcome"], "passed", "{}", run.all());
        assert_eq!(function["proof"], "full");
        assert_eq!(function["invocations"]["verified"], 20);
        assert_eq!(function["machine"]["kind"], "qemu");
        let steps: Vec<_> = function["steps"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(steps, ["boot", "fetch", "pull", "start", "ready", "invoke", "log", "stop", "upload", "shutdown"]);
        let results = bench.path("out").join(name).join("results");
        for file in [
            "results.log",
            "console.log",
            "events.jsonl",
            "uploads/container.log",
            "uploads/client.json",
            "qemu.command",
        ] {
            assert!(results.join(file).is_file(), "{name}: no {file}");
        }
        assert!(!results.join("../disk.qcow2").exists(), "the disk was kept");
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn two_machines_run_side_by_side() {
    let (one, two) = (Bench::new(), Bench::new());
    let start = |bench: &Bench, name| {
        bench.test_command(&[name, "-n", "8"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (first, second) = (start(&one, "fibonacci-go"), start(&two, "aes-go"));
    for child in [first, second] {
        let run = Run::of(&child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{}", run.all());
    }
    one.nothing_left();
    two.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn an_unprivileged_user_can_do_it() {
    let bench = Bench::new();
    // What nobody may read: the repository may lie in a folder of root's.
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    open(&bench.path(""));
    let copy = |from: &str, to: &str| {
        let status = Command::new("cp")
            .args(["-r", "--sparse=always", "--reflink=auto"])
            .args([root().join(from), bench.path(to)])
            .status()
            .unwrap();
        assert!(status.success(), "{from}");
    };
    fs::create_dir(bench.path("resources")).unwrap();
    let needed = [
        "base-disk-image.img",
        "kernel",
        "initrd",
        "cmdline",
        "futon-guest",
        "test-client",
        "images",
        "docker-compose",
    ];
    for name in needed {
        copy(&format!("resources/{name}"), "resources/");
    }
    copy("functions", "functions");
    fs::copy(env!("CARGO_BIN_EXE_futon"), bench.path("futon")).unwrap();
    let futon = bench.path("futon");
    let mut words = vec![futon.to_str().unwrap(), "test", "fibonacci-go", "--json", "--out", "out", "-n", "8"];
    if nix::unistd::getuid().is_root() {
        words.splice(0..0, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(bench.path("")).env_remove("RESOURCES");
    // The resources are not this user's to write, and neither is root's home: its own things go to a folder of its own.
    let output = command.env("FUTON_DATA", bench.path("data")).output().unwrap();
    let run = Run::of(&output);
    assert_eq!(run.code, Some(0), "{}", run.all());
    assert!(!run.report["functions"][0]["remarks"].to_string().contains("port 3003"), "no namespace: {}", run.all());
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn exec_runs_any_script_and_collects_what_it_uploads() {
    let bench = Bench::new();
    let script = "#!/bin/sh\ncd /root\ncurl -fsS http://10.0.2.2:3003/greeting.txt -o greeting.txt\n\
                  tr a-z A-Z <greeting.txt >answer.txt\n\
                  curl -fsS http://10.0.2.2:3003/upload -F 'files=@answer.txt'\n\
                  echo 'SUCCESS: All commands completed successfully' >results.log\n\
                  curl -fsS http://10.0.2.2:3003/upload -F 'files=@results.log'\npoweroff -f\n";
    fs::write(bench.path("work.sh"), script).unwrap();
    fs::write(bench.path("greeting.txt"), "hello\n").unwrap();
    let path = |name: &str| bench.path(name).to_str().unwrap().to_owned();
    let output = bench
        .command(&["exec", &path("work.sh"), "--file", &path("greeting.txt"), "--out", &path("collected"), "--json"])
        .output()
        .unwrap();
    let run = Run::of(&output);
    assert_eq!(run.code, Some(0), "{}", run.all());
    assert_eq!(run.report["functions"][0]["proof"], "log", "a foreign script proves less");
    assert_eq!(fs::read_to_string(bench.path("collected/answer.txt")).unwrap(), "HELLO\n");
}

/// Nothing of futon's in it: its exit status is the verdict.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn exec_takes_a_scripts_exit_status() {
    let bench = Bench::new();
    let script = bench.path("plain.sh");
    for (end, code, outcome) in [("printf done", 0, "passed"), ("exit 7", 1, "failed")] {
        fs::write(&script, format!("echo 'it is' \"$(uname -m)\"\ncat <<'END'\n$x \\n\nEND\n{end}")).unwrap();
        let run = Run::of(&bench.command(&["exec", script.to_str().unwrap(), "--json"]).output().unwrap());
        let function = &run.report["functions"][0];
        assert_eq!((run.code, function["verdict"]["outcome"].as_str()), (Some(code), Some(outcome)), "{}", run.all());
        let log = Path::new(function["folder"].as_str().unwrap()).join("uploads/results.log");
        let log = fs::read_to_string(bench.path("").join(log)).unwrap();
        assert!(log.starts_with("it is x86_64\n$x \\n\n"), "{log}");
        // The last line of the script's own has no newline.
        let end =
            if code == 0 { "\ndone\nSUCCESS: All commands completed successfully\n" } else { "exit status is 7\n" };
        assert!(log.ends_with(end), "{log}");
    }
    bench.nothing_left();
}

/// The seed's way, without futon: a bare QEMU, Python's upload server, a run script written by hand.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_base_image_works_without_futon() {
    let bench = Bench::new();
    let (served, venv) = (bench.path("tmp"), root().join("target/uploadserver-venv"));
    fs::create_dir(&served).unwrap();
    let script = "#!/bin/sh\nuname -r >/root/results.log\ncurl -fsS http://10.0.2.2:3003/upload -F 'files=@/root/results.log'\npoweroff -f\n";
    fs::write(served.join("run.sh"), script).unwrap();
    install_upload_server(&venv);
    let server = format!("{}/bin/python -m uploadserver -d {} 3003", venv.display(), served.display());
    let said = bare_qemu(&bench, &server);
    let log = fs::read_to_string(served.join("results.log"));
    assert!(log.is_ok_and(|l| l.contains("amd64")), "no results.log: {said}");
}

/// Boots our base image in a bare QEMU beside a server, both in a namespace of the test's own: the server listens on every address
/// of it, and the port is free. What all of them said.
pub fn bare_qemu(bench: &Bench, server: &str) -> String {
    let resources = root().join("resources");
    let cmdline = fs::read_to_string(resources.join("cmdline")).unwrap();
    let run = format!(
        "set -e; ip link set lo up; {server} & server=$!; \
         qemu-img create -q -f qcow2 -F raw -b {resources}/base-disk-image.img {disk}; \
         timeout 240 qemu-system-x86_64 -nographic -no-reboot -machine q35 -cpu max -smp 2 -m 2G -kernel {resources}/kernel \
         -initrd {resources}/initrd -append '{cmdline} root=/dev/vda rw' -drive file={disk},if=virtio \
         -nic user,model=virtio-net-pci </dev/null; kill $server",
        resources = resources.display(),
        disk = bench.path("disk.qcow2").display(),
        cmdline = cmdline.trim(),
    );
    let output = Command::new("unshare").args(["-Urn", "sh", "-c", &run]).output().unwrap();
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// vSwarm-μ's own run script begins with a blank line and only then with `#!/bin/bash`: a shell that starts it makes it bash's.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_script_after_a_blank_line_is_for_bash_where_there_is_one() {
    let bench = Bench::new();
    let script = bench.path("blank.sh");
    for (base, text) in [
        ("docker", "\n#!/bin/bash\na=(1 2)\n[[ ${a[1]} == 2 ]] && echo bash\n"),
        ("lean", "\n#!/bin/bash\n[ -n \"$(ls /)\" ] && echo sh\n"),
    ] {
        fs::write(&script, text).unwrap();
        for more in [&[][..], &["--cold"]] {
            let words = [&["exec", script.to_str().unwrap(), "--json", "--base", base], more].concat();
            let run = Run::of(&bench.command(&words).output().unwrap());
            assert_eq!(run.code, Some(0), "{base} {more:?}: {}", run.all());
        }
    }
    // As the run script itself, which the guest's service starts, and a fork's parked guest.
    let end = "curl -fsS http://10.0.2.2:3003/upload -F files=@results.log; poweroff -f\n";
    let text = format!(
        "\n#!/bin/bash\na=(1 2)\n[[ ${{a[1]}} == 2 ]] || exit 1\ncd /root\n\
         echo 'SUCCESS: All commands completed successfully' >results.log\n{end}"
    );
    fs::write(&script, text).unwrap();
    for more in [&[][..], &["--cold"]] {
        let words = [&["fibonacci-go", "--template", script.to_str().unwrap()], more].concat();
        let run = bench.test(&words);
        assert_eq!(
            (run.code, &run.report["functions"][0]["proof"]),
            (Some(0), &"log".into()),
            "{more:?}: {}",
            run.all()
        );
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
    bench.nothing_left();
}

fn install_upload_server(venv: &std::path::Path) {
    if venv.join("bin/uploadserver").exists() {
        return;
    }
    let run = |program: &std::path::Path, args: &[&str]| {
        assert!(Command::new(program).args(args).status().unwrap().success(), "{args:?}");
    };
    run("/usr/bin/python3".as_ref(), &["-m", "venv", venv.to_str().unwrap()]);
    run(&venv.join("bin/pip"), &["install", "-q", "--disable-pip-version-check", "uploadserver==6.0.3"]);
}

/// Types at a guest's console once it shows `first`, and waits until it shows `then` and ends. Returns what it has shown, and
/// futon's own words.
fn type_at(mut command: Command, first: &str, keys: &[u8], then: &str) -> Result<String, String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut typed, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut own = child.stderr.take().unwrap();
    let seen = Arc::new(Mutex::new(String::new()));
    let shown = Arc::clone(&seen);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = screen.read(&mut buffer) {
            shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
    let words = std::thread::spawn(move || {
        let mut words = String::new();
        let _ = own.read_to_string(&mut words);
        words
    });
    let shows = |text: &str| seen.lock().unwrap().contains(text);
    let prompt = wait_for(Duration::from_secs(150), || shows(first));
    let obeys = prompt && typed.write_all(keys).is_ok();
    let answer = obeys && wait_for(Duration::from_secs(30), || shows(then));
    let ended = answer && wait_for(Duration::from_secs(60), || child.try_wait().unwrap().is_some());
    let _ = child.kill();
    child.wait().unwrap();
    reader.join().unwrap();
    let all = format!("{prompt} {answer} {ended}: {}{}", seen.lock().unwrap(), words.join().unwrap());
    if prompt && answer && ended { Ok(all) } else { Err(all) }
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_shell_has_a_prompt_and_obeys() {
    let bench = Bench::new();
    for base in ["docker", "lean"] {
        let keys = b"echo answer $((6 * 7))\rpoweroff -f\r";
        type_at(bench.command(&["shell", "--base", base]), "# ", keys, "answer 42").unwrap();
    }
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_shell_opens_where_a_run_failed() {
    let bench = Bench::new();
    for base in ["lean", "docker"] {
        let fixed = ["fault-exit-at-once", "--functions", "functions/faults.yaml", "--base", base];
        assert_eq!(bench.test(&fixed).code, Some(1));
        let out = bench.path("out");
        // The run's own files are there; the run goes on after it.
        let keys = b"ls /run/futon; echo answer $((6 * 7))\rexit\r";
        let shell = bench.command(&["shell", out.to_str().unwrap()]);
        let seen = type_at(shell, "here is its machine", keys, "answer 42").unwrap();
        assert!(seen.contains("step ready failed with status 1") && seen.contains("run.env"), "{base}: {seen}");
        assert!(seen.contains("step ready failed in this run"), "{base}: {seen}");
    }
    bench.nothing_left();
}
