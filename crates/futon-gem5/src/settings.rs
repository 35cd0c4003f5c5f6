//! What a simulated machine is made of; the flags of `--on gem5` fill it in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_common::{Error, Result};
use gem5_stats::CoreModel;

use super::binary::Gem5;
use super::checkpoint::CheckpointStore;
use super::root::MemoryRoot;
use super::script::ConfigScript;
use super::seed::Seed;
use super::state::CoreState;

/// A gem5 machine.
#[derive(Debug, Clone)]
pub struct Gem5Settings {
    /// The program.
    pub gem5: Gem5,
    /// The configuration script.
    pub config: ConfigScript,
    /// System: `simple` or `skylake`, or what the user's own script knows.
    pub system: String,
    /// `NAME=VALUE` that replace entries of the system's table.
    pub params: Vec<String>,
    /// Core of everything that is not measured.
    pub boot_core: BootCore,
    /// Core of the measured invocations.
    pub core: CoreModel,
    /// Simulated cores.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Kernel: an uncompressed vmlinux.
    pub kernel: PathBuf,
    /// Initramfs of the lean guest.
    pub initrd: Option<PathBuf>,
    /// Raw disk image of the Docker base.
    pub disk: Option<PathBuf>,
    /// The base image of which [`Self::root_image`] was made, for the report.
    pub base_image: Option<PathBuf>,
    /// The root of a base image that lies in the guest's memory, where such a base is staged.
    pub root_image: Option<MemoryRoot>,
    /// The guest's own command line, to which futon appends.
    pub recommended: String,
    /// The user's kernel command line, instead of that.
    pub cmdline: Option<String>,
    /// Root device on the disk image.
    pub root: Option<String>,
    /// More kernel arguments.
    pub append: Option<String>,
    /// Measured invocations that are discarded because caches and predictor are cold.
    pub uarch_warmup: u64,
    /// State in which each measured invocation finds the core.
    pub state: CoreState,
    /// Seed of the run; default the plan's digest.
    pub seed: Option<Seed>,
    /// Work items of a program that leaves the staging machine itself, as the test client does; none where that client runs.
    pub work_items: Option<u64>,
    /// Boot from nothing, and keep no checkpoint of it.
    pub cold: bool,
    /// What the run is to reach.
    pub goal: Goal,
    /// Limits that the host keeps to.
    pub watchdogs: Watchdogs,
    /// Let gem5 write wherever the user may.
    pub unconfined: bool,
    /// Version line of the QEMU in which the guest boots and warms up before gem5 measures; none: all of it happens in gem5.
    pub stage: Option<String>,
    /// Folder of checkpoints.
    pub checkpoints: PathBuf,
    /// Folder of checkpoints that are read, and never written, where the first one lacks them.
    pub shared_checkpoints: Option<PathBuf>,
}

/// Cores that boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootCore {
    /// gem5's own.
    Atomic,
    /// The host's processor.
    Kvm,
}

impl BootCore {
    /// The core model's word.
    #[must_use]
    pub fn model(self) -> CoreModel {
        match self {
            Self::Atomic => CoreModel::Atomic,
            Self::Kvm => CoreModel::Kvm,
        }
    }
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// All of it.
    Test,
    /// Up to the function's checkpoint, which is kept.
    Setup,
    /// From the function's checkpoint on.
    Evaluate,
}

/// Limits in host time, but for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdogs {
    /// From power-on to the run script.
    pub boot: Duration,
    /// The whole run.
    pub host: Duration,
    /// Simulated time of each gem5 process.
    pub simulated: Duration,
    /// Time without any sign of life: a console byte, an exit of the simulator, a file of the guest's.
    pub progress: Duration,
    /// Time in which the simulated processors commit no instruction while the simulation runs.
    pub stall: Duration,
}

impl Default for Watchdogs {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { boot: s(900), host: s(3 * 3600), simulated: s(600), progress: s(600), stall: s(60) }
    }
}

