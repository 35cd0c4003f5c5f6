//! Frozen processes: a process of several threads is written to two files, and continued from them in a new process, any
//! number of times, as CRIU does it; but without privileges, and for one kind of process: a stopped QEMU.
//!
//! What is gained: a QEMU that is continued still has the guest's code translated (`docs/decisions/frozen.md`).
//!
//! Carried over are memory, threads (with registers, blocked signals and restartable sequences), what is done on signals, files with their locks,
//! `eventfd`, `signalfd` and `epoll`. Sockets that are connected to nobody are made anew; those that the process was started with are handed to the
//! new one by number. Everything else that a process may have is looked for and is a reason not to freeze: other open files, other
//! locks, timers, pending signals, filters of system calls, shadow stacks. Not carried over, as a QEMU does not use them once it
//! runs: signal stacks and lists of robust mutexes.

mod freeze;
mod losses;
mod saved;
mod shim;
mod thaw;
mod thread;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use freeze::{check, freeze};
pub use shim::{Order, run};
pub use thaw::thaw;

/// Description of a frozen process.
pub const ABOUT: &str = "process.json";
/// Contents of its memory.
pub const CONTENT: &str = "process";

/// What a new process is to continue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thaw {
    /// Folder with [`ABOUT`] and [`CONTENT`].
    pub folder: PathBuf,
    /// Files that have another place now.
    pub moved: Vec<Moved>,
}

/// A file of a frozen process that has another place now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moved {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is.
    pub to: PathBuf,
    /// Whether it is the new process's own; all others are opened for reading only.
    pub own: bool,
}

/// Why a process cannot be frozen or continued, in words.
type Result<T> = std::result::Result<T, String>;

/// Names what failed.
fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |e| format!("{what}: {e}")
}

/// Has the programs that this process executes from now on, and their threads, find all things at the same addresses each time.
///
/// # Errors
/// When the system refuses, as some containers' do.
pub fn same_addresses() -> std::io::Result<()> {
    use nix::sys::personality::{Persona, get, set};
    set(get()? | Persona::ADDR_NO_RANDOMIZE)?;
    Ok(())
}

/// What the program in a frozen process has seen of its host: the kernel's release, the boot that its clocks count from, and the first
/// processor's model and flags, by which the C library has chosen its functions.
fn host() -> Result<String> {
    use std::io::Read;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").map_err(failed("kernel's release"))?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(failed("the host's boot"))?;
    let mut text = String::new();
    // The kernel asks each processor while it writes; the first one's lines are enough.
    let file = std::fs::File::open("/proc/cpuinfo").map_err(failed("processor"))?;
    file.take(8 << 10).read_to_string(&mut text).map_err(failed("processor"))?;
    let first = text.split("\n\n").next().unwrap_or_default();
    let seen =
        first.lines().filter(|line| ["model name", "stepping", "flags"].iter().any(|name| line.starts_with(name)));
    Ok(format!("{}\n{}\n{}", release.trim(), boot.trim(), seen.collect::<Vec<_>>().join("\n")))
}

/// Whether a folder has a frozen process in it.
pub fn is_in(folder: &Path) -> bool {
    folder.join(ABOUT).is_file()
}

/// Whether the process that is in a folder can go on here, as far as that is seen without trying.
///
/// # Errors
/// Why not.
pub fn can_go_on(folder: &Path) -> Result<()> {
    saved::Saved::read(folder)?.check()
}
