//! How long a function will take, as far as anything is known: the weights that shards are made by.

use serde::{Deserialize, Serialize};

use super::Timings;

/// What is known of a function before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes of its images; 0 where the store does not have them.
    pub bytes: u64,
}

/// What weights count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds of earlier runs; for functions without one, an estimate from the size of their images.
    Milliseconds,
    /// Bytes of images: no function has run yet.
    Bytes,
    /// Nothing is known: each function counts as much as any other.
    Functions,
}

/// Weights of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// What they count.
    pub unit: Unit,
    /// One for each function, in their order; at least 1.
    pub each: Vec<u64>,
}

/// Weighs functions by their durations on this kind of machine.
///
/// A function without one is weighed by the size of its images: bytes become milliseconds by the median ratio of those functions that have
/// both. Whatever has neither weighs as much as the median. Whole numbers all along, so that every machine comes to the same weights.
#[must_use]
pub fn weigh(functions: &[Known<'_>], timings: Option<&Timings>, kind: &str) -> Weights {
    let timed: Vec<Option<u64>> =
        functions.iter().map(|function| timings.and_then(|known| known.ms(kind, function.name))).collect();
    let sizes = || functions.iter().map(|function| Some(function.bytes).filter(|bytes| *bytes > 0));
    let (unit, each): (_, Vec<Option<u64>>) = if timed.iter().any(Option::is_some) {
        let ratio = ratio(&timed, functions);
        let estimate = |bytes: u64| ratio.map(|(ms, of)| scaled(bytes, ms, of));
        (Unit::Milliseconds, timed.iter().zip(sizes()).map(|(ms, bytes)| ms.or(bytes.and_then(estimate))).collect())
    } else if sizes().any(|size| size.is_some()) {
        (Unit::Bytes, sizes().collect())
    } else {
        (Unit::Functions, vec![None; functions.len()])
    };
    let usual = median(each.iter().flatten().copied().collect(), Ord::cmp).unwrap_or(1);
    Weights { unit, each: each.into_iter().map(|weight| weight.unwrap_or(usual).max(1)).collect() }
}

/// The median of milliseconds per byte, as a fraction, of the functions that have both.
fn ratio(timed: &[Option<u64>], functions: &[Known<'_>]) -> Option<(u64, u64)> {
    let both = timed.iter().zip(functions).filter_map(|(ms, function)| Some(((*ms)?, function.bytes)));
    let compare =
        |a: &(u64, u64), b: &(u64, u64)| (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)));
    median(both.filter(|(_, bytes)| *bytes > 0).collect(), compare)
}

fn scaled(bytes: u64, ms: u64, of: u64) -> u64 {
    let product = u128::from(bytes) * u128::from(ms) / u128::from(of.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// The one in the middle, the lower of two.
fn median<T: Copy>(mut values: Vec<T>, compare: impl FnMut(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    values.sort_by(compare);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings(text: &str) -> Timings {
        let all = format!(r#"{{"schema": "futon.timings/1", "machines": {{"qemu/docker": {text}}}}}"#);
        Timings::parse(&all, "t").unwrap()
    }

    fn known<'a>(functions: &[(&'a str, u64)]) -> Vec<Known<'a>> {
        functions.iter().map(|(name, bytes)| Known { name, bytes: *bytes }).collect()
    }

    #[test]
    fn durations_count_and_sizes_are_scaled_to_them() {
        let timings = timings(r#"{"a": 1.0, "b": 3.0, "c": 50.0}"#);
        // a: 10 ms per byte, b: 30, c: 500: the median is 30.
        let functions = known(&[("a", 100), ("b", 100), ("c", 100), ("d", 200), ("e", 0)]);
        let weights = weigh(&functions, Some(&timings), "qemu/docker");
        // e has neither: the median of 1000, 3000, 6000, 50000.
        assert_eq!(weights, Weights { unit: Unit::Milliseconds, each: vec![1000, 3000, 50_000, 6000, 3000] });
    }

    #[test]
    fn without_durations_sizes_count_and_without_sizes_all_are_equal() {
        let functions = known(&[("a", 100), ("b", 300), ("c", 0)]);
        let by_size = Weights { unit: Unit::Bytes, each: vec![100, 300, 100] };
        assert_eq!(weigh(&functions, None, "qemu/docker"), by_size);
        // Durations of another kind of machine say nothing about this one.
        assert_eq!(weigh(&functions, Some(&timings(r#"{"a": 9}"#)), "gem5/lean/o3"), by_size);
        let nothing = weigh(&known(&[("a", 0), ("b", 0)]), None, "qemu/docker");
        assert_eq!(nothing, Weights { unit: Unit::Functions, each: vec![1, 1] });
    }

    #[test]
    fn durations_without_any_size_give_the_others_the_median() {
        let timings = timings(r#"{"a": 1, "b": 3, "c": 9}"#);
        let weights = weigh(&known(&[("a", 0), ("b", 0), ("c", 0), ("d", 77)]), Some(&timings), "qemu/docker");
        assert_eq!(weights.each, [1000, 3000, 9000, 3000]);
    }
}
