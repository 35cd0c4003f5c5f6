//! The QEMU machine: started under guard, heard by QMP, its console followed.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use futon_model::{EventKind, MachineKind, MachineReport, Network};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::accel::AcceleratorChoice;
use super::args::{ConsoleTo, QemuArguments, qemu_arguments};
use super::{console, disk, qmp};
use crate::machine::guard::GuardArguments;
use crate::machine::process::{self, Guarded, Start};
use crate::machine::{HOST_PORT, Launch, Machine, Running, namespace};
use crate::{Context, Error, Result};

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// Lines of QEMU's own output that an event keeps.
const STDERR_LINES: usize = 10;

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
            Error::infra(format!("cannot run {QEMU}"))
                .caused_by(e)
                .hint("`make setup` installs it (Debian and Ubuntu: qemu-system-x86)")
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
    pub console: Option<std::sync::Arc<std::sync::Mutex<Option<UnixStream>>>>,
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
        }
    }

    async fn make_disk(&self, disk: &Path) -> Result<()> {
        if self.has_disk { disk::make_overlay(&self.base_image, disk).await } else { Ok(()) }
    }

    async fn start(&self, launch: &Launch, events: UnboundedSender<EventKind>) -> Result<Box<dyn Running>> {
        for (what, file) in [("kernel", Some(&self.kernel)), ("initrd", self.initrd.as_ref())] {
            if let Some(file) = file
                && !file.is_file()
            {
                return Err(Error::infra(format!("{what} missing: {}", file.display()))
                    .hint("`futon resources build` makes it, or name yours with --kernel and --initrd"));
            }
        }
        let pair = || UnixStream::pair().context(|| "cannot make a socket pair".into());
        let (qmp_ours, qmp_theirs) = pair()?;
        let mut inherited: Vec<OwnedFd> = vec![qmp_theirs.into()];
        let console_log = launch.folder.join("console.log");
        let console_to = match &self.console {
            None => ConsoleTo::File(console_log.clone()),
            Some(shell) => {
                let (ours, theirs) = pair()?;
                inherited.push(theirs.into());
                *shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ours);
                ConsoleTo::Socket(5, console_log.clone())
            }
        };
        let arguments = QemuArguments {
            name: launch.plan.function.clone(),
            accelerator: self.accelerator.accelerator,
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            cmdline: self.cmdline.clone(),
            disk: self.has_disk.then(|| launch.disk.clone()),
            bundle: launch.bundle.clone().filter(|_| !self.has_disk),
            console: console_to,
            qmp_fd: Some(4),
        };
        let mut command = vec![QEMU.to_owned()];
        command.extend(qemu_arguments(&arguments));
        record_command(&launch.folder, &command)?;
        let log = launch.folder.join("qemu.log");
        let (mut guarded, remarks) = self.start_guarded(command, log.clone(), inherited).await?;
        // The receiver goes away only when the run is over.
        let _ = events.send(EventKind::MachineStarted { accelerator: self.accelerator.accelerator });

        qmp_ours.set_nonblocking(true).context(|| "cannot set up QMP's socket".into())?;
        let qmp_ours = tokio::net::UnixStream::from_std(qmp_ours).context(|| "cannot set up QMP's socket".into())?;
        let stop = CancellationToken::new();
        let follower = tokio::spawn(console::follow(console_log, events.clone(), stop.clone()));
        let heard = tokio::spawn(qmp::listen(qmp_ours, events.clone()));
        let listener = guarded.listener.take();
        let ended = guarded.ended();
        let watcher = tokio::spawn(async move {
            let ended = ended.await;
            // First all that the machine said, then its end: the run stops listening there.
            let _ = heard.await;
            stop.cancel();
            let _ = follower.await;
            let stderr = last_lines(&log, STDERR_LINES);
            let _ = events.send(EventKind::MachineExited { status: ended.status, signal: ended.signal, stderr });
        });
        Ok(Box::new(RunningQemu { guarded, listener, watcher: Some(watcher), remarks }))
    }
}

impl QemuMachine {
    async fn start_guarded(
        &self,
        command: Vec<String>,
        log: PathBuf,
        inherited: Vec<OwnedFd>,
    ) -> Result<(Guarded, Vec<String>)> {
        let mut arguments = GuardArguments {
            own_namespace: self.network == Network::Isolated,
            log,
            last_fd: 3,
            command,
            writable: None,
        };
        let mut remarks = Vec::new();
        if arguments.own_namespace {
            let copies = inherited
                .iter()
                .map(OwnedFd::try_clone)
                .collect::<std::io::Result<Vec<_>>>()
                .context(|| "cannot copy descriptors".into())?;
            match process::start(arguments.clone(), copies).await? {
                Start::Running(guarded) => return Ok((guarded, remarks)),
                Start::Refused(why) => remarks.push(format!(
                    "the host gives no network namespace ({why}): the exchange uses the host's port {HOST_PORT}, one machine at a time"
                )),
            }
            arguments.own_namespace = false;
        }
        let listener = namespace::listen().map_err(|e| {
            Error::infra(format!("port {HOST_PORT} of the host is not free"))
                .caused_by(e)
                .hint("another machine or program uses it; wait for it, or run without --network host")
        })?;
        match process::start(arguments, inherited).await? {
            Start::Running(mut guarded) => {
                guarded.listener = Some(listener);
                Ok((guarded, remarks))
            }
            Start::Refused(why) => Err(Error::infra(format!("cannot start {QEMU}: {why}"))),
        }
    }
}

/// Keeps the exact command beside the console, for people who want to run it by hand.
fn record_command(folder: &Path, command: &[String]) -> Result<()> {
    let text = shlex::try_join(command.iter().map(String::as_str)).context(|| "the command has a NUL byte".into())?;
    let file = folder.join("qemu.command");
    std::fs::write(&file, text + "\n").context(|| format!("cannot write {}", file.display()))
}

/// Last lines of a text file; nothing when it cannot be read.
fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

struct RunningQemu {
    guarded: Guarded,
    listener: Option<TcpListener>,
    watcher: Option<JoinHandle<()>>,
    remarks: Vec<String>,
}

#[async_trait]
impl Running for RunningQemu {
    fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    async fn end(&mut self) {
        self.guarded.end().await;
        if let Some(watcher) = self.watcher.take() {
            // It ends when the guard's socket does; a limit all the same.
            let _ = tokio::time::timeout(Duration::from_secs(5), watcher).await;
        }
    }
}
