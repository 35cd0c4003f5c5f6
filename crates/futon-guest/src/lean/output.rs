//! What a container prints. As under an engine it is a pipe: a regular file would be emptied by `echo … > /dev/stderr`, which most entry
//! points have. A thread of the supervisor's moves it to the log.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use guest_net::{Context, Error, Result};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice},
    sys::stat::Mode,
    unistd::mkfifo,
};

use super::bundle::Record;

/// Bytes that are moved at once: as many as a pipe holds.
const PIECE: usize = 64 << 10;
/// How long the rest of what was printed is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether it is there.
const TICK: Duration = Duration::from_millis(1);

nix::ioctl_read_bad!(unread, nix::libc::FIONREAD, nix::libc::c_int);

/// The thread that moves a container's output.
#[derive(Debug)]
pub(super) struct Pump {
    ended: Receiver<()>,
}

impl Pump {
    /// Waits until all that was printed is in the log: whoever printed has ended.
    pub(super) fn finish(self) {
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            println!("something still holds the container's output");
        }
    }
}

/// The end that a container's output is written to, from now on until all its holders have ended. What it prints goes behind what is in
/// the log.
pub(super) fn open(record: &Record) -> Result<(File, Pump)> {
    let path = record.output();
    match mkfifo(&path, Mode::from_bits_truncate(0o600)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(Error::new(format!("cannot make {}: {error}", path.display()))),
    }
    let failed = "cannot open the container's output";
    // Without the flag it would wait for the other end.
    let reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).context(failed)?;
    let writer = OpenOptions::new().write(true).open(&path).context(failed)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).context(failed)?;
    // Not for appending, which splice(2) refuses.
    let log = File::options().create(true).truncate(false).write(true).open(record.log());
    let mut log = log.context("cannot write the container's log")?;
    log.seek(SeekFrom::End(0)).context("cannot write the container's log")?;
    let (done, ended) = channel();
    let pump = move || {
        move_all(reader, &log);
        // Nobody waits for the output of one that is restarted or stays.
        let _ = done.send(());
    };
    thread::Builder::new().name("output".into()).spawn(pump).context("cannot start a thread")?;
    Ok((writer, Pump { ended }))
}

/// Moves all that comes. A container must not wait because its log cannot be written: the rest is thrown away then, as an engine does.
fn move_all(mut reader: File, log: &File) {
    loop {
        match splice(&reader, None, log, None, PIECE, SpliceFFlags::empty()) {
            Ok(0) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                println!("the container's log cannot be written: {error}");
                let _ = io::copy(&mut reader, &mut io::sink());
                return;
            }
        }
    }
}

/// Waits until what a container has printed so far is in its log. The kernel moves it in one go: nothing is neither here nor there.
pub(super) fn settle(record: &Record) {
    let Ok(reader) = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(record.output()) else {
        return;
    };
    let began = Instant::now();
    let mut left = 0;
    // SAFETY: the descriptor is open, and FIONREAD (ioctl_pipe(2)) writes one int, which lives as long as the call.
    while unsafe { unread(reader.as_raw_fd(), &raw mut left) }.is_ok() && left > 0 && began.elapsed() < PATIENCE {
        thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, process::Command};

    use super::*;

    fn record(name: &str) -> (PathBuf, Record) {
        let folder = std::env::temp_dir().join(format!("futon-output-{name}-{}", std::process::id()));
        let record = Record::in_folder(folder.clone());
        record.create().unwrap();
        (folder, record)
    }

    #[test]
    fn who_opens_his_own_output_anew_loses_nothing() {
        let (folder, record) = record("anew");
        for start in 1..=2 {
            let (writer, pump) = open(&record).unwrap();
            let script =
                "echo out; echo err > /dev/stderr; test -p /dev/stdout && echo pipe; echo end >> /proc/self/fd/1";
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).stdout(writer.try_clone().unwrap()).stderr(writer);
            assert!(shell.status().unwrap().success());
            drop(shell);
            pump.finish();
            assert_eq!(fs::read_to_string(record.log()).unwrap(), "out\nerr\npipe\nend\n".repeat(start));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_printed_is_waited_for_while_its_printer_goes_on() {
        let (folder, record) = record("settled");
        settle(&record);
        let (writer, _pump) = open(&record).unwrap();
        let text = vec![b'x'; 1 << 20];
        io::Write::write_all(&mut &writer, &text).unwrap();
        settle(&record);
        assert_eq!(fs::metadata(record.log()).unwrap().len(), 1 << 20);
        drop(writer);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let (folder, record) = record("full");
        std::os::unix::fs::symlink("/dev/full", record.log()).unwrap();
        let (writer, pump) = open(&record).unwrap();
        io::Write::write_all(&mut &writer, &vec![b'x'; 1 << 20]).unwrap();
        drop(writer);
        pump.finish();
        fs::remove_dir_all(folder).unwrap();
    }
}
