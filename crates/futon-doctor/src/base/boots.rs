//! Whether the image comes up and runs the run script.

use super::tree::Tree;
use super::units::Unit;
use crate::{Finding, missing, note, ok};

/// The unit that fetches the run script and runs it.
const UNIT: &str = "gem5.service";

/// Names of cloud-init's unit that sets up the network.
pub(super) const CLOUD_INIT: [&str; 2] = ["cloud-init.service", "cloud-init-network.service"];

/// That unit, if it is there.
pub(super) struct Service(Option<Unit>);

impl Service {
    pub(super) fn of(tree: &Tree) -> Self {
        Self(tree.unit(UNIT))
    }

    /// Whether it mentions something.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.0.as_ref().is_some_and(|unit| unit.mentions(word))
    }

    /// Whether it runs futon's own tool, which finds the exchange by itself.
    pub(super) fn runs_futon_guest(&self) -> bool {
        self.mentions("futon-guest")
    }

    pub(super) fn findings(&self, tree: &Tree, gem5: bool) -> Vec<Finding> {
        let Some(unit) = &self.0 else {
            return vec![missing(UNIT, "not there, or masked; docs/base-images.md has one to copy")];
        };
        let start = unit.values("Service", "ExecStart").first().copied().unwrap_or_default();
        let program =
            start.trim_start_matches(['-', '@', ':', '+', '!', '|']).split_whitespace().next().unwrap_or_default();
        let there = if program.starts_with('/') { tree.is_program(program) } else { tree.program(program).is_some() };
        let mut findings = vec![if program.is_empty() {
            missing(UNIT, "it has no ExecStart=: it runs nothing")
        } else if !tree.starts(UNIT) {
            missing(UNIT, "the default target does not want it; run `systemctl enable gem5.service` in the image")
        } else if !there {
            missing(UNIT, format!("it runs {program}, which is not in the image, or is not executable"))
        } else if gem5 && !self.runs_futon_guest() {
            missing(
                UNIT,
                "gem5 has no network for it; it needs ExecStart=/usr/local/sbin/futon-guest init (docs/gem5.md)",
            )
        } else {
            ok(UNIT, format!("enabled; runs {program}"))
        }];
        let conditions = unit.conditions();
        if !conditions.is_empty() {
            findings.push(note(UNIT, format!("it runs only if {} holds: not looked at", conditions.join(", "))));
        }
        if program.starts_with('/') && !self.mentions("3003") && !self.runs_futon_guest() {
            findings.push(note(UNIT, format!("what {program} does is not looked at: it must fetch and run run.sh")));
        }
        for name in ["curl", "wget"] {
            if !self.runs_futon_guest() && self.mentions(name) {
                findings.push(match tree.program(name) {
                    Some(path) => ok(name, path),
                    None => missing(name, format!("{UNIT} calls it, and it is not in the image")),
                });
            }
        }
        findings
    }
}

/// What system it is, and whether systemd starts it.
pub(super) fn system(tree: &Tree) -> Finding {
    const NAME: &str = "system";
    let about = tree.text("/etc/os-release").or_else(|| tree.text("/usr/lib/os-release")).unwrap_or_default();
    let value = about.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = value.map_or("unnamed", |value| value.trim_matches(['"', '\'']));
    match tree.canonical("/sbin/init") {
        None => missing(NAME, format!("{name}, without /sbin/init: the kernel has nothing to start")),
        Some(init) if init.ends_with("/systemd") => ok(NAME, format!("{name}, systemd")),
        Some(init) => note(NAME, format!("{name}; {init} starts it, so futon cannot tell what runs {UNIT}")),
    }
}

/// Whether its programs run on the machine's processor.
pub(super) fn processor(tree: &Tree) -> Finding {
    const NAME: &str = "processor";
    // Bits, order of bytes and machine in an ELF header.
    let head = tree.bytes("/bin/sh").unwrap_or_default();
    match (head.get(..6), head.get(18..20)) {
        (Some([0x7f, b'E', b'L', b'F', 2, 1]), Some([62, 0])) => ok(NAME, "x86-64"),
        (Some([0x7f, b'E', b'L', b'F', ..]), _) => missing(NAME, "/bin/sh is not a program for x86-64"),
        _ => missing(NAME, "no program /bin/sh; the run script needs a shell"),
    }
}

/// What makes the boot slow.
pub(super) fn delays(tree: &Tree) -> Option<Finding> {
    const SLOW: [&str; 4] = [
        "systemd-networkd-wait-online.service",
        "NetworkManager-wait-online.service",
        "snapd.seeded.service",
        "ifupdown-wait-online.service",
    ];
    let slow: Vec<&str> = SLOW.into_iter().chain(CLOUD_INIT).filter(|unit| tree.starts(unit)).collect();
    (!slow.is_empty()).then(|| note("boot", format!("{} may delay it; the limit is --limit boot=", slow.join(", "))))
}
