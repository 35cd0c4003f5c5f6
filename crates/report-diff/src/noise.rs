//! Whether two sets of measured values differ by more than chance: a two-sided permutation test, and what many tests at once are worth.
//!
//! The test asks how often values that are dealt to the two sides at random look as different as the real ones do. "Different" is how far the
//! sum of one side's ranks lies from its expectation (Wilcoxon's rank sum): ranks do not care how far out an outlier lies, and latencies
//! have many. All ways to deal are tried if there are few, else 10,000 random ones, with the real one counted among them (Phipson and Smyth,
//! "Permutation p-values should never be zero", 2010). The random ones are the same each time.

use crate::random::Random;

/// Random ways to deal that are tried, if there are more ways than that.
pub const PERMUTATIONS: usize = 10_000;

/// Where the random ways to deal begin; any number would do.
const SEED: u64 = 0x0066_7574_6f6e;

/// What a test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// How likely values that differ only by chance look at least as different.
    pub p: f64,
    /// The smallest `p` that so many values can have: above the level of a test, nothing can be shown.
    pub least: f64,
    /// Whether all ways to deal were tried.
    pub exact: bool,
}

/// Tests two sets of values. None if one is empty or a value is not a number.
#[must_use]
pub fn compare(a: &[f64], b: &[f64]) -> Option<Noise> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|value| value.is_nan()) {
        return None;
    }
    let ranks = ranks(a, b);
    // Either side's sum says the same; the smaller one is less work.
    let (dealt, of) = if a.len() <= b.len() { (a.len(), &ranks[..a.len()]) } else { (b.len(), &ranks[a.len()..]) };
    let mut deal = Deal { ranks: ranks.clone(), dealt, expected: dealt as u64 * (ranks.len() as u64 + 1) };
    let real = deal.distance(of.iter().sum());
    Some(match ways(ranks.len(), dealt) {
        Some(ways) => {
            let hits = deal.all_at_least(real);
            Noise {
                p: share(hits, ways),
                least: share(if 2 * dealt == ranks.len() { 2 } else { 1 }, ways),
                exact: true,
            }
        }
        None => {
            let hits = deal.some_at_least(real, PERMUTATIONS);
            Noise { p: share(hits + 1, PERMUTATIONS + 1), least: share(1, PERMUTATIONS + 1), exact: false }
        }
    })
}

#[allow(clippy::cast_precision_loss, reason = "counts of a few thousand")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// Twice the rank of each value among all, those of `a` first; equal values share the mean of their ranks, of which twice is whole.
fn ranks(a: &[f64], b: &[f64]) -> Vec<u64> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|x, y| all[*x].total_cmp(&all[*y]));
    let mut ranks = vec![0; all.len()];
    let mut at = 0;
    while at < order.len() {
        let equal = order[at..].iter().take_while(|place| all[**place] == all[order[at]]).count();
        for place in &order[at..at + equal] {
            // Ranks count from 1: the first of the equals has at + 1, the last at + equal.
            ranks[*place] = (2 * at + equal + 1) as u64;
        }
        at += equal;
    }
    ranks
}

/// Number of ways to choose `dealt` of `all`, if there are not too many to try.
fn ways(all: usize, dealt: usize) -> Option<usize> {
    let mut ways = 1_usize;
    for n in 0..dealt {
        ways = ways.checked_mul(all - n)? / (n + 1);
        if ways > PERMUTATIONS {
            return None;
        }
    }
    Some(ways)
}

/// Ranks to be dealt.
struct Deal {
    ranks: Vec<u64>,
    dealt: usize,
    /// Twice the sum that is expected.
    expected: u64,
}

impl Deal {
    fn distance(&self, sum: u64) -> u64 {
        sum.abs_diff(self.expected)
    }

    /// In how many of all ways the sum is as far out.
    fn all_at_least(&self, real: u64) -> usize {
        let mut chosen: Vec<usize> = (0..self.dealt).collect();
        let mut hits = 0;
        loop {
            let sum = chosen.iter().map(|place| self.ranks[*place]).sum();
            hits += usize::from(self.distance(sum) >= real);
            // The next choice in lexical order: the last place that can move on does, and those behind it follow.
            let room = self.ranks.len() - self.dealt;
            let Some(moves) = (0..self.dealt).rev().find(|n| chosen[*n] < room + n) else { return hits };
            chosen[moves] += 1;
            for n in moves + 1..self.dealt {
                chosen[n] = chosen[n - 1] + 1;
            }
        }
    }

    /// In how many of `tries` random ways it is.
    fn some_at_least(&mut self, real: u64, tries: usize) -> usize {
        let mut random = Random::new(SEED);
        let all = self.ranks.len();
        let mut hits = 0;
        for _ in 0..tries {
            let mut sum = 0;
            // The first part of a shuffle (Fisher and Yates) is a random choice, whatever the order was before.
            for n in 0..self.dealt {
                let other = n + random.below(all - n);
                self.ranks.swap(n, other);
                sum += self.ranks[n];
            }
            hits += usize::from(self.distance(sum) >= real);
        }
        hits
    }
}

/// The p-values adjusted for their number (Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995): of those that are at most
/// q, on average at most the part q is there by chance.
#[must_use]
pub fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|x, y| p[*x].total_cmp(&p[*y]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, place) in order.iter().enumerate().rev() {
        least = least.min(p[*place] * share(p.len(), rank + 1));
        adjusted[*place] = least;
    }
    adjusted
}

/// The median; 0 without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        None => 0.0,
        Some(value) if sorted.len() % 2 == 1 => *value,
        Some(value) => f64::midpoint(sorted[middle - 1], *value),
    }
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod tests;
