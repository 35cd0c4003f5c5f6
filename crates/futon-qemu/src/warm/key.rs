//! The inputs of a warm base: when one of them changes, a new warm base is made.

use std::collections::BTreeMap;
use std::path::Path;

use futon_common::{Context, Result, sha256_bytes, sha256_file, stamp};
use futon_model::PlannedImage;
use futon_workdir::GuestTools;
use serde::{Deserialize, Serialize};

use crate::args::qemu_arguments;
use crate::machine::{QemuMachine, qemu_program};

/// Changes when futon saves or continues machines differently.
const FORMAT: &str = "3";

/// Before an image's name in the names of parts.
const IMAGE: &str = "image ";

/// Everything that shapes a warm base's state, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmKey {
    parts: BTreeMap<String, String>,
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
        add("QEMU's arguments", qemu_arguments(&machine.arguments_of_a_warm_base(Path::new("/"))).join(" "));
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
        if machine.accelerator.accelerator == futon_model::Accelerator::Kvm {
            add("processor", processor());
        }
        Ok(Self { parts })
    }

    /// Short name of the key, 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let text: Vec<String> = self.parts.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        sha256_bytes(text.concat())[..16].to_owned()
    }

    /// Images that it has pulled, as the user writes them.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        self.parts.keys().filter_map(|name| name.strip_prefix(IMAGE)).map(ToOwned::to_owned).collect()
    }

    /// Names of the parts in which two keys differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.parts.keys().chain(other.parts.keys().filter(|name| !self.parts.contains_key(*name)));
        names.filter(|name| self.parts.get(*name) != other.parts.get(*name)).cloned().collect()
    }
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

    fn key(parts: &[(&str, &str)]) -> WarmKey {
        WarmKey { parts: parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    #[test]
    fn differences_are_named_and_change_the_id() {
        let (old, new) =
            (key(&[("kernel", "a"), ("QEMU", "7")]), key(&[("kernel", "b"), ("QEMU", "7"), ("initrd", "c")]));
        assert_eq!(new.differences(&old), ["initrd", "kernel"]);
        assert_ne!(old.id(), new.id());
        assert_eq!(old.id(), old.clone().id());
        assert_eq!(old.id().len(), 16);
    }

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

    #[test]
    fn another_digest_is_another_base() {
        let (old, new) = (key(&[("image me/a:1", "sha256:1")]), key(&[("image me/a:1", "sha256:2"), ("image b", "")]));
        assert_eq!(new.differences(&old), ["image b", "image me/a:1"]);
        assert_eq!(new.images(), ["b", "me/a:1"]);
    }
}
