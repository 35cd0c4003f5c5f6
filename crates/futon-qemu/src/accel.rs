//! Chooses the accelerator with a probe that boots; the existence of `/dev/kvm` is not enough.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futon_common::{Context, Error, Result};
use futon_machine::GuardArguments;
use futon_machine::process::{self, Start};
use futon_model::Accelerator;
use serde::{Deserialize, Serialize};

use super::args::{ConsoleTo, Memory, QemuArguments, qemu_arguments};
use super::program::QEMU;

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceleratorRequest {
    /// KVM if a probe shows that it helps, else TCG.
    #[default]
    Auto,
    /// Always KVM.
    Kvm,
    /// TCG.
    Tcg,
}

/// The choice, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceleratorChoice {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// Why, for people.
    pub reason: String,
}

/// A working KVM boots a kernel to its first process in about a second; TCG needs two to four on a slow host.
/// A KVM slower than this does not help.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// What the guest prints when it has booted for the probe.
const PROBE_WORD: &str = "futon-probe: ok";

/// Results of probes, kept for the next run: one per kernel and initrd, because both bases may be used in turn.
#[derive(Debug, Serialize, Deserialize)]
struct Probes {
    /// QEMU's version and the host's boot: results from before a change of either are invalid.
    host: String,
    kvm: BTreeMap<String, Result<u64, String>>,
}

impl Probes {
    /// The file's results for this host.
    fn read(cache: &Path, host: String) -> Self {
        let known = std::fs::read(cache).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        known.filter(|known| known.host == host).unwrap_or_else(|| Self { host, kvm: BTreeMap::new() })
    }

    fn keep(&mut self, cache: &Path, guest: String, kvm: Result<u64, String>) {
        self.kvm.insert(guest, kvm);
        // A cache that cannot be written costs the next run five seconds, no more.
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = std::fs::write(cache, text);
        }
    }
}

/// Chooses the accelerator. The probe's result is kept in `cache` for each kernel and initrd; the probe runs again when QEMU's version or the
/// host's boot changes.
///
/// # Errors
/// When KVM is demanded and does not work.
pub async fn choose_accelerator(
    request: AcceleratorRequest,
    version: &str,
    kernel: &Path,
    initrd: Option<&Path>,
    cache: &Path,
) -> Result<AcceleratorChoice> {
    if request == AcceleratorRequest::Tcg {
        return Ok(AcceleratorChoice { accelerator: Accelerator::Tcg, reason: "tcg was asked for".into() });
    }
    let kvm = match openable() {
        Err(why) => Err(why),
        Ok(()) => probe_or_recall(version, kernel, initrd, cache).await?,
    };
    match (kvm, request) {
        (Ok(ms), _) => Ok(AcceleratorChoice {
            accelerator: Accelerator::Kvm,
            reason: format!("a probe booted under kvm in {:.1} s", Duration::from_millis(ms).as_secs_f64()),
        }),
        (Err(why), AcceleratorRequest::Kvm) => {
            Err(Error::infra(format!("--accel kvm was given, but KVM does not work: {why}"))
                .hint("use --accel auto or --accel tcg; `futon doctor --probe` tries kvm again"))
        }
        (Err(why), _) => Ok(AcceleratorChoice { accelerator: Accelerator::Tcg, reason: format!("no kvm: {why}") }),
    }
}

/// Whether this user may use `/dev/kvm` at all.
fn openable() -> Result<(), String> {
    match std::fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err("the host has no /dev/kvm".into()),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Err("no permission to open /dev/kvm (hint: add yourself to the group kvm)".into())
        }
        Err(e) => Err(format!("cannot open /dev/kvm: {e}")),
    }
}

async fn probe_or_recall(
    version: &str,
    kernel: &Path,
    initrd: Option<&Path>,
    cache: &Path,
) -> Result<Result<u64, String>> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let stamp = |file: &Path| {
        std::fs::metadata(file)
            .map(|m| format!("{}:{}", m.len(), m.modified().map_or(0, since_epoch)))
            .unwrap_or_default()
    };
    let guest = format!("{} {}", stamp(kernel), initrd.map(stamp).unwrap_or_default());
    let mut probes = Probes::read(cache, format!("{version} {}", boot.trim()));
    if let Some(known) = probes.kvm.get(&guest) {
        return Ok(known.clone());
    }
    let kvm = probe(kernel, initrd).await?;
    probes.keep(cache, guest, kvm.clone());
    Ok(kvm)
}

fn since_epoch(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Boots the kernel to its first process under KVM. Milliseconds it took, or why it did not.
async fn probe(kernel: &Path, initrd: Option<&Path>) -> Result<Result<u64, String>> {
    let Some(initrd) = initrd else {
        return Ok(Err("futon's own initrd, needed for the probe, is missing".into()));
    };
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let console = folder.path().join("console.log");
    let log = folder.path().join("qemu.log");
    let arguments = QemuArguments {
        name: "probe".into(),
        accelerator: Accelerator::Kvm,
        vcpus: 1,
        memory_mib: 256,
        kernel: kernel.to_owned(),
        initrd: Some(initrd.to_owned()),
        cmdline: "console=ttyS0 panic=-1 quiet futon.probe".into(),
        disk: None,
        bundle: None,
        console: ConsoleTo::File(console.clone()),
        qmp_fd: None,
        memory: Memory::Own,
        incoming: false,
        sandbox: false,
        memory_is_read: false,
    };
    let mut command = vec![QEMU.to_owned()];
    command.extend(qemu_arguments(&arguments));
    let guard = GuardArguments { log: log.clone(), command, ..GuardArguments::default() };
    let begin = Instant::now();
    let Start::Running(mut guarded) = process::start(guard, Vec::new()).await? else {
        return Ok(Err("cannot start the probe".into()));
    };
    let ended = tokio::time::timeout(PROBE_LIMIT, guarded.ended()).await;
    let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    guarded.end().await;
    Ok(match ended {
        Err(_) => Err(format!(
            "/dev/kvm exists, but a probe that boots a kernel did not end within {} s",
            PROBE_LIMIT.as_secs()
        )),
        Ok(_) if said(&console) => Ok(took),
        Ok(ended) => Err(format!(
            "/dev/kvm exists, but the probe's guest did not come up (QEMU: status {:?}, signal {:?}{})",
            ended.status,
            ended.signal,
            std::fs::read_to_string(&log)
                .ok()
                .and_then(|t| t.lines().last().map(|l| format!(", {l}")))
                .unwrap_or_default()
        )),
    })
}

fn said(console: &PathBuf) -> bool {
    std::fs::read(console).is_ok_and(|text| String::from_utf8_lossy(&text).contains(PROBE_WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernels_probe_is_kept_until_the_host_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("probes.json");
        let host = || "8.2 boot-1".to_owned();
        let (docker, lean) = (Err("it hangs".to_owned()), Ok(900));
        Probes::read(&cache, host()).keep(&cache, "docker".into(), docker.clone());
        Probes::read(&cache, host()).keep(&cache, "lean".into(), lean.clone());
        let known = Probes::read(&cache, host()).kvm;
        assert_eq!((known.get("docker"), known.get("lean")), (Some(&docker), Some(&lean)));
        assert!(Probes::read(&cache, "8.2 boot-2".into()).kvm.is_empty());
        // Files from an older futon, and truncated ones.
        std::fs::write(&cache, r#"{"key": "8.2 boot-1 1 2", "kvm": {"Ok": 9}}"#).unwrap();
        assert!(Probes::read(&cache, host()).kvm.is_empty());
    }
}
