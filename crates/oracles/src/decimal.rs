//! Numbers without bounds, in the only way Fibonacci needs them: added up and written in decimal.

use std::fmt;

/// Digits in a limb; twice the largest limb still fits a `u64`.
const DIGITS: usize = 18;
const BASE: u64 = 1_000_000_000_000_000_000;

/// A whole number, lowest limb first, no zero limb at the end (so zero has none).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decimal(Vec<u64>);

impl Decimal {
    /// One.
    pub fn one() -> Self {
        Self(vec![1])
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        let mut carry = 0;
        let addends = other.0.iter().copied().chain(std::iter::repeat(0));
        for (limb, addend) in self.0.iter_mut().zip(addends) {
            let sum = *limb + addend + carry;
            carry = sum / BASE;
            *limb = sum % BASE;
        }
        if carry > 0 {
            self.0.push(carry);
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.0.iter().rev();
        write!(out, "{}", limbs.next().unwrap_or(&0))?;
        limbs.try_for_each(|limb| write!(out, "{limb:0DIGITS$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_run_through_limbs_and_inner_zeros_are_written() {
        let mut number = Decimal(vec![BASE - 1, BASE - 1]);
        number.add(&Decimal::one());
        assert_eq!(number.to_string(), format!("1{}", "0".repeat(36)));
        number.add(&number.clone());
        assert_eq!(number.to_string(), format!("2{}", "0".repeat(36)));
    }

    #[test]
    fn adding_agrees_with_u128() {
        let (mut exact, mut number) = (1_u128, Decimal::one());
        for _ in 0..126 {
            exact += exact;
            number.add(&number.clone());
            assert_eq!(number.to_string(), exact.to_string());
        }
    }

    #[test]
    fn zero() {
        let mut number = Decimal::default();
        assert_eq!(number.to_string(), "0");
        number.add(&Decimal::one());
        assert_eq!(number, Decimal::one());
    }
}
