//! A container's supervisor: starts it with crun and stays until it ends, since a process's end is told to its parent alone.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::Command,
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::bundle::{self, End, Record};
use crate::{
    error::{Context, Error, Result},
    kernel,
};

const CRUN: &str = "/usr/bin/crun";

/// Runs a container to its end. The first line on standard output says whether it was started.
pub(super) fn run(name: &str) -> Result<()> {
    match start(name) {
        Ok((record, pid)) => {
            say("started");
            stay(name, &record, pid)
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

fn start(name: &str) -> Result<(Record, Pid)> {
    let record = Record::of(name);
    record.create()?;
    // The container, which crun leaves behind, becomes this process's child.
    prctl::set_child_subreaper(true).context("cannot become a subreaper")?;
    let log = File::create(record.log()).context("cannot write the container's log")?;
    let twin = log.try_clone().context("cannot share the container's log")?;
    let mut crun = Command::new(CRUN);
    crun.arg("--cgroup-manager=cgroupfs")
        .arg("--log")
        .arg(record.runtime_log())
        .args(["run", "--detach", "--bundle"])
        .arg(Path::new(bundle::FOLDER).join(name))
        .arg("--pid-file")
        .arg(record.pid_file())
        .arg(name);
    let status = crun.current_dir("/").stdout(log).stderr(twin).status().context("cannot run crun")?;
    if !status.success() {
        return Err(Error::new(format!("crun: {status}: {}", last_word(&record))));
    }
    let pid = record.pid()?;
    Ok((record, Pid::from_raw(pid)))
}

/// What crun complained of last.
fn last_word(record: &Record) -> String {
    let said = fs::read_to_string(record.runtime_log()).unwrap_or_default();
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned()
}

fn stay(name: &str, record: &Record, pid: Pid) -> Result<()> {
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
    record.set_end(&End { status, oom_killed: has_oom_kill(&events), kernel_said })
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
