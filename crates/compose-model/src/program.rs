//! Running Docker Compose: bounded in time and output, with the caller's environment and folder, as files may speak of both.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Longest output that is read, bytes.
const LARGEST: u64 = 256 << 20;

/// How often the program is looked at.
const TICK: Duration = Duration::from_millis(2);

/// Variables by which the Docker client finds a daemon or a context. It connects to none to read a file, but does not begin with one that
/// cannot be: then they are left out.
const OF_THE_CLIENT: [&str; 6] =
    ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"];

/// The client's own settings, which can name a context, too.
const SETTINGS: (&str, &str) = ("DOCKER_CONFIG", "/nonexistent");

/// Its words when it does not begin.
pub(crate) const NOT_BEGUN: &str = "Failed to initialize: ";

/// Variables that change Compose's output or its names.
const LEFT_OUT: [&str; 2] = [COMPATIBILITY, "COMPOSE_PROGRESS"];

/// With this variable, Compose names containers in an older way.
pub(crate) const COMPATIBILITY: &str = "COMPOSE_COMPATIBILITY";

/// Files from a repository or a registry are not fetched.
const SET: [(&str, &str); 2] =
    [("COMPOSE_EXPERIMENTAL_GIT_REMOTE", "false"), ("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "false")];

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Why there is no output.
#[derive(Debug)]
pub(crate) enum NoOutput {
    NotStarted(io::Error),
    TooLong,
    TooMuch,
}

/// Runs `program` with so much memory for its data, bytes; `environment` is put over the caller's. Without a `client` it knows no daemon.
pub(crate) fn run(
    program: &Path,
    arguments: &[OsString],
    client: bool,
    environment: &[(String, String)],
    limit: Duration,
    memory: u64,
) -> Result<Output, NoOutput> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    LEFT_OUT.iter().for_each(|name| _ = command.env_remove(name));
    if !client {
        OF_THE_CLIENT.iter().for_each(|name| _ = command.env_remove(name));
        command.env(SETTINGS.0, SETTINGS.1);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value))).envs(SET);
    let mut child = command.spawn().map_err(NoOutput::NotStarted)?;
    // Not its address space, of which Go reserves far more than it uses. It has hardly begun; where it is over already this is late.
    let memory = Rlimit { current: Some(memory), maximum: Some(memory) };
    let _ = prlimit(Some(Pid::from_child(&child)), Resource::Data, memory);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let readers = [reader(out), reader(err)];
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < limit => thread::sleep(TICK),
            // It has no children that would hold the pipes.
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(NoOutput::TooLong);
            }
            Err(e) => return Err(NoOutput::NotStarted(e)),
        }
    };
    let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
    if stdout.len() as u64 > LARGEST {
        return Err(NoOutput::TooMuch);
    }
    Ok(Output { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

fn reader(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(from) = from {
            // What was read before an error is all there is.
            let _ = from.take(LARGEST + 1).read_to_end(&mut bytes);
        }
        bytes
    })
}
