//! What a machine's processor can do, as far as images are chosen by it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Level of an x86-64 processor, as the psABI counts them: an image of a higher level holds instructions that it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amd64Level {
    /// The baseline: SSE2.
    V1,
    /// CMPXCHG16B, POPCNT, SSE3 to SSE4.2.
    V2,
    /// AVX, AVX2, BMI1 and 2, F16C, FMA, LZCNT, MOVBE.
    V3,
    /// AVX-512 F, BW, CD, DQ, VL.
    V4,
}

impl Amd64Level {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::V1, Self::V2, Self::V3, Self::V4];

    /// The level as a number, 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// Level of a processor with these flags, spelled as Linux does in `/proc/cpuinfo`.
    #[must_use]
    pub fn of_flags(flags: &str) -> Self {
        const V2: [&str; 6] = ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2"];
        const V3: [&str; 8] = ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"];
        const V4: [&str; 5] = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];
        let has = |wanted: &[&str]| wanted.iter().all(|flag| flags.split_ascii_whitespace().any(|f| f == *flag));
        match (has(&V2), has(&V3), has(&V4)) {
            (true, true, true) => Self::V4,
            (true, true, false) => Self::V3,
            (true, false, _) => Self::V2,
            (false, ..) => Self::V1,
        }
    }
}

impl fmt::Display for Amd64Level {
    /// As the processor's own name: `x86-64-v3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x86-64-v{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_needs_all_flags_of_the_levels_below() {
        let v2 = "fpu sse2 pni cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3";
        let v3 = format!("{v2} avx avx2 bmi1 bmi2 f16c fma abm movbe");
        let v4 = format!("{v3} avx512f avx512bw avx512cd avx512dq avx512vl");
        assert_eq!(Amd64Level::of_flags("fpu sse2"), Amd64Level::V1);
        assert_eq!(Amd64Level::of_flags(v2), Amd64Level::V2);
        assert_eq!(Amd64Level::of_flags(&v3), Amd64Level::V3);
        assert_eq!(Amd64Level::of_flags(&v4), Amd64Level::V4);
        assert_eq!(Amd64Level::of_flags(&v4.replace("popcnt", "")), Amd64Level::V1);
        assert_eq!(Amd64Level::of_flags(&v3.replace("avx2", "")), Amd64Level::V2);
        assert_eq!(Amd64Level::V3.to_string(), "x86-64-v3");
    }
}
