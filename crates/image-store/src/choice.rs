//! Which entry of an index an engine chooses on a machine.

use futon_model::Amd64Level;

use super::StoreError;
use super::manifest::IndexEntry;
use super::platform::{Platform, rank};

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
}
