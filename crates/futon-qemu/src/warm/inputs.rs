//! What a warm base is made from, and its key.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futon_common::{Context, Result, sha256_bytes, sha256_file, stamp};
use futon_model::{Accelerator, PlannedImage};
use futon_workdir::GuestTools;
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use super::key::{IMAGE, WarmKey};
use super::names::{DISK, MEMORY};
use super::script::PARK_SCRIPT;
use crate::args::{ConsoleTo, Memory, QemuArguments, qemu_arguments};
use crate::boot::{Begin, Boot};
use crate::machine::QemuMachine;
use crate::program::qemu_program;

/// Changes when futon saves or continues machines differently.
const FORMAT: &str = "3";

/// The inputs for making a warm base.
#[derive(Debug)]
pub struct MakeWarm<'a> {
    /// The machine.
    pub machine: &'a QemuMachine,
    /// The guest's tools.
    pub tools: &'a GuestTools,
    /// Images that the engine pulls before the machine is saved; each with a digest.
    pub images: &'a [PlannedImage],
    /// Where they are.
    pub store: Option<Arc<ImageStore>>,
    /// Longest time from power-on until the guest waits for work.
    pub limit: Duration,
    /// Ends it.
    pub cancel: CancellationToken,
}

impl MakeWarm<'_> {
    /// The key of what would be made.
    ///
    /// # Errors
    /// When a file that it is made from is missing.
    pub fn key(&self) -> Result<WarmKey> {
        WarmKey::of(self.machine, self.tools, PARK_SCRIPT, self.images)
    }
}

impl WarmKey {
    /// The key of a machine with its guest tools, its park script, and the images that it pulls before it parks.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub fn of(machine: &QemuMachine, tools: &GuestTools, script: &str, images: &[PlannedImage]) -> Result<Self> {
        // By absolute paths: called from another folder, it is the same machine.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (kernel, initrd) = (absolute(&machine.kernel), machine.initrd.as_deref().map(absolute));
        let machine = &QemuMachine { kernel, initrd, ..machine.clone() };
        let mut parts = BTreeMap::new();
        let mut add = |name: &str, value: String| parts.insert(name.to_owned(), value);
        add("futon's way to save", FORMAT.into());
        add("QEMU", machine.version.clone());
        add("QEMU's program", program_stamp());
        add("QEMU's arguments", qemu_arguments(&arguments_of_a_warm_base(machine, Path::new("/"))).join(" "));
        add("base image", place_and_stamp(&machine.base_image)?);
        add("kernel", place_and_stamp(&machine.kernel)?);
        if let Some(initrd) = &machine.initrd {
            add("initrd", place_and_stamp(initrd)?);
        }
        add("futon-guest", sha256_file(&tools.futon_guest)?);
        if machine.has_disk {
            add("test-client", sha256_file(&tools.test_client)?);
            add("rehearsal", sha256_bytes(super::rehearsal::text(b"").context(|| "rehearsal".into())?));
        }
        add("park script", sha256_bytes(script));
        for image in images {
            let digest = image.manifest.as_ref().map(ToString::to_string).unwrap_or_default();
            add(&format!("{IMAGE}{}", image.reference.written()), digest);
        }
        if machine.freezes() {
            add("frozen", "yes".into());
        }
        // Under KVM the guest has seen this very processor.
        if machine.accelerator.accelerator == Accelerator::Kvm {
            add("processor", processor());
        }
        Ok(Self { parts })
    }
}

/// QEMU's arguments for a warm base in `folder`, for the key.
fn arguments_of_a_warm_base(machine: &QemuMachine, folder: &Path) -> QemuArguments {
    let memory = Memory::Shared(folder.join(MEMORY));
    let disk = folder.join(DISK);
    let console = ConsoleTo::File(folder.join("console.log"));
    machine.arguments(&Boot { name: "warm", disk: &disk, folder, bundle: None, memory, begin: Begin::PowerOn }, console)
}

/// Path, size and time stamp of a file: its hash is in the manifest, and taking it at every run would cost seconds.
fn place_and_stamp(file: &Path) -> Result<String> {
    let shown = || format!("cannot read the size and time stamp of {}", file.display());
    let path = std::path::absolute(file).context(shown)?;
    let (size, modified) = stamp(&path).context(shown)?;
    Ok(format!("{} {size} {modified}", path.display()))
}

/// A distribution may rebuild QEMU without a new version.
fn program_stamp() -> String {
    qemu_program().and_then(|file| place_and_stamp(&file).ok()).unwrap_or_default()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().find(|line| line.starts_with("model name")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AcceleratorChoice;

    #[test]
    fn it_does_not_matter_how_files_are_named() {
        let named = |file: &Path| {
            let accelerator = AcceleratorChoice { accelerator: futon_model::Accelerator::Tcg, reason: String::new() };
            let machine = QemuMachine {
                version: "7.2".into(),
                accelerator,
                vcpus: 2,
                memory_mib: 2048,
                network: futon_model::Network::Isolated,
                base_image: file.to_owned(),
                whose: crate::Whose::Users,
                has_disk: true,
                kernel: file.to_owned(),
                initrd: Some(file.to_owned()),
                cmdline: String::new(),
                console: None,
                thaw: false,
                sandbox: true,
                warm: None,
            };
            let tools = GuestTools { futon_guest: file.to_owned(), test_client: file.to_owned() };
            WarmKey::of(&machine, &tools, "park", &[]).unwrap()
        };
        // Cargo runs tests in the crate's folder.
        let (short, long) = (Path::new("Cargo.toml"), Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        assert_eq!(named(short).differences(&named(&long)), Vec::<String>::new());
    }
}
