//! `futon doctor`.

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
