//! `logs` and `stop`: the container's own words, and its end, without the engine's slow command-line programs.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futon_model::GuestEvent;
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::Engine;
use crate::{
    error::{Context, Error, Result},
    report::report,
    runlog::RunLog,
};

/// What the engine says where a container's logging driver keeps nothing.
const NOT_KEPT: &str = "configured logging driver does not support reading";

/// Prints a container's log, at most `limit` bytes of it. A service may want none kept: that is no failure.
pub(crate) fn write_log(engine: &Engine, name: &str, limit: u64, out: &mut dyn Write) -> Result<()> {
    let mut stream = match engine.log(name) {
        Err(error) if error.to_string().contains(NOT_KEPT) => {
            return writeln!(out, "[the logging driver of {name} keeps no log]")
                .context(format_args!("the log of {name}"));
        }
        answer => answer?,
    };
    let written = copy_frames(&mut stream, out, limit).context(format!("the log of {name} ended early"))?;
    if written == limit {
        writeln!(out, "\n[cut by futon after {limit} bytes]").context(format_args!("the log of {name}"))?;
    }
    Ok(())
}

/// How long the engine waits after a container's stop signal, where the container does not say (moby, `defaultStopTimeout`).
const STOP_TIMEOUT: u64 = 10;

/// Stops that are faster than this need no second look: nothing was killed for being slow.
const SLOW: Duration = Duration::from_millis(900);

/// Stops a container with the grace it declares, reports where that was not enough, and removes it.
pub(crate) fn stop(engine: &Engine, name: &str, log: &RunLog) -> Result<()> {
    let began = Instant::now();
    engine.stop(name)?;
    let took = began.elapsed();
    // Asking costs time in each run: only where the answer can be yes.
    if took >= SLOW
        && let Some(container) = engine.container(name)?
    {
        let grace = Duration::from_secs(container.config.stop_timeout.unwrap_or(STOP_TIMEOUT));
        if container.state.exit_code == KILLED && took >= grace && !grace.is_zero() {
            report_kill(name, took, grace, log);
        }
    }
    engine.remove(name)?;
    println!("container {name}: stopped and removed");
    Ok(())
}

/// Freezes a container for good. The engine is asked for nothing but the number of its first process: a stop by the engine costs 100 M
/// instructions on a simulated core, and the machine ends with the run.
pub(crate) fn freeze(engine: &Engine, name: &str) -> Result<()> {
    let Some(container) = engine.container(name)? else {
        return Err(Error::new(format!("there is no container {name}")));
    };
    let pid = container.state.pid;
    if pid <= 0 {
        println!("container {name}: had ended already");
        return Ok(());
    }
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let how = match group_of(&groups).map(|group| fs::write(group.join("cgroup.freeze"), "1")) {
        Some(Ok(())) => "frozen",
        // Not a host of version 2. One that ended just now is what is wanted.
        _ => {
            let _ = signal::kill(Pid::from_raw(pid), Signal::SIGSTOP);
            "its first process was stopped"
        }
    };
    println!("container {name}: {how}");
    Ok(())
}

/// The control group of version 2 that `/proc/PID/cgroup` names, if it is one that can be frozen. (cgroups(7): `0::PATH`.)
fn group_of(groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.is_empty()).then(|| Path::new("/sys/fs/cgroup").join(path))
}

/// Exit status of what SIGKILL has ended.
const KILLED: i64 = 128 + 9;

/// Says that a container did not end within its grace and was killed.
pub(crate) fn report_kill(name: &str, took: Duration, grace: Duration, log: &RunLog) {
    println!("container {name}: did not stop within its grace period of {}, killed", humantime::format_duration(grace));
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    report(&GuestEvent::Stopped { name: name.to_owned(), took_ms: ms(took), grace_ms: ms(grace), killed: true }, log);
}

/// Copies the payload of the engine's log frames (one byte of stream, three of nothing, four of length, big endian).
/// A container with a terminal has no frames: what does not look like one is taken as it is.
fn copy_frames(stream: &mut dyn Read, out: &mut dyn Write, limit: u64) -> io::Result<u64> {
    let mut written = 0;
    loop {
        let mut header = [0; 8];
        let read = read_up_to(stream, &mut header)?;
        if read == 0 || written >= limit {
            return Ok(written);
        }
        let framed = read == 8 && header[0] <= 2 && header[1..4] == [0, 0, 0];
        if !framed {
            out.write_all(&header[..read])?;
            return Ok(written + read as u64 + io::copy(&mut stream.take(limit - written), out)?);
        }
        let length = u64::from(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
        let kept = length.min(limit - written);
        written += io::copy(&mut stream.take(kept), out)?;
        io::copy(&mut stream.take(length - kept), &mut io::sink())?;
    }
}

/// Fills a buffer as far as the stream goes.
fn read_up_to(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(stream: &[u8], limit: u64) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let written = copy_frames(&mut &stream[..], &mut out, limit).unwrap();
        (out, written)
    }

    #[test]
    fn a_log_that_nobody_keeps_is_no_failure_and_any_other_is() {
        let answer = |message: &str| -> &'static str {
            let body = format!("{{\"message\":\"{message}\"}}");
            let head = format!("HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}", body.len());
            Box::leak(format!("{head}\r\n\r\n{body}").into_boxed_str())
        };
        let said = |message: &str| {
            let (engine, _server) = crate::engine::api::tests::engine_of(&[answer(message)]);
            let mut out = Vec::new();
            write_log(&engine, "function", 100, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(said(NOT_KEPT).unwrap(), "[the logging driver of function keeps no log]\n");
        assert_eq!(said("no such container").unwrap_err().to_string(), "no such container");
    }

    #[test]
    fn a_containers_group_is_found() {
        let docker = "12:pids:/x\n0::/system.slice/docker-1.scope\n";
        assert_eq!(group_of(docker).unwrap(), Path::new("/sys/fs/cgroup/system.slice/docker-1.scope"));
        // A process of the host's, and a host without version 2.
        assert_eq!((group_of("0::/\n"), group_of("3:pids:/docker/1\n")), (None, None));
    }

    #[test]
    fn one_that_has_ended_is_left_alone() {
        let answer = |pid: i32| -> &'static str {
            let body = format!(
                "{{\"Id\":\"1\",\"Name\":\"/f\",\"Image\":\"i\",\"State\":{{\"Status\":\"running\",\"Pid\":{pid}}},\"Config\":{{\"Image\":\"i\"}}}}"
            );
            Box::leak(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_boxed_str())
        };
        let frozen = |text: &'static str| {
            let (engine, _server) = crate::engine::api::tests::engine_of(&[text]);
            freeze(&engine, "f")
        };
        frozen(answer(0)).unwrap();
        let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";
        assert!(frozen(gone).unwrap_err().to_string().contains("no container f"));
    }

    #[test]
    fn frames_are_taken_off() {
        let stream = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err\n";
        assert_eq!(copied(stream, 100), (b"outerr\n".to_vec(), 7));
        assert_eq!(copied(stream, 5), (b"outer".to_vec(), 5));
        assert_eq!(copied(b"", 5), (Vec::new(), 0));
    }

    #[test]
    fn a_terminals_log_has_none() {
        assert_eq!(copied(b"plain text, no frames", 100), (b"plain text, no frames".to_vec(), 21));
        assert_eq!(copied(b"abc", 100), (b"abc".to_vec(), 3));
    }
}
