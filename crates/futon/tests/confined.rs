//! What a machine may do on the host: a shell in QEMU's place tries what a guest would that has broken out of its emulated devices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use futon_machine::{Confinement, GuardArguments};

/// The descriptor on which the guard finds its socket.
const CONTROL: i32 = 3;

/// Starts a shell under guard; the guard, its socket and its first message.
fn guarded(script: &str, log: &Path, confinement: Confinement) -> (Child, UnixStream, serde_json::Value) {
    let arguments = GuardArguments {
        log: log.to_owned(),
        last_fd: CONTROL,
        command: ["bash", "-c", script].map(str::to_owned).to_vec(),
        confinement: Some(confinement),
        ..GuardArguments::default()
    };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
    command.arg("guard").arg(serde_json::to_string(&arguments).unwrap()).stdin(Stdio::null());
    command.fd_mappings(vec![FdMapping { parent_fd: theirs.into(), child_fd: CONTROL }]).unwrap();
    let guard = command.spawn().unwrap();
    // The command still has the guard's end.
    drop(command);
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut line = String::new();
    BufReader::new(&ours).read_line(&mut line).unwrap();
    (guard, ours, serde_json::from_str(&line).unwrap())
}

/// Linux's version, as (6, 12).
fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|word| word.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_machine_has_what_it_was_given_and_nothing_else() {
    if !futon_machine::confinement_works() {
        // Said aloud: `make test` counts it.
        panic!("this host has no Landlock; futon runs machines unconfined there, and says so in each report");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["given", "other"] {
        fs::write(at(name), "x").unwrap();
    }
    fs::create_dir(at("run")).unwrap();
    let ports = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let port = |at: usize| ports[at].local_addr().unwrap().port();
    let confinement = Confinement {
        write: vec![at("run")],
        read: Some(vec![at("given")]),
        connect: Some(vec![port(0)]),
        best_effort: false,
    };
    // Each line: what is tried, then how it went.
    let script = format!(
        "cd {folder}\n\
         try() {{ if ( eval \"$2\" ) 2>/dev/null; then echo \"$1 yes\"; else echo \"$1 no\"; fi >>run/said; }}\n\
         try read-given ': <given'; try write-given ': >>given'; try read-other ': <other'; try write-run 'echo x >run/x'\n\
         try write-beside ': >beside'; try list 'ls . >/dev/null'; try read-passwd ': </etc/passwd'; try read-test ': </proc/{test}/maps'\n\
         try connect ': </dev/tcp/127.0.0.1/{first}'; try connect-other ': </dev/tcp/127.0.0.1/{second}'\n\
         try signal 'kill -0 {test}'; echo done >>run/said; sleep 60\n",
        folder = folder.path().display(),
        test = std::process::id(),
        first = port(0),
        second = port(1),
    );
    let (mut guard, mut control, message) = guarded(&script, &at("run/log"), confinement);
    assert_eq!(message["guard"], "started", "{message} {}", fs::read_to_string(at("run/log")).unwrap_or_default());
    let said = || fs::read_to_string(at("run/said")).unwrap_or_default();
    let begin = Instant::now();
    while !said().ends_with("done\n") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ports since Linux 6.7, signals since 6.12.
    let (ports_kept, signals_kept) = (kernel() >= (6, 7), kernel() >= (6, 12));
    let word = |kept: bool| if kept { "no" } else { "yes" };
    assert_eq!(
        said(),
        format!(
            "read-given yes\nwrite-given no\nread-other no\nwrite-run yes\nwrite-beside no\nlist no\nread-passwd no\nread-test no\n\
             connect yes\nconnect-other {}\nsignal {}\ndone\n",
            word(ports_kept),
            word(signals_kept)
        )
    );
    let status = fs::read_to_string(format!("/proc/{}/status", message["pid"])).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", message["pid"])).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    // The guard's own end of the socket: it ends the machine.
    control.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    control.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("exited"), "{rest}");
    guard.wait().unwrap();
}
