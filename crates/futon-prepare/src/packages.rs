//! The list of the base's packages that is kept beside a report: what `futon report diff` compares.

use std::fs;
use std::path::Path;

use futon_cli::MachineArgs;
use futon_model::Base;
use futon_resources::{LEAN_PACKAGES, PACKAGES};
use report_diff::{Packages, packages};

/// The list's name in a run's folder, whatever the base.
pub const RUN_PACKAGES: &str = "packages.txt";

/// Keeps the list of a machine's base in a run's folder. There is none of a base that the user brought.
pub fn keep_packages(args: &MachineArgs, base: Base, resources: &Path, out: &Path) {
    let (list, is_ours) = match base {
        Base::Docker => (PACKAGES, args.base_image.is_none()),
        Base::Lean => (LEAN_PACKAGES, args.initrd.is_none()),
    };
    if is_ours {
        // For people: a run is worth no less without.
        let _ = fs::copy(resources.join(list), out.join(RUN_PACKAGES));
    }
}

/// Keeps the list of a run for what it becomes part of.
pub fn pass_packages_on(run: &Path, to: &Path) {
    let _ = fs::copy(run.join(RUN_PACKAGES), to.join(RUN_PACKAGES));
}

/// The packages of a run's base; empty if they are not known.
pub fn packages_of_run(folder: &Path) -> Packages {
    packages(&fs::read_to_string(folder.join(RUN_PACKAGES)).unwrap_or_default())
}
