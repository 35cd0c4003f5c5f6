//! From flags to a machine.

use std::path::Path;

use futon_cli::{Accel, BaseArg, MachineArgs, NetworkArg, On, ThawArg, fake_is_allowed};
use futon_common::{Error, Result};
use futon_fake::FakeMachine;
use futon_gem5::Goal;
use futon_model::{Accelerator, Base, MachinePlan, Network};
use futon_qemu::{AcceleratorChoice, AcceleratorRequest, QemuMachine, Whose, choose_accelerator, qemu_version};
use futon_resources::{FoundLean, INITRD, KERNEL, KernelUse};
use futon_terminal::{Ui, brief};
use futon_workdir::config::{Config, Thaw};
use tokio_util::sync::CancellationToken;

use super::prepared::{Prepared, base, lean};
use super::warm::attach;

/// Puts the machine's flags over the project's settings.
pub fn apply(args: &MachineArgs, config: &mut Config) {
    let machine = &mut config.machine;
    machine.vcpus = args.vcpus.or(machine.vcpus);
    machine.memory_mib = args.memory.unwrap_or(machine.memory_mib);
    if let Some(network) = args.network {
        machine.network = match network {
            NetworkArg::Isolated => Network::Isolated,
            NetworkArg::Host => Network::Host,
        };
    }
    if let Some(thaw) = args.thaw {
        machine.thaw = match thaw {
            ThawArg::Auto => Thaw::Auto,
            ThawArg::Off => Thaw::Off,
        };
    }
    super::gem5::apply_machine(args, config);
}

/// Settings of a machine that was planned before: the plan says which it was.
pub fn as_planned(plan: &MachinePlan, config: &mut Config) {
    config.machine.vcpus = Some(plan.vcpus);
    config.machine.memory_mib = plan.memory_mib;
    config.machine.network = plan.network;
}

/// Flags that ask for a base. On gem5 the lean guest is the default, so that the other one counts only if it was asked for.
pub fn ask_for(base: Base, machine: &mut MachineArgs) {
    machine.base = match base {
        Base::Docker => BaseArg::Docker,
        Base::Lean => BaseArg::Lean,
    };
    machine.explicit.insert("base".to_owned());
}

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A run that boots from scratch, without a login.
    Run,
    /// A run that may be forked from a warm base.
    Fork,
    /// Half of a simulated test, or all of it.
    Simulate(Goal),
    /// A shell on the console.
    Shell,
}

/// Refuses the fake machine outside futon's own tests, however one came to ask for it.
///
/// # Errors
/// Unless the tests call.
pub fn refuse_fake() -> Result<()> {
    if fake_is_allowed() {
        return Ok(());
    }
    Err(Error::infra("the fake machine executes nothing and proves nothing: it is only for futon's own tests")
        .hint("`futon build` makes the working directory for a real machine"))
}

/// Whether the machine that the flags ask for has the lean guest.
pub fn has_lean_guest(args: &MachineArgs) -> bool {
    if super::gem5::wanted(args) { !super::gem5::wants_engine(args) } else { args.base == BaseArg::Lean }
}

