//! No calls on this architecture: the machine is never taken for gem5, so none of these runs.

use crate::op::Op;

/// No window.
pub(crate) const WINDOW_BASE: i64 = 0;

/// Does nothing.
///
/// # Safety
///
/// None needed; the signature is that of the other architectures.
pub(crate) unsafe fn by_address(_address: *const u8, _args: [u64; 6]) -> u64 {
    0
}

/// Does nothing.
///
/// # Safety
///
/// None needed; the signature is that of the other architectures.
pub(crate) unsafe fn by_instruction(_op: Op, _args: [u64; 6]) -> u64 {
    0
}
