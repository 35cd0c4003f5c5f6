//! `logs` and `stop`: the container's own words, and its end, without the engine's slow command-line programs.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use futon_model::{GuestEvent, not_whole};
use guest_net::{Context, Error, Result};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::{Engine, api::Container, container::report_state};
use crate::{report::report, runlog::RunLog};

/// What the engine says where a container's logging driver keeps nothing.
const NOT_KEPT: &str = "configured logging driver does not support reading";

/// Prints a container's log, at most `limit` bytes of it. Where that is not all that the container printed, the reason stands behind it and
/// is returned. A service may want none kept: that is no failure.
pub(super) fn write_log(
    engine: &Engine,
    name: &str,
    container: &Container,
    limit: u64,
    out: &mut dyn Write,
) -> Result<Option<String>> {
    let why = match copy_log(engine, name, limit, out) {
        Err(error) if error.to_string().contains(NOT_KEPT) => {
            Some(format!("the logging driver {} keeps no log", container.host.log.driver))
        }
        cut => {
            if cut? {
                Some(cut_words(limit))
            } else {
                thrown_away(container)
            }
        }
    };
    if let Some(why) = &why {
        out.write_all(not_whole(why).as_bytes()).context(format_args!("the log of {name}"))?;
    }
    Ok(why)
}

/// Says that a log was cut.
pub(crate) fn cut_words(limit: u64) -> String {
    match limit >> 20 {
        0 => format!("it was cut after {limit} bytes"),
        mib => format!("it was cut after {mib} MiB"),
    }
}

/// Copies a container's log, at most `limit` bytes of it, and returns whether there is more.
pub(super) fn copy_log(engine: &Engine, name: &str, limit: u64, out: &mut dyn Write) -> Result<bool> {
    let mut stream = engine.log(name, None)?;
    let (_, cut) = copy_frames(&mut stream, out, limit).context(format!("the log of {name} ended early"))?;
    Ok(cut)
}

/// Copies what a container has printed since then, whole.
pub(super) fn copy_log_since(
    engine: &Engine,
    name: &str,
    since: Option<SystemTime>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut stream = engine.log(name, since).map_err(|error| match error.to_string() {
        words if words.contains(NOT_KEPT) => Error::new(format!(
            "the function serves when its log has a line, and the logging driver of {name} keeps no log"
        )),
        _ => error,
    })?;
    copy_frames(&mut stream, out, u64::MAX).context(format!("the log of {name} ended early"))?;
    Ok(())
}

/// Why the engine may no longer have all that a container printed: its logging driver throws the oldest away, or what comes too fast.
fn thrown_away(container: &Container) -> Option<String> {
    let log = &container.host.log;
    let option = |name: &str| log.options.as_ref().and_then(|options| options.get(name)).map(String::as_str);
    if option("mode") == Some("non-blocking") {
        return Some("logging in the mode non-blocking can lose lines".into());
    }
    let (file, limited, files) = match log.driver.as_str() {
        // An engine that does not say it has its default.
        "json-file" | "" => (container.log_path.clone(), option("max-size").is_some(), 1),
        // It keeps five files of 20 MB each where nothing else is said.
        "local" => {
            let folder = container.hostname_path.parent().unwrap_or_else(|| Path::new(""));
            (folder.join("local-logs/container.log"), true, 5)
        }
        driver => return Some(format!("with the logging driver {driver} the engine keeps a copy that can lack lines")),
    };
    let files = option("max-file").and_then(|files| files.parse().ok()).unwrap_or(files);
    // A log of one file begins anew when that is full, which leaves no sign. With more of them the oldest has the last number.
    let full = |ending: &str| {
        let mut path = file.clone().into_os_string();
        path.push(format!(".{}{ending}", files - 1));
        Path::new(&path).exists()
    };
    let lost = limited && (files < 2 || full("") || full(".gz"));
    let size = option("max-size").map(|size| format!(" (max-size {size})")).unwrap_or_default();
    lost.then(|| format!("the logging driver throws the oldest lines away{size}; with a larger max-file none is lost"))
}

/// How long the engine waits after a container's stop signal, where the container does not say (moby, `defaultStopTimeout`).
const STOP_TIMEOUT: u64 = 10;

/// How long the engine waits for a container that it could not send the signal to (moby, `containerStop`).
const NO_SIGNAL: Duration = Duration::from_secs(2);

/// Stops that are faster than this need no second look: nothing was killed for being slow.
const SLOW: Duration = Duration::from_millis(900);

