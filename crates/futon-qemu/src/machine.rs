//! A QEMU machine, as it is described.

use std::path::{Path, PathBuf};

use futon_machine::Console;
use futon_model::{Accelerator, Network};

use super::accel::AcceleratorChoice;
use super::args::{ConsoleTo, Memory, QemuArguments};
use super::boot::{Begin, Boot};
use super::disk::Whose;
use super::program::version_of;
use super::warm::WarmBase;

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
    /// Whose that is.
    pub whose: Whose,
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
    pub(super) fn thaws(&self) -> bool {
        self.freezes() && self.console.is_none() && self.warm.as_ref().is_some_and(WarmBase::has_process)
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

    /// Whether this machine can be saved and forked at all.
    ///
    /// # Errors
    /// When it cannot; says why.
    pub fn can_fork(&self) -> std::result::Result<(), &'static str> {
        if self.network == Network::Host {
            return Err("it uses the host's network");
        }
        if self.accelerator.accelerator == Accelerator::None {
            return Err("it has no accelerator");
        }
        Ok(())
    }
}
