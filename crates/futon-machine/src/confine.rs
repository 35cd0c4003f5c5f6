//! Confines a process to what it was given (Landlock, Linux 5.13): files, and where the kernel can, TCP ports and signals.
//!
//! gem5 needs it, since its `writefile` operation accepts any path from the guest, even absolute ones and `..`. QEMU gets it against a
//! guest that breaks out of its emulated devices.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

/// What a process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Folders and files that it may write to, and read.
    pub write: Vec<PathBuf>,
    /// Folders and files that it may read and execute, beside the system's programs and libraries; everything when absent.
    #[serde(default)]
    pub read: Option<Vec<PathBuf>>,
    /// TCP ports that it may connect to (Linux 6.7); all when absent. With them it listens nowhere.
    #[serde(default)]
    pub connect: Option<Vec<u16>>,
    /// Whether it runs unconfined on a host that cannot enforce this.
    #[serde(default)]
    pub best_effort: bool,
}

/// Files that programs write to as a matter of course, and that keep nothing.
const HARMLESS: [&str; 2] = ["/dev/null", "/dev/kvm"];

/// What every dynamically linked program reads: itself, its libraries and their data, and what the C library asks of the system.
const SYSTEM: [&str; 25] = [
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/gnutls",
    "/etc/gcrypt",
    "/etc/crypto-policies",
    "/etc/qemu",
    "/dev/urandom",
    "/dev/zero",
    "/proc/sys",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm",
];

/// Accesses of the first version suffice to keep files from being read and written; those of later versions are taken where the kernel has
/// them.
const LEAST: ABI = ABI::V1;
const WANTED: ABI = ABI::V6;

/// From here on this process, which must have one thread, and its children may do what `confinement` says, and write to `log`.
///
/// # Errors
/// When the kernel cannot enforce it, in words for people.
pub(super) fn to(confinement: &Confinement, log: &Path) -> Result<(), String> {
    // The rule for a file needs the file.
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|e| format!("cannot write {}: {e}", log.display()))?;
    let status = restrict(confinement, log).map_err(|e| unavailable(&e.to_string()))?;
    match status {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(unavailable("the kernel does not enforce it")),
    }
}

fn restrict(confinement: &Confinement, log: &Path) -> Result<RulesetStatus, landlock::RulesetError> {
    let Confinement { write, read, connect, .. } = confinement;
    let kept_from = |abi| if read.is_some() { AccessFs::from_all(abi) } else { AccessFs::from_write(abi) };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(kept_from(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(kept_from(WANTED))?;
    if connect.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp | AccessNet::BindTcp)?;
    }
    if read.is_some() {
        // Other processes of the same user are none of its business.
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut created = ruleset.create()?;
    let mut allow = |path: &Path, access: BitFlags<AccessFs>| -> Result<(), landlock::RulesetError> {
        // What is not there cannot be opened either.
        let Ok(fd) = PathFd::new(path) else { return Ok(()) };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(WANTED) };
        (&mut created).add_rule(PathBeneath::new(fd, access))?;
        Ok(())
    };
    let harmless = HARMLESS.iter().map(Path::new);
    for path in write.iter().map(PathBuf::as_path).chain(harmless).chain([log]) {
        allow(path, kept_from(WANTED))?;
    }
    if let Some(read) = read {
        for path in read.iter().map(PathBuf::as_path).chain(SYSTEM.iter().map(Path::new)) {
            allow(path, AccessFs::from_read(WANTED))?;
        }
    }
    for port in connect.iter().flatten() {
        (&mut created).add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(created.restrict_self()?.ruleset)
}

fn unavailable(why: &str) -> String {
    format!("this host cannot confine it (Landlock: {why})")
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
