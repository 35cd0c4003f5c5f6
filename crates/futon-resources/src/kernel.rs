//! Looks at a kernel before it is used: is it one that the machine boots, and has it what a run needs?

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use futon_common::{Context, Error, Result};

/// The intended use of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelUse {
    /// The lean guest in QEMU.
    LeanQemu,
    /// The lean guest in gem5.
    LeanGem5,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelCheck {
    /// Version line, where the file has one.
    pub version: Option<String>,
    /// Options that are needed and off. Empty where the file does not say how it was configured.
    pub missing: Vec<String>,
    /// Whether the file says how it was configured (IKCONFIG).
    pub configuration_known: bool,
}

/// Options without which a container does not start, whatever the machine. Each is built in or of no use: there are no modules.
const CONTAINER: [&str; 19] = [
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "TMPFS",
    "PROC_FS",
    "SYSFS",
    "BINFMT_ELF",
    "BINFMT_SCRIPT",
    "UNIX",
    "INET",
    "NAMESPACES",
    "PID_NS",
    "NET_NS",
    "CGROUPS",
    "CPUSETS",
    "MEMCG",
    "SECCOMP_FILTER",
    "VETH",
    "BRIDGE",
    "SERIAL_8250_CONSOLE",
];
/// QEMU boots a vmlinux by its PVH entry, and has virtio devices.
const QEMU: [&str; 3] = ["PVH", "VIRTIO_PCI", "VIRTIO_NET"];
/// gem5 has MP tables and an I/O APIC, and is spoken to through /dev/mem.
const GEM5: [&str; 3] = ["X86_MPPARSE", "X86_IO_APIC", "DEVMEM"];

/// Before and after the compressed configuration (kernel/configs.c).
const CONFIG_BEGINS: &[u8] = b"IKCFG_ST";
const CONFIG_ENDS: &[u8] = b"IKCFG_ED";
const VERSION_BEGINS: &[u8] = b"Linux version ";

/// Looks at a kernel.
///
/// # Errors
/// When the file cannot be read, or is no x86-64 ELF kernel.
pub fn check_kernel(path: &Path, to_be_used_for: KernelUse) -> Result<KernelCheck> {
    let bytes = fs::read(path).context(|| format!("cannot read the kernel {}", path.display()))?;
    if let Err(why) = elf_x86_64(&bytes) {
        return Err(Error::usage(format!("{} cannot be used as kernel: {why}", path.display()))
            .hint("the lean guest needs an uncompressed x86-64 vmlinux; `futon resources build kernel` makes one"));
    }
    let version = kernel_banner(&bytes);
    let configuration = configuration(&bytes);
    let missing = configuration.as_ref().map(|on| missing(on, to_be_used_for)).unwrap_or_default();
    Ok(KernelCheck { version, missing, configuration_known: configuration.is_some() })
}

impl KernelCheck {
    /// Nothing, or an error that names what is missing.
    ///
    /// # Errors
    /// When an option is off.
    pub fn require(&self, path: &Path) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let options: Vec<String> = self.missing.iter().map(|name| format!("CONFIG_{name}")).collect();
        Err(Error::usage(format!("the kernel {} was built without {}", path.display(), options.join(", ")))
            .hint("images/kernel/lean.config says what each option is for; build them in, because the lean guest loads no modules"))
    }
}

/// Executable, 64 bits, little endian, for x86-64 (ELF header: magic, class, data, type, machine).
fn elf_x86_64(bytes: &[u8]) -> Result<(), String> {
    if bytes.get(0x202..0x206) == Some(b"HdrS") {
        return Err(
            "it is a compressed bzImage, not an uncompressed vmlinux (scripts/extract-vmlinux unpacks it)".into()
        );
    }
    if bytes.get(..4) != Some(b"\x7fELF") {
        return Err("it is not an ELF file".into());
    }
    if bytes.get(4..6) != Some(&[2, 1]) {
        return Err("it is not for 64 bits, little endian".into());
    }
    if bytes.get(16..18) != Some(&[2, 0]) {
        return Err("it is not an executable".into());
    }
    if bytes.get(18..20) == Some(&[62, 0]) { Ok(()) } else { Err("it is not for x86-64".into()) }
}

