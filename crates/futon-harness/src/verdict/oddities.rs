//! Remarks on what was unusual in a run, whatever its verdict.

use futon_model::{Event, EventKind, GuestEvent, ScriptKind, Verdict, exit_words, steps};

use super::witnesses::Witnesses;

/// Other remarks: above all, attempts to forge the guest's reports.
pub(super) fn oddities(w: &Witnesses<'_>, verdict: Option<&Verdict>) -> Vec<String> {
    let count = |pick: &dyn Fn(&EventKind) -> bool| w.events.iter().filter(|e| pick(&e.kind)).count();
    let own = w.plan.script == ScriptKind::Own;
    let mut remarks = Vec::new();
    let events = count(&|e| {
        matches!(e, EventKind::Guest { authentic: false, .. } | EventKind::MalformedGuestEvent { authentic: false, .. })
    });
    if own && events > 0 {
        remarks.push(format!("forgery: {events} guest events came without the run's token and were not believed"));
    }
    let uploads: Vec<String> = w
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::Uploaded { name, stored_as, authentic: false, .. } if own => {
                Some(format!("{name} (kept as {stored_as})"))
            }
            _ => None,
        })
        .collect();
    if !uploads.is_empty() {
        remarks.push(format!(
            "forgery: uploads without the run's token were kept and not believed: {}",
            uploads.join(", ")
        ));
    }
    let scripts = count(&|e| matches!(e, EventKind::RunScriptRequested { status: 200, .. }));
    if scripts > 1 {
        remarks.push(format!("run.sh was fetched {scripts} times; only the first answer carried the token"));
    }
    let mut seen: Vec<&str> = Vec::new();
    for event in w.events {
        if let EventKind::Uploaded { name, stored_as, authentic, .. } = &event.kind
            && (*authentic || !own)
        {
            if seen.contains(&name.as_str()) {
                remarks.push(format!("{name} was uploaded more than once; this one was kept as {stored_as}"));
            }
            seen.push(name);
        }
    }
    for event in w.events {
        if let EventKind::Guest { authentic: true, guest: GuestEvent::Stopped { name, grace_ms, killed: true, .. } } =
            &event.kind
            && own
        {
            remarks.push(format!(
                "the container {name} did not stop within its grace period of {} and was killed",
                futon_common::text::duration(*grace_ms)
            ));
        }
    }
    for event in w.events {
        if let EventKind::Guest { authentic: true, guest: GuestEvent::LogNotWhole { file, why } } = &event.kind {
            remarks.push(format!("{file} is not the container's whole log: {why}"));
        }
    }
    if own {
        remarks.extend(ended_by_itself(w.events, verdict));
    }
    if let Some(EventKind::Guest { guest: GuestEvent::ContainerState { oom_killed: true, name, .. }, .. }) =
        w.events.iter().map(|e| &e.kind).find(|e| {
            matches!(
                e,
                EventKind::Guest { authentic: true, guest: GuestEvent::ContainerState { oom_killed: true, .. } }
            )
        })
    {
        remarks.push(format!("the engine reports that the container {name} was killed because memory ran out"));
    }
    remarks
}

/// A container of the function's that ended although nobody had stopped it yet, or had to be started again: its last report counts. Nothing
/// where the verdict says it.
fn ended_by_itself(events: &[Event], verdict: Option<&Verdict>) -> Option<String> {
    let said = |step: &str| [steps::START, steps::READY].contains(&step);
    if verdict.and_then(|verdict| verdict.step.as_deref()).is_some_and(said) {
        return None;
    }
    let state = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::Guest {
            authentic: true,
            guest: GuestEvent::ContainerState { name, exit_code, restarts, last_exit, .. },
        } => Some((name, *exit_code, *restarts, *last_exit)),
        _ => None,
    });
    let (name, exit_code, restarts, last_exit) = state?;
    let times = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
    match (exit_code, restarts) {
        (None, 0) => None,
        (None, _) => {
            let last = last_exit.map(|status| format!(", last with {}", exit_words(status))).unwrap_or_default();
            Some(format!("the container {name} ended by itself{last}, and was restarted {times}"))
        }
        (Some(status), restarts) => {
            let before = if restarts == 0 { String::new() } else { format!("; before, it was restarted {times}") };
            let ended = format!("the container {name} ended by itself with {}", exit_words(status));
            Some(format!("{ended} before it was stopped{before}"))
        }
    }
}
