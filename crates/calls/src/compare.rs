//! Compares two JSON values and describes the differences.

use serde_json::{Map, Value};

use crate::path::{Path, Step, shown};
use crate::text::shorten;

/// Characters of a value that a difference shows.
const SHOWN: usize = 120;
/// How many differences are described one by one.
const TOLD: usize = 5;

/// How values are held against each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) partial: bool,
    pub(crate) unordered_all: bool,
    pub(crate) unordered: Vec<Path>,
    pub(crate) tolerance: f64,
    pub(crate) ignore: Vec<Path>,
}

impl Rules {
    /// The differences, one line each; nothing if the reply is as expected.
    pub(crate) fn differences(&self, wanted: &Value, got: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(wanted, got, &mut Vec::new(), &mut found);
        if found.len() > TOLD {
            let more = found.len() - TOLD;
            found.truncate(TOLD);
            found.push(format!("and {more} more"));
        }
        found
    }

    fn equal(&self, wanted: &Value, got: &Value, place: &mut Vec<Step>) -> bool {
        let mut found = Vec::new();
        self.walk(wanted, got, place, &mut found);
        found.is_empty()
    }

    fn walk(&self, wanted: &Value, got: &Value, place: &mut Vec<Step>, found: &mut Vec<String>) {
        if self.ignore.iter().any(|path| path.covers(place)) {
            return;
        }
        match (wanted, got) {
            (Value::Object(wanted), Value::Object(got)) => self.objects(wanted, got, place, found),
            (Value::Array(wanted), Value::Array(got)) => self.lists(wanted, got, place, found),
            (Value::Number(a), Value::Number(b)) if self.near(a, b) => {}
            (wanted, got) if wanted == got => {}
            (wanted, got) => {
                found.push(format!("{}: expected {}, got {}", shown(place), short(wanted), short(got)));
            }
        }
    }

    fn near(&self, a: &serde_json::Number, b: &serde_json::Number) -> bool {
        if a == b {
            return true;
        }
        // Doubles do not tell large whole numbers apart: an id that went through one has lost digits.
        if let (Some(x), Some(y)) = (whole(a), whole(b)) {
            return x.abs_diff(y) as f64 <= self.tolerance;
        }
        match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) => (x - y).abs() <= self.tolerance,
            _ => false,
        }
    }

    fn objects(
        &self,
        wanted: &Map<String, Value>,
        got: &Map<String, Value>,
        place: &mut Vec<Step>,
        found: &mut Vec<String>,
    ) {
        for (key, value) in wanted {
            place.push(Step::Key(key.clone()));
            match got.get(key) {
                _ if self.ignore.iter().any(|path| path.covers(place)) => {}
                Some(other) if is_unset(value) => {
                    found.push(format!("{}: expected it not to be set, got {}", shown(place), short(other)));
                }
                Some(other) => self.walk(value, other, place, found),
                None if is_unset(value) => {}
                None => found.push(format!("{}: expected {}, it is missing", shown(place), short(value))),
            }
            place.pop();
        }
        if self.partial {
            return;
        }
        for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
            place.push(Step::Key(key.clone()));
            if !self.ignore.iter().any(|path| path.covers(place)) {
                found.push(format!("{}: not expected, got {}", shown(place), short(value)));
            }
            place.pop();
        }
    }

    fn lists(&self, wanted: &[Value], got: &[Value], place: &mut Vec<Step>, found: &mut Vec<String>) {
        if self.unordered_all || self.unordered.iter().any(|path| path.covers(place)) {
            self.in_any_order(wanted, got, place, found);
            return;
        }
        for (at, value) in wanted.iter().enumerate() {
            place.push(Step::At(at));
            match got.get(at) {
                Some(other) => self.walk(value, other, place, found),
                None => found.push(format!("{}: expected {}, it is missing", shown(place), short(value))),
            }
            place.pop();
        }
        for (at, value) in got.iter().enumerate().skip(wanted.len()) {
            place.push(Step::At(at));
            found.push(format!("{}: not expected, got {}", shown(place), short(value)));
            place.pop();
        }
    }

    /// Each wanted element takes one that is equal to it; which one matters only where some elements are equal to several, so
    /// elements look for another one to take when theirs is wanted (augmenting paths, as in bipartite matching).
    fn in_any_order(&self, wanted: &[Value], got: &[Value], place: &mut Vec<Step>, found: &mut Vec<String>) {
        let mut fits = vec![Vec::new(); wanted.len()];
        for (at, value) in wanted.iter().enumerate() {
            place.push(Step::At(at));
            fits[at] = (0..got.len()).filter(|other| self.equal(value, &got[*other], place)).collect();
            place.pop();
        }
        let mut taken: Vec<Option<usize>> = vec![None; got.len()];
        for (at, value) in wanted.iter().enumerate() {
            if !take(at, &fits, &mut taken, &mut vec![false; got.len()]) {
                found.push(format!("{}: expected it to contain {}", shown(place), short(value)));
            }
        }
        for (value, _) in got.iter().zip(&taken).filter(|(_, taken)| taken.is_none()) {
            found.push(format!("{}: contains unexpected {}", shown(place), short(value)));
        }
    }
}

fn take(at: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &other in &fits[at] {
        if !std::mem::replace(&mut seen[other], true)
            && taken[other].is_none_or(|holder| take(holder, fits, taken, seen))
        {
            taken[other] = Some(at);
            return true;
        }
    }
    false
}

