//! A process under guard, seen from futon.

use std::io::{IoSliceMut, Read};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use futon_common::{Context, Error, Result, Setup};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use super::guard::{CONTROL_FD, GuardArguments, GuardMessage};

/// How long the guard may take to set up and start the process.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long the guard may take to end it: its own grace, and some.
const END_LIMIT: Duration = Duration::from_secs(6);

/// Writes a process's exact command beside its output, for running it by hand.
pub fn record_command(file: &Path, command: &[String]) -> Result<()> {
    let text = shlex::try_join(command.iter().map(String::as_str)).context(|| "the command has a NUL byte".into())?;
    std::fs::write(file, text + "\n").context(|| format!("cannot write {}", file.display()))
}

/// A process that has started.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    write: OwnedWriteHalf,
    read: Option<OwnedReadHalf>,
    /// Its process.
    pub pid: i32,
    /// The socket listening in the process's own namespace.
    pub listener: Option<TcpListener>,
    /// Why it is not confined as was asked, where it runs all the same.
    pub unconfined: Option<String>,
}

/// What came of a start.
#[derive(Debug)]
pub enum Start {
    /// It runs.
    Running(Box<Guarded>),
    /// The system gives no namespace; nothing runs.
    Refused(String),
}

/// Starts a process under guard. `inherited` descriptors get the numbers 4, 5, ….
pub async fn start(mut arguments: GuardArguments, inherited: Vec<OwnedFd>) -> Result<Start> {
    let program = arguments.command.first().cloned().unwrap_or_default();
    let (ours, theirs) = UnixStream::pair().context(|| "cannot make a socket pair".into())?;
    let mut mappings = vec![FdMapping { parent_fd: theirs.into(), child_fd: CONTROL_FD }];
    for (number, fd) in (CONTROL_FD + 1..).zip(inherited) {
        arguments.last_fd = number;
        mappings.push(FdMapping { parent_fd: fd, child_fd: number });
    }
    let text = serde_json::to_string(&arguments).context(|| "cannot write the guard's arguments".into())?;
    // Of this very program, even if its file has been replaced meanwhile.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg("guard").arg(text).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.fd_mappings(mappings).context(|| "cannot pass descriptors to the guard".into())?;
    let mut command = Command::from(command);
    // A guard that does not answer may be stopped, and would never see that futon has gone. The kernel kills the process with it.
    command.kill_on_drop(true);
    let guard = command.spawn().context(|| "cannot start futon's guard process".into())?;

    let (ours, answer) = tokio::task::spawn_blocking(move || handshake(ours))
        .await
        .context(|| "the guard ended during its handshake".into())??;
    let (pid, listener, unconfined) = match answer {
        Answer::Running { pid, listener, unconfined } => (pid, listener, unconfined),
        Answer::Refused(why) => return Ok(Start::Refused(why)),
        Answer::NotStarted(why) => {
            return Err(Error::infra(format!("cannot start {program}: {why}")).hint(Setup::here().doctor()));
        }
    };
    ours.set_nonblocking(true).context(|| "cannot set up the guard's socket".into())?;
    let (read, write) =
        tokio::net::UnixStream::from_std(ours).context(|| "cannot set up the guard's socket".into())?.into_split();
    Ok(Start::Running(Box::new(Guarded { guard, write, read: Some(read), pid, listener, unconfined })))
}

enum Answer {
    Running { pid: i32, listener: Option<TcpListener>, unconfined: Option<String> },
    Refused(String),
    NotStarted(String),
}

/// Reads the guard's messages up to the one that says whether the process runs.
fn handshake(control: UnixStream) -> Result<(UnixStream, Answer)> {
    let broken = || "futon's guard process did not answer".to_owned();
    control.set_read_timeout(Some(START_LIMIT)).context(broken)?;
    let mut listener = None;
    loop {
        let (line, fd) = receive(&control).context(broken)?;
        if let Some(fd) = fd {
            listener = Some(TcpListener::from(fd));
        }
        let answer = match serde_json::from_slice(&line).context(broken)? {
            GuardMessage::Listening => continue,
            GuardMessage::Started { pid, unconfined } => Answer::Running { pid, listener, unconfined },
            GuardMessage::Refused { why } => Answer::Refused(why),
            GuardMessage::NotStarted { why } => Answer::NotStarted(why),
            GuardMessage::Exited { .. } => return Err(Error::infra(broken())),
        };
        control.set_read_timeout(None).context(broken)?;
        return Ok((control, answer));
    }
}

/// One line, and the descriptor that came with it. Reads byte by byte, so that nothing of a later line is taken.
fn receive(control: &UnixStream) -> std::io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut first = [0];
    let mut fd = None;
    let mut space = nix::cmsg_space!([i32; 1]);
    {
        let mut buffers = [IoSliceMut::new(&mut first)];
        let message = recvmsg::<()>(control.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        if message.bytes == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        for control_message in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control_message
                && let Some(raw) = fds.first()
            {
                // SAFETY: the kernel has just made this descriptor for us alone.
                fd = Some(unsafe { OwnedFd::from_raw_fd(*raw) });
            }
        }
    }
    let mut line = vec![first[0]];
    let mut control = control;
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        control.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok((line, fd))
}

/// Whether the host gives this user a network namespace; why not, if it does not.
///
/// # Errors
/// When the guard itself cannot be started.
pub async fn namespace_works() -> Result<std::result::Result<(), String>> {
    let command = vec!["true".to_owned()];
    let arguments =
        GuardArguments { own_namespace: true, log: "/dev/null".into(), command, ..GuardArguments::default() };
    Ok(match start(arguments, Vec::new()).await? {
        Start::Running(mut guarded) => {
            guarded.end().await;
            Ok(())
        }
        Start::Refused(why) => Err(why),
    })
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ended {
    /// Exit status.
    pub status: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
}

impl Guarded {
    /// Waits for the end in the background; at most once.
    pub fn ended(&mut self) -> impl Future<Output = Ended> + Send + 'static {
        let read = self.read.take();
        async move {
            let Some(read) = read else { return Ended::default() };
            let mut lines = BufReader::new(read.take(1 << 16)).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(GuardMessage::Exited { status, signal }) = serde_json::from_str(&line) {
                    return Ended { status, signal };
                }
            }
            // The guard was killed: the kernel has killed the process with it.
            Ended { status: None, signal: Some(libc::SIGKILL) }
        }
    }

    /// Ends the process and waits until it is gone.
    pub async fn end(&mut self) {
        // Fails when the guard has gone already, and the process with it.
        let _ = self.write.write_all(b"e").await;
        if tokio::time::timeout(END_LIMIT, self.guard.wait()).await.is_err() {
            // The kernel kills the process when its guard dies.
            let _ = self.guard.kill().await;
        }
    }
}
