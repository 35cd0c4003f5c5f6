//! Makes a simulated machine from flags, and the files beside a simulated run's report.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use futon_common::{Context, Error, Result};
use futon_gem5::{
    BootCore, ConfigScript, Gem5Machine, Gem5Settings, Goal, Watchdogs, find_gem5, probe_gem5, staging_is_tried_with,
};
use futon_model::{Base, FunctionReport};
use futon_qemu::qemu_version;
use futon_resources::{KernelUse, LEAN_KERNEL};
use futon_workdir::config::{ClientConfig, Config, MachineConfig};
use gem5_stats::{Row, charts_page, read_rows, write_rows};

use super::machine::{Prepared, lean};
use crate::cli::{ClientArgs, Gem5Args, MachineArgs, On};
use crate::ui::Ui;

/// Memory of a simulated machine, MiB: more memory makes checkpoints slower, and the lean guest needs little.
const MEMORY: u32 = 1024;

/// Default number of measured invocations: each takes seconds on a detailed core.
const INVOCATIONS: u64 = 5;

/// Whether the flags ask for gem5.
pub fn wanted(args: &MachineArgs) -> bool {
    args.on == On::Gem5
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
    if client.invocations.is_none() && settings.invocations == ClientConfig::default().invocations {
        settings.invocations = INVOCATIONS;
    }
    settings.invocations += args.gem5.uarch_warmup;
    settings.warmup = args.gem5.software_warmup.unwrap_or(settings.warmup);
    Ok(())
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
    ui.start("asking gem5 for its version");
    let program = find_gem5(g.gem5.as_deref(), resources)?;
    let gem5 = probe_gem5(&program, resources).await;
    ui.stop();
    let gem5 = gem5?;
    let disk = args.base_image.clone();
    // One kernel serves the lean guest and disk images; only the lean guest has the rest.
    let found = match &disk {
        Some(_) => None,
        None => Some(lean(args, resources, KernelUse::LeanGem5)?),
    };
    let kernel = match (&found, &args.kernel) {
        (Some(found), _) => found.kernel.clone(),
        (None, Some(given)) => given.clone(),
        (None, None) => resources.join(LEAN_KERNEL),
    };
    let (checkpoints, shared_checkpoints) = super::places::checkpoints(resources)?;
    let settings = Gem5Settings {
        gem5,
        config: g.gem5_config.clone().map_or(ConfigScript::Own, ConfigScript::File),
        system: g.system.clone(),
        params: g.params.clone(),
        boot_core: if g.boot_cpu == "kvm" { BootCore::Kvm } else { BootCore::Atomic },
        core: g.cpu,
        cpus: config.machine.vcpus(),
        memory_mib: config.machine.memory_mib,
        kernel,
        initrd: found.as_ref().map(|f| f.initrd.clone()).or_else(|| args.initrd.clone()),
        disk,
        recommended: found.as_ref().map(|f| f.cmdline.clone()).unwrap_or_default(),
        cmdline: args.cmdline.clone(),
        root: args.root.clone(),
        append: args.append.clone(),
        uarch_warmup: g.uarch_warmup,
        seed: g.sim_seed.clone(),
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
        "gem5 {} · {} core, system {} · {} cores, {} MiB",
        settings.gem5.version, settings.core, settings.system, settings.cpus, settings.memory_mib
    ));
    match &staged {
        Ok(qemu) => ui.line(&format!("boots and warms up in {qemu}")),
        Err(why) if settings.core.has_cycles() => ui.line(&format!("boots and warms up in gem5: {why}")),
        Err(_) => {}
    }
    Ok(Prepared {
        base: if found.is_some() { Base::Lean } else { Base::Docker },
        qemu: None,
        seccomp: found.map(|f| f.seccomp),
        machine: Box::new(Gem5Machine { settings }),
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
            // The command line's grammar lets no other name through.
            _ => &mut limits.simulated,
        };
        *limit = *length;
    }
    limits
}

/// Gathers the rows of all functions in one file, and draws them.
pub fn gather(functions: &[FunctionReport], out: &Path, ui: &mut Ui) -> Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    for function in functions.iter().filter(|f| f.simulation.as_ref().is_some_and(|s| s.rows > 0)) {
        rows.extend(read(&Path::new(&function.folder).join("invocations.csv"))?);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (table, page) = (out.join("invocations.csv"), out.join("charts.html"));
    let file = File::create(&table).context(|| format!("cannot write {}", table.display()))?;
    write_rows(file, &rows).context(|| format!("cannot write {}", table.display()))?;
    fs::write(&page, charts_page(&rows)?).context(|| format!("cannot write {}", page.display()))?;
    ui.line(&format!("rows: {} · charts: {}", table.display(), page.display()));
    Ok(())
}

/// Reads a file of rows.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).map_err(|e| {
        Error::usage(format!("cannot read {}", path.display())).caused_by(e).hint("name an invocations.csv")
    })?;
    read_rows(BufReader::new(file), &path.display().to_string())
}
