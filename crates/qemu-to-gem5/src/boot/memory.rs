//! The guest's memory at its first instruction.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::acpi;
use super::elf::Kernel;
use crate::TransferError;

const MIB: u64 = 1 << 20;
const PML4: u64 = 0x70000;
const PDPT: u64 = 0x71000;
const PD: u64 = 0x72000;
const COMMAND_LINE: u64 = 0x90000;
pub(super) const PARAMETERS: u64 = 0x90200;
/// Where lines are that do not fit below the boot parameters.
const LONG_COMMAND_LINE: u64 = 0x92000;
/// Linux's own limit on x86, with the closing zero.
const LONGEST_COMMAND_LINE: usize = 2048;
/// Where low memory ends: the reserved kilobyte behind it holds the ACPI tables.
const LOW_MEMORY: u64 = acpi::BASE;
const M5OPS: u64 = 0xFFFF_0000;
const PCI_HOLE: u64 = 0xC000_0000;

/// What the guest's memory is made of.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The kernel, an ELF file of 64 bits (`vmlinux`).
    pub kernel: &'a [u8],
    /// Archives for the initial file system, one after the other; what a later one holds wins.
    pub initrds: &'a [&'a [u8]],
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Memory that the kernel uses, MiB; at most 3072, as gem5's.
    pub memory_mib: u32,
    /// Behind it, memory that the kernel takes for a persistent one, and so for a disk (`/dev/pmem0`), MiB; its contents are the caller's to
    /// write.
    pub persistent_mib: u32,
    /// Processors that ACPI tables are to tell of, for kernels that read no MP table; without, there are no such tables.
    pub acpi: Option<u32>,
    /// The file's size, MiB, at least that of both: the rest is a window that the kernel sees as reserved.
    pub file_mib: u32,
}

/// What stands where in memory.
#[derive(Debug)]
struct Layout<'a> {
    entry: u64,
    parts: Vec<(u64, &'a [u8])>,
    /// Made here: command line, boot parameters, page tables.
    made: Vec<(u64, Vec<u8>)>,
}

/// Writes the sparse file that is the guest's memory: kernel, archives, command line, boot parameters, page tables. It is written beside
/// its place and renamed. Returns the kernel's entry address (physical), for [`super::rom`].
///
/// # Errors
/// [`TransferError::Boot`] when a part is malformed or does not fit, [`TransferError::Io`] when the file cannot be written.
pub fn write_memory(path: &Path, guest: &Guest<'_>) -> Result<u64, TransferError> {
    let layout = layout(guest)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = write(&new, u64::from(guest.file_mib) * MIB, &layout).and_then(|()| fs::rename(&new, path));
    written.map_err(|source| {
        // What is half written is of no use to anyone.
        let _ = fs::remove_file(&new);
        TransferError::Io { path: path.to_owned(), source }
    })?;
    Ok(layout.entry)
}

