//! A container's mounts: the engine's own, and those of the service over them (moby, `daemon/oci_linux.go`, `withMounts`).

use serde_json::{Value, json};

use super::settings::Shm;

/// `/dev/shm` where nothing else is wanted.
const SHM_BYTES: u64 = 64 << 20;

/// A mount that a service or an image asks for, its source ready in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Where in the container, a clean path.
    pub(super) target: String,
    /// What.
    pub(super) source: Ready,
}

/// The source of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ready {
    /// A file or folder of the bundle; the path is relative to the container's folder.
    Bundle { path: String, read_only: bool, kind: Kind },
    /// Memory, with its options.
    Tmpfs(Vec<String>),
}

/// What a source in the bundle is, which the engine mounts in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A volume.
    Volume,
    /// A file or folder of the host's.
    Bind,
}

/// All mounts of a container, in the order in which they are made.
pub(super) fn mounts(more: &[Mounted], shm: Shm, read_only_root: bool) -> Vec<Value> {
    let covered = |path: &str| more.iter().any(|mount| mount.target == path);
    let mut made: Vec<(String, &str, String, Vec<String>)> = own(shm)
        .into_iter()
        .filter(|(to, ..)| !(covered(to) || covered("/dev") && to.starts_with("/dev/")))
        .map(|(to, kind, source, options)| {
            let options = if read_only_root && !WRITABLE.contains(&to) && !options.iter().any(|o| o == "ro") {
                [options, vec!["ro".into()]].concat()
            } else {
                options
            };
            (to.to_owned(), kind, source.to_owned(), options)
        })
        .collect();
    // Those of the engine's own that lie in the bundle, and the service's: from the outermost on.
    let file = |to: &str, from: &str| Mounted {
        target: to.to_owned(),
        source: Ready::Bundle { path: from.to_owned(), read_only: read_only_root, kind: Kind::Bind },
    };
    let files = [("/etc/resolv.conf", "resolv.conf"), ("/etc/hostname", "hostname"), ("/etc/hosts", "hosts")];
    let mut rest: Vec<Mounted> =
        files.into_iter().filter(|(to, _)| !covered(to)).map(|(to, from)| file(to, from)).collect();
    rest.extend(more.iter().cloned());
    rest.sort_by_key(|mount| mount.target.split('/').filter(|part| !part.is_empty()).count());
    for Mounted { target, source } in rest {
        made.push(match source {
            Ready::Tmpfs(options) => (target, "tmpfs", "tmpfs".to_owned(), options),
            Ready::Bundle { path, read_only, kind } => {
                let mut options = vec!["rbind".to_owned()];
                if read_only {
                    options.push("rro".into());
                }
                if kind == Kind::Bind {
                    options.push("rprivate".into());
                }
                (target, "bind", path, options)
            }
        });
    }
    made.into_iter()
        .map(|(to, kind, source, options)| json!({"destination": to, "type": kind, "source": source, "options": options}))
        .collect()
}

/// Mounts of the engine's own that stay writable where the root is read-only.
const WRITABLE: [&str; 5] = ["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"];

fn own(shm: Shm) -> Vec<(&'static str, &'static str, &'static str, Vec<String>)> {
    let mount = |to: &'static str, kind: &'static str, options: &[&str]| {
        let source = if to == "/dev/shm" { "shm" } else { kind };
        (to, kind, source, options.iter().map(|option| (*option).to_owned()).collect())
    };
    let size = match shm {
        Shm::Bytes(bytes) if bytes > 0 => format!("size={bytes}"),
        _ => format!("size={SHM_BYTES}"),
    };
    let mut all = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &size]),
    ];
    if shm == Shm::None {
        all.pop();
    }
    all
}

/// Options of a mount of memory: the engine's own, with those of the service over them.
///
/// # Errors
/// The engine's words on an option that there is not.
pub(super) fn tmpfs_options(written: &str) -> Result<Vec<String>, String> {
    let own = ["noexec", "nosuid", "nodev", "rprivate"];
    let written = written.split(',').filter(|_| !written.is_empty());
    let (mut kept, mut seen): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    // The last of those that contradict one another counts.
    for option in own.into_iter().chain(written).collect::<Vec<_>>().into_iter().rev() {
        if option == "defaults" {
            continue;
        }
        let key = match FLAGS.iter().find(|(names, _)| names.contains(&option)) {
            Some((_, key)) => key,
            None => option
                .split_once('=')
                .map(|(key, _)| key)
                .filter(|key| VALUES.contains(key))
                .ok_or_else(|| format!("Invalid tmpfs option {:?}", option.splitn(2, '=').collect::<Vec<_>>()))?,
        };
        if !seen.contains(&key) {
            seen.push(key);
            kept.insert(0, option.to_owned());
        }
    }
    Ok(kept)
}

