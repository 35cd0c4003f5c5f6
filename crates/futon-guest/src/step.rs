//! `step`: runs a command as a step of the run: recorded, reported, and ended when its limit strikes.

use std::{
    fmt::Write,
    fs::File,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use futon_model::GuestEvent;
use guest_net::{Context, Result};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    cli::{Cli, ContainerVerb, Ready, Verb},
    own::{self, Apart, Streams},
    report::report,
    runlog::RunLog,
    service::code_of,
};

/// This tool, as run scripts call it.
const ME: &str = "futon-guest";
const TAIL: u64 = 4096;
const GRACE: Duration = Duration::from_secs(3);

/// How much later than a verb's own limit a step's strikes. The host's comes later still.
const SLACK: Duration = Duration::from_secs(10);

/// Exit status when the limit struck, as `timeout` has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// Exit status when the command could not be started, as shells have it.
const NOT_STARTED: u8 = 127;

/// How a step's command ended.
#[derive(Debug)]
enum End {
    Itself(ExitStatus),
    Limit(Duration),
    NotStarted(String),
}

impl End {
    fn code(&self) -> u8 {
        match self {
            Self::Itself(status) => code_of(*status),
            Self::Limit(_) => TIMED_OUT,
            Self::NotStarted(_) => NOT_STARTED,
        }
    }

    /// In words, for the results log.
    fn words(&self) -> String {
        match self {
            Self::Itself(status) if status.success() => "ok".to_owned(),
            Self::Itself(status) => match status.signal() {
                Some(signal) => format!("ended by signal {signal}"),
                None => format!("exit status {}", code_of(*status)),
            },
            Self::Limit(limit) => format!("time limit of {} reached", humantime::format_duration(*limit)),
            Self::NotStarted(why) => format!("not started: {why}"),
        }
    }

    fn event(&self, name: &str, took: Duration, tail: String) -> GuestEvent {
        let (exit_status, signal) = match self {
            Self::Itself(status) => (status.code(), status.signal()),
            Self::Limit(_) => (None, None),
            Self::NotStarted(_) => (Some(i32::from(NOT_STARTED)), None),
        };
        GuestEvent::StepEnded {
            name: name.to_owned(),
            exit_status,
            signal,
            timed_out: matches!(self, Self::Limit(_)),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            tail,
        }
    }
}

/// Does what a command line of this tool says, and returns the exit status.
pub(crate) type Verbs = fn(Cli) -> u8;

/// What a step does.
enum Work<'a> {
    /// Runs a command.
    Command(&'a [String]),
    /// Has one of this tool's verbs done, in a process of its own.
    Verb(Cli, Verbs),
}

/// Runs `command` as the step `name`, at most for `limit`, and returns its exit status.
pub(crate) fn run(name: &str, limit: Option<Duration>, command: &[String], verbs: Verbs, log: &RunLog) -> Result<u8> {
    let work = own_verb(command).map_or(Work::Command(command), |verb| Work::Verb(verb, verbs));
    record(name, limit, work, log)
}

/// The same for one of this tool's verbs.
pub(crate) fn run_verb(name: &str, limit: Duration, verb: Cli, verbs: Verbs, log: &RunLog) -> Result<u8> {
    record(name, Some(limit), Work::Verb(verb, verbs), log)
}

fn record(name: &str, limit: Option<Duration>, work: Work<'_>, log: &RunLog) -> Result<u8> {
    report(&GuestEvent::StepStarted { name: name.to_owned() }, log);
    log.line(&format!("=== step {name}"))?;
    let start = log.length();
    let began = Instant::now();
    let end = execute(work, limit, log)?;
    let took = began.elapsed();
    let mut tail = log.tail(start, TAIL).unwrap_or_default();
    if let End::NotStarted(why) = &end {
        // Writing to a string does not fail.
        let _ = writeln!(tail, "{why}");
    }
    let mut summary = String::new();
    if !tail.is_empty() && !tail.ends_with('\n') {
        summary.push('\n');
    }
    let _ = write!(summary, "--- step {name}: {} after {:.3} s", end.words(), took.as_secs_f64());
    log.line(&summary)?;
    report(&end.event(name, took, tail), log);
    Ok(end.code())
}

