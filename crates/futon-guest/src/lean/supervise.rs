//! A container's supervisor: starts it with crun and stays until it ends, since a process's end is told to its parent alone.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use futon_model::LeanContainer;
use guest_net::{Context, Error, Result};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    bundle::{self, End, Record},
    names,
    output::{self, Pump},
};
use crate::kernel;

const CRUN: &str = "/usr/bin/crun";

/// Between the first end of a container that is to be started again and that start; it doubles with each, up to a minute, and begins
/// anew when the container has run for ten seconds, all as the Docker Engine has it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const LONG_RUN: Duration = Duration::from_secs(10);
/// Between two looks whether it is to be stopped after all.
const TICK: Duration = Duration::from_millis(20);

/// Runs a container to its end. The first line on standard output says whether it was started.
pub(super) fn run(container: &LeanContainer) -> Result<()> {
    match begin(container) {
        Ok((record, started)) => {
            say("started");
            stay(container, &record, started)
        }
        Err(error) => {
            say(&format!("failed: {error}"));
            Err(error)
        }
    }
}

fn say(line: &str) {
    let mut out = io::stdout();
    // Who asked may have been ended by its limit; the container runs all the same.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A container that was started: its first process, and who moves its output.
struct Started {
    pid: Pid,
    output: Pump,
}

fn begin(container: &LeanContainer) -> Result<(Record, Started)> {
    let record = Record::of(&container.name);
    record.create()?;
    names::serve(container)?;
    // The container, which crun leaves behind, becomes this process's child.
    prctl::set_child_subreaper(true).context("cannot become a subreaper")?;
    let started = launch(&container.name, &record)?;
    Ok((record, started))
}

/// Has crun start the container; what it prints goes behind what it printed before.
fn launch(name: &str, record: &Record) -> Result<Started> {
    let (out, output) = output::open(record)?;
    let twin = out.try_clone().context("cannot share the container's output")?;
    let mut crun = Command::new(CRUN);
    crun.arg("--cgroup-manager=cgroupfs")
        .arg("--log")
        .arg(record.runtime_log())
        .args(["run", "--detach", "--bundle"])
        .arg(Path::new(bundle::FOLDER).join(name))
        .arg("--pid-file")
        .arg(record.pid_file())
        .arg(name);
    let status = crun.current_dir("/").stdout(out).stderr(twin).status().context("cannot run crun")?;
    // It holds the ends that are written to: what nobody holds any more ends.
    drop(crun);
    if !status.success() {
        output.finish();
        return Err(Error::new(format!("crun: {status}: {}", last_word(record))));
    }
    Ok(Started { pid: Pid::from_raw(record.pid()?), output })
}

/// What crun complained of last.
fn last_word(record: &Record) -> String {
    let said = fs::read_to_string(record.runtime_log()).unwrap_or_default();
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned()
}

/// Waits for the container's end, and starts it again where its policy wants that.
fn stay(container: &LeanContainer, record: &Record, mut started: Started) -> Result<()> {
    let (mut times, mut pause) = (0, FIRST_PAUSE);
    loop {
        let began = Instant::now();
        let end = wait_for_end(&container.name, started.pid)?;
        started.output.finish();
        if record.is_stopping() || !container.restart.again(end.status, times) {
            return record.set_end(&end);
        }
        if began.elapsed() > LONG_RUN {
            (times, pause) = (0, FIRST_PAUSE);
        }
        times += 1;
        record.add_restart(end.status)?;
        let asleep = Instant::now();
        while asleep.elapsed() < pause {
            if record.is_stopping() {
                return record.set_end(&end);
            }
            thread::sleep(TICK);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        forget(&container.name)?;
        match launch(&container.name, record) {
            Ok(again) => started = again,
            Err(error) => {
                // Where what the container prints is looked for.
                let _ = fs::OpenOptions::new()
                    .append(true)
                    .open(record.log())
                    .and_then(|mut log| writeln!(log, "futon: not restarted: {error}"));
                return record.set_end(&end);
            }
        }
    }
}

/// Has crun forget a container that has ended, so that one of its name can be started.
fn forget(name: &str) -> Result<()> {
    let status = Command::new(CRUN)
        .args(["--cgroup-manager=cgroupfs", "delete", "--force", name])
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run crun")?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("crun delete: {status}"))) }
}

fn wait_for_end(name: &str, pid: Pid) -> Result<End> {
    let status = loop {
        match waitpid(Pid::from_raw(-1), None) {
            Ok(WaitStatus::Exited(ended, code)) if ended == pid => break i64::from(code),
            Ok(WaitStatus::Signaled(ended, signal, _)) if ended == pid => break 128 + i64::from(signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Error::from(io::Error::from(error))),
        }
    };
    let events = fs::read_to_string(format!("/sys/fs/cgroup/futon/{name}/memory.events")).unwrap_or_default();
    let kernel_said = kernel::word_on(status);
    Ok(End { status, oom_killed: has_oom_kill(&events), kernel_said })
}

/// Whether a control group's `memory.events` counts a process that the kernel ended.
fn has_oom_kill(events: &str) -> bool {
    events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
}

#[cfg(test)]
mod tests {
    use super::has_oom_kill;

    #[test]
    fn a_kill_is_seen_and_pressure_is_none() {
        assert!(has_oom_kill("low 0\noom 1\noom_kill 2\noom_group_kill 0\n"));
        assert!(!has_oom_kill("low 0\noom 1\noom_kill 0\noom_group_kill 3\n"));
        assert!(!has_oom_kill(""));
    }
}
