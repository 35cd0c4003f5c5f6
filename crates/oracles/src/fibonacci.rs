//! fibonacci: `fn: Fib: y = fib(x) | x: <x> y: <y> | runtime: <R>`.
//!
//! Today's images give y in full; older ones counted in doubles, and printed what was left.

use super::{
    decimal::Decimal,
    expectation::{Expectation, Unknown},
};
use crate::Language;

/// Largest x whose number is computed here, in about 20 ms. A million takes seconds, and the
/// function under test would need as long.
const MAX_X: i64 = 100_000;

/// Says why replies for `input` cannot be verified.
pub fn check_input(input: &str) -> Result<(), String> {
    match [go_int(input), node_int(input).unwrap_or(0), python_int(input).unwrap_or(0)].into_iter().max() {
        Some(x) if x > MAX_X => {
            Err(format!("fib({x}) is too large to verify; hint: stay at or below {MAX_X}, or give -no-verify"))
        }
        _ => Ok(()),
    }
}

/// What a fibonacci function must reply.
pub fn expected(language: Option<Language>, input: &str) -> Expectation {
    match language {
        Some(Language::Go) => go(input),
        Some(Language::NodeJs) => node(input),
        Some(Language::Python) => python(input),
        Some(Language::Cpp) => cpp(input),
        None => go(input).or(python(input)).or(node(input)).or(cpp(input)),
    }
}

fn text(x: &str, y: &str, runtime: &str) -> Expectation {
    Expectation::exact(format!("fn: Fib: y = fib(x) | x: {x} y: {y} | runtime: {runtime}"))
}

fn go(input: &str) -> Expectation {
    let x = go_int(input);
    let old = match in_doubles(x) {
        y if y.is_infinite() => "+Inf".to_owned(),
        y => format!("{y:.1}"),
    };
    text(&x.to_string(), &exact(x), "GoLang").or(text(&x.to_string(), &old, "GoLang"))
}

fn python(input: &str) -> Expectation {
    // `int()` raises for anything else, and the call fails: no reply is right.
    let Some(x) = python_int(input) else {
        return Expectation::default();
    };
    let y = exact(x);
    let today = text(&x.to_string(), &y, "python");
    // `%.1f` rounds the exact number once; one too large for a double raises.
    match y.parse::<f64>() {
        Ok(old) if old.is_finite() => today.or(text(&x.to_string(), &format!("{old:.1}"), "python")),
        _ => today,
    }
}

fn node(input: &str) -> Expectation {
    let Some(x) = node_int(input) else {
        return text("NaN", "0", "NodeJS");
    };
    let old = js_number(in_doubles(x));
    text(&x.to_string(), &exact(x), "NodeJS").or(text(&x.to_string(), &old, "NodeJS"))
}

/// The C++ server prints its group id and a text of its own; the usual text with a C++ runtime is
/// taken as well.
fn cpp(input: &str) -> Expectation {
    let x = go_int(input);
    let old = format!(" Invoke C++ Fib: y = fib(x) | x: {x} y: {:.6}", in_doubles(x));
    let gid = "Hello: this is gid: ";
    Expectation::around(gid, Unknown::Digits, old).or(text(&x.to_string(), &exact(x), "C++")).or(text(
        &x.to_string(),
        &exact(x),
        "cpp",
    ))
}

/// F(x), 0 for x ≤ 0.
fn exact(x: i64) -> String {
    let (mut this, mut next) = (Decimal::default(), Decimal::one());
    for _ in 0..x.min(MAX_X) {
        this.add(&next);
        std::mem::swap(&mut this, &mut next);
    }
    this.to_string()
}

/// F(x) as a loop over doubles gets it: its error grows with every step.
fn in_doubles(x: i64) -> f64 {
    let (mut this, mut next) = (0.0_f64, 1.0);
    for _ in 0..x.min(MAX_X) {
        (this, next) = (next, this + next);
    }
    this
}

/// `strconv.ParseInt(input, 10, 64)` with its error ignored.
fn go_int(input: &str) -> i64 {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match input.parse() {
        Ok(x) => x,
        Err(error) if *error.kind() == PosOverflow => i64::MAX,
        Err(error) if *error.kind() == NegOverflow => i64::MIN,
        Err(_) => 0,
    }
}

