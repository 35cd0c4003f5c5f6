//! The containers beside the function's: what became of them, and what they said.

use std::path::Path;

use futon_model::GuestEvent;
use guest_net::Result;

use super::{Engine, write_log};
use crate::{report::report, runlog::RunLog, save};

/// Reports the state of each companion and saves its log in `folder`; `put` uploads that. One that cannot be asked for is told in the log
/// and hinders none of the others.
pub(crate) fn save_companions(
    engine: &Engine,
    companions: &[(String, String)],
    folder: &Path,
    limit: u64,
    log: &RunLog,
    put: &dyn Fn(&Path) -> Result<()>,
) {
    for (service, container) in companions {
        if let Err(error) = save_one(engine, service, container, folder, limit, log, put) {
            println!("service {service}: {error}");
        }
    }
}

fn save_one(
    engine: &Engine,
    service: &str,
    name: &str,
    folder: &Path,
    limit: u64,
    log: &RunLog,
    put: &dyn Fn(&Path) -> Result<()>,
) -> Result<()> {
    let Some(container) = engine.container(name)? else {
        println!("service {service}: there is no container {name}");
        return Ok(());
    };
    let state = container.state.clone();
    let health = state.health.as_ref().map(|health| health.status.clone()).filter(|word| word != "none");
    let word = health.as_deref().map(|word| format!(", {word}")).unwrap_or_default();
    println!("service {service}, container {name}: {}{word}, exit status {}", state.status, state.exit_code);
    let event = GuestEvent::Companion {
        service: service.to_owned(),
        name: name.to_owned(),
        exit_code: state.is_over().then_some(state.exit_code),
        status: state.status,
        oom_killed: state.oom_killed,
        health,
    };
    report(&event, log);
    let file = folder.join(format!("companion-{service}.log"));
    save(&file, log, put, |out| write_log(engine, name, &container, limit, out))
}
