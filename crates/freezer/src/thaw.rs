//! Continuing a frozen process in a new one.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::saved::{Area, Content, Descriptor, KernelCode, Kind, Lock, Range, SCRATCH, Saved, mappings};
use super::thread::Thread;
use super::{CONTENT, Result, Thaw, failed};

const READ_WRITE: u64 = (libc::PROT_READ | libc::PROT_WRITE).cast_unsigned() as u64;
const FIXED: u64 = (libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE).cast_unsigned() as u64;
const ZEROES: u64 = FIXED | libc::MAP_ANONYMOUS.cast_unsigned() as u64;
const NO_FILE: u64 = u64::MAX;

/// `O_…` bits that say something of the open file.
const fn bits(flags: i32) -> u64 {
    flags.cast_unsigned() as u64
}

/// Makes `pid` go on as the process that was frozen. It is a child of the calling thread, has asked to be traced, and has just executed the
/// same program with [`super::same_addresses`]; its descriptors are those that it is to inherit.
///
/// # Errors
/// When it cannot be done here and now; the child is of no use then.
pub fn thaw(pid: Pid, order: &Thaw, command: &[String]) -> Result<()> {
    let saved = Saved::read(&order.folder)?;
    saved.check()?;
    let main = Thread(pid);
    main.wait_for(&[Signal::SIGTRAP])?;
    ptrace::setoptions(pid, Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL).map_err(failed("tracing it"))?;
    let child = Child::take(main, &saved, order)?;
    child.open_descriptors(&saved.descriptors)?;
    child.map(&saved.areas)?;
    for (signal, action) in &saved.actions {
        let action = child.put(&hex::decode(action).map_err(failed("signals"))?)?;
        child.call(libc::SYS_rt_sigaction, &[*signal, action, 0, 8])?;
    }
    let threads = child.start_threads(&saved)?;
    child.name(command)?;
    for (thread, state) in threads.iter().zip(&saved.threads) {
        thread.restore(state, child.at)?;
    }
    threads.iter().try_for_each(|thread| thread.detach())
}

/// The process that becomes another one.
struct Child<'a> {
    main: Thread,
    /// Address of a `syscall` instruction.
    at: u64,
    memory: File,
    order: &'a Thaw,
}

impl<'a> Child<'a> {
    /// Takes away what a new process has.
    fn take(main: Thread, saved: &Saved, order: &'a Thaw) -> Result<Self> {
        let pid = main.0.as_raw();
        let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"));
        let memory = memory.map_err(failed("its memory"))?;
        let own = mappings(pid)?;
        let kernel_pages: Vec<Range> = own.iter().filter(|m| m.is_kernels()).map(|m| m.range).collect();
        let kernels = KernelCode::of(&own, &memory)?;
        if kernel_pages != saved.kernel_pages || kernels.code != saved.kernel_code {
            return Err("the kernel's own pages are laid out differently".into());
        }
        let child = Self { main, at: kernels.syscall, memory, order };
        // While what is between the program's end and the heap's is still free.
        if let Some(end) = saved.heap_end
            && child.call(libc::SYS_brk, &[end])? != end
        {
            return Err("its heap cannot be mapped at its old address".into());
        }
        for mapping in own.iter().filter(|mapping| !mapping.is_kernels()) {
            child.call(libc::SYS_munmap, &[mapping.range.begin, mapping.range.length()])?;
        }
        child.call(libc::SYS_mmap, &[SCRATCH.begin, SCRATCH.length(), READ_WRITE, ZEROES, NO_FILE, 0])?;
        Ok(child)
    }

    fn call(&self, number: libc::c_long, arguments: &[u64]) -> Result<u64> {
        self.main.call(self.at, number, arguments)
    }

    /// Puts an argument where the next call finds it.
    fn put(&self, bytes: &[u8]) -> Result<u64> {
        self.memory.write_all_at(bytes, SCRATCH.begin).map_err(failed("its memory"))?;
        Ok(SCRATCH.begin)
    }

