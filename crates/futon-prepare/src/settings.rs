//! The project's settings put in the place of flags that were not given.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use futon_cli::{Accel, BaseArg, Command, ConfigCommand, Gem5Command, MachineArgs, On, TestArgs, WarmCommand};
use futon_common::{Error, Result};
use futon_workdir::config::{Config, OnMachine};
use futon_workdir::settings::Settings;
use serde::Serialize;

use super::machine::ask_for;

/// Reads the settings that a command uses, and puts them where it has no flags.
///
/// # Errors
/// When the settings are wrong.
pub fn fill(command: &mut Command, profile: Option<&str>) -> Result<()> {
    let here = |machine: &mut MachineArgs, choice| fill_machine(machine, None, profile, choice).map(drop);
    match command {
        Command::Test(args) => fill_test(args, profile, Choice::Machine),
        Command::Setup(args) | Command::Evaluate(args) => fill_test(args, profile, Choice::Gem5),
        Command::Measure(args) => fill_test(&mut args.test, profile, Choice::Gem5),
        Command::Plan(args) => fill_test(&mut args.test, profile, Choice::Machine),
        Command::Config(ConfigCommand::Show(args)) => fill_test(&mut args.test, profile, Choice::Machine),
        Command::Build(args) => {
            fill_machine(&mut args.machine, args.project.config.as_deref(), profile, Choice::Machine).map(drop)
        }
        Command::List(args) => {
            fill_machine(&mut args.machine, args.project.config.as_deref(), profile, Choice::Machine).map(drop)
        }
        Command::Load(args) => {
            fill_machine(&mut args.machine, args.project.config.as_deref(), profile, Choice::Qemu).map(drop)
        }
        Command::Gem5(Gem5Command::Selftest(args)) => here(&mut args.machine, Choice::Gem5),
        Command::Exec(args) => here(&mut args.machine, Choice::Machine),
        Command::Describe(args) => here(&mut args.look.machine, Choice::Qemu),
        Command::Scaffold(args) => here(&mut args.look.machine, Choice::Qemu),
        Command::Shell(args) => here(&mut args.machine, Choice::Qemu),
        Command::Warm(WarmCommand::Make(args)) => here(&mut args.machine, Choice::Qemu),
        // Its working directory has the machine.
        Command::Run(args) => {
            args.machine.settings = Some(Arc::new(Settings::find(None, profile)?));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Which machine a command may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The one of flag and setting.
    Machine,
    /// Only QEMU, unless a flag says otherwise, which the command then refuses.
    Qemu,
    /// Only gem5.
    Gem5,
}

fn fill_test(args: &mut TestArgs, profile: Option<&str>, choice: Choice) -> Result<()> {
    let settings = fill_machine(&mut args.machine, args.project.config.as_deref(), profile, choice)?;
    let given = |id: &str| args.machine.explicit.contains(id);
    let test = settings.config()?.test;
    if !given("jobs") {
        args.jobs = test.jobs;
    }
    if !given("retries") && args.stress.is_none() {
        args.retries = test.retries;
    }
    args.fail_fast |= test.fail_fast;
    Ok(())
}

fn fill_machine(
    machine: &mut MachineArgs,
    config: Option<&Path>,
    profile: Option<&str>,
    choice: Choice,
) -> Result<Arc<Settings>> {
    let settings = Arc::new(Settings::find(config, profile)?);
    let all = settings.config()?;
    let m = all.machine.clone();
    let absent = |id: &str, machine: &MachineArgs| !machine.explicit.contains(id);
    if let (Choice::Machine, Some(on), true) = (choice, m.on, absent("on", machine)) {
        machine.on = if on == OnMachine::Gem5 { On::Gem5 } else { On::Qemu };
    }
    if let (Some(base), true) = (m.base, absent("base", machine)) {
        ask_for(word::<BaseArg>("machine.base", &base)?.into(), machine);
    }
    if let (Some(accel), true) = (m.accel, absent("accel", machine)) {
        machine.accel = word::<Accel>("machine.accel", &accel)?;
    }
    machine.cold |= m.cold;
    for (given, setting) in
        [(&mut machine.base_image, m.base_image), (&mut machine.kernel, m.kernel), (&mut machine.initrd, m.initrd)]
    {
        *given = given.take().or(setting);
    }
    machine.append = machine.append.take().or(m.append);
    if machine.on == On::Gem5 || choice == Choice::Gem5 {
        fill_gem5(machine, &all)?;
    }
    machine.settings = Some(Arc::clone(&settings));
    Ok(settings)
}

fn fill_gem5(machine: &mut MachineArgs, all: &Config) -> Result<()> {
    let (set, mut filled) = (&all.gem5, Vec::new());
    let explicit = &machine.explicit;
    let absent = |id: &'static str| !explicit.contains(id);
    let g = &mut machine.gem5;
    if let (Some(system), true) = (&set.system, absent("system")) {
        g.system.clone_from(system);
        filled.push("system");
    }
    if let (Some(cpu), true) = (&set.cpu, absent("cpu")) {
        g.cpu = cpu.parse().map_err(|e: String| Error::usage(format!("gem5.cpu: {e}")).hint("atomic, timing or o3"))?;
        filled.push("cpu");
    }
    if let (Some(cpu), true) = (&set.boot_cpu, absent("boot_cpu")) {
        if !["atomic", "kvm"].contains(&cpu.as_str()) {
            return Err(Error::usage(format!("gem5.boot_cpu: there is no {cpu:?}")).hint("atomic or kvm"));
        }
        g.boot_cpu.clone_from(cpu);
    }
    g.software_warmup = g.software_warmup.or(set.software_warmup);
    if let (Some(calls), true) = (set.uarch_warmup, absent("uarch_warmup")) {
        g.uarch_warmup = calls;
        filled.push("uarch_warmup");
    }
    // A parameter of a flag wins over the same one of the settings: the later one counts.
    let mut params: Vec<String> = set.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    params.retain(|param| {
        let name = param.split_once('=').map_or(param.as_str(), |(name, _)| name);
        !g.params.iter().any(|given| given.split_once('=').is_some_and(|(other, _)| other == name))
    });
    g.params.splice(0..0, params);
    machine.explicit.extend(filled.into_iter().map(str::to_owned));
    Ok(())
}

/// A flag's word that a setting has, too.
fn word<T: ValueEnum>(setting: &str, value: &impl Serialize) -> Result<T> {
    let text = serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    T::from_str(&text, true).map_err(|e| Error::usage(format!("{setting}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futon_cli::Cli;

    /// The test command with these settings and words.
    fn filled(settings: &str, profile: Option<&str>, words: &[&str]) -> Result<TestArgs> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("futon.toml");
        std::fs::write(&path, settings).unwrap();
        let config = path.display().to_string();
        let mut command = Cli::of_words(&[&["futon", "test", "--config", &config], words].concat()).unwrap().command;
        fill(&mut command, profile)?;
        match command {
            Command::Test(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    const ALL: &str = "[machine]\non = \"gem5\"\nbase = \"docker\"\naccel = \"tcg\"\ncold = true\nappend = \"quiet\"\n\
                       [test]\njobs = 3\nretries = 2\n[gem5]\ncpu = \"o3\"\nuarch_warmup = 4\nparams = { \"l2.size\" = \"1MiB\", a = \"b\" }\n\
                       [profile.ci.test]\nretries = 5\nfail_fast = true\n";

    #[test]
    fn settings_are_used_where_no_flag_is_given() {
        let args = filled(ALL, None, &[]).unwrap();
        let m = &args.machine;
        assert_eq!((m.on.clone(), m.base, m.accel, m.cold), (On::Gem5, BaseArg::Docker, Accel::Tcg, true));
        assert_eq!((args.jobs, args.retries, args.fail_fast), (Some(3), 2, false));
        assert_eq!((m.gem5.cpu.to_string().as_str(), m.gem5.uarch_warmup), ("o3", 4));
        assert_eq!(m.gem5.params, ["a=b", "l2.size=1MiB"]);
        assert!(m.explicit.contains("base"), "the docker base was asked for");
        let args = filled(ALL, Some("ci"), &[]).unwrap();
        assert_eq!((args.retries, args.fail_fast), (5, true));
    }

    #[test]
    fn flags_win_even_with_their_default() {
        let words = ["--base", "lean", "--accel", "auto", "--retries", "0", "--jobs", "1", "--param", "l2.size=4MiB"];
        let args = filled(ALL, None, &words).unwrap();
        assert_eq!((args.machine.base, args.machine.accel), (BaseArg::Lean, Accel::Auto));
        assert_eq!((args.retries, args.jobs), (0, Some(1)));
        assert_eq!(args.machine.gem5.params, ["a=b", "l2.size=4MiB"]);
        // Another machine: what is for gem5 has no effect, and is not refused.
        let args = filled(ALL, None, &["--on", "qemu"]).unwrap();
        assert_eq!((args.machine.on.clone(), args.machine.gem5.uarch_warmup), (On::Qemu, 0));
        assert!(!args.machine.explicit.contains("cpu"));
        let error = filled("[gem5]\ncpu = \"fast\"\n", None, &["--on", "gem5"]).unwrap_err();
        assert!(error.to_string().contains("gem5.cpu"), "{error}");
    }
}
