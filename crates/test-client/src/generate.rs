//! The values that are sent. One generator serves all calls of a run, so a counter goes on from
//! the greeting through the warm-up to the measured calls.

use std::{fs::File, io::Read};

use calls::oracle::Service;

use futon_model::GenType;

/// What a generator needs to know.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Service the values are for.
    pub service: Service,
    /// How they are made.
    pub gen_type: GenType,
    /// Value for fibonacci with `GenType::Unique`.
    pub input: String,
    /// Lowest value or length.
    pub lower: i64,
    /// Highest value; random values and lengths stay below it.
    pub upper: i64,
}

impl Recipe {
    /// Says why the bounds cannot be used.
    ///
    /// # Errors
    /// Random numbers or lengths from an empty range, or a negative length.
    pub fn check(&self) -> Result<(), String> {
        let bounded = matches!(self.service, Service::Fibonacci | Service::Aes);
        if self.gen_type != GenType::Random || !bounded {
            return Ok(());
        }
        let (lower, upper) = (self.lower, self.upper);
        if upper < lower {
            return Err(format!("-upperBound {upper} is below -lowerBound {lower}"));
        }
        if self.service == Service::Aes && !(0..=MAX_LENGTH).contains(&upper.max(lower)) {
            return Err(format!("-upperBound {upper}: a message has 0 to {MAX_LENGTH} letters"));
        }
        if self.service == Service::Aes && lower < 0 {
            return Err(format!("-lowerBound {lower}: a message has no negative length"));
        }
        Ok(())
    }
}

impl Recipe {
    /// The largest number among the first `calls` values (for fibonacci; else of no meaning).
    pub fn largest(&self, calls: u64) -> String {
        let calls = i64::try_from(calls).unwrap_or(i64::MAX);
        match self.gen_type {
            GenType::Unique => return self.input.clone(),
            GenType::Random => self.lower.max(self.upper.saturating_sub(1)),
            // Past the upper bound it begins again at the lower one, which may be the larger.
            GenType::Linear if calls > self.upper => self.upper.max(self.lower),
            GenType::Linear => calls,
        }
        .to_string()
    }
}

/// Longest random message; gRPC servers take 4 MiB by default.
const MAX_LENGTH: i64 = 1 << 20;
const TOKENS: [&str; 4] = ["allow", "deny", "unauthorized", "bla bla"];
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Makes one value after the other.
#[derive(Debug)]
pub struct Generator {
    recipe: Recipe,
    random: SplitMix,
    counter: i64,
}

impl Generator {
    /// A generator; equal recipe and seed give equal values.
    pub fn new(recipe: Recipe, seed: u64) -> Self {
        Self { recipe, random: SplitMix(seed), counter: 0 }
    }

    /// The next value.
    pub fn next(&mut self) -> String {
        let recipe = &self.recipe;
        match (recipe.service, recipe.gen_type) {
            (Service::Fibonacci, GenType::Unique) => recipe.input.clone(),
            (Service::Fibonacci, GenType::Linear) => {
                let next = self.counter.saturating_add(1);
                self.counter = if next > recipe.upper { recipe.lower } else { next };
                self.counter.to_string()
            }
            (Service::Fibonacci, GenType::Random) => self.random.between(recipe.lower, recipe.upper).to_string(),
            (_, GenType::Unique) => "A unique message".to_owned(),
            (_, GenType::Linear) => "A linear message".to_owned(),
            (Service::HelloWorld, GenType::Random) => "A random message".to_owned(),
            (Service::Auth, GenType::Random) => pick(&mut self.random, &TOKENS).to_owned(),
            (Service::Aes, GenType::Random) => {
                let length = self.random.between(recipe.lower, recipe.upper);
                (0..length).map(|_| char::from(pick(&mut self.random, LETTERS))).collect()
            }
        }
    }
}

fn pick<T: Copy + Default>(random: &mut SplitMix, from: &[T]) -> T {
    let index = random.below(from.len() as u64);
    usize::try_from(index).ok().and_then(|index| from.get(index)).copied().unwrap_or_default()
}

