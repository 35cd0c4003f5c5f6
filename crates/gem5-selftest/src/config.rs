//! gem5's `config.ini`: what each object of the simulated machine was made with.

use std::collections::HashMap;

/// The sections of a `config.ini`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    sections: HashMap<String, HashMap<String, String>>,
}

impl Config {
    /// Reads the text of a file. Lines that are neither a section's head nor `name=value` are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut sections: HashMap<String, HashMap<String, String>> = HashMap::new();
        let mut now = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut now);
                sections.entry(now.clone()).or_default();
            } else if let Some((name, value)) = line.split_once('=') {
                sections.entry(now.clone()).or_default().insert(name.to_owned(), value.to_owned());
            }
        }
        Self { sections }
    }

    /// Whether there is such an object.
    #[must_use]
    pub fn has(&self, object: &str) -> bool {
        self.sections.contains_key(object)
    }

    /// A parameter of an object as text.
    #[must_use]
    pub fn text(&self, object: &str, name: &str) -> Option<&str> {
        self.sections.get(object)?.get(name).map(String::as_str)
    }

    /// A parameter of an object that is a number.
    ///
    /// # Errors
    /// Which one is missing.
    pub fn number(&self, object: &str, name: &str) -> Result<f64, String> {
        let text = self.text(object, name);
        text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("gem5's config.ini has no {name} of {object}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_their_parameters() {
        let config = Config::parse("[system]\ntype=System\n\nranges=0:1=2\n[system.cpu1]\nfetchWidth=8\n[empty]\n");
        assert_eq!(config.text("system", "ranges"), Some("0:1=2"));
        assert_eq!(config.number("system.cpu1", "fetchWidth"), Ok(8.0));
        assert!(config.has("empty") && !config.has("system.cpu0"));
        assert_eq!(config.number("system", "type").unwrap_err(), "gem5's config.ini has no type of system");
    }
}
