//! Capabilities of a container, added and taken away as the Docker Engine does (moby, `oci/caps`).

/// Capabilities of a container that asks for nothing else.
pub(super) const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// All that a kernel 6.12 has, in the order of their numbers (capability.h).
const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// In `cap_add` and `cap_drop`: all of them.
const EVERY: &str = "ALL";

/// The capabilities of a container.
///
/// # Errors
/// The engine's words on a capability that does not exist.
pub(super) fn capabilities(add: &[String], drop: &[String]) -> Result<Vec<&'static str>, String> {
    let (add, drop) = (known(add, "CapAdd")?, known(drop, "CapDrop")?);
    if add.contains(&EVERY) {
        return Ok(ALL.into_iter().filter(|cap| !drop.contains(cap)).collect());
    }
    if drop.contains(&EVERY) {
        return Ok(add);
    }
    Ok(DEFAULT.into_iter().filter(|cap| !drop.contains(cap)).chain(add).collect())
}

/// Names in any case, with or without `CAP_`.
fn known(written: &[String], what: &str) -> Result<Vec<&'static str>, String> {
    written
        .iter()
        .map(|name| {
            let upper = name.to_uppercase();
            if upper == EVERY {
                return Ok(EVERY);
            }
            let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
            let found = ALL.into_iter().find(|cap| *cap == full);
            found.ok_or_else(|| format!("invalid {what}: unknown capability: {full:?}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(add: &[&str], drop: &[&str]) -> Result<Vec<&'static str>, String> {
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        capabilities(&list(add), &list(drop))
    }

    #[test]
    fn as_the_engine_adds_and_drops() {
        assert_eq!(made(&[], &[]).unwrap(), DEFAULT);
        let some = made(&["net_admin", "CAP_SYS_TIME"], &["mknod", "CHOWN"]).unwrap();
        assert_eq!(some.len(), 14);
        assert!(some.ends_with(&["CAP_NET_ADMIN", "CAP_SYS_TIME"]) && !some.contains(&"CAP_CHOWN"));
        assert_eq!(made(&["NET_BIND_SERVICE"], &["ALL"]).unwrap(), ["CAP_NET_BIND_SERVICE"]);
        assert_eq!(made(&["ALL"], &["NET_RAW"]).unwrap().len(), 40);
        assert!(made(&[], &["all"]).unwrap().is_empty());
        assert_eq!(made(&["NOPE"], &[]).unwrap_err(), "invalid CapAdd: unknown capability: \"CAP_NOPE\"");
    }
}
