//! `ready`: waits until a container of the engine's serves, or is known never to.

use std::time::{Duration, SystemTime};

use guest_net::{
    Error, Result,
    http::Limits,
    ready::{Exit, Facts, Lines, Subject},
};

use super::{Engine, api, find, logs};
use crate::{cli::Ready, kernel, ready::wait, runlog::RunLog};

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// How long the engine is waited for at each look: all looks together must end before the step's own limit strikes.
const SOON: Limits =
    Limits { connect: Duration::from_secs(2), io: Duration::from_secs(3), whole: Duration::from_secs(3) };

/// How long at the first look.
const FIRST: Limits =
    Limits { connect: Duration::from_secs(5), io: Duration::from_secs(10), whole: Duration::from_secs(10) };

/// How long the engine may take to write down what a container has printed, and when.
const LATE: Duration = Duration::from_secs(5);

/// Bytes of a container's log that are read where it ended before it served.
const FIRST_WORDS: u64 = 4096;

/// Waits until the server at an address of this machine answers.
pub(super) fn wait_until_ready(engine: &Engine, wanted: &Ready, log: &RunLog) -> Result<()> {
    let mut subject = EngineContainer::of(engine, &wanted.container, wanted.port);
    wait(&mut subject, wanted, PAUSE, log)
}

struct EngineContainer<'a> {
    engine: &'a Engine,
    name: &'a str,
    /// The published port; where the container itself is called, its own.
    port: u16,
    /// Its last exit status while it was started again.
    last_status: Option<i64>,
    /// What the engine said last.
    last: Option<api::Container>,
    /// When its log was looked at last.
    looked_at: Option<SystemTime>,
}

impl<'a> EngineContainer<'a> {
    /// One that was not looked at yet.
    fn of(engine: &'a Engine, name: &'a str, port: u16) -> Self {
        Self { engine, name, port, last_status: None, last: None, looked_at: None }
    }

    /// The container as it is, or as it was where the engine does not say in time.
    fn look(&mut self) -> Result<api::Container> {
        // An engine that is busy with the start is waited for: nothing is known of the container yet.
        let limits = if self.last.is_some() { SOON } else { FIRST };
        match self.engine.container_within(self.name, limits) {
            Ok(Some(container)) => {
                if container.state.status == "restarting" {
                    self.last_status = Some(container.state.exit_code);
                }
                self.last = Some(container.clone());
                Ok(container)
            }
            Ok(None) => Err(Error::new(format!("container {} is gone", self.name))),
            // While a container is started again and again, the engine may be too busy with it to answer.
            Err(error) => self.last.clone().ok_or(error),
        }
    }

    fn first_words(&self) -> Result<String> {
        let mut words = Vec::new();
        logs::copy_log(self.engine, self.name, FIRST_WORDS, &mut words)?;
        Ok(String::from_utf8_lossy(&words).into_owned())
    }
}

impl Subject for EngineContainer<'_> {
    fn exit(&mut self) -> Result<Option<Exit>> {
        let state = self.look()?.state;
        if !state.is_over() {
            return Ok(None);
        }
        Ok(Some(Exit {
            status: state.exit_code,
            oom_killed: state.oom_killed,
            kernel_said: kernel::word_on(state.exit_code),
            // Without them the reason is known less well, not less surely.
            first_words: self.first_words().unwrap_or_default(),
        }))
    }

    fn has_line(&mut self, wanted: &dyn Fn(&str) -> bool) -> Result<bool> {
        let now = SystemTime::now();
        // Some lines are looked at twice, which finds nothing else.
        let since = self.looked_at.and_then(|before| before.checked_sub(LATE));
        let mut lines = Lines::behind(Vec::new(), wanted);
        logs::copy_log_since(self.engine, self.name, since, &mut lines)?;
        self.looked_at = Some(now);
        Ok(lines.found)
    }

    fn facts(&mut self) -> Result<Facts> {
        let container = self.look()?;
        Ok(Facts {
            pid: Some(container.state.pid).filter(|pid| *pid > 0),
            port: container.network.inner_port(self.port).or(Some(self.port)),
            restarts: container.restarts,
            last_status: self.last_status,
            address: find::address(&container),
        })
    }
}

#[cfg(test)]
mod tests {
    use futon_model::Probe;

    use super::*;

