//! Containers as run scripts see them: started, waited for, looked at, stopped.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use futon_model::{GuestEvent, LeanContainer, not_whole};
use guest_net::{Context, Error, Result, ready};
use nix::sys::signal::Signal;

use super::{
    bundle::{self, Health, Record},
    health, net, output, supervise,
};
use crate::{
    cli::{Ready, Up},
    engine, files,
    own::{self, Apart, Streams},
    report::report,
    runlog::RunLog,
    waits::{self, Pending, State},
};

/// Between two looks.
const TICK: Duration = Duration::from_millis(20);
/// How long the kernel may take to end what it was told to kill.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long a container is waited for that could not be told to stop, as by the Docker Engine.
const NO_SIGNAL_GRACE: Duration = Duration::from_secs(2);
/// Where crun keeps what it knows of its containers.
const RUNTIME_STATE: &str = "/run/crun";

/// Starts all containers of the bundle, each when what it waits for is so, and reports which image the one runs that is to be reported.
pub(super) fn up(wanted: &Up, log: &RunLog) -> Result<()> {
    if let Some(file) = &wanted.file {
        let file = file.display();
        return Err(Error::new(format!("the lean guest starts the containers of its bundle: {file} is for an engine")));
    }
    let bundle = bundle::read()?;
    let reported = wanted.report.as_deref().map(|name| bundle::find(&bundle, name)).transpose()?;
    let pending =
        bundle.containers.iter().enumerate().map(|one| Pending { name: &one.1.name, after: &one.1.after, what: one });
    waits::start_all(
        pending.collect(),
        TICK,
        |after| Ok(state_for(&after.container)),
        |one| {
            let (number, needed) = one.what;
            if let Some(why) = &needed.refused {
                return Err(Error::new(format!("cannot start the container {}: {why}", needed.name)));
            }
            net::connect(&bundle, needed, number).context(format_args!("the network of {}", needed.name))?;
            start_one(needed).context(format_args!("cannot start {}", needed.name))?;
            say_image(needed);
            Ok(())
        },
    )?;
    if let Some(container) = reported {
        report_image(container, log);
    }
    Ok(())
}

/// Says which image a container runs.
pub(super) fn say_image(container: &LeanContainer) {
    println!("container {}: image {} is {}", container.name, container.image, container.image_id);
}

/// Reports it.
pub(super) fn report_image(container: &LeanContainer, log: &RunLog) {
    let LeanContainer { name, image, image_id, repo_digests, .. } = container.clone();
    report(&GuestEvent::Container { name, image, image_id, repo_digests }, log);
}

fn start_one(container: &LeanContainer) -> Result<()> {
    let (said, output) = io::pipe().context("cannot start the supervisor")?;
    let streams = Streams { input: null()?.into(), output: output.into(), errors: null()?.into() };
    // In a session of its own: it outlives the step, and must not be ended with it.
    own::spawn(Apart::Session, &streams, || u8::from(supervise::run(container).is_err()))
        .context("cannot start the supervisor")?;
    // Else there would always be one who could still write.
    drop(streams);
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).context("the supervisor")?;
    match line.trim() {
        "started" => {}
        "" => return Err(Error::new("the supervisor ended without a report")),
        other => return Err(Error::new(other.strip_prefix("failed: ").unwrap_or(other))),
    }
    if let Some(check) = &container.check {
        Record::of(&container.name).set_health(Health::Starting)?;
        let streams = Streams { input: null()?.into(), output: null()?.into(), errors: null()?.into() };
        own::spawn(Apart::Session, &streams, || u8::from(health::run(container, check).is_err()))
            .context("cannot start the healthcheck")?;
    }
    Ok(())
}

/// How it is with a container that others wait for.
fn state_for(name: &str) -> State {
    let record = Record::of(name);
    State { ended: record.end().map(|end| end.status), health: record.health().map(|health| health.word().to_owned()) }
}

fn null() -> Result<File> {
    File::options().read(true).write(true).open("/dev/null").context("/dev/null")
}

/// Waits until the container serves.
pub(super) fn wait_until_ready(wanted: &Ready, log: &RunLog) -> Result<()> {
    let record = Record::of(&wanted.container);
    record.pid()?;
    crate::ready::wait(&mut Supervised::of(record), wanted, TICK, log)
}

/// Bytes of a container's log that are read where it ended before it served.
const FIRST_WORDS: u64 = 4096;

/// A container of a supervisor's, while it is waited for.
struct Supervised {
    record: Record,
    /// How far its log was looked at, and the line that ended there without an end of its own.
    looked_at: u64,
    rest: Vec<u8>,
}

impl Supervised {
    fn of(record: Record) -> Self {
        Self { record, looked_at: 0, rest: Vec::new() }
    }
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

    fn has_line(&mut self, wanted: &dyn Fn(&str) -> bool) -> Result<bool> {
        let mut log = File::open(self.record.log()).context("the container's log")?;
        log.seek(SeekFrom::Start(self.looked_at)).context("the container's log")?;
        let mut lines = ready::Lines::behind(std::mem::take(&mut self.rest), wanted);
        self.looked_at += io::copy(&mut log, &mut lines).context("the container's log")?;
        let found = lines.found;
        self.rest = lines.rest;
        Ok(found)
    }

    fn facts(&mut self) -> Result<ready::Facts> {
        let restarts = self.record.restarts();
        Ok(ready::Facts {
            pid: self.record.pid().ok(),
            restarts: restarts.times,
            last_status: restarts.last_status,
            ..ready::Facts::default()
        })
    }
}

