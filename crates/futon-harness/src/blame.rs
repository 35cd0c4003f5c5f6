//! Whose fault is it: what repeated runs of a failed function say, as it was and with parts of a good run in place of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::chance::{fisher, wilson};

/// How often runs of one kind failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Runs made.
    pub runs: u32,
    /// Those that did not pass.
    pub failed: u32,
    /// How often each reason was given, by the verdict's code.
    pub codes: BTreeMap<String, u32>,
}

impl Tally {
    /// Counts a run.
    pub fn add(&mut self, passed: bool, code: &str) {
        self.runs += 1;
        if !passed {
            self.failed += 1;
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
    }

    /// `3 of 5 failed`.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} of {} failed", self.failed, self.runs)
    }

    fn rate(&self) -> String {
        let (low, high) = wilson(self.failed, self.runs);
        let percent = |part: f64| format!("{:.0}%", part * 100.0);
        let rate = f64::from(self.failed) / f64::from(self.runs.max(1));
        format!("{}, 95% interval {} to {}", percent(rate), percent(low), percent(high))
    }

    fn and(&self, other: &Self) -> Self {
        Self { runs: self.runs + other.runs, failed: self.failed + other.failed, codes: BTreeMap::new() }
    }
}

/// What the runs gave. A combination that is the same as another was not run: it is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The run as it was.
    pub as_it_was: Tally,
    /// With the good run's function: its image, compose file and calls.
    pub good_function: Option<Tally>,
    /// With the good run's base: base image, kernel, guest tools.
    pub good_base: Option<Tally>,
    /// With both.
    pub both_good: Option<Tally>,
    /// As it was, with one part of the good base, by the part's name.
    pub good_parts: BTreeMap<String, Tally>,
}

/// Who is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The function: its image, compose file or calls.
    Function,
    /// The base, or these parts of it.
    Base(Vec<String>),
    /// Function and base each are well with the other's good one.
    Together,
    /// Function and base each fail with the other's good one.
    Both,
    /// It fails with everything good, too.
    Neither,
    /// It fails now and then, whatever runs.
    Luck,
    /// It did not fail again.
    Gone,
    /// It fails, and there is nothing to compare it with.
    Unknown,
}

/// How sure a difference must be.
const CHANCE: f64 = 0.05;

impl Findings {
    /// Who is to blame.
    #[must_use]
    pub fn blame(&self) -> Blame {
        let bad = &self.as_it_was;
        if bad.failed == 0 {
            return Blame::Gone;
        }
        let mends = |tally: &Option<Tally>| tally.as_ref().is_some_and(|good| is_better(good, bad));
        match (mends(&self.good_function), mends(&self.good_base), mends(&self.both_good)) {
            (true, true, _) => Blame::Together,
            (true, false, _) => Blame::Function,
            (false, true, _) => {
                let parts = self.good_parts.iter().filter(|(_, tally)| is_better(tally, bad));
                Blame::Base(parts.map(|(name, _)| name.clone()).collect())
            }
            (false, false, true) => Blame::Both,
            (false, false, false) => {
                let others: Vec<&Tally> =
                    [&self.good_function, &self.good_base, &self.both_good].into_iter().flatten().collect();
                let always = others.iter().all(|tally| tally.failed == tally.runs) && bad.failed == bad.runs;
                match (always, others.is_empty()) {
                    (true, true) => Blame::Unknown,
                    (true, false) => Blame::Neither,
                    (false, _) => Blame::Luck,
                }
            }
        }
    }

