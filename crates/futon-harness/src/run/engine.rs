//! Makes one run. It always returns a record: a failure of the host is an event, too.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use exchange;
use exchange::ExchangeConfig;
use futon_common::{Context, Error, Result};
use futon_machine::{Launch, Machine, Running};
use futon_model::{Event, EventKind, MachineReport, Plan, SimulationReport, steps};
use futon_workdir::WorkDir;
use image_store::ImageStore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::watch::{Next, Watch};

/// How long the machine may take to end after it was asked to.
const GONE_LIMIT: Duration = Duration::from_secs(15);

/// What a run needs.
pub struct RunSetup<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The working directory.
    pub workdir: &'a WorkDir,
    /// The machine.
    pub machine: &'a dyn Machine,
    /// Function images for the exchange's registry.
    pub store: Option<Arc<ImageStore>>,
    /// Ends the run when it is cancelled.
    pub cancel: CancellationToken,
    /// Receives every event as it happens.
    pub sink: &'a mut (dyn FnMut(&Event) + Send),
}

impl std::fmt::Debug for RunSetup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunSetup").field("function", &self.plan.function).finish_non_exhaustive()
    }
}

/// What happened in a run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// Length of the run.
    pub duration: Duration,
    /// The machine.
    pub machine: MachineReport,
    /// Remarks on how the machine was started.
    pub remarks: Vec<String>,
    /// What was simulated, where a simulator ran.
    pub simulation: Option<SimulationReport>,
}

/// Makes one run.
pub async fn run(setup: RunSetup<'_>) -> RunRecord {
    let begin = Instant::now();
    let mut told = Told { machine: setup.machine.report(), remarks: Vec::new(), simulation: None };
    let mut journal = Journal { begin, file: None, events: Vec::new(), sink: setup.sink };
    let parts = Parts {
        plan: setup.plan,
        workdir: setup.workdir,
        machine: setup.machine,
        store: setup.store,
        cancel: setup.cancel,
    };
    if let Err(e) = drive(parts, &mut journal, &mut told).await {
        journal.record(e.as_event(steps::BOOT));
    }
    let Told { machine, remarks, simulation } = told;
    RunRecord { events: journal.events, duration: begin.elapsed(), machine, remarks, simulation }
}

/// The machine's own report.
struct Told {
    machine: MachineReport,
    remarks: Vec<String>,
    simulation: Option<SimulationReport>,
}

struct Parts<'a> {
    plan: &'a Plan,
    workdir: &'a WorkDir,
    machine: &'a dyn Machine,
    store: Option<Arc<ImageStore>>,
    cancel: CancellationToken,
}

async fn drive(parts: Parts<'_>, journal: &mut Journal<'_>, told: &mut Told) -> Result<()> {
    let workdir = parts.workdir;
    workdir.prepare_results()?;
    journal.open(workdir)?;
    let begun = Instant::now();
    let watched = Plan { limits: parts.machine.host_limits(parts.plan.limits), ..parts.plan.clone() };
    let (events, mut incoming) = unbounded_channel();
    let launch =
        Launch { plan: parts.plan.clone(), disk: workdir.disk(), bundle: workdir.bundle(), folder: workdir.results() };
    if !launch.disk.exists() {
        parts.machine.make_disk(&launch.disk).await?;
    }
    let started = tokio::select! {
        biased;
        () = parts.cancel.cancelled() => Err(EventKind::Interrupted),
        started = tokio::time::timeout(watched.limits.run, parts.machine.start(&launch, events.clone())) => {
            started.map_err(|_| EventKind::LimitStruck {
                limit: steps::RUN.into(),
                after_ms: millis(watched.limits.run),
                last_seen: "starting the machine".into(),
            })
        }
    };
    let mut running = match started {
        Ok(running) => running?,
        Err(reason) => {
            journal.record(reason);
            return Ok(());
        }
    };
    told.remarks.extend(running.remarks());
    if let Some(report) = running.report() {
        told.machine = report;
    }
    let stop_exchange = CancellationToken::new();
    let listener = running.take_listener();
    let served = match listener {
        Some(listener) => {
            let config = exchange_config(&parts, events.clone())?;
            Some(tokio::spawn(exchange::serve(listener, config, stop_exchange.clone())))
        }
        None if !parts.machine.has_exchange() => None,
        None => return Err(Error::infra("the machine returned no socket for its exchange")),
    };
    drop(events);
    let slack = parts.machine.guest_first();
    watch(
        Watch::new(&watched, slack, Instant::now()).of_run_since(begun),
        &parts.cancel,
        &mut *running,
        &mut incoming,
        journal,
    )
    .await;
    stop_exchange.cancel();
    // Transfers in progress cannot finish once the machine has ended.
    if let Some(served) = served
        && let Ok(Ok(Err(e))) = tokio::time::timeout(Duration::from_secs(5), served).await
    {
        let why = format!("the exchange failed: {e}");
        journal.record(EventKind::HostFailed { step: steps::FETCH.into(), why, hint: None });
    }
    while let Ok(event) = incoming.try_recv() {
        journal.record(event);
    }
    for remark in running.remarks() {
        if !told.remarks.contains(&remark) {
            told.remarks.push(remark);
        }
    }
    told.simulation = running.simulation();
    Ok(())
}

