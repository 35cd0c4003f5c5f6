//! One stopped thread of a traced process: its registers, and system calls made in its name (ptrace(2)).

use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Result, failed};

/// From `linux/ptrace.h`.
const PTRACE_GETSIGMASK: libc::c_uint = 0x420a;
const PTRACE_SETSIGMASK: libc::c_uint = 0x420b;
const PTRACE_GET_RSEQ_CONFIGURATION: libc::c_uint = 0x420f;

/// The set of registers that the XSAVE instruction saves (`linux/elf.h`).
const NT_X86_XSTATE: usize = 0x202;
/// More than any processor has of it: 8 KiB of tiles, 2.5 KiB of vectors.
const XSTATE_ROOM: usize = 16 << 10;

/// Length of the instruction `syscall`.
pub(super) const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The longest that a thread may take to a stop that it is made to come to: it is there at once, unless it is gone.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Looks for a stop before the looking thread sleeps in between.
const QUICK_LOOKS: u32 = 1000;

/// What a thread that was seized and interrupted stops with (`linux/ptrace.h`).
const PTRACE_EVENT_STOP: i32 = 128;

/// Results by which the kernel says, to a tracer only, that a call was broken off and will be made again (`linux/errno.h`):
/// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK.
const BROKEN_OFF: [i64; 4] = [-512, -513, -514, -516];

/// Whether a thread could be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// It is stopped.
    Yes,
    /// It has ended.
    Gone,
}

/// What is kept of a thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ThreadState {
    /// The 27 of `user_regs_struct`, in its order.
    registers: Vec<u64>,
    /// XSAVE's, hexadecimal.
    xstate: String,
    /// Signals that it blocks, a bit each.
    signals: u64,
    /// Restartable sequences, which the C library registers.
    sequences: Sequences,
    /// Address at which the C library keeps the thread's number.
    pub(super) number_at: u64,
}

impl ThreadState {
    pub(super) fn stack(&self) -> u64 {
        self.registers[19]
    }
}

/// `struct ptrace_rseq_configuration`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sequences {
    address: u64,
    size: u32,
    signature: u32,
    flags: u32,
    pad: u32,
}

/// A stopped thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread(pub(super) Pid);

const REGISTERS: usize = size_of::<libc::user_regs_struct>() / size_of::<u64>();

fn to_words(registers: libc::user_regs_struct) -> Vec<u64> {
    // SAFETY: the structure is 27 unsigned words of 64 bits and nothing else.
    let words: [u64; REGISTERS] = unsafe { std::mem::transmute(registers) };
    words.to_vec()
}

fn from_words(words: &[u64]) -> Result<libc::user_regs_struct> {
    let words: [u64; REGISTERS] = words.try_into().map_err(failed("registers"))?;
    // SAFETY: as above; every pattern of bits is a valid word.
    Ok(unsafe { std::mem::transmute::<[u64; REGISTERS], libc::user_regs_struct>(words) })
}

impl Thread {
    /// Waits until it stops. With a limit: a process that was killed is gone for its tracer only when all its threads have been waited for.
    fn wait(self) -> Result<WaitStatus> {
        let begin = Instant::now();
        for look in 0.. {
            match waitpid(self.0, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Err(Errno::EINTR) | Ok(WaitStatus::StillAlive) => {}
                other => return other.map_err(failed("waiting for a thread")),
            }
            if look < QUICK_LOOKS {
                thread::yield_now();
            } else if begin.elapsed() < STOP_LIMIT {
                thread::sleep(Duration::from_micros(100));
            } else {
                break;
            }
        }
        Err(format!("a thread did not stop within {STOP_LIMIT:?}"))
    }

    /// Waits for one of these stops.
    pub(super) fn wait_for(self, signals: &[Signal]) -> Result<()> {
        match self.wait()? {
            WaitStatus::Stopped(_, signal) if signals.contains(&signal) => Ok(()),
            other => Err(format!("a thread came to {other:?} instead of a stop")),
        }
    }

    /// Stops a thread that goes its own ways. A signal that comes first is passed on.
    pub(super) fn interrupt(self) -> Result<Interrupted> {
        match ptrace::seize(self.0, ptrace::Options::empty()) {
            Err(Errno::ESRCH) => return Ok(Interrupted::Gone),
            other => other.map_err(failed("tracing it"))?,
        }
        ptrace::interrupt(self.0).map_err(failed("stopping it"))?;
        loop {
            match self.wait()? {
                WaitStatus::PtraceEvent(_, _, PTRACE_EVENT_STOP) => return Ok(Interrupted::Yes),
                WaitStatus::Stopped(_, signal) => ptrace::cont(self.0, signal).map_err(failed("stopping it"))?,
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(Interrupted::Gone),
                other => return Err(format!("a thread came to {other:?} instead of a stop")),
            }
        }
    }

    /// Whether it was interrupted while it slept in a system call, which it will make again.
    pub(super) fn sleeps(self) -> Result<bool> {
        let registers = self.registers()?;
        Ok(registers.orig_rax.cast_signed() >= 0 && BROKEN_OFF.contains(&registers.rax.cast_signed()))
    }

    pub(super) fn registers(self) -> Result<libc::user_regs_struct> {
        ptrace::getregs(self.0).map_err(failed("registers"))
    }

