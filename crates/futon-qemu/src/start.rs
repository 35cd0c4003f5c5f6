//! Starts the QEMU machine under guard, and watches it by QMP and its console.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futon_common::{Context, Error, Result};
use futon_machine::process::{self, Guarded, Start};
use futon_machine::{Console, GuardArguments, HOST_PORT, Launch, Machine, MachineInputs, Running, console, namespace};
use futon_model::{EventKind, ForkReport, MachineKind, MachineReport, Network};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::{ConsoleTo, Memory, qemu_arguments};
use super::boot::{Begin, Boot, CONSOLE_LOG};
use super::confine;
use super::disk;
use super::machine::QemuMachine;
use super::program::{QEMU, is_of_sandbox, last_lines};
use super::qmp::{self, Qmp};
use super::warm::frozen::{self, FROZEN_DISK};
use super::warm::names::{DISK, MEMORY, STATE};

/// Lines of QEMU's own output that an event keeps.
const STDERR_LINES: usize = 10;

#[async_trait]
impl Machine for QemuMachine {
    fn report(&self) -> MachineReport {
        MachineReport {
            kind: MachineKind::Qemu,
            version: self.version.clone(),
            accelerator: self.accelerator.accelerator,
            accelerator_reason: self.accelerator.reason.clone(),
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            base_image: self.base_image.display().to_string(),
            kernel: self.kernel.display().to_string(),
            fork: self.warm.as_ref().map(|warm| ForkReport {
                warm_base: warm.id.clone(),
                thawed: self.thaws(),
                cached_images: warm.key.images(),
            }),
        }
    }

    /// The accelerator is the host's affair: a function works with each, or with none.
    fn inputs(&self) -> MachineInputs {
        MachineInputs::default()
            .value("machine", "qemu")
            .value("vcpus", self.vcpus.to_string())
            .value("memory", format!("{} MiB", self.memory_mib))
            .value("kernel command line", &*self.cmdline)
            .file("base image", self.has_disk.then_some(&*self.base_image))
            .file("kernel", &*self.kernel)
            .file("initrd", self.initrd.as_deref())
    }

    fn with_console(&self, console: &Console) -> Option<Box<dyn Machine>> {
        Some(Box::new(Self { console: Some(console.clone()), ..self.clone() }))
    }

    async fn make_disk(&self, disk: &Path) -> Result<()> {
        if !self.has_disk {
            return Ok(());
        }
        match &self.warm {
            None => disk::make_overlay(&self.base_image, self.whose, disk).await,
            Some(warm) if self.thaws() => disk::copy_overlay(&warm.file(FROZEN_DISK), disk),
            Some(warm) => disk::make_overlay(&warm.file(DISK), disk::Whose::Futons, disk).await,
        }
    }

    async fn start(&self, launch: &Launch, events: UnboundedSender<EventKind>) -> Result<Box<dyn Running>> {
        let mut machine = self.clone();
        let not_frozen = self.warm.as_ref().and_then(|warm| warm.not_frozen.as_ref()).filter(|_| self.freezes());
        let without = |why| format!("a plain fork: the warm base has no frozen QEMU that can continue here: {why}");
        let mut remarks: Vec<String> = not_frozen.map(without).into_iter().collect();
        loop {
            let (memory, begin) = machine.beginning(launch);
            let boot = Boot {
                name: &launch.plan.function,
                disk: &launch.disk,
                folder: &launch.folder,
                bundle: launch.bundle.as_deref(),
                memory,
                begin,
            };
            let failed = match machine.boot(boot, events.clone()).await {
                Err(e) => e,
                Ok(mut running) => {
                    running.instead = Some(machine.report());
                    running.remarks.extend(remarks);
                    return Ok(Box::new(running));
                }
            };
            let (simpler, remark) = match &machine.warm {
                None => return Err(failed),
                Some(warm) if machine.thaws() => {
                    (Some(warm.without_process(failed.to_string())), "a plain fork: the frozen QEMU could not continue")
                }
                Some(_) => (None, "the warm base could not be forked, so the machine booted from scratch"),
            };
            remarks.push(format!("{remark}: {failed}"));
            machine.warm = simpler;
            machine.make_disk_anew(&launch.disk).await?;
        }
    }
}

