//! Confines a process to the folders that it may write to (Landlock, Linux 5.13). Reading stays as it was.
//!
//! gem5 needs it: its `writefile` operation accepts any path from the guest, even absolute ones and `..`.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus,
};

/// Files that programs write to as a matter of course, and that keep nothing.
const HARMLESS: [&str; 2] = ["/dev/null", "/dev/kvm"];

/// Accesses of the first version suffice to keep files from being written; those of later versions are taken where
/// the kernel has them.
const LEAST: ABI = ABI::V1;
const WANTED: ABI = ABI::V5;

/// From here on this process, which must have one thread, and its children write below `folders` and to `log` alone.
///
/// # Errors
/// When the kernel cannot enforce it, in words for people.
pub(super) fn to(folders: &[PathBuf], log: &Path) -> Result<(), String> {
    // The rule for a file needs the file.
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|e| format!("cannot write {}: {e}", log.display()))?;
    let status = restrict(folders, log).map_err(|e| unavailable(&e.to_string()))?;
    match status {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(unavailable("the kernel does not enforce it")),
    }
}

fn restrict(folders: &[PathBuf], log: &Path) -> Result<RulesetStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_write(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(WANTED))?
        .create()?;
    let harmless = HARMLESS.iter().map(Path::new);
    for path in folders.iter().map(PathBuf::as_path).chain(harmless).chain([log]) {
        // A folder that is not there cannot be written to either.
        let Ok(fd) = PathFd::new(path) else { continue };
        let allowed = if path.is_dir() {
            AccessFs::from_write(WANTED)
        } else {
            AccessFs::from_write(WANTED) & AccessFs::from_file(WANTED)
        };
        ruleset = ruleset.add_rule(PathBeneath::new(fd, allowed))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

fn unavailable(why: &str) -> String {
    format!("this host cannot confine it to its run folder (Landlock: {why})")
}

/// Whether this host can confine a process: the kernel has Landlock and has it switched on.
#[must_use]
pub fn confinement_works() -> bool {
    // The version query takes no pointers and changes nothing (landlock_create_ruleset(2)).
    const VERSION: libc::c_uint = 1;
    // SAFETY: with a null pointer, size 0 and the version flag the system call returns a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    version >= 1
}
