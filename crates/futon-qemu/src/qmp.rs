//! QMP, QEMU's machine protocol: enough of it to hear why a machine stops, to save one, and to continue a saved one.
//!
//! JSON lines over a socket (QEMU's `docs/interop/qmp-spec`). Typed bindings of one QEMU release refuse
//! events of another; futon reads five fields and lets the rest pass (`docs/decisions/qmp.md`).

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futon_model::{EventKind, ShutdownReason};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

use futon_common::{Context, Error, Result};

/// Longest wait for the answer to a command.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// QEMU's name for its end of the socket that a machine's state goes through.
const STATE_FD: &str = "state";

/// Between two looks at a migration.
const LOOK: Duration = Duration::from_millis(4);

/// The side that gives commands, one after another.
#[derive(Debug)]
pub(super) struct Qmp {
    write: OwnedWriteHalf,
    answers: UnboundedReceiver<Value>,
    stops: Arc<AtomicU64>,
}

/// Begins to read QMP; the task ends when the machine closes it, and passes on why the guest stopped.
pub(super) fn connect(socket: UnixStream, events: UnboundedSender<EventKind>) -> (Qmp, JoinHandle<()>) {
    let (read, write) = socket.into_split();
    let (tell, answers) = unbounded_channel();
    let stops = Arc::<AtomicU64>::default();
    let count = Arc::clone(&stops);
    let task = tokio::spawn(async move {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(reason) = shutdown_in(&message) {
                // The receiver goes away only when the run is over.
                let _ = events.send(EventKind::MachineShutdown { reason });
            } else if message.get("event").is_some_and(|event| event == "STOP") {
                count.fetch_add(1, Ordering::Relaxed);
            } else if message.get("return").is_some() || message.get("error").is_some() {
                // The waiter may be gone.
                let _ = tell.send(message);
            }
        }
    });
    (Qmp { write, answers, stops }, task)
}

impl Qmp {
    /// Ends the negotiation that begins every connection.
    pub(super) async fn negotiate(&mut self) -> Result<()> {
        self.execute("qmp_capabilities", &json!({})).await.map(|_| ())
    }

    /// How often the machine has said that it stopped.
    pub(super) fn stops(&self) -> u64 {
        self.stops.load(Ordering::Relaxed)
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        let failed = || format!("QMP command {command} failed");
        self.write.write_all(line.as_bytes()).await.context(failed)?;
        self.answer(command).await
    }

    /// Waits for the answer to a command.
    async fn answer(&mut self, command: &str) -> Result<Value> {
        let failed = || format!("QMP command {command} failed");
        let answer = tokio::time::timeout(ANSWER_LIMIT, self.answers.recv()).await.context(failed)?;
        let answer = answer.ok_or_else(|| Error::infra(format!("{}: QEMU has ended", failed())))?;
        match answer.get("error") {
            None => Ok(answer.get("return").cloned().unwrap_or_default()),
            Some(error) => {
                let why = error.get("desc").and_then(Value::as_str).unwrap_or_default();
                Err(Error::infra(format!("{}: {why}", failed())))
            }
        }
    }

    /// Writes the stopped machine's state into a file. QEMU itself opens nothing, and starts no program to do it.
    pub(super) async fn save_state(&mut self, mut to: File, limit: Duration) -> Result<()> {
        let mut ours = self.hand_over_a_socket(limit).await?;
        // Ends with the end of QEMU's side.
        let copied = spawn_blocking(move || std::io::copy(&mut ours, &mut to));
        self.execute("migrate", &json!({ "uri": format!("fd:{STATE_FD}") })).await?;
        self.migrated(limit).await?;
        let copied = copied.await.context(|| "saving the machine's state was aborted".into())?;
        copied.map(|_| ()).context(|| "cannot save the machine's state".into())
    }

    /// Gives a machine that waits the state of another.
    pub(super) async fn load_state(&mut self, mut from: File, limit: Duration) -> Result<()> {
        let mut ours = self.hand_over_a_socket(limit).await?;
        let copied = spawn_blocking(move || std::io::copy(&mut from, &mut ours));
        self.execute("migrate-incoming", &json!({ "uri": format!("fd:{STATE_FD}") })).await?;
        self.migrated(limit).await?;
        // QEMU has all of it: what is left of an error is not the state's.
        let _ = copied.await;
        Ok(())
    }

