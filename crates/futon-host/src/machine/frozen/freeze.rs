//! Writing a process down. It goes on afterwards as if nothing had been.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::sys::personality::Persona;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::saved::{Area, Content, Mapping, Program, Range, Saved, descriptors, mappings};
use super::thread::{SYSCALL, Thread};
use super::{ABOUT, CONTENT, Result, failed, host};
use crate::resources::stamp;

/// Bytes at the beginning of a thread's block among which the C library keeps the thread's number.
const THREAD_BLOCK: usize = 0x800;

/// What the kernel lets a process's stack grow to, by default.
const STACK: u64 = 8 << 20;

const PAGE: usize = 4096;
/// Memory is read in pieces of this size.
const PIECE: usize = 1 << 20;

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
    fn all(pid: i32) -> Result<Self> {
        let mut held = Self(Vec::new());
        // A thread may start another one until it is stopped itself.
        loop {
            let before = held.0.len();
            for entry in fs::read_dir(format!("/proc/{pid}/task")).map_err(failed("its threads"))?.flatten() {
                let number = entry.file_name().to_string_lossy().parse().map_err(failed("its threads"))?;
                let thread = Thread(Pid::from_raw(number));
                if held.0.iter().all(|known| known.0 != thread.0) {
                    ptrace::seize(thread.0, ptrace::Options::empty()).map_err(failed("tracing it"))?;
                    held.0.push(thread);
                    ptrace::interrupt(thread.0).map_err(failed("stopping it"))?;
                    thread.wait()?;
                }
            }
            if held.0.len() == before {
                break;
            }
        }
        held.0.sort_by_key(|thread| (thread.0.as_raw() != pid, thread.0));
        Ok(held)
    }
}

/// Writes the process into `folder`. Its memory that is shared with `memory_file` is not written, but mapped privately from it later on.
/// Blocks for some tenths of a second; the calling thread becomes the process's tracer meanwhile.
///
/// # Errors
/// Why the process cannot be continued from what would be written.
pub(in crate::machine) fn freeze(pid: i32, folder: &Path, memory_file: &Path, handed: &[u64]) -> Result<()> {
    let persona = fs::read_to_string(format!("/proc/{pid}/personality")).map_err(failed("its personality"))?;
    let persona = i32::from_str_radix(persona.trim(), 16).map_err(failed("its personality"))?;
    if !Persona::from_bits_retain(persona).contains(Persona::ADDR_NO_RANDOMIZE) {
        return Err("its addresses are random ones".into());
    }
    let held = Held::all(pid)?;
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(failed("its memory"))?;
    let mappings = mappings(pid)?;
    let code = mappings.iter().find(|mapping| mapping.name == "[vdso]").ok_or("it has no vdso")?.range;
    let mut kernel_code = vec![0; usize::try_from(code.length()).map_err(failed("the vdso"))?];
    memory.read_exact_at(&mut kernel_code, code.begin).map_err(failed("the vdso"))?;

    let content = folder.join(CONTENT);
    let out = File::create(&content).map_err(failed("its contents"))?;
    let mut writer = Writer { memory: &memory, out, place: 0 };
    let mut saved = Saved {
        host: host()?,
        areas: Vec::new(),
        kernel_pages: mappings.iter().filter(|mapping| mapping.is_kernels()).map(|mapping| mapping.range).collect(),
        heap_end: mappings.iter().find(|mapping| mapping.name == "[heap]").map(|mapping| mapping.range.end),
        threads: threads(&held, &memory)?,
        actions: actions(held.0[0], &memory, code.begin + syscall_in(&kernel_code)?)?,
        kernel_code: hex::encode(kernel_code),
        descriptors: descriptors(pid, handed)?,
        programs: Vec::new(),
    };
    for mapping in mappings.iter().filter(|mapping| !mapping.is_kernels()) {
        if mapping.name == "[stack]" {
            // The kernel lets it grow, which a mapping of contents does not.
            let begin = saved.areas.last().map_or(0, |area: &Area| area.range.end).max(mapping.range.end - STACK);
            let range = Range { begin: begin.min(mapping.range.begin), end: mapping.range.begin };
            saved.areas.push(Area { range, protection: mapping.protection, content: Content::Nothing });
        }
        let area = writer.area(mapping, memory_file)?;
        if let Content::File { path, .. } = &area.content
            && path != memory_file
            && saved.programs.iter().all(|program| program.path != *path)
        {
            let (size, mtime_ns) = stamp(path).map_err(failed(&path.to_string_lossy()))?;
            saved.programs.push(Program { path: path.clone(), size, mtime_ns });
        }
        saved.areas.push(area);
    }
    drop(held);
    writer.out.set_len(writer.place).map_err(failed("its contents"))?;
    let about = serde_json::to_vec(&saved).map_err(failed("its description"))?;
    fs::write(folder.join(ABOUT), about).map_err(failed("its description"))
}

/// Where a `syscall` instruction is in the code that the kernel gives to every process.
pub(super) fn syscall_in(kernel_code: &[u8]) -> Result<u64> {
    let place = kernel_code.windows(SYSCALL.len()).position(|bytes| bytes == SYSCALL);
    place.map(|place| place as u64).ok_or_else(|| "the vdso makes no system call".into())
}

fn threads(held: &Held, memory: &File) -> Result<Vec<super::thread::ThreadState>> {
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
            return Err("its C library keeps the numbers of threads at an unknown place".into());
        }
        states.push(thread.state(block_at + place.unwrap_or_default() as u64)?);
    }
    Ok(states)
}

/// What the process does on signals; asked in its own name.
fn actions(thread: Thread, memory: &File, at: u64) -> Result<Vec<(u64, String)>> {
    /// Size of the kernel's `struct sigaction` and of its set of signals.
    const ACTION: usize = 32;
    const SET: u64 = 8;
    /// Below the stack's end the compiler may keep something.
    const RED_ZONE: u64 = 128;

    let before = thread.registers()?;
    let scratch = (before.rsp - RED_ZONE - 4 * ACTION as u64) & !15;
    let mut found = Vec::new();
    for signal in 1..=64 {
        if [Signal::SIGKILL, Signal::SIGSTOP].iter().any(|fixed| *fixed as u64 == signal) {
            continue;
        }
        thread.call(at, libc::SYS_rt_sigaction, &[signal, 0, scratch, SET])?;
        let mut action = [0; ACTION];
        memory.read_exact_at(&mut action, scratch).map_err(failed("its stack"))?;
        if action != [0; ACTION] {
            found.push((signal, hex::encode(action)));
        }
    }
    thread.set_registers(before)?;
    Ok(found)
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