/// Does the work in a process group of its own, its output going to the log.
fn execute(work: Work<'_>, limit: Option<Duration>, log: &RunLog) -> Result<End> {
    let output = log.open()?;
    let errors = output.try_clone().context("cannot share the results log")?;
    let (limit, program, child) = match work {
        Work::Verb(verb, verbs) => {
            (limit.map(|limit| limit_for(limit, &verb)), ME, start_own(verb, verbs, output, errors))
        }
        Work::Command(command) => {
            let Some((program, arguments)) = command.split_first() else {
                return Ok(End::NotStarted("no command".to_owned()));
            };
            (limit, program.as_str(), start(program, arguments, output, errors))
        }
    };
    // It leads a group of its own.
    let group = match child {
        Ok(child) => child,
        Err(error) => return Ok(End::NotStarted(format!("{program}: {error}"))),
    };
    let Some(limit) = limit else {
        return Ok(End::Itself(own::wait(group).context("lost the command")?));
    };
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || {
        // The receiver is gone only when the program ends.
        let _ = sender.send(own::wait(group));
    });
    let end = match ended.recv_timeout(limit) {
        Ok(status) => Ok(End::Itself(status.context("lost the command")?)),
        Err(RecvTimeoutError::Disconnected) => Ok(End::NotStarted("lost the command".to_owned())),
        Err(RecvTimeoutError::Timeout) => {
            // The group may be gone by now: nothing is left to be ended then.
            let _ = killpg(group, Signal::SIGTERM);
            let graceful = ended.recv_timeout(GRACE).is_ok();
            let _ = killpg(group, Signal::SIGKILL);
            if !graceful && ended.recv_timeout(GRACE).is_err() {
                // Not even SIGKILL: the thread waits for as long as this program lives.
                return Ok(End::Limit(limit));
            }
            Ok(End::Limit(limit))
        }
    };
    // The next step may fork: one thread alone may be there then.
    let _ = waiter.join();
    end
}

fn start(program: &str, arguments: &[String], output: File, errors: File) -> io::Result<Pid> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    // Waited for by its number.
    let child = command.spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// A command that is one of this tool's verbs. What the tool would not understand it says itself, called as a program.
fn own_verb(command: &[String]) -> Option<Cli> {
    if command.first()? == ME { Cli::try_parse_from(command).ok() } else { None }
}

/// The limit of a step. A verb with a limit of its own knows why that strikes: it must be the first to.
fn limit_for(limit: Duration, cli: &Cli) -> Duration {
    match &cli.verb {
        Verb::Containers(ContainerVerb::Ready(Ready { timeout, .. })) => limit.max(*timeout + SLACK),
        _ => limit,
    }
}

