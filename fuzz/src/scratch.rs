//! Folders that live as long as one input.

/// Where they are made, if this is set: whoever started the target takes away what it leaves when it is ended.
const FOLDER: &str = "FUTON_FUZZ_SCRATCH";

/// A folder of its own.
pub fn folder() -> tempfile::TempDir {
    match std::env::var_os(FOLDER) {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    }
    .expect("a folder for one input")
}
