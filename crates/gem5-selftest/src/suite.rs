//! The tests: which programs each needs, what is counted, and when there is no such test.

use crate::expect::{self, Expected};
use crate::geometry::{Geometry, LINE, PAGE};
use crate::model::Model;
use crate::work::{Before, Chase, LOADS, Work};

/// How often each program is measured: a timer's interrupt may fall into one of them.
pub const REPEATS: usize = 2;

/// Distance of a chase's nodes: every second line, so that a prefetcher of the next line fetches none.
const STRIDE: u64 = 2 * LINE;
/// Distance of nodes that are to lie in pages of their own, and in all sets of a cache.
const PAGES_APART: u64 = PAGE + LINE;

/// Loads that a figure needs at least: the marks cost as much as one or two.
const LEAST: u64 = 256;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Cycles for each of what the program does.
    Cycles,
    /// Misses in the data TLB for each load.
    TlbMisses,
    /// Mispredicted branches for each branch.
    Mispredictions,
    /// Cycles that the second program takes longer than the first one for each miss in the TLB that it has more, both for a load.
    CyclesPerTlbMiss,
    /// The same for each mispredicted branch.
    CyclesPerMisprediction,
}

/// A test.
#[derive(Debug, Clone)]
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// Unit of its figures.
    pub unit: &'static str,
    /// What is counted.
    pub figure: Figure,
    /// Its programs, or why this machine cannot run them.
    pub works: Result<Vec<Work>, String>,
    /// What the figure must be.
    pub expected: fn(&Model) -> Result<Expected, String>,
    /// Why the tolerance is what it is.
    pub tolerance: &'static str,
}

const SHORT: &str = "the loop's own instructions and the marks";
const LEVEL: &str = "lines that the cache has lost, and the marks";
const MEMORY: &str = "simple memory: as a cache; DRAM: rows found open or to be closed, and refresh";

/// All tests on a machine of these sizes, in the order in which they are shown.
#[must_use]
pub fn tests(geometry: &Geometry) -> Vec<Test> {
    let add =
        |name, unit, works, expected| Test { name, unit, figure: Figure::Cycles, works, expected, tolerance: SHORT };
    let mut all = vec![
        add("dependent additions", "cycles per addition", Ok(vec![Work::Add { rounds: 150 }]), |model| {
            Ok(expect::dependent_additions(model))
        }),
        add("independent additions", "cycles per addition", Ok(vec![Work::Independent { rounds: 800 }]), |model| {
            Ok(expect::independent_additions(model))
        }),
        add(
            "dependent multiplications",
            "cycles per multiplication",
            Ok(vec![Work::Multiply { rounds: 60 }]),
            |model| Ok(expect::dependent_multiplications(model)),
        ),
        add(
            "store forwarding",
            "cycles per store and load",
            Ok(vec![Work::Forward { rounds: 800 }]),
            expect::forwarding,
        ),
    ];
    all.extend(levels(geometry));
    all.extend(tlb(geometry));
    all.extend(branches());
    all
}