fn write(path: &Path, size: u64, layout: &Layout<'_>) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(size)?;
    let made = layout.made.iter().map(|(at, bytes)| (*at, bytes.as_slice()));
    for (at, bytes) in layout.parts.iter().copied().chain(made) {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

fn layout<'a>(guest: &Guest<'a>) -> Result<Layout<'a>, TransferError> {
    let refuse = |why: String| Err(TransferError::Boot { why });
    let memory = u64::from(guest.memory_mib) * MIB;
    let persistent = u64::from(guest.persistent_mib) * MIB;
    if guest.memory_mib < 16 || memory + persistent > PCI_HOLE || u64::from(guest.file_mib) * MIB > PCI_HOLE {
        return refuse(format!(
            "{} MiB of memory in {} MiB: 16 to 3072 are possible",
            guest.memory_mib, guest.file_mib
        ));
    }
    if u64::from(guest.file_mib) * MIB < memory + persistent {
        let whole = (memory + persistent) / MIB;
        return refuse(format!("{whole} MiB of memory do not fit in a file of {} MiB", guest.file_mib));
    }
    let line = guest.command_line.as_bytes();
    if line.contains(&0) || line.len() >= LONGEST_COMMAND_LINE {
        return refuse(format!("the command line has {} bytes or a zero byte; Linux takes 2047", line.len()));
    }
    let kernel = Kernel::parse(guest.kernel)?;
    // As gem5's scripts have it.
    let initrd = memory / 2;
    let mut parts = Vec::new();
    for segment in &kernel.segments {
        let end = segment.at.checked_add(segment.size);
        if segment.at < MIB || end.is_none_or(|end| end > initrd) {
            let why = format!(
                "a part of the kernel ({:#x}, {} bytes) lies outside 1 MiB to {initrd:#x}",
                segment.at, segment.size
            );
            return refuse(why);
        }
        parts.push((segment.at, segment.bytes));
    }
    let mut end = initrd;
    for archive in guest.initrds {
        let at = end.next_multiple_of(4);
        let size = u64::try_from(archive.len()).unwrap_or(u64::MAX);
        end = at.saturating_add(size);
        if end > memory {
            return refuse(format!("the archives end at {end:#x}, the memory at {memory:#x}"));
        }
        parts.push((at, *archive));
    }
    let mut line = line.to_vec();
    line.push(0);
    let fits = u64::try_from(line.len()).is_ok_and(|n| n <= PARAMETERS - COMMAND_LINE);
    let line_at = if fits { COMMAND_LINE } else { LONG_COMMAND_LINE };
    let map = e820(memory, persistent);
    let mut parameters = boot_parameters(&map, initrd, end - initrd, line_at);
    let mut made = vec![(line_at, line), (PML4, page_tables())];
    if let Some(cpus) = guest.acpi {
        let tables = u8::try_from(cpus).ok().and_then(acpi::tables);
        let Some(tables) = tables else {
            return refuse(format!("{cpus} processors: the ACPI tables have no room for them"));
        };
        // Linux: acpi_rsdp_addr.
        for (slot, byte) in parameters.iter_mut().skip(0x70).zip(acpi::BASE.to_le_bytes()) {
            *slot = byte;
        }
        made.push((acpi::BASE, tables));
    }
    made.push((PARAMETERS, parameters));
    Ok(Layout { entry: kernel.entry, parts, made })
}

/// Memory map: start, end, kind (1 usable, 2 reserved, 12 persistent).
fn e820(memory: u64, persistent: u64) -> Vec<(u64, u64, u32)> {
    let mut map = vec![(0, LOW_MEMORY, 1), (LOW_MEMORY, MIB, 2), (MIB, memory, 1)];
    let end = memory + persistent;
    if persistent > 0 {
        map.push((memory, end, 12));
    }
    if end < PCI_HOLE {
        map.push((end, PCI_HOLE, 2));
    }
    map.push((M5OPS, 1 << 32, 2));
    map
}

/// Linux's boot parameters (Documentation/arch/x86/boot.rst): all addresses are below 4 GiB.
fn boot_parameters(map: &[(u64, u64, u32)], initrd: u64, initrd_size: u64, line_at: u64) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| {
        for (slot, byte) in out.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    let [entries, ..] = map.len().to_le_bytes();
    put(0x1E8, &[entries]);
    put(0x202, b"HdrS");
    put(0x206, &0x020C_u16.to_le_bytes());
    put(0x210, &[0xFF]); // a loader without a number
    put(0x218, low(initrd).as_slice());
    put(0x21C, low(initrd_size).as_slice());
    put(0x228, low(line_at).as_slice());
    for (i, (start, end, kind)) in map.iter().copied().enumerate() {
        let at = 0x2D0 + 20 * i;
        put(at, &start.to_le_bytes());
        put(at + 8, &(end - start).to_le_bytes());
        put(at + 16, &kind.to_le_bytes());
    }
    out
}

fn low(address: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = address.to_le_bytes();
    [a, b, c, d]
}

/// 4 GiB, each address as it is, in pages of 2 MiB.
fn page_tables() -> Vec<u8> {
    const NOT_PRESENT: u64 = 6;
    let pml4 = std::iter::once(PDPT | 7).chain(std::iter::repeat_n(NOT_PRESENT, 511));
    let pdpt = (0..4).map(|i| (PD + 4096 * i) | 7).chain(std::iter::repeat_n(NOT_PRESENT, 508));
    let pd = (0..2048).map(|i| i << 21 | 0x87);
    pml4.chain(pdpt).chain(pd).flat_map(u64::to_le_bytes).collect()
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
