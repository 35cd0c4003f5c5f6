use serde_json::json;

use super::*;
use crate::random::Random;
use crate::testing::{function, report};

fn side<'a>(name: &str, report: &'a Report, samples: &[(&str, Vec<f64>)]) -> Side<'a> {
    let samples = samples
        .iter()
        .map(|(function, values)| {
            let latency = Values { figure: LATENCY.into(), unit: "ms".into(), values: values.clone() };
            ((*function).to_owned(), Samples { figures: vec![latency], missing: None })
        })
        .collect();
    Side { name: name.into(), report, samples, packages: Packages::new() }
}

fn latencies(seed: u64, slower: f64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..20).map(|_| slower * (0.1 * random.normal()).exp()).collect()
}

#[test]
fn verdicts_are_sorted_by_how_grave_their_change_is() {
    let pass = |name: &str| function(name, "passed", "all_witnesses_agree", 1);
    let fail = |name: &str, code: &str| function(name, "failed", code, 1);
    let a = report(
        "1",
        vec![
            pass("same"),
            fail("fixed", "wrong_reply"),
            pass("flaky"),
            fail("other", "wrong_reply"),
            pass("broken"),
            pass("unknown"),
            fail("still", "wrong_reply"),
            pass("gone"),
            function("now-known", "infra", "host_failed", 1),
            function("steady", "passed", "all_witnesses_agree", 2),
        ],
    );
    let b = report(
        "2",
        vec![
            pass("same"),
            pass("fixed"),
            function("flaky", "passed", "all_witnesses_agree", 2),
            fail("other", "call_failed"),
            fail("broken", "wrong_reply"),
            function("unknown", "infra", "host_failed", 1),
            fail("still", "wrong_reply"),
            pass("new"),
            fail("now-known", "wrong_reply"),
            pass("steady"),
        ],
    );
    let found = diff(&side("a", &a, &[]), &side("b", &b, &[]));
    let kinds: Vec<_> = found.verdicts.iter().map(|v| (v.function.as_str(), v.kind, v.worse)).collect();
    assert_eq!(
        kinds,
        [
            ("broken", VerdictKind::NewFailure, true),
            ("now-known", VerdictKind::NewFailure, true),
            ("unknown", VerdictKind::NoVerdict, true),
            ("other", VerdictKind::OtherFailure, false),
            ("flaky", VerdictKind::Flaky, false),
            ("fixed", VerdictKind::Fixed, false),
            ("steady", VerdictKind::Steady, false),
        ]
    );
    assert_eq!(
        (found.only_in_a, found.only_in_b, found.compared),
        (vec!["gone".to_owned()], vec!["new".to_owned()], 9)
    );
    // The other way round, a failure that is lost to the host is not worse than it was.
    let back = diff(&side("b", &b, &[]), &side("a", &a, &[]));
    let lost = back.verdicts.iter().find(|v| v.function == "now-known").unwrap();
    assert_eq!((lost.kind, lost.worse), (VerdictKind::NoVerdict, false));
}

#[test]
fn a_slower_function_is_found_among_those_that_are_not() {
    let names = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"];
    let all = report("1", names.iter().map(|n| function(n, "passed", "all_witnesses_agree", 1)).collect());
    let before: Vec<_> = (100..).zip(names).map(|(seed, name)| (name, latencies(seed, 4.0))).collect();
    let after: Vec<_> =
        (200..).zip(names).map(|(seed, name)| (name, latencies(seed, if name == "f7" { 4.8 } else { 4.0 }))).collect();
    let found = diff(&side("a", &all, &before), &side("b", &all, &after));
    let beyond: Vec<&str> = found.figures.iter().filter(|f| f.beyond_noise).map(|f| f.function.as_str()).collect();
    assert_eq!(beyond, ["f7"], "{:?}", found.figures);
    assert_eq!(found.figures.len(), 10);
    let first = &found.figures[0];
    assert!(first.q >= first.p && (0.1..0.3).contains(&first.change.unwrap()), "{first:?}");
    assert!(found.matters(false) && found.verdicts.is_empty());
    let same = diff(&side("a", &all, &before), &side("b", &all, &before));
    assert!(!same.matters(true) && same.figures.iter().all(|f| f.p > 0.9), "{same:?}");
}

