//! A network namespace of one's own, with nothing in it but a loopback interface and the exchange's socket.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Port of the exchange, as the seed has it.
pub const HOST_PORT: u16 = 3003;

/// Moves this process, which must have one thread, into a user and network namespace of its own and brings
/// loopback up there. The user keeps its own id: files are read and made as before.
///
/// # Errors
/// When the system refuses (Ubuntu's AppArmor restriction, a container without namespaces).
pub fn enter() -> io::Result<()> {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    match unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            fs::write("/proc/self/setgroups", "deny").or_else(|e| ignore_missing(&e))?;
            fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
        }
        // A privileged process in a container may have network namespaces without user namespaces.
        Err(_) if uid.is_root() => unshare(CloneFlags::CLONE_NEWNET)?,
        Err(e) => return Err(e.into()),
    }
    loopback_up()
}

fn ignore_missing(error: &io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(io::Error::new(error.kind(), error.to_string())) }
}

/// Sets IFF_UP on `lo` (netdevice(7)).
fn loopback_up() -> io::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain old data; all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(i16::MAX);
    // SAFETY: the descriptor is open, and the request is a live, initialised `ifreq` with a terminated name.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Listens at the seed's address in the namespace that this process is in.
///
/// # Errors
/// When the port is taken.
pub fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, HOST_PORT))
}

/// True when the host's port 3003 is in use.
#[must_use]
pub fn port_is_taken() -> bool {
    listen().is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
}
