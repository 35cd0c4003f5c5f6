//! Command lines, as pure functions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gem5_stats::CoreModel;

use super::settings::{Gem5Settings, clock_khz};
use super::{Seed, script};

/// The checkpoint that ends a part, in its output folder.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A part of a run: one gem5 process, or one of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From power-on to the parked guest.
    Boot,
    /// A moment after power-on: a checkpoint of this gem5's, into which a state is written.
    Template,
    /// In QEMU: from power-on to an engine that waits for a function.
    Base,
    /// In QEMU: from power-on, or from that engine, to the function's checkpoint.
    Stage,
    /// From the parked guest to the function's checkpoint.
    Setup,
    /// From the function's checkpoint to the end.
    Evaluate,
    /// Everything up to the end on one core model.
    Run,
}

impl Phase {
    /// Whether what it makes belongs to no function.
    pub(super) fn is_of_all(self) -> bool {
        matches!(self, Self::Boot | Self::Template | Self::Base)
    }

    /// Its name: of its folder, in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Template => "template",
            Self::Base => "base",
            Self::Stage => "stage",
            Self::Setup => "setup",
            Self::Evaluate => "evaluate",
            Self::Run => "run",
        }
    }
}

/// What a process starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// Power-on.
    PowerOn,
    /// A checkpoint's folder.
    Checkpoint(PathBuf),
}

/// All that shapes one gem5 command line.
#[derive(Debug)]
pub struct Start<'a> {
    /// The machine.
    pub settings: &'a Gem5Settings,
    /// The part of the run.
    pub phase: Phase,
    /// Where it starts from.
    pub restore: &'a Restore,
    /// Folder of the process; the only place it writes to.
    pub folder: &'a Path,
    /// Folder of the configuration scripts.
    pub config: &'a Path,
    /// The payload, but for the boot.
    pub payload: Option<&'a Path>,
    /// Measured work items and those before them that are discarded.
    pub work_items: u64,
    /// Seed of the run.
    pub seed: &'a Seed,
    /// Simulated time after which the core's pipeline is drained once; never, as a rule.
    pub drain_at: Option<Duration>,
}

impl Start<'_> {
    /// gem5's output folder.
    #[must_use]
    pub fn outdir(&self) -> PathBuf {
        self.folder.join("m5out")
    }

    /// Where the process writes the checkpoint that ends it.
    #[must_use]
    pub fn checkpoint(&self) -> Option<PathBuf> {
        matches!(self.phase, Phase::Boot | Phase::Template | Phase::Setup).then(|| self.outdir().join(CHECKPOINT))
    }

    /// The core model of this process.
    #[must_use]
    pub fn core(&self) -> CoreModel {
        match self.phase {
            Phase::Evaluate => self.settings.core,
            // A run without a region of interest may still be one on a detailed core: slow, and asked for.
            Phase::Run if self.settings.cold && self.settings.core.has_cycles() => self.settings.core,
            Phase::Template => CoreModel::Atomic,
            Phase::Boot | Phase::Base | Phase::Stage | Phase::Setup | Phase::Run => self.settings.boot_core.model(),
        }
    }
}

