//! Containers as run scripts see them: started, waited for, looked at, stopped.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use futon_model::{GuestEvent, LeanContainer};
use nix::sys::signal::Signal;

use super::{
    bundle::{self, Record},
    net, supervise,
};
use crate::{
    engine,
    error::{Context, Error, Result},
    own::{self, Apart, Streams},
    ready,
    report::report,
    runlog::RunLog,
};

/// Between two looks.
const TICK: Duration = Duration::from_millis(20);
/// How long the kernel may take to end what it was told to kill.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Where crun keeps what it knows of its containers.
const RUNTIME_STATE: &str = "/run/crun";

/// Starts a container and all that come before it, and reports which image it runs.
pub(super) fn start(name: &str, log: &RunLog) -> Result<()> {
    let bundle = bundle::read()?;
    let (last, container) = bundle::find(&bundle, name)?;
    for (number, needed) in bundle.containers[..=last].iter().enumerate() {
        net::connect(&bundle, needed, number).context(format_args!("the network of {}", needed.name))?;
        start_one(needed).context(format_args!("cannot start {}", needed.name))?;
        println!("container {}: image {} is {}", needed.name, needed.image, needed.image_id);
    }
    report(
        &GuestEvent::Container {
            name: name.to_owned(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            repo_digests: container.repo_digests.clone(),
        },
        log,
    );
    Ok(())
}

fn start_one(container: &LeanContainer) -> Result<()> {
    let (said, output) = io::pipe().context("cannot start the supervisor")?;
    let null = || File::options().read(true).write(true).open("/dev/null").context("/dev/null");
    let streams = Streams { input: null()?.into(), output: output.into(), errors: null()?.into() };
    // In a session of its own: it outlives the step, and must not be ended with it.
    own::spawn(Apart::Session, &streams, || u8::from(supervise::run(&container.name).is_err()))
        .context("cannot start the supervisor")?;
    // Else there would always be one who could still write.
    drop(streams);
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).context("the supervisor")?;
    match line.trim() {
        "started" => Ok(()),
        "" => Err(Error::new("the supervisor ended without a word")),
        other => Err(Error::new(other.strip_prefix("failed: ").unwrap_or(other))),
    }
}

/// Waits until the container serves.
pub(super) fn ready(name: &str, address: SocketAddr, limit: Duration, log: &RunLog) -> Result<()> {
    let record = Record::of(name);
    record.pid()?;
    ready::wait(name, &mut Supervised { record }, address, limit, TICK, log)
}

/// Bytes of a container's log that are read where it ended before it served.
const FIRST_WORDS: u64 = 4096;

/// A container of a supervisor's, while it is waited for.
struct Supervised {
    record: Record,
}

impl ready::Subject for Supervised {
    fn exit(&mut self) -> Result<Option<ready::Exit>> {
        let Some(end) = self.record.end() else { return Ok(None) };
        let mut words = Vec::new();
        // Without them the reason is known less well, not less surely.
        let _ = File::open(self.record.log()).and_then(|log| log.take(FIRST_WORDS).read_to_end(&mut words));
        Ok(Some(ready::Exit {
            status: end.status,
            oom_killed: end.oom_killed,
            kernel_said: end.kernel_said,
            first_words: String::from_utf8_lossy(&words).into_owned(),
        }))
    }

    fn facts(&mut self) -> Result<ready::Facts> {
        Ok(ready::Facts { pid: self.record.pid().ok(), ..ready::Facts::default() })
    }
}

/// Reports a container's state.
pub(super) fn state(name: &str, log: &RunLog) {
    let record = Record::of(name);
    let event = match record.end() {
        Some(end) => {
            println!("container {name}: exited with status {}{}", end.status, end.details());
            GuestEvent::ContainerState {
                name: name.to_owned(),
                status: "exited".into(),
                exit_code: Some(end.status),
                oom_killed: end.oom_killed,
            }
        }
        None => {
            let status = if record.pid().is_ok() { "running" } else { "created" };
            println!("container {name}: {status}");
            GuestEvent::ContainerState {
                name: name.to_owned(),
                status: status.into(),
                exit_code: None,
                oom_killed: false,
            }
        }
    };
    report(&event, log);
}

