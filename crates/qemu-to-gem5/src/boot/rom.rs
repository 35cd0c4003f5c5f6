//! The boot ROM: 64 KiB, seen at 0xFFFF0000 and at 0xF0000. It brings the first core into the state in which gem5's X86 Linux loader starts
//! a kernel, and jumps to it: long mode, page tables at 0x70000, RSI = boot parameters at 0x90200. Other cores wait until the kernel starts
//! them.

use super::mp;

/// PCI slot of the device that stops the machine (`pvpanic-pci,addr=0x1e`).
pub const STOP_SLOT: u32 = 0x1e;
/// Physical address at which the ROM maps that device's register: a write of 1 stops the machine.
pub const STOP_ADDRESS: u64 = 0xFE00_0000;

const SIZE: usize = 0x1_0000;
/// Address of the device that stops the machine, as the PCI host bridge takes it: enable, bus 0, slot, function 0.
const STOP_DEVICE: (usize, u32) = (0xFE0, 0x8000_0000 | STOP_SLOT << 11);
/// Where the kernel's entry address is.
const ENTRY: usize = 0xFF0;
const CODE_AT: usize = 0x1000;
const RESET_AT: usize = 0xFFF0;
/// More would not fit before the code.
const MOST_CORES: u32 = 128;

/// Offsets within the ROM; it runs at 0xF0000.
const CODE: &[u8] = &[
    // 1000: 16 bits.
    0xFA, //                                           cli
    0xFC, //                                           cld
    0x2E, 0x66, 0x0F, 0x01, 0x16, 0xD8, 0x10, //       lgdt cs:[0x10D8]
    0x0F, 0x20, 0xC0, //                               mov eax, cr0
    0x0C, 0x01, //                                     or al, 1: protected mode
    0x0F, 0x22, 0xC0, //                               mov cr0, eax
    0x66, 0xEA, 0x19, 0x10, 0x0F, 0x00, 0x18, 0x00, // jmp 0x18:0xF1019
    // 1019: 32 bits.
    0x66, 0xB8, 0x20, 0x00, //                         mov ax, 0x20: flat data
    0x8E, 0xD8, //                                     mov ds, ax
    0x8E, 0xC0, //                                     mov es, ax
    0x8E, 0xD0, //                                     mov ss, ax
    0x8E, 0xE0, //                                     mov fs, ax
    0x8E, 0xE8, //                                     mov gs, ax
    0xB8, 0x20, 0x00, 0x00, 0x00, //                   mov eax, 0x20: PAE
    0x0F, 0x22, 0xE0, //                               mov cr4, eax
    0xB8, 0x00, 0x00, 0x07, 0x00, //                   mov eax, 0x70000: page tables
    0x0F, 0x22, 0xD8, //                               mov cr3, eax
    0xB9, 0x80, 0x00, 0x00, 0xC0, //                   mov ecx, 0xC0000080: EFER
    0x0F, 0x32, //                                     rdmsr
    0x0D, 0x00, 0x01, 0x00, 0x00, //                   or eax, 0x100: long mode
    0x0F, 0x30, //                                     wrmsr
    0x0F, 0x20, 0xC0, //                               mov eax, cr0
    0x25, 0xFF, 0xFF, 0xFF, 0x9F, //                   and eax, 0x9FFFFFFF: caches on
    0x0D, 0x01, 0x00, 0x00, 0x80, //                   or eax, 0x80000001: paging
    0x0F, 0x22, 0xC0, //                               mov cr0, eax
    0xEA, 0x5C, 0x10, 0x0F, 0x00, 0x10, 0x00, //       jmp 0x10:0xF105C
    // 105C: 64 bits. The stopping device's first memory region gets its address, and is switched on.
    0xB8, 0xE0, 0x0F, 0x0F, 0x00, //                   mov eax, 0xF0FE0
    0x8B, 0x08, //                                     mov ecx, [rax]
    0x85, 0xC9, //                                     test ecx, ecx
    0x74, 0x24, //                                     jz 0x108B
    0x8D, 0x41, 0x10, //                               lea eax, [rcx + 0x10]: BAR 0
    0x66, 0xBA, 0xF8, 0x0C, //                         mov dx, 0xCF8
    0xEF, //                                           out dx, eax
    0xB8, 0x00, 0x00, 0x00, 0xFE, //                   mov eax, 0xFE000000
    0x66, 0xBA, 0xFC, 0x0C, //                         mov dx, 0xCFC
    0xEF, //                                           out dx, eax
    0x8D, 0x41, 0x04, //                               lea eax, [rcx + 4]: command
    0x66, 0xBA, 0xF8, 0x0C, //                         mov dx, 0xCF8
    0xEF, //                                           out dx, eax
    0xB8, 0x02, 0x00, 0x00, 0x00, //                   mov eax, 2: memory decoding
    0x66, 0xBA, 0xFC, 0x0C, //                         mov dx, 0xCFC
    0xEF, //                                           out dx, eax
    // 108B: what Linux's 64-bit entry wants.
    0x31, 0xDB, //                                     xor ebx, ebx
    0x31, 0xED, //                                     xor ebp, ebp
    0x31, 0xFF, //                                     xor edi, edi
    0xBE, 0x00, 0x02, 0x09, 0x00, //                   mov esi, 0x90200: boot parameters
    0xBC, 0x00, 0xF0, 0x08, 0x00, //                   mov esp, 0x8F000
    0xB8, 0xF0, 0x0F, 0x0F, 0x00, //                   mov eax, 0xF0FF0
    0xFF, 0x20, //                                     jmp [rax]
    // Up to 10B0, never executed.
    0xEB, 0x0C, 0x8D, 0xB4, 0x00, 0x00, 0x8D, 0xB4, 0x00, 0x00, 0x8D, 0xB4, 0x00, 0x00, // 10B0: segments.
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // none
    0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00, // 0x08: data
    0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xAF, 0x00, // 0x10: 64-bit code
    0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xCF, 0x00, // 0x18: 32-bit code
    0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00, // 0x20: data
    // 10D8: their table's length and place.
    0x27, 0x00, 0xB0, 0x10, 0x0F, 0x00,
];

/// FFF0: 16 bits.
const RESET: &[u8] = &[0xE9, 0x0D, 0x10]; // jmp 0x1000

/// The boot ROM (QEMU's `-bios`), 64 KiB, for a kernel's entry address and a number of cores: what [`super::write_memory`] returned, and
/// QEMU's `-smp`. Numbers of cores beyond 1 to 128 are taken as the nearest.
#[must_use]
pub fn rom(entry: u64, cpus: u32) -> Vec<u8> {
    let mut out = vec![0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| {
        for (slot, byte) in out.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    let cpus = u8::try_from(cpus.clamp(1, MOST_CORES)).unwrap_or(u8::MAX);
    put(0, &mp::tables(cpus));
    put(STOP_DEVICE.0, &STOP_DEVICE.1.to_le_bytes());
    put(ENTRY, &entry.to_le_bytes());
    put(CODE_AT, CODE);
    put(RESET_AT, RESET);
    out
}

#[cfg(test)]
#[path = "rom_tests.rs"]
mod tests;