impl QemuMachine {
    /// The fastest way to a running guest.
    fn beginning(&self, launch: &Launch) -> (Memory, Begin) {
        let Some(warm) = &self.warm else { return (Memory::Own, Begin::PowerOn) };
        let begin = if self.thaws() {
            Begin::Thaw(warm.thaw(&launch.disk, &launch.folder.join(CONSOLE_LOG)))
        } else {
            Begin::TakeOver(warm.file(STATE))
        };
        (Memory::Private(warm.file(MEMORY)), begin)
    }

    async fn make_disk_anew(&self, disk: &Path) -> Result<()> {
        if self.has_disk {
            let _ = std::fs::remove_file(disk);
        }
        self.make_disk(disk).await
    }

    /// Starts QEMU under guard, and its guest. Without QEMU's filter of system calls where there is none.
    pub(super) async fn boot(&self, boot: Boot<'_>, events: UnboundedSender<EventKind>) -> Result<RunningQemu> {
        match self.try_to_boot(boot.clone(), events.clone()).await {
            Err(Failed { of_sandbox: true, error }) => {
                let mut running = Self { sandbox: false, ..self.clone() }.try_to_boot(boot, events).await?;
                running.remarks.push(format!("QEMU does not filter its system calls: {error}"));
                Ok(running)
            }
            other => Ok(other?),
        }
    }

    async fn try_to_boot(
        &self,
        boot: Boot<'_>,
        events: UnboundedSender<EventKind>,
    ) -> std::result::Result<RunningQemu, Failed> {
        for (what, file) in [("kernel", Some(&self.kernel)), ("initrd", self.initrd.as_ref())] {
            if let Some(file) = file
                && !file.is_file()
            {
                return Err(Error::infra(format!("{what} missing: {}", file.display()))
                    .hint("`futon resources build` makes it, or give yours with --kernel and --initrd")
                    .into());
            }
        }
        let pair = || UnixStream::pair().context(|| "cannot make a socket pair".into());
        let (qmp_ours, qmp_theirs) = pair()?;
        let mut inherited: Vec<OwnedFd> = vec![qmp_theirs.into()];
        let console_log = boot.folder.join(CONSOLE_LOG);
        let console_to = match &self.console {
            None => ConsoleTo::File(console_log.clone()),
            Some(shell) => {
                let (ours, theirs) = pair()?;
                inherited.push(theirs.into());
                *shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ours);
                ConsoleTo::Socket(5, console_log.clone())
            }
        };
        let mut command = vec![QEMU.to_owned()];
        command.extend(qemu_arguments(&self.arguments(&boot, console_to)));
        process::record_command(&boot.folder.join("qemu.command"), &command)?;
        let log = boot.folder.join("qemu.log");
        let command = match &boot.begin {
            Begin::Thaw(order) => frozen::under_shim(command, Some(order.clone()))?,
            _ if self.freezes() && matches!(boot.memory, Memory::Shared(_)) => frozen::under_shim(command, None)?,
            Begin::PowerOn | Begin::TakeOver(_) => command,
        };
        let confinement = Some(confine::confinement(self, &boot));
        let arguments = GuardArguments { log: log.clone(), command, confinement, ..GuardArguments::default() };
        let (mut guarded, mut remarks) = self.start_guarded(arguments, inherited).await?;
        remarks.extend(guarded.unconfined.take().map(|why| format!("QEMU is not confined to its own files: {why}")));

