//! A kernel for one purpose. gem5 can write no checkpoint while another core waits for its start in microcode: this kernel starts the
//! others (each halts at once) and asks for the checkpoint.

const LOADED_AT: u64 = 0x20_0000;
/// Where the code is in the file, bytes.
const OFFSET: u64 = 0x1000;

const CODE: &[u8] = &[
    0xB8, 0x00, 0x80, 0x00, 0x00, //                               mov eax, 0x8000
    0xC7, 0x00, 0xFA, 0xF4, 0xEB,
    0xFD, //                         mov dword [rax], 0xFDEBF4FA: cli; hlt; jmp to hlt
    0xBB, 0x00, 0x00, 0xE0, 0xFE, //                               mov ebx, 0xFEE00000: the local APIC
    0xC7, 0x83, 0x00, 0x03, 0x00, 0x00, 0x08, 0x46, 0x0C,
    0x00, // mov dword [rbx + 0x300], 0xC4608: start-up, vector 8, all others
    0xB9, 0xD0, 0x07, 0x00, 0x00, //                               mov ecx, 2000
    0xF3, 0x90, //                                              1: pause
    0xFF, 0xC9, //                                                 dec ecx
    0x75, 0xFA, //                                                 jnz 1b
    0x31, 0xFF, //                                                 xor edi, edi
    0x31, 0xF6, //                                                 xor esi, esi
    0x0F, 0x04, 0x43, 0x00, //                                     m5 checkpoint
    0xF4, //                                                    2: hlt
    0xEB, 0xFD, //                                                 jmp 2b
];

/// An ELF file that gem5 starts as a kernel, to write a template: it starts the other cores and asks for a checkpoint
/// (`m5_checkpoint(0, 0)`), 6000 instructions after power-on.
#[must_use]
pub fn template_kernel() -> Vec<u8> {
    let mut file = Vec::new();
    let size = u64::try_from(CODE.len()).unwrap_or_default();
    // ELF, 64 bits, little endian, version 1.
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [2_u16, 62] {
        file.extend_from_slice(&half.to_le_bytes()); // an executable for x86-64
    }
    file.extend_from_slice(&1_u32.to_le_bytes());
    for word in [LOADED_AT, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes()); // entry, program headers, no sections
    }
    file.extend_from_slice(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes()); // sizes and numbers of headers
    }
    // One part: to be loaded, readable and executable.
    for word in [1_u32, 5] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for word in [OFFSET, LOADED_AT, LOADED_AT, size, size, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.resize(usize::try_from(OFFSET).unwrap_or_default(), 0);
    file.extend_from_slice(CODE);
    file
}
