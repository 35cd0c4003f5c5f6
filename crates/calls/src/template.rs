//! `{{n}}`, `{{rand N}}`, `{{seed}}` in strings: the same seed gives the same values on every machine.

use serde_json::Value;

use crate::error::Complaint;

/// What the placeholders of one call stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    /// The call's number from 0; warm-up calls have their own numbers.
    pub(crate) n: u64,
    /// The run's seed.
    pub(crate) seed: u64,
    /// Whether random numbers may be drawn: not in expectations, which would draw others.
    pub(crate) random: bool,
}

/// Draws of one call, in the order in which its strings are read.
#[derive(Debug)]
pub(crate) struct Template {
    values: Values,
    state: u64,
}

impl Template {
    pub(crate) fn new(values: Values) -> Self {
        // SplitMix64 (Steele, Lea, Flood 2014), from both numbers.
        let mut template = Self { values, state: values.seed ^ values.n.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        template.draw();
        template
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A string with its placeholders filled in.
    pub(crate) fn text(&mut self, text: &str) -> Result<String, Complaint> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((name, after)) = after.split_once("}}") else {
                return Err(Complaint::new("", "`{{` without `}}`"));
            };
            rest = after;
            let words: Vec<&str> = name.split_whitespace().collect();
            let value = match words[..] {
                ["n"] => self.values.n,
                ["seed"] => self.values.seed,
                ["rand", _] if !self.values.random => {
                    return Err(Complaint::new(
                        "",
                        "an expectation cannot contain {{rand}}: it would draw different numbers",
                    ));
                }
                ["rand", below] => match below.parse::<u64>() {
                    Ok(below) if below > 0 => self.draw() % below,
                    _ => return Err(Complaint::new("", format!("{{{{{name}}}}}: {below:?} is not a number above 0"))),
                },
                _ => {
                    return Err(Complaint::new("", format!("unknown placeholder {{{{{name}}}}}"))
                        .hint("the placeholders are {{n}}, {{rand N}} and {{seed}}"));
                }
            };
            out.push_str(&value.to_string());
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A value with the placeholders of all its strings filled in.
    pub(crate) fn value(&mut self, value: &Value) -> Result<Value, Complaint> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(list) => {
                let filled =
                    list.iter().enumerate().map(|(at, v)| self.value(v).map_err(|c| c.below(&format!("[{at}]"))));
                Value::Array(filled.collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let filled = map.iter().map(|(key, v)| {
                    if key.contains("{{") {
                        return Err(Complaint::new(key, "a key cannot have a placeholder"));
                    }
                    Ok((key.clone(), self.value(v).map_err(|c| c.below(key))?))
                });
                Value::Object(filled.collect::<Result<_, Complaint>>()?)
            }
            other => other.clone(),
        })
    }
}

/// Whether a value has a placeholder: then each call has different bytes.
pub(crate) fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(list) => list.iter().any(has_placeholder),
        Value::Object(map) => map.values().any(has_placeholder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, n: u64, random: bool) -> Result<String, String> {
        Template::new(Values { n, seed: 7, random }).text(text).map_err(|c| c.why)
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(filled("a{{n}}b{{ seed }}c", 3, true).unwrap(), "a3b7c");
        assert_eq!(filled("no {braces} at all", 3, true).unwrap(), "no {braces} at all");
        let drawn = filled("{{rand 100}} {{rand 100}} {{rand 100}}", 3, true).unwrap();
        assert_eq!(drawn, filled("{{rand 100}} {{rand 100}} {{rand 100}}", 3, true).unwrap(), "seeded");
        assert_ne!(drawn, filled("{{rand 100}} {{rand 100}} {{rand 100}}", 4, true).unwrap());
        assert!(drawn.split(' ').all(|n| n.parse::<u64>().unwrap() < 100));
    }

    #[test]
    fn what_is_no_placeholder_is_refused() {
        for (text, words) in
            [("{{m}}", "unknown placeholder"), ("{{n", "without"), ("{{rand 0}}", "above 0"), ("{{rand}}", "unknown")]
        {
            assert!(filled(text, 0, true).unwrap_err().contains(words), "{text}");
        }
        assert!(filled("{{rand 5}}", 0, false).unwrap_err().contains("different numbers"));
    }
}
