//! Compose files in the style of public ones, one kind of difficulty each, and a seeded generator of more.
#![allow(dead_code, clippy::unwrap_used, reason = "a helper of tests, of which each uses a part")]

use std::fs;
use std::path::Path;

mod generate;
mod list;

#[allow(unused_imports, reason = "not every test generates")]
pub use generate::generated;
pub use list::written;

/// A project: its files by name, `compose.yaml` the one that is read.
pub struct Sample {
    pub name: String,
    pub files: Vec<(String, String)>,
}

/// What every sample finds in the environment.
pub const VARIABLES: [(&str, &str); 2] = [("MY_TAG", "from-my-shell"), ("MY_PORT", "50123")];

/// Writes samples below a folder, one folder each.
pub fn write(samples: &[Sample], root: &Path) {
    for sample in samples {
        for (name, text) in &sample.files {
            let path = root.join(&sample.name).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}
