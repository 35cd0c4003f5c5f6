//! Flags that several commands share and that mean something else in one of them: its own defaults, what it does not have, its help.

use clap::Arg;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::On;

/// The machine of a command that only gem5 can do.
pub fn only_gem5(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "on" => arg.value_parser(PossibleValuesParser::new(["gem5"]).map(|_| On::Gem5)).default_value("gem5"),
        "base" => arg.default_value("lean"),
        "memory" => arg.help("Memory of the machine, MiB [default: 1024]"),
        "invocations" => arg.help("Verified invocations per function [default: 5]"),
        _ => arg,
    }
}

/// `futon setup`: it makes checkpoints, and gives no verdicts.
pub fn setup(arg: Arg) -> Arg {
    let without = ["stress", "record_timings", "events"].contains(&arg.get_id().as_str());
    only_gem5(arg).hide(without)
}

/// `futon measure`.
pub fn measure(arg: Arg) -> Arg {
    let arg = only_gem5(arg);
    match arg.get_id().as_str() {
        "cpu" => arg.default_value("o3").help("Core for the measured invocations: timing or o3"),
        "uarch_warmup" => arg.default_value("3"),
        "software_warmup" => {
            arg.help("Invocations before the function's checkpoint, on the boot core, in the first run [default: 20]")
        }
        // What it refuses.
        "stress" | "shard" | "record_timings" | "warmup" => arg.hide(true),
        _ => arg,
    }
}

/// `futon gem5 selftest`.
pub fn selftest(arg: Arg) -> Arg {
    let arg = only_gem5(arg);
    match arg.get_id().as_str() {
        "cpu" => arg.default_value("o3").help("Core to check: timing or o3"),
        // What it refuses.
        "software_warmup" | "uarch_warmup" | "state" | "flush" | "interleave" | "gem5_config" | "base_image"
        | "cold" | "root" => arg.hide(true),
        _ => arg,
    }
}

/// `futon plan`.
pub fn plan(arg: Arg) -> Arg {
    if arg.get_id() == "json" { arg.help("Print the cells as JSON on standard output") } else { arg }
}

/// `futon config show`.
pub fn config_show(arg: Arg) -> Arg {
    if arg.get_id() == "json" { arg.help("Print the settings as JSON on standard output") } else { arg }
}
