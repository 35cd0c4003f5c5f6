//! Files in systemd's syntax (systemd.syntax(7)): sections of assignments.

/// The assignments of a unit and its drop-ins, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unit(Vec<(String, String, String)>);

impl Unit {
    /// Adds a file's assignments: comments are left out, lines that end with a backslash go on in the next.
    pub(super) fn read(&mut self, text: &str) {
        let (mut section, mut begun) = (String::new(), String::new());
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                begun.push_str(part);
                begun.push(' ');
                continue;
            }
            let whole = std::mem::take(&mut begun) + line;
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = whole.split_once('=') {
                self.0.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// What a key is set to; an empty value takes back those before it.
    pub(super) fn values(&self, section: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, _, value) in self.0.iter().filter(|(s, k, _)| s == section && k == key) {
            if value.is_empty() { values.clear() } else { values.push(value.as_str()) }
        }
        values
    }

    /// What a key was set to last.
    pub(super) fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).pop()
    }

    /// Conditions and assertions on which it depends whether the unit runs.
    pub(super) fn conditions(&self) -> Vec<&str> {
        let keys = self.0.iter().filter(|(section, ..)| section == "Unit").map(|(_, key, _)| key.as_str());
        keys.filter(|key| key.starts_with("Condition") || key.starts_with("Assert")).collect()
    }

    /// Whether any value mentions something.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.0.iter().any(|(_, _, value)| value.contains(word))
    }
}

/// A pattern of a shell's, with `*` and `?`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest.as_str(), &name[at..]))
        }
        Some(one) => {
            let mut letters = name.chars();
            letters.next().is_some_and(|letter| one == '?' || one == letter) && fits(rest.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_systemd_does() {
        let mut unit = Unit::default();
        unit.read("# x\n[Unit]\nWants = a.service \\\n  b.service\n[Service]\nExecStart=/one\n; y\nExecStart=/two\n");
        assert_eq!(unit.values("Unit", "Wants"), ["a.service  b.service"]);
        assert_eq!(unit.values("Service", "ExecStart"), ["/one", "/two"]);
        unit.read("[Service]\nExecStart=\nExecStart = /three\n");
        assert_eq!(unit.values("Service", "ExecStart"), ["/three"]);
        assert!(unit.mentions("three") && !unit.mentions("[Unit]") && unit.last("Unit", "After").is_none());
    }

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, fit) in [
            ("en*", "enp0s3", true),
            ("e?h0", "eth0", true),
            ("*", "", true),
            ("wl*", "eth0", false),
            ("eth", "eth0", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
