//! One gem5 process: started under guard and confined, heard line by line, watched, ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futon_common::{Error, Result};
use futon_machine::console::{Follower, follow};
use futon_machine::process::{self, Ended, Guarded};
use futon_machine::{Confinement, GuardArguments};
use futon_model::{Code, EventKind, Outcome, PhaseReport};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::args::{Phase, Restore, Start, gem5_arguments};
use super::channel::Channel;
use super::diagnose::{Ending, Failure, Process, diagnose};
use super::event::{SimEvent, SimEventKind, parse_event};
use super::payload;
use super::watchdog::{Strike, Watchdog};

/// How often the process's files are looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// Last part of gem5's own output that a diagnosis needs.
const LOG_TAIL: usize = 64 << 10;

/// The guest's serial console in gem5's output folder.
pub(super) const CONSOLE: &str = "system.pc.com_1.device";

/// What the processes of one run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) events: UnboundedSender<EventKind>,
    pub(super) channel: Channel,
    pub(super) watchdog: Watchdog,
    pub(super) cancel: CancellationToken,
    /// The console of all processes together.
    pub(super) console: PathBuf,
    /// The run's last event; reported when everything else is done.
    pub(super) exit: Option<EventKind>,
    /// What the guest gets by `readfile`, once.
    pub(super) payload: PathBuf,
    /// What is remarked while it runs.
    pub(super) remarks: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    /// The run script has begun: from now on nobody may read the payload.
    fn script_began(&mut self) {
        self.watchdog.booted();
        if let Err(e) = payload::take_back(&self.payload) {
            let why = format!("cannot remove the payload: {e}");
            let _ = self.events.send(EventKind::HostFailed { step: futon_model::steps::FETCH.into(), why, hint: None });
        }
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) ending: Ending,
    pub(super) ended: Ended,
    /// Everything but progress.
    pub(super) events: Vec<SimEvent>,
    pub(super) report: PhaseReport,
    pub(super) outdir: PathBuf,
    /// Last lines of its own output.
    pub(super) tail: String,
}

/// Runs one process to its end. Its output folder must be there.
pub(super) async fn run(start: &Start<'_>, shared: &mut Shared) -> Result<Finished> {
    let begin = Instant::now();
    let outdir = start.outdir();
    let log = start.folder.join("gem5.log");
    let command = gem5_arguments(start);
    process::record_command(&start.folder.join("gem5.command"), &command)?;
    let boots = *start.restore == Restore::PowerOn;
    shared.watchdog.process(boots, begin);
    let mut guarded = launch(start, command, log.clone()).await?;

    let alarms = CancellationToken::new();
    let follower = tokio::spawn(follow(outdir.join(CONSOLE), shared.events.clone(), alarms.clone()));
    let mut heard = Heard::new(log.clone(), outdir.clone(), start.phase);
    let ended = guarded.ended();
    tokio::pin!(ended);
    let (ended, struck) = loop {
        let strike = shared.watchdog.next();
        tokio::select! {
            biased;
            () = shared.cancel.cancelled() => {
                guarded.end().await;
                break (ended.await, None);
            }
            ended = &mut ended => break (ended, None),
            () = tokio::time::sleep_until(strike.at.into()) => {
                let strike = (strike, last_words(&outdir.join(CONSOLE)));
                guarded.end().await;
                break (ended.await, Some(strike));
            }
            () = tokio::time::sleep(PERIOD) => heard.look(shared, false),
        }
    };
    heard.look(shared, true);
    alarms.cancel();
    let _ = follower.await;
    keep_console(&outdir.join(CONSOLE), &shared.console);

    let tail = tail(&log);
    let restored = !boots;
    let process = Process { phase: start.phase, ended, events: &heard.events, log: &tail, outdir: &outdir, restored };
    let ending = match (struck, heard.malformed.take()) {
        (Some((strike, last)), _) => Ending::Failed(struck_failure(&strike, &last)),
        (None, Some(why)) => Ending::Failed(Failure::new(
            Outcome::Infra,
            Code::HostFailed,
            format!("the configuration script wrote a malformed event line: {why}"),
            "docs/gem5.md describes event lines",
        )),
        (None, None) => diagnose(&process),
    };
    let report = heard.report(start.phase, begin.elapsed());
    Ok(Finished { ending, ended, events: heard.events, report, outdir, tail: last_lines(&tail, 10) })
}

async fn launch(start: &Start<'_>, command: Vec<String>, log: PathBuf) -> Result<Guarded> {
    let settings = start.settings;
    let write = vec![start.outdir()];
    let confinement = (!settings.unconfined).then(|| Confinement { write, ..Confinement::default() });
    let arguments = GuardArguments { log, command, confinement, ..GuardArguments::default() };
    match process::start(arguments, Vec::new()).await {
        Ok(process::Start::Running(guarded)) => Ok(*guarded),
        Ok(process::Start::Refused(why)) => Err(Error::infra(format!("cannot start gem5: {why}"))),
        Err(e) if e.to_string().contains("Landlock") => {
            Err(Error::infra(e.to_string())
                .hint("--unconfined runs gem5 without confinement, for guests that you trust"))
        }
        Err(e) => Err(e),
    }
}

