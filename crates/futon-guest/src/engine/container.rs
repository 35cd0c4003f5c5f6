//! `container` and `state`: what the engine says about the function's container, told to the exchange.

use futon_model::GuestEvent;
use guest_net::{Error, Result};

use super::{Engine, api};
use crate::{report::report, runlog::RunLog};

/// Reports which image a container runs.
pub(super) fn report_image(engine: &Engine, name: &str, log: &RunLog) -> Result<()> {
    let container = existing(engine, name)?;
    let repo_digests = engine.repo_digests(&container.image_id)?;
    println!("container {name}: image {} is {}", container.config.image, container.image_id);
    let event = GuestEvent::Container {
        name: name.to_owned(),
        image: container.config.image,
        image_id: container.image_id,
        repo_digests,
    };
    report(&event, log);
    Ok(())
}

/// Reports a container's state, and returns what the engine says of it.
pub(super) fn report_state(engine: &Engine, name: &str, log: &RunLog) -> Result<api::Container> {
    let container = existing(engine, name)?;
    let state = &container.state;
    let oom = if state.oom_killed { ", out of memory" } else { "" };
    if state.is_over() {
        println!("container {name}: {} with status {}{oom}", state.status, state.exit_code);
    } else {
        println!("container {name}: {}{oom}", state.status);
    }
    let event = GuestEvent::ContainerState {
        name: name.to_owned(),
        exit_code: state.is_over().then_some(state.exit_code),
        status: state.status.clone(),
        oom_killed: state.oom_killed,
        restarts: container.restarts,
        last_exit: (state.status == "restarting").then_some(state.exit_code),
    };
    report(&event, log);
    Ok(container)
}

/// A container that must be there.
pub(super) fn existing(engine: &Engine, name: &str) -> Result<api::Container> {
    engine.container(name)?.ok_or_else(|| Error::new(format!("there is no container {name}")))
}