/// Reports a container's state.
pub(super) fn report_state(name: &str, log: &RunLog) {
    report(&state_of(&Record::of(name), name), log);
}

fn state_of(record: &Record, name: &str) -> GuestEvent {
    let (status, end) = record.status();
    match &end {
        Some(end) => println!("container {name}: {status} with status {}{}", end.status, end.details()),
        None => println!("container {name}: {status}"),
    }
    let restarts = record.restarts();
    GuestEvent::ContainerState {
        name: name.to_owned(),
        status: status.to_owned(),
        exit_code: end.as_ref().map(|end| end.status),
        oom_killed: end.is_some_and(|end| end.oom_killed),
        restarts: restarts.times,
        last_exit: restarts.last_status,
    }
}

/// Reports the state of each container beside `name` and saves its log beside the run's own. One that was not started is told so; none
/// hinders the others.
pub(super) fn save_companions(name: &str, limit: u64, log: &RunLog) {
    let bundle = match bundle::read() {
        Ok(bundle) => bundle,
        Err(error) => return println!("{error}"),
    };
    for container in bundle.containers.iter().filter(|container| container.name != name) {
        if let Err(error) = save_companion(container, limit, log) {
            println!("service {}: {error}", container.service);
        }
    }
}

/// A container that was started again and runs for so long runs on.
const RUNS_ON: Duration = Duration::from_secs(1);

fn save_companion(container: &LeanContainer, limit: u64, log: &RunLog) -> Result<()> {
    let (name, service) = (&container.name, &container.service);
    let record = Record::of(name);
    let began = Instant::now();
    let (status, end) = loop {
        let (status, end) = record.status();
        // One that was started again and runs may keep ending.
        if status != "running" || record.restarts().times == 0 || began.elapsed() >= RUNS_ON {
            break (status, end);
        }
        thread::sleep(TICK);
    };
    let health = record.health().map(Health::word);
    let word = health.map(|word| format!(", {word}")).unwrap_or_default();
    println!(
        "service {service}, container {name}: {status}{word}, exit status {}",
        end.as_ref().map_or(0, |e| e.status)
    );
    let event = GuestEvent::Companion {
        service: service.clone(),
        name: name.clone(),
        status: status.to_owned(),
        exit_code: end.as_ref().map(|end| end.status),
        oom_killed: end.as_ref().is_some_and(|end| end.oom_killed),
        health: health.map(str::to_owned),
        restarts: record.restarts().times,
    };
    report(&event, log);
    let file = log.folder().join(format!("companion-{service}.log"));
    if status == "created" {
        // It has said nothing; who is told to look there finds so.
        return files::save(&file, log, |_| Ok(None));
    }
    files::save(&file, log, |out| write_log(name, limit, out))
}

/// Writes a container's log, at most `limit` bytes of it. Where that is not all, the reason stands behind it and is returned.
pub(super) fn write_log(name: &str, limit: u64, out: &mut dyn Write) -> Result<Option<String>> {
    write_log_of(&Record::of(name), limit, out).context(format_args!("the log of {name}"))
}

fn write_log_of(record: &Record, limit: u64, out: &mut dyn Write) -> io::Result<Option<String>> {
    output::settle(record);
    let mut file = File::open(record.log())?;
    io::copy(&mut (&mut file).take(limit), out)?;
    if file.read(&mut [0])? == 0 {
        return Ok(None);
    }
    let why = engine::cut_words(limit);
    out.write_all(not_whole(&why).as_bytes())?;
    Ok(Some(why))
}

/// Stops a container with the grace it declares, and removes it.
pub(super) fn stop(name: &str, log: &RunLog) -> Result<()> {
    let bundle = bundle::read()?;
    let container = bundle::find(&bundle, name)?;
    let record = Record::of(name);
    record.set_stopping()?;
    if record.end().is_some() {
        // It may have ended since its log was saved.
        report_state(name, log);
    } else {
        let mut grace = Duration::from_millis(container.stop_grace_ms);
        // SAFETY: kill(2) takes two numbers and touches no memory.
        if container.stop_signal == 0 || unsafe { libc::kill(record.pid()?, container.stop_signal) } != 0 {
            // So long an engine waits which could not send its signal.
            grace = NO_SIGNAL_GRACE;
        }
        if !wait_for_end(&record, grace) {
            println!("container {name}: {}", signal_words(container.stop_signal));
            // Where the file gives no time at all nothing is wrong.
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

/// Freezes a container for good. To end it would take a simulated core millions of instructions, most of them to take its memory and its
/// network down, and the machine ends with the run.
pub(super) fn freeze(name: &str) -> Result<()> {
    if Record::of(name).end().is_some() {
        println!("container {name}: had ended already");
        return Ok(());
    }
    std::fs::write(cgroup(name).join("cgroup.freeze"), "1").context(format_args!("cannot freeze {name}"))?;
    println!("container {name}: frozen");
    Ok(())
}

/// Why a container was killed.
fn signal_words(signal: i32) -> String {
    match Signal::try_from(signal) {
        _ if signal == 0 => "its stop signal does not exist".to_owned(),
        Ok(signal) => format!("{signal} did not end it"),
        Err(_) => format!("signal {signal} did not end it"),
    }
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            other => break other.context(group.display())?,
        }
    }
    let state = Path::new(RUNTIME_STATE).join(name);
    match std::fs::remove_dir_all(&state) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context(state.display()),
        _ => Ok(()),
    }
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

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
