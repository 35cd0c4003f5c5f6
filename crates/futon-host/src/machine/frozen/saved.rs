//! What is kept of a frozen process, and what `/proc` says of a living one.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::thread::ThreadState;
use super::{Result, failed};
use crate::machine::guard::pidfd;

/// A frozen process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// What it saw of its host.
    pub(super) host: String,
    /// Its memory, in the order of addresses.
    pub(super) areas: Vec<Area>,
    /// Pages that the kernel puts into every process; they are where they were as long as addresses are not randomised.
    pub(super) kernel_pages: Vec<Range>,
    /// Code of the one of them that is code, whose addresses the C library has looked up; hexadecimal.
    pub(super) kernel_code: String,
    /// Where the heap ends.
    pub(super) heap_end: Option<u64>,
    /// The first is the process's own.
    pub(super) threads: Vec<ThreadState>,
    /// The kernel's `struct sigaction`, 32 bytes in hexadecimal, by signal number.
    pub(super) actions: Vec<(u64, String)>,
    pub(super) descriptors: Vec<Descriptor>,
    /// The programs and libraries that are mapped, not copied.
    pub(super) programs: Vec<Program>,
}

/// An area of memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Area {
    pub(super) range: Range,
    /// `PROT_…` bits.
    pub(super) protection: u64,
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Range {
    pub(super) const fn length(self) -> u64 {
        self.end - self.begin
    }
}

/// What is in an area of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    /// Zeroes.
    Nothing,
    /// What the file of contents has from this place on.
    Kept { place: u64 },
    /// What another file has.
    File { path: PathBuf, place: u64 },
}

/// A file whose code is mapped.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) mtime_ns: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Descriptor {
    pub(super) number: u64,
    /// `O_…` bits.
    pub(super) flags: u64,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Handed over by whoever starts the new process.
    Inherited,
    File {
        path: PathBuf,
        position: u64,
    },
    /// A socket of IP that is connected to nobody, or not any more: a new one is as good.
    Socket {
        domain: u64,
        kind: u64,
    },
    Eventfd {
        count: u64,
    },
    Signalfd {
        mask: u64,
    },
    Epoll {
        watched: Vec<Watched>,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) descriptor: u64,
    pub(super) events: u32,
    pub(super) data: u64,
}

/// From `net/tcp_states.h`.
const TCP_ESTABLISHED: i32 = 1;

/// An area of a living process's memory (`/proc/PID/smaps`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range,
    pub(super) protection: u64,
    pub(super) shared: bool,
    pub(super) place: u64,
    /// A file, a name in brackets, or nothing.
    pub(super) name: String,
    /// Whether any page is the process's own: neither a file's nor untouched.
    pub(super) written: bool,
}

impl Mapping {
    /// Whether something else may be in it than in its file.
    pub(super) fn may_differ(&self) -> bool {
        let writable = self.protection & u64::from(libc::PROT_WRITE.cast_unsigned()) != 0;
        self.written || (self.shared && writable)
    }

    /// Whether the kernel put it there.
    pub(super) fn is_kernels(&self) -> bool {
        self.name == "[vdso]" || self.name.starts_with("[vvar")
    }
}

/// The areas of a process's memory without those that no process can change.
pub(super) fn mappings(pid: i32) -> Result<Vec<Mapping>> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).map_err(failed("its memory"))?;
    parse_mappings(&text).ok_or_else(|| "its memory: the kernel's list is in an unknown form".into())
}

fn parse_mappings(text: &str) -> Option<Vec<Mapping>> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        let first = line.split(' ').next()?;
        if let Some(size) = line.strip_prefix("Anonymous:") {
            found.last_mut()?.written = size.trim() != "0 kB";
        }
        if first.ends_with(':') {
            continue;
        }
        let mut fields = line.splitn(6, ' ');
        let (range, rights, place) = (fields.next()?, fields.next()?, fields.next()?);
        let (begin, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let protection = rights.bytes().map(|right| match right {
            b'r' => libc::PROT_READ,
            b'w' => libc::PROT_WRITE,
            b'x' => libc::PROT_EXEC,
            _ => 0,
        });
        found.push(Mapping {
            range: Range { begin: number(begin)?, end: number(end)? },
            protection: u64::from(protection.sum::<i32>().cast_unsigned()),
            shared: rights.ends_with('s'),
            place: number(place)?,
            // Number of the device and the file come between.
            name: fields.nth(2).unwrap_or_default().trim().to_owned(),
            written: false,
        });
    }
    found.retain(|mapping| mapping.name != "[vsyscall]");
    Some(found)
}

