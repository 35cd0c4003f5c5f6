//! What QEMU may do on the host: read the files of its machine, write to its run's folder, connect to its exchange.
//!
//! A guest that breaks out of an emulated device has QEMU's rights; these are all that is left of them. QEMU adds its own filter of system
//! calls ([`SANDBOX`](crate::args::SANDBOX)).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use futon_machine::{Confinement, HOST_PORT};
use futon_model::Network;

use crate::args::Memory;
use crate::boot::{Begin, Boot};
use crate::machine::QemuMachine;
use crate::program::qemu_program;

/// A chain of disk images that is longer is taken for one that never ends.
const LONGEST_CHAIN: usize = 32;

/// What QEMU needs for one start.
pub(crate) fn confinement(machine: &QemuMachine, boot: &Boot<'_>) -> Confinement {
    let mut write = vec![boot.folder.to_owned()];
    let mut read = vec![machine.kernel.clone()];
    read.extend(machine.initrd.clone());
    read.extend(boot.bundle.map(Path::to_owned));
    if machine.has_disk {
        read.extend(backing_files(boot.disk));
        write.push(boot.disk.to_owned());
    }
    match &boot.memory {
        Memory::Own => {}
        Memory::Private(file) if machine.opens_private_memory_for_reading() => read.push(file.clone()),
        // An older QEMU does not write it either, but opens it so.
        Memory::Private(file) => write.push(file.clone()),
        // A warm base in the making: its folder gets the memory, disks and what is frozen.
        Memory::Shared(file) => write.extend(file.parent().map(Path::to_owned)),
    }
    read.extend(qemus_own());
    if machine.freezes() {
        // The shim is this program, and writes QEMU's memory.
        read.extend(std::env::current_exe().ok());
        write.push("/proc".into());
    }
    if let Begin::Thaw(order) = &boot.begin {
        read.push(order.folder.clone());
    }
    let isolated = machine.network == Network::Isolated;
    Confinement { write, read: Some(read), connect: isolated.then(|| vec![HOST_PORT]), best_effort: true }
}

/// QEMU's folder and those beside it, for one that is not the system's; libraries that the caller points at.
pub(crate) fn qemus_own() -> Vec<PathBuf> {
    let folder = qemu_program().and_then(|file| std::fs::canonicalize(file).ok()?.parent().map(Path::to_owned));
    let beside = folder.iter().flat_map(|folder| {
        ["lib", "lib64", "libexec", "share"].map(|name| folder.parent().unwrap_or(folder).join(name))
    });
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let libraries = std::env::split_paths(&libraries).filter(|folder| folder.is_absolute()).collect::<Vec<_>>();
    folder.iter().cloned().chain(beside).chain(libraries).collect()
}

/// The images that a qcow2 image lies over, itself left out. Images of other formats are taken to lie over none.
fn backing_files(disk: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut image = disk.to_owned();
    while let Some(next) = backing_file(&image).filter(|_| found.len() < LONGEST_CHAIN) {
        found.push(next.clone());
        image = next;
    }
    found
}

/// From qcow2's header (QEMU's `docs/interop/qcow2.txt`): place and length of the backing file's name, at bytes 8 and 16.
fn backing_file(image: &Path) -> Option<PathBuf> {
    let file = File::open(image).ok()?;
    let mut header = [0; 20];
    file.read_exact_at(&mut header, 0).ok()?;
    let place = u64::from_be_bytes(header[8..16].try_into().ok()?);
    let length = u32::from_be_bytes(header[16..20].try_into().ok()?);
    // QEMU takes no longer names.
    if &header[..4] != b"QFI\xfb" || place == 0 || length == 0 || length > 1023 {
        return None;
    }
    let mut name = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut name, place).ok()?;
    let name = PathBuf::from(String::from_utf8(name).ok()?);
    Some(image.parent()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_images_below_a_disk_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let make = async |arguments: &[&str]| {
            let made =
                tokio::process::Command::new("qemu-img").args(arguments).current_dir(folder.path()).output().await;
            assert!(made.unwrap().status.success(), "{arguments:?}");
        };
        make(&["create", "-q", "-f", "raw", "base.img", "1M"]).await;
        make(&["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.img", "middle.qcow2"]).await;
        let absolute = at("middle.qcow2");
        make(&["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", absolute.to_str().unwrap(), "top.qcow2"]).await;
        assert_eq!(backing_files(&at("top.qcow2")), [at("middle.qcow2"), at("base.img")]);
        assert_eq!(backing_files(&at("base.img")), [] as [PathBuf; 0]);
        assert_eq!(backing_files(&at("missing")), [] as [PathBuf; 0]);
    }
}
