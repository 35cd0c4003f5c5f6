//! Waiting until a container serves, and reporting why it does not.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futon_model::{GuestEvent, LISTENING, Seen};
use guest_net::{
    Context, Error, Result,
    ready::{self, Readiness, Subject},
};

use crate::{cli::Ready, report::report, runlog::RunLog};

/// Waits until a container serves, and reports why if it does not. Between two attempts there is a pause of at most `longest`.
///
/// # Errors
/// When it does not serve, in words; and when the container cannot be looked at.
pub(crate) fn wait(subject: &mut dyn Subject, wanted: &Ready, longest: Duration, log: &RunLog) -> Result<()> {
    let Ready { container: name, address, port, timeout, probe } = wanted;
    let began = Instant::now();
    let readiness = ready::wait(subject, SocketAddr::new(*address, *port), probe, *timeout, longest)?;
    let took = began.elapsed();
    match readiness {
        Readiness::Serves => {
            println!("container {name} serves on port {port} after {:.3} s", took.as_secs_f64());
            Ok(())
        }
        Readiness::Listens(seen) => note(name, &seen, log),
        Readiness::Unready(reason) => {
            let words = reason.words();
            let waited_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            report(&GuestEvent::Unready { name: name.clone(), waited_ms, reason }, log);
            Err(Error::new(format!("container {name} does not serve after {:.1} s: {words}", took.as_secs_f64())))
        }
    }
}

/// Notes for the client what speaks on a container's ports.
fn note(name: &str, seen: &Seen, log: &RunLog) -> Result<()> {
    for listener in &seen.listeners {
        let at = SocketAddr::new(listener.address, listener.port);
        println!("container {name} listens on {at}: {}", listener.speaks.words());
    }
    let path = log.folder().join(LISTENING);
    let text = serde_json::to_vec(seen).context("cannot write the observations as JSON")?;
    fs::write(&path, text).context(format_args!("cannot write {}", path.display()))
}