/// gem5 and its arguments.
#[must_use]
pub fn gem5_arguments(start: &Start<'_>) -> Vec<String> {
    let s = start.settings;
    let path = |p: &Path| p.display().to_string();
    let mut words = vec![path(&s.gem5.path), "-d".into(), path(&start.outdir()), "--listener-mode=off".into()];
    words.push(path(&start.config.join(script::main_file(&s.config))));
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    option("kernel", path(&s.kernel));
    if let Some(initrd) = &s.initrd {
        option("initrd", path(initrd));
    }
    if let Some(disk) = &s.disk {
        option("disk", path(disk));
    }
    if let Some(payload) = start.payload {
        option("readfile", path(payload));
    }
    option("system", s.system.clone());
    option("cpu", start.core().word().into());
    option("cpus", s.cpus.to_string());
    option("mem-mib", (s.memory_mib + s.root_mib()).to_string());
    option("seed", start.seed.number().to_string());
    option("max-ms", s.watchdogs.simulated.as_millis().to_string());
    if let Restore::Checkpoint(folder) = start.restore {
        option("restore", path(folder));
    }
    if let Some(folder) = start.checkpoint() {
        option("checkpoint", path(&folder));
    }
    if s.stage.is_some() {
        // QEMU's local APIC counts at the rate of the time stamp counter.
        option("apic-divider", "1".into());
    }
    if let Some(time) = start.drain_at {
        option("drain-at-us", time.as_micros().to_string());
    }
    if start.core().has_cycles() {
        option("work-items", start.work_items.to_string());
        // A warm core is what a script makes that knows nothing of states.
        if let Some(flush) = s.state.argument() {
            option("discarded", s.uarch_warmup.to_string());
            option("flush", flush);
        }
        // The detailed cores simulate a few hundred thousand cycles a second.
        option("slice-ms", "0.2".into());
    }
    // Joined by the sign, since the value begins with no dash but may hold anything.
    words.push(format!("--cmdline={}", kernel_command_line(s)));
    words.extend(s.params.iter().map(|p| format!("--param={p}")));
    words
}

/// The kernel's command line. It must be the same for a boot and for what is restored from it.
#[must_use]
pub fn kernel_command_line(s: &Gem5Settings) -> String {
    let mut words: Vec<String> = Vec::new();
    match &s.cmdline {
        Some(line) => words.push(line.clone()),
        None => {
            words.extend(s.recommended.split_whitespace().map(str::to_owned));
            // The reboot after a panic ends the simulation; the kernel's own words are known by their time stamps; calibrating the
            // delay loop would cost simulated seconds.
            for word in ["console=ttyS0", "panic=-1", "printk.time=1", "lpj=7999923"] {
                if !words.iter().any(|w| w == word) {
                    words.push(word.to_owned());
                }
            }
            // The time stamp counter runs at the core's clock; finding that out would cost simulated time.
            if let Some(khz) = clock_khz(&s.params) {
                words.push(format!("tsc_early_khz={khz}"));
                // So would measuring the local APIC's timer, which gem5 runs at a sixteenth of it (X86LocalApic.clk_domain).
                // A kernel without this parameter (images/kernel/lapic-timer-khz.patch) measures.
                if s.root_image.is_none() {
                    words.push(format!("lapic_timer_khz={}", if s.stage.is_some() { khz } else { khz / 16 }));
                }
            }
            if s.cpus > 1 {
                // The function's core is its own.
                words.push("isolcpus=1".into());
            }
            if s.cpus > 1 || s.stage.is_some() {
                // gem5 neither saves an armed MWAIT nor hands it to another core model: a core that was idle would sleep on.
                words.push("idle=halt".into());
            }
            if s.disk.is_some() {
                words.extend([format!("root={}", s.root.as_deref().unwrap_or("/dev/sda")), "rw".to_owned()]);
            }
        }
    }
    if s.stage.is_some() {
        if s.root_image.is_some() {
            words.extend(MEMORY_ROOT.iter().map(|word| (*word).to_owned()));
        } else {
            // gem5 has no PCI device that the guest could use, and QEMU none that it should see.
            words.push("pci=off".into());
        }
        words.push(format!("{}={:#x}", futon_stage::PARAMETER, window_base(s)));
    } else if !s.cold {
        words.push("futon.park=1".into());
    }
    words.extend(s.append.clone());
    words.join(" ")
}

/// Words for a distribution's kernel whose root lies in memory. With `pci=off` such a kernel would not register that memory at all; its
/// ACPI tables have no host bridge, so it looks for no PCI device. Without `nopat` it would ask the MTRRs, which nobody has set up on
/// gem5 or here, and map the root's files uncached: seen, CPI 28 in place of 1.7. The rest is what gem5 lacks (machine checks), what
/// would only wake idle processors, access to the devices that are not the kernel's, and the stop before a function comes.
const MEMORY_ROOT: [&str; 8] =
    ["root=/dev/pmem0", "rw", "pci=conf1", "nopat", "mce=off", "nowatchdog", "iomem=relaxed", "futon.park=1"];