/// Loads from each level and from memory.
fn levels(geometry: &Geometry) -> Vec<Test> {
    let unit = "cycles per load";
    let load =
        |name, works, expected, tolerance| Test { name, unit, figure: Figure::Cycles, works, expected, tolerance };
    let mut all = Vec::new();
    let small = chase(geometry.first_lines() / 4, STRIDE, 40_960, Before::Walk);
    all.push(load("loads from l1d", Ok(vec![small]), |model| expect::load(model, 0), SHORT));
    // Four times what the first level holds at this distance, and twice at least: a line is long gone when its turn comes. In pages of which
    // the TLB holds twice as many.
    let lines = geometry.first_lines();
    let nodes = (2 * lines).min(geometry.dtlb / 2 * (PAGE / STRIDE));
    let span = nodes * STRIDE;
    let fits = |outer: Option<&(&str, u64)>, inner: u64, least: u64| -> Result<(), String> {
        match outer {
            _ if nodes < least => Err(format!(
                "half of the TLB's {} entries reach {nodes} lines, and the program needs {least}",
                geometry.dtlb
            )),
            Some((name, size)) if *size < 2 * (span + inner) => Err(format!(
                "{name} ({size} bytes) does not hold twice the program's {span} bytes and what is in front of it"
            )),
            _ => Ok(()),
        }
    };
    let second = geometry.levels.get(1);
    let walked = fits(second, 0, lines).map(|()| vec![chase(nodes, STRIDE, 6144, Before::Walk)]);
    if geometry.levels.len() > 2 {
        all.push(load("loads from l2", walked, |model| expect::load(model, 1), LEVEL));
        let inner = geometry.levels[1].1;
        let over = fits(geometry.levels.get(2), 2 * inner, LEAST)
            .map(|()| vec![chase(nodes, STRIDE, nodes, Before::Over(2 * inner))]);
        all.push(load("loads from llc", over, |model| expect::load(model, 2), LEVEL));
    } else {
        all.push(load("loads from llc", walked, |model| expect::load(model, 1), LEVEL));
    }
    let fresh = fits(None, 0, LEAST).map(|()| vec![chase(nodes, STRIDE, nodes, Before::Fresh)]);
    all.push(load("loads from memory", fresh, |model| Ok(expect::load_from_memory(model)), MEMORY));
    all
}

/// Half and twice as many pages as the TLB has entries.
fn tlb(geometry: &Geometry) -> Vec<Test> {
    let within = chase((geometry.dtlb / 2).max(1), PAGES_APART, 40_960, Before::Walk);
    let beyond = chase(2 * geometry.dtlb, PAGES_APART, 8192, Before::Walk);
    let in_first = 2 * geometry.dtlb * 2 <= geometry.first_lines();
    // A table's entries have eight bytes; a few lines more are those of the levels above.
    let walked = geometry.walks.is_none_or(|size| 2 * (2 * geometry.dtlb / 8 + 8) <= size / LINE);
    let penalty = match (in_first, walked) {
        (false, _) => Err("l1d does not hold a line for each of twice as many pages as the TLB has entries".to_owned()),
        (_, false) => Err("mmucache does not hold the page table of the program".to_owned()),
        _ => Ok(vec![within, beyond]),
    };
    let misses = |name, work, expected, tolerance| Test {
        name,
        unit: "TLB misses per load",
        figure: Figure::TlbMisses,
        works: Ok(vec![work]),
        expected,
        tolerance,
    };
    vec![
        misses(
            "pages within the TLB's reach",
            within,
            |_| Ok(Expected { value: 0.0, allowed: 0.01, formula: "half as many pages as entries".into() }),
            "pages of the marks and of the kernel",
        ),
        misses(
            "pages beyond the TLB's reach",
            beyond,
            |_| {
                Ok(Expected::within(
                    1.0,
                    0.02,
                    "twice as many pages as entries, which are replaced in the order of their use",
                ))
            },
            "pages of the marks and of the kernel",
        ),
        Test {
            name: "TLB miss",
            unit: "cycles per miss",
            figure: Figure::CyclesPerTlbMiss,
            works: penalty,
            expected: expect::walk,
            tolerance: "two figures' tolerances; without mmucache: which lines of the page table the shared cache has",
        },
    ]
}

fn branches() -> Vec<Test> {
    let (known, random) = (Work::Branch { count: 4096, random: false }, Work::Branch { count: 4096, random: true });
    let predictor = |name, work, expected, tolerance| Test {
        name,
        unit: "mispredictions per branch",
        figure: Figure::Mispredictions,
        works: Ok(vec![work]),
        expected,
        tolerance,
    };
    vec![
        predictor(
            "alternating branches",
            known,
            |model| {
                expect::predicts(model)?;
                Ok(Expected { value: 0.0, allowed: 0.02, formula: "every predictor with a history learns them".into() })
            },
            "the first ones, and the marks",
        ),
        predictor(
            "random branches",
            random,
            |model| {
                expect::predicts(model)?;
                Ok(Expected { value: 0.5, allowed: 0.05, formula: "no predictor knows random bits".into() })
            },
            "six standard deviations of 4096 bits",
        ),
        Test {
            name: "mispredicted branch",
            unit: "cycles per misprediction",
            figure: Figure::CyclesPerMisprediction,
            works: Ok(vec![known, random]),
            expected: expect::misprediction,
            tolerance: "a cycle: where instructions lie in the fetch buffer",
        },
    ]
}

