//! This tool's own verbs in a process of their own, but without another start of the program: that takes a simulated core a million
//! instructions, and an emulated one tens of milliseconds.

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
};

use nix::{
    errno::Errno,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, setpgid, setsid},
};

/// Exit status where the process could not be set up.
const NOT_SET_UP: i32 = 126;

/// What the new process leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// The process group.
    Group,
    /// The session.
    Session,
}

/// Where the new process reads and writes.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) errors: OwnedFd,
}

/// Starts a process that does `verb` and ends with the status that it returns. To be called while this process has one thread.
pub(crate) fn spawn(apart: Apart, streams: &Streams, verb: impl FnOnce() -> u8) -> io::Result<Pid> {
    // What was said so far must not be said twice; and whoever else prints (a test's harness) must not hold the lock right now.
    let mut said = io::stdout().lock();
    said.flush()?;
    // SAFETY: no other thread is there that could hold a lock which the new process would wait for.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = if set_up(apart, streams).is_ok() { i32::from(verb()) } else { NOT_SET_UP };
            // A reader that has gone is no reason to say so.
            let _ = io::stdout().flush();
            // SAFETY: ends the process at once; what was to be done at its end is its parent's to do.
            unsafe { libc::_exit(code) }
        }
    }
}

fn set_up(apart: Apart, streams: &Streams) -> nix::Result<()> {
    match apart {
        Apart::Group => setpgid(Pid::from_raw(0), Pid::from_raw(0))?,
        Apart::Session => drop(setsid()?),
    }
    dup2_stdin(&streams.input)?;
    dup2_stdout(&streams.output)?;
    dup2_stderr(&streams.errors)
}

/// Waits for a child's end.
pub(crate) fn wait(child: Pid) -> io::Result<ExitStatus> {
    loop {
        // The raw form of wait(2): a signal in the lowest seven bits, then a status.
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(ExitStatus::from_raw(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read};

    use super::*;

    #[test]
    fn it_speaks_into_its_streams_and_ends_with_its_status() {
        let (mut reader, writer) = io::pipe().unwrap();
        let streams = Streams {
            input: File::open("/dev/null").unwrap().into(),
            output: writer.try_clone().unwrap().into(),
            errors: writer.into(),
        };
        let child = spawn(Apart::Group, &streams, || {
            // The test's own harness catches what is printed: straight to the descriptor.
            let words = b"said";
            // SAFETY: the words are alive and as long as it says.
            let written = unsafe { libc::write(1, words.as_ptr().cast(), words.len()) };
            u8::try_from(written).unwrap_or(0)
        })
        .unwrap();
        drop(streams);
        assert_eq!(wait(child).unwrap().code(), Some(4));
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "said");
    }

    #[test]
    fn a_signal_is_seen() {
        let null = || File::options().read(true).write(true).open("/dev/null").unwrap().into();
        let streams = Streams { input: null(), output: null(), errors: null() };
        let child = spawn(Apart::Session, &streams, || {
            // SAFETY: ends the process.
            unsafe { libc::raise(libc::SIGKILL) };
            0
        })
        .unwrap();
        assert_eq!(wait(child).unwrap().signal(), Some(9));
    }
}
