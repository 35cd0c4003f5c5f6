//! QMP, QEMU's machine protocol: enough of it to hear why a machine stops.
//!
//! JSON lines over a socket (QEMU's `docs/interop/qmp-spec`). Typed bindings of one QEMU release refuse
//! events of another; futon reads five fields and lets the rest pass (`docs/decisions/qmp.md`).

use futon_model::{EventKind, ShutdownReason};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;

/// Reads QMP until the machine closes it and passes on why the guest stopped.
pub(super) async fn listen(socket: UnixStream, events: UnboundedSender<EventKind>) {
    let (read, mut write) = socket.into_split();
    if write.write_all(b"{\"execute\":\"qmp_capabilities\"}\n").await.is_err() {
        return;
    }
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(reason) = shutdown_in(&line) {
            // The receiver goes away only when the run is over.
            let _ = events.send(EventKind::MachineShutdown { reason });
        }
    }
}

/// The reason in a `SHUTDOWN` event (QEMU's `ShutdownCause`, since 4.0).
fn shutdown_in(line: &str) -> Option<ShutdownReason> {
    let message: Value = serde_json::from_str(line).ok()?;
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
        let shutdown = |reason: &str| {
            format!(r#"{{"event":"SHUTDOWN","data":{{"guest":true,"reason":"{reason}"}},"timestamp":{{}}}}"#)
        };
        assert_eq!(shutdown_in(&shutdown("guest-shutdown")), Some(ShutdownReason::GuestShutdown));
        assert_eq!(shutdown_in(&shutdown("guest-reset")), Some(ShutdownReason::GuestReset));
        assert_eq!(shutdown_in(&shutdown("host-signal")), Some(ShutdownReason::Host));
        for line in [
            r#"{"QMP":{"version":{}}}"#,
            r#"{"return":{}}"#,
            r#"{"event":"RESET","data":{"reason":"guest-reset"}}"#,
            "junk",
        ] {
            assert_eq!(shutdown_in(line), None, "{line}");
        }
    }
}