/// Stops a container with the grace it declares, reports where that was not enough, and removes it.
pub(super) fn stop(engine: &Engine, name: &str, log: &RunLog) -> Result<()> {
    let began = Instant::now();
    let had_ended = engine.stop(name)?;
    let took = began.elapsed();
    // Asking costs time in each run: only where the answer can be yes.
    if had_ended {
        report_state(engine, name, log)?;
    } else if took >= SLOW
        && let Some(container) = engine.container(name)?
        && let Some(grace) = killed_after(&container, took)
    {
        report_kill(name, took, grace, log);
    }
    engine.remove(name)?;
    println!("container {name}: stopped and removed");
    Ok(())
}

/// The grace after which the engine killed a container, if it did.
fn killed_after(container: &Container, took: Duration) -> Option<Duration> {
    let grace = Duration::from_secs(container.config.stop_timeout.unwrap_or(STOP_TIMEOUT));
    let signal = container.config.stop_signal.as_deref().unwrap_or_default().to_ascii_uppercase();
    if matches!(signal.trim_start_matches("SIG"), "KILL" | "9") {
        // So it wants to be stopped.
        return None;
    }
    // One whose stop signal does not exist is waited for a little, and killed.
    let unsendable = container.config.stop_signal.as_ref().is_some_and(|signal| !signal.is_empty())
        && (NO_SIGNAL..grace).contains(&took);
    let grace = if unsendable { NO_SIGNAL } else { grace };
    (container.state.exit_code == KILLED && took >= grace && !grace.is_zero()).then_some(grace)
}

