//! What this host has for machines in QEMU, and for building resources and images.

use std::path::{Path, PathBuf};

use futon_common::{Result, Setup};
use futon_machine::{HOST_PORT, namespace_works, port_is_taken};
use futon_qemu::{AcceleratorRequest, choose_accelerator, qemu_version};
use futon_resources::{BASE_IMAGE, COMPOSE, FUTON_GUEST, INITRD, KERNEL, Manifest, TEST_CLIENT};
use futon_terminal::Ui;

use crate::{Finding, State, missing, note, ok};

/// What of the host is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Folder of the resources.
    pub resources: &'a Path,
    /// Leave out the resources themselves: only what building them needs.
    pub host_only: bool,
    /// Try KVM again even if an earlier result is known.
    pub probe: bool,
}

/// Programs for everything but gem5, and the packages that bring them.
const PROGRAMS: [(&str, &str, &str); 13] = [
    ("qemu-system-x86_64", "qemu-system-x86", "runs the guest"),
    ("qemu-img", "qemu-utils", "makes the disks"),
    ("mmdebstrap", "mmdebstrap", "builds the base image"),
    ("mke2fs", "e2fsprogs", "builds the base image"),
    ("buildah", "buildah", "builds function images"),
    ("skopeo", "skopeo", "fetches images from registries"),
    ("chroot", "coreutils", "builds function images"),
    ("unshare", "util-linux", "builds function images"),
    ("dpkg-deb", "dpkg", "builds function images"),
    ("gpg", "gpg", "tells mmdebstrap which keys are Debian's"),
    ("cpio", "cpio", "builds the initrd and the lean guest"),
    ("xz", "xz-utils", "unpacks kernel modules"),
    ("zstd", "zstd", "unpacks kernels"),
];

/// What this host has for machines in QEMU.
///
/// # Errors
/// When a probe cannot be made at all.
pub async fn qemu(host: &Host<'_>, ui: &mut Ui) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (program, package, why) in PROGRAMS {
        findings.push(match in_path(program) {
            Some(path) => ok(program, format!("{} ({why})", path.display())),
            None => missing(program, format!("{why}; {}", by_package(package))),
        });
    }
    findings.push(keyring());
    findings.push(subordinate_ids());
    findings.push(namespaces_for_recipes().await);
    findings.extend(disk_space(host.resources));
    findings.push(match namespace_works().await? {
        Ok(()) => ok("network namespaces", "each machine gets its own"),
        Err(why) => note(
            "network namespaces",
            format!(
                "not available ({why}): one machine at a time on the host's port {HOST_PORT}{}",
                match Setup::here() {
                    Setup::Source => "; `make setup` offers an AppArmor profile",
                    Setup::Installed => "",
                }
            ),
        ),
    });
    if port_is_taken() {
        findings.push(note("port 3003", "used by another program; only --network host and `futon serve` need it"));
    }
    if host.host_only {
        return Ok(findings);
    }
    let folder = host.resources;
    findings.extend(resource_findings(folder));
    if let Ok(version) = qemu_version().await {
        ui.start("probing kvm");
        let cache = futon_prepare::places::probe_file(folder);
        if host.probe {
            // Discards an earlier probe's result.
            let _ = std::fs::remove_file(&cache);
        }
        let (kernel, initrd) = (folder.join(KERNEL), folder.join(INITRD));
        let choice = choose_accelerator(AcceleratorRequest::Auto, &version, &kernel, Some(&initrd), &cache).await;
        ui.stop();
        let choice = choice?;
        let state = if choice.accelerator == futon_model::Accelerator::Kvm { State::Ok } else { State::Note };
        findings.push(Finding {
            name: "accelerator".into(),
            state,
            detail: format!("{}: {}", choice.accelerator.word(), choice.reason),
        });
    }
    Ok(findings)
}

