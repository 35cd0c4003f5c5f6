//! Services beside the function's that failed: often the reason why the function did.

use futon_model::{Code, Companion, Event, EventKind, GuestEvent, Outcome, ScriptKind, Verdict, exit_words, steps};

use super::explain::{hint, verdict};
use super::witnesses::Witnesses;

/// Names the services beside the function's that had failed, in the hint of a verdict on the function.
pub(super) fn with_failed_companion(verdict: Verdict, events: &[Event]) -> Verdict {
    let failed: Vec<String> = events.iter().filter_map(|event| failure(&event.kind)).collect();
    if failed.is_empty() {
        return verdict;
    }
    let failed = failed.join("; ");
    let hint = verdict.hint.map_or_else(|| failed.clone(), |hint| format!("{failed}; {hint}"));
    Verdict { hint: Some(hint), ..verdict }
}

/// A service that must not fail but did, or that was not reported after the calls.
pub(super) fn companion_failed(w: &Witnesses<'_>) -> Option<Verdict> {
    w.plan.companions.iter().filter(|companion| companion.must_not_fail).find_map(|companion| {
        let Companion { service, .. } = companion;
        let mut heard = w.events.iter().filter_map(|event| ended(&event.kind)).filter(|(name, _)| *name == service);
        match heard.next_back() {
            None => {
                let why = format!("the guest did not report the service {service} after the calls");
                Some(verdict(Outcome::Failed, steps::LOG, Code::StepMissing, why))
            }
            Some((_, None)) => None,
            Some((_, Some(how))) => Some(hint(
                verdict(Outcome::Failed, steps::LOG, Code::CompanionFailed, format!("the service {service} {how}")),
                format!("its output is in uploads/companion-{service}.log; with --whole no service may fail"),
            )),
        }
    })
}

/// A remark for each failed service beside the function's, except the one that the verdict names.
pub(super) fn failed_beside(w: &Witnesses<'_>, verdict: Option<&Verdict>) -> Vec<String> {
    if w.plan.script != ScriptKind::Own {
        return Vec::new();
    }
    let tell = |(service, how): (&str, Option<String>)| {
        how.map(|how| format!("the service {service} {how}: uploads/companion-{service}.log"))
    };
    let named = |remark: &String| {
        verdict.is_some_and(|v| v.code == Code::CompanionFailed && remark.starts_with(&format!("{}:", v.why)))
    };
    let remarks = w.events.iter().filter_map(|event| ended(&event.kind)).filter_map(tell);
    let restarted = w.events.iter().filter_map(|event| restarted(&event.kind));
    remarks.filter(|remark| !named(remark)).chain(restarted).collect()
}

/// The remark on a service that runs now, and has ended before.
fn restarted(kind: &EventKind) -> Option<String> {
    let EventKind::Guest { authentic: true, guest: GuestEvent::Companion { service, status, restarts, .. } } = kind
    else {
        return None;
    };
    let times = if *restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
    (status == "running" && *restarts > 0)
        .then(|| format!("the service {service} ended and was started again {times}: uploads/companion-{service}.log"))
}

fn failure(kind: &EventKind) -> Option<String> {
    let (service, how) = ended(kind)?;
    how.map(|how| format!("its dependency {service} {how}: uploads/companion-{service}.log"))
}

/// A service beside the function's, and how it failed if it did.
fn ended(kind: &EventKind) -> Option<(&str, Option<String>)> {
    let EventKind::Guest { authentic: true, guest } = kind else { return None };
    let GuestEvent::Companion { service, status, exit_code, oom_killed, health, .. } = guest else { return None };
    let how = match (exit_code, health.as_deref()) {
        (Some(code), _) if *code != 0 => {
            Some(format!("exited with {}{}", exit_words(*code), if *oom_killed { ", out of memory" } else { "" }))
        }
        (None, _) if status == "restarting" => Some("keeps exiting and restarting".to_owned()),
        (None, Some("unhealthy")) => Some("is unhealthy".to_owned()),
        // It was created but not started: its dependency is missing.
        (None, _) if status == "created" => Some("was never started".to_owned()),
        _ => None,
    };
    Some((service, how))
}

#[cfg(test)]
mod tests {
    use futon_model::{Code, Outcome};

