//! Healthchecks, for containers that others wait for: run as the Docker Engine runs them (moby, `daemon/health.go`), by a process of
//! their own that goes on until the container has ended.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use futon_model::{LeanBundle, LeanCheck, LeanContainer};
use guest_net::{Context, Result};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::bundle::{FOLDER, Health, Record};

const CRUN: &str = "/usr/bin/crun";
/// Between two looks at what is going on.
const TICK: Duration = Duration::from_millis(20);

/// How a container's checks went so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Course {
    health: Health,
    failures: u32,
}

impl Course {
    const BEGIN: Self = Self { health: Health::Starting, failures: 0 };

    /// After a check that began `since_start` after the container.
    fn after(self, check: &LeanCheck, success: bool, since_start: Duration) -> Self {
        if success {
            return Self { health: Health::Healthy, failures: 0 };
        }
        // A container that has never been healthy has its start period.
        if self.health == Health::Starting && since_start < Duration::from_millis(check.start_period_ms) {
            return self;
        }
        let failures = self.failures + 1;
        Self { health: if failures >= check.retries { Health::Unhealthy } else { self.health }, failures }
    }

    /// How long the next check is waited for.
    fn pause(self, check: &LeanCheck, since_start: Duration) -> Duration {
        let young = since_start < Duration::from_millis(check.start_period_ms) && self.health == Health::Starting;
        Duration::from_millis(if young { check.start_interval_ms } else { check.interval_ms })
    }
}

/// Checks a container until it has ended.
pub(super) fn run(container: &LeanContainer, check: &LeanCheck) -> Result<()> {
    let (record, mut began) = (Record::of(&container.name), Instant::now());
    let (mut course, mut restarts) = (Course::BEGIN, 0);
    loop {
        let mut asleep = Instant::now();
        while asleep.elapsed() < course.pause(check, began.elapsed()) {
            if record.end().is_some() {
                return Ok(());
            }
            let times = record.restarts().times;
            if times != restarts {
                // A container that was started again begins again.
                (course, restarts, began, asleep) = (Course::BEGIN, times, Instant::now(), Instant::now());
                record.set_health(course.health)?;
            }
            thread::sleep(TICK);
        }
        let since_start = began.elapsed();
        let success = once(&container.name, Duration::from_millis(check.timeout_ms));
        course = course.after(check, success, since_start);
        record.set_health(course.health)?;
    }
}

/// One check: whether its command ended in time, with status 0.
fn once(name: &str, limit: Duration) -> bool {
    let process = Path::new(FOLDER).join(name).join(LeanBundle::CHECK);
    let pid_file = Record::of(name).check_pid_file();
    let _ = fs::remove_file(&pid_file);
    let mut crun = Command::new(CRUN);
    crun.args(["--cgroup-manager=cgroupfs", "exec", "--pid-file"])
        .arg(&pid_file)
        .arg("--process")
        .arg(process)
        .arg(name)
        .current_dir("/");
    let success = ends_well(crun, limit).unwrap_or(None);
    if success.is_none()
        && let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok())
    {
        // The command itself has a session of its own. It may have ended by itself just now.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    success.unwrap_or(false)
}

/// Whether a command ends with status 0; nothing where it does not end within its limit: then it is killed with its process group.
fn ends_well(mut command: Command, limit: Duration) -> Result<Option<bool>> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().context("cannot run the healthcheck")?;
    match wait(&mut child, limit).context("the healthcheck")? {
        Some(status) => Ok(Some(status.success())),
        None => {
            let group = Pid::from_raw(i32::try_from(child.id()).context("odd process id")?);
            // It may have ended by itself just now.
            let _ = killpg(group, Signal::SIGKILL);
            child.wait().context("the healthcheck")?;
            Ok(None)
        }
    }
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        match child.try_wait()? {
            None if began.elapsed() < limit => thread::sleep(TICK),
            status => return Ok(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: LeanCheck =
        LeanCheck { interval_ms: 1000, timeout_ms: 100, start_period_ms: 5000, start_interval_ms: 200, retries: 2 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_count_after_the_start_period_and_in_a_row() {
        let early = Course::BEGIN.after(&CHECK, false, at(4)).after(&CHECK, false, at(4));
        assert_eq!(early, Course::BEGIN);
        let once = early.after(&CHECK, false, at(6));
        assert_eq!((once.health, once.failures), (Health::Starting, 1));
        assert_eq!(once.after(&CHECK, false, at(7)).health, Health::Unhealthy);
        let well = once.after(&CHECK, true, at(7));
        assert_eq!(well, Course { health: Health::Healthy, failures: 0 });
        // Who was healthy once has no start period any more.
        assert_eq!(well.after(&CHECK, false, at(1)).failures, 1);
        assert_eq!(well.after(&CHECK, false, at(1)).after(&CHECK, false, at(1)).health, Health::Unhealthy);
    }

    #[test]
    fn checks_are_closer_while_it_starts() {
        assert_eq!(Course::BEGIN.pause(&CHECK, at(1)), Duration::from_millis(200));
        assert_eq!(Course::BEGIN.pause(&CHECK, at(5)), at(1));
        assert_eq!(Course { health: Health::Healthy, failures: 0 }.pause(&CHECK, at(1)), at(1));
    }

    #[test]
    fn a_check_ends_well_or_within_its_limit() {
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        assert_eq!(ends_well(sh("exit 0"), at(60)).unwrap(), Some(true));
        assert_eq!(ends_well(sh("exit 1"), at(60)).unwrap(), Some(false));
        let began = Instant::now();
        assert_eq!(ends_well(sh("sleep 60 & sleep 60"), Duration::from_millis(100)).unwrap(), None);
        assert!(began.elapsed() < at(30));
    }
}
