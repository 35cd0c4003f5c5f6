//! The lean guest's init: mounts, network, the run script, and the end of the machine when that has ended.

use std::{
    fs, io,
    process::{Child, Command, Stdio},
};

use guest_net::{Context, Error, Result};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::wait::{WaitStatus, wait},
    unistd::{Pid, chdir, chroot, sethostname},
};

use super::net;
use crate::{cmdline::CommandLine, console::say, power};

const CGROUPS: &str = "/sys/fs/cgroup";
const PATH: &str = "/usr/bin";
/// Most files that one process may ever have open: the largest that the kernel takes (systemd, `src/core/main.c`).
const OPEN_FILES_MAX: &str = "1073741816";

/// Runs the guest. `/proc`, `/sys` and `/dev` are mounted. Returns only with an error; the kernel then panics, which the host sees.
pub(crate) fn run(cmdline: &CommandLine) -> Result<()> {
    become_a_root_that_can_be_left()?;
    mount_rest()?;
    sethostname("futon").context("cannot set the host name")?;
    net::set_up()?;
    let me = fs::read_link("/proc/self/exe").context("cannot find myself")?;
    let mut service = if cmdline.has("futon.shell") {
        say("futon: a shell; `exit` switches the machine off");
        let mut shell = Command::new("/bin/sh");
        let console =
            fs::File::options().read(true).write(true).open("/dev/console").context("cannot open the console")?;
        shell.arg("-l").stdin(console);
        shell
    } else {
        let mut service = Command::new(me);
        service.arg("init").stdin(Stdio::null());
        service
    };
    let child = service
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("USER", "root")
        .env("TERM", "linux")
        .current_dir("/")
        .spawn()
        .context("cannot start the service")?;
    reap_until_it_ends(&child)?;
    match power::off()? {}
}

/// A container's runtime changes its root with `pivot_root`, which refuses while the root is the kernel's first one.
/// A mount of it over itself is another.
fn become_a_root_that_can_be_left() -> Result<()> {
    let nothing = None::<&str>;
    make("/newroot")?;
    mount(Some("/"), "/newroot", nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing)
        .context("cannot bind the root")?;
    chdir("/newroot").context("cannot enter the root")?;
    mount(Some("."), "/", nothing, MsFlags::MS_MOVE, nothing).context("cannot move the root")?;
    chroot(".").context("cannot change root")?;
    chdir("/").context("cannot enter the new root")?;
    // Runtimes want their changes to stay with them.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).context("cannot make mounts private")
}

fn mount_rest() -> Result<()> {
    let hard = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, target, flags, options) in [
        ("tmpfs", "/run", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=755,size=90%"),
        ("tmpfs", "/dev/shm", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777"),
        ("devpts", "/dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5"),
        ("cgroup2", CGROUPS, hard, ""),
    ] {
        make(target)?;
        let options = (!options.is_empty()).then_some(options);
        mount(Some(kind), target, Some(kind), flags, options)
            .context(format_args!("cannot mount {kind} on {target}"))?;
    }
    // As systemd does: containers' limit of open files is the docker base's, and the kernel's own bound is far below it.
    fs::write("/proc/sys/fs/nr_open", OPEN_FILES_MAX).context("cannot raise fs.nr_open")?;
    // One by one: a kernel need not have all of them, and what a container asks for is missed there.
    for controller in ["cpuset", "cpu", "io", "memory", "pids"] {
        let _ = fs::write(format!("{CGROUPS}/cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

fn make(path: &str) -> Result<()> {
    fs::create_dir_all(path).context(format_args!("cannot make {path}"))
}

/// Init is every orphan's parent.
fn reap_until_it_ends(child: &Child) -> Result<()> {
    let child = Pid::from_raw(i32::try_from(child.id()).context("odd process id")?);
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid == child => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Error::from(io::Error::from(error))),
        }
    }
}