    fn container(state: &str) -> String {
        let body = format!(
            "{{\"Image\":\"i\",\"Config\":{{\"Image\":\"x\"}},\"RestartCount\":2,\"State\":{state},\
             \"NetworkSettings\":{{\"Ports\":{{\"9000/udp\":null,\"50051/tcp\":[{{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"50000\"}}]}}}}}}"
        );
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn a_container_that_exited_ends_the_wait_with_the_runtimes_reason() {
        let exited = Box::leak(container("{\"Status\":\"exited\",\"ExitCode\":1}").into_boxed_str());
        let log = "HTTP/1.1 200 OK\r\n\r\n\x02\0\0\0\0\0\0\x2eexec container process `/s`: Exec format error\n";
        let (engine, server) = super::super::api::tests::engine_of(&[exited, log]);
        let folder = std::env::temp_dir().join(format!("futon-ready-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("no-events"), "").unwrap();
        let log = RunLog::at(folder.join("results.log"));
        let wanted = Ready {
            container: "function".into(),
            address: [127, 0, 0, 1].into(),
            port: 1,
            timeout: Duration::from_secs(60),
            probe: Probe::Http2,
        };
        let error = wait_until_ready(&engine, &wanted, &log).unwrap_err().to_string();
        assert!(error.contains("could not be executed: exec `/s`: Exec format error (exit status 1)"), "{error}");
        assert!(server.join().unwrap()[1].starts_with("GET /containers/function/logs?"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_running_container_tells_its_own_port() {
        let running = Box::leak(container("{\"Status\":\"restarting\",\"ExitCode\":3,\"Pid\":0}").into_boxed_str());
        let (engine, _server) = super::super::api::tests::engine_of(&[running]);
        let mut subject = EngineContainer::of(&engine, "function", 50000);
        let facts = Facts { pid: None, port: Some(50051), restarts: 2, last_status: Some(3), address: None };
        assert_eq!(subject.facts().unwrap(), facts);
    }

    #[test]
    fn a_line_is_looked_for_in_all_of_a_log_and_then_in_what_is_new() {
        let frame = |text: &str| {
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            [b"\x01\0\0\0".as_slice(), &length, text.as_bytes()].concat()
        };
        let much = frame(&"x".repeat(16 << 10)).repeat(100);
        let answer = |frames: &[&[u8]]| {
            let text = String::from_utf8([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &frames.concat()].concat()).unwrap();
            &*text.leak()
        };
        // The engine hands a long line on in pieces; what has no end is no line.
        let first = answer(&[&much, &frame("\nserv"), &frame("ing")]);
        let second = answer(&[&frame("serv"), &frame("ing\r\n")]);
        let (engine, server) = super::super::api::tests::engine_of(&[first, second]);
        let mut subject = EngineContainer::of(&engine, "f", 1);
        let wanted = |line: &str| line == "serving";
        assert!(!subject.has_line(&wanted).unwrap());
        assert!(subject.has_line(&wanted).unwrap());
        let asked = server.join().unwrap();
        assert!(!asked[0].contains("since="), "{}", asked[0]);
        assert!(asked[1].contains("&since="), "{}", asked[1]);
    }

    #[test]
    fn the_first_look_waits_for_an_engine_that_is_busy_with_the_start() {
        let running = container("{\"Status\":\"running\",\"Pid\":7}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let engine = Engine::at(guest_net::http::Target::Tcp(listener.local_addr().unwrap()));
        let slow = std::thread::spawn(move || {
            use std::io::Write as _;
            let (mut stream, _) = listener.accept().unwrap();
            std::thread::sleep(SOON.whole + Duration::from_millis(500));
            let _ = stream.write_all(running.as_bytes());
        });
        let mut subject = EngineContainer::of(&engine, "function", 50000);
        assert_eq!(subject.exit().unwrap(), None);
        slow.join().unwrap();
    }

    #[test]
    fn an_engine_that_is_busy_with_the_container_ends_no_wait() {
        let running = Box::leak(container("{\"Status\":\"running\",\"Pid\":7}").into_boxed_str());
        // It answers once and never again.
        let (engine, server) = super::super::api::tests::engine_of(&[running]);
        let mut subject = EngineContainer::of(&engine, "function", 50000);
        assert_eq!(subject.exit().unwrap(), None);
        server.join().unwrap();
        assert_eq!(subject.exit().unwrap(), None);
        assert_eq!(subject.facts().unwrap().restarts, 2);
        let mut fresh = EngineContainer { last: None, ..subject };
        assert!(fresh.exit().is_err());
    }
}