/// Writes a container's log, at most `limit` bytes of it.
pub(super) fn write_log(name: &str, limit: u64, out: &mut dyn Write) -> Result<()> {
    let path = Record::of(name).log();
    let file = File::open(&path).context(format_args!("there is no log of {name}"))?;
    let written = io::copy(&mut file.take(limit), out).context(path.display())?;
    if written == limit {
        writeln!(out, "\n[cut by futon after {limit} bytes]").context(format_args!("the log of {name}"))?;
    }
    Ok(())
}

/// Stops a container with the grace it declares, and removes it.
pub(super) fn stop(name: &str, log: &RunLog) -> Result<()> {
    let bundle = bundle::read()?;
    let (_, container) = bundle::find(&bundle, name)?;
    let record = Record::of(name);
    let signal = signal(&container.stop_signal)?;
    if record.end().is_none() {
        // ESRCH: it has just ended by itself, which is as well.
        // SAFETY: kill(2) takes two numbers and touches no memory.
        let _ = unsafe { libc::kill(record.pid()?, signal) };
        if !wait_for_end(&record, Duration::from_millis(container.stop_grace_ms)) {
            let grace = Duration::from_millis(container.stop_grace_ms);
            if !grace.is_zero() {
                engine::report_kill(name, grace, grace, log);
            }
            std::fs::write(cgroup(name).join("cgroup.kill"), "1").context(format_args!("cannot kill {name}"))?;
            if !wait_for_end(&record, KILL_LIMIT) {
                return Err(Error::new(format!("container {name} does not end")));
            }
        }
    }
    remove(name).context(format_args!("cannot remove {name}"))?;
    println!("container {name}: stopped and removed");
    Ok(())
}

/// Takes away what is left of a container that has ended: its mounts went with its last process. `crun delete` would do
/// the same in 11 million instructions more (measured on gem5), which a simulated core would have to execute.
fn remove(name: &str) -> Result<()> {
    net::disconnect(name)?;
    let group = cgroup(name);
    let began = Instant::now();
    loop {
        match remove_cgroups(&group) {
            // A process that is still on its way out.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && began.elapsed() < KILL_LIMIT => {
                thread::sleep(TICK);
            }
            other => break other.context(group.display())?,
        }
    }
    let state = Path::new(RUNTIME_STATE).join(name);
    std::fs::remove_dir_all(&state).context(state.display())
}

/// Control groups hold files that are nobody's to remove: only folders are, from the innermost on.
fn remove_cgroups(group: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroups(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}

fn cgroup(name: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup/futon").join(name)
}

fn wait_for_end(record: &Record, limit: Duration) -> bool {
    let began = Instant::now();
    while record.end().is_none() {
        if began.elapsed() >= limit {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

/// First and last real-time signal, as the Docker Engine names them (moby/sys, signal): two belong to the C library.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// The number of a signal given by name, with or without `SIG`, or by number.
fn signal(name: &str) -> Result<i32> {
    let short = name.strip_prefix("SIG").unwrap_or(name);
    let number = if let Ok(number) = short.parse::<i32>() {
        Some(number)
    } else if let Some(above) = short.strip_prefix("RTMIN") {
        offset(above, '+').map(|n| RTMIN + n)
    } else if let Some(below) = short.strip_prefix("RTMAX") {
        offset(below, '-').map(|n| RTMAX - n)
    } else {
        Signal::from_str(&format!("SIG{short}")).ok().map(|signal| signal as i32)
    };
    let number = number.filter(|number| (1..=RTMAX).contains(number));
    number.ok_or_else(|| Error::new(format!("there is no stop signal {name}")))
}

/// What is behind `RTMIN` or `RTMAX`: nothing, or a sign and a number.
fn offset(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        Some(0)
    } else {
        text.strip_prefix(sign)?.parse().ok().filter(|n| (0..=RTMAX - RTMIN).contains(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_in_all_forms() {
        let forms =
            [("SIGINT", 2), ("INT", 2), ("2", 2), ("SIGRTMIN+3", 37), ("RTMIN", 34), ("SIGRTMAX-14", 50), ("37", 37)];
        for (name, number) in forms {
            assert_eq!(signal(name).unwrap(), number, "{name}");
        }
        for name in ["SIGNONE", "0", "65", "RTMIN+31", "RTMAX+1", "RTMIN-1", ""] {
            assert!(signal(name).is_err(), "{name}");
        }
    }
}
