//! Writing a process down. It goes on afterwards as if nothing had been.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::personality::Persona;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::losses;
use super::saved::{Area, Content, KernelCode, Mapping, Program, Range, SCRATCH, Saved, descriptors, mappings};
use super::thread::{Interrupted, Thread, ThreadState};
use super::{ABOUT, CONTENT, Result, failed, host};

/// Bytes at the beginning of a thread's block among which the C library keeps the thread's number.
const THREAD_BLOCK: usize = 0x800;

/// What the kernel lets a process's stack grow to, by default.
const STACK: u64 = 8 << 20;

/// Zeroes behind the last content; a hole, which takes no space.
const ROOM: u64 = 1 << 30;

const PAGE: usize = 4096;
/// Memory is read in pieces of this size.
const PIECE: usize = 1 << 20;

/// Tries to find all threads of a process asleep, and the wait between two.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The threads of a process, all stopped; they go on when this is dropped.
struct Held(Vec<Thread>);

impl Drop for Held {
    fn drop(&mut self) {
        for thread in &self.0 {
            // Fails when the process has been killed meanwhile.
            let _ = thread.detach();
        }
    }
}

impl Held {
    /// Stops all threads, the process's own first.
    fn all(pid: i32) -> Result<Self> {
        let mut held = Self(Vec::new());
        // A thread may start another one until it is stopped itself.
        loop {
            let before = held.0.len();
            for entry in fs::read_dir(format!("/proc/{pid}/task")).map_err(failed("its threads"))?.flatten() {
                let number = entry.file_name().to_string_lossy().parse().map_err(failed("its threads"))?;
                let thread = Thread(Pid::from_raw(number));
                if held.0.iter().all(|known| known.0 != thread.0) {
                    held.0.push(thread);
                    if thread.interrupt()? == Interrupted::Gone {
                        held.0.pop();
                    }
                }
            }
            if held.0.len() == before {
                break;
            }
        }
        held.0.sort_by_key(|thread| (thread.0.as_raw() != pid, thread.0));
        Ok(held)
    }

    /// Stops all threads while each of them sleeps in a system call. One that is at work may hold a lock that has its number in it
    /// (recursive ones do), and its number is another one later on.
    fn all_asleep(pid: i32) -> Result<Self> {
        for _ in 0..TRIES {
            let held = Self::all(pid)?;
            let mut asleep = true;
            for thread in &held.0 {
                asleep &= thread.sleeps()? && nothing_pending(pid, *thread)?;
            }
            if asleep {
                return Ok(held);
            }
            drop(held);
            std::thread::sleep(BETWEEN_TRIES);
        }
        Err("its threads did not come to rest".into())
    }
}

/// Whether no signal waits until the thread lets it through (proc(5)): it would be lost.
fn nothing_pending(pid: i32, thread: Thread) -> Result<bool> {
    let path = format!("/proc/{pid}/task/{}/status", thread.0);
    let status = fs::read_to_string(path).map_err(failed("its signals"))?;
    let mut sets =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")));
    Ok(sets.all(|set| set.trim().bytes().all(|digit| digit == b'0')))
}

/// Why the process cannot be frozen, by what is easily seen. `handed` as in [`freeze`].
///
/// # Errors
/// When it has something that cannot be carried over, or has confined itself.
pub fn check(pid: i32, handed: &[u64]) -> Result<()> {
    let persona = fs::read_to_string(format!("/proc/{pid}/personality")).map_err(failed("its personality"))?;
    let persona = i32::from_str_radix(persona.trim(), 16).map_err(failed("its personality"))?;
    if !Persona::from_bits_retain(persona).contains(Persona::ADDR_NO_RANDOMIZE) {
        return Err("the system does not allow a fixed address layout".into());
    }
    losses::refuse(pid)?;
    descriptors(pid, handed).map(|_| ())
}

/// Writes the process into `folder`. Its memory that is shared with `memory_file` is not written, but mapped privately from it later on;
/// `handed` are the descriptors that it was started with, as the processes that go on as it will be.
/// Blocks for some tenths of a second; the calling thread becomes the process's tracer meanwhile.
///
/// # Errors
/// Why the process cannot be continued from what would be written.
pub fn freeze(pid: i32, folder: &Path, memory_file: &Path, handed: &[u64]) -> Result<()> {
    check(pid, handed)?;
    let held = Held::all_asleep(pid)?;
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(failed("its memory"))?;
    let mappings = mappings(pid)?;
    if mappings.iter().any(|mapping| mapping.range.begin < SCRATCH.end && SCRATCH.begin < mapping.range.end) {
        return Err("the address range for system calls is in use".into());
    }
    let kernels = KernelCode::of(&mappings, &memory)?;
    let out = File::create(folder.join(CONTENT)).map_err(failed("its contents"))?;
    let mut writer = Writer { memory: &memory, out, place: 0 };
    let mut open = descriptors(pid, handed)?;
    losses::find_copies(pid, &mut open)?;
    let (actions, timer_slack) = ask(held.0[0], &memory, kernels.syscall)?;
    let mut saved = Saved {
        host: host()?,
        areas: Vec::new(),
        kernel_pages: mappings.iter().filter(|mapping| mapping.is_kernels()).map(|mapping| mapping.range).collect(),
        kernel_code: kernels.code,
        heap_end: mappings.iter().rfind(|mapping| mapping.name == "[heap]").map(|mapping| mapping.range.end),
        threads: threads(&held, &memory)?,
        actions,
        timer_slack,
        descriptors: open,
        programs: Vec::new(),
    };
    let mut end = 0;
    for mapping in &mappings {
        let before = std::mem::replace(&mut end, mapping.range.end);
        if mapping.is_kernels() {
            continue;
        }
        if mapping.name == "[stack]" {
            // The kernel lets it grow, which a mapping of contents does not.
            let begin = before.max(mapping.range.end.saturating_sub(STACK)).min(mapping.range.begin);
            let range = Range { begin, end: mapping.range.begin };
            saved.areas.push(Area { range, protection: mapping.protection, content: Content::Nothing });
        }
        let area = writer.area(mapping, memory_file)?;
        if let Content::File { path, .. } = &area.content
            && path != memory_file
            && saved.programs.iter().all(|program| program.path != *path)
        {
            saved.programs.push(Program::of(path)?);
        }
        saved.areas.push(area);
    }
    drop(held);
    // An allocator that lets a mapping grow finds zeroes behind its end, too.
    writer.out.set_len(writer.place + ROOM).map_err(failed("its contents"))?;
    let about = serde_json::to_vec(&saved).map_err(failed("its description"))?;
    fs::write(folder.join(ABOUT), about).map_err(failed("its description"))
}

