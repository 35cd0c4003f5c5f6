//! Platforms: how they are written, what they mean, and in which order an engine prefers them on a machine.
//!
//! The rules are those of containerd's platform matcher, which Docker Engine uses, too: spellings are normalised,
//! the highest level that the processor has wins whatever the order, and a 32-bit image is the last resort.

use futon_model::Amd64Level;
use serde::Deserialize;

use super::json::or_default;

/// Operating system and architecture an image is made for, as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    #[serde(default, deserialize_with = "or_default")]
    pub variant: String,
}

/// The platforms that futon's machines can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// 64 bits, for processors from this level.
    Amd64(Amd64Level),
    /// 32 bits.
    I386,
}

impl Target {
    /// Place in the engine's order on a processor of `level`, lower is better; `None` when it does not run there.
    fn rank(self, level: Amd64Level) -> Option<u8> {
        match self {
            Self::Amd64(needed) => level.number().checked_sub(needed.number()),
            Self::I386 => Some(Amd64Level::V4.number()),
        }
    }
}

/// An architecture's normal spelling, from any spelling that an engine knows (containerd's `normalizeArch`).
#[must_use]
pub fn architecture_word(written: &str) -> String {
    let written = written.to_ascii_lowercase();
    match written.as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        "i386" => "386".to_owned(),
        _ => written,
    }
}

impl Platform {
    /// Reads `os/architecture[/variant]`, the form that `Display` writes.
    pub fn read(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { os: next(), architecture: next(), variant: next() }
    }

    /// What it means for futon's machines; `None` for other systems and processors.
    pub fn target(&self) -> Option<Target> {
        if !(self.os.is_empty() || self.os.eq_ignore_ascii_case("linux")) {
            return None;
        }
        let variant = self.variant.to_ascii_lowercase();
        match architecture_word(&self.architecture).as_str() {
            "amd64" => match variant.as_str() {
                "" | "v1" => Some(Target::Amd64(Amd64Level::V1)),
                "v2" => Some(Target::Amd64(Amd64Level::V2)),
                "v3" => Some(Target::Amd64(Amd64Level::V3)),
                "v4" => Some(Target::Amd64(Amd64Level::V4)),
                _ => None,
            },
            "386" => Some(Target::I386),
            _ => None,
        }
    }

    /// True when an image with this configuration can run. A configuration may lack the values, and an engine does
    /// not look at its variant.
    pub fn can_run(&self) -> bool {
        let bare = Self { variant: String::new(), ..self.clone() };
        self.architecture.is_empty() && Self { architecture: "amd64".into(), ..bare.clone() }.target().is_some()
            || bare.target().is_some()
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// Rank in the engine's order for this platform; no platform comes last.
pub(super) fn rank(platform: Option<&Platform>, level: Amd64Level) -> Option<u8> {
    match platform {
        Some(platform) => platform.target()?.rank(level),
        None => Some(u8::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_configuration_are_taken_as_the_engine_does() {
        for text in
            ["", "linux/amd64", "Linux/AMD64", "linux/x86_64", "linux/386", "/amd64", "linux/", "linux/amd64/v9"]
        {
            assert!(Platform::read(text).can_run(), "{text}");
        }
        for text in ["linux/arm64", "windows/amd64", "linux/riscv64", "darwin/"] {
            assert!(!Platform::read(text).can_run(), "{text}");
        }
    }
}
