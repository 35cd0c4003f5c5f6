//! The level of a machine's processor, which decides what of a multi-platform image it runs.

use std::fs;

use futon_model::{Accelerator, Amd64Level, MachineKind, MachineReport};

/// Level of the processor that a machine's guest sees.
#[must_use]
pub fn processor_level(machine: &MachineReport) -> Amd64Level {
    match (machine.kind, machine.accelerator) {
        // gem5's processors say that they have no SSE4 and no AVX, and have none.
        (MachineKind::Gem5, _) | (_, Accelerator::Simulated) => Amd64Level::V1,
        // `-cpu host`.
        (_, Accelerator::Kvm) => host_level(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        // `-cpu max`: QEMU's translator knows AVX2 and no AVX-512.
        (_, Accelerator::Tcg | Accelerator::None) => Amd64Level::V3,
    }
}

fn host_level(cpuinfo: &str) -> Amd64Level {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.map_or(Amd64Level::V1, |(_, flags)| Amd64Level::of_flags(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_flags_are_read() {
        let v2 = "pni cx16 lahf_lm popcnt sse4_1 sse4_2";
        assert_eq!(host_level(&format!("processor\t: 0\nflags\t\t: fpu {v2}\nbugs\t: x\n")), Amd64Level::V2);
        assert_eq!(host_level(&format!("flags: {v2} avx avx2 bmi1 bmi2 f16c fma abm movbe")), Amd64Level::V3);
        assert_eq!(host_level(""), Amd64Level::V1);
    }
}