fn resource_findings(folder: &Path) -> Vec<Finding> {
    let manifest = Manifest::read(folder).unwrap_or_default();
    let make = match Setup::here() {
        Setup::Source => "`make resources`",
        Setup::Installed => "`futon resources build`",
    };
    [BASE_IMAGE, KERNEL, INITRD, COMPOSE, TEST_CLIENT, FUTON_GUEST]
        .iter()
        .map(|name| {
            let path = folder.join(name);
            match manifest.check(folder, name) {
                Some(problem) => missing(name, format!("{}: {problem}; {make} makes it", path.display())),
                None if !path.is_file() => missing(name, format!("not in {}; {make} makes it", folder.display())),
                None => ok(name, path.display().to_string()),
            }
        })
        .collect()
}

/// Debian's packages are believed by this.
fn keyring() -> Finding {
    const NAME: &str = "Debian's keys";
    let path = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if Path::new(path).is_file() {
        ok(NAME, path)
    } else {
        missing(NAME, format!("no {path}; {}", by_package("debian-archive-keyring")))
    }
}

/// Recipes unpack Debian roots in a mount namespace: root's, or that of a user in a user namespace.
async fn namespaces_for_recipes() -> Finding {
    const NAME: &str = "mount namespaces";
    let words: &[&str] = if nix::unistd::getuid().is_root() {
        &["--mount", "true"]
    } else {
        &["--user", "--map-root-user", "--mount", "true"]
    };
    let output = tokio::process::Command::new("unshare").args(words).stdin(std::process::Stdio::null()).output().await;
    match output {
        Ok(output) if output.status.success() => ok(NAME, "recipes can unpack Debian roots"),
        // Where AppArmor keeps them from programs that it does not know, it knows mmdebstrap and buildah.
        Ok(_) if restricted_by_apparmor() => {
            note(NAME, "AppArmor denies them to unknown programs; the recipes' programs have a profile")
        }
        Ok(output) => missing(
            NAME,
            format!(
                "not available ({}): building resources and images needs them; unprivileged containers and chroots deny them",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        ),
        Err(e) => missing(NAME, format!("unshare: {e}")),
    }
}

fn restricted_by_apparmor() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        .is_ok_and(|text| text.trim() == "1")
}

/// Space for building resources and all sample images, MiB; a run takes some hundred.
const ROOM_TO_BUILD: u64 = 6000;

/// Free space for resources, in the folder or the nearest above it that is there.
fn disk_space(resources: &Path) -> Option<Finding> {
    const NAME: &str = "disk space";
    let folder = std::path::absolute(resources).ok()?;
    let folder = folder.ancestors().find(|folder| folder.is_dir())?;
    let about = nix::sys::statvfs::statvfs(folder).ok()?;
    let free = about.blocks_available().saturating_mul(about.fragment_size()) >> 20;
    let detail = format!("{free} MiB free in {}", folder.display());
    Some(if free >= ROOM_TO_BUILD {
        ok(NAME, detail)
    } else {
        note(NAME, format!("{detail}; building all resources and images takes about {ROOM_TO_BUILD} MiB"))
    })
}

/// Recipes map many user ids; only root does so without subordinate ids.
fn subordinate_ids() -> Finding {
    const NAME: &str = "subordinate ids";
    let uid = nix::unistd::getuid();
    if uid.is_root() {
        return ok(NAME, "not needed as root");
    }
    let text = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    // Static glibc has no name service: the user's name is taken from the environment, as shells set it.
    let user = std::env::var("USER").unwrap_or_default();
    let owner =
        |line: &str| line.split(':').next().is_some_and(|o| o == uid.to_string() || (!user.is_empty() && o == user));
    if !text.lines().any(owner) {
        let how = Setup::here().or("setup", "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER");
        return missing(NAME, format!("building images needs a range in /etc/subuid and /etc/subgid; {how} adds one"));
    }
    match in_path("newuidmap") {
        Some(_) => ok(NAME, "/etc/subuid has a range for this user"),
        None => missing(NAME, format!("newuidmap; {}", by_package("uidmap"))),
    }
}

/// How to get a package.
fn by_package(package: &str) -> String {
    Setup::here().or("setup", &format!("apt-get install {package}"))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's mke2fs is not in ordinary users' PATH.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(program)).find(|file| file.is_file())
}
