//! Shards: parts of a suite that take about the same time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use futon_common::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most shards that a suite can have.
pub const MOST_SHARDS: u32 = 10_000;

/// One of the parts of a suite: `2/4` is the second of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// The whole suite.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// The number of this shard; the first is 1.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of shards.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// Shard `index` of `of`.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn new(index: u32, of: u32) -> Result<Self> {
        let refused = |why: String| Err(Error::usage(why).hint("the first of four shards is 1/4, the last one 4/4"));
        match (index, of) {
            (_, 0) => refused("there must be at least one shard".into()),
            (_, of) if of > MOST_SHARDS => refused(format!("{of} shards are too many: {MOST_SHARDS} at most")),
            (0, _) => refused("the first shard is 1, not 0".into()),
            (index, of) if index > of => refused(format!("there is no shard {index} of {of}")),
            _ => Ok(Self { index, of }),
        }
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let written = || Error::usage(format!("{text:?} is not a shard: write it as i/n, as in 1/4"));
        let number = |text: &str| {
            // No sign: `parse` would take "+1".
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX)).ok_or_else(written)
        };
        let (index, of) = text.split_once('/').ok_or_else(written)?;
        Self::new(number(index)?, number(of)?)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl TryFrom<String> for Shard {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

/// The shard of each function, counted from 1, in the order of `functions`, which are names and weights.
///
/// The heaviest comes first and goes to the shard with the least so far (Graham's longest processing time): no shard gets more than 4/3 of
/// what the best distribution would give it. Only names and weights count, never their order: the same suite always has the same shards.
#[must_use]
pub fn assign(functions: &[(&str, u64)], shards: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_by_key(|place| (Reverse(functions[*place].1), functions[*place].0));
    // The load, then the number of functions: those that weigh nothing must not all go to the first.
    let mut loads: BinaryHeap<_> = (1..=shards.max(1)).map(|shard| Reverse((0u128, 0usize, shard))).collect();
    let mut assigned = vec![1; functions.len()];
    for place in order {
        if let Some(mut least) = loads.peek_mut() {
            let Reverse((load, count, shard)) = *least;
            assigned[place] = shard;
            *least = Reverse((load + u128::from(functions[place].1), count + 1, shard));
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_is_read_as_it_is_written_and_refused_with_the_reason() {
        for text in ["1/1", "1/4", "4/4", "10000/10000"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("0/4", "the first shard is 1"),
            ("5/4", "no shard 5 of 4"),
            ("1/0", "at least one"),
            ("1/10001", "10000 at most"),
            ("1/99999999999", "too many"),
            ("1", "i/n"),
            ("", "i/n"),
            ("a/4", "i/n"),
            ("+1/4", "i/n"),
            ("1/4/2", "i/n"),
            (" 1/4", "i/n"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
        }
    }

    #[test]
    fn the_longest_go_first_and_ties_by_name() {
        let functions = [("b", 5), ("a", 5), ("c", 4), ("d", 3), ("e", 3)];
        // a and b open a shard each, c goes to a's, d to b's, e where less is.
        assert_eq!(assign(&functions, 2), [2, 1, 1, 2, 2]);
        assert_eq!(assign(&functions, 1), [1; 5]);
        assert_eq!(assign(&[], 4), [0; 0]);
    }

    #[test]
    fn what_weighs_nothing_is_spread_all_the_same() {
        let mut assigned = assign(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)], 4);
        assigned.sort_unstable();
        assert_eq!(assigned, [1, 2, 3, 4]);
    }

    fn loads(weights: &[u64], assigned: &[u32], shards: u32) -> Vec<u64> {
        let of = |shard| weights.iter().zip(assigned).filter(move |(_, a)| **a == shard).map(|(w, _)| *w).sum();
        (1..=shards).map(of).collect()
    }

    /// The least that the fullest shard can have, by trying all distributions.
    fn optimum(weights: &[u64], loads: &mut Vec<u64>) -> u64 {
        let Some((first, rest)) = weights.split_first() else { return loads.iter().copied().max().unwrap_or(0) };
        (0..loads.len())
            .map(|shard| {
                loads[shard] += first;
                let found = optimum(rest, loads);
                loads[shard] -= first;
                found
            })
            .min()
            .unwrap_or(0)
    }

    proptest! {
        #[test]
        fn each_function_is_in_one_shard_whatever_the_order(
            weights in proptest::collection::btree_map("[a-z]{1,6}", 0u64..1000, 0..40),
            shards in 1u32..12,
            seed in any::<u64>(),
        ) {
            let functions: Vec<(&str, u64)> = weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
            let assigned = assign(&functions, shards);
            prop_assert_eq!(assigned.len(), functions.len());
            prop_assert!(assigned.iter().all(|shard| (1..=shards).contains(shard)));
            // Another order of the same functions.
            let mut places: Vec<usize> = (0..functions.len()).collect();
            places.sort_by_key(|place| (*place as u64 + 1).wrapping_mul(seed | 1));
            let shuffled: Vec<(&str, u64)> = places.iter().map(|place| functions[*place]).collect();
            let again = assign(&shuffled, shards);
            for (at, place) in places.iter().enumerate() {
                prop_assert_eq!(again[at], assigned[*place]);
            }
        }

        #[test]
        fn the_fullest_shard_has_at_most_four_thirds_of_the_optimum(
            weights in proptest::collection::vec(1u64..100, 1..9), shards in 1u32..4,
        ) {
            let names: Vec<String> = (0..weights.len()).map(|n| n.to_string()).collect();
            let functions: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
            let fullest = loads(&weights, &assign(&functions, shards), shards).into_iter().max().unwrap();
            let best = optimum(&weights, &mut vec![0; shards as usize]);
            prop_assert!(fullest * 3 * u64::from(shards) <= best * (4 * u64::from(shards) - 1), "{} of {}", fullest, best);
        }
    }
}
