//! Services beside the function's that failed: often the reason why the function did.

use futon_model::{Event, EventKind, GuestEvent, Verdict, exit_words};

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

fn failure(kind: &EventKind) -> Option<String> {
    let EventKind::Guest { authentic: true, guest } = kind else { return None };
    let GuestEvent::Companion { service, exit_code, oom_killed, health, .. } = guest else { return None };
    let how = match (exit_code, health.as_deref()) {
        (Some(status), _) if *status != 0 => {
            format!("exited with {}{}", exit_words(*status), if *oom_killed { ", out of memory" } else { "" })
        }
        (None, Some("unhealthy")) => "is unhealthy".to_owned(),
        _ => return None,
    };
    Some(format!("its dependency {service} {how}: uploads/companion-{service}.log"))
}

#[cfg(test)]
mod tests {
    use futon_model::{Code, Outcome};

    use super::*;
    use crate::verdict::testing::{guest, timed};

    fn companion(exit_code: Option<i64>, health: Option<&str>) -> EventKind {
        guest(GuestEvent::Companion {
            service: "db".into(),
            name: "db-1".into(),
            status: "running".into(),
            exit_code,
            oom_killed: false,
            health: health.map(str::to_owned),
        })
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
        for well in [companion(Some(0), None), companion(None, None), companion(None, Some("healthy"))] {
            assert_eq!(hint(well), "look");
        }
    }
}
