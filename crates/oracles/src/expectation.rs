//! Texts that are right, and how they read in a message.

/// Characters that only the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Decimal digits.
    Digits,
    /// Hexadecimal digits.
    Hex,
}

impl Unknown {
    const fn takes(self, c: char) -> bool {
        match self {
            Self::Digits => c.is_ascii_digit(),
            Self::Hex => c.is_ascii_hexdigit(),
        }
    }

    const fn shown(self) -> &'static str {
        match self {
            Self::Digits => "<digits>",
            Self::Hex => "<hex digits>",
        }
    }
}

/// One form a correct reply may have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Exactly this text.
    Exact(String),
    /// `before`, then one or more characters of the kind `inside`, then `after`.
    Around { before: String, inside: Unknown, after: String },
    /// Any text that contains this one.
    Contains(String),
}

/// The forms a correct reply may have; any of them will do. No form: no reply is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation(Vec<Form>);

impl Expectation {
    /// Exactly `text`.
    pub fn exact(text: impl Into<String>) -> Self {
        Self(vec![Form::Exact(text.into())])
    }

    /// Any text that contains `text`.
    pub fn contains(text: impl Into<String>) -> Self {
        Self(vec![Form::Contains(text.into())])
    }

    /// `before`, one or more characters that only the server knows, `after`.
    pub fn around(before: impl Into<String>, inside: Unknown, after: impl Into<String>) -> Self {
        Self(vec![Form::Around { before: before.into(), inside, after: after.into() }])
    }

    /// This, or else `other`.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for form in other.0 {
            if !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        self
    }

    /// Whether `reply` is right.
    pub fn accepts(&self, reply: &str) -> bool {
        self.0.iter().any(|form| match form {
            Form::Exact(text) => text == reply,
            Form::Contains(text) => reply.contains(text.as_str()),
            Form::Around { before, inside, after } => reply
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|middle| !middle.is_empty() && middle.chars().all(|c| inside.takes(c))),
        })
    }

    /// The right text for people; with several, the most usual one first.
    pub fn describe(&self) -> String {
        let forms: Vec<_> = self
            .0
            .iter()
            .map(|form| match form {
                Form::Exact(text) => text.clone(),
                Form::Contains(text) => format!("a text that contains \"{text}\""),
                Form::Around { before, inside, after } => {
                    format!("{before}{}{after}", inside.shown())
                }
            })
            .collect();
        match forms.as_slice() {
            [] => "an error status".to_owned(),
            forms => forms.join(" (or) "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_means_every_byte() {
        let right = Expectation::exact("abc");
        assert!(right.accepts("abc"));
        for wrong in ["", "ab", "abcd", "abc\n", "Abc"] {
            assert!(!right.accepts(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn around_needs_both_ends_and_something_between() {
        let right = Expectation::around("<", Unknown::Digits, ">");
        assert!(right.accepts("<17>"));
        for wrong in ["<>", "<a>", "<17", "17>", "<17> "] {
            assert!(!right.accepts(wrong), "{wrong:?}");
        }
        // The ends must not be satisfied by the same characters.
        assert!(!Expectation::around("aa", Unknown::Hex, "aa").accepts("aaa"));
    }

    #[test]
    fn any_form_will_do_and_none_means_never() {
        let right = Expectation::exact("a").or(Expectation::contains("b"));
        assert!(right.accepts("a") && right.accepts("xby") && !right.accepts("c"));
        assert_eq!(right.describe(), "a (or) a text that contains \"b\"");
        assert!(!Expectation::default().accepts(""));
    }
}
