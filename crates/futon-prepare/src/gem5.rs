//! Makes a simulated machine from flags.

use std::path::{Path, PathBuf};

use futon_cli::{BaseArg, ClientArgs, Gem5Args, MachineArgs, On, State};
use futon_common::{Error, Result};
use futon_gem5::{
    BootCore, ConfigScript, CoreState, FlushList, Gem5Machine, Gem5Settings, Goal, MemoryRoot, Watchdogs, find_gem5,
    memory_root, probe_gem5, staging_is_tried_with,
};
use futon_model::Base;
use futon_qemu::qemu_version;
use futon_resources::{KernelUse, LEAN_KERNEL};
use futon_terminal::Ui;
use futon_workdir::config::{ClientConfig, Config, MachineConfig};

use super::prepared::{Prepared, base, lean};

/// Memory of a simulated machine, MiB: more memory makes checkpoints slower, and the lean guest needs little.
const MEMORY: u32 = 1024;

/// Default number of measured invocations: each takes seconds on a detailed core.
const INVOCATIONS: u64 = 5;

/// Whether the flags ask for gem5.
pub fn wanted(args: &MachineArgs) -> bool {
    args.on == On::Gem5
}

/// Whether the guest on gem5 is to have an engine. The lean guest is the default there: `--base docker` has to be said.
pub fn wants_engine(args: &MachineArgs) -> bool {
    args.base_image.is_some() || args.explicit.contains("base") && args.base == BaseArg::Docker
}

/// Refuses gem5's flags on other machines: a flag without effect is worse than an unknown flag.
///
/// # Errors
/// Which flag.
pub fn require_gem5_for_its_flags(args: &MachineArgs) -> Result<()> {
    if wanted(args) {
        return Ok(());
    }
    // GEM5 may be set in the environment for other calls; and a script that tests on both may always pass --gem5.
    let flags = [
        ("--system", "system"),
        ("--param", "params"),
        ("--boot-cpu", "boot_cpu"),
        ("--boot-machine", "boot_machine"),
        ("--cpu", "cpu"),
        ("--software-warmup", "software_warmup"),
        ("--uarch-warmup", "uarch_warmup"),
        ("--state", "state"),
        ("--flush", "flush"),
        ("--interleave", "interleave"),
        ("--gem5-config", "gem5_config"),
        ("--sim-seed", "sim_seed"),
        ("--watchdog", "watchdogs"),
        ("--unconfined", "unconfined"),
    ];
    match flags.iter().find(|(_, id)| args.explicit.contains(*id)) {
        Some((flag, _)) => {
            Err(Error::usage(format!("{flag} has no effect on this machine")).hint("use it with --on gem5"))
        }
        None => Ok(()),
    }
}

/// A simulated machine's own defaults.
pub fn apply_machine(args: &MachineArgs, config: &mut Config) {
    if wanted(args) && args.memory.is_none() && config.machine.memory_mib == MachineConfig::default().memory_mib {
        config.machine.memory_mib = MEMORY;
    }
}

/// The same for the client: the calls that only warm the core up are its calls, too.
///
/// # Errors
/// When the warm-up is given in both ways.
pub fn apply_client(args: &MachineArgs, client: &ClientArgs, config: &mut Config) -> Result<()> {
    if !wanted(args) {
        return Ok(());
    }
    if client.warmup.is_some() && args.gem5.software_warmup.is_some() {
        return Err(Error::usage("--warmup and --software-warmup mean the same").hint("leave one out"));
    }
    let settings = &mut config.client;
    if args.gem5.state.contains(&State::Cold) {
        // Nothing has gone before: neither calls nor what they leave in the core.
        if args.gem5.software_warmup.or(client.warmup).is_some_and(|calls| calls > 0) || args.gem5.uarch_warmup > 0 {
            return Err(Error::usage("--state cold: no call goes before a cold one").hint("leave the warm-ups out"));
        }
        settings.warmup = 0;
        settings.no_greeting = true;
        settings.invocations = client.invocations.unwrap_or(1);
        return Ok(());
    }
    if client.invocations.is_none() && settings.invocations == ClientConfig::default().invocations {
        settings.invocations = INVOCATIONS;
    }
    settings.invocations += args.gem5.uarch_warmup;
    settings.warmup = args.gem5.software_warmup.unwrap_or(settings.warmup);
    Ok(())
}

