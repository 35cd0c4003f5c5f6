//! The calls themselves on x86_64: arguments in the registers of the C calling convention, result in RAX.

use std::arch::asm;

use crate::op::{Op, x86_64_operand};

/// Physical address of the window.
pub(crate) const WINDOW_BASE: i64 = 0xFFFF_0000;

/// Address form: one load from `address`, which is the operation's place in the mapped window.
///
/// # Safety
///
/// `address` must be readable for 8 bytes, and pointers among `args` must be valid for what the operation does with them.
pub(crate) unsafe fn by_address(address: *const u8, args: [u64; 6]) -> u64 {
    let result;
    // SAFETY: the caller promises a readable address; the simulator writes RAX and what the pointers cover.
    unsafe {
        asm!(
            "mov rax, qword ptr [{address}]",
            address = in(reg) address,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("rcx") args[3], in("r8") args[4], in("r9") args[5],
            out("rax") result,
            options(nostack, preserves_flags),
        );
    }
    result
}

/// Instruction form.
///
/// # Safety
///
/// The processor must be one of gem5's own models; pointers among `args` must be valid for what the operation does with them.
pub(crate) unsafe fn by_instruction(op: Op, args: [u64; 6]) -> u64 {
    macro_rules! call {
        ($($op:ident),*) => {
            match op {
                // SAFETY: the caller promises a processor that knows the instruction, and valid pointers.
                $(Op::$op => unsafe { instruction::<{ x86_64_operand(Op::$op) }>(args) },)*
            }
        };
    }
    call!(
        SimulatedNs,
        Exit,
        Fail,
        Sum,
        ResetStats,
        DumpStats,
        DumpResetStats,
        Checkpoint,
        WriteFile,
        ReadFile,
        SwitchCpu,
        WorkBegin,
        WorkEnd
    )
}

/// One instruction, whose number is part of the code.
///
/// # Safety
///
/// As [`by_instruction`].
unsafe fn instruction<const OPERAND: u16>(args: [u64; 6]) -> u64 {
    let result;
    // SAFETY: the caller promises a processor that knows the instruction; it writes RAX and what the pointers cover.
    unsafe {
        asm!(
            ".byte 0x0F, 0x04",
            ".word {operand}",
            operand = const OPERAND,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("rcx") args[3], in("r8") args[4], in("r9") args[5],
            out("rax") result,
            options(nostack, preserves_flags),
        );
    }
    result
}
