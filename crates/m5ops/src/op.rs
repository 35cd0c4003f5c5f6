//! The numbers of the operations and how the two forms encode them. Pure.

/// An operation of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Nanoseconds simulated since the start.
    SimulatedNs,
    /// Leave the simulation loop, code 0.
    Exit,
    /// Leave the simulation loop with a code.
    Fail,
    /// Sum of six numbers: the proof that somebody answers.
    Sum,
    /// Set the statistics back to zero.
    ResetStats,
    /// Write the statistics out.
    DumpStats,
    /// Write the statistics out, then set them back to zero.
    DumpResetStats,
    /// Ask for a checkpoint.
    Checkpoint,
    /// Write a piece of a file on the host.
    WriteFile,
    /// Read a piece of the run script.
    ReadFile,
    /// Ask for the other processor model.
    SwitchCpu,
    /// A work item begins.
    WorkBegin,
    /// A work item ends.
    WorkEnd,
}

impl Op {
    /// Every operation, for tables and tests.
    pub const ALL: [Self; 13] = [
        Self::SimulatedNs,
        Self::Exit,
        Self::Fail,
        Self::Sum,
        Self::ResetStats,
        Self::DumpStats,
        Self::DumpResetStats,
        Self::Checkpoint,
        Self::WriteFile,
        Self::ReadFile,
        Self::SwitchCpu,
        Self::WorkBegin,
        Self::WorkEnd,
    ];

    /// The operation's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::SimulatedNs => 0x07,
            Self::Exit => 0x21,
            Self::Fail => 0x22,
            Self::Sum => 0x23,
            Self::ResetStats => 0x40,
            Self::DumpStats => 0x41,
            Self::DumpResetStats => 0x42,
            Self::Checkpoint => 0x43,
            Self::WriteFile => 0x4F,
            Self::ReadFile => 0x50,
            Self::SwitchCpu => 0x52,
            Self::WorkBegin => 0x5A,
            Self::WorkEnd => 0x5B,
        }
    }

    /// Offset of the operation in the window of the address form, bytes.
    #[must_use]
    pub const fn window_offset(self) -> usize {
        (self.number() as usize) << 8
    }

    /// The instruction of the x86_64 instruction form.
    #[must_use]
    pub const fn x86_64_instruction(self) -> [u8; 4] {
        let [low, high] = x86_64_operand(self).to_le_bytes();
        [0x0F, 0x04, low, high]
    }

    /// The instruction of the arm64 instruction form.
    #[must_use]
    pub const fn arm64_instruction(self) -> u32 {
        0xFF00_0110 | ((self.number() as u32) << 16)
    }
}

/// The 16-bit operand that follows the two opcode bytes on x86_64.
pub(crate) const fn x86_64_operand(op: Op) -> u16 {
    op.number() as u16
}

#[cfg(test)]
mod tests {
    use super::Op;

    #[test]
    fn x86_64_encoding_is_opcode_then_number() {
        assert_eq!(Op::Exit.x86_64_instruction(), [0x0F, 0x04, 0x21, 0x00]);
        assert_eq!(Op::WorkEnd.x86_64_instruction(), [0x0F, 0x04, 0x5B, 0x00]);
    }

    #[test]
    fn arm64_encoding_holds_the_number_in_bits_16_to_23() {
        assert_eq!(Op::Exit.arm64_instruction(), 0xFF21_0110);
        assert_eq!(Op::ReadFile.arm64_instruction(), 0xFF50_0110);
    }

    #[test]
    fn the_window_has_a_place_for_every_operation() {
        for op in Op::ALL {
            assert_eq!(op.window_offset() >> 8, usize::from(op.number()));
            assert!(op.window_offset() + 8 <= 0x1_0000);
        }
        assert_eq!(Op::Sum.window_offset(), 0x2300);
    }

    #[test]
    fn numbers_are_distinct() {
        let mut numbers: Vec<u8> = Op::ALL.iter().map(|op| op.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Op::ALL.len());
    }
}