/// The states that the flags ask for, in their order.
///
/// # Errors
/// When the flags contradict each other, or the machine lacks what is to be emptied.
pub fn states(args: &Gem5Args) -> Result<Vec<CoreState>> {
    let in_turn = !args.interleave.is_empty() && !args.alone;
    let unsaid = [if args.flush.is_empty() { State::Warm } else { State::Lukewarm }];
    let words = match args.state.as_slice() {
        [] if in_turn && args.flush.is_empty() => &[],
        [] => &unsaid[..],
        words => words,
    };
    if !args.interleave.is_empty() && words.iter().any(|word| *word != State::Warm) {
        return Err(Error::usage("--interleave: only the warm state can be measured beside it").hint("--state warm"));
    }
    if !args.flush.is_empty() && !words.contains(&State::Lukewarm) {
        return Err(Error::usage("--flush has no effect without the lukewarm state").hint("--state lukewarm"));
    }
    let lists = if args.flush.is_empty() { &[FlushList::all()][..] } else { &args.flush };
    let mut states = Vec::new();
    for word in words {
        match word {
            State::Warm => states.push(CoreState::Warm),
            State::Cold => states.push(CoreState::Cold),
            State::Lukewarm => {
                for list in lists {
                    states.push(CoreState::lukewarm(list, &args.system, args.cpu)?);
                }
            }
        }
    }
    states.extend(in_turn.then(|| CoreState::Interleaved(args.interleave.clone())));
    if let Some(twice) = (1..states.len()).find(|at| states[..*at].contains(&states[*at])) {
        return Err(Error::usage(format!("the state {} is named twice", states[twice]))
            .hint("--state warm,lukewarm; a --flush for each lukewarm state"));
    }
    Ok(states)
}

/// Refuses what functions that take turns cannot have.
fn require_measured_calls(args: &MachineArgs, config: &Config) -> Result<()> {
    if !args.gem5.cpu.has_cycles() {
        return Err(Error::usage("--interleave has no effect on the atomic core").hint("--cpu timing or --cpu o3"));
    }
    let (client, unsaid) = (&config.client, ClientConfig::default());
    if client.gen_type != unsaid.gen_type || client.method != unsaid.method {
        return Err(Error::usage("--interleave: functions that take turns always have the same input and method")
            .hint("leave --gen-type and --method out; declare the calls with `x-futon` (docs/calls.md)"));
    }
    Ok(())
}

/// The one state of a run.
fn state(args: &Gem5Args, config: &Config) -> Result<CoreState> {
    let mut states = states(args)?;
    let state = states.pop().unwrap_or_default();
    if !states.is_empty() {
        return Err(Error::usage("a run has one state of the core").hint("`futon measure` compares two"));
    }
    state.check_calls(config.client.invocations.saturating_sub(args.uarch_warmup))?;
    Ok(state)
}

/// Makes the simulated machine that the flags ask for.
pub async fn prepare_gem5(
    args: &MachineArgs,
    resources: &Path,
    config: &Config,
    goal: Goal,
    ui: &mut Ui,
) -> Result<Prepared> {
    let g = &args.gem5;
    if goal != Goal::Test && !g.cpu.has_cycles() {
        return Err(
            Error::usage("the function has a checkpoint only with a measured core").hint("--cpu timing or --cpu o3")
        );
    }
    if g.uarch_warmup > 0 && !g.cpu.has_cycles() {
        return Err(Error::usage("--uarch-warmup has no effect on the atomic core").hint("--cpu timing or --cpu o3"));
    }
    let state = state(g, config)?;
    if let CoreState::Interleaved(_) = state {
        require_measured_calls(args, config)?;
    }
    ui.start("asking gem5 for its version");
    let program = find_gem5(g.gem5.as_deref(), resources)?;
    let gem5 = probe_gem5(&program, resources).await;
    ui.stop();
    let gem5 = gem5?;
    let guest = guest(args, resources, ui).await?;
    let (checkpoints, shared_checkpoints) = super::places::checkpoints(resources)?;
    let staged_base = guest.root_image.is_some();
    let settings = Gem5Settings {
        gem5,
        config: g.gem5_config.clone().map_or(ConfigScript::Own, ConfigScript::File),
        system: g.system.clone(),
        params: g.params.clone(),
        boot_core: if g.boot_cpu == "kvm" { BootCore::Kvm } else { BootCore::Atomic },
        core: g.cpu,
        cpus: config.machine.vcpus(),
        memory_mib: config.machine.memory_mib,
        kernel: guest.kernel,
        initrd: guest.initrd,
        disk: guest.disk,
        base_image: guest.base_image,
        root_image: guest.root_image,
        recommended: guest.cmdline,
        // A base image's own line is in `recommended` already.
        cmdline: args.cmdline.clone().filter(|_| !staged_base),
        root: args.root.clone(),
        append: args.append.clone(),
        uarch_warmup: g.uarch_warmup,
        state,
        seed: g.sim_seed.clone(),
        work_items: g.work_items,
        cold: args.cold,
        goal,
        watchdogs: watchdogs(g),
        unconfined: g.unconfined,
        stage: None,
        checkpoints,
        shared_checkpoints,
    };
    let staged = staged(&settings, g).await?;
    let settings = Gem5Settings { stage: staged.as_ref().ok().cloned(), ..settings };
    settings.check()?;
    ui.line(&format!(
        "gem5 {} · {} core, system {} · {} {}, {} MiB",
        settings.gem5.version,
        settings.core,
        settings.system,
        settings.cpus,
        if settings.cpus == 1 { "processor" } else { "processors" },
        settings.memory_mib
    ));
    match &staged {
        Ok(qemu) => ui.line(&format!("boots and warms up in {qemu}")),
        Err(why) if settings.root_image.is_some() => {
            return Err(Error::usage(format!(
                "--base docker on gem5 boots in QEMU, and that is not possible here: {why}"
            ))
            .hint("--boot-machine gem5 boots a disk image in gem5 itself, and so does --base lean"));
        }
        Err(why) if settings.core.has_cycles() => ui.line(&format!("boots and warms up in gem5: {why}")),
        Err(_) => {}
    }
    Ok(Prepared {
        base: if guest.seccomp.is_some() { Base::Lean } else { Base::Docker },
        qemu: None,
        seccomp: guest.seccomp,
        machine: Box::new(Gem5Machine { settings }),
    })
}

