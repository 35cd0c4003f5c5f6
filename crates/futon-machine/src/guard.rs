//! The guard: a small process between futon and a machine.
//!
//! It enters the machine's namespace, hands the exchange's listening socket to futon, starts the machine in a process
//! group of its own, and ends that group when futon says so or when futon is gone: the control socket's end of file
//! comes even after `kill -9`. Should the guard itself be killed, the kernel kills the machine (PDEATHSIG).

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Pid, setsid};
use rustix::process::{PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::confine::{self, Confinement};
use super::namespace;

/// Descriptor on which the guard finds its control socket.
pub(super) const CONTROL_FD: i32 = 3;

/// How long a machine has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// What the guard is to do; the arguments of the hidden command `futon guard`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GuardArguments {
    /// Whether the machine gets its own network namespace.
    pub own_namespace: bool,
    /// File for the machine's standard output and error.
    pub log: PathBuf,
    /// Highest descriptor that the machine inherits; 4 and up are handed through.
    pub last_fd: i32,
    /// Program and arguments of the machine.
    pub command: Vec<String>,
    /// What the machine may do; everything that the caller may when absent.
    #[serde(default)]
    pub confinement: Option<Confinement>,
}

/// The guard's messages to futon, one JSON object per line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "snake_case")]
pub(super) enum GuardMessage {
    /// The exchange's socket comes with this message.
    Listening,
    /// There will be no namespace.
    Refused {
        /// Why.
        why: String,
    },
    /// The machine runs.
    Started {
        /// Its process.
        pid: i32,
        /// Why it is not confined as was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unconfined: Option<String>,
    },
    /// The machine could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// The machine is gone.
    Exited {
        /// Exit status.
        status: Option<i32>,
        /// Signal.
        signal: Option<i32>,
    },
}

/// Runs the guard; returns when the machine is gone. Must be called before the process has a second thread.
///
/// # Errors
/// When the control socket fails; everything else is reported through it.
pub fn run_guard(arguments: &GuardArguments) -> io::Result<()> {
    // Ctrl-C at the terminal is for futon; the guard ends things in order afterwards. Fails only where it leads already.
    let _ = setsid();
    // SAFETY: futon passes the control socket as this descriptor and nothing else in this process owns it.
    let control = UnixStream::from(unsafe { OwnedFd::from_raw_fd(CONTROL_FD) });
    close_on_exec(control.as_fd())?;

    if arguments.own_namespace {
        match namespace::enter().and_then(|()| namespace::listen()) {
            Ok(listener) => send(&control, &GuardMessage::Listening, Some(listener.as_fd()))?,
            Err(e) => return send(&control, &GuardMessage::Refused { why: e.to_string() }, None),
        }
    }
    let mut unconfined = None;
    // The guard itself writes nothing but the log, which `spawn` opens: the confinement may hold for both.
    if let Some(confinement) = &arguments.confinement
        && let Err(why) = confine::to(confinement, &arguments.log)
    {
        if !confinement.best_effort {
            return send(&control, &GuardMessage::NotStarted { why }, None);
        }
        unconfined = Some(why);
    }
    let child = match spawn(arguments) {
        Ok(child) => child,
        Err(e) => return send(&control, &GuardMessage::NotStarted { why: e.to_string() }, None),
    };
    send(&control, &GuardMessage::Started { pid: pid_of(&child)?.as_raw(), unconfined }, None)?;
    let status = watch(child, &control)?;
    let message = GuardMessage::Exited { status: status.code(), signal: status.signal() };
    // If futon is gone, the message is not needed.
    let _ = send(&control, &message, None);
    Ok(())
}

fn close_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// What futon was started with, a shell's pipe, is not the machine's. Linux before 5.11 leaves it open.
fn close_on_exec_from(first: libc::c_uint) {
    // SAFETY: the system call takes no pointers, and closes nothing now.
    unsafe { libc::close_range(first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
}

/// A core file of a machine would hold the guest's memory, and lie wherever the host puts such files.
fn no_core_files() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads a live structure.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}

fn send(control: &UnixStream, message: &GuardMessage, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let fds: Vec<i32> = fd.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control_messages = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<()>(control.as_raw_fd(), &[IoSlice::new(&line)], control_messages, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

fn spawn(arguments: &GuardArguments) -> io::Result<Child> {
    let (program, rest) = arguments.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let log = File::create(&arguments.log)?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let guard = nix::unistd::getpid();
    let first_foreign = arguments.last_fd.max(CONTROL_FD).cast_unsigned() + 1;
    // SAFETY: only async-signal-safe system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            prctl::set_no_new_privs()?;
            no_core_files();
            close_on_exec_from(first_foreign);
            // The guard may have died before the line above took effect.
            if nix::unistd::getppid() == guard { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
    let child = command.spawn()?;
    // The machine has its own copies now; ours would keep its sockets open after its end.
    for fd in CONTROL_FD + 1..=arguments.last_fd {
        // SAFETY: these descriptors were handed to the guard for the machine; nothing here owns them.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    Ok(child)
}

/// Waits for the machine's end, or for futon's order or end, which ends the machine.
fn watch(mut child: Child, control: &UnixStream) -> io::Result<ExitStatus> {
    let group = pid_of(&child)?;
    // Readable when the process ends (Linux 5.3).
    let exited = pidfd_open(rustix::process::Pid::from_child(&child), PidfdFlags::empty())?;
    let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN), PollFd::new(exited.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => break,
            Err(nix::Error::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let gone = fds[1].any().unwrap_or(false);
    if !gone {
        // A byte (futon asks) or the end of file (futon is gone): the same answer.
        let mut byte = [0];
        let _ = (&*control).read(&mut byte);
        end_group(group, exited.as_fd());
    }
    let status = child.wait()?;
    // Whatever the machine has started goes with it.
    let _ = killpg(group, Signal::SIGKILL);
    Ok(status)
}

fn end_group(group: Pid, exited: BorrowedFd<'_>) {
    // ESRCH means that the group is gone, which is what is wanted.
    let _ = killpg(group, Signal::SIGTERM);
    let grace = PollTimeout::try_from(GRACE).unwrap_or(PollTimeout::MAX);
    let ended = poll(&mut [PollFd::new(exited, PollFlags::POLLIN)], grace);
    if !matches!(ended, Ok(1..)) {
        let _ = killpg(group, Signal::SIGKILL);
    }
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}
