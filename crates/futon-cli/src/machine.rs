//! What a machine is, on the command line, and `futon warm`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use futon_model::Base;
use futon_workdir::settings::Settings;
use serde::{Deserialize, Serialize};

use super::{Gem5Args, On, ResourcesArg, on};

/// The machine.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// Machine to run on
    #[arg(long, default_value_t = On::Qemu, value_name = "MACHINE", value_parser = on::OnParser)]
    pub on: On,
    /// The guest: Debian with Docker Engine, or only a kernel and crun, which boots in a second
    #[arg(long, value_enum, default_value_t = BaseArg::Docker, value_name = "BASE")]
    pub base: BaseArg,
    /// Accelerator; auto uses KVM only if a probe boots under it
    #[arg(long, value_enum, default_value_t = Accel::Auto, value_name = "ACCEL")]
    pub accel: Accel,
    /// Virtual processors [default: 2; machines that run side by side share the host's processors, 1 or 2 each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub vcpus: Option<u32>,
    /// Memory of the machine, MiB [default: 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(128..))]
    pub memory: Option<u32>,
    /// What the guest reaches: only its exchange, or everything that the host reaches
    #[arg(long, value_enum, value_name = "NETWORK")]
    pub network: Option<NetworkArg>,
    /// Your own base image (raw or qcow2) instead of the one in the resources
    #[arg(long, value_name = "FILE")]
    pub base_image: Option<PathBuf>,
    /// Your own kernel (bzImage, or vmlinux with a PVH entry)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Initrd for your own kernel
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Root device in the guest [default: /dev/vda, on gem5 /dev/sda]
    #[arg(long, value_name = "DEVICE")]
    pub root: Option<String>,
    /// Kernel command line instead of the recommended one (in QEMU root= and rw are added; futon recognises a kernel panic by its time
    /// stamp, printk.time=1)
    #[arg(long, value_name = "LINE")]
    pub cmdline: Option<String>,
    /// More kernel arguments
    #[arg(long, value_name = "LINE")]
    pub append: Option<String>,
    /// Boot each machine from scratch instead of forking a warm base
    #[arg(long)]
    pub cold: bool,
    /// Without KVM: freeze QEMU itself with the warm base, so that forks keep the translated guest code [default: off]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub thaw: Option<ThawArg>,
    /// The simulated machine
    #[command(flatten)]
    pub gem5: Gem5Args,
    /// Ids of the arguments that were on the command line
    #[arg(skip)]
    #[serde(skip)]
    pub explicit: BTreeSet<String>,
    /// The same without those that stand for a setting of the project
    #[arg(skip)]
    #[serde(skip)]
    pub typed: BTreeSet<String>,
    /// The project's settings, once they are read
    #[arg(skip)]
    #[serde(skip)]
    pub settings: Option<Arc<Settings>>,
}

/// `futon warm`.
#[derive(Debug, Subcommand)]
pub enum WarmCommand {
    /// List warm bases, the most recently used first
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the warm base of a machine if there is none yet
    Make(Box<WarmMakeArgs>),
    /// Remove warm bases; without names, all
    Rm {
        /// Names, as `futon warm list` prints them
        ids: Vec<String>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
}

/// `futon warm make`.
#[derive(Debug, Args)]
pub struct WarmMakeArgs {
    /// Make it again even if it exists
    #[arg(long)]
    pub force: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Bases on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum BaseArg {
    /// Debian, systemd, Docker Engine
    Docker,
    /// futon's own kernel and initramfs, crun
    Lean,
}

impl From<BaseArg> for Base {
    fn from(arg: BaseArg) -> Self {
        match arg {
            BaseArg::Docker => Self::Docker,
            BaseArg::Lean => Self::Lean,
        }
    }
}

/// Whether forks go on as a frozen QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum ThawArg {
    /// Where it works; forks are plain ones elsewhere
    Auto,
    /// Never
    Off,
}

/// Accelerators on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Accel {
    /// KVM if a probe shows that it helps, else TCG
    Auto,
    /// Always KVM
    Kvm,
    /// QEMU's translator
    Tcg,
}

/// Networks on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum NetworkArg {
    /// Only the exchange
    Isolated,
    /// Everything that the host reaches
    Host,
}