/// `parseInt(input)`: the number at the beginning, whatever follows; `None` is NaN.
fn node_int(input: &str) -> Option<i64> {
    let input = input.trim_start();
    let (sign, digits) = match input.strip_prefix(['-', '+']) {
        Some(digits) => (if input.starts_with('-') { "-" } else { "" }, digits),
        None => ("", input),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    match digits.get(..end) {
        None | Some("") => None,
        Some(digits) => Some(go_int(&format!("{sign}{digits}"))),
    }
}

/// `int(input)`: blanks around, single underscores between digits; `None` raises.
fn python_int(input: &str) -> Option<i64> {
    let input = input.trim();
    let digits = input.strip_prefix(['-', '+']).unwrap_or(input);
    let tidy = !digits.is_empty()
        && digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    tidy.then(|| go_int(&input.replace('_', "")))
}

/// `String(value)` of a JavaScript number that is whole and not negative.
fn js_number(value: f64) -> String {
    if value.is_infinite() {
        return "Infinity".to_owned();
    }
    // Both languages take the shortest digits that read back as the same double.
    if value < 1e21 { format!("{value}") } else { format!("{value:e}").replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: [(&str, &str); 8] = [
        ("0", "0"),
        ("1", "1"),
        ("2", "1"),
        ("10", "55"),
        ("20", "6765"),
        ("50", "12586269025"),
        ("93", "12200160415121876738"),
        ("100", "354224848179261915075"),
    ];
    const RUNTIMES: [(Language, &str); 3] =
        [(Language::Go, "GoLang"), (Language::Python, "python"), (Language::NodeJs, "NodeJS")];

    fn line(x: &str, y: &str, runtime: &str) -> String {
        format!("fn: Fib: y = fib(x) | x: {x} y: {y} | runtime: {runtime}")
    }

    #[test]
    fn all_vectors_in_all_languages() {
        for (x, y) in VECTORS {
            for (language, runtime) in RUNTIMES {
                let right = expected(Some(language), x);
                assert!(right.accepts(&line(x, y, runtime)), "{x} {runtime}");
                assert!(expected(None, x).accepts(&line(x, y, runtime)), "{x} {runtime}");
                assert!(!right.accepts(&line(x, &format!("{y}0"), runtime)), "{x} {runtime}");
                assert!(!right.accepts(&line(x, y, "Rust")), "{x}");
            }
        }
    }

    #[test]
    fn a_language_is_held_to_its_own_text() {
        assert!(!expected(Some(Language::Go), "10").accepts(&line("10", "55", "python")));
        assert!(!expected(Some(Language::Python), "10").accepts(&line("10", "55", "NodeJS")));
        assert!(!expected(None, "10").accepts(&line("11", "89", "GoLang")));
    }

    /// As Go 1.26, Node 20 and Python 3 printed them.
    #[test]
    fn the_old_forms() {
        for (language, runtime, x, y) in [
            (Language::Go, "GoLang", "10", "55.0"),
            (Language::Go, "GoLang", "93", "12200160415121876992.0"),
            (Language::Go, "GoLang", "100", "354224848179261997056.0"),
            (Language::Go, "GoLang", "1477", "+Inf"),
            (Language::Python, "python", "10", "55.0"),
            (Language::Python, "python", "100", "354224848179261931520.0"),
            (Language::Python, "python", "110", "43566776258854840696832.0"),
            (Language::NodeJs, "NodeJS", "79", "14472334024676220"),
            (Language::NodeJs, "NodeJS", "93", "12200160415121877000"),
            (Language::NodeJs, "NodeJS", "100", "354224848179262000000"),
            (Language::NodeJs, "NodeJS", "105", "3.9284137646068717e+21"),
            (Language::NodeJs, "NodeJS", "110", "4.356677625885486e+22"),
            (Language::NodeJs, "NodeJS", "1476", "1.3069892237633987e+308"),
            (Language::NodeJs, "NodeJS", "1477", "Infinity"),
        ] {
            let right = expected(Some(language), x);
            assert!(right.accepts(&line(x, y, runtime)), "{runtime} {x}: {}", right.describe());
        }
        assert!(!expected(Some(Language::NodeJs), "10").accepts(&line("10", "55.0", "NodeJS")));
        assert!(!expected(Some(Language::Go), "10").accepts(&line("10", "55.00", "GoLang")));
    }

    #[test]
    fn the_c_plus_plus_text() {
        let right = expected(Some(Language::Cpp), "10");
        let text = "Hello: this is gid: 0 Invoke C++ Fib: y = fib(x) | x: 10 y: 55.000000";
        assert!(right.accepts(text));
        assert!(!right.accepts(&text.replace("55", "54")));
        assert!(!right.accepts(&line("10", "55", "GoLang")));
    }

    #[test]
    fn bad_and_negative_input() {
        assert!(expected(Some(Language::Go), "abc").accepts(&line("0", "0", "GoLang")));
        assert!(expected(Some(Language::Go), "12abc").accepts(&line("0", "0", "GoLang")));
        assert!(expected(Some(Language::NodeJs), "abc").accepts(&line("NaN", "0", "NodeJS")));
        assert!(expected(Some(Language::NodeJs), "12abc").accepts(&line("12", "144", "NodeJS")));
        assert_eq!(expected(Some(Language::Python), "12abc"), Expectation::default());
        for (language, runtime) in RUNTIMES {
            assert!(expected(Some(language), "-3").accepts(&line("-3", "0", runtime)));
        }
    }

    #[test]
    fn whole_numbers_as_each_language_reads_them() {
        assert_eq!((go_int("+5"), go_int(" 5"), go_int("99999999999999999999")), (5, 0, i64::MAX));
        assert_eq!((node_int(" -5 x"), node_int("+"), node_int("")), (Some(-5), None, None));
        assert_eq!((python_int(" 1_0 "), python_int("1__0"), python_int("_1")), (Some(10), None, None));
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_computed() {
        assert!(check_input("100000").is_ok());
        for input in ["100001", "99999999999999999999", "100001abc", "1_000_000"] {
            assert!(check_input(input).is_err(), "{input}");
        }
        assert_eq!(exact(1000).len(), 209);
        assert!(exact(1000).starts_with("4346655768693745643568852767504062580256466051737178"));
    }
}