/// What the machine boots.
struct Guest {
    kernel: PathBuf,
    initrd: Option<PathBuf>,
    /// A disk that gem5 simulates.
    disk: Option<PathBuf>,
    /// A disk in memory, and the image it was made of.
    root_image: Option<MemoryRoot>,
    base_image: Option<PathBuf>,
    cmdline: String,
    seccomp: Option<PathBuf>,
}

async fn guest(args: &MachineArgs, resources: &Path, ui: &mut Ui) -> Result<Guest> {
    if !wants_engine(args) {
        let found = lean(args, resources, KernelUse::LeanGem5)?;
        return Ok(Guest {
            kernel: found.kernel,
            initrd: Some(found.initrd),
            disk: None,
            root_image: None,
            base_image: None,
            cmdline: found.cmdline,
            seccomp: Some(found.seccomp),
        });
    }
    if args.gem5.boot_machine.as_deref() == Some("gem5") {
        let disk = args.base_image.clone().ok_or_else(|| {
            Error::usage("--boot-machine gem5 boots a disk image of yours").hint("name it with --base-image")
        })?;
        return Ok(Guest {
            // One kernel serves the lean guest and disk images; only the lean guest has the rest.
            kernel: args.kernel.clone().unwrap_or_else(|| resources.join(LEAN_KERNEL)),
            initrd: args.initrd.clone(),
            disk: Some(disk),
            root_image: None,
            base_image: None,
            cmdline: String::new(),
            seccomp: None,
        });
    }
    let base = base(args, resources)?;
    ui.start("putting the base image's root into memory (kept for the next time)");
    // Beside the checkpoints: the resources may be read-only.
    let (checkpoints, _) = super::places::checkpoints(resources)?;
    let root = memory_root(&base.image, &checkpoints.with_file_name("roots")).await;
    ui.stop();
    Ok(Guest {
        kernel: base.kernel,
        initrd: base.initrd,
        disk: None,
        root_image: Some(root?),
        base_image: Some(base.image),
        cmdline: base.cmdline,
        seccomp: None,
    })
}

/// The QEMU in which the guest is prepared, or why it is prepared in gem5.
async fn staged(settings: &Gem5Settings, args: &Gem5Args) -> Result<std::result::Result<String, String>> {
    let asked = args.boot_machine.as_deref();
    if asked == Some("gem5") {
        return Ok(Err("--boot-machine gem5".into()));
    }
    let why = match settings.cannot_stage() {
        Some(why) => why.to_owned(),
        None => match qemu_version().await {
            // Whoever asks for it may try.
            Ok(version) if asked.is_some() => return Ok(Ok(version)),
            Ok(version) => match staging_is_tried_with(&version, &settings.gem5.version) {
                Ok(()) => return Ok(Ok(version)),
                Err(why) => why,
            },
            Err(e) if asked.is_some() => return Err(e),
            Err(e) => e.to_string(),
        },
    };
    if asked.is_some() {
        return Err(
            Error::usage(format!("--boot-machine qemu: {why}")).hint("leave it out, or leave out what it excludes")
        );
    }
    Ok(Err(why))
}

fn watchdogs(args: &Gem5Args) -> Watchdogs {
    let mut limits = Watchdogs::default();
    for (name, length) in &args.watchdogs {
        let limit = match name.as_str() {
            "boot" => &mut limits.boot,
            "host" => &mut limits.host,
            "progress" => &mut limits.progress,
            "stall" => &mut limits.stall,
            // The command line's grammar lets no other name through.
            _ => &mut limits.simulated,
        };
        *limit = *length;
    }
    limits
}
