//! From flags to a machine.

use std::path::Path;

use futon_host::config::Config;
use futon_host::machine::qemu::{AcceleratorRequest, QemuMachine, choose_accelerator, qemu_version};
use futon_host::machine::{FakeMachine, Machine};
use futon_host::resources::find_base;
use futon_host::{Error, Result};
use futon_model::{MachineKind, Network};

use crate::cli::{Accel, MachineArgs, NetworkArg};
use crate::ui::Ui;

/// A machine that is ready, and what the plan says of it.
pub struct Prepared {
    /// The machine.
    pub machine: Box<dyn Machine>,
    /// Its kind.
    pub kind: MachineKind,
    /// Base image, for the plan.
    pub base_image: String,
    /// Kernel, for the plan.
    pub kernel: String,
}

/// Puts the machine's flags over the project's settings.
pub fn apply(args: &MachineArgs, config: &mut Config) {
    let machine = &mut config.machine;
    machine.vcpus = args.vcpus.unwrap_or(machine.vcpus);
    machine.memory_mib = args.memory.unwrap_or(machine.memory_mib);
    if let Some(network) = args.network {
        machine.network = match network {
            NetworkArg::Isolated => Network::Isolated,
            NetworkArg::Host => Network::Host,
        };
    }
}

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A run: nobody logs in.
    Run,
    /// A shell on the console.
    Shell,
}

/// Makes the machine that the flags ask for.
pub async fn prepare(
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    purpose: Purpose,
    ui: &mut Ui,
) -> Result<Prepared> {
    if let Some(scenario) = args.on.strip_prefix("fake") {
        let scenario = scenario.strip_prefix(':').unwrap_or("pass").parse()?;
        let none = || "none".to_owned();
        return Ok(Prepared {
            machine: Box::new(FakeMachine { scenario }),
            kind: MachineKind::Fake,
            base_image: none(),
            kernel: none(),
        });
    }
    let machine = prepare_qemu(args, resources, config, purpose, ui).await?;
    Ok(Prepared {
        kind: MachineKind::Qemu,
        base_image: machine.base_image.display().to_string(),
        kernel: machine.kernel.display().to_string(),
        machine: Box::new(machine),
    })
}

/// Makes the QEMU machine that the flags ask for.
pub async fn prepare_qemu(
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    purpose: Purpose,
    ui: &mut Ui,
) -> Result<QemuMachine> {
    if args.on != "qemu" {
        return Err(Error::usage(format!("no machine is called {:?}", args.on)).hint("--on qemu"));
    }
    let base = find_base(
        resources,
        args.base_image.as_deref(),
        args.kernel.as_deref(),
        args.initrd.as_deref(),
        args.cmdline.as_deref(),
    )?;
    let version = qemu_version().await?;
    let request = match args.accel {
        Accel::Auto => AcceleratorRequest::Auto,
        Accel::Kvm => AcceleratorRequest::Kvm,
        Accel::Tcg => AcceleratorRequest::Tcg,
    };
    // The probe's guest is futon's own initrd; with a kernel of the user's there is none to probe with.
    let probe_initrd = if args.kernel.is_none() { base.initrd.as_deref() } else { None };
    let cache = resources.join(".kvm-probe.json");
    ui.start("choosing the accelerator");
    let accelerator = choose_accelerator(request, &version, &base.kernel, probe_initrd, &cache).await;
    ui.stop();
    let accelerator = accelerator?;
    ui.line(&format!(
        "{version} · {} ({}) · {}",
        accelerator.accelerator.word(),
        accelerator.reason,
        base.image.display()
    ));
    Ok(QemuMachine {
        version,
        accelerator,
        vcpus: config.machine.vcpus,
        memory_mib: config.machine.memory_mib,
        network: config.machine.network,
        cmdline: cmdline(&base.cmdline, args, config, purpose),
        base_image: base.image,
        kernel: base.kernel,
        initrd: base.initrd,
        console: None,
    })
}

/// Keeps systemd from starting a log-in on the console, which takes time and is of no use in a run.
const NO_GETTY: &str = "systemd.getty_auto=no";

fn cmdline(recommended: &str, args: &MachineArgs, config: &Config, purpose: Purpose) -> String {
    // The recommended line is for runs, where nobody logs in.
    let wanted = |word: &&str| purpose == Purpose::Run || *word != NO_GETTY;
    let mut words: Vec<&str> = recommended.split_whitespace().filter(wanted).collect();
    if purpose == Purpose::Run && !words.contains(&NO_GETTY) {
        words.push(NO_GETTY);
    }
    let mut line = format!("{} root={} rw", words.join(" "), args.root);
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