#[test]
fn emulated_latencies_are_compared_and_do_not_count() {
    let mut emulated = function("f", "passed", "all_witnesses_agree", 1);
    emulated["machine"]["accelerator"] = "tcg".into();
    let all = report("1", vec![emulated]);
    let sides =
        [("a", 4.0, 1), ("b", 8.0, 2)].map(|(name, slower, seed)| side(name, &all, &[("f", latencies(seed, slower))]));
    let found = diff(&sides[0], &sides[1]);
    assert!(found.figures[0].beyond_noise && !found.figures[0].is_performance);
    assert!(!found.matters(false) && found.matters(true));
    assert!(found.notes.iter().any(|note| note.contains("do not measure performance")), "{:?}", found.notes);
}

#[test]
fn failed_functions_and_too_few_calls_show_nothing() {
    let a = report("1", vec![function("f", "passed", "all_witnesses_agree", 1)]);
    let b = report("2", vec![function("f", "failed", "wrong_reply", 1)]);
    let samples = [("f", vec![1.0, 2.0, 3.0])];
    assert!(diff(&side("a", &a, &samples), &side("b", &b, &samples)).figures.is_empty());
    let found = diff(&side("a", &a, &samples), &side("b", &a, &[("f", vec![10.0, 11.0, 12.0])]));
    assert!(!found.figures[0].enough_values && !found.figures[0].beyond_noise);
    assert!(found.notes.iter().any(|note| note.contains("too few values")), "{:?}", found.notes);
}

#[test]
fn inputs_that_changed_are_named_once_for_all_functions() {
    let of = |digest: char, inputs: Option<&str>| {
        let functions = ["f", "g"].map(|name| {
            let mut f = function(name, "passed", "all_witnesses_agree", 1);
            let digest = format!("sha256:{}", digest.to_string().repeat(64));
            if name == "f" {
                f["digests"] = json!([{"reference": "me/f:v1", "index": null, "manifest": digest, "config": null}]);
            }
            if let Some(kernel) = inputs {
                f["cell"] = json!({"digest": "0".repeat(64), "inputs": {"kernel": kernel, "calls": "sha256:1"}});
            }
            f
        });
        report("1", functions.to_vec())
    };
    let (a, b) = (of('a', Some("sha256:old")), of('b', Some("sha256:new")));
    let found = diff(&side("a", &a, &[]), &side("b", &b, &[]));
    let names: Vec<_> = found.inputs.iter().map(|i| (i.name.as_str(), i.functions.len(), i.all)).collect();
    assert_eq!(names, [("image me/f:v1", 1, false), ("kernel", 2, true)]);
    assert_eq!(found.inputs[1].b.as_deref(), Some("sha256:new"));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    // Without cells nobody knows whether the kernel is the same.
    let found = diff(&side("a", &of('a', None), &[]), &side("b", &b, &[]));
    assert_eq!(found.inputs.len(), 1);
    assert!(found.notes[0].contains("f, g: a report does not say"), "{:?}", found.notes);
}

#[test]
fn what_is_missing_is_said_once() {
    let all = report("1", ["f", "g"].iter().map(|n| function(n, "passed", "all_witnesses_agree", 1)).collect());
    let gone = |name: &str| {
        let gone = Samples { figures: Vec::new(), missing: Some("gone".into()) };
        let samples = ["f", "g"].map(|f| (f.to_owned(), gone.clone())).into();
        Side { name: name.into(), report: &all, samples, packages: Packages::new() }
    };
    let found = diff(&gone("a"), &side("b", &all, &[]));
    assert_eq!(found.notes.iter().filter(|note| note.contains("gone")).collect::<Vec<_>>(), ["f, g in A: gone"]);
}

/// The runs of `--stress` share a name: none of them stands for the function.
#[test]
fn many_runs_are_not_compared_one_by_one() {
    let runs = |outcome: &str| {
        let of = |run: u32| {
            let mut f = function("f", outcome, "wrong_reply", 1);
            f["run"] = run.into();
            f
        };
        report("1", vec![of(1), of(2)])
    };
    let (a, b) = (runs("passed"), runs("failed"));
    let found = diff(&side("a", &a, &[]), &side("b", &b, &[]));
    assert!(found.verdicts.is_empty() && found.compared == 0 && found.only_in_b.is_empty());
    assert!(found.notes[0].contains("--stress"), "{:?}", found.notes);
}
