//! Under emulation a program's start is mostly the translation of its code, once for each machine: a fork has translated nothing yet.
//! While its first steps keep one processor busy, another one asks the programs that the engine is going to start for their version.

use std::{fs::File, io, os::fd::OwnedFd, process::Command};

use crate::own::{self, Apart, Streams};

/// The programs that a container's start and the calls need, the largest first, and a word that makes each of them end at once. What is
/// not there is passed over; of the two runtimes the engine takes one, mostly the first where that is there.
const PROGRAMS: [(&str, &str); 7] = [
    // It starts itself again for each container's network.
    ("dockerd", "--version"),
    ("containerd-shim-runc-v2", "-v"),
    ("docker-proxy", "-h"),
    ("crun", "--version"),
    // For the name service of a container's network, ten times.
    ("iptables", "--version"),
    ("test-client", "--help"),
    ("runc", "--version"),
];

/// Behind the run's own steps.
const NICE: libc::c_int = 19;

/// Begins in a process of its own. Nobody waits for it, and nothing depends on it.
pub(crate) fn begin() {
    if let Err(error) = streams().and_then(|streams| own::spawn(Apart::Session, &streams, start_each)) {
        println!("futon: no prewarming: {error}");
    }
}

fn streams() -> io::Result<Streams> {
    let null = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    Ok(Streams { input: null()?, output: null()?, errors: null()? })
}

fn start_each() -> u8 {
    // SAFETY: a call with plain numbers; 0 is this process.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    for (program, word) in PROGRAMS {
        // Not there, or of another mind: the run is as slow as without.
        let _ = Command::new(program).arg(word).status();
    }
    0
}
