//! What this host has for machines in gem5.

use std::path::{Path, PathBuf};

use futon_gem5::{find_gem5, probe_gem5, staging_is_tried_with};
use futon_machine::confinement_works;
use futon_qemu::qemu_version;

use crate::{Finding, missing, note, ok};

/// What this host has for machines in gem5; `folder` is that of the resources.
pub async fn gem5(folder: &Path) -> Vec<Finding> {
    let given = std::env::var_os("GEM5").map(PathBuf::from);
    let mut findings = Vec::new();
    let found = match find_gem5(given.as_deref(), folder) {
        Ok(path) => probe_gem5(&path, folder).await,
        Err(e) => Err(e),
    };
    match found {
        Ok(gem5) => {
            findings.push(ok("gem5", format!("{} (version {})", gem5.path.display(), gem5.version)));
            findings.push(match (gem5.kvm, Path::new("/dev/kvm").exists()) {
                (true, true) => ok("gem5 with KVM", "you can try --boot-cpu kvm"),
                (true, false) => note("gem5 with KVM", "this host has no /dev/kvm; futon does not need it"),
                (false, _) => note("gem5 with KVM", "not built in; futon does not need it"),
            });
            findings.push(match qemu_version().await.map(|qemu| (staging_is_tried_with(&qemu, &gem5.version), qemu)) {
                Ok((Ok(()), qemu)) => ok("boot in QEMU", format!("measured functions boot and warm up in {qemu}")),
                Ok((Err(why), _)) => {
                    note("boot in QEMU", format!("measured functions boot in gem5, which takes minutes: {why}"))
                }
                Err(e) => note("boot in QEMU", format!("measured functions boot in gem5, which takes minutes: {e}")),
            });
        }
        Err(e) => {
            let why = e.to_string();
            // The finding itself says that it is missing.
            let why = why.strip_prefix("gem5 missing: ").unwrap_or(&why);
            findings.push(missing("gem5", format!("{why}; {}", e.hint_text().unwrap_or("docs/gem5.md has more"))));
        }
    }
    findings.push(if confinement_works() {
        ok("Landlock", "gem5 is confined to its run folder")
    } else {
        missing(
            "Landlock",
            "the kernel cannot confine gem5 (Linux 5.13, lsm=landlock); --unconfined runs it unconfined",
        )
    });
    for (name, part) in [("lean-kernel", "kernel"), ("lean-initrd", "lean")] {
        let path = folder.join(name);
        findings.push(if path.is_file() {
            ok(name, path.display().to_string())
        } else {
            missing(name, format!("not in {}; `futon resources build {part}` makes it", folder.display()))
        });
    }
    findings
}