/// Freezes a container for good. The engine is asked for nothing but the number of its first process: a stop by the engine costs 100 M
/// instructions on a simulated core, and the machine ends with the run.
pub(super) fn freeze(engine: &Engine, name: &str) -> Result<()> {
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
/// Returns how many bytes were written and whether there are more.
fn copy_frames(stream: &mut dyn Read, out: &mut dyn Write, limit: u64) -> io::Result<(u64, bool)> {
    let mut written = 0;
    loop {
        let mut header = [0; 8];
        let read = read_up_to(stream, &mut header)?;
        let framed = read == 8 && header[0] <= 2 && header[1..4] == [0, 0, 0];
        if !framed {
            let mut rest = (&header[..read]).chain(stream);
            written += io::copy(&mut (&mut rest).take(limit - written), out)?;
            return Ok((written, read_up_to(&mut rest, &mut [0])? > 0));
        }
        let length = u64::from(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
        let kept = length.min(limit - written);
        written += io::copy(&mut stream.take(kept), out)?;
        if kept < length {
            return Ok((written, true));
        }
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

    fn copied(stream: &[u8], limit: u64) -> (String, bool) {
        let mut out = Vec::new();
        let (written, cut) = copy_frames(&mut &stream[..], &mut out, limit).unwrap();
        assert_eq!(written, out.len() as u64);
        (String::from_utf8(out).unwrap(), cut)
    }

    fn container(driver: &str, options: &str, folder: &Path) -> Container {
        let folder = folder.display();
        let text = format!(
            r#"{{"Image": "i", "Config": {{"Image": "x"}}, "State": {{"Status": "running"}},
                "HostConfig": {{"LogConfig": {{"Type": "{driver}", "Config": {options}}}}},
                "HostnamePath": "{folder}/hostname", "LogPath": "{folder}/1-json.log"}}"#
        );
        serde_json::from_str(&text).unwrap()
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
            let container = container("none", "{}", Path::new("/"));
            let why = write_log(&engine, "function", &container, 100, &mut out);
            why.map(|why| (String::from_utf8(out).unwrap(), why))
        };
        let why = "the logging driver none keeps no log";
        assert_eq!(said(NOT_KEPT).unwrap(), (not_whole(why), Some(why.to_owned())));
        assert_eq!(said("no such container").unwrap_err().to_string(), "no such container");
    }

    #[test]
    fn one_that_had_ended_is_reported_when_it_is_stopped() {
        let folder = std::env::temp_dir().join(format!("futon-had-ended-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("no-events"), "").unwrap();
        let body = r#"{"Image":"i","Config":{"Image":"x"},"State":{"Status":"exited","ExitCode":3}}"#;
        let state = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (stopped, removed) = ("HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
        let (engine, server) =
            crate::engine::api::tests::engine_of(&[stopped, Box::leak(state.into_boxed_str()), removed]);
        stop(&engine, "f", &RunLog::at(folder.join("results.log"))).unwrap();
        let asked = server.join().unwrap();
        assert!(asked[1].starts_with("GET /containers/f/json"), "{}", asked[1]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_kill_is_told_from_a_slow_end() {
        let after = |config: &str, status: i64, took: u64| {
            let text = format!(
                r#"{{"Image": "i", "Config": {{"Image": "x"{config}}}, "State": {{"Status": "exited", "ExitCode": {status}}}}}"#
            );
            let took = Duration::from_millis(took);
            killed_after(&serde_json::from_str(&text).unwrap(), took).map(|grace| grace.as_secs())
        };
        assert_eq!(after("", 137, 10_100), Some(10));
        assert_eq!(after(r#", "StopTimeout": 1"#, 137, 1100), Some(1));
        assert_eq!(after(r#", "StopTimeout": 0"#, 137, 1100), None);
        assert_eq!(after("", 137, 2100), None);
        assert_eq!(after("", 0, 10_100), None);
        // Its signal does not exist.
        assert_eq!(after(r#", "StopSignal": "SIGNOPE""#, 137, 2100), Some(2));
        assert_eq!(after(r#", "StopSignal": "SIGQUIT""#, 137, 10_100), Some(10));
        for signal in ["SIGKILL", "kill", "9"] {
            assert_eq!(after(&format!(r#", "StopSignal": "{signal}""#), 137, 2100), None);
        }
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
        assert_eq!(copied(stream, 100), ("outerr\n".to_owned(), false));
        // All of it is not cut.
        assert_eq!(copied(stream, 7), ("outerr\n".to_owned(), false));
        assert_eq!(copied(stream, 5), ("outer".to_owned(), true));
        assert_eq!(copied(stream, 3), ("out".to_owned(), true));
        assert_eq!(copied(b"", 5), (String::new(), false));
    }

    #[test]
    fn a_terminals_log_has_none() {
        assert_eq!(copied(b"plain text, no frames", 100), ("plain text, no frames".to_owned(), false));
        assert_eq!(copied(b"abc", 100), ("abc".to_owned(), false));
        assert!(!copied(b"plain text, no frames", 21).1);
        assert_eq!(copied(b"plain text, no frames", 20), ("plain text, no frame".to_owned(), true));
        assert_eq!(copied(b"plain text, no frames", 5), ("plain".to_owned(), true));
    }

    #[test]
    fn a_log_that_was_cut_says_so() {
        let log = "HTTP/1.1 200 OK\r\n\r\n\x01\0\0\0\0\0\0\x06hello\n";
        let saved = |limit: u64| {
            let (engine, _server) = crate::engine::api::tests::engine_of(&[log]);
            let mut out = Vec::new();
            let why = write_log(&engine, "f", &container("json-file", "{}", Path::new("/")), limit, &mut out).unwrap();
            (String::from_utf8(out).unwrap(), why)
        };
        assert_eq!(saved(6), ("hello\n".to_owned(), None));
        let why = "it was cut after 4 bytes";
        assert_eq!(saved(4), (format!("hell{}", not_whole(why)), Some(why.to_owned())));
        assert_eq!(cut_words(16 << 20), "it was cut after 16 MiB");
    }

    #[test]
    fn a_driver_that_throws_lines_away_is_known() {
        let folder = std::env::temp_dir().join(format!("futon-thrown-{}", std::process::id()));
        fs::create_dir_all(folder.join("local-logs")).unwrap();
        let lost = |driver: &str, options: &str| thrown_away(&container(driver, options, &folder));
        for (driver, options) in [
            ("json-file", "null"),
            ("json-file", r#"{"tag": "x"}"#),
            ("json-file", r#"{"max-size": "10m", "max-file": "3"}"#),
            ("local", "{}"),
        ] {
            assert_eq!(lost(driver, options), None, "{driver} {options}");
        }
        let oldest =
            "the logging driver throws the oldest lines away (max-size 10m); with a larger max-file none is lost";
        // A log of one file leaves no sign of what was in it.
        assert_eq!(lost("json-file", r#"{"max-size": "10m"}"#).unwrap(), oldest);
        fs::write(folder.join("1-json.log.1"), "").unwrap();
        assert_eq!(lost("json-file", r#"{"max-size": "10m", "max-file": "3"}"#), None);
        fs::write(folder.join("1-json.log.2.gz"), "").unwrap();
        assert_eq!(lost("json-file", r#"{"max-size": "10m", "max-file": "3"}"#).unwrap(), oldest);
        fs::write(folder.join("local-logs/container.log.4"), "").unwrap();
        assert!(lost("local", "{}").unwrap().contains("oldest"));
        assert!(lost("json-file", r#"{"mode": "non-blocking"}"#).unwrap().contains("non-blocking"));
        assert!(lost("syslog", "{}").unwrap().contains("syslog"));
        fs::remove_dir_all(folder).unwrap();
    }
}
