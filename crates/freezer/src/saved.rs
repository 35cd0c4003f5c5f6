//! What is kept of a frozen process, and what `/proc` says of a living one.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use futon_common::stamp;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde::{Deserialize, Serialize};

use super::thread::{SYSCALL, ThreadState};
use super::{ABOUT, Result, failed, host};

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
    /// By how many nanoseconds timers may be late (PR_SET_TIMERSLACK).
    pub(super) timer_slack: u64,
    /// The kernel's `struct sigaction`, 32 bytes in hexadecimal, by signal number.
    pub(super) actions: Vec<(u64, String)>,
    pub(super) descriptors: Vec<Descriptor>,
    /// The programs and libraries that are mapped, not copied.
    pub(super) programs: Vec<Program>,
}

impl Saved {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let about = fs::read(folder.join(ABOUT)).map_err(failed("its description"))?;
        serde_json::from_slice(&about).map_err(failed("its description"))
    }

    /// Whether the host and the libraries are those that it knew.
    pub(super) fn check(&self) -> Result<()> {
        if self.host != host()? {
            return Err("the host's kernel or processor changed, or it was booted again".into());
        }
        match self.programs.iter().find(|program| Program::of(&program.path).as_ref() != Ok(*program)) {
            Some(program) => Err(format!("{} changed", program.path.display())),
            None => Ok(()),
        }
    }
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

impl Program {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let (size, mtime_ns) = stamp(path).map_err(failed(&path.to_string_lossy()))?;
        Ok(Self { path: path.to_owned(), size, mtime_ns })
    }
}

/// Memory for the arguments of system calls; no program has anything there.
pub(super) const SCRATCH: Range = Range { begin: 0x1_0000_0000, end: 0x1_0001_0000 };

/// The code that the kernel gives to every process.
pub(super) struct KernelCode {
    /// All of it, hexadecimal.
    pub(super) code: String,
    /// Address of a `syscall` instruction in it.
    pub(super) syscall: u64,
}

impl KernelCode {
    pub(super) fn of(mappings: &[Mapping], memory: &File) -> Result<Self> {
        let range = mappings.iter().find(|mapping| mapping.name == "[vdso]").ok_or("it has no vDSO")?.range;
        let mut code = vec![0; usize::try_from(range.length()).map_err(failed("the vdso"))?];
        memory.read_exact_at(&mut code, range.begin).map_err(failed("the vdso"))?;
        let place = code.windows(SYSCALL.len()).position(|bytes| bytes == SYSCALL);
        let place = place.ok_or("the vDSO has no system call instruction")? as u64;
        Ok(Self { code: hex::encode(code), syscall: range.begin + place })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Descriptor {
    pub(super) number: u64,
    /// `O_…` bits.
    pub(super) flags: u64,
    pub(super) kind: Kind,
    /// Locks of this open file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) locks: Vec<Lock>,
}

/// A lock of an open file (`F_OFD_SETLK` in fcntl(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    /// Whether others may read meanwhile, or may not even that.
    pub(super) exclusive: bool,
    pub(super) begin: u64,
    /// 0: to the file's end, wherever that is.
    pub(super) length: u64,
}

impl Lock {
    /// The locks in a file's `fdinfo` (proc(5)), whose lines are those of `/proc/locks`. `None`: there is one of another kind.
    fn all(info: &str) -> Option<Vec<Self>> {
        let lines = info.lines().filter_map(|line| line.strip_prefix("lock:"));
        lines
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let ["OFDLCK", "ADVISORY", access @ ("READ" | "WRITE"), .., begin, end] = words.get(1..)? else {
                    return None;
                };
                let begin: u64 = begin.parse().ok()?;
                let length = if *end == "EOF" { 0 } else { end.parse::<u64>().ok()?.checked_sub(begin)? + 1 };
                Some(Self { exclusive: *access == "WRITE", begin, length })
            })
            .collect()
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Handed over by whoever starts the new process.
    Inherited,
    /// Another descriptor of the same open file.
    Copy {
        of: u64,
    },
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
    parse_mappings(&text).ok_or_else(|| "cannot parse the kernel's list of its memory".into())
}

fn parse_mappings(text: &str) -> Option<Vec<Mapping>> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        let first = line.split(' ').next()?;
        // What was written and is swapped out counts as swapped alone.
        if let Some(size) = line.strip_prefix("Anonymous:").or_else(|| line.strip_prefix("Swap:")) {
            found.last_mut()?.written |= size.trim() != "0 kB";
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
        let kind = kind.ok_or_else(|| format!("it has {} open, which cannot be saved", target.display()))?;
        let locks = Lock::all(&info).ok_or_else(|| format!("it has locked {}", target.display()))?;
        let flags = field(&info, "flags:").and_then(|text| u64::from_str_radix(text, 8).ok());
        found.push(Descriptor { number, flags: flags.ok_or("its files: no flags")?, kind, locks });
    }
    found.sort_by_key(|descriptor| descriptor.number);
    Ok(found)
}