/// The line of a vmlinux that its kernel prints first: `Linux version 6.12.9 (…) …`.
#[must_use]
pub fn kernel_banner(vmlinux: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(vmlinux, VERSION_BEGINS).find_map(|at| version(&vmlinux[at..]))
}

/// A line that begins as the kernel's banner and goes on with a number.
fn version(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().take(300).position(|b| matches!(b, b'\n' | 0))?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let number = line.strip_prefix("Linux version ")?;
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| line.to_owned())
}

/// Names of the options that are built in.
fn configuration(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let begin = memchr::memmem::find(bytes, CONFIG_BEGINS)? + CONFIG_BEGINS.len();
    let end = begin + memchr::memmem::find(&bytes[begin..], CONFIG_ENDS)?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[begin..end]).read_to_string(&mut text).ok()?;
    let built_in = |line: &str| Some(line.strip_prefix("CONFIG_")?.strip_suffix("=y")?.to_owned());
    Some(text.lines().filter_map(built_in).collect())
}

fn missing(on: &BTreeSet<String>, to_be_used_for: KernelUse) -> Vec<String> {
    let machine: &[&str] = match to_be_used_for {
        KernelUse::LeanQemu => &QEMU,
        KernelUse::LeanGem5 => &GEM5,
    };
    CONTAINER.iter().chain(machine).filter(|name| !on.contains(**name)).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn elf() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = 2;
        bytes[18] = 62;
        bytes
    }

    fn with_config(config: &str) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(config.as_bytes()).unwrap();
        let mut bytes = elf();
        bytes.extend(b"Linux version %s\0Linux version 6.12.9 (futon@futon) x\n\0");
        bytes.extend(CONFIG_BEGINS);
        bytes.extend(packed.finish().unwrap());
        bytes.extend(CONFIG_ENDS);
        bytes
    }

    fn check(bytes: &[u8], to_be_used_for: KernelUse) -> Result<KernelCheck> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        check_kernel(file.path(), to_be_used_for)
    }

    #[test]
    fn missing_options_are_named() {
        let all: String = CONTAINER.iter().chain(&QEMU).map(|name| format!("CONFIG_{name}=y\n")).collect();
        let found = check(&with_config(&all), KernelUse::LeanQemu).unwrap();
        assert_eq!(found.missing, Vec::<String>::new());
        assert_eq!(found.version.as_deref(), Some("Linux version 6.12.9 (futon@futon) x"));
        let module = all.replace("CONFIG_VETH=y", "CONFIG_VETH=m");
        let found = check(&with_config(&module), KernelUse::LeanQemu).unwrap();
        assert_eq!(found.missing, ["VETH"]);
        let error = found.require(Path::new("vmlinux")).unwrap_err();
        assert!(error.to_string().contains("vmlinux was built without CONFIG_VETH"), "{error}");
        assert_eq!(check(&with_config(&all), KernelUse::LeanGem5).unwrap().missing, GEM5);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_let_through() {
        let found = check(&elf(), KernelUse::LeanQemu).unwrap();
        assert!(!found.configuration_known && found.missing.is_empty());
    }

    #[test]
    fn what_is_no_kernel_says_what_it_is() {
        let mut bzimage = vec![0; 0x400];
        bzimage[0x202..0x206].copy_from_slice(b"HdrS");
        let mut arm = elf();
        arm[18] = 0xb7;
        for (bytes, why) in [(bzimage, "bzImage"), (vec![0; 10], "not an ELF file"), (arm, "not for x86-64")] {
            let error = check(&bytes, KernelUse::LeanQemu).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.hint_text().is_some());
        }
    }
}
