use serde_json::json;

use super::*;
use crate::testing::{function, report};

fn run(day: u32, functions: Vec<serde_json::Value>) -> (String, Report) {
    (format!("run-{day}"), report(&format!("2026-11-0{day}T00:00:00Z"), functions))
}

fn pass(name: &str) -> serde_json::Value {
    function(name, "passed", "all_witnesses_agree", 1)
}

fn fail(name: &str) -> serde_json::Value {
    function(name, "failed", "wrong_reply", 1)
}

fn marks(f: &FunctionTrend) -> String {
    f.marks.iter().map(|mark| mark.sign()).collect()
}

#[test]
fn runs_are_in_order_and_rates_count_only_verdicts() {
    let infra = function("f", "infra", "host_failed", 1);
    let flaky = function("f", "passed", "all_witnesses_agree", 3);
    let runs = [
        run(4, vec![flaky]),
        run(1, vec![pass("f"), pass("g")]),
        run(3, vec![infra]),
        run(2, vec![fail("f"), pass("g")]),
    ];
    let found = trend(&runs);
    assert_eq!(found.runs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["run-1", "run-2", "run-3", "run-4"]);
    let (f, g) = (&found.functions[0], &found.functions[1]);
    assert_eq!((f.name.as_str(), marks(f), marks(g)), ("f", "✓✗?~".to_owned(), "✓✓··".to_owned()));
    let passed = f.passed.unwrap();
    assert_eq!((passed.count, passed.of), (2, 3));
    assert!(f.broken.is_none(), "it works again");
    assert_eq!(f.points.iter().map(|point| point.run).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn since_when_it_fails_and_what_changed_then() {
    let with = |mut f: serde_json::Value, digest: char| {
        let digest = format!("sha256:{}", digest.to_string().repeat(64));
        f["digests"] = json!([{"reference": "me/f", "index": null, "manifest": digest, "config": null}]);
        f
    };
    let runs = [
        run(1, vec![with(pass("f"), 'a'), pass("g")]),
        run(2, vec![with(pass("f"), 'a'), fail("g")]),
        run(3, vec![with(function("f", "infra", "host_failed", 1), 'b')]),
        run(4, vec![with(fail("f"), 'b'), fail("g")]),
        run(5, vec![with(fail("f"), 'c'), pass("g"), fail("never")]),
    ];
    let found = trend(&runs);
    let f = found.functions.iter().find(|f| f.name == "f").unwrap();
    let broken = f.broken.as_ref().unwrap();
    assert_eq!((broken.last_good, broken.first_bad), (Some(1), 3));
    // Between these two, not to the last one.
    assert_eq!(broken.inputs.len(), 1);
    assert!(broken.inputs[0].b.as_deref().unwrap().contains("bbb"), "{broken:?}");
    assert!(!broken.inputs_known);
    let never = found.functions.iter().find(|f| f.name == "never").unwrap().broken.as_ref().unwrap();
    assert_eq!((never.last_good, never.first_bad, never.inputs.len()), (None, 4, 0));
    assert_eq!(found.functions.last().unwrap().name, "g", "those that fail come first");
}