/// Options without a value, and what they set (`github.com/moby/sys/mount`).
const FLAGS: [(&[&str], &str); 13] = [
    (&["ro", "rw"], "read-only"),
    (&["suid", "nosuid"], "set-id"),
    (&["dev", "nodev"], "devices"),
    (&["exec", "noexec"], "programs"),
    (&["sync", "async"], "sync"),
    (&["dirsync"], "dirsync"),
    (&["remount"], "remount"),
    (&["mand", "nomand"], "locks"),
    (&["atime", "noatime"], "atime"),
    (&["diratime", "nodiratime"], "diratime"),
    (&["bind", "rbind"], "bind"),
    (&["relatime", "norelatime", "strictatime", "nostrictatime"], "relatime"),
    (&["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"], "propagation"),
];

/// Options with a value.
const VALUES: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

/// A path as Go's `filepath.Clean` leaves an absolute one.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(made: &[Value]) -> Vec<&str> {
        made.iter().map(|mount| mount["destination"].as_str().unwrap()).collect()
    }

    fn tmpfs(target: &str) -> Mounted {
        Mounted { target: target.into(), source: Ready::Tmpfs(vec!["noexec".into()]) }
    }

    #[test]
    fn a_mount_of_the_service_takes_the_place_of_the_engines() {
        assert_eq!(mounts(&[], Shm::Default, false).len(), 10);
        let made = mounts(&[tmpfs("/dev/shm"), tmpfs("/etc/hosts"), tmpfs("/a/b/c")], Shm::Default, false);
        assert_eq!(made.iter().filter(|m| m["destination"] == "/dev/shm").count(), 1);
        assert!(made.iter().all(|m| m["destination"] != "/etc/hosts" || m["type"] == "tmpfs"));
        // The outermost first.
        assert_eq!(targets(&made).last(), Some(&"/a/b/c"));
        let made = mounts(&[tmpfs("/dev")], Shm::Default, false);
        assert!(!targets(&made).iter().any(|to| to.starts_with("/dev/")));
    }

    #[test]
    fn a_read_only_root_leaves_what_must_be_written() {
        let read_only = |made: &[Value], to: &str| {
            let mount = made.iter().find(|m| m["destination"] == to).unwrap().clone();
            mount["options"].as_array().unwrap().contains(&"ro".into())
        };
        let made = mounts(&[tmpfs("/t")], Shm::Default, true);
        assert!(read_only(&made, "/sys") && read_only(&made, "/sys/fs/cgroup"));
        assert!(!read_only(&made, "/proc") && !read_only(&made, "/dev/shm") && !read_only(&made, "/t"));
    }

    #[test]
    fn options_of_memory() {
        assert_eq!(tmpfs_options("").unwrap(), ["noexec", "nosuid", "nodev", "rprivate"]);
        assert_eq!(
            tmpfs_options("exec,size=1m,mode=0700,size=2m").unwrap(),
            ["nosuid", "nodev", "rprivate", "exec", "mode=0700", "size=2m"]
        );
        assert_eq!(tmpfs_options("nonsense").unwrap_err(), "Invalid tmpfs option [\"nonsense\"]");
        assert!(tmpfs_options("color=red").is_err());
    }

    #[test]
    fn shared_memory_has_the_size_that_is_wanted() {
        let of = |shm| mounts(&[], shm, false).into_iter().find(|m| m["destination"] == "/dev/shm");
        assert!(of(Shm::Default).unwrap().to_string().contains("size=67108864"));
        assert!(of(Shm::Bytes(1 << 20)).unwrap().to_string().contains("size=1048576"));
        assert!(of(Shm::None).is_none());
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!((clean("/a/../b//c/."), clean("rel"), clean("/..")), ("/b/c".into(), "/rel".into(), "/".into()));
    }
}