    pub(super) fn set_registers(self, registers: libc::user_regs_struct) -> Result<()> {
        ptrace::setregs(self.0, registers).map_err(failed("registers"))
    }

    pub(super) fn detach(self) -> Result<()> {
        ptrace::detach(self.0, None).map_err(failed("detaching"))
    }

    fn xstate(self) -> Result<Vec<u8>> {
        let mut buffer = vec![0_u8; XSTATE_ROOM];
        let mut place = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the kernel writes at most `iov_len` bytes to the live buffer, and how many into the live `place`.
        let result = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, self.0.as_raw(), NT_X86_XSTATE, &raw mut place) };
        Errno::result(result).map_err(failed("vector registers"))?;
        buffer.truncate(place.iov_len);
        Ok(buffer)
    }

    fn set_xstate(self, mut buffer: Vec<u8>) -> Result<()> {
        let place = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the kernel reads `iov_len` bytes of the live buffer.
        let result = unsafe { libc::ptrace(libc::PTRACE_SETREGSET, self.0.as_raw(), NT_X86_XSTATE, &raw const place) };
        Errno::result(result).map(|_| ()).map_err(failed("vector registers"))
    }

    /// Signals that it blocks.
    pub(super) fn signals(self) -> Result<u64> {
        let mut mask = 0_u64;
        // SAFETY: the kernel writes the 8 bytes that it is told of, into a live word.
        let result = unsafe { libc::ptrace(PTRACE_GETSIGMASK, self.0.as_raw(), size_of::<u64>(), &raw mut mask) };
        Errno::result(result).map(|_| mask).map_err(failed("blocked signals"))
    }

    /// Has it block these signals.
    pub(super) fn set_signals(self, mask: u64) -> Result<()> {
        // SAFETY: the kernel reads the 8 bytes that it is told of, from a live word.
        let result = unsafe { libc::ptrace(PTRACE_SETSIGMASK, self.0.as_raw(), size_of::<u64>(), &raw const mask) };
        Errno::result(result).map(|_| ()).map_err(failed("blocked signals"))
    }

    /// Linux 5.13 and later say. Before that a C library that uses them does without afterwards, as on a kernel that has none.
    fn sequences(self) -> Sequences {
        let mut found = Sequences::default();
        let room = size_of::<Sequences>();
        // SAFETY: the kernel writes at most the bytes that it is told of, into a live structure of that size.
        let result = unsafe { libc::ptrace(PTRACE_GET_RSEQ_CONFIGURATION, self.0.as_raw(), room, &raw mut found) };
        if result < 0 { Sequences::default() } else { found }
    }

    /// What is to be kept of it. `number_at` is looked up in its memory.
    pub(super) fn state(self, number_at: u64) -> Result<ThreadState> {
        let mut registers = self.registers()?;
        let result = registers.rax.cast_signed();
        if registers.orig_rax.cast_signed() >= 0 && BROKEN_OFF.contains(&result) {
            registers.rip -= SYSCALL.len() as u64;
            registers.rax = registers.orig_rax;
        }
        // It is in no call now.
        registers.orig_rax = u64::MAX;
        Ok(ThreadState {
            registers: to_words(registers),
            xstate: hex::encode(self.xstate()?),
            signals: self.signals()?,
            sequences: self.sequences(),
            number_at,
        })
    }

    /// Makes it a thread that was kept; `at` as in [`Thread::call`].
    pub(super) fn restore(self, state: &ThreadState, at: u64) -> Result<()> {
        let Sequences { address, size, signature, .. } = state.sequences;
        if address != 0 {
            self.call(at, libc::SYS_rseq, &[address, u64::from(size), 0, u64::from(signature)])?;
        }
        self.set_xstate(hex::decode(&state.xstate).map_err(failed("vector registers"))?)?;
        self.set_registers(from_words(&state.registers)?)?;
        self.set_signals(state.signals)
    }

    /// Makes a system call in its name. `at` is the address of a `syscall` instruction in its memory.
    pub(super) fn call(self, at: u64, number: libc::c_long, arguments: &[u64]) -> Result<u64> {
        let argument = |place: usize| arguments.get(place).copied().unwrap_or_default();
        let mut registers = self.registers()?;
        registers.rax = number.cast_unsigned();
        (registers.rdi, registers.rsi, registers.rdx) = (argument(0), argument(1), argument(2));
        (registers.r10, registers.r8, registers.r9) = (argument(3), argument(4), argument(5));
        registers.rip = at;
        registers.orig_rax = u64::MAX;
        self.set_registers(registers)?;
        let result = loop {
            ptrace::step(self.0, None::<Signal>).map_err(failed("a step"))?;
            match self.wait()? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
                // clone(2) has made its thread, and has yet to return.
                WaitStatus::PtraceEvent(..) => continue,
                other => return Err(format!("in system call {number}: {other:?}")),
            }
            let registers = self.registers()?;
            if registers.rip != at {
                break registers.rax.cast_signed();
            }
        };
        if (-4095..0).contains(&result) {
            let error = Errno::from_raw(i32::try_from(-result).unwrap_or_default());
            return Err(format!("system call {number} {arguments:x?}: {error}"));
        }
        Ok(result.cast_unsigned())
    }
}
