//! Flags of `--on gem5`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use futon_gem5::{FlushList, Seed};
use gem5_stats::CoreModel;
use serde::{Deserialize, Serialize};

/// The simulated machine.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "gem5 (with --on gem5)")]
pub struct Gem5Args {
    /// The gem5 program [default: gem5 in the resources folder]
    #[arg(long, env = "GEM5", value_name = "FILE", hide_env_values = true)]
    pub gem5: Option<PathBuf>,
    /// System to simulate: simple, skylake, or one that your own script knows
    #[arg(long, default_value = "simple", value_name = "SYSTEM")]
    pub system: String,
    /// Parameter of the system, as in l2.size=2MiB (`python3 gem5/futon_gem5/tables.py` prints them all)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    pub params: Vec<String>,
    /// Core for everything but the measured invocations: atomic or kvm
    #[arg(long, default_value = "atomic", value_name = "CORE", value_parser = ["atomic", "kvm"])]
    pub boot_cpu: String,
    /// Machine in which the guest boots and warms up: qemu (1 GHz, lean guest) or gem5 [default: qemu where it can]
    #[arg(long, value_name = "MACHINE", value_parser = ["qemu", "gem5"])]
    pub boot_machine: Option<String>,
    /// Core for the measured invocations: atomic (none are measured), timing or o3
    #[arg(long, default_value = "atomic", value_name = "CORE", value_parser = core)]
    pub cpu: CoreModel,
    /// Invocations before the function's checkpoint, on the boot core (same as --warmup)
    #[arg(long, value_name = "N")]
    pub software_warmup: Option<u64>,
    /// Discarded invocations on the measured core (a restored checkpoint has cold caches)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub uarch_warmup: u64,
    /// State in which each measured invocation finds function and core: warm; lukewarm, with what --flush names emptied; cold, a new
    /// process's first call. `futon measure` compares two (warm,lukewarm) [default: warm, and lukewarm with --flush]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    #[serde(default)]
    pub state: Vec<State>,
    /// What is emptied before each measured invocation: l1i, l1d, mmucache, l2, llc, itlb, dtlb, btb, direction, indirect; all or none
    /// [default with lukewarm: all]. `futon measure` compares several, each with a --flush of its own
    #[arg(long, value_name = "LIST")]
    #[serde(default)]
    pub flush: Vec<FlushList>,
    /// Functions that are called in turn, each in a container of its own, as in aes-go,auth-go: one measured core serves them all
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',')]
    #[serde(default)]
    pub interleave: Vec<String>,
    /// Whether the functions of --interleave are called alone all the same, for comparison (`futon measure`)
    #[arg(skip)]
    #[serde(default)]
    pub alone: bool,
    /// Your own gem5 configuration script (docs/gem5.md has its contract)
    #[arg(long, value_name = "FILE")]
    pub gem5_config: Option<PathBuf>,
    /// Seed of token, time and entropy in the guest [default: from the plan]
    #[arg(long, value_name = "SEED")]
    pub sim_seed: Option<Seed>,
    /// Limit that the host enforces: boot, host, progress, stall (host time), simulated
    #[arg(long = "watchdog", value_name = "NAME=DURATION", value_parser = watchdog)]
    pub watchdogs: Vec<(String, Duration)>,
    /// Run gem5 without confinement if the host cannot confine it: it can write wherever you can
    #[arg(long)]
    pub unconfined: bool,
    /// Work items of a program of futon's own in the guest, which is measured in place of a function
    #[arg(skip)]
    #[serde(skip)]
    pub work_items: Option<u64>,
}

/// A state of the measured core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As the calls before have left it
    Warm,
    /// With some of its structures emptied before each call
    Lukewarm,
    /// Empty, and the function's process new: its first call
    Cold,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warm => "warm",
            Self::Lukewarm => "lukewarm",
            Self::Cold => "cold",
        })
    }
}

fn core(text: &str) -> Result<CoreModel, String> {
    match text.parse()? {
        CoreModel::Kvm => Err("KVM runs on the host's processor, so nothing can be measured".into()),
        core => Ok(core),
    }
}

fn param(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as NAME=VALUE, as in l2.size=2MiB".into()),
    }
}

fn watchdog(text: &str) -> Result<(String, Duration), String> {
    const NAMES: [&str; 5] = ["boot", "host", "simulated", "progress", "stall"];
    let (name, length) = text.split_once('=').ok_or("write it as NAME=DURATION, as in boot=10m")?;
    if !NAMES.contains(&name) {
        return Err(format!("there is no watchdog {name:?}; the watchdogs are {}", NAMES.join(", ")));
    }
    let length = humantime::parse_duration(length).map_err(|e| format!("{length:?} is not a duration: {e}"))?;
    if length.is_zero() { Err("0 would end the run at once".into()) } else { Ok((name.to_owned(), length)) }
}
