//! A published port that the guest itself already used: there is no verdict on the function then.

use futon_model::{Code, EventKind, GuestEvent, Outcome, Verdict, steps};

use super::explain::{hint, verdict};
use super::witnesses::Witnesses;

/// The verdict of a run whose guest found a port in use.
pub(super) fn port_taken(w: &Witnesses<'_>) -> Option<Verdict> {
    let (port, by) = w.events.iter().find_map(|event| match &event.kind {
        EventKind::Guest { authentic: true, guest: GuestEvent::PortTaken { port, by } } => Some((port, by)),
        _ => None,
    })?;
    let why = format!("port {port} in the guest, needed to publish a container's port, is used by {by}");
    let help =
        "run it again; if a program of the base image uses the port, publish the container's port on a different one";
    Some(hint(verdict(Outcome::Infra, steps::START, Code::GuestPortTaken, why), help))
}

#[cfg(test)]
mod tests {
    use futon_model::Event;

    use super::*;
    use crate::verdict::judge;
    use crate::verdict::testing::plan;

    #[test]
    fn a_clash_is_the_harnesss_and_nobody_can_forge_one() {
        let plan = plan();
        let outcome = |authentic| {
            let taken = GuestEvent::PortTaken { port: 50000, by: "a connection in the guest".into() };
            let events = [Event { at_ms: 1, kind: EventKind::Guest { authentic, guest: taken } }];
            judge(&Witnesses { plan: &plan, events: &events, client: None, results_logs: &[], native_speed: false })
                .verdict
        };
        let clash = outcome(true);
        assert_eq!((clash.outcome, clash.code), (Outcome::Infra, Code::GuestPortTaken));
        assert!(clash.why.contains("50000") && clash.hint.is_some());
        assert_ne!(outcome(false).code, Code::GuestPortTaken);
    }
}
