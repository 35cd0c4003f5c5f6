//! What must be known of a system before it runs: how large its caches and its TLB are decides how far the guest's programs reach.

/// Bytes of a cache line on all of gem5's systems.
pub const LINE: u64 = 64;
/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Sizes of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Caches from the core outwards, with their names in the table of parameters and their bytes.
    pub levels: Vec<(&'static str, u64)>,
    /// Bytes of the cache for page walks; none where they go to memory.
    pub walks: Option<u64>,
    /// Entries of the data TLB.
    pub dtlb: u64,
}

/// The systems' caches and their defaults, as `gem5/futon_gem5/tables.py` has them.
const SYSTEMS: [(&str, &[(&str, &str)]); 2] = [
    ("simple", &[("l1d", "16KiB"), ("llc", "128KiB")]),
    ("skylake", &[("l1d", "32KiB"), ("l2", "1MiB"), ("llc", "8MiB"), ("mmucache", "8KiB")]),
];
const DTLB: &str = "64";

impl Geometry {
    /// The sizes of a system with these parameters (`NAME=VALUE`) in place of its table's.
    ///
    /// # Errors
    /// When futon does not know the system, or a size is none.
    pub fn of(system: &str, params: &[String]) -> Result<Self, String> {
        let (_, caches) = SYSTEMS.iter().find(|(name, _)| *name == system).ok_or_else(|| {
            format!("the sizes of the system {system:?} are not known: the self-test has simple and skylake")
        })?;
        let mut levels = Vec::new();
        let mut walks = None;
        for (name, default) in *caches {
            let size = bytes(given(params, &format!("{name}.size")).unwrap_or(default))?;
            if *name == "mmucache" {
                walks = Some(size);
            } else {
                levels.push((*name, size));
            }
        }
        let dtlb = given(params, "dtlb.size").unwrap_or(DTLB);
        let dtlb = dtlb.parse().map_err(|_| format!("dtlb.size={dtlb}: no number of entries"))?;
        Ok(Self { levels, walks, dtlb })
    }

    /// Lines of the first-level data cache.
    #[must_use]
    pub fn first_lines(&self) -> u64 {
        self.levels.first().map_or(0, |(_, size)| size / LINE)
    }
}

/// The last value that is given to a parameter.
fn given<'a>(params: &'a [String], name: &str) -> Option<&'a str> {
    params.iter().rev().find_map(|param| param.strip_prefix(name)?.strip_prefix('='))
}

/// A size as gem5 writes it: `32KiB`, `1MiB`, `16kB` and so on; gem5 takes `kB` for 1024 bytes.
///
/// # Errors
/// When it is none.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "kb" => 1 << 10,
        "mib" | "mb" => 1 << 20,
        "gib" | "gb" => 1 << 30,
        _ => 0,
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    size.filter(|size| *size > 0).ok_or_else(|| format!("{text:?} is no size, as in 32KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_tables_unless_they_are_given() {
        let plain = Geometry::of("skylake", &[]).unwrap();
        assert_eq!(plain.levels, [("l1d", 32 << 10), ("l2", 1 << 20), ("llc", 8 << 20)]);
        assert_eq!((plain.walks, plain.dtlb, plain.first_lines()), (Some(8 << 10), 64, 512));
        let params = ["l2.size=256kB", "l2.size=512KiB", "dtlb.size=32"].map(str::to_owned);
        let other = Geometry::of("skylake", &params).unwrap();
        assert_eq!((other.levels[1].1, other.dtlb), (512 << 10, 32));
        assert!(Geometry::of("mine", &[]).unwrap_err().contains("simple and skylake"));
        assert!(Geometry::of("simple", &["l1d.size=big".to_owned()]).unwrap_err().contains("no size"));
        assert!(bytes("0KiB").is_err() && bytes("KiB").is_err() && bytes("99999999999999999999GiB").is_err());
    }

    /// The tables have the same values: `_cache("l1d", SOURCE, "16KiB", …` below each system's name.
    #[test]
    fn the_scripts_have_the_same_sizes() {
        let tables = include_str!("../../../gem5/futon_gem5/tables.py");
        for (system, caches) in SYSTEMS {
            let of_system = tables.split_once(&format!("    \"{system}\": _COMMON")).unwrap().1;
            for (cache, size) in caches {
                let line = of_system.lines().find(|line| line.contains(&format!("_cache(\"{cache}\", "))).unwrap();
                assert!(line.contains(&format!(", \"{size}\", ")), "{system}: {line}");
            }
        }
        assert!(tables.contains(&format!("(\"dtlb.size\", {DTLB}, ")));
    }
}
