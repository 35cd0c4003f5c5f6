//! `futon doctor`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ResourcesArg;

/// `futon doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to check for
    #[arg(long, value_enum, default_value_t = DoctorFor::Qemu, value_name = "MACHINE")]
    pub machine: DoctorFor,
    /// Check only what building resources and images needs, not the resources themselves
    #[arg(long)]
    pub host_only: bool,
    /// Try KVM again even if an earlier result is known
    #[arg(long)]
    pub probe: bool,
    /// Look into your own base image instead of at this host: what a guest needs, and what this image lacks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host_only", "probe"])]
    pub base_image: Option<PathBuf>,
    /// Its kernel
    #[arg(long, value_name = "FILE", requires = "base_image")]
    pub kernel: Option<PathBuf>,
    /// Initrd for that kernel
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// Root device in the guest [default: /dev/vda]
    #[arg(long, value_name = "DEVICE", requires = "base_image")]
    pub root: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Machines that `doctor` can check for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFor {
    /// QEMU
    Qemu,
    /// gem5
    Gem5,
}
