//! `/init` of the initramfs: loads the drivers of the root disk, mounts it and hands over to its `/sbin/init`.
//!
//! It waits for the root disk without end and says every few seconds what it sees instead: how long a boot may take is for the host to say.

use std::{
    ffi::CString,
    fs,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use guest_net::{Context, Error, Result};
use nix::{
    mount::{MsFlags, mount},
    unistd::{chdir, chroot, execv},
};

use crate::{cmdline::CommandLine, console::say, power};

/// One driver a line: its file, then optionally the start of the `root=` values that need it.
const MODULE_LIST: &str = "/modules.list";
const NEW_ROOT: &str = "/root";
const READ_AHEAD_KIB: &str = "1024";
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SPEAK_EVERY: Duration = Duration::from_secs(5);

/// Boots. Returns only with an error; the kernel then panics, which the host sees.
pub(crate) fn run() -> Result<()> {
    mount_kernel_filesystems()?;
    let cmdline = crate::cmdline::read();
    if cmdline.has("futon.probe") {
        say("futon-probe: ok");
        power::off()?;
    }
    if crate::lean::is_named_in(&cmdline) {
        return crate::lean::init(&cmdline);
    }
    let root = cmdline
        .value("root")
        .filter(|root| root.starts_with("/dev/"))
        .ok_or_else(|| Error::new("no root=/dev/… on the kernel command line"))?;
    load_modules(root)?;
    wait_for(root);
    read_ahead_far(root);
    let flags = if cmdline.has("ro") && !cmdline.has("rw") { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    let kind = cmdline.value("rootfstype").unwrap_or("ext4");
    make_dir(NEW_ROOT)?;
    mount_root(root, kind, flags)?;
    switch_root(&cmdline)
}

/// Mounts the root disk. Where the disk is memory, its files are used in place, if kernel and file system can: no copies of them.
fn mount_root(root: &str, kind: &str, flags: MsFlags) -> Result<()> {
    let in_place = root.starts_with("/dev/pmem").then_some("dax=always");
    if in_place.is_some() && mount(Some(root), NEW_ROOT, Some(kind), flags, in_place).is_ok() {
        return Ok(());
    }
    mount(Some(root), NEW_ROOT, Some(kind), flags, None::<&str>).context(format_args!("cannot mount {root} as {kind}"))
}

fn make_dir(path: &str) -> Result<()> {
    fs::create_dir_all(path).context(format_args!("cannot make {path}"))
}

fn mount_kernel_filesystems() -> Result<()> {
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        make_dir(target)?;
        match mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>) {
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(Error::new(format!("cannot mount {kind} on {target}: {error}"))),
        }
    }
    Ok(())
}

/// The drivers of the list that `root` needs, in order.
fn needed_modules<'a>(list: &'a str, root: &str) -> Vec<&'a str> {
    list.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let file = words.next()?;
            words.next().is_none_or(|start| root.starts_with(start)).then_some(file)
        })
        .collect()
}

fn load_modules(root: &str) -> Result<()> {
    let list = fs::read_to_string(MODULE_LIST).unwrap_or_default();
    for path in needed_modules(&list, root) {
        let file = fs::File::open(path).context(format_args!("cannot open {path}"))?;
        // SAFETY: the call reads an open file and an empty, zero-ended string.
        let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
        let error = std::io::Error::last_os_error();
        if result != 0 && error.raw_os_error() != Some(libc::EEXIST) {
            say(&format!("futon-init: cannot load {path}: {error}"));
        }
    }
    Ok(())
}

fn wait_for(device: &str) {
    let mut spoken = Instant::now();
    let began = spoken;
    while !Path::new(device).exists() {
        if spoken.elapsed() >= SPEAK_EVERY {
            spoken = Instant::now();
            let waited = began.elapsed().as_secs();
            say(&format!(
                "futon-init: waiting for root device {device} since {waited} s; block devices: {}",
                devices()
            ));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Large programs are read from the disk piece by piece as they are touched: few large pieces are much faster where
/// every access to the disk is emulated. A disk that has no such setting (a partition) is left as it is.
fn read_ahead_far(device: &str) {
    if let Some(name) = Path::new(device).file_name().and_then(|name| name.to_str()) {
        let _ = fs::write(format!("/sys/block/{name}/queue/read_ahead_kb"), READ_AHEAD_KIB);
    }
}

fn devices() -> String {
    let mut names: Vec<String> = fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn switch_root(cmdline: &CommandLine) -> Result<()> {
    // What stays behind in the initramfs takes memory for good.
    for path in fs::read_to_string(MODULE_LIST).unwrap_or_default().lines().filter_map(|line| line.split(' ').next()) {
        let _ = fs::remove_file(path);
    }
    let _ = fs::remove_file("/init");
    for folder in ["/dev", "/proc", "/sys"] {
        let target = format!("{NEW_ROOT}{folder}");
        mount(Some(folder), target.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .context(format_args!("cannot move {folder} to the root disk"))?;
    }
    chdir(NEW_ROOT).context("cannot enter the root disk")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).context("cannot move the root disk to /")?;
    chroot(".").context("cannot change root")?;
    chdir("/").context("cannot enter the new root")?;
    let init = cmdline.value("init").unwrap_or("/sbin/init");
    let program = CString::new(init).context("init= holds a zero byte")?;
    let mut arguments = vec![program.clone()];
    arguments.extend(std::env::args_os().skip(1).filter_map(|word| CString::new(word.as_bytes()).ok()));
    let Err(error) = execv(&program, &arguments);
    Err(Error::new(format!("cannot run {init} of the root disk: {error}")))
}

#[cfg(test)]
mod tests {
    use super::needed_modules;

    #[test]
    fn only_the_drivers_of_the_root_disk_are_loaded() {
        let list = "/virtio_blk.ko\n/libata.ko /dev/sd\n/ata_piix.ko /dev/sd\n\n";
        assert_eq!(needed_modules(list, "/dev/vda"), ["/virtio_blk.ko"]);
        assert_eq!(needed_modules(list, "/dev/sda1"), ["/virtio_blk.ko", "/libata.ko", "/ata_piix.ko"]);
    }
}