impl Gem5Settings {
    /// The checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> CheckpointStore {
        let store = CheckpointStore::new(&self.checkpoints);
        match &self.shared_checkpoints {
            Some(shared) => store.over(shared),
            None => store,
        }
    }

    /// Looks at what must be there before anything is started.
    ///
    /// # Errors
    /// When a file is missing or is of another kind, or settings contradict each other.
    pub fn check(&self) -> Result<()> {
        let files =
            [("kernel", Some(&self.kernel)), ("initramfs", self.initrd.as_ref()), ("disk image", self.disk.as_ref())];
        for (what, file) in files {
            if let Some(file) = file
                && !file.is_file()
            {
                return Err(Error::infra(format!("{what} missing: {}", file.display()))
                    .hint("`futon resources build kernel lean` makes kernel and initramfs, or give yours"));
            }
        }
        let root = self.root_mib();
        if self.memory_mib + root > 3072 {
            let and = if root == 0 { String::new() } else { format!(" and {root} MiB for the root disk") };
            return Err(Error::usage(format!(
                "{} MiB of memory{and}: gem5's PC supports at most 3072",
                self.memory_mib
            ))
            .hint(format!("--memory {}", 3072_u32.saturating_sub(root))));
        }
        if self.cpus > 8 {
            return Err(
                Error::usage(format!("{} cores: the configuration supports at most 8", self.cpus)).hint("--vcpus 2")
            );
        }
        if self.boot_core == BootCore::Kvm && !self.gem5.kvm {
            return Err(Error::usage(format!("{} was built without KVM", self.gem5.path.display()))
                .hint("--boot-cpu atomic does not need KVM"));
        }
        if self.boot_core == BootCore::Kvm && !Path::new("/dev/kvm").exists() {
            return Err(Error::usage("this host has no /dev/kvm").hint("--boot-cpu atomic does not need KVM"));
        }
        Ok(())
    }

    /// Memory that holds the root disk, MiB.
    #[must_use]
    pub fn root_mib(&self) -> u32 {
        self.root_image.as_ref().map_or(0, |root| root.mib)
    }

    /// Why the guest cannot be staged in QEMU with these settings; nothing when it can.
    #[must_use]
    pub fn cannot_stage(&self) -> Option<&'static str> {
        if !self.has_region_of_interest() && self.root_image.is_none() {
            return Some("nothing is measured on the atomic core");
        }
        if self.cold {
            return Some("--cold boots in gem5");
        }
        if self.disk.is_some() {
            return Some("with --boot-machine gem5 a disk image boots in gem5");
        }
        if self.initrd.is_none() {
            return Some("the kernel has no initrd (--initrd)");
        }
        if self.cmdline.is_some() {
            return Some("--cmdline is for gem5's own boot");
        }
        if matches!(self.config, ConfigScript::File(_)) {
            return Some("your own configuration script boots in gem5");
        }
        if self.boot_core == BootCore::Kvm {
            return Some("--boot-cpu kvm boots in gem5");
        }
        if clock_khz(&self.params) != Some(1_000_000) {
            return Some("QEMU counts at 1 GHz only");
        }
        None
    }

    /// Whether the measured invocations need a core of their own, and so a checkpoint before them.
    #[must_use]
    pub fn has_region_of_interest(&self) -> bool {
        self.core.has_cycles()
    }
}

/// The cores' clock, kHz: the table's 1 GHz, or the parameter in its place, where that is a plain number of GHz or MHz.
pub(super) fn clock_khz(params: &[String]) -> Option<u64> {
    let Some(clock) = params.iter().rev().find_map(|p| p.strip_prefix("clock=")) else { return Some(1_000_000) };
    let (number, scale) = match (clock.strip_suffix("GHz"), clock.strip_suffix("MHz")) {
        (Some(number), _) => (number, 1e6),
        (_, Some(number)) => (number, 1e3),
        _ => return None,
    };
    let khz = number.parse::<f64>().ok()? * scale;
    // Linux takes 32 bits.
    (khz >= 1.0 && khz <= f64::from(u32::MAX)).then(|| format!("{khz:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_parameters() {
        let khz = |param: &str| clock_khz(&[param.to_owned()]);
        assert_eq!(clock_khz(&[]), Some(1_000_000));
        assert_eq!((khz("clock=2.5GHz"), khz("clock=800MHz")), (Some(2_500_000), Some(800_000)));
        assert_eq!((khz("clock=1ns"), khz("clock=GHz"), khz("l2.size=2MiB")), (None, None, Some(1_000_000)));
    }
}