        qmp_ours.set_nonblocking(true).context(|| "cannot set up QMP's socket".into())?;
        let qmp_ours = tokio::net::UnixStream::from_std(qmp_ours).context(|| "cannot set up QMP's socket".into())?;
        // Events of a machine that failed to take over do not belong to the run.
        let (said, mut hears) = unbounded_channel();
        let (mut qmp, heard) = qmp::connect(qmp_ours, said);
        let listener = guarded.listener.take();
        let ended = guarded.ended();
        if !matches!(boot.begin, Begin::Thaw(_)) && qmp.negotiate().await.is_err() {
            // A QEMU that ends at once gives the reason in its log, which is reported with its end.
            let said = last_lines(&log, 1);
            if self.sandbox && is_of_sandbox(&said) {
                guarded.end().await;
                return Err(Failed { error: Error::infra(said), of_sandbox: true });
            }
        }
        let mut running = RunningQemu { guarded, listener, qmp, watcher: None, remarks, instead: None };
        let goes_on = match boot.begin {
            Begin::PowerOn => Ok(()),
            Begin::TakeOver(state) => running.take_over(&state).await,
            Begin::Thaw(_) => running.qmp.execute("cont", &json!({})).await.map(|_| ()),
        };
        if let Err(e) = goes_on {
            running.guarded.end().await;
            let said = last_lines(&log, 1);
            return Err(if said.is_empty() { e } else { Error::infra(said) }.into());
        }
        // The receiver goes away only when the run is over.
        let _ = events.send(EventKind::MachineStarted { accelerator: self.accelerator.accelerator });
        let passed_on = events.clone();
        let passing = tokio::spawn(async move {
            while let Some(event) = hears.recv().await {
                let _ = passed_on.send(event);
            }
        });
        let stop = CancellationToken::new();
        let follower = tokio::spawn(console::follow(console_log, events.clone(), stop.clone()));
        running.watcher = Some(tokio::spawn(async move {
            let ended = ended.await;
            // First everything that the machine reported, then its end, where the run stops listening.
            let _ = heard.await;
            let _ = passing.await;
            stop.cancel();
            let _ = follower.await;
            let stderr = last_lines(&log, STDERR_LINES);
            let _ = events.send(EventKind::MachineExited { status: ended.status, signal: ended.signal, stderr });
        }));
        Ok(running)
    }

    async fn start_guarded(
        &self,
        mut arguments: GuardArguments,
        inherited: Vec<OwnedFd>,
    ) -> Result<(Guarded, Vec<String>)> {
        arguments.own_namespace = self.network == Network::Isolated;
        let mut remarks = Vec::new();
        if arguments.own_namespace {
            let copies = inherited
                .iter()
                .map(OwnedFd::try_clone)
                .collect::<std::io::Result<Vec<_>>>()
                .context(|| "cannot copy descriptors".into())?;
            match process::start(arguments.clone(), copies).await? {
                Start::Running(guarded) => return Ok((*guarded, remarks)),
                Start::Refused(why) => remarks.push(format!(
                    "the host provides no network namespace ({why}): the exchange uses the host's port {HOST_PORT}, one machine at a time, and the guest reaches what this host reaches"
                )),
            }
            arguments.own_namespace = false;
        }
        let listener = namespace::listen().map_err(|e| {
            Error::infra(format!("the host's port {HOST_PORT} is in use"))
                .caused_by(e)
                .hint("wait for the machine or program that uses it, or run without --network host")
        })?;
        match process::start(arguments, inherited).await? {
            Start::Running(mut guarded) => {
                guarded.listener = Some(listener);
                Ok((*guarded, remarks))
            }
            Start::Refused(why) => Err(Error::infra(format!("cannot start {QEMU}: {why}"))),
        }
    }
}

/// Why a machine did not start.
struct Failed {
    error: Error,
    /// Whether QEMU's filter of system calls was the reason.
    of_sandbox: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, of_sandbox: false }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A QEMU that runs under guard.
pub(super) struct RunningQemu {
    guarded: Guarded,
    listener: Option<TcpListener>,
    pub(super) qmp: Qmp,
    watcher: Option<JoinHandle<()>>,
    remarks: Vec<String>,
    /// The report of the machine that was started, which may be simpler than planned.
    instead: Option<MachineReport>,
}

/// Longest wait for the state of the processors and devices, some hundred KiB.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(20);

impl RunningQemu {
    /// QEMU's process.
    pub(super) fn pid(&self) -> i32 {
        self.guarded.pid
    }

    /// Makes a waiting machine take over a saved state and run.
    async fn take_over(&mut self, state: &Path) -> Result<()> {
        let state = File::open(state).context(|| format!("cannot read {}", state.display()))?;
        self.qmp.ignore_shared_memory().await?;
        self.qmp.load_state(state, TAKE_OVER_LIMIT).await?;
        self.qmp.execute("cont", &json!({})).await.map(|_| ())
    }
}

#[async_trait]
impl Running for RunningQemu {
    fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn report(&self) -> Option<MachineReport> {
        self.instead.clone()
    }

    async fn end(&mut self) {
        self.guarded.end().await;
        if let Some(watcher) = self.watcher.take() {
            // It ends when the guard's socket closes; still, wait with a limit.
            let _ = tokio::time::timeout(Duration::from_secs(5), watcher).await;
        }
    }
}
