//! The machine: prepares a run and makes its phases, one gem5 process after another, as one machine to the engine.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futon_common::{Context, Error, Result};
use futon_machine::{Launch, Machine, MachineInputs, Running};
use futon_model::{Accelerator, EventKind, Limits, MachineKind, MachineReport, Plan, SimulationReport, steps};
use futon_workdir::WorkDir;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::kernel_command_line;
use super::channel::Channel;
use super::payload::{BUNDLE, write_payload};
use super::phases::Run;
use super::results::results;
use super::script::ConfigScript;
use super::session::Shared;
use super::settings::{BootCore, Gem5Settings};
use super::watchdog::Watchdog;
use super::wrong::wrong_instructions;
use super::{Seed, script, stage};

/// A gem5 machine.
#[derive(Debug, Clone)]
pub struct Gem5Machine {
    /// What it is made of.
    pub settings: Gem5Settings,
}

#[async_trait]
impl Machine for Gem5Machine {
    fn report(&self) -> MachineReport {
        let s = &self.settings;
        MachineReport {
            kind: MachineKind::Gem5,
            version: format!("gem5 {}", s.gem5.version),
            accelerator: Accelerator::Simulated,
            accelerator_reason: match &s.stage {
                Some(qemu) => format!("{} core, system {}, staged in {qemu}", s.core, s.system),
                None => format!("{} core, system {}, booted on {}", s.core, s.system, s.boot_core.model()),
            },
            vcpus: s.cpus,
            memory_mib: s.memory_mib,
            base_image: s
                .base_image
                .as_ref()
                .or(s.initrd.as_ref())
                .or(s.disk.as_ref())
                .map_or_else(|| "none".into(), |p| p.display().to_string()),
            kernel: s.kernel.display().to_string(),
            fork: None,
        }
    }

    fn inputs(&self) -> MachineInputs {
        let s = &self.settings;
        let mut inputs = MachineInputs::default()
            .value("machine", "gem5")
            .value("gem5", &*s.gem5.version)
            .value("system", &*s.system)
            .value("core", s.core.to_string())
            .value("boot core", s.boot_core.model().to_string())
            .value("staged in", s.stage.as_deref().unwrap_or("none"))
            .value("vcpus", s.cpus.to_string())
            .value("memory", format!("{} MiB", s.memory_mib))
            .value("kernel command line", kernel_command_line(s))
            .value("warm-up on the core", s.uarch_warmup.to_string())
            .value("state", s.state.to_string())
            .file("gem5's program", &*s.gem5.path)
            .file("base image", s.base_image.as_deref().or(s.disk.as_deref()))
            .file("kernel", &*s.kernel)
            .file("initrd", s.initrd.as_deref());
        for (name, value) in s.params.iter().filter_map(|param| param.split_once('=')) {
            inputs = inputs.value(&format!("param {name}"), value);
        }
        if let Some(seed) = &s.seed {
            inputs = inputs.value("simulation's seed", seed.to_string());
        }
        if s.cold {
            inputs = inputs.value("cold", "yes");
        }
        match &s.config {
            ConfigScript::Own => inputs.value("configuration", script::own_digest()),
            ConfigScript::File(path) => inputs.file("configuration", &**path),
        }
    }

    /// The machine's own watchdogs hold; these strike only if they fail to.
    fn host_limits(&self, _: Limits) -> Limits {
        let last = self.settings.watchdogs.host + Duration::from_secs(120);
        Limits {
            boot: last,
            fetch: last,
            pull: last,
            start: last,
            ready: last,
            invoke: last,
            call: last,
            log: last,
            stop: last,
            upload: last,
            shutdown: last,
            run: last,
        }
    }

    fn has_exchange(&self) -> bool {
        false
    }

