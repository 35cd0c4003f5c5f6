//! Names of files in the folder of a warm base.

/// The guest's memory.
pub(crate) const MEMORY: &str = "memory";
/// State of the processors and devices.
pub(crate) const STATE: &str = "state";
/// The disk as it was when the machine was saved.
pub(crate) const DISK: &str = "disk.qcow2";
/// The guest's console when it was made.
pub(super) const CONSOLE: &str = "console/console.log";
/// The guest's uploads, while it is made.
pub(super) const UPLOADS: &str = "uploads";
