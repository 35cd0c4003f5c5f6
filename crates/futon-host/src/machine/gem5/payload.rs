//! The payload: what the guest's `readfile` gives. An executable file; everything that the run needs is in it.

use std::path::Path;

use futon_model::{Plan, TOKEN_PLACEHOLDER};

use super::Seed;
use super::settings::Gem5Settings;
use crate::workdir::WorkDir;
use crate::{Context, Result};

/// Lines for `run.env` that only a simulated guest needs.
pub(super) fn environment(settings: &Gem5Settings, seed: &Seed) -> String {
    format!(
        "FUTON_MACHINE=gem5\nFUTON_SIM_SEED={}\nFUTON_TIME={}\nFUTON_ROI_CHECKPOINT={}\n",
        seed.entropy(),
        seed.time(),
        u8::from(settings.has_region_of_interest() && !settings.cold)
    )
}

/// Writes the payload of a run.
pub(super) fn write_payload(
    target: &Path,
    workdir: &WorkDir,
    _plan: &Plan,
    settings: &Gem5Settings,
    seed: &Seed,
) -> Result<()> {
    let read = |name: &str| -> Result<String> {
        match workdir.served().get(name) {
            Some(path) => std::fs::read_to_string(path).context(|| format!("cannot read {}", path.display())),
            None => Ok(String::new()),
        }
    };
    let script = read("run.sh")?.replace(TOKEN_PLACEHOLDER, &seed.token());
    let (first, rest) = script.split_once('\n').unwrap_or((script.as_str(), ""));
    let text = format!("{first}\n{}{}{rest}", read("run.env")?, environment(settings, seed));
    std::fs::write(target, text).context(|| format!("cannot write {}", target.display()))
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::binary::Gem5;
    use super::super::script::ConfigScript;
    use super::super::settings::{BootCore, Gem5Settings, Goal, Watchdogs};
    use crate::stats::CoreModel;

    pub(in super::super) fn settings(core: CoreModel) -> Gem5Settings {
        Gem5Settings {
            gem5: Gem5 { path: "/opt/gem5.fast".into(), version: "24.0".into(), kvm: false, identity: "1-2".into() },
            config: ConfigScript::Own,
            system: "skylake".into(),
            params: vec!["l2.size=2MiB".into()],
            boot_core: BootCore::Atomic,
            core,
            cpus: 2,
            memory_mib: 1024,
            kernel: "/r/vmlinux".into(),
            initrd: Some("/r/initramfs".into()),
            disk: None,
            recommended: "console=ttyS0 quiet".into(),
            cmdline: None,
            root: None,
            append: None,
            uarch_warmup: 2,
            seed: None,
            cold: false,
            goal: Goal::Test,
            watchdogs: Watchdogs::default(),
            unconfined: false,
            checkpoints: "/r/checkpoints".into(),
            images: "/r/images".into(),
        }
    }
}
