//! The calls themselves on arm64: arguments in X0 to X5, result in X0.

use std::arch::asm;

use crate::op::Op;

/// Physical address of the window.
pub(crate) const WINDOW_BASE: i64 = 0x1001_0000;

/// Address form: one load from `address`, which is the operation's place in the mapped window.
///
/// # Safety
///
/// `address` must be readable for 8 bytes, and pointers among `args` must be valid for what the operation does with them.
pub(crate) unsafe fn by_address(address: *const u8, args: [u64; 6]) -> u64 {
    let result;
    // SAFETY: the caller promises a readable address; the simulator writes X0 and what the pointers cover.
    unsafe {
        asm!(
            "ldr x0, [{address}]",
            address = in(reg) address,
            inlateout("x0") args[0] => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5],
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
                $(Op::$op => unsafe { instruction::<{ Op::$op.arm64_instruction() }>(args) },)*
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
unsafe fn instruction<const WORD: u32>(args: [u64; 6]) -> u64 {
    let result;
    // SAFETY: the caller promises a processor that knows the instruction; it writes X0 and what the pointers cover.
    unsafe {
        asm!(
            ".inst {word}",
            word = const WORD,
            inlateout("x0") args[0] => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5],
            options(nostack, preserves_flags),
        );
    }
    result
}
