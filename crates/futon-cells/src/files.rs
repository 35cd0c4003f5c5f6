//! Files that are there completely or not at all.

use std::io::Write;
use std::path::Path;

use futon_common::{Context, Result};

/// Writes a file, and replaces one that is there.
///
/// # Errors
/// When it cannot be written; what was there stays.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).context(failed)?;
    file.write_all(content).context(failed)?;
    futon_common::readable(file.path()).context(failed)?;
    file.persist(path).context(failed)?;
    Ok(())
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
