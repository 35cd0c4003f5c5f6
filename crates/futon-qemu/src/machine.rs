//! The QEMU machine: started under guard, watched by QMP and its console.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use futon_common::{Context, Error, Result, Setup};
use futon_machine::process::{self, Guarded, Start};
use futon_machine::{Console, GuardArguments, HOST_PORT, Launch, Machine, MachineInputs, Running, console, namespace};
use futon_model::{Accelerator, EventKind, ForkReport, MachineKind, MachineReport, Network};
use serde_json::json;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::accel::AcceleratorChoice;
use super::args::{ConsoleTo, Memory, QemuArguments, qemu_arguments};
use super::confine;
use super::disk;
use super::qmp::{self, Qmp};
use super::warm::frozen::{self, FROZEN_DISK, Thaw};
use super::warm::{DISK, MEMORY, STATE, WarmBase};

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// The guest's console, in the machine's folder.
pub(super) const CONSOLE_LOG: &str = "console.log";

/// Lines of QEMU's own output that an event keeps.
const STDERR_LINES: usize = 10;

/// Where the program is, if it is on the caller's path.
pub(super) fn qemu_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(QEMU)).find(|file| file.is_file())
}

/// QEMU's version line.
///
/// # Errors
/// When QEMU is missing or does not answer.
pub async fn qemu_version() -> Result<String> {
    let run = Command::new(QEMU).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(10), run)
        .await
        .map_err(|_| Error::infra(format!("{QEMU} --version did not end within 10 s")))?
        .map_err(|e| {
            Error::infra(format!("cannot run {QEMU}")).caused_by(e).hint(Setup::here().package("qemu-system-x86"))
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}

/// A QEMU machine with its base image, kernel and accelerator.
#[derive(Debug, Clone)]
pub struct QemuMachine {
    /// Version line of QEMU.
    pub version: String,
    /// Accelerator and why.
    pub accelerator: AcceleratorChoice,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Network.
    pub network: Network,
    /// Base image; for the lean guest, which needs no disk, its initramfs.
    pub base_image: PathBuf,
    /// Whether the guest has a disk.
    pub has_disk: bool,
    /// Kernel.
    pub kernel: PathBuf,
    /// Initrd.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub cmdline: String,
    /// The other end of the guest's console, for `futon shell`.
    pub console: Option<Console>,
    /// Whether QEMU is frozen with a warm base, and forks go on as that process (`--thaw auto`).
    pub thaw: bool,
    /// Whether QEMU filters its own system calls; tried without where it cannot.
    pub sandbox: bool,
    /// The saved machine that runs are forked from; none: each boots from nothing.
    pub warm: Option<WarmBase>,
}

/// One start of a machine.
#[derive(Debug, Clone)]
pub(super) struct Boot<'a> {
    pub(super) name: &'a str,
    pub(super) disk: &'a Path,
    pub(super) folder: &'a Path,
    /// The lean guest's images.
    pub(super) bundle: Option<&'a Path>,
    pub(super) memory: Memory,
    pub(super) begin: Begin,
}

/// How a machine begins.
#[derive(Debug, Clone)]
pub(super) enum Begin {
    /// Its power is switched on.
    PowerOn,
    /// A new QEMU takes over a state.
    TakeOver(PathBuf),
    /// A frozen QEMU continues, with its translated code.
    Thaw(Thaw),
}

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
            None => disk::make_overlay(&self.base_image, disk).await,
            Some(warm) if self.thaws() => disk::copy_overlay(&warm.file(FROZEN_DISK), disk),
            Some(warm) => disk::make_overlay(&warm.file(DISK), disk).await,
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
    /// Whether QEMU can map a file privately without opening it for writing (8.2, `rom=off`).
    pub(super) fn opens_private_memory_for_reading(&self) -> bool {
        version_of(&self.version).is_some_and(|version| version >= (8, 2))
    }

    /// Whether QEMU is frozen with a warm base of this machine. Under KVM there is nothing to keep: it translates nothing.
    pub(super) fn freezes(&self) -> bool {
        self.thaw && self.accelerator.accelerator == Accelerator::Tcg
    }

    /// Whether a fork goes on as the QEMU that was frozen. A shell's console is a socket, which that one did not have.
    fn thaws(&self) -> bool {
        self.freezes() && self.console.is_none() && self.warm.as_ref().is_some_and(WarmBase::has_process)
    }

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

    /// QEMU's arguments for a start.
    pub(super) fn arguments(&self, boot: &Boot<'_>, console: ConsoleTo) -> QemuArguments {
        QemuArguments {
            name: boot.name.to_owned(),
            accelerator: self.accelerator.accelerator,
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            cmdline: self.cmdline.clone(),
            disk: self.has_disk.then(|| boot.disk.to_owned()),
            // A fork has the saved machine's devices, without a bundle drive: its guest fetches the bundle from the exchange.
            bundle: boot.bundle.map(Path::to_owned).filter(|_| !self.has_disk && boot.memory == Memory::Own),
            console,
            qmp_fd: Some(4),
            memory: boot.memory.clone(),
            incoming: !matches!(boot.begin, Begin::PowerOn),
            // A process that has confined itself cannot be frozen: the one that continues it would be free.
            sandbox: self.sandbox && !self.freezes(),
            memory_is_read: self.opens_private_memory_for_reading(),
        }
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

/// Major and minor number in QEMU's version line, `QEMU emulator version 7.2.22 (Debian …)`.
fn version_of(line: &str) -> Option<(u32, u32)> {
    let numbers = line.strip_prefix("QEMU emulator version ")?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether QEMU's last words are about `-sandbox`: it was built without libseccomp, or the system refuses filters.
pub(super) fn is_of_sandbox(said: &str) -> bool {
    ["sandbox", "seccomp"].iter().any(|word| said.contains(word))
}

/// Last lines of a text file; nothing when it cannot be read.
pub(super) fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_of("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)"), Some((7, 2)));
        assert_eq!(version_of("QEMU emulator version 10.0.13"), Some((10, 0)));
        assert_eq!(version_of("fake"), None);
    }
}
