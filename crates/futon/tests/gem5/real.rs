//! Real gem5. These tests need `GEM5` and the lean guest in the resources: ignored unless asked for, as `make test` does where both are there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{verdict, why};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The resources of this source tree, with gem5 and the lean guest.
fn resources() -> PathBuf {
    // `make` names them as the source tree sees them: a test runs in its crate's folder.
    let resources = Path::new(ROOT).join(std::env::var_os("RESOURCES").unwrap_or_else(|| "resources".into()));
    let gem5 = std::env::var_os("GEM5").is_some_and(|p| Path::new(&p).is_file()) || resources.join("gem5").exists();
    assert!(gem5, "GEM5 names no simulator");
    let lean = resources.join("lean-kernel").exists() && resources.join("lean-initrd").exists();
    assert!(lean, "the lean guest is not built (`futon resources build kernel lean`)");
    resources
}

fn command(resources: &Path, out: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
    command.args(["test", "--on", "gem5", "--json"]).args(args).arg("--resources").arg(resources);
    command.arg("--out").arg(out).current_dir(ROOT);
    command
}

fn report(output: &Output) -> (Option<i32>, Value) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}")))
}

fn futon(resources: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    report(&command(resources, &folder.path().join("out"), args).output().unwrap())
}

/// Resources like those given, but for their checkpoints.
fn without_checkpoints(resources: &Path, folder: &Path) -> PathBuf {
    let own = folder.join("resources");
    fs::create_dir(&own).unwrap();
    for entry in fs::read_dir(resources).unwrap().flatten() {
        if entry.file_name() != "checkpoints" && entry.file_name() != ".lock" {
            symlink(fs::canonicalize(entry.path()).unwrap(), own.join(entry.file_name())).unwrap();
        }
    }
    own
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn a_function_passes_on_the_atomic_core() {
    let resources = resources();
    let (code, report) = futon(&resources, &["fibonacci-go"]);
    assert_eq!((code, report["functions"][0]["proof"].as_str()), (Some(0), Some("full")), "{report:#}");
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn measured_invocations_repeat_to_the_tick() {
    let resources = resources();
    let run = || {
        let (code, report) = futon(&resources, &["fibonacci-go", "--cpu", "timing", "-n", "2", "--sim-seed", "1"]);
        assert_eq!(code, Some(0), "{report:#}");
        report["functions"][0]["simulation"]["phases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["name"].clone(), p["final_tick"].clone(), p["insts"].clone()))
            .filter(|(name, ..)| name != "template")
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// The stage in QEMU is a faster way to the same state: what is measured behind it agrees with what gem5 reaches by itself.
#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn a_function_that_boots_in_gem5_is_measured_alike() {
    let resources = resources();
    let insts = |machine: &str| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let words = ["fibonacci-go", "--cpu", "timing", "-n", "3", "--software-warmup", "5", "--boot-machine", machine];
        let (code, report) = report(&command(&resources, &out, &words).output().unwrap());
        assert_eq!(code, Some(0), "{report:#}");
        let rows = gem5_stats::read_rows(&fs::read(out.join("invocations.csv")).unwrap()[..], "rows").unwrap();
        let cycles: Vec<f64> = rows.iter().map(|row| row.get("active_cycles").unwrap().parse().unwrap()).collect();
        assert_eq!(cycles.len(), 3);
        cycles.iter().sum::<f64>()
    };
    let ratio = insts("qemu") / insts("gem5");
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

/// The run script does it: from the parked guest on, so that each is there within a minute.
/// The base image with its engine: its root lies in memory that must be cached as other memory is.
#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn an_engines_function_is_measured_to_its_end() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let words =
        ["--base", "docker", "fibonacci-go", "--cpu", "o3", "--system", "skylake", "-n", "2", "--uarch-warmup", "3"];
    let (code, report) = report(&command(&resources, &out, &words).output().unwrap());
    let function = &report["functions"][0];
    assert_eq!((code, function["proof"].as_str()), (Some(0), Some("full")), "{report:#}");
    assert_eq!(function["simulation"]["boot_core"], "qemu");
    let rows = fs::read_to_string(out.join("invocations.csv")).unwrap();
    let head: Vec<&str> = rows.lines().next().unwrap().split(',').collect();
    let column = head.iter().position(|name| *name == "cpi").unwrap();
    let figures: Vec<f64> =
        rows.lines().skip(1).map(|row| row.split(',').nth(column).unwrap().parse().unwrap()).collect();
    assert!(figures.len() == 2 && figures.iter().all(|cpi| (1.0..2.5).contains(cpi)), "{figures:?}");
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn faults_of_the_guest_have_their_names() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let template = fs::read_to_string(Path::new(ROOT).join("test/run_lean.template.sh")).unwrap();
    let path = folder.path().join("template.sh");
    for (fault, args, expected, exit, said) in [
        ("echo c >/proc/sysrq-trigger; sleep 60", &[][..], ("crashed", "pull", "guest_panic"), 1, "sysrq triggered"),
        ("m5 fail 77", &[], ("failed", "pull", "step_failed"), 1, "m5 fail 77"),
        ("sleep 600", &["--watchdog", "simulated=20s"], ("timed_out", "pull", "run_timed_out"), 1, "limit simulated"),
        ("while :; do :; done", &["--watchdog", "host=60s"], ("timed_out", "pull", "run_timed_out"), 1, "limit host"),
    ] {
        let (before, after) = template.split_once("[ $status -ne 0 ] || step pull").unwrap();
        fs::write(&path, format!("{before}{fault}\n[ $status -ne 0 ] || step pull{after}")).unwrap();
        let words = [&["fibonacci-go", "--template", path.to_str().unwrap()], args].concat();
        let (code, report) = futon(&resources, &words);
        assert_eq!(verdict(&report), expected, "{fault}: {report:#}");
        assert_eq!(code, Some(exit), "{fault}");
        assert!(why(&report).contains(said), "{fault}: {}", why(&report));
    }
}

/// futon's own m5 refuses such a name; a container or another m5 does not. `writefile` is instruction 0x4f: buffer, length, offset, name.
#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn a_guest_that_writes_outside_its_folder_is_named() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let source = format!(
        r#"static char data[] = "x\n", name[] = "{}";
        int main(void) {{
            long written;
            volatile char touched = data[0] + name[0];
            (void)touched;
            __asm__ volatile(".byte 0x0f, 0x04, 0x4f, 0x00"
                             : "=a"(written) : "D"(data), "S"(2L), "d"(0L), "c"(name) : "memory");
            return written != 2;
        }}"#,
        path("outside").display()
    );
    fs::write(path("escape.c"), source).unwrap();
    let built = Command::new("cc").args(["-static", "-O1", "-o"]).args([path("escape"), path("escape.c")]).status();
    assert!(built.unwrap().success());
    let template = fs::read_to_string(Path::new(ROOT).join("test/run_lean.template.sh")).unwrap();
    let (before, after) = template.split_once("[ $status -ne 0 ] || step pull").unwrap();
    let escape = "futon-guest get escape && chmod 755 escape && ./escape; sleep 60";
    fs::write(path("template.sh"), format!("{before}{escape}\n[ $status -ne 0 ] || step pull{after}")).unwrap();
    let (template, file) = (path("template.sh"), path("escape"));
    let words = ["fibonacci-go", "--template", template.to_str().unwrap(), "--file", file.to_str().unwrap()];
    let (code, report) = futon(&resources, &words);
    assert_eq!((verdict(&report), code), (("crashed", "pull", "forbidden_write"), Some(1)), "{report:#}");
    assert!(why(&report).contains("tried to write"), "{}", why(&report));
    assert!(!path("outside").exists());
}

/// What a user's own disk and kernel get wrong: the kernel finds the disk and no root on it; a kernel has no serial port.
#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn guests_that_do_not_come_up_are_named() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.raw");
    fs::File::create(&disk).unwrap().set_len(64 << 20).unwrap();
    assert!(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(&disk).status().unwrap().success());
    let (disk, kernel) = (disk.to_str().unwrap(), resources.join("lean-kernel"));
    let words = [
        "fibonacci-go",
        "--base-image",
        disk,
        "--kernel",
        kernel.to_str().unwrap(),
        "--root",
        "/dev/sdz",
        "--boot-machine",
        "gem5",
    ];
    let (code, report) = futon(&resources, &words);
    assert_eq!((verdict(&report), code), (("crashed", "boot", "guest_panic"), Some(3)), "{report:#}");
    assert!(why(&report).contains("Unable to mount root fs"), "{}", why(&report));

    let (code, report) = futon(&resources, &["fibonacci-go", "--append", "8250.nr_uarts=0"]);
    assert_eq!((verdict(&report), code), (("crashed", "boot", "guest_reset"), Some(3)), "{report:#}");
    let hint = report["functions"][0]["verdict"]["hint"].as_str().unwrap();
    assert!(hint.contains("the console is empty"), "{hint}");
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn a_function_that_crashes_while_it_is_measured_is_named() {
    let resources = resources();
    let words = ["fault-crash-after", "--functions", "functions/faults.yaml", "--cpu", "timing", "-n", "8"];
    let (code, report) = futon(&resources, &words);
    assert_eq!((verdict(&report), code), (("failed", "invoke", "call_failed"), Some(1)), "{report:#}");
    assert!(why(&report).contains("call 4"), "{}", why(&report));
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn a_gem5_that_is_killed_is_no_fault_of_the_function() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut futon = command(&resources, &out, &["fibonacci-go"]);
    let child = futon.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // gem5 alone has its output folder as an argument of `-d`.
    let needle = format!("-d\0{}", out.join("fibonacci-go/results/gem5/run/m5out").display());
    let running = || {
        let mut processes = fs::read_dir("/proc").unwrap().flatten();
        let found = processes.find(|p| {
            String::from_utf8_lossy(&fs::read(p.path().join("cmdline")).unwrap_or_default()).contains(&needle)
        });
        found?.file_name().to_str()?.parse().ok()
    };
    let limit = Instant::now() + Duration::from_secs(900);
    let pid = loop {
        assert!(Instant::now() < limit, "gem5 did not start");
        match running() {
            Some(pid) => break nix::unistd::Pid::from_raw(pid),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    std::thread::sleep(Duration::from_secs(5));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let (code, report) = report(&child.wait_with_output().unwrap());
    assert_eq!((verdict(&report).0, verdict(&report).2, code), ("infra", "machine_died", Some(3)), "{report:#}");
}

#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn faults_of_checkpoints_have_their_names() {
    let resources = resources();
    let folder = tempfile::tempdir().unwrap();
    let own = without_checkpoints(&resources, folder.path());
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    // The payload and what it is made of take 21 MB, the parked guest's checkpoint 18 MB.
    let words: Vec<String> = {
        let futon = command(&own, &out.join("run"), &["fibonacci-go"]);
        let words = futon.get_args().map(|w| format!("'{}'", w.to_str().unwrap()));
        words.collect()
    };
    let script = format!(
        "mount -t tmpfs -o size=28m tmpfs {} && exec {} {}",
        out.display(),
        env!("CARGO_BIN_EXE_futon"),
        words.join(" ")
    );
    let full = Command::new("unshare").args(["-Urm", "sh", "-c", &script]).current_dir(ROOT).output().unwrap();
    let (code, full) = report(&full);
    assert_eq!((verdict(&full), code), (("infra", "boot", "host_disk_full"), Some(3)), "{full:#}");

    // One that is there, and was changed.
    let (_, passed) = futon(&resources, &["fibonacci-go"]);
    let key = passed["functions"][0]["simulation"]["parked_checkpoint"].as_str().unwrap();
    let (from, to) = (resources.join("checkpoints").join(key), own.join("checkpoints").join(key));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let memory =
        fs::read_dir(&to).unwrap().flatten().find(|e| e.file_name().to_string_lossy().contains("pmem")).unwrap();
    let mut bytes = fs::read(memory.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(memory.path(), bytes).unwrap();
    let (code, damaged) = futon(&own, &["fibonacci-go"]);
    assert_eq!((verdict(&damaged), code), (("infra", "boot", "bad_resource"), Some(3)), "{damaged:#}");
    assert!(why(&damaged).contains(key), "{}", why(&damaged));
}

/// The model does what its parameters say; a core that predicts nothing says so.
#[test]
#[ignore = "needs a gem5: set GEM5, and make test runs it"]
fn the_self_test_finds_what_the_parameters_say() {
    let resources = resources();
    for (system, cpu, ok, without) in [("skylake", "o3", 14, 0), ("simple", "timing", 9, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
        command.args(["gem5", "selftest", "--json", "--system", system, "--cpu", cpu]);
        command.arg("--resources").arg(&resources).arg("--out").arg(folder.path().join("out")).current_dir(ROOT);
        let (code, figures) = report(&command.output().unwrap());
        assert_eq!(code, Some(0), "{figures:#}");
        let count = |state: &str| figures["tests"].as_array().unwrap().iter().filter(|t| t["state"] == state).count();
        assert_eq!((count("ok"), count("not_applicable")), (ok, without), "{figures:#}");
    }
}