/// A seed for a run that was given none: small enough to be retyped and to survive JSON readers
/// that hold numbers as doubles.
///
/// # Errors
/// `/dev/urandom` cannot be read.
pub fn random_seed() -> std::io::Result<u64> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

/// `SplitMix64`: its sequence is fixed, so a seed means the same in every version. No secret is
/// made from it.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..limit`; 0 for a limit of 0.
    fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// Uniform in `lower..upper`; `lower` when that is empty.
    fn between(&mut self, lower: i64, upper: i64) -> i64 {
        let span = u64::try_from(i128::from(upper) - i128::from(lower)).unwrap_or_default();
        lower.wrapping_add_unsigned(self.below(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(service: Service, gen_type: GenType, bounds: (i64, i64), seed: u64) -> Vec<String> {
        let (lower, upper) = bounds;
        let recipe = Recipe { service, gen_type, input: "17".to_owned(), lower, upper };
        recipe.check().unwrap();
        let mut generator = Generator::new(recipe, seed);
        (0..200).map(|_| generator.next()).collect()
    }

    #[test]
    fn only_fibonacci_sends_the_input() {
        assert_eq!(values(Service::Fibonacci, GenType::Unique, (1, 9), 0)[7], "17");
        for service in [Service::Aes, Service::Auth, Service::HelloWorld] {
            assert_eq!(values(service, GenType::Unique, (1, 9), 0)[7], "A unique message");
            assert_eq!(values(service, GenType::Linear, (1, 9), 0)[7], "A linear message");
        }
    }

    #[test]
    fn linear_starts_at_one_then_goes_round_from_the_lower_bound() {
        let values = values(Service::Fibonacci, GenType::Linear, (3, 5), 0);
        assert_eq!(values[..10], ["1", "2", "3", "4", "5", "3", "4", "5", "3", "4"]);
    }

    #[test]
    fn random_numbers_fill_the_bounds_and_stay_inside() {
        let values = values(Service::Fibonacci, GenType::Random, (-2, 3), 1);
        let mut seen: Vec<i64> = values.iter().map(|v| v.parse().unwrap()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [-2, -1, 0, 1, 2]);
    }

    #[test]
    fn random_messages_have_letters_and_lengths_in_bounds() {
        let values = values(Service::Aes, GenType::Random, (3, 6), 1);
        assert!(values.iter().all(|v| (3..6).contains(&v.len())));
        assert!(values.iter().all(|v| v.bytes().all(|b| b.is_ascii_alphabetic())));
        assert!((3..6).all(|length| values.iter().any(|v| v.len() == length)));
    }

    #[test]
    fn random_tokens_are_the_four() {
        let values = values(Service::Auth, GenType::Random, (1, 2), 1);
        assert!(TOKENS.iter().all(|token| values.iter().any(|v| v == token)));
        assert!(values.iter().all(|v| TOKENS.contains(&v.as_str())));
    }

    #[test]
    fn a_seed_fixes_the_values_for_all_time() {
        let first = values(Service::Fibonacci, GenType::Random, (1, 100), 42);
        assert_eq!(first, values(Service::Fibonacci, GenType::Random, (1, 100), 42));
        assert_ne!(first, values(Service::Fibonacci, GenType::Random, (1, 100), 43));
        // Published first outputs for seed 0: a changed generator would break old seeds.
        let mut mix = SplitMix(0);
        assert_eq!([mix.next(), mix.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn an_empty_range_is_its_lower_bound_and_a_reversed_one_an_error() {
        assert!(values(Service::Fibonacci, GenType::Random, (4, 4), 1).iter().all(|v| v == "4"));
        let recipe =
            |service, lower, upper| Recipe { service, gen_type: GenType::Random, input: String::new(), lower, upper };
        assert!(recipe(Service::Fibonacci, 5, 4).check().is_err());
        assert!(recipe(Service::Aes, -1, 4).check().is_err());
        assert!(recipe(Service::Aes, 1, i64::MAX).check().is_err());
        assert!(recipe(Service::Auth, 5, 4).check().is_ok());
    }

    #[test]
    fn seeds_differ() {
        assert_ne!((random_seed().unwrap(), random_seed().unwrap()), (random_seed().unwrap(), random_seed().unwrap()));
    }
}
