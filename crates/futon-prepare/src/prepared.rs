//! A prepared machine, and the guest that it boots.

use std::fmt;
use std::path::{Path, PathBuf};

use futon_cli::MachineArgs;
use futon_common::{Error, Result};
use futon_machine::Machine;
use futon_model::Base;
use futon_qemu::QemuMachine;
use futon_resources::{FoundBase, FoundLean, KernelUse, check_kernel, find_base, find_lean};

/// A prepared machine, and its part of the plan.
pub struct Prepared {
    /// The machine.
    pub machine: Box<dyn Machine>,
    /// What the guest is.
    pub base: Base,
    /// The same machine, where each function may have its own warm base.
    pub qemu: Option<QemuMachine>,
    /// Docker's seccomp profile, if the host makes the containers' settings.
    pub seccomp: Option<PathBuf>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("machine", &self.machine.report())
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// The base image that the flags ask for, with what boots it.
pub(crate) fn base(args: &MachineArgs, resources: &Path) -> Result<FoundBase> {
    let MachineArgs { base_image, kernel, initrd, cmdline, .. } = args;
    find_base(resources, base_image.as_deref(), kernel.as_deref(), initrd.as_deref(), cmdline.as_deref())
}

/// The lean guest that the flags ask for. The user's own kernel is checked first, because it would fail silently.
pub(crate) fn lean(args: &MachineArgs, resources: &Path, using: KernelUse) -> Result<FoundLean> {
    for (flag, given) in [("--base-image", args.base_image.is_some()), ("--root", args.root.is_some())] {
        if given {
            return Err(Error::usage(format!("{flag} needs --base docker")).hint("the lean guest has no disk"));
        }
    }
    let lean = find_lean(resources, args.kernel.as_deref(), args.initrd.as_deref(), args.cmdline.as_deref())?;
    if let Some(kernel) = &args.kernel {
        check_kernel(kernel, using)?.require(kernel)?;
    }
    Ok(lean)
}