    /// Opens a file that the frozen process had, where it is now.
    fn open(&self, path: &Path, flags: u64) -> Result<u64> {
        let moved = self.order.moved.iter().find(|moved| moved.from == path);
        let path = moved.map_or(path, |moved| &moved.to);
        let flags = flags & !bits(libc::O_TRUNC | libc::O_EXCL | libc::O_CREAT | libc::O_NOCTTY);
        let flags = if moved.is_some_and(|moved| moved.own) {
            flags | bits(libc::O_CREAT)
        } else if fs::metadata(path).is_ok_and(|about| about.file_type().is_char_device()) {
            flags
        } else {
            flags & !bits(libc::O_ACCMODE)
        };
        let name = self.put(&[path.as_os_str().as_bytes(), b"\0"].concat())?;
        let folder = i64::from(libc::AT_FDCWD).cast_unsigned();
        self.call(libc::SYS_openat, &[folder, name, flags, 0o600]).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn open_descriptors(&self, descriptors: &[Descriptor]) -> Result<()> {
        for Descriptor { number, flags, kind, .. } in descriptors {
            let on_exec = flags & bits(libc::O_CLOEXEC);
            let plain = flags & bits(libc::O_CLOEXEC | libc::O_NONBLOCK);
            let made = match kind {
                Kind::Inherited => {
                    self.call(libc::SYS_fcntl, &[*number, bits(libc::F_SETFL), flags & !bits(libc::O_CLOEXEC)])?;
                    continue;
                }
                Kind::File { path, position } => {
                    let made = self.open(path, *flags)?;
                    if *position > 0 && !self.order.moved.iter().any(|moved| moved.own && moved.from == *path) {
                        self.call(libc::SYS_lseek, &[made, *position, bits(libc::SEEK_SET)])?;
                    }
                    made
                }
                Kind::Copy { of } => {
                    self.call(libc::SYS_dup3, &[*of, *number, on_exec])?;
                    continue;
                }
                Kind::Socket { domain, kind } => self.call(libc::SYS_socket, &[*domain, kind | plain, 0])?,
                Kind::Eventfd { count } => self.call(libc::SYS_eventfd2, &[*count, plain])?,
                Kind::Signalfd { mask } => {
                    let mask = self.put(&mask.to_ne_bytes())?;
                    self.call(libc::SYS_signalfd4, &[NO_FILE, mask, 8, plain])?
                }
                Kind::Epoll { .. } => self.call(libc::SYS_epoll_create1, &[on_exec])?,
            };
            if made != *number {
                self.call(libc::SYS_dup3, &[made, *number, on_exec])?;
                self.call(libc::SYS_close, &[made])?;
            }
        }
        for Descriptor { number, locks, .. } in descriptors {
            for lock in locks {
                self.lock(*number, lock)?;
            }
        }
        for Descriptor { number, kind, .. } in descriptors {
            let Kind::Epoll { watched } = kind else { continue };
            for watched in watched {
                let event = self.put(&[&watched.events.to_ne_bytes()[..], &watched.data.to_ne_bytes()].concat())?;
                let add = bits(libc::EPOLL_CTL_ADD);
                self.call(libc::SYS_epoll_ctl, &[*number, add, watched.descriptor, event])?;
            }
        }
        Ok(())
    }

    /// Takes a lock anew: the frozen process held it, the new one has opened the file itself.
    fn lock(&self, descriptor: u64, lock: &Lock) -> Result<()> {
        let kind = if lock.exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
        // struct flock: kind, what the place is counted from (0, the beginning), then, aligned, place, length and no process.
        let kind = u64::from(kind.cast_unsigned());
        let words = [kind, lock.begin, lock.length, 0].map(u64::to_ne_bytes);
        let at = self.put(words.as_flattened())?;
        let set = bits(libc::F_OFD_SETLK);
        self.call(libc::SYS_fcntl, &[descriptor, set, at]).map(|_| ()).map_err(|e| format!("a file's lock: {e}"))
    }

    fn map(&self, areas: &[Area]) -> Result<()> {
        let content = self.open(&self.order.folder.join(CONTENT), 0)?;
        for Area { range, protection, content: what } in areas {
            let (begin, length) = (range.begin, range.length());
            match what {
                Content::Nothing => {
                    self.call(libc::SYS_mmap, &[begin, length, *protection, ZEROES, NO_FILE, 0])?;
                }
                Content::Kept { place } => {
                    self.call(libc::SYS_mmap, &[begin, length, *protection, FIXED, content, *place])?;
                }
                Content::File { path, place } => {
                    let file = self.open(path, 0)?;
                    self.call(libc::SYS_mmap, &[begin, length, *protection, FIXED, file, *place])?;
                    self.call(libc::SYS_close, &[file])?;
                }
            }
        }
        self.call(libc::SYS_close, &[content]).map(|_| ())
    }

    /// Starts the process's other threads, which stop at once; all of them, the first included.
    fn start_threads(&self, saved: &Saved) -> Result<Vec<Thread>> {
        const FLAGS: i32 = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SYSVSEM
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_CLEARTID;
        // Those that are started have it from the one that starts them.
        self.call(libc::SYS_prctl, &[bits(libc::PR_SET_TIMERSLACK), saved.timer_slack])?;
        let (first, others) = saved.threads.split_first().ok_or("it has no thread")?;
        let mut threads = vec![self.main];
        for state in others {
            let number =
                self.call(libc::SYS_clone, &[bits(FLAGS), state.stack(), state.number_at, state.number_at, 0])?;
            let thread = Thread(Pid::from_raw(i32::try_from(number).map_err(failed("a thread's number"))?));
            // The option to trace clones sends it one.
            thread.wait_for(&[Signal::SIGSTOP])?;
            threads.push(thread);
        }
        self.call(libc::SYS_set_tid_address, &[first.number_at])?;
        let number = self.main.0.as_raw().to_ne_bytes();
        self.memory.write_all_at(&number, first.number_at).map_err(failed("its memory"))?;
        Ok(threads)
    }

    /// Has the process listed under its own command instead of the words that happen to be at the same place in the other one's stack
    /// (PR_SET_MM_MAP in prctl(2)). Frees the scratch memory but for these.
    fn name(&self, command: &[String]) -> Result<()> {
        const PAGE: u64 = 4096;
        let words: Vec<u8> = command.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        let kept = (words.len() as u64).next_multiple_of(PAGE);
        if kept + PAGE > SCRATCH.length() {
            return self.call(libc::SYS_munmap, &[SCRATCH.begin, SCRATCH.length()]).map(|_| ());
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.main.0)).map_err(failed("its addresses"))?;
        // The second field, in brackets, may have blanks in it; what follows begins with the third (proc(5)).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field =
            |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let heap_end = self.call(libc::SYS_brk, &[0])?;
        let end = SCRATCH.begin + words.len() as u64;
        // struct prctl_mm_map: beginnings and ends of code, data and heap, the stack's beginning, those of words and environment,
        // no auxiliary vector, no other program.
        let map = [
            field(26),
            field(27),
            field(45),
            field(46),
            field(47),
            heap_end,
            field(28),
            SCRATCH.begin,
            end,
            end,
            end,
            0,
            u64::from(u32::MAX) << 32,
        ];
        self.memory.write_all_at(&words, SCRATCH.begin).map_err(failed("its memory"))?;
        let bytes: Vec<u8> = map.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let at = SCRATCH.begin + kept;
        self.memory.write_all_at(&bytes, at).map_err(failed("its memory"))?;
        let prctl = [bits(libc::PR_SET_MM), u64::from(libc::PR_SET_MM_MAP.cast_unsigned()), at, bytes.len() as u64, 0];
        // A kernel without it lists other words.
        let _ = self.call(libc::SYS_prctl, &prctl);
        self.call(libc::SYS_munmap, &[at, SCRATCH.end - at]).map(|_| ())
    }
}
