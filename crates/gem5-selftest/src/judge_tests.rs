use std::collections::BTreeMap;

use super::*;
use crate::expect::Expected;
use crate::geometry::Geometry;
use crate::model::Core;
use crate::model::testing::{model, skylake};
use crate::suite::{tests, work_items};

/// A run in which every program costs what it must.
struct Run {
    tests: Vec<Test>,
    items: Vec<Work>,
    samples: Vec<Option<Sample>>,
    model: Model,
}

fn run() -> Run {
    let tests = tests(&Geometry::of("skylake", &[]).unwrap());
    let items = work_items(&tests);
    let model = model(skylake());
    let samples = items
        .iter()
        .map(|work| {
            let count = work.count() as f64;
            let (cycles, tlb_misses, mispredictions) = match work.to_string().as_str() {
                "add:150" => (count, 2.0, 3.0),
                "independent:800" => (count / 6.0, 2.0, 3.0),
                "multiply:60" | "forward:800" => (count * 3.0, 2.0, 3.0),
                "chase:1024:128:6144:walk" => (count * 17.0, 2.0, 3.0),
                "chase:1024:128:1024:2097152" => (count * 62.0, 2.0, 3.0),
                "chase:1024:128:1024:fresh" => (count * 120.0, 2.0, 3.0),
                "chase:128:4160:8192:walk" => (count * 15.0, count, 3.0),
                "branch:4096:random" => (145_000.0 + 23.0 * 2040.0, 2.0, 2043.0),
                "branch:4096:alternating" => (145_000.0, 2.0, 3.0),
                _ => (count * 2.0, 2.0, 3.0),
            };
            let instructions = work.instructions() as f64 + 35.0;
            Some(Sample { cycles, instructions, tlb_misses, mispredictions: Some(mispredictions) })
        })
        .collect();
    Run { tests, items, samples, model }
}

impl Run {
    fn judged(&self) -> Vec<Judged> {
        judge(&self.tests, &self.items, &self.samples, &self.model)
    }

    fn sample(&mut self, word: &str) -> Vec<&mut Sample> {
        let samples = self.samples.iter_mut().zip(&self.items);
        samples.filter(|(_, item)| item.to_string() == word).filter_map(|(sample, _)| sample.as_mut()).collect()
    }
}

fn states(all: &[Judged]) -> BTreeMap<&'static str, State> {
    all.iter().map(|judged| (judged.test, judged.state)).collect()
}

#[test]
fn a_core_that_does_what_its_parameters_say_is_ok() {
    let all = run().judged();
    assert_eq!((all.len(), count(&all, State::Ok)), (14, 14), "{}", table(&all));
}

#[test]
fn a_figure_outside_its_tolerance_is_off() {
    for (word, factor, tests) in [
        ("add:150", 1.06, &["dependent additions"][..]),
        ("add:150", 0.94, &["dependent additions"]),
        ("chase:1024:128:6144:walk", 18.0 / 17.0, &["loads from l2"]),
        ("chase:1024:128:1024:fresh", 1.3, &["loads from memory"]),
        ("branch:4096:random", 1.03, &["mispredicted branch"]),
        ("chase:128:4160:8192:walk", 1.1, &["TLB miss"]),
    ] {
        let mut run = run();
        run.sample(word).into_iter().for_each(|sample| sample.cycles *= factor);
        let all = run.judged();
        let off: Vec<&str> = all.iter().filter(|judged| judged.state == State::Off).map(|judged| judged.test).collect();
        assert_eq!(off, tests, "{word}");
        assert!(table(&all).contains("OFF") && csv(&all).contains(",off,"));
    }
    let mut run = run();
    run.sample("chase:32:4160:40960:walk").into_iter().for_each(|sample| sample.tlb_misses = 41_000.0);
    assert_eq!(states(&run.judged())["pages within the TLB's reach"], State::Off);
}

#[test]
fn what_is_no_number_is_off() {
    let mut run = run();
    for word in ["branch:4096:random", "branch:4096:alternating"] {
        run.sample(word).into_iter().for_each(|sample| (sample.cycles, sample.mispredictions) = (1.0, Some(0.0)));
    }
    let states = states(&run.judged());
    assert_eq!((states["mispredicted branch"], states["random branches"]), (State::Off, State::Off));
}

#[test]
fn the_undisturbed_one_of_two_samples_counts() {
    let mut run = run();
    let mut samples = run.sample("add:150");
    samples[0].cycles *= 1.2;
    samples[0].instructions += 6906.0;
    assert_eq!(states(&run.judged())["dependent additions"], State::Ok);
    run.sample("add:150")[1].instructions += 6000.0;
    let all = run.judged();
    assert_eq!(all[0].state, State::NotMeasured);
    assert!(all[0].why.as_ref().unwrap().contains("it was interrupted"), "{all:?}");
    run.samples = vec![None; run.items.len()];
    assert_eq!(count(&run.judged(), State::NotMeasured), 14);
}

#[test]
fn what_the_core_cannot_have_is_named() {
    let mut run = run();
    run.model.core = Core::Timing;
    let all = run.judged();
    let named: Vec<&str> =
        all.iter().filter(|judged| judged.state == State::NotApplicable).map(|judged| judged.test).collect();
    assert_eq!(named, ["store forwarding", "alternating branches", "random branches", "mispredicted branch"]);
    let text = table(&all);
    assert!(text.contains("not applicable: the timing core predicts no branches"), "{text}");
    assert!(csv(&all).contains("\"the timing core has no store queue\""));
}

#[test]
fn tables_have_their_columns() {
    let run = run();
    let text = table(&run.judged());
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["test", "unit", "expected", "measured", "tolerance"]
    );
    let first: Vec<&str> = lines.next().unwrap().split_whitespace().skip(5).collect();
    assert_eq!(first, ["1", "1", "±0.05", "ok"], "{text}");
    let json = serde_json::to_value(run.judged()).unwrap();
    assert_eq!((json[0]["state"].as_str(), json[0]["programs"][0].as_str()), (Some("ok"), Some("add:150")));
    assert_eq!(Expected::within(2.0, 0.5, "x").allowed.to_bits(), 1.0_f64.to_bits());
}
