//! The containers beside the function's: what became of them, and what they said.

use std::{
    thread,
    time::{Duration, Instant},
};

use futon_model::GuestEvent;
use guest_net::Result;

use super::{Engine, api::Container, logs::write_log};
use crate::{files::save, report::report, runlog::RunLog};

/// A container that was started again and runs for so long runs on. An emulated engine takes a second and more to start one that ends
/// at once.
const RUNS_ON: Duration = Duration::from_secs(3);
/// Between two looks.
const TICK: Duration = Duration::from_millis(50);

/// Reports the state of each companion and saves its log beside the run's own. One that cannot be asked for is told in the log and hinders
/// none of the others.
pub(super) fn save_companions(engine: &Engine, companions: &[(String, String)], limit: u64, log: &RunLog) {
    for (service, container) in companions {
        if let Err(error) = save_one(engine, service, container, limit, log) {
            println!("service {service}: {error}");
        }
    }
}

/// A container's state. One that was started again and runs is looked at for a while: if it keeps ending, it only seems to run.
fn settled(engine: &Engine, name: &str) -> Result<Option<Container>> {
    let began = Instant::now();
    loop {
        let Some(container) = engine.container(name)? else { return Ok(None) };
        if container.restarts == 0 || container.state.status != "running" || began.elapsed() >= RUNS_ON {
            return Ok(Some(container));
        }
        thread::sleep(TICK);
    }
}

fn save_one(engine: &Engine, service: &str, name: &str, limit: u64, log: &RunLog) -> Result<()> {
    let Some(container) = settled(engine, name)? else {
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
        restarts: container.restarts,
    };
    report(&event, log);
    let file = log.folder().join(format!("companion-{service}.log"));
    save(&file, log, |out| write_log(engine, name, &container, limit, out))
}