fn chase(nodes: u64, stride: u64, steps: u64, before: Before) -> Work {
    Work::Chase(Chase { nodes: nodes.max(2), stride, steps: steps.next_multiple_of(LOADS), before })
}

/// The work items of the tests: each program once, as often as it is measured.
#[must_use]
pub fn work_items(tests: &[Test]) -> Vec<Work> {
    let mut items: Vec<Work> = Vec::new();
    for work in tests.iter().filter_map(|test| test.works.as_ref().ok()).flatten() {
        if !items.contains(work) {
            items.extend([*work; REPEATS]);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(system: &str, params: &[&str]) -> Vec<Test> {
        let params: Vec<String> = params.iter().map(|param| (*param).to_owned()).collect();
        tests(&Geometry::of(system, &params).unwrap())
    }

    fn words(tests: &[Test], name: &str) -> String {
        let test = tests.iter().find(|test| test.name == name).unwrap();
        match &test.works {
            Ok(works) => works.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(why) => why.clone(),
        }
    }

    #[test]
    fn programs_are_as_large_as_the_caches_make_them() {
        let skylake = suite("skylake", &[]);
        assert_eq!(words(&skylake, "loads from l1d"), "chase:128:128:40960:walk");
        assert_eq!(words(&skylake, "loads from l2"), "chase:1024:128:6144:walk");
        assert_eq!(words(&skylake, "loads from llc"), "chase:1024:128:1024:2097152");
        assert_eq!(words(&skylake, "loads from memory"), "chase:1024:128:1024:fresh");
        assert_eq!(words(&skylake, "TLB miss"), "chase:32:4160:40960:walk chase:128:4160:8192:walk");
        let simple = suite("simple", &[]);
        assert_eq!(words(&simple, "loads from llc"), "chase:512:128:6144:walk");
        assert!(simple.iter().all(|test| test.name != "loads from l2" && test.works.is_ok()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let tests = suite("skylake", &["l2.size=128KiB"]);
        assert!(words(&tests, "loads from l2").contains("does not hold twice"));
        assert!(words(&tests, "loads from llc").starts_with("chase"));
        assert!(words(&suite("skylake", &["llc.size=2MiB"]), "loads from llc").contains("llc (2097152 bytes)"));
        // Half of 32 entries reach 512 lines: enough for each level.
        let tests = suite("skylake", &["dtlb.size=32"]);
        assert_eq!(words(&tests, "loads from l2"), "chase:512:128:6144:walk");
        assert_eq!(words(&tests, "loads from memory"), "chase:512:128:512:fresh");
        let tests = suite("skylake", &["dtlb.size=16"]);
        assert!(words(&tests, "loads from l2").contains("reach 256 lines, and the program needs 512"));
        assert!(words(&tests, "loads from memory").starts_with("chase:256:"));
        assert!(words(&suite("skylake", &["dtlb.size=8"]), "loads from memory").contains("reach 128 lines"));
        let tests = suite("skylake", &["dtlb.size=512"]);
        assert!(words(&tests, "TLB miss").contains("l1d does not hold"));
        assert_eq!(words(&tests, "pages beyond the TLB's reach"), "chase:1024:4160:8192:walk");
        assert!(words(&suite("skylake", &["mmucache.size=1KiB"]), "TLB miss").contains("mmucache"));
    }

    #[test]
    fn each_program_is_measured_twice() {
        let items = work_items(&suite("skylake", &[]));
        assert_eq!(items.len(), 12 * REPEATS);
        assert!(items.chunks(REPEATS).all(|pair| pair[0] == pair[1]));
        let words: Vec<String> = items.iter().map(ToString::to_string).collect();
        assert!(words.join(" ").len() < 1500, "a line of a script");
    }
}
