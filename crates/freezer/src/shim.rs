//! The small program between whoever starts a process that is to be frozen or continued, and that process: nobody else knows ptrace(2).

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::sys::{prctl, ptrace};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Thaw, same_addresses, thaw};

/// What the shim is to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The frozen process that it goes on as; without one it starts from nothing, at addresses that are the same each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thaw: Option<Thaw>,
}

/// Becomes the program of `order`, or starts it, makes it go on as a frozen process, and ends as it ends. All open descriptors are the
/// program's. Must be called before this process has a second thread.
///
/// # Errors
/// When the program cannot be started, or cannot go on as the frozen process.
pub fn run(order: &Order) -> io::Result<ExitCode> {
    let (program, words) = order.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let mut command = Command::new(program);
    command.args(words);
    let Some(wanted) = &order.thaw else {
        // Where the system refuses, it runs as ever, and cannot be frozen later.
        let _ = same_addresses();
        return Err(command.exec());
    };
    let mut child = start_traced(command)?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    if let Err(why) = thaw(pid, wanted, &order.command) {
        // It may have ended already.
        let _ = child.kill();
        // Each of its threads is traced, and must be waited for.
        while waitpid(None, Some(WaitPidFlag::__WALL)).is_ok() {}
        return Err(io::Error::other(format!("the frozen process cannot go on: {why}")));
    }
    // A signal to the process group is for the program.
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: no handler of ours is replaced, and none is installed.
        unsafe { sigaction(signal, &ignore) }?;
    }
    end_as(&mut child)
}

fn start_traced(mut command: Command) -> io::Result<Child> {
    let shim = nix::unistd::getpid();
    // SAFETY: only system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            same_addresses()?;
            ptrace::traceme()?;
            // The shim may have died before the first line took effect.
            if nix::unistd::getppid() == shim { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
    command.spawn()
}

/// Waits for the program, and ends by its signal or with its status.
fn end_as(child: &mut Child) -> io::Result<ExitCode> {
    let status = child.wait()?;
    if let Some(signal) = status.signal().and_then(|number| Signal::try_from(number).ok()) {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: this process has no handlers.
        let _ = unsafe { sigaction(signal, &default) };
        // One core file is enough.
        let _ = prctl::set_dumpable(false);
        raise(signal)?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