    async fn make_disk(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    async fn start(&self, launch: &Launch, events: UnboundedSender<EventKind>) -> Result<Box<dyn Running>> {
        let mut settings = self.settings.clone();
        settings.check()?;
        let mut remarks = remarks(&settings);
        let root = launch.folder.parent().unwrap_or(&launch.folder);
        let workdir = WorkDir::open(root)?;
        let folder = launch.folder.join("gem5");
        std::fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        script::write_scripts(&settings.config, &folder.join("config"))?;
        let plan: Plan = launch.plan.clone();
        let seed = settings.seed.clone().unwrap_or_else(|| Seed::of_plan(&plan));
        let payload = folder.join("payload");
        write_payload(&payload, &workdir, &settings, &seed)?;
        let mut instead = None;
        if settings.stage.is_some() {
            let why = match &plan.client {
                None if settings.work_items.is_none() => {
                    Some("no test client stops the staging machine before the measured calls".to_owned())
                }
                _ => stage::too_large(&settings, &payload)?,
            };
            if let (Some(why), Some(_)) = (&why, &settings.root_image) {
                return Err(Error::usage(format!("this base image cannot be used on gem5 here: {why}"))
                    .hint("give the machine less memory with --memory, or use --base lean"));
            }
            if let Some(why) = why {
                settings.stage = None;
                remarks.push(format!("booted in gem5: {why}"));
                instead = Some(Self { settings: settings.clone() }.report());
            }
        }
        if let Some(bundle) = workdir.served().get(BUNDLE) {
            let wrong = wrong_instructions(bundle).context(|| format!("cannot read {}", bundle.display()))?;
            remarks.extend(wrong.into_iter().map(|(path, count)| {
                let s = if count == 1 { "" } else { "s" };
                format!(
                    "{path} has {count} instruction{s} that gem5 executes wrongly (punpckhqdq with an operand relative to the \
                     instruction pointer reads other memory): it may crash or compute wrong results"
                )
            }));
        }

        let cancel = CancellationToken::new();
        let remarks = Arc::new(Mutex::new(remarks));
        let shared = Shared {
            events: events.clone(),
            channel: Channel::new(seed.token(&launch.plan)),
            watchdog: Watchdog::new(settings.watchdogs, Instant::now()),
            cancel: cancel.clone(),
            console: launch.folder.join("console.log"),
            exit: None,
            payload: payload.clone(),
            remarks: Arc::clone(&remarks),
        };
        let sheet = workdir.sheet()?;
        let mut run =
            Run { settings, sheet, plan, seed, folder, uploads: workdir.uploads(), payload, shared, base: None };
        let report: Arc<Mutex<Option<SimulationReport>>> = Arc::default();
        let filled = Arc::clone(&report);
        let target = launch.folder.clone();
        // The receiver goes away only when the run is over.
        let _ = events.send(EventKind::MachineStarted { accelerator: Accelerator::Simulated });
        let task = tokio::spawn(async move {
            match run.make().await {
                Ok(outcomes) => {
                    let made = results(&run, &outcomes, &target);
                    *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
                }
                Err(e) => {
                    let _ = events.send(e.as_event(steps::BOOT));
                }
            }
            let gone = EventKind::MachineExited { status: None, signal: None, stderr: String::new() };
            let _ = events.send(run.shared.exit.take().unwrap_or(gone));
        });
        Ok(Box::new(RunningGem5 { cancel, task: Some(task), report, remarks, instead }))
    }
}

fn remarks(s: &Gem5Settings) -> Vec<String> {
    let mut remarks = Vec::new();
    if s.cpus == 1 {
        remarks.push("one core, so client and function share caches and cycles: figures for tests only".into());
    }
    if s.unconfined {
        remarks.push("gem5 was not confined to its run folder (--unconfined)".into());
    }
    if s.disk.is_some() && s.boot_core != BootCore::Kvm {
        remarks.push("Docker and systemd in a disk image take hours on a simulated core, minutes with KVM".into());
    }
    remarks
}

struct RunningGem5 {
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
    report: Arc<Mutex<Option<SimulationReport>>>,
    remarks: Arc<Mutex<Vec<String>>>,
    /// The machine's report, where it does not boot as was planned.
    instead: Option<MachineReport>,
}

#[async_trait]
impl Running for RunningGem5 {
    fn take_listener(&mut self) -> Option<TcpListener> {
        None
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn report(&self) -> Option<MachineReport> {
        self.instead.clone()
    }

    fn simulation(&self) -> Option<SimulationReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn end(&mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            // Its process has its own grace period; still, wait with a limit.
            let _ = tokio::time::timeout(Duration::from_secs(12), task).await;
        }
    }
}