    /// One end of a socket becomes QEMU's, under the name [`STATE_FD`]; the other is returned.
    async fn hand_over_a_socket(&mut self, limit: Duration) -> Result<std::os::unix::net::UnixStream> {
        const COMMAND: &str = "getfd";
        let failed = || format!("QMP command {COMMAND} failed");
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().context(|| "cannot make a socket pair".into())?;
        ours.set_read_timeout(Some(limit)).and_then(|()| ours.set_write_timeout(Some(limit))).context(failed)?;
        let line = json!({ "execute": COMMAND, "arguments": { "fdname": STATE_FD } }).to_string() + "\n";
        let (rights, socket) = ([theirs.as_raw_fd()], self.write.as_ref());
        loop {
            socket.writable().await.context(failed)?;
            let sent = socket.try_io(Interest::WRITABLE, || {
                let rights = [ControlMessage::ScmRights(&rights)];
                let line = [IoSlice::new(line.as_bytes())];
                // A line of this length goes whole.
                Ok(sendmsg::<()>(socket.as_raw_fd(), &line, &rights, MsgFlags::MSG_NOSIGNAL, None)?)
            });
            match sent {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                sent => {
                    sent.context(failed)?;
                    break;
                }
            }
        }
        drop(theirs);
        self.answer(COMMAND).await?;
        Ok(ours)
    }

    /// Excludes file-backed memory from saving and loading.
    pub(super) async fn ignore_shared_memory(&mut self) -> Result<()> {
        let capability = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
        self.execute("migrate-set-capabilities", &capability).await.map(|_| ())
    }

    /// Waits until what `migrate` or `migrate-incoming` began is done.
    pub(super) async fn migrated(&mut self, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let state = self.execute("query-migrate", &json!({})).await?;
            match state.get("status").and_then(Value::as_str) {
                Some("completed") => return Ok(()),
                Some(status @ ("failed" | "cancelled")) => {
                    let why = state.get("error-desc").and_then(Value::as_str).unwrap_or("QEMU gave no reason");
                    return Err(Error::infra(format!("saving or loading the machine's state failed: {status}: {why}")));
                }
                _ if begin.elapsed() > limit => {
                    return Err(Error::infra(format!(
                        "saving or loading the machine's state did not end within {limit:?}"
                    )));
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// The reason in a `SHUTDOWN` event (QEMU's `ShutdownCause`, since 4.0).
fn shutdown_in(message: &Value) -> Option<ShutdownReason> {
    if message.get("event")? != "SHUTDOWN" {
        return None;
    }
    Some(match message.pointer("/data/reason")?.as_str()? {
        "guest-shutdown" => ShutdownReason::GuestShutdown,
        "guest-reset" => ShutdownReason::GuestReset,
        "guest-panic" => ShutdownReason::GuestPanic,
        _ => ShutdownReason::Host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_and_other_messages_pass() {
        let shutdown = |reason: &str| json!({"event": "SHUTDOWN", "data": {"guest": true, "reason": reason}});
        assert_eq!(shutdown_in(&shutdown("guest-shutdown")), Some(ShutdownReason::GuestShutdown));
        assert_eq!(shutdown_in(&shutdown("guest-reset")), Some(ShutdownReason::GuestReset));
        assert_eq!(shutdown_in(&shutdown("host-signal")), Some(ShutdownReason::Host));
        for other in [
            json!({"QMP": {"version": {}}}),
            json!({"return": {}}),
            json!({"event": "RESET", "data": {"reason": "guest-reset"}}),
            json!("junk"),
        ] {
            assert_eq!(shutdown_in(&other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn answers_and_events_are_told_apart_and_errors_are_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (events, mut heard) = unbounded_channel();
        let (mut qmp, _task) = connect(ours, events);
        let (read, mut write) = theirs.into_split();
        let server = tokio::spawn(async move {
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"{\"QMP\":{}}\n").await.unwrap();
            let mut asked = Vec::new();
            for answer in [
                "{\"return\":{}}\n",
                "{\"event\":\"STOP\"}\n{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"guest-shutdown\"}}\n{\"error\":{\"desc\":\"no such thing\"}}\n",
                "{\"return\":{\"status\":\"active\"}}\n",
                "{\"return\":{\"status\":\"failed\",\"error-desc\":\"short read\"}}\n",
            ] {
                asked.push(lines.next_line().await.unwrap().unwrap());
                write.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        qmp.negotiate().await.unwrap();
        assert_eq!(qmp.stops(), 0);
        assert!(qmp.execute("fly", &json!({"high": true})).await.unwrap_err().to_string().contains("no such thing"));
        assert!(matches!(heard.recv().await, Some(EventKind::MachineShutdown { .. })));
        assert_eq!(qmp.stops(), 1);
        let error = qmp.migrated(Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(error.contains("short read"), "{error}");
        let asked = server.await.unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&asked[1]).unwrap(),
            json!({"execute": "fly", "arguments": {"high": true}})
        );
    }
}