/// Follows the run until the machine has ended.
async fn watch(
    mut watch: Watch<'_>,
    cancel: &CancellationToken,
    running: &mut dyn Running,
    incoming: &mut UnboundedReceiver<EventKind>,
    journal: &mut Journal<'_>,
) {
    let reason = loop {
        let deadline = watch.deadline();
        let event = tokio::select! {
            biased;
            () = cancel.cancelled() => break Some(EventKind::Interrupted),
            event = incoming.recv() => event,
            () = tokio::time::sleep_until(deadline.at.into()) => break Some(EventKind::LimitStruck {
                limit: deadline.limit,
                after_ms: millis(deadline.length),
                last_seen: watch.last_seen().to_owned(),
            }),
        };
        let Some(event) = event else { break None };
        let next = watch.observe(&event, Instant::now());
        journal.record(event);
        match next {
            Next::Wait => {}
            Next::EndMachine => break None,
            Next::Gone => return,
        }
    };
    if let Some(reason) = reason {
        journal.record(reason);
    }
    running.end().await;
    // The machine's last output belongs to the record.
    let _ = tokio::time::timeout(GONE_LIMIT, async {
        while let Some(event) = incoming.recv().await {
            let gone = matches!(event, EventKind::MachineExited { .. });
            journal.record(event);
            if gone {
                break;
            }
        }
    })
    .await;
}

fn exchange_config(parts: &Parts<'_>, events: tokio::sync::mpsc::UnboundedSender<EventKind>) -> Result<ExchangeConfig> {
    Ok(parts.workdir.exchange_config(new_token()?, parts.store.clone(), events))
}

/// The run's token, which no other run has had.
fn new_token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::infra(format!("no random bytes for the run's token: {e}")))?;
    Ok(hex::encode(bytes))
}

/// Everything that happened: in memory, in `events.jsonl`, and to the sink.
struct Journal<'a> {
    begin: Instant,
    file: Option<BufWriter<File>>,
    events: Vec<Event>,
    sink: &'a mut (dyn FnMut(&Event) + Send),
}

impl Journal<'_> {
    fn open(&mut self, workdir: &WorkDir) -> Result<()> {
        let path = workdir.events();
        let file = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
        self.file = Some(BufWriter::new(file));
        Ok(())
    }

    fn record(&mut self, kind: EventKind) {
        let event = Event { at_ms: millis(self.begin.elapsed()), kind };
        if let Some(file) = &mut self.file {
            // A journal that cannot be written (disk full) must not end the run: the verdict is made from memory.
            let written = serde_json::to_writer(&mut *file, &event).map_err(std::io::Error::from);
            let _ = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
        }
        (self.sink)(&event);
        self.events.push(event);
    }
}

/// Whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