/// The open files of a process; `handed` are those that it inherited and a new process will.
pub(super) fn descriptors(pid: i32, handed: &[u64]) -> Result<Vec<Descriptor>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).map_err(failed("its files"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.parse().map_err(failed("its files"))?;
        let target = fs::read_link(entry.path()).map_err(failed("its files"))?;
        let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{name}")).map_err(failed("its files"))?;
        let target_text = target.to_string_lossy();
        let kind = if handed.contains(&number) {
            Some(Kind::Inherited)
        } else if target_text.starts_with("socket:") {
            idle_socket(pid, number)
        } else {
            kind_of(&target_text, &info)
        };
        let kind = kind.ok_or_else(|| format!("it has {} open, which cannot be carried over", target.display()))?;
        let flags = field(&info, "flags:").and_then(|text| u64::from_str_radix(text, 8).ok());
        found.push(Descriptor { number, flags: flags.ok_or("its files: no flags")?, kind });
    }
    found.sort_by_key(|descriptor| descriptor.number);
    Ok(found)
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// A socket of another process, if it is one that a new one can stand for. The process must be one that this thread traces.
fn idle_socket(pid: i32, number: u64) -> Option<Kind> {
    let process = pidfd(Pid::from_raw(pid)).ok()?;
    // SAFETY: the system call takes no pointers (pidfd_getfd(2), Linux 5.6).
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let copy = i32::try_from(copy).ok().filter(|copy| *copy >= 0)?;
    // SAFETY: the call has just returned this descriptor to us alone.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let option = |level: i32, name: i32| {
        let (mut value, mut length) = (0_i32, libc::socklen_t::try_from(size_of::<i32>()).ok()?);
        // SAFETY: the kernel writes at most `length` bytes to the live value.
        let result =
            unsafe { libc::getsockopt(copy.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) };
        (result == 0).then_some(value)
    };
    let (domain, kind) = (option(libc::SOL_SOCKET, libc::SO_DOMAIN)?, option(libc::SOL_SOCKET, libc::SO_TYPE)?);
    let over = match kind {
        libc::SOCK_DGRAM => true,
        // The first byte of struct tcp_info is the connection's state.
        libc::SOCK_STREAM => option(libc::IPPROTO_TCP, libc::TCP_INFO)? & 0xff != TCP_ESTABLISHED,
        _ => false,
    };
    let word = |value: i32| u64::from(value.cast_unsigned());
    (over && [libc::AF_INET, libc::AF_INET6].contains(&domain))
        .then(|| Kind::Socket { domain: word(domain), kind: word(kind) })
}

/// What `fdinfo` in proc(5) says of a file.
fn kind_of(target: &str, info: &str) -> Option<Kind> {
    let hexadecimal = |name| field(info, name).and_then(|text| u64::from_str_radix(text, 16).ok());
    Some(match target {
        _ if target.ends_with(" (deleted)") => return None,
        _ if target.starts_with('/') => {
            Kind::File { path: target.into(), position: field(info, "pos:")?.parse().ok()? }
        }
        "anon_inode:[eventfd]" => Kind::Eventfd { count: hexadecimal("eventfd-count:")? },
        "anon_inode:[signalfd]" => Kind::Signalfd { mask: hexadecimal("sigmask:")? },
        "anon_inode:[eventpoll]" => {
            let lines = info.lines().filter(|line| line.starts_with("tfd:"));
            let watched = lines.map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                Some(Watched {
                    descriptor: words.get(1)?.parse().ok()?,
                    events: u32::from_str_radix(words.get(3)?, 16).ok()?,
                    data: u64::from_str_radix(words.get(5)?, 16).ok()?,
                })
            });
            Kind::Epoll { watched: watched.collect::<Option<_>>()? }
        }
        _ => return None,
    })
}