/// Where the window of a staging machine begins: behind the guest's memory and its root disk, bytes.
pub(super) fn window_base(s: &Gem5Settings) -> u64 {
    u64::from(s.memory_mib + s.root_mib()) << 20
}

#[cfg(test)]
mod tests {
    use super::super::CoreState;
    use super::super::payload::testing::settings;
    use super::*;

    fn start<'a>(settings: &'a Gem5Settings, phase: Phase, restore: &'a Restore, seed: &'a Seed) -> Start<'a> {
        Start {
            settings,
            phase,
            restore,
            folder: Path::new("/run/phase"),
            config: Path::new("/run/config"),
            payload: (phase != Phase::Boot).then_some(Path::new("/run/payload")),
            work_items: 7,
            seed,
            drain_at: None,
        }
    }

    #[test]
    fn a_boot_knows_no_payload_and_ends_at_its_checkpoint() {
        let (settings, seed) = (settings(CoreModel::O3), "1".parse().unwrap());
        let words = gem5_arguments(&start(&settings, Phase::Boot, &Restore::PowerOn, &seed));
        assert_eq!(
            words.join(" "),
            "/opt/gem5.fast -d /run/phase/m5out --listener-mode=off /run/config/run.py --kernel /r/vmlinux --initrd /r/initramfs \
             --system skylake --cpu atomic --cpus 2 --mem-mib 1024 --seed 1450655217 --max-ms 600000 --checkpoint /run/phase/m5out/checkpoint \
             --cmdline=console=ttyS0 quiet panic=-1 printk.time=1 lpj=7999923 tsc_early_khz=1000000 lapic_timer_khz=62500 isolcpus=1 idle=halt futon.park=1 --param=l2.size=2MiB"
                .replace("1450655217", &seed.number().to_string())
        );
    }

    #[test]
    fn the_measured_part_has_the_detailed_core_and_the_same_machine() {
        let (settings, seed) = (settings(CoreModel::O3), "1".parse().unwrap());
        let restore = Restore::Checkpoint("/c/abc".into());
        let words = gem5_arguments(&start(&settings, Phase::Evaluate, &restore, &seed)).join(" ");
        for part in [
            "--cpu o3",
            "--restore /c/abc",
            "--work-items 7",
            "--readfile /run/payload",
            "--mem-mib 1024",
            "isolcpus=1 idle=halt futon.park=1",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(!words.contains("--checkpoint"), "{words}");
    }

    #[test]
    fn a_state_reaches_the_measured_part_alone_and_shapes_no_checkpoint() {
        let seed = "1".parse().unwrap();
        let restore = Restore::Checkpoint("/c/abc".into());
        let warm = settings(CoreModel::O3);
        let state = CoreState::lukewarm(&"l1i,l2".parse().unwrap(), "skylake", CoreModel::O3).unwrap();
        let lukewarm = Gem5Settings { state, ..warm.clone() };
        let words = |settings, phase| gem5_arguments(&start(settings, phase, &restore, &seed)).join(" ");
        assert!(words(&lukewarm, Phase::Evaluate).contains("--work-items 7 --discarded 2 --flush l1i,l2 "));
        for phase in [Phase::Boot, Phase::Template, Phase::Setup] {
            assert_eq!(words(&lukewarm, phase), words(&warm, phase));
        }
        assert!(!words(&warm, Phase::Evaluate).contains("flush"));
    }

    #[test]
    fn the_users_line_and_one_core() {
        let mut settings = settings(CoreModel::Atomic);
        settings.cpus = 1;
        assert!(!kernel_command_line(&settings).contains("isolcpus"));
        settings.cmdline = Some("console=ttyS0 mine".into());
        settings.append = Some("debug".into());
        settings.cold = true;
        assert_eq!(kernel_command_line(&settings), "console=ttyS0 mine debug");
    }
}
