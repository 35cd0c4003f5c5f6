//! A guest's console on this terminal.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use tokio_util::sync::CancellationToken;

/// Ctrl-] ends the shell, as in telnet.
const ESCAPE: u8 = 0x1d;

/// Copies between the terminal and the console, in threads that end with the program.
pub fn connect(socket: UnixStream, left: &CancellationToken) -> std::io::Result<()> {
    let (mut to_guest, mut from_guest) = (socket.try_clone()?, socket);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from_guest.read(&mut buffer) {
            let mut stdout = std::io::stdout().lock();
            if stdout.write_all(&buffer[..read]).and_then(|()| stdout.flush()).is_err() {
                return;
            }
        }
    });
    let left = left.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        // The end of standard input does not end the guest: a pipe may have said all it had to.
        while let Ok(read @ 1..) = std::io::stdin().read(&mut buffer) {
            let typed = &buffer[..read];
            if typed.contains(&ESCAPE) {
                left.cancel();
                return;
            }
            if to_guest.write_all(typed).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The terminal in raw mode, put back when this is dropped.
pub struct RawTerminal(Option<Termios>);

impl RawTerminal {
    /// Puts it there, if standard input is one.
    pub fn enter() -> Self {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Self(None);
        }
        let saved = tcgetattr(stdin.as_fd()).ok();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            cfmakeraw(&mut raw);
            let _ = tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw);
        }
        Self(saved)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(saved) = &self.0 {
            let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, saved);
        }
    }
}
