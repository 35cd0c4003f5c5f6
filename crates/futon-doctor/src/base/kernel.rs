//! Whether the kernel and the image fit each other.

use std::fs;
use std::path::Path;

use futon_resources::kernel_banner;

use super::BaseImage;
use super::tree::Tree;
use crate::{Finding, missing, note, ok};

/// What a kernel file says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// Its release, as in `/lib/modules`.
    release: String,
    /// Whether it is a vmlinux.
    uncompressed: bool,
}

/// Drivers of the machine that QEMU is.
const QEMUS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_net"];
/// Drivers of a disk that is memory.
const GEM5S: [&str; 2] = ["nd_e820", "nd_pmem"];
/// What containers need of a kernel.
const CONTAINERS: [&str; 3] = ["overlay", "bridge", "veth"];

impl Kernel {
    /// Reads a bzImage (its release by the boot protocol's header) or a vmlinux (by its banner).
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| e.to_string())?;
        let uncompressed = bytes.starts_with(b"\x7fELF");
        let banner = || kernel_banner(&bytes)?.split(' ').nth(2).map(str::to_owned);
        let release = if uncompressed { banner() } else { boot_header(&bytes) };
        let release = release.ok_or("neither a bzImage nor a vmlinux: it does not say which Linux it is")?;
        Ok(Self { release, uncompressed })
    }

    pub(super) fn findings(&self, tree: &Tree, given: &BaseImage<'_>) -> Vec<Finding> {
        const NAME: &str = "kernel";
        let Self { release, .. } = self;
        let mut findings = Vec::new();
        if given.gem5 && !self.uncompressed {
            findings.push(missing(NAME, format!("{release} is a bzImage; gem5 needs its vmlinux")));
        }
        let folder = ["/usr/lib/modules", "/lib/modules"].map(|root| format!("{root}/{release}"));
        let Some(folder) = folder.iter().find(|folder| tree.has(folder)) else {
            let there = [tree.names("/usr/lib/modules"), tree.names("/lib/modules")].concat();
            let there = if there.is_empty() { "no modules".into() } else { format!("modules of {}", there.join(", ")) };
            let why = format!("the image has {there}, not of {release}");
            findings.push(match given.kernel {
                // It may have all that it needs built in.
                Some(_) => note(NAME, why),
                None => missing(NAME, format!("{why}; give the image's own kernel with --kernel and --initrd")),
            });
            return findings;
        };
        findings.push(ok(NAME, format!("{release}, with its modules in the image")));
        let lists = Modules { builtin: list(tree, folder, "builtin"), others: list(tree, folder, "dep") };
        let drivers: &[&str] = if given.gem5 { &GEM5S } else { &QEMUS };
        // futon's own initrd has those of futon's own kernel.
        if given.kernel.is_some() {
            findings.extend(lists.drivers(drivers, given.initrd.is_some()));
        }
        let absent: Vec<&str> = CONTAINERS.into_iter().filter(|name| !lists.has(name)).collect();
        if !absent.is_empty() {
            findings.push(missing("containers", format!("{release} has no {}", absent.join(", no "))));
        }
        findings
    }
}

/// A kernel's modules, by their paths.
struct Modules {
    builtin: String,
    others: String,
}

impl Modules {
    fn has(&self, name: &str) -> bool {
        holds(&self.builtin, name) || holds(&self.others, name)
    }

    fn drivers(&self, names: &[&str], initrd: bool) -> Option<Finding> {
        const NAME: &str = "drivers";
        let absent: Vec<&str> = names.iter().copied().filter(|name| !self.has(name)).collect();
        if !absent.is_empty() {
            return Some(missing(NAME, format!("the kernel has no {}", absent.join(", no "))));
        }
        let modules: Vec<&str> = names.iter().copied().filter(|name| !holds(&self.builtin, name)).collect();
        match (modules.is_empty(), initrd) {
            (true, _) => Some(ok(NAME, format!("{} are built in", names.join(", ")))),
            (false, true) => Some(note(NAME, format!("the initrd must have {}: not looked at", modules.join(", ")))),
            (false, false) => {
                Some(missing(NAME, format!("{} are modules: give an --initrd that has them", modules.join(", "))))
            }
        }
    }
}

fn list(tree: &Tree, folder: &str, kind: &str) -> String {
    tree.text(&format!("{folder}/modules.{kind}")).unwrap_or_default()
}

/// Whether a list of modules has one; `-` and `_` are the same in their names.
fn holds(list: &str, name: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split(".ko").next().is_some_and(|module| module.replace('-', "_") == name)
    })
}

/// The release that a bzImage's header points at (Documentation/arch/x86/boot.rst, `kernel_version`).
fn boot_header(bytes: &[u8]) -> Option<String> {
    if bytes.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = usize::from(u16::from_le_bytes([*bytes.get(0x20e)?, *bytes.get(0x20f)?]));
    first_word(bytes.get(at.checked_add(0x200)?..)?)
}

fn first_word(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().take(128).position(|byte| matches!(byte, b' ' | 0))?;
    let word = std::str::from_utf8(&bytes[..end]).ok()?;
    (!word.is_empty()).then(|| word.to_owned())
}