/// What no value of a reply is: it stands for a message's field that must not be set. `null` would not do, since in Google's `Value` and `Struct`
/// that is a value.
const UNSET: &str = "\u{0}unset";

/// That a field must not be set.
pub(crate) fn unset() -> Value {
    UNSET.into()
}

fn is_unset(value: &Value) -> bool {
    value.as_str() == Some(UNSET)
}

/// What is expected, for people.
pub(crate) fn readable(wanted: &Value) -> Value {
    match wanted {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), readable(value))).collect(),
        Value::Array(list) => list.iter().map(readable).collect(),
        one if is_unset(one) => Value::Null,
        one => one.clone(),
    }
}

fn short(value: &Value) -> String {
    shorten(&value.to_string(), SHOWN)
}

/// A number that is whole, however it is written: 1 and 1.0 are one number.
fn whole(number: &serde_json::Number) -> Option<i128> {
    /// From here on a double may be more than an `i128` holds.
    const LIMIT: f64 = 1e38;
    number.as_i128().or_else(|| {
        let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() < LIMIT)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the limit")]
        Some(double as i128)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn equal_means_everything() {
        let rules = Rules::default();
        let value = json!({"a": [1, {"b": "x"}], "c": null});
        assert!(rules.differences(&value, &value).is_empty());
        let told = |got: Value| rules.differences(&value, &got).join("; ");
        assert_eq!(told(json!({"a": [1, {"b": "y"}], "c": null})), ".a[1].b: expected \"x\", got \"y\"");
        assert_eq!(told(json!({"a": [1], "c": null})), ".a[1]: expected {\"b\":\"x\"}, it is missing");
        assert_eq!(
            told(json!({"a": [1, {"b": "x"}, 2], "c": null, "d": 0})),
            ".a[2]: not expected, got 2; .d: not expected, got 0"
        );
        assert_eq!(told(json!([])), format!(".: expected {value}, got []"));
        assert!(rules.differences(&json!(1), &json!(1.0)).is_empty());
        assert!(!rules.differences(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)).is_empty());
        // An id that went through a double.
        assert!(!rules.differences(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992.0)).is_empty());
        assert!(
            !rules.differences(&json!(1.234_567_890_123_456_7e18), &json!(1_234_567_890_123_456_789_u64)).is_empty()
        );
        assert!(rules.differences(&json!(5_000_000_000_000_000_000_u64), &json!(5e18)).is_empty());
        assert!(rules.differences(&json!(1e300), &json!(1e300)).is_empty());
        assert!(!rules.differences(&json!(1e300), &json!(1)).is_empty());
    }

    #[test]
    fn partial_tolerance_and_ignore() {
        let partial = Rules { partial: true, ..Rules::default() };
        assert!(partial.differences(&json!({"a": 1}), &json!({"a": 1, "b": 2})).is_empty());
        assert!(!partial.differences(&json!({"a": [1]}), &json!({"a": [1, 2]})).is_empty(), "lists are whole");
        let null = json!({"a": null});
        assert!(!Rules::default().differences(&null, &json!({})).is_empty());
        let none = json!({"a": unset()});
        assert!(Rules::default().differences(&none, &json!({})).is_empty());
        let told = Rules::default().differences(&none, &json!({"a": null}));
        assert_eq!(told, [".a: expected it not to be set, got null"]);
        assert_eq!(readable(&json!([none])), json!([{"a": null}]));
        let near = Rules { tolerance: 0.01, ..Rules::default() };
        assert!(!near.differences(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)).is_empty());
        assert!(near.differences(&json!([1.0, 5]), &json!([1.009, 5])).is_empty());
        assert!(!near.differences(&json!([1.0]), &json!([1.02])).is_empty());
        let ignore = Rules { ignore: vec![path(".id"), path(".l[*].t")], ..Rules::default() };
        assert!(ignore.differences(&json!({"id": 1, "l": [{"t": 1}]}), &json!({"l": [{"t": 2}]})).is_empty());
    }

    #[test]
    fn any_order_is_a_matching() {
        let rules = Rules { unordered_all: true, tolerance: 1.0, ..Rules::default() };
        // 1.5 fits both; taken greedily it would leave nothing for 2.2.
        assert!(rules.differences(&json!([1.5, 0.2]), &json!([1.0, 2.3])).is_empty());
        assert!(!rules.differences(&json!([1, 1]), &json!([1, 3])).is_empty());
        let one = Rules { unordered: vec![path(".a")], ..Rules::default() };
        assert!(one.differences(&json!({"a": [1, 2]}), &json!({"a": [2, 1]})).is_empty());
        let told = one.differences(&json!({"a": [1, 2, 2]}), &json!({"a": [2, 1, 1]}));
        assert_eq!(told, [".a: expected it to contain 2", ".a: contains unexpected 1"]);
        assert!(!one.differences(&json!({"b": [1, 2]}), &json!({"b": [2, 1]})).is_empty());
    }

    #[test]
    fn many_differences_are_cut() {
        let told = Rules::default().differences(&json!([1, 2, 3, 4, 5, 6, 7]), &json!([0, 0, 0, 0, 0, 0, 0]));
        assert_eq!((told.len(), told[5].as_str()), (6, "and 2 more"));
    }
}