/// The value of a line `NAME: VALUE`, as in `fdinfo` and `status` (proc(5)); `name` has the colon.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// A socket of another process, if it is one that a new one can stand for. The process must be one that this thread traces.
fn idle_socket(pid: i32, number: u64) -> Option<Kind> {
    let process = pidfd_open(rustix::process::Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let copy = pidfd_getfd(process, i32::try_from(number).ok()?, PidfdGetfdFlags::empty()).ok()?;
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
        // A semaphore (EFD_SEMAPHORE; Linux 6.5 and later say so) counts down one by one.
        "anon_inode:[eventfd]" if field(info, "eventfd-semaphore:").is_some_and(|is| is != "0") => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_of_mappings_is_read() {
        let text = "555555554000-555555600000 r--p 00001000 fe:01 42                         /usr/lib/a b.so\n\
                    Rss:                 640 kB\nAnonymous:             0 kB\nSwap:                  0 kB\nVmFlags: rd mr mw me sd \n\
                    555555600000-555555700000 rw-p 00000000 fe:01 42                         /usr/lib/a b.so\n\
                    Anonymous:             0 kB\nSwap:                  4 kB\nVmFlags: rd wr mr mw me ac sd \n\
                    7ffff0000000-7ffff0001000 rw-s 00000000 00:01 7                          /dev/zero (deleted)\n\
                    Anonymous:             4 kB\nSwap:                  0 kB\n\
                    7ffff7fc9000-7ffff7fcd000 r--p 00000000 00:00 0                          [vvar]\n\
                    ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        let found = parse_mappings(text).unwrap();
        let told: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.protection, m.shared, m.may_differ())).collect();
        assert_eq!(
            told,
            [
                ("/usr/lib/a b.so", 1, false, false),
                ("/usr/lib/a b.so", 3, false, true),
                ("/dev/zero (deleted)", 3, true, true),
                ("[vvar]", 1, false, false)
            ]
        );
        assert_eq!(
            (found[0].range.begin, found[0].range.length(), found[0].place),
            (0x5555_5555_4000, 0xac000, 0x1000)
        );
        assert!(parse_mappings("nonsense\n").is_none());
    }

    #[test]
    fn locks_of_open_files_are_read_and_others_refused() {
        let info = "pos:\t0\nflags:\t02100002\nlock:\t1: OFDLCK ADVISORY  READ -1 fe:01:42 100 101\n\
                    lock:\t2: OFDLCK  ADVISORY  WRITE -1 fe:01:42 0 EOF\n";
        let wanted = [Lock { exclusive: false, begin: 100, length: 2 }, Lock { exclusive: true, begin: 0, length: 0 }];
        assert_eq!(Lock::all(info).unwrap(), wanted);
        assert_eq!(Lock::all("pos:\t0\n").unwrap(), []);
        for other in [
            "lock:\t1: POSIX  ADVISORY  WRITE 7 fe:01:42 0 EOF\n",
            "lock:\t1: FLOCK  ADVISORY  WRITE 7 fe:01:42 0 EOF\n",
        ] {
            assert_eq!(Lock::all(other), None, "{other}");
        }
    }

    #[test]
    fn what_the_kernel_says_of_open_files_is_read() {
        let kind = |target: &str, info: &str| kind_of(target, info);
        assert_eq!(
            kind("/tmp/a file", "pos:\t12\nflags:\t0100002\n"),
            Some(Kind::File { path: "/tmp/a file".into(), position: 12 })
        );
        assert_eq!(
            kind("anon_inode:[eventfd]", "eventfd-count:               1f\n"),
            Some(Kind::Eventfd { count: 31 })
        );
        assert_eq!(
            kind("anon_inode:[signalfd]", "sigmask:\t0000000010004202\n"),
            Some(Kind::Signalfd { mask: 0x1000_4202 })
        );
        let watched = vec![Watched { descriptor: 5, events: 0x19, data: 0xab }];
        assert_eq!(
            kind("anon_inode:[eventpoll]", "tfd:        5 events:       19 data:               ab  pos:0\n"),
            Some(Kind::Epoll { watched })
        );
        for (target, info) in [
            ("/tmp/x (deleted)", "pos:\t0\n"),
            ("pipe:[7]", "pos:\t0\n"),
            ("anon_inode:[io_uring]", ""),
            ("anon_inode:[eventfd]", "eventfd-count: 0\neventfd-semaphore: 1\n"),
        ] {
            assert_eq!(kind(target, info), None, "{target}");
        }
    }
}