    use super::*;
    use crate::verdict::judge;
    use crate::verdict::testing::{client, good, guest, plan, timed};

    fn companion(exit_code: Option<i64>, health: Option<&str>) -> EventKind {
        with_status(if exit_code.is_some() { "exited" } else { "running" }, exit_code, health)
    }

    fn with_status(status: &str, exit_code: Option<i64>, health: Option<&str>) -> EventKind {
        guest(GuestEvent::Companion {
            service: "db".into(),
            name: "db-1".into(),
            status: status.into(),
            exit_code,
            oom_killed: false,
            health: health.map(str::to_owned),
            restarts: 0,
        })
    }

    #[test]
    fn a_service_that_was_started_again_is_remarked() {
        let kind = |status: &str, restarts: u64| {
            let mut kind = with_status(status, None, None);
            if let EventKind::Guest { guest: GuestEvent::Companion { restarts: times, .. }, .. } = &mut kind {
                *times = restarts;
            }
            kind
        };
        let said = restarted(&kind("running", 2)).unwrap();
        assert_eq!(said, "the service db ended and was started again 2 times: uploads/companion-db.log");
        assert!(restarted(&kind("running", 1)).unwrap().contains("again once"));
        assert_eq!((restarted(&kind("running", 0)), restarted(&kind("restarting", 3))), (None, None));
    }

    #[test]
    fn a_dependency_that_failed_is_named() {
        let hint = |kind: EventKind| {
            let verdict = Verdict {
                outcome: Outcome::Failed,
                step: None,
                code: Code::NeverReady,
                why: String::new(),
                hint: Some("look".into()),
            };
            with_failed_companion(verdict, &timed(vec![kind])).hint.unwrap()
        };
        let died = hint(companion(Some(3), None));
        assert_eq!(died, "its dependency db exited with status 3: uploads/companion-db.log; look");
        assert_eq!(
            hint(companion(None, Some("unhealthy"))),
            "its dependency db is unhealthy: uploads/companion-db.log; look"
        );
        // The state of a container that is restarting.
        assert!(hint(with_status("restarting", None, None)).contains("keeps exiting and restarting"));
        for well in [companion(Some(0), None), companion(None, None), companion(None, Some("healthy"))] {
            assert_eq!(hint(well), "look");
        }
    }
    #[test]
    fn of_a_whole_file_no_service_may_fail() {
        let judged = |must_not_fail: bool, said: Option<EventKind>| {
            let companion = Companion { service: "db".into(), container: "db-1".into(), must_not_fail };
            let plan = futon_model::Plan { companions: vec![companion], ..plan() };
            let mut kinds = good();
            let place = kinds.iter().position(|kind| {
                matches!(kind, EventKind::Guest { guest: GuestEvent::StepEnded { name, .. }, .. } if name == steps::LOG)
            });
            if let Some(said) = said {
                kinds.insert(place.unwrap(), said);
            }
            let (events, client) = (timed(kinds), client());
            let log = ["SUCCESS: All commands completed successfully\n".to_owned()];
            let witnesses = Witnesses {
                plan: &plan,
                events: &events,
                client: Some(&client),
                results_logs: &log,
                native_speed: false,
            };
            let judged = judge(&witnesses);
            (judged.verdict.code, judged.remarks.len())
        };
        for well in [companion(None, None), companion(Some(0), None), companion(None, Some("healthy"))] {
            assert_eq!(judged(true, Some(well)), (Code::AllWitnessesAgree, 0));
        }
        for bad in [
            companion(Some(3), None),
            companion(None, Some("unhealthy")),
            with_status("restarting", None, None),
            with_status("created", None, None),
        ] {
            assert_eq!(judged(true, Some(bad.clone())), (Code::CompanionFailed, 0), "{bad:?}");
            // A dependency of the function's: the function says whether it matters.
            assert_eq!(judged(false, Some(bad.clone())), (Code::AllWitnessesAgree, 1), "{bad:?}");
            // Without the token it proves nothing.
            let EventKind::Guest { guest, .. } = bad else { unreachable!() };
            assert_eq!(judged(true, Some(EventKind::Guest { authentic: false, guest })).0, Code::StepMissing);
        }
        assert_eq!(judged(true, None), (Code::StepMissing, 0));
        assert_eq!(judged(false, None), (Code::AllWitnessesAgree, 0));
    }
}
