//! One start of a machine.

use std::path::{Path, PathBuf};

use super::args::Memory;
use super::warm::frozen::Thaw;

/// The guest's console, in the machine's folder.
pub(super) const CONSOLE_LOG: &str = "console.log";

/// One start of a machine.
#[derive(Debug, Clone)]
pub(super) struct Boot<'a> {
    pub(super) name: &'a str,
    pub(super) disk: &'a Path,
    pub(super) folder: &'a Path,
    /// The lean guest's images.
    pub(super) bundle: Option<&'a Path>,
    pub(super) memory: Memory,
    pub(super) begin: Begin,
}

/// How a machine begins.
#[derive(Debug, Clone)]
pub(super) enum Begin {
    /// Its power is switched on.
    PowerOn,
    /// A new QEMU takes over a state.
    TakeOver(PathBuf),
    /// A frozen QEMU continues, with its translated code.
    Thaw(Thaw),
}
