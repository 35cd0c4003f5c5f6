//! Where these tests find what they need, and where they keep what the engine answered.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

/// The source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The resources, which `make` names as the source tree sees them: a test runs in its crate's folder.
pub fn resources() -> PathBuf {
    root().join(std::env::var_os("RESOURCES").unwrap_or_else(|| "resources".into()))
}

/// The program: beside this test's own one, or as `make programs` builds it.
pub fn futon() -> PathBuf {
    let here = Path::new(env!("CARGO_BIN_EXE_engine-trees"));
    let release = here.with_file_name("../release/futon");
    [here.with_file_name("futon"), release.clone()].into_iter().find(|path| path.is_file()).unwrap_or(release)
}

/// What is kept of the engine's answers, and used again if it is there: a change of futon's is tried in seconds.
/// `FUTON_ANSWERS` names the folder.
pub fn kept(name: &str) -> Option<PathBuf> {
    std::env::var_os("FUTON_ANSWERS").map(|folder| root().join(folder).join(name))
}