/// Makes the machine that the flags ask for.
pub async fn prepare(
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    purpose: Purpose,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<Prepared> {
    super::gem5::require_gem5_for_its_flags(args)?;
    if let On::Fake(scenario) = &args.on {
        refuse_fake()?;
        let scenario = scenario.parse()?;
        return Ok(Prepared {
            machine: Box::new(FakeMachine { scenario }),
            base: Base::Docker,
            qemu: None,
            seccomp: None,
        });
    }
    if super::gem5::wanted(args) {
        let goal = match purpose {
            Purpose::Simulate(goal) => goal,
            Purpose::Run | Purpose::Fork | Purpose::Shell => Goal::Test,
        };
        return super::gem5::prepare_gem5(args, resources, config, goal, ui).await;
    }
    if args.base == BaseArg::Lean {
        let lean = lean(args, resources, KernelUse::LeanQemu)?;
        let mut machine = lean_qemu(&lean, args, resources, config, purpose, ui).await?;
        if purpose == Purpose::Fork && !args.cold {
            attach(&mut machine, resources, config, ui, cancel).await?;
        }
        return Ok(Prepared { base: Base::Lean, qemu: None, seccomp: Some(lean.seccomp), machine: Box::new(machine) });
    }
    let mut machine = prepare_qemu(args, resources, config, purpose, ui).await?;
    if purpose == Purpose::Fork && !args.cold {
        attach(&mut machine, resources, config, ui, cancel).await?;
    }
    Ok(Prepared { base: Base::Docker, seccomp: None, qemu: Some(machine.clone()), machine: Box::new(machine) })
}

/// Makes the QEMU machine that the flags ask for.
pub async fn prepare_qemu(
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    purpose: Purpose,
    ui: &mut Ui,
) -> Result<QemuMachine> {
    if super::gem5::wanted(args) {
        return Err(Error::usage("this command works only on QEMU")
            .hint(
                "on gem5 there are `futon test`, `setup`, `evaluate`, `measure`, `sweep`, `gem5 selftest`, `build`, `run` and `exec`",
            ));
    }
    if args.on != On::Qemu {
        return Err(Error::usage(format!("this command has no use on {}", args.on)).hint("leave --on out"));
    }
    if args.base == BaseArg::Lean {
        return lean_qemu(&lean(args, resources, KernelUse::LeanQemu)?, args, resources, config, purpose, ui).await;
    }
    let base = base(args, resources)?;
    // The probe is about the host, not the guest: it always uses futon's own kernel and initrd.
    let own = (resources.join(KERNEL), resources.join(INITRD));
    let (kernel, initrd) = if args.kernel.is_some() || args.initrd.is_some() {
        if own.0.is_file() && own.1.is_file() { (&own.0, Some(own.1.as_path())) } else { (&base.kernel, None) }
    } else {
        (&base.kernel, base.initrd.as_deref())
    };
    let (version, accelerator) = accelerator(args, resources, kernel, initrd, &base.image, ui).await?;
    Ok(QemuMachine {
        version,
        vcpus: config.machine.vcpus(),
        memory_mib: config.machine.memory_mib,
        network: config.machine.network,
        cmdline: cmdline(&base.cmdline, args, config, purpose, accelerator.accelerator),
        accelerator,
        base_image: base.image,
        whose: if args.base_image.is_some() { Whose::Users } else { Whose::Futons },
        has_disk: true,
        kernel: base.kernel,
        initrd: base.initrd,
        console: None,
        thaw: config.machine.thaw == Thaw::Auto,
        sandbox: true,
        warm: None,
    })
}

/// Probes for the accelerator and reports the choice.
async fn accelerator(
    args: &MachineArgs,
    resources: &Path,
    kernel: &Path,
    probe_initrd: Option<&Path>,
    shown: &Path,
    ui: &mut Ui,
) -> Result<(String, AcceleratorChoice)> {
    let version = qemu_version().await?;
    let request = match args.accel {
        Accel::Auto => AcceleratorRequest::Auto,
        Accel::Kvm => AcceleratorRequest::Kvm,
        Accel::Tcg => AcceleratorRequest::Tcg,
    };
    let cache = super::places::probe_file(resources);
    ui.start("choosing the accelerator");
    let choice = choose_accelerator(request, &version, kernel, probe_initrd, &cache).await;
    ui.stop();
    let choice = choice?;
    ui.line(&format!("{version} · {} ({}) · {}", choice.accelerator.word(), brief(&choice.reason), shown.display()));
    Ok((version, choice))
}

async fn lean_qemu(
    lean: &FoundLean,
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    purpose: Purpose,
    ui: &mut Ui,
) -> Result<QemuMachine> {
    let probe_initrd = if args.initrd.is_none() { Some(lean.initrd.as_path()) } else { None };
    let (version, accelerator) = accelerator(args, resources, &lean.kernel, probe_initrd, &lean.initrd, ui).await?;
    Ok(QemuMachine {
        version,
        vcpus: config.machine.vcpus(),
        memory_mib: config.machine.memory_mib,
        network: config.machine.network,
        cmdline: lean_cmdline(&lean.cmdline, args, config, purpose, accelerator.accelerator),
        accelerator,
        base_image: lean.initrd.clone(),
        whose: if args.initrd.is_some() { Whose::Users } else { Whose::Futons },
        has_disk: false,
        kernel: lean.kernel.clone(),
        initrd: Some(lean.initrd.clone()),
        console: None,
        thaw: config.machine.thaw == Thaw::Auto,
        sandbox: true,
        warm: None,
    })
}

/// Processors only for the function, if there is more than one.
pub fn function_cpus(config: &Config) -> Option<String> {
    (config.machine.vcpus() > 1).then(|| "1".to_owned())
}

/// Timers at the kernel's tick and no finer. Emulated, each timer that is set wakes QEMU's main loop, and Go's runtime sets one every
/// 20 µs: a function's test takes a quarter less without. Never where times mean something.
const EMULATED_TIMERS: &str = " nohz=off highres=off";

/// Words that suit the accelerator, unless the user gave the whole line.
fn timers(args: &MachineArgs, accelerator: Accelerator) -> &'static str {
    if accelerator == Accelerator::Tcg && args.cmdline.is_none() { EMULATED_TIMERS } else { "" }
}

fn lean_cmdline(
    recommended: &str,
    args: &MachineArgs,
    config: &Config,
    purpose: Purpose,
    accelerator: Accelerator,
) -> String {
    let mut line = recommended.to_owned() + timers(args, accelerator);
    if let Some(cpus) = function_cpus(config) {
        line.push_str(&format!(" isolcpus={cpus}"));
    }
    if purpose == Purpose::Shell {
        line.push_str(" futon.shell");
    }
    if let Some(more) = &args.append {
        line.push_str(&format!(" {more}"));
    }
    line
}

/// Keeps systemd from starting a login on the console, which takes time and is useless in a run.
const NO_GETTY: &str = "systemd.getty_auto=no";

fn cmdline(
    recommended: &str,
    args: &MachineArgs,
    config: &Config,
    purpose: Purpose,
    accelerator: Accelerator,
) -> String {
    // The recommended line is for runs, without a login.
    let wanted = |word: &&str| purpose != Purpose::Shell || *word != NO_GETTY;
    let mut words: Vec<&str> = recommended.split_whitespace().filter(wanted).collect();
    if purpose != Purpose::Shell && !words.contains(&NO_GETTY) {
        words.push(NO_GETTY);
    }
    let root = args.root.as_deref().unwrap_or("/dev/vda");
    let mut line = format!("{} root={root} rw{}", words.join(" "), timers(args, accelerator));
    if config.machine.network == Network::Host {
        // Lets our base image's engine ask other registries than the exchange.
        line.push_str(" futon.network=host");
    }
    if let Some(more) = &args.append {
        line.push(' ');
        line.push_str(more);
    }
    line
}