fn start_own(verb: Cli, verbs: Verbs, output: File, errors: File) -> io::Result<Pid> {
    let streams = Streams { input: File::open("/dev/null")?.into(), output: output.into(), errors: errors.into() };
    own::spawn(Apart::Group, &streams, || verbs(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, limit: Option<Duration>, command: &[String], log: &RunLog) -> Result<u8> {
        super::run(name, limit, command, crate::run, log)
    }

    fn log(name: &str) -> RunLog {
        RunLog::alone(&format!("step-{name}"))
    }

    fn text(log: &RunLog) -> String {
        let text = std::fs::read_to_string(log.path()).unwrap();
        std::fs::remove_dir_all(log.path().parent().unwrap()).unwrap();
        text
    }

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn output_goes_between_header_and_footer() {
        let log = log("output");
        assert_eq!(run("pull", None, &sh("echo out; printf err >&2"), &log).unwrap(), 0);
        let text = text(&log);
        assert!(text.starts_with("=== step pull\nout\nerr\n--- step pull: ok after 0."), "{text}");
    }

    #[test]
    fn the_exit_status_is_the_commands() {
        let log = log("status");
        assert_eq!(run("x", Some(Duration::from_secs(60)), &sh("exit 3"), &log).unwrap(), 3);
        assert_eq!(run("x", None, &sh("kill -9 $$"), &log).unwrap(), 137);
        assert_eq!(run("x", None, &["/no/such/program".to_owned()], &log).unwrap(), 127);
        let text = text(&log);
        assert!(text.contains("exit status 3") && text.contains("signal 9"), "{text}");
        assert!(text.contains("not started: /no/such/program"), "{text}");
    }

    #[test]
    fn own_verbs_are_run_without_the_program() {
        // There is no such program where tests run; its verbs have the same ends.
        let (log, of) = (log("own"), |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(run("x", None, &of("futon-guest get nothing --dir /no/such/dir"), &log).unwrap(), 1);
        // Nobody writes to what it reads.
        let pipe = std::env::temp_dir().join(format!("futon-step-{}", std::process::id()));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let long = Some(Duration::from_millis(200));
        assert_eq!(run("y", long, &of(&format!("futon-guest up {}", pipe.display())), &log).unwrap(), TIMED_OUT);
        std::fs::remove_file(pipe).unwrap();
        assert_eq!(run("z", None, &of("futon-guest no-such-verb"), &log).unwrap(), NOT_STARTED);
        let text = text(&log);
        assert!(text.contains("--- step x: exit status 1") && text.contains("time limit of 200ms"), "{text}");
    }

    /// With equal limits the step's struck first, and the reason that the verb knows was lost.
    #[test]
    fn a_verbs_own_limit_strikes_before_the_steps() {
        let limited = |words: &str| {
            let command: Vec<String> = words.split(' ').map(str::to_owned).collect();
            limit_for(Duration::from_secs(60), &own_verb(&command).unwrap())
        };
        let longer = Duration::from_secs(60) + SLACK;
        assert_eq!(limited("futon-guest ready --container x --port 1 --timeout 60s"), longer);
        assert_eq!(limited("futon-guest ready --container x --port 1 --timeout 5s"), Duration::from_secs(60));
        assert_eq!(limited("futon-guest pull x"), Duration::from_secs(60));
    }

    #[test]
    fn the_limit_ends_the_whole_group() {
        let log = log("limit");
        let began = Instant::now();
        // The grandchild would hold the log open for a minute.
        let code = run("x", Some(Duration::from_millis(200)), &sh("sleep 60 & echo $!; wait"), &log).unwrap();
        assert_eq!(code, TIMED_OUT);
        assert!(began.elapsed() < Duration::from_secs(20));
        let text = text(&log);
        let grandchild: i32 = text.lines().nth(1).unwrap().parse().unwrap();
        // A zombie waits for init, which may take its time; and the killed one itself may be about to end.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                break;
            }
            assert!(Instant::now() < deadline, "{state}");
            thread::sleep(Duration::from_millis(10));
        }
        assert!(text.contains("--- step x: time limit of 200ms reached"), "{text}");
    }

    #[test]
    fn who_ignores_sigterm_is_killed_after_the_grace() {
        let log = log("grace");
        let began = Instant::now();
        let script = "trap '' TERM; while :; do sleep 1; done";
        assert_eq!(run("x", Some(Duration::from_millis(100)), &sh(script), &log).unwrap(), TIMED_OUT);
        assert!(began.elapsed() >= GRACE);
        text(&log);
    }

    #[test]
    fn the_event_carries_the_tail_and_how_it_ended() {
        let took = Duration::from_millis(1500);
        let event = End::Limit(Duration::from_secs(1)).event("invoke", took, "last words".to_owned());
        let GuestEvent::StepEnded { exit_status, timed_out, duration_ms, tail, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!((exit_status, timed_out, duration_ms, tail.as_str()), (None, true, 1500, "last words"));
        let event = End::Itself(ExitStatus::from_raw(9)).event("invoke", took, String::new());
        assert!(matches!(event, GuestEvent::StepEnded { exit_status: None, signal: Some(9), timed_out: false, .. }));
    }
}
