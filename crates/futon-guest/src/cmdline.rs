//! The kernel's command line as words and values. Pure but for [`read`].

use std::fs;

/// The words of a kernel command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    words: Vec<String>,
}

/// The running kernel's command line; empty where it cannot be read.
pub(crate) fn read() -> CommandLine {
    CommandLine::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
}

impl CommandLine {
    /// Splits at blanks that are not between double quotes; the quotes themselves go.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        for character in text.chars() {
            match character {
                '"' => quoted = !quoted,
                blank if blank.is_whitespace() && !quoted => {
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                }
                other => word.push(other),
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        Self { words }
    }

    /// Whether the bare word stands there.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word == flag)
    }

    /// The last value given to `name`, as the kernel takes the last one too.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().rev().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

#[cfg(test)]
mod tests {
    use super::CommandLine;

    #[test]
    fn values_flags_and_quotes() {
        let line = CommandLine::parse("console=ttyS0 root=/dev/vda rw  futon.note=\"two words\" quiet\n");
        assert_eq!(line.value("root"), Some("/dev/vda"));
        assert_eq!(line.value("futon.note"), Some("two words"));
        assert!(line.has("rw") && line.has("quiet"));
        assert!(!line.has("root") && !line.has("ro"));
        assert_eq!(line.value("roo"), None);
    }

    #[test]
    fn the_last_value_wins() {
        assert_eq!(CommandLine::parse("root=/dev/sda root=/dev/vda").value("root"), Some("/dev/vda"));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(CommandLine::parse("  \n"), CommandLine::default());
        assert_eq!(CommandLine::parse("root=").value("root"), Some(""));
    }
}