fn threads(held: &Held, memory: &File) -> Result<Vec<ThreadState>> {
    let mut found = None;
    let mut states = Vec::new();
    for thread in &held.0 {
        let block_at = thread.registers()?.fs_base;
        let mut block = [0; THREAD_BLOCK];
        memory.read_exact_at(&mut block, block_at).map_err(failed("a thread's block"))?;
        let number = thread.0.as_raw().to_ne_bytes();
        let place = block.chunks(number.len()).position(|bytes| bytes == number).map(|place| place * number.len());
        // One C library keeps it at one place.
        if place.is_none() || *found.get_or_insert(place) != place {
            return Err("its C library keeps thread ids at an unknown place".into());
        }
        states.push(thread.state(block_at + place.unwrap_or_default() as u64)?);
    }
    Ok(states)
}

/// What the process does on signals, and by how much its timers may be late: asked in its own name, while no signal comes between.
fn ask(thread: Thread, memory: &File, at: u64) -> Result<(Vec<(u64, String)>, u64)> {
    let (registers, signals) = (thread.registers()?, thread.signals()?);
    thread.set_signals(u64::MAX)?;
    let answers = ask_with(thread, registers.rsp, memory, at);
    // Whatever came of it, the process goes on.
    thread.set_registers(registers)?;
    thread.set_signals(signals)?;
    answers
}

fn ask_with(thread: Thread, stack: u64, memory: &File, at: u64) -> Result<(Vec<(u64, String)>, u64)> {
    /// Sizes of the kernel's `struct sigaction` and of its set of signals.
    const ACTION: usize = 32;
    const SET: u64 = 8;
    /// Below the stack's end the compiler may keep something.
    const RED_ZONE: u64 = 128;

    let scratch = (stack - RED_ZONE - 4 * ACTION as u64) & !15;
    let mut actions = Vec::new();
    for signal in 1..=64 {
        if [Signal::SIGKILL, Signal::SIGSTOP].iter().any(|fixed| *fixed as u64 == signal) {
            continue;
        }
        thread.call(at, libc::SYS_rt_sigaction, &[signal, 0, scratch, SET])?;
        let mut action = [0; ACTION];
        memory.read_exact_at(&mut action, scratch).map_err(failed("its stack"))?;
        if action != [0; ACTION] {
            actions.push((signal, hex::encode(action)));
        }
    }
    for which in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        // struct itimerval: all zeroes where it is not set.
        let mut timer = [1; size_of::<libc::itimerval>()];
        thread.call(at, libc::SYS_getitimer, &[u64::from(which.cast_unsigned()), scratch])?;
        memory.read_exact_at(&mut timer, scratch).map_err(failed("its stack"))?;
        if timer.iter().any(|byte| *byte != 0) {
            return Err("it has an interval timer".into());
        }
    }
    let timer_slack = thread.call(at, libc::SYS_prctl, &[u64::from(libc::PR_GET_TIMERSLACK.cast_unsigned())])?;
    Ok((actions, timer_slack))
}

struct Writer<'a> {
    memory: &'a File,
    out: File,
    /// End of what is written, holes included.
    place: u64,
}

impl Writer<'_> {
    fn area(&mut self, mapping: &Mapping, memory_file: &Path) -> Result<Area> {
        let Mapping { range, protection, .. } = *mapping;
        let file = Path::new(&mapping.name);
        let content = if file == memory_file || (file.is_absolute() && !mapping.may_differ()) {
            Content::File { path: file.to_owned(), place: mapping.place }
        } else if mapping.shared {
            return Err(format!("it shares memory: {}", mapping.name));
        } else if protection == 0 {
            Content::Nothing
        } else {
            self.write(range)?.map_or(Content::Nothing, |place| Content::Kept { place })
        };
        Ok(Area { range, protection, content })
    }

    /// Writes what is not zero, and leaves holes for the rest; where it begins, if there was anything.
    fn write(&mut self, range: Range) -> Result<Option<u64>> {
        let mut any = false;
        let mut buffer = vec![0; PIECE];
        let mut at = range.begin;
        while at < range.end {
            let length = (range.end - at).min(PIECE as u64);
            let piece = &mut buffer[..usize::try_from(length).map_err(failed("memory"))?];
            self.memory.read_exact_at(piece, at).map_err(failed("its memory"))?;
            let mut place = self.place + (at - range.begin);
            for page in piece.chunks(PAGE) {
                if page.iter().any(|byte| *byte != 0) {
                    any = true;
                    self.out.write_all_at(page, place).map_err(failed("its contents"))?;
                }
                place += PAGE as u64;
            }
            at += length;
        }
        let begin = self.place;
        if any {
            self.place += range.length();
        }
        Ok(any.then_some(begin))
    }
}
