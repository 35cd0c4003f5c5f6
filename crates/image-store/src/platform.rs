//! Platforms: the platform of an index entry, and which entry an engine chooses on a machine.
//!
//! The rules are those of containerd's platform matcher, which Docker Engine uses, too: spellings are normalised,
//! the highest level that the processor has wins whatever the order, and a 32-bit image is the last resort.

use futon_model::Amd64Level;
use serde::Deserialize;

use super::StoreError;
use super::json::or_default;
use super::manifest::IndexEntry;

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

/// The entries of an index that an engine accepts on some processor, the best for `first` at the front.
pub(super) fn candidates<'e>(
    what: &str,
    entries: &'e [IndexEntry],
    first: Amd64Level,
) -> Result<Vec<&'e IndexEntry>, StoreError> {
    let best = |level| {
        let ranked = entries.iter().filter_map(|e| Some((rank(e.platform.as_ref(), level)?, e)));
        // The first of equals, as in a stable sort.
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, entry)| entry)
    };
    let mut found: Vec<&IndexEntry> = Vec::new();
    for level in std::iter::once(first).chain(Amd64Level::ALL.into_iter().rev()) {
        if let Some(entry) = best(level)
            && !found.iter().any(|known| known.digest == entry.digest)
        {
            found.push(entry);
        }
    }
    if found.is_empty() { Err(not_offered(what, entries)) } else { Ok(found) }
}

/// The error for an index without an image for futon's machines.
pub(super) fn not_offered(what: &str, entries: &[IndexEntry]) -> StoreError {
    let known = entries.iter().filter_map(|e| e.platform.as_ref()).filter(|p| p.architecture != "unknown");
    let mut offered: Vec<String> = known.map(Platform::to_string).collect();
    offered.dedup();
    let offered = if offered.is_empty() { "no platform at all".to_owned() } else { offered.join(", ") };
    StoreError::Platform { what: what.to_owned(), offered }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Vec<IndexEntry> {
        let entry = |(number, platform): (usize, &&str)| IndexEntry {
            media_type: String::new(),
            digest: format!("sha256:{number:064}").parse().unwrap(),
            size: 1,
            platform: (!platform.is_empty()).then(|| Platform::read(platform)),
            annotations: std::collections::BTreeMap::new(),
        };
        platforms.iter().enumerate().map(entry).collect()
    }

    fn chosen(platforms: &[&str], level: Amd64Level) -> String {
        let entries = index(platforms);
        let first = candidates("x", &entries, level).map(|found| found[0].platform.clone());
        first.map_or_else(|e| e.to_string(), |p| p.map_or_else(|| "none".into(), |p| p.to_string()))
    }

    #[test]
    fn the_best_variant_of_the_processor_is_taken_in_any_order() {
        use Amd64Level::{V1, V2, V3, V4};
        let all = ["linux/amd64/v2", "linux/arm64", "linux/amd64", "linux/amd64/v4", "linux/386", "linux/amd64/v3"];
        for turn in 0..all.len() {
            let mut order = all.to_vec();
            order.rotate_left(turn);
            for (level, wanted) in
                [(V1, "linux/amd64"), (V2, "linux/amd64/v2"), (V3, "linux/amd64/v3"), (V4, "linux/amd64/v4")]
            {
                assert_eq!(chosen(&order, level), wanted, "{order:?}");
            }
        }
        assert_eq!(chosen(&["linux/amd64/v4", "linux/amd64"], V3), "linux/amd64");
        assert_eq!(chosen(&["linux/386", "linux/amd64/v2"], V1), "linux/386");
        assert_eq!(chosen(&["linux/386", "Linux/X86_64"], V1), "Linux/X86_64");
        assert_eq!(chosen(&["", "linux/amd64"], V3), "linux/amd64", "what says nothing comes last");
        assert_eq!(chosen(&["", "linux/arm64"], V3), "none");
        let error = chosen(&["linux/arm64", "unknown/unknown", "windows/amd64"], V3);
        assert!(error.contains("only for linux/arm64, windows/amd64 (hint:"), "{error}");
    }

    #[test]
    fn all_that_some_processor_would_take_is_kept_and_no_more() {
        let kept = |platforms: &[&str]| candidates("x", &index(platforms), Amd64Level::V3).unwrap().len();
        assert_eq!(kept(&["linux/amd64", "linux/arm64"]), 1);
        assert_eq!(kept(&["linux/amd64", "linux/amd64/v1"]), 1, "the same twice: the first");
        assert_eq!(kept(&["linux/amd64", "linux/386", "linux/amd64/v3"]), 2);
        assert_eq!(kept(&["linux/amd64/v4", "linux/386", "linux/amd64/v3"]), 3);
    }

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
