//! The measured loops, in assembler: no compiler changes them. Each is a function of a round's number and does nothing but its loop.
//!
//! Instructions are as short as their kind allows and never cross eight bytes: a simple core fetches eight at a time, and an out-of-order
//! one gets as many as its fetch buffer holds. Each begins with `lfence`: what is measured does not begin before the work item does.

use std::arch::asm;

use gem5_selftest::work::{ADDS, FORWARDS, INDEPENDENT, LOADS};

/// Additions of two bytes, each of which needs the one before.
pub(super) fn add(rounds: u64) {
    // SAFETY: registers only, all of them named.
    unsafe {
        asm!(
            "lfence",
            ".p2align 6",
            "2:",
            ".rept {count}",
            "add eax, eax",
            ".endr",
            "dec rcx",
            "jnz 2b",
            count = const ADDS,
            inout("rcx") rounds => _,
            inout("eax") 1 => _,
            options(nomem, nostack),
        );
    }
}

/// Additions of two bytes in seven chains.
pub(super) fn independent(rounds: u64) {
    // SAFETY: registers only. The two that the compiler does not lend are saved in others and restored.
    unsafe {
        asm!(
            "mov r9, rbx",
            "mov r10, rbp",
            "lfence",
            ".p2align 6",
            "2:",
            ".rept {count}",
            "add eax, eax",
            "add ecx, ecx",
            "add edx, edx",
            "add esi, esi",
            "add edi, edi",
            "add ebx, ebx",
            "add ebp, ebp",
            ".endr",
            "dec r8",
            "jnz 2b",
            "mov rbx, r9",
            "mov rbp, r10",
            count = const INDEPENDENT / 7,
            inout("r8") rounds => _,
            out("eax") _,
            out("ecx") _,
            out("edx") _,
            out("esi") _,
            out("edi") _,
            out("r9") _,
            out("r10") _,
            options(nomem),
        );
    }
}

/// Multiplications (`imul rax, rax`), each of which needs the one before.
pub(super) fn multiply(rounds: u64) {
    // SAFETY: registers only, all of them named. The four bytes are `imul rax, rax`.
    unsafe {
        asm!(
            "lfence",
            ".p2align 6",
            "2:",
            ".rept {count}",
            "imul rax, rax",
            ".endr",
            "dec rcx",
            "jnz 2b",
            count = const ADDS,
            inout("rcx") rounds => _,
            inout("rax") 3_u64 => _,
            options(nomem, nostack),
        );
    }
}

/// A store of eight bytes and a load of the same ones, each of which needs the one before.
pub(super) fn forward(rounds: u64) {
    let mut word = 0_u64;
    // SAFETY: the word is alive and ours; registers are named.
    unsafe {
        asm!(
            "lfence",
            ".p2align 6",
            "2:",
            ".rept {count}",
            // mov [rdi + 0], rax; mov rax, [rdi + 0], with a displacement: four bytes each.
            ".byte 0x48, 0x89, 0x47, 0x00",
            ".byte 0x48, 0x8b, 0x47, 0x00",
            ".endr",
            "dec rcx",
            "jnz 2b",
            count = const FORWARDS,
            inout("rcx") rounds => _,
            in("rdi") &raw mut word,
            out("rax") _,
            options(nostack),
        );
    }
}

/// Follows a cycle of addresses and returns the last one.
///
/// # Safety
///
/// `first` and all that are reached from it must be addresses of such addresses.
pub(super) unsafe fn chase(first: u64, steps: u64) -> u64 {
    let mut at = first;
    // SAFETY: the caller promises addresses that can be read; registers are named.
    unsafe {
        asm!(
            "lfence",
            ".p2align 6",
            "2:",
            ".rept {count}",
            // mov rax, [rax + 0], with a displacement: four bytes.
            ".byte 0x48, 0x8b, 0x40, 0x00",
            ".endr",
            "dec rcx",
            "jnz 2b",
            count = const LOADS,
            inout("rcx") (steps / LOADS).max(1) => _,
            inout("rax") at,
            options(nostack, readonly),
        );
    }
    at
}

/// Takes a branch for each byte but the last that is 0; the others are 1. The branch ends a block of 64 bytes, and both ways go on at the
/// begin of one of 16. What follows is long and few: instructions of 15 bytes that do nothing, so that hardly any are under way when a
/// branch turns out otherwise. The byte of the next branch is loaded well before it.
pub(super) fn branches(bytes: &[u8]) {
    let Some(count) = bytes.len().checked_sub(1).filter(|count| *count > 0) else { return };
    // SAFETY: exactly these bytes are read; registers are named.
    unsafe {
        asm!(
            ".macro futon_nop15",
            ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0",
            ".endm",
            "movzx eax, byte ptr [rsi]",
            "inc rsi",
            "lfence",
            ".p2align 6",
            "2:",
            ".rept 4",
            "futon_nop15",
            ".endr",
            "test al, al",
            // jz over the next block.
            ".byte 0x74, 0x10",
            "futon_nop15",
            "nop",
            "movzx eax, byte ptr [rsi]",
            "inc rsi",
            ".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0",
            ".rept 32",
            "futon_nop15",
            ".endr",
            "dec rcx",
            ".byte 0x0f, 0x1f, 0x80, 0, 0, 0, 0",
            "jnz 2b",
            ".purgem futon_nop15",
            inout("rsi") bytes.as_ptr() => _,
            inout("rcx") count => _,
            out("eax") _,
            options(nostack, readonly),
        );
    }
}