/// What has been heard of a process.
struct Heard {
    log: Follower,
    outdir: PathBuf,
    phase: Phase,
    events: Vec<SimEvent>,
    malformed: Option<String>,
    console_size: u64,
    /// Ticks and instructions at the first and at the latest event.
    first: Option<(u64, u64)>,
    latest: (u64, u64),
    insts_to_script: Option<u64>,
}

impl Heard {
    fn new(log: PathBuf, outdir: PathBuf, phase: Phase) -> Self {
        Self {
            log: Follower::new(log),
            outdir,
            phase,
            events: Vec::new(),
            malformed: None,
            console_size: 0,
            first: None,
            latest: (0, 0),
            insts_to_script: None,
        }
    }

    /// Reads and reports what is new, which also counts as progress.
    fn look(&mut self, shared: &mut Shared, last: bool) {
        let mut alive = false;
        for line in self.log.new_lines(last) {
            match parse_event(&line) {
                Some(Ok(event)) => alive |= self.take(event, shared),
                Some(Err(why)) if self.malformed.is_none() => self.malformed = Some(why),
                _ => {}
            }
        }
        let size = fs::metadata(self.outdir.join(CONSOLE)).map_or(0, |m| m.len());
        alive |= size != std::mem::replace(&mut self.console_size, size);
        if self.phase != Phase::Boot {
            for event in shared.channel.poll(&self.outdir, last) {
                alive = true;
                // The receiver goes away only when the run is over.
                let _ = shared.events.send(event);
            }
        }
        if shared.channel.script_seen() {
            shared.script_began();
        }
        if alive {
            shared.watchdog.sign_of_life(Instant::now());
        }
    }

    /// Takes an event; says whether it is a sign of life.
    fn take(&mut self, event: SimEvent, shared: &mut Shared) -> bool {
        self.first.get_or_insert((event.tick, event.insts));
        // A switched core restarts its counters.
        self.latest = (event.tick, self.latest.1.max(event.insts));
        shared.watchdog.counted(event.insts, Instant::now());
        if event.kind == SimEventKind::Progress {
            return false;
        }
        if event.kind == (SimEventKind::Fail { code: 1 })
            && let Some(began) = shared.channel.script_began()
        {
            self.insts_to_script = Some(event.insts);
            let _ = shared.events.send(began);
        }
        self.events.push(event);
        true
    }

    fn report(&self, phase: Phase, host: Duration) -> PhaseReport {
        let ticks = |tick: u64| Duration::from_nanos(tick / 1000).as_secs_f64();
        PhaseReport {
            name: phase.name().into(),
            host_s: (host.as_secs_f64() * 100.0).round() / 100.0,
            sim_s: self.first.map(|(tick, _)| ticks(self.latest.0.saturating_sub(tick))),
            insts: self.first.map(|_| self.latest.1),
            final_tick: self.first.map(|_| self.latest.0),
            insts_to_script: self.insts_to_script,
        }
    }
}

/// A console's last lines, for a limit that strikes.
pub(super) fn last_words(console: &Path) -> String {
    let text = last_lines(&tail(console), 2);
    if text.is_empty() { "the console is empty".into() } else { format!("the console's last lines: {text}") }
}

pub(super) fn struck_failure(strike: &Strike, last: &str) -> Failure {
    let seconds = strike.length.as_secs();
    let limit = strike.limit;
    let raise = format!("raise the limit with --watchdog {limit}=DURATION");
    let (outcome, code, what, help) = match limit {
        "boot" => (
            Outcome::TimedOut,
            Code::NoBoot,
            "the guest did not come up",
            "wrong root device, missing driver, no serial console, not futon's guest? ",
        ),
        "progress" => (
            Outcome::TimedOut,
            Code::NoProgress,
            "the simulation produced no console output, event or file",
            "is the guest in an endless loop, or is the step just long? ",
        ),
        // No fault of the function's.
        "stall" => (
            Outcome::Infra,
            Code::Gem5Stalled,
            "gem5's processors committed no instruction",
            "its detailed cores sometimes stand still: another --sim-seed or --software-warmup leads past it; gem5's files are kept. Or ",
        ),
        _ => (Outcome::TimedOut, Code::RunTimedOut, "the run did not end", ""),
    };
    let why = format!("{what} within {seconds} s of host time (limit {limit}); {last}");
    Failure::new(outcome, code, why, &format!("{help}{raise}"))
}

/// Adds a process's console to that of the run, for reports.
pub(super) fn keep_console(from: &Path, to: &Path) {
    let Ok(text) = fs::read(from) else { return };
    let file = fs::File::options().create(true).append(true).open(to);
    // A copy for people; the console itself is kept.
    let _ = file.and_then(|mut file| std::io::Write::write_all(&mut file, &text));
}

/// The last part of a text file; nothing when it cannot be read.
pub(super) fn tail(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL)..]).into_owned()
}

pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
