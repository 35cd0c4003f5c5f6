//! A good run, for tests to break.

use futon_model::{Accelerator, ClientReport, Event, EventKind, GuestEvent, PhaseCount, ShutdownReason, steps};

#[path = "../../../futon-model/tests/sample/mod.rs"]
mod sample;

pub(crate) use sample::{CONFIG, MANIFEST, plan};

pub(crate) fn guest(guest: GuestEvent) -> EventKind {
    EventKind::Guest { authentic: true, guest }
}

pub(crate) fn started(name: &str) -> EventKind {
    guest(GuestEvent::StepStarted { name: name.into() })
}

pub(crate) fn ended(name: &str, status: i32) -> EventKind {
    guest(GuestEvent::StepEnded {
        name: name.into(),
        exit_status: Some(status),
        signal: None,
        timed_out: false,
        duration_ms: 100,
        tail: "said something\n".into(),
    })
}

pub(crate) fn exited() -> EventKind {
    EventKind::MachineExited { status: Some(0), signal: None, stderr: String::new() }
}

/// The events of a run that passes.
pub(crate) fn good() -> Vec<EventKind> {
    let mut kinds = vec![
        EventKind::MachineStarted { accelerator: Accelerator::Tcg },
        EventKind::RunScriptRequested { status: 200, authentic: true },
    ];
    for step in steps::GUEST {
        kinds.push(started(step));
        if step == steps::START {
            kinds.push(guest(GuestEvent::Container {
                name: "function".into(),
                image: "vhiveease/fibonacci-go:latest".into(),
                image_id: CONFIG.into(),
                repo_digests: vec![format!("vhiveease/fibonacci-go@{MANIFEST}")],
            }));
        }
        kinds.push(ended(step, 0));
    }
    kinds.push(uploaded("results.log", true));
    kinds.push(guest(GuestEvent::Finish { status: 0 }));
    kinds.push(EventKind::MachineShutdown { reason: ShutdownReason::GuestShutdown });
    kinds.push(exited());
    kinds
}

pub(crate) fn uploaded(name: &str, authentic: bool) -> EventKind {
    EventKind::Uploaded { name: name.into(), stored_as: name.into(), bytes: 10, authentic }
}

pub(crate) fn timed(kinds: Vec<EventKind>) -> Vec<Event> {
    (0..).map(|i| i * 100).zip(kinds).map(|(at_ms, kind)| Event { at_ms, kind }).collect()
}

pub(crate) fn client() -> ClientReport {
    ClientReport {
        schema: "futon.client/1".into(),
        function: "fibonacci-go".into(),
        service: "fibonacci".into(),
        method: "SayHello".into(),
        seed: 1,
        planned: 20,
        verified: 20,
        failed: 0,
        not_made: 0,
        warmup: PhaseCount::default(),
        greeting: futon_model::Greeting::Verified,
        connect_ms: Some(1.0),
        first_failure: None,
        latency_ms: None,
        latencies_ms: Vec::new(),
        histogram: Vec::new(),
    }
}