    /// The answer in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let bad = &self.as_it_was;
        let compared = |with: &str, tally: &Option<Tally>| match tally {
            Some(good) => format!(
                "with the good {with} it failed {} of {} times instead of {} of {} (p = {:.3})",
                good.failed,
                good.runs,
                bad.failed,
                bad.runs,
                fisher((bad.failed, bad.runs), (good.failed, good.runs))
            ),
            None => String::new(),
        };
        match self.blame() {
            Blame::Function => format!("The function is at fault: {}.", compared("function", &self.good_function)),
            Blame::Base(parts) => {
                let who = match &parts[..] {
                    [] => "The base is at fault".to_owned(),
                    [one] => format!("The base's {one} is at fault"),
                    more => format!("The base is at fault ({}, each by itself)", more.join(", ")),
                };
                format!("{who}: {}.", compared("base", &self.good_base))
            }
            Blame::Together => "Function and base do not go together: the good one of either mends it.".to_owned(),
            Blame::Both => "Function and base are both at fault: only with both good ones does it pass.".to_owned(),
            Blame::Neither => "Neither function nor base is at fault: it fails with the good ones, too. \
                               Look at the host, its QEMU or gem5, and the time."
                .to_owned(),
            Blame::Luck => {
                let all = [&self.good_function, &self.good_base, &self.both_good].into_iter().flatten();
                let all = all.fold(bad.clone(), |sum, tally| sum.and(tally));
                format!("Luck: it fails now and then, whatever runs: {} ({}).", all.words(), all.rate())
            }
            Blame::Gone => {
                let (_, most) = wilson(0, bad.runs);
                format!(
                    "It did not fail again in {} runs as it was: luck, or something outside it. It fails less often than {:.0}% of the time (95%).",
                    bad.runs,
                    most * 100.0
                )
            }
            Blame::Unknown => format!("It fails as it was ({}), and no good run differs from it.", bad.words()),
        }
    }
}

/// Whether runs failed less often than others, beyond chance.
fn is_better(good: &Tally, bad: &Tally) -> bool {
    let rate = |tally: &Tally| f64::from(tally.failed) / f64::from(tally.runs.max(1));
    rate(good) < rate(bad) && fisher((bad.failed, bad.runs), (good.failed, good.runs)) < CHANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(failed: u32) -> Tally {
        Tally { runs: 5, failed, codes: BTreeMap::new() }
    }

    fn findings(bad: u32, function: u32, base: u32, both: u32) -> Findings {
        Findings {
            as_it_was: tally(bad),
            good_function: Some(tally(function)),
            good_base: Some(tally(base)),
            both_good: Some(tally(both)),
            good_parts: BTreeMap::new(),
        }
    }

    #[test]
    fn each_fault_has_its_blame() {
        for (found, blame, words) in [
            (
                findings(5, 0, 5, 0),
                Blame::Function,
                "The function is at fault: with the good function it failed 0 of 5",
            ),
            (findings(5, 5, 0, 0), Blame::Base(vec![]), "The base is at fault: with the good base it failed 0 of 5"),
            (findings(5, 0, 0, 0), Blame::Together, "do not go together"),
            (findings(5, 5, 5, 0), Blame::Both, "both at fault"),
            (findings(5, 5, 5, 5), Blame::Neither, "Neither"),
            (
                findings(2, 1, 2, 1),
                Blame::Luck,
                "Luck: it fails now and then, whatever runs: 6 of 20 failed (30%, 95% interval 15% to 52%)",
            ),
            // Two in five may well be none in five another time.
            (findings(2, 0, 2, 1), Blame::Luck, "5 of 20"),
            (findings(0, 0, 0, 0), Blame::Gone, "did not fail again in 5 runs"),
        ] {
            assert_eq!(found.blame(), blame, "{found:?}");
            assert!(found.sentence().contains(words), "{}", found.sentence());
        }
        let alone = |failed| Findings { as_it_was: tally(failed), ..Findings::default() };
        assert_eq!((alone(5).blame(), alone(2).blame()), (Blame::Unknown, Blame::Luck));
    }

    #[test]
    fn the_part_that_mends_it_is_named() {
        let mut found = findings(5, 5, 0, 0);
        found.good_parts = [("base image".to_owned(), tally(5)), ("kernel".to_owned(), tally(0))].into();
        assert_eq!(found.blame(), Blame::Base(vec!["kernel".into()]));
        assert!(found.sentence().starts_with("The base's kernel is at fault: "), "{}", found.sentence());
    }

    #[test]
    fn reasons_are_counted() {
        let mut tally = Tally::default();
        for (passed, code) in [(true, "all_witnesses_agree"), (false, "no_boot"), (false, "no_boot")] {
            tally.add(passed, code);
        }
        assert_eq!((tally.words().as_str(), tally.codes["no_boot"], tally.codes.len()), ("2 of 3 failed", 2, 1));
    }
}
